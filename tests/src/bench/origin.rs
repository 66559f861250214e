//! When, of what and on what something was measured: without this a number means nothing.

use std::process::Command;

use serde::Serialize;

use super::stage::Stage;
use crate::world::checkout;

/// Where numbers come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Origin {
    /// The day.
    pub(super) day: String,
    /// The commit of the checkout, with `-dirty` where files differ from it.
    pub(super) commit: String,
    /// The API server's version.
    pub(super) api_server: String,
    /// Processor cores of the machine.
    pub(super) cores: usize,
}

impl Origin {
    /// What is known of it now. A number without origin is better than none, so what can't be found out is left open.
    pub(super) async fn of(stage: &Stage) -> Self {
        let version = stage.world.client.apiserver_version().await;
        Self {
            day: jiff::Zoned::now().date().to_string(),
            commit: commit().unwrap_or_else(unknown),
            api_server: version.map_or_else(|_| unknown(), |version| version.git_version),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { day, commit, api_server, cores } = self;
        write!(f, "measured on {day} at commit {commit}, kube-apiserver {api_server}, {cores} cores")
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn commit() -> Option<String> {
    // Excluding every tag leaves the commit's own short name.
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"]).current_dir(checkout());
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}
