//! The command line.

/// Measures Teal on a real API server with pretended pods: how long an update, an approval and a rollback take from the
/// user's write to the VirtualService in etcd, how much is read and written for it, and what the operator needs.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "cargo xtask bench", version)]
pub struct Arguments {
    /// Applications, each a Rollout with a Deployment, a Service and a VirtualService
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub apps: u32,
    /// How many of them are approved and rolled back one at a time; the others all at once [default: a fifth]
    #[arg(long)]
    pub singles: Option<u32>,
    /// Pods of each color of each application
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub replicas: u32,
    /// Seconds at rest in which requests are counted
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=600))]
    pub rest: u64,
    /// Print one JSON object on standard output instead of the table
    #[arg(long)]
    pub json: bool,
    /// Write the tables into this page too, between the marks that it has for them, such as docs/reference/measurements.md
    #[arg(long, value_name = "FILE")]
    pub page: Option<std::path::PathBuf>,
    /// Measure something else: 24 pods that take 5 s to start, replaced by a rolling update one at a time, and by Teal
    #[arg(long)]
    pub against_rolling: bool,
    /// A further argument of `teal operator`, such as --operator=--concurrency=64
    #[arg(long, allow_hyphen_values = true)]
    pub operator: Vec<String>,
    /// Keep logs of cluster and operator in this folder
    #[arg(long)]
    pub state: Option<std::path::PathBuf>,
}

impl Arguments {
    /// Applications that are decided on one at a time.
    pub fn singles(&self) -> u32 {
        self.singles.unwrap_or_else(|| self.apps.div_ceil(5)).min(self.apps)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn never_more_are_decided_on_singly_than_there_are() {
        let singles = |words: &[&str]| {
            Arguments::parse_from(std::iter::once("bench").chain(words.iter().copied())).singles()
        };
        assert_eq!(singles(&[]), 20);
        assert_eq!(singles(&["--apps", "3"]), 1);
        assert_eq!(singles(&["--apps", "3", "--singles", "9"]), 3);
    }
}
