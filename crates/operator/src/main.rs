//! The program `teal`.

use std::process::ExitCode;

fn main() -> ExitCode {
    teal_operator::main()
}
