//! The command line.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Ships two versions of a small application through a real cluster: a good one, which you approve, and a bad one, which
/// its metrics send back.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "cargo xtask demo", version)]
pub struct Arguments {
    /// Approve without asking
    #[arg(long)]
    pub yes: bool,
    /// Ship the versions as a Helm chart, examples/chart, from a registry in the cluster that is started, instead of as manifests
    #[arg(long, conflicts_with = "kubeconfig")]
    pub chart: bool,
    /// Print one JSON object per line: every weight change, verdict and decision, and last a summary;
    /// docs/reference/demo.md has their fields
    #[arg(long)]
    pub json: bool,
    /// Leave the cluster up when all is done, and print how to reach it; with --kubeconfig leave there what was made, and print
    /// how to take it away
    #[arg(long)]
    pub keep: bool,
    /// Use this cluster with Istio instead of starting one; it must be able to run teal.dev/teal and teal.dev/shop, and its
    /// Prometheus must see them: by its answers the bad version is sent back. Neither namespace shop nor any Rollout may be
    /// there: the demo makes the one, removes it at its end, and installs Teal with its own values; that stays installed
    #[arg(long, requires_all = ["gateway", "prometheus"])]
    pub kubeconfig: Option<PathBuf>,
    /// Address of that cluster's ingress gateway (label istio=ingress), such as http://192.0.2.10. Sessions of raw TCP go to its
    /// port 9000, and are left out where nothing answers there
    #[arg(long, requires = "kubeconfig")]
    pub gateway: Option<String>,
    /// Address of that cluster's Prometheus, as its pods reach it
    #[arg(long, requires = "kubeconfig")]
    pub prometheus: Option<String>,
    /// Requests a second from all clients together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    pub rate: u32,
}

impl Arguments {
    /// Whether somebody is there to be asked.
    pub fn check(&self) -> Result<()> {
        if self.yes || std::io::stdin().is_terminal() {
            return Ok(());
        }
        Err(Error::Unmet("an approval is asked on the terminal, but there is none: add --yes".into()))
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
    fn a_cluster_of_ones_own_needs_its_gateway() {
        assert!(Arguments::try_parse_from(["demo", "--kubeconfig", "k"]).is_err());
        let asked = ["demo", "--kubeconfig", "k", "--gateway", "http://g", "--prometheus", "http://p"];
        assert!(Arguments::try_parse_from(asked).is_ok());
        assert!(Arguments::try_parse_from(&asked[..5]).is_err(), "nobody would send the bad version back");
        let kept = [&asked[..], &["--keep"]].concat();
        assert!(Arguments::try_parse_from(kept).is_ok_and(|arguments| arguments.keep), "what stays is said");
    }

    #[test]
    fn a_chart_comes_from_a_registry_that_another_cluster_has_not() {
        assert!(
            Arguments::try_parse_from(["demo", "--chart", "--yes"]).is_ok_and(|arguments| arguments.chart)
        );
        let theirs =
            ["demo", "--chart", "--kubeconfig", "k", "--gateway", "http://g", "--prometheus", "http://p"];
        assert!(Arguments::try_parse_from(theirs).is_err());
    }

    #[test]
    fn what_a_cluster_of_ones_own_needs_is_said_by_help() {
        let help = Arguments::command().render_long_help().to_string().replace('\n', " ");
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in
            ["port 9000", "Neither namespace shop nor any Rollout may be there", "how to take it away"]
        {
            assert!(help.contains(part), "{part}: {help}");
        }
    }
}
