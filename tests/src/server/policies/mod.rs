//! What the chart makes the API server refuse and allow: the cases of `tests/policies`, run as the people they speak of.
//!
//! The chart is installed by the real helm. Its operator never starts, since there is no node, and none is needed: policies
//! and rights are kept by the API server itself.

mod attempt;
mod cases;
mod rights;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{PATIENCE, PAUSE, say, served};
use crate::error::{Error, Result};
use crate::world::{World, checkout};

/// A file per policy.
const FILES: [&str; 3] = ["decisions", "epoch", "weights"];

/// Whom a case acts as.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct User {
    user: String,
    groups: Vec<String>,
}

type Users = BTreeMap<String, User>;

/// How the cases of a file went.
struct Ended {
    file: &'static str,
    cases: usize,
    /// A line for each that went another way than it must.
    failed: Vec<String>,
}

/// Installs the chart and runs all cases. Returns whether all went as they must.
pub(super) async fn run(world: &World, emulated: Option<&str>) -> Result<bool> {
    let begun = Instant::now();
    let version =
        world.client.apiserver_version().await.map_err(Error::api("ask for the server's version"))?;
    let as_older = emulated.map(|older| format!(" as {older}")).unwrap_or_default();
    let server = format!("Kubernetes {}{as_older}", version.git_version);
    say(&format!("\npolicies and rights of the chart on {server}"));
    world.install_rules().await?;
    let users: Users = read("users")?;
    prepare(world).await?;
    // First, because when all rights are as they must be, the roles have reached the server.
    let mut ended = vec![rights::run(world, &users).await?];
    for file in FILES {
        ended.push(cases::run(world, &users, file).await?);
    }
    Ok(report(&ended, &server, begun.elapsed()))
}

/// The objects that the cases are about, as an administrator has made them.
async fn prepare(world: &World) -> Result<()> {
    served(world, "rollouts.teal.dev,decisions.teal.dev,virtualservices.networking.istio.io").await?;
    world.kubectl(&["apply", "-f", &path("setup").display().to_string()]).await.map(drop)
}

fn report(ended: &[Ended], server: &str, took: Duration) -> bool {
    for Ended { file, cases, failed } in ended {
        let word = if failed.is_empty() { "ok" } else { "FAILED" };
        say(&format!("test policies::{file} on {server} ({cases} cases) ... {word}"));
        failed.iter().for_each(|line| say(&format!("    {file}.yaml: {line}")));
    }
    let failed = ended.iter().filter(|ended| !ended.failed.is_empty()).count();
    let cases: usize = ended.iter().map(|ended| ended.cases).sum();
    say(&format!("count: {cases} policy and RBAC cases on {server}"));
    // As libtest says it, for whoever counts.
    let word = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!(
        "test result: {word}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s",
        ended.len() - failed,
        took.as_secs_f64(),
    ));
    failed == 0
}

fn path(file: &str) -> PathBuf {
    checkout().join("tests/policies").join(format!("{file}.yaml"))
}

/// A file of cases, with anchors and merge keys resolved.
fn read<T: DeserializeOwned>(file: &str) -> Result<T> {
    let path = path(file);
    let unusable = |why: String| Error::File { path: path.clone(), why };
    let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
    let mut value: serde_yaml::Value =
        serde_yaml::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    value.apply_merge().map_err(|error| unusable(error.to_string()))?;
    let value: Value = serde_yaml::from_value(value).map_err(|error| unusable(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| unusable(error.to_string()))
}

fn user<'a>(users: &'a Users, name: &str) -> Result<&'a User> {
    users.get(name).ok_or_else(|| Error::Unmet(format!("users.yaml has no {name}")))
}
