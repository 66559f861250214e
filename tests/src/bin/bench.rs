//! The bench; started by `cargo xtask bench`.

use std::process::ExitCode;

use clap::Parser;
use teal_tests::bench::{Arguments, main as measure};

fn main() -> ExitCode {
    measure(&Arguments::parse())
}
