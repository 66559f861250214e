//! What users do, again and again, and how long it took.

use std::ops::Range;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use teal_api::verbs::{self, Person};
use teal_api::{Action, Decision, Rollout};

use super::apps::{self, NAMESPACE};
use super::ledger::{Fact, Ledger, Standing, Write};
use super::profile::Single;
use super::stage::Stage;
use super::tally::Tally;
use crate::error::{Error, Result};

/// The least that a wait is bounded by, and what each application adds.
const BOUND: Duration = Duration::from_secs(120);
const BOUND_FOR_EACH: Duration = Duration::from_millis(500);
/// One person can't decide faster; it also keeps one decision's write apart from the next.
const BETWEEN_SINGLES: Duration = Duration::from_millis(100);
/// No request of the operator's for so long is rest.
const SILENCE: Duration = Duration::from_secs(3);

/// How the owner of the VirtualServices writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// By updates, as `kubectl apply` and Helm 3 do.
    Updates,
    /// By server-side apply, as GitOps and Helm 4 do.
    Applies,
}

/// The applications and what is done with them.
pub(super) struct Rounds<'a> {
    stage: &'a mut Stage,
    names: Vec<String>,
    replicas: u32,
    owner: Owner,
}

/// How long the parts of an update took.
#[derive(Debug, Default)]
pub(super) struct Updated {
    /// Until the candidate is named at weight 0.
    pub(super) entered: Vec<Duration>,
    /// Until all pods of the candidate are available.
    pub(super) available: Vec<Duration>,
    /// Until the candidate has 10 %.
    pub(super) at_10: Vec<Duration>,
}

impl<'a> Rounds<'a> {
    /// Applications that are not yet there.
    pub(super) fn new(stage: &'a mut Stage, apps: Range<u32>, replicas: u32, owner: Owner) -> Self {
        Self { stage, names: apps.map(apps::name).collect(), replicas, owner }
    }

    /// How many they are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// The stage, for its figures.
    pub(super) fn stage(&mut self) -> &mut Stage {
        self.stage
    }

    fn bound(&self) -> Duration {
        BOUND + BOUND_FOR_EACH * self.count()
    }

    /// Names of those that are decided on one at a time, and of the others.
    pub(super) fn split(&self, singles: u32) -> (Vec<String>, Vec<String>) {
        let (one, other) = self.names.split_at(usize::try_from(singles).unwrap_or(0).min(self.names.len()));
        (one.to_vec(), other.to_vec())
    }

    /// Installs the first version of all.
    pub(super) async fn install(&self) -> Result<()> {
        self.route().await?;
        let steps = apps::asking();
        let rollouts: Vec<Value> =
            self.names.iter().map(|name| apps::rollout(name, "v1", self.replicas, &steps)).collect();
        self.stage.world.cluster.apply_all(&rollouts).await?;
        self.all_stand("the first version of all as live", is_complete).await
    }

    /// Writes the VirtualService of each as its owner does. Whose it is then stands in its field managers.
    async fn route(&self) -> Result<()> {
        let kind = GroupVersionKind::gvk("networking.istio.io", "v1", "VirtualService");
        let resource = ApiResource::from_gvk(&kind);
        let client = self.stage.world.client.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
        let updates =
            PostParams { field_manager: Some("kubectl-client-side-apply".into()), ..PostParams::default() };
        let applies = PatchParams::apply("owner");
        let made = self.names.iter().map(async |name| {
            let wrong = |error: serde_json::Error| Error::Unmet(format!("VirtualService {name}: {error}"));
            let route = serde_json::from_value(apps::virtual_service(name)).map_err(wrong)?;
            let made = match self.owner {
                Owner::Updates => api.create(&updates, &route).await,
                Owner::Applies => api.patch(name, &applies, &Patch::Apply(&route)).await,
            };
            made.map(drop).map_err(Error::api(format!("write VirtualService {name}")))
        });
        try_join_all(made).await.map(drop)
    }

    /// Updates all at once and waits until each candidate has 10 %.
    pub(super) async fn update(&self, version: &str) -> Result<Vec<Write>> {
        let writes = try_join_all(self.names.iter().map(|name| self.release(name, version))).await?;
        for write in &writes {
            self.given(10, write).await?;
        }
        Ok(writes)
    }

    /// How long these took, once all have asked.
    pub(super) async fn updated(&self, writes: &[Write]) -> Result<Updated> {
        self.all_asked().await?;
        self.stage.clock.look(|ledger| {
            let took = |holds: &dyn Fn(&Fact) -> bool| all_took(ledger, writes, "virtualservices", holds);
            Ok(Updated {
                entered: took(&|fact| *fact == Fact::Weight(Some(0)))?,
                available: writes.iter().filter_map(|write| candidate_available(ledger, write)).collect(),
                at_10: took(&|fact| fact.gives(10))?,
            })
        })
    }

    /// Updates one after another, each when the one before is at 10 %.
    pub(super) async fn update_one_at_a_time(&self, version: &str) -> Result<Vec<Single>> {
        let mut singles = Vec::new();
        for name in &self.names {
            let write = self.release(name, version).await?;
            let took = self.given(10, &write).await?;
            let marks = self.stage.clock.look(|ledger| {
                let entered = ledger.took(&write, "virtualservices", |fact| *fact == Fact::Weight(Some(0)));
                [
                    ("the candidate is named at 0 %", entered),
                    ("the candidate's pods are available", candidate_available(ledger, &write)),
                ]
            });
            let marks = marks.into_iter().filter_map(|(what, after)| Some((what, after?))).collect();
            singles.push(self.single(&write, took, marks)?);
            tokio::time::sleep(BETWEEN_SINGLES).await;
        }
        self.all_asked().await?;
        Ok(singles)
    }

    async fn release(&self, name: &str, version: &str) -> Result<Write> {
        let change = json!({"spec": {"release": apps::release(name, version, self.replicas)}});
        let patched = self.rollouts().patch(name, &PatchParams::default(), &Patch::Merge(&change)).await;
        let patched = patched.map_err(Error::api(format!("update Rollout {name}")))?;
        Ok(Write {
            resource: "rollouts",
            revision: revision(&patched)?,
            name: name.to_owned(),
            app: name.to_owned(),
        })
    }

    async fn all_asked(&self) -> Result<()> {
        self.all_stand("a question at 10 % in all", |standing| standing.current && standing.asks).await
    }

    /// Decides one after another, each when the effect of the one before was seen.
    pub(super) async fn one_at_a_time(&self, action: Action, names: &[String]) -> Result<Vec<Single>> {
        let mut singles = Vec::new();
        for name in names {
            let decision = self.prepare(action, name).await?;
            let write = self.send(name, &decision).await?;
            let took = self.effect(action, &write).await?;
            singles.push(self.single(&write, took, Vec::new())?);
            tokio::time::sleep(BETWEEN_SINGLES).await;
        }
        Ok(singles)
    }

    /// The audit log has the wall clock's times. That may be corrected while all this runs, so it is asked each time.
    fn single(&self, write: &Write, took: Duration, marks: Vec<(&'static str, Duration)>) -> Result<Single> {
        let begun = self.stage.clock.look(|ledger| ledger.at(write.resource, &write.name, write.revision));
        let unseen = || Error::Unmet(format!("the write about {} was not seen in etcd", write.app));
        let ago = begun.ok_or_else(unseen)?.elapsed();
        let begun = Timestamp::now().checked_sub(ago);
        let begun = begun.map_err(|error| Error::Unmet(format!("the wall clock: {error}")))?;
        Ok(Single { app: write.app.clone(), resource: write.resource, begun, took, marks })
    }

    /// Decides on all at the same time.
    pub(super) async fn at_once(&self, action: Action, names: &[String]) -> Result<Vec<Duration>> {
        // These reads also open the connections, whose keys would be agreed on in the measured time else.
        let decisions = try_join_all(names.iter().map(|name| self.prepare(action, name))).await?;
        let sent = names.iter().zip(&decisions).map(|(name, decision)| self.send(name, decision));
        let writes = try_join_all(sent).await?;
        join_all(writes.iter().map(|write| self.effect(action, write))).await.into_iter().collect()
    }

    async fn prepare(&self, action: Action, name: &str) -> Result<Decision> {
        let rollout = self.rollouts().get(name).await.map_err(Error::api(format!("get Rollout {name}")))?;
        let person = Person { user: self.stage.user.clone(), via: Some("api".into()), ..Person::default() };
        Ok(verbs::decision(action, &rollout, &person)?)
    }

    async fn send(&self, app: &str, decision: &Decision) -> Result<Write> {
        let api: Api<Decision> = Api::namespaced(self.stage.world.client.clone(), NAMESPACE);
        let made = api.create(&PostParams::default(), decision).await;
        let made = made.map_err(Error::api(format!("create a Decision on {app}")))?;
        Ok(Write {
            resource: "decisions",
            revision: revision(&made)?,
            name: made.name_any(),
            app: app.to_owned(),
        })
    }

    async fn effect(&self, action: Action, write: &Write) -> Result<Duration> {
        self.given(if action == Action::Approve { 100 } else { 0 }, write).await
    }

    /// How long it took until the candidate had so much.
    async fn given(&self, weight: u64, write: &Write) -> Result<Duration> {
        let what =
            format!("{weight} % for the candidate of {} after its {} was written", write.app, write.resource);
        let took = |ledger: &Ledger| {
            let took = ledger.took(write, "virtualservices", |fact| fact.gives(weight));
            took.ok_or_else(|| format!("{:?}", ledger.newest("rollouts", &write.app)))
        };
        self.stage.clock.until(&what, self.bound(), took).await
    }

    /// Waits until a promoted version of all is alone.
    pub(super) async fn all_complete(&self) -> Result<()> {
        self.all_stand("the end of all rollouts", is_complete).await
    }

    /// Waits until a version of all was taken back and is gone.
    pub(super) async fn all_returned(&self) -> Result<()> {
        let returned = |standing: &Standing| standing.phase == "RolledBack" && !standing.has_other;
        self.all_stand("the end of all that was rolled back", returned).await
    }

    async fn all_stand(&self, what: &str, holds: impl Fn(&Standing) -> bool) -> Result<()> {
        let late = |ledger: &Ledger| {
            let not_yet =
                |name: &&String| !ledger.newest("rollouts", name).is_some_and(|fact| fact.stands(&holds));
            let mut missing = self.names.iter().filter(not_yet);
            let Some(first) = missing.next() else { return Ok(()) };
            Err(format!(
                "{} not so, such as {first}: {:?}",
                missing.count() + 1,
                ledger.newest("rollouts", first)
            ))
        };
        self.stage.clock.until(what, self.bound(), late).await
    }

    /// Waits until the operator asks for nothing any more, and gives all that it asked for since the last look.
    pub(super) async fn until_rest(&mut self) -> Result<Tally> {
        let (bound, auditor) = (self.bound(), &mut self.stage.auditor);
        let mut all = Tally::default();
        let mut silent_since = tokio::time::Instant::now();
        let rest = async || {
            let tally = auditor.since_last().map_err(|error| error.to_string())?;
            let moving = tally.moving();
            all += tally;
            if moving > 0 {
                silent_since = tokio::time::Instant::now();
            }
            if silent_since.elapsed() >= SILENCE { Ok(()) } else { Err(format!("{moving} requests of late")) }
        };
        teal_testbed::until("an operator at rest", bound, rest).await?;
        Ok(all)
    }

    fn rollouts(&self) -> Api<Rollout> {
        Api::namespaced(self.stage.world.client.clone(), NAMESPACE)
    }
}

fn is_complete(standing: &Standing) -> bool {
    standing.current && standing.phase == "Complete" && !standing.has_other
}

fn revision(object: &impl ResourceExt) -> Result<u64> {
    let revision = object.resource_version().and_then(|version| version.parse().ok());
    revision.ok_or_else(|| Error::Unmet(format!("{} has no resource version", object.name_any())))
}

/// All must have been seen: a missing one would make the others look better.
fn all_took(
    ledger: &Ledger,
    writes: &[Write],
    resource: &str,
    holds: impl Fn(&Fact) -> bool,
) -> Result<Vec<Duration>> {
    let each = writes.iter().map(|write| {
        let took = ledger.took(write, resource, &holds);
        took.ok_or_else(|| Error::Unmet(format!("what {} was updated for was not seen in etcd", write.app)))
    });
    each.collect()
}

fn candidate_available(ledger: &Ledger, write: &Write) -> Option<Duration> {
    let begun = ledger.at(write.resource, &write.name, write.revision)?;
    let available = |color: &str| {
        let name = teal_api::names::colored(&write.app, color);
        ledger.first_after("deployments", &name, write.revision, |fact| *fact == Fact::Rolled(true))
    };
    let first = ["blue", "green"].into_iter().filter_map(available).min()?;
    Some(first.saturating_duration_since(begun))
}
