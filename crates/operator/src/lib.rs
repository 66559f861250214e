//! The inside of the program `teal`: configuration, telemetry and wiring. A library only so that tests can put the very
//! same parts together against a real API server.

mod arguments;
mod charts;
mod checks;
mod connect;
mod error;
mod exposition;
mod operator;
mod serve;
mod traffic_job;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

pub use charts::Renderer;
pub use checks::Checks;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let settings = match Arguments::parse().command {
        Command::Operator(settings) => settings,
        Command::Traffic(traffic) => return traffic_job::run(traffic),
    };
    match operator::run(*settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may be what could not be set up.
            eprint(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not start")]
fn eprint(error: &error::Error) {
    eprintln!("teal: {error}");
}
