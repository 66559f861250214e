//! A rolling update one at a time against Teal, with the same pods.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use teal_api::Rollout;

use super::apps::{self, NAMESPACE};
use super::clock::DESCRIPTION;
use super::ledger::{Fact, Ledger, Write};
use super::origin::Origin;
use super::report::Against;
use super::stage::Stage;
use super::statistics::rounded;
use crate::error::{Error, Result};

/// Pods of each side.
pub(super) const PODS: u32 = 24;
/// How long each takes until it is ready.
pub(super) const START: Duration = Duration::from_secs(5);

const INSTALLED: Duration = Duration::from_secs(120);
/// One after another they take at least two minutes.
const ROLLED: Duration = Duration::from_secs(480);
const RELEASED: Duration = Duration::from_secs(180);

const PLAIN: &str = "plain";
const WITH_TEAL: &str = "web";

/// Measures both, one after the other.
pub(super) async fn compare(stage: &Stage, note: impl Fn(&str)) -> Result<Against> {
    note("a rolling update, one at a time …");
    let rolling = roll(stage).await?;
    note(&format!("took {:.1} s; the same with Teal …", rolling.as_secs_f64()));
    let (all_traffic, complete) = release(stage).await?;
    let seconds = |duration: Duration| rounded(duration.as_secs_f64());
    let ratio = |duration: Duration| rounded(rolling.as_secs_f64() / duration.as_secs_f64());
    Ok(Against {
        pods: PODS,
        start_seconds: START.as_secs(),
        rolling_seconds: seconds(rolling),
        teal_seconds_to_all_traffic: seconds(all_traffic),
        teal_seconds_to_complete: seconds(complete),
        ratio_to_all_traffic: ratio(all_traffic),
        ratio_to_complete: ratio(complete),
        clock: DESCRIPTION,
        origin: Origin::of(stage).await,
    })
}

async fn roll(stage: &Stage) -> Result<Duration> {
    let mut deployment = apps::deployment(PLAIN, "v1", PODS);
    deployment["metadata"]["namespace"] = json!(NAMESPACE);
    deployment["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    stage.world.cluster.apply(&deployment).await?;
    wait(stage, "the first version", INSTALLED, |ledger| {
        ledger.newest("deployments", PLAIN) == Some(&Fact::Rolled(true))
    })
    .await?;
    let api: Api<Deployment> = Api::namespaced(stage.world.client.clone(), NAMESPACE);
    let template = apps::deployment(PLAIN, "v2", PODS)["spec"]["template"].take();
    let change: Value = json!({"spec": {"template": template}});
    let patched = api.patch(PLAIN, &PatchParams::default(), &Patch::Merge(&change)).await;
    let write = written("deployments", PLAIN, &patched.map_err(Error::api("update the Deployment"))?)?;
    let took = |ledger: &Ledger| ledger.took(&write, "deployments", |fact| *fact == Fact::Rolled(true));
    stage
        .clock
        .until("the end of the rolling update", ROLLED, |ledger| {
            took(ledger).ok_or_else(|| "it goes on".into())
        })
        .await
}

async fn release(stage: &Stage) -> Result<(Duration, Duration)> {
    stage.world.cluster.apply(&apps::virtual_service(WITH_TEAL)).await?;
    stage.world.cluster.apply(&apps::rollout(WITH_TEAL, "v1", PODS, &apps::straight())).await?;
    let complete = |fact: &Fact| fact.stands(|standing| standing.current && standing.phase == "Complete");
    wait(stage, "the first version", INSTALLED, |ledger| {
        ledger.newest("rollouts", WITH_TEAL).is_some_and(complete)
    })
    .await?;
    let api: Api<Rollout> = Api::namespaced(stage.world.client.clone(), NAMESPACE);
    let change = json!({"spec": {"release": apps::release(WITH_TEAL, "v2", PODS)}});
    let patched = api.patch(WITH_TEAL, &PatchParams::default(), &Patch::Merge(&change)).await;
    let write = written("rollouts", WITH_TEAL, &patched.map_err(Error::api("update the Rollout"))?)?;
    let took = |ledger: &Ledger| {
        let all_traffic = ledger.took(&write, "virtualservices", |fact| fact.gives(100));
        let done = ledger.took(&write, "rollouts", complete);
        all_traffic.zip(done).ok_or_else(|| format!("{:?}", ledger.newest("rollouts", WITH_TEAL)))
    };
    stage.clock.until("the end of the rollout", RELEASED, took).await
}

async fn wait(stage: &Stage, what: &str, within: Duration, holds: impl Fn(&Ledger) -> bool) -> Result<()> {
    stage.clock.until(what, within, |ledger| if holds(ledger) { Ok(()) } else { Err("not yet".into()) }).await
}

fn written(resource: &'static str, name: &str, object: &impl ResourceExt) -> Result<Write> {
    let revision = object.resource_version().and_then(|version| version.parse().ok());
    let revision = revision.ok_or_else(|| Error::Unmet(format!("{name} has no resource version")))?;
    Ok(Write { resource, name: name.to_owned(), revision, app: name.to_owned() })
}
