//! `teal-bed`: a cluster for a person's hands.

use std::process::ExitCode;

use clap::Parser;
use teal_testbed::{Bed, Config, Enter, Result, enter_with};
use std::io::Write;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "teal-bed: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let config = Config::default();
    enter_with(&Enter { parts: config.parts(), reachable_from_outside: true })?;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bed = Bed::start(config).await?;
        for (part, after) in bed.timings() { writeln!(std::io::stderr(), "{part} {after:?}").ok(); }
        tokio::signal::ctrl_c().await.ok();
        bed.stop().await
    })
}
