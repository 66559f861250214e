//! The cluster, what of Teal's chart is needed, the operator, and the clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use teal_testbed::parts::Parts;
use teal_testbed::{Config, Istio, Profile, run_folder};
use tokio::process::Command;

use super::apps::NAMESPACE;
use super::arguments::Arguments;
use super::clock::Clock;
use super::operator::{self, Operator};
use super::process;
use super::report::Phase;
use super::tally::Auditor;
use crate::error::{Error, Result};
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World, chart};

/// Pods on one pretended node, well below what it takes.
const PODS_PER_NODE: u32 = 500;
/// What others do on the machine meanwhile is shown too: it makes times longer.
pub(super) const OTHERS: &str = "others on this machine";
/// What this program does is shown beside the parts.
const OWN: &str = "bench";

/// Everything that stands before the first measurement.
pub(super) struct Stage {
    /// The cluster.
    pub(super) world: World,
    /// etcd's versions and their instants.
    pub(super) clock: Clock,
    /// The operator.
    pub(super) operator: Operator,
    /// The operator's requests.
    pub(super) auditor: Auditor,
    /// Who we are to the API server.
    pub(super) user: String,
}

/// A control plane with pretended nodes, Istio's kinds, an audit log, and a JSON history in etcd. The bed's controller manager
/// already has 1000 requests/s and bursts of 2000.
pub(super) fn bed_config(arguments: &Arguments) -> Config {
    let pods = arguments.apps.saturating_mul(arguments.replicas).saturating_mul(2);
    let nodes = pods.div_ceil(PODS_PER_NODE) + 1;
    let extra = if arguments.against_rolling { slow_start_arguments() } else { Vec::new() };
    Config {
        profile: Profile::ControlPlaneWithKwok { nodes },
        istio: Istio::Kinds,
        audit: true,
        history: true,
        extra_arguments: [("kwok".to_owned(), extra)].into(),
        state: arguments.state.clone(),
        ..Config::default()
    }
}

/// The parts of that bed, and helm for the chart.
pub(super) fn parts(arguments: &Arguments) -> Vec<&'static str> {
    bed_config(arguments).parts().into_iter().chain(["helm"]).collect()
}

fn slow_start() -> Option<PathBuf> {
    Some(run_folder().ok()?.join("pod-ready-slowly.json"))
}

fn slow_start_arguments() -> Vec<String> {
    slow_start().map(|path| vec!["--config".into(), path.display().to_string()]).unwrap_or_default()
}

/// Writes the stage by which each pretended pod takes so long until it is ready: the usual one, later. kwok takes the stage
/// with weight before those without.
pub(super) fn write_slow_start(start: Duration) -> Result<()> {
    let Some(path) = slow_start() else { return Ok(()) };
    let usual = Parts::find(&["kwok"])?.file("kwok", "pod-ready.yaml")?;
    let wrong = |path: &std::path::Path, why: String| Error::File { path: path.to_owned(), why };
    let text = std::fs::read_to_string(&usual).map_err(|error| wrong(&usual, error.to_string()))?;
    let mut stage: Value = serde_yaml::from_str(&text).map_err(|error| wrong(&usual, error.to_string()))?;
    slowed(&mut stage, start);
    std::fs::write(&path, stage.to_string()).map_err(|error| wrong(&path, error.to_string()))
}

fn slowed(stage: &mut Value, start: Duration) {
    stage["metadata"]["name"] = json!("pod-ready-slowly");
    stage["spec"]["weight"] = json!(1);
    stage["spec"]["delay"] =
        json!({"durationMilliseconds": u64::try_from(start.as_millis()).unwrap_or(u64::MAX)});
}

impl Stage {
    /// Starts everything. Only inside a bed's namespaces.
    pub(super) async fn set(arguments: &Arguments) -> Result<Self> {
        let mut world = World::start(bed_config(arguments)).await?;
        world.cluster.helm = Parts::find(&["helm"])?.file("helm", "helm")?;
        let missing = |what: &str| Error::Cluster(format!("the bed has no {what}"));
        let clock = Clock::start(world.cluster.etcd.as_deref().ok_or_else(|| missing("etcd"))?)?;
        let log = world.cluster.audit_log.clone().ok_or_else(|| missing("audit log"))?;
        install_chart(&world).await?;
        let folder = world.bed().map_or_else(|| PathBuf::from("."), |bed| bed.folder().to_owned());
        let operator = Operator::start(&world, &folder, &arguments.operator).await?;
        make_namespace(&world).await?;
        let user = myself(&world.client).await?;
        Ok(Self { auditor: Auditor::new(log, operator::user()), world, clock, operator, user })
    }

    /// Ends everything.
    pub(super) async fn strike(self) -> Result<()> {
        self.operator.stop().await?;
        self.world.stop().await
    }

    fn processes(&self) -> Vec<(String, u32)> {
        let mut all = self.world.bed().map(teal_testbed::Bed::processes).unwrap_or_default();
        all.push(("teal operator".into(), self.operator.pid()));
        all.push((OWN.into(), std::process::id()));
        all
    }

    /// Begins a phase of which is told where the CPU time went, and how much memory the operator needed.
    pub(super) fn begin(&mut self, name: &'static str) -> Result<Running> {
        self.operator.forget_most()?;
        Ok(Running { name, begun: Instant::now(), before: self.cpu_seconds() })
    }

    /// Ends a phase.
    pub(super) fn end(&self, running: &Running) -> Result<Phase> {
        let used = self.cpu_seconds().into_iter().map(|(name, seconds)| {
            let before = running.before.get(&name).copied().unwrap_or(0.0);
            (name, super::statistics::rounded((seconds - before).max(0.0)))
        });
        let seconds = super::statistics::rounded(running.begun.elapsed().as_secs_f64());
        let (memory_mib, peak_memory_mib) = self.operator.memory_of_late()?;
        Ok(Phase { name: running.name, seconds, cpu_seconds: used.collect(), memory_mib, peak_memory_mib })
    }

    fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        let mut all = process::all_cpu_seconds(&self.processes());
        let ours: f64 = all.values().sum();
        all.extend(process::machine_seconds().map(|busy| (OTHERS.to_owned(), busy - ours)));
        all
    }
}

/// A phase under way.
pub(super) struct Running {
    name: &'static str,
    begun: Instant,
    before: BTreeMap<String, f64>,
}

/// Definitions, rights and policies by the chart; its Deployment stays at 0, since the operator runs beside the cluster.
async fn install_chart(world: &World) -> Result<()> {
    let mut helm = world.cluster.helm();
    helm.args(["upgrade", "--install", RELEASE]).arg(chart());
    helm.args(["--namespace", OPERATOR_NAMESPACE, "--create-namespace", "--set", "replicas=0"]);
    run(&mut helm).await
}

async fn run(command: &mut Command) -> Result<()> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let done = command.kill_on_drop(true).output().await;
    let done = done.map_err(|source| teal_testbed::Error::Spawn { program: program.clone(), source })?;
    if done.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Error::Program { program, status: done.status.to_string(), output })
}

/// Pods are refused before the namespace has its ServiceAccount.
async fn make_namespace(world: &World) -> Result<()> {
    world
        .cluster
        .apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
        .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), NAMESPACE);
    let there = async || accounts.get("default").await.map(drop).map_err(|error| error.to_string());
    Ok(teal_testbed::until("ServiceAccount default", Duration::from_secs(30), there).await?)
}

async fn myself(client: &kube::Client) -> Result<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let review = review.map_err(Error::api("ask who we are"))?;
    Ok(review.status.and_then(|status| status.user_info?.username).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_bed_has_room_for_two_colors_of_all() {
        let config = bed_config(&Arguments::parse_from(["bench", "--apps", "1000", "--replicas", "2"]));
        assert_eq!(config.profile, Profile::ControlPlaneWithKwok { nodes: 9 });
        assert!(config.audit && config.history);
        assert!(parts(&Arguments::parse_from(["bench"])).contains(&"helm"));
    }

    #[test]
    fn a_slowed_stage_differs_in_name_weight_and_delay() {
        let mut stage = json!({"metadata": {"name": "pod-ready"}, "spec": {"next": {"x": 1}}});
        slowed(&mut stage, Duration::from_secs(5));
        assert_eq!(
            stage["spec"],
            json!({"next": {"x": 1}, "weight": 1, "delay": {"durationMilliseconds": 5000}})
        );
        assert_eq!(stage["metadata"]["name"], "pod-ready-slowly");
    }
}
