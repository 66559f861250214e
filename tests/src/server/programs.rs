//! The test programs of the rooms.

use std::path::PathBuf;
use std::str::FromStr;

use teal_testbed::Cluster;
use teal_testbed::parts::Parts;
use tokio::process::Command;

use super::{Arguments, KUBECONFIG, say};
use crate::error::{Error, Result};

/// Tests that run at the same time. They wait most of the time; the bed has two cores.
pub(super) const AT_ONCE: usize = 16;

/// Names the kubectl of the server's version to the test programs.
const KUBECTL: &str = "TEAL_TEST_KUBECTL";

/// Names the Prometheus of beds to the test programs, which start it themselves.
const PROMETHEUS: &str = "TEAL_TEST_PROMETHEUS";

/// Names the Helm of beds to them.
const HELM: &str = "TEAL_TEST_HELM";

/// The parts of beds that test programs start, beside those of the control plane.
pub(super) const PARTS: [&str; 2] = ["prometheus", "helm"];

/// A built test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    room: String,
    path: PathBuf,
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (room, path) = text.split_once('=').ok_or("write ROOM=PATH")?;
        Ok(Self { room: room.to_owned(), path: path.into() })
    }
}

/// Runs them one after another, all of them also after a failure. Returns whether all passed.
pub(super) async fn run(cluster: &Cluster, arguments: &Arguments) -> Result<bool> {
    if arguments.programs.is_empty() {
        return Err(Error::Unmet("no test program was given: start this by cargo xtask server".into()));
    }
    let parts = Parts::find(&PARTS)?;
    let [prometheus, helm] = PARTS;
    let started = [parts.file(prometheus, prometheus)?, parts.file(helm, helm)?];
    let mut passed = true;
    for program in &arguments.programs {
        say(&format!("\n{}: tests on real servers", program.room));
        let status = command(program, cluster, &started, arguments).status().await;
        let failed =
            |source| teal_testbed::Error::Spawn { program: program.path.display().to_string(), source };
        passed &= status.map_err(failed)?.success();
    }
    Ok(passed)
}

fn command(program: &Program, cluster: &Cluster, started: &[PathBuf; 2], arguments: &Arguments) -> Command {
    let mut command = Command::new(&program.path);
    // They are marked as ignored, so that where there is no server none passes that did nothing.
    command.args(["--include-ignored", "--show-output"]);
    command.arg(format!("--test-threads={}", arguments.test_threads)).args(&arguments.filter);
    let [prometheus, helm] = started;
    command.env(KUBECONFIG, &cluster.kubeconfig).env(KUBECTL, &cluster.kubectl);
    command.env(PROMETHEUS, prometheus).env(HELM, helm);
    command.kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_with_its_room() {
        let program: Program = "cluster=/w/target/server-1=2".parse().unwrap();
        assert_eq!(program, Program { room: "cluster".into(), path: "/w/target/server-1=2".into() });
        assert!("/w/target/server-1".parse::<Program>().is_err());
    }

    #[test]
    fn tests_that_are_ignored_elsewhere_are_run_on_the_cluster() {
        let arguments = Arguments {
            kubeconfig: None,
            test_threads: 3,
            programs: Vec::new(),
            filter: vec!["life::".to_owned()],
        };
        let cluster = Cluster::existing("/w/config".as_ref(), None, None);
        let program = "cluster=/w/server".parse().unwrap();
        let command = command(&program, &cluster, &["/w/prometheus".into(), "/w/helm".into()], &arguments);
        let words: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words, ["--include-ignored", "--show-output", "--test-threads=3", "life::"]);
        for (name, path) in [
            (KUBECONFIG, "/w/config"),
            (KUBECTL, "kubectl"),
            ("TEAL_TEST_PROMETHEUS", "/w/prometheus"),
            ("TEAL_TEST_HELM", "/w/helm"),
        ] {
            let named = command.as_std().get_envs().find(|(found, _)| *found == name);
            assert_eq!(named.and_then(|(_, value)| value), Some(path.as_ref()), "{name}");
        }
    }
}
