//! The demo; started by `cargo xtask demo`.

use std::process::ExitCode;

use clap::Parser;
use teal_tests::demo::{Arguments, main as play};

fn main() -> ExitCode {
    play(&Arguments::parse())
}
