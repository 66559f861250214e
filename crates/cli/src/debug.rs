//! `debug`: how to get at the pods of one release.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use teal_api::Rollout;
use teal_api::names::label;

use crate::arguments::{Debug, Release};
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::find;
use crate::render;
use crate::standing::full_name;
use crate::terminal::Terminal;

/// A release as its pods are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is to the rollout.
    pub release: Release,
    /// Its revision, such as `r7-3f9c2a1b`.
    pub revision: String,
    /// `blue` or `green`; empty where what serves was there before Teal.
    pub color: String,
}

/// Prints the commands.
pub async fn debug(wanted: &Debug, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Exit, CliError> {
    let rollout = find::rollout(cluster, &wanted.name).await?;
    let found = release(&rollout, wanted.of)?;
    let pods = pods(cluster, &wanted.name, &found).await?;
    write!(terminal.out, "{}", render::debugging(&rollout, &found, &pods, terminal.paint))?;
    Ok(Exit::Done)
}

/// The release that is meant.
fn release(rollout: &Rollout, wanted: Option<Release>) -> Result<Found, CliError> {
    let status = rollout.status.clone().unwrap_or_default();
    let candidate = status.candidate.map(|found| (Release::Candidate, found.revision, found.color));
    let live = status.live.map(|found| (Release::Live, found.revision, found.color.unwrap_or_default()));
    let previous = status.previous.map(|found| (Release::Previous, found.revision, found.color));
    let there: Vec<Found> = [candidate, live, previous]
        .into_iter()
        .flatten()
        .map(|(release, revision, color)| Found { release, revision, color })
        .collect();
    let fits = |found: &&Found| wanted.is_none_or(|wanted| wanted == found.release);
    there.iter().find(fits).cloned().ok_or_else(|| CliError::NoRelease {
        rollout: full_name(rollout),
        wanted: wanted.map_or("release", name),
        there: match there.iter().map(|found| name(found.release)).collect::<Vec<_>>().as_slice() {
            [] => "nothing is installed yet".to_owned(),
            all => format!("there is --of {}", all.join(" and --of ")),
        },
    })
}

/// As it is given on the command line.
pub const fn name(release: Release) -> &'static str {
    match release {
        Release::Candidate => "candidate",
        Release::Live => "live",
        Release::Previous => "previous",
    }
}

/// The labels by which its pods are found.
pub fn selector(rollout: &str, found: &Found) -> String {
    format!("{}={rollout},{}={}", label::ROLLOUT, label::REVISION, found.revision)
}

async fn pods(cluster: &Cluster, rollout: &str, found: &Found) -> Result<Vec<Pod>, CliError> {
    let doing = format!("listing the pods of {} in namespace {}", found.revision, cluster.namespace);
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let params = ListParams::default().labels(&selector(rollout, found));
    let list = cluster.answer(&doing, api.list(&params)).await?;
    Ok(list.map_err(|error| CliError::of_request(doing, error))?.items)
}
