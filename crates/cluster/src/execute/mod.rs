//! Carrying out effects. Nothing is decided here: an effect that finds the world other than the plan saw it fails, and
//! the next look decides anew.

pub(crate) mod answer;
mod awake;
mod finalizer;
mod fresh;
mod group;
pub(crate) mod inner;
mod jobs;
pub(crate) mod keep;
mod left;
mod likeness;
pub(crate) mod owners;
mod policies;
pub(crate) mod ports;
mod release;
pub(crate) mod revision;
mod roles;
mod routes;
mod step_jobs;
mod ticks;
pub(crate) mod unknown;
mod unseen;
mod vacate;

pub(crate) use release::owns_size;
pub(crate) use vacate::is_dropped;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use json_patch::{AddOperation, PatchOperation};
use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::defaults::Filled;
use teal_api::names::annotation;
use teal_plan::{Color, ContentHash, Effect, Record, Slot, Time};
use teal_release::chart::Body;
use teal_traffic::{RoleService, Stamp};

use crate::access::{Access, Target};
use crate::config::Config;
use crate::epochs::believed;
use crate::error::Error;
use crate::json;
use crate::kinds::Known;
use crate::memory::Written;
use crate::observe::{Names, Seen, epoch_on};
use crate::rendering::{Piece, Rendering};
use crate::stores::{ObjectId, Stores};

/// What effects are carried out with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) access: Arc<Access>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) config: Arc<Config>,
}

/// For whom effects are carried out.
pub(crate) struct Order<'a> {
    pub(crate) rollout: &'a Rollout,
    pub(crate) names: &'a Names,
    pub(crate) record: &'a Record,
    /// The hash of `spec.release`.
    pub(crate) hash: ContentHash,
    pub(crate) filled: &'a Filled,
    pub(crate) services: &'a [RoleService],
    /// Which of them select both revisions before they are turned.
    pub(crate) passing: &'a [bool],
    /// Role Services that another hand replaced, by uid.
    pub(crate) replaced: &'a BTreeSet<String>,
    pub(crate) blue: Option<Arc<Rendering>>,
    pub(crate) green: Option<Arc<Rendering>>,
    /// Jobs of steps that run although their step is over, by the names of their objects.
    pub(crate) left_step_jobs: &'a [String],
    /// What a revision of a chart is to be kept with.
    pub(crate) body: Option<Arc<Body>>,
    pub(crate) now: Time,
    /// Which shared objects the kept revisions have, as far as this process has read.
    pub(crate) shares: Arc<Mutex<revision::Shares>>,
    /// Live had all that it should since the spec was changed last.
    pub(crate) was_whole: bool,
    /// What was written of the releases' objects.
    pub(crate) written: Mutex<Vec<(Color, Written)>>,
    /// Objects of live that were found edited or gone at rest.
    pub(crate) repaired: Mutex<Vec<String>>,
    /// What is to be told of role Services that another hand had turned.
    pub(crate) turned: Mutex<Vec<String>>,
    /// What is to be told of their ports, which another hand had changed.
    pub(crate) ports: Mutex<Vec<String>>,
}

/// What came of an effect.
pub(crate) struct Done {
    /// What it was, for messages and metrics.
    pub(crate) effect: &'static str,
    /// Whose release was written, where one was: what one color meets is not the other's.
    pub(crate) color: Option<Color>,
    /// Whether anything was written.
    pub(crate) result: Result<bool, Error>,
    /// A write without an answer, which must be looked up before anything else.
    pub(crate) unsure: Option<(Known, ObjectId)>,
}

impl Done {
    /// Of what is simply tried again where it has no answer.
    pub(crate) const fn of(effect: &'static str, result: Result<bool, Error>) -> Self {
        Self { effect, color: None, result, unsure: None }
    }
}

/// Carries out all of them at the same time: effects of one plan are independent of each other. But what people are answered
/// waits until traffic is where it should be, because an API server that is busy with both is slower with each.
pub(crate) async fn execute(tools: &Tools, order: &Order<'_>, effects: &[Effect]) -> Vec<Done> {
    let mut done = Vec::new();
    let due: Vec<&Effect> = effects.iter().filter(|effect| !awaits_keeping(order, effect, effects)).collect();
    for turn in turns(&due) {
        done.extend(join_all(turn.into_iter().map(|effect| one(tools, order, effect))).await);
    }
    done
}

/// What goes first, and what has time.
fn turns<'e>(effects: &[&'e Effect]) -> [Vec<&'e Effect>; 2] {
    let (answers, traffic) = effects.iter().partition(|effect| matches!(effect, Effect::Answer { .. }));
    [traffic, answers]
}

/// Of a chart nothing is made before it is kept, and then from what was kept: after a crash in between, it would be rendered anew, and
/// another try may have kept something else before.
fn awaits_keeping(order: &Order<'_>, effect: &Effect, effects: &[Effect]) -> bool {
    let Effect::ApplyRelease { slot, .. } = effect else { return false };
    let is_chart = order.rollout.spec.release.raw().get("chart").is_some();
    is_chart && effects.contains(&Effect::RecordRevision(slot.revision))
}

async fn one(tools: &Tools, order: &Order<'_>, effect: &Effect) -> Done {
    let result = match group::may_follow(tools, order, effect).await {
        Ok(()) => write(tools, order, effect).await,
        Err(error) => Err(error),
    };
    let unsure = result.as_ref().err().and_then(unsure);
    let color = match effect {
        Effect::ApplyRelease { slot, .. } => Some(slot.color),
        _ => None,
    };
    Done { effect: word(effect), color, result, unsure }
}

async fn write(tools: &Tools, order: &Order<'_>, effect: &Effect) -> Result<bool, Error> {
    match effect {
        Effect::Finalizer(set) => finalizer::set(tools, order, *set).await,
        Effect::RecordRevision(revision) => revision::record(tools, order, *revision).await,
        Effect::ApplyRelease { slot, .. } => release::apply(tools, order, *slot).await,
        Effect::RunJobs(slot) => jobs::run_later(tools, order, *slot).await,
        Effect::EndStepJobs => step_jobs::end(tools, order).await,
        Effect::RunStepJobs(slot) => step_jobs::run(tools, order, *slot).await,
        Effect::PointLive(slot) => roles::point(tools, order, roles::Role::Live, *slot).await,
        Effect::Overlap(slot) => roles::overlap(tools, order, *slot).await,
        Effect::PointCandidate(slot) => roles::point(tools, order, roles::Role::Candidate, *slot).await,
        Effect::EnterRoutes => routes::enter(tools, order).await,
        Effect::RaiseWeight(weight) => routes::raise(tools, order, *weight).await,
        Effect::LowerWeight(weight) => routes::lower(tools, order, *weight).await,
        Effect::CutOff(slot) => routes::cut_off(tools, order, *slot).await,
        Effect::LeaveRoutes => routes::leave(tools, order).await,
        Effect::Vacate { color, except } => vacate::clear(tools, order, *color, *except).await,
        Effect::Answer { decision, ruling } => answer::write(tools, order, decision, ruling).await,
    }
}

/// What was only read has not changed.
fn unsure(error: &Error) -> Option<(Known, ObjectId)> {
    let (verb, kind, name) = match error {
        Error::Timeout { verb, kind, name, .. } => (verb, kind, name),
        Error::Request { verb, kind, name, .. } if error.is_unsure() => (verb, kind, name),
        _ => return None,
    };
    if matches!(*verb, "get" | "list") {
        return None;
    }
    let (namespace, name) = name.split_once('/')?;
    Some((crate::kinds::by_kind(kind)?, ObjectId::new(namespace, name)))
}

/// A word for an effect.
pub(crate) const fn word(effect: &Effect) -> &'static str {
    match effect {
        Effect::Finalizer(_) => "Finalizer",
        Effect::RecordRevision(_) => "RecordRevision",
        Effect::ApplyRelease { .. } => "ApplyRelease",
        Effect::RunJobs(_) => "RunJobs",
        Effect::RunStepJobs(_) => "RunStepJobs",
        Effect::EndStepJobs => "EndStepJobs",
        Effect::PointLive(_) => "PointLive",
        Effect::Overlap(_) => "Overlap",
        Effect::PointCandidate(_) => "PointCandidate",
        Effect::EnterRoutes => "EnterRoutes",
        Effect::RaiseWeight(_) => "RaiseWeight",
        Effect::LowerWeight(_) => "LowerWeight",
        Effect::CutOff(_) => "CutOff",
        Effect::LeaveRoutes => "LeaveRoutes",
        Effect::Vacate { .. } => "Vacate",
        Effect::Answer { .. } => "Answer",
    }
}

impl<'a> Order<'a> {
    /// From what was seen.
    pub(crate) fn of(rollout: &'a Rollout, seen: &'a Seen) -> Self {
        Self {
            rollout,
            names: &seen.names,
            record: &seen.snapshot.record,
            hash: seen.hash,
            filled: &seen.filled,
            services: &seen.services,
            passing: &seen.passing,
            replaced: &seen.replaced,
            blue: seen.blue.clone(),
            green: seen.green.clone(),
            left_step_jobs: &seen.snapshot.world.left_step_jobs,
            body: seen.body.clone(),
            now: seen.snapshot.now,
            shares: Arc::default(),
            was_whole: false,
            written: Mutex::default(),
            repaired: Mutex::default(),
            turned: Mutex::default(),
            ports: Mutex::default(),
        }
    }
}

impl Order<'_> {
    /// What should stand in a slot.
    fn rendering(&self, slot: Slot) -> Result<&Arc<Rendering>, Error> {
        let rendering = match slot.color {
            Color::Blue => self.blue.as_ref(),
            Color::Green => self.green.as_ref(),
        };
        rendering.ok_or_else(|| Error::ContentLost { revision: slot.revision.to_string() })
    }

    /// A role's Service as the release has it that the record has in a slot.
    fn role_service(&self, slot: Slot, name: &str) -> Option<&teal_release::RoleService> {
        let asked = self.record.releases().any(|release| release.slot == slot);
        self.rendering(slot).ok().filter(|_| asked)?.role_service(name)
    }

    fn epoch_key(&self) -> String {
        annotation::epoch(&self.names.uid)
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            rollout: self.names.uid.clone(),
            epoch: i64::try_from(self.record.epoch).unwrap_or(i64::MAX),
            manager: teal_api::names::manager::TRAFFIC.to_owned(),
        }
    }

    fn note_write(&self, slot: Slot, piece: &Piece) {
        let object = format!("{} {}", piece.kind.kind, piece.name);
        let written = Written { object, content: piece.content.clone() };
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push((slot.color, written));
    }

    fn note_repair(&self, object: String) {
        self.repaired.lock().unwrap_or_else(PoisonError::into_inner).push(object);
    }

    fn note_turn(&self, message: String) {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }

    fn note_ports(&self, message: Option<String>) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).extend(message);
    }

    /// Refuses to write over a newer writer of an object of a release. Its epoch is that of the Rollout in its label: one that
    /// was here before, under another uid, holds nobody back.
    fn check_view(
        &self,
        object: impl std::fmt::Display,
        view: &crate::stores::ObjectView,
    ) -> Result<(), Error> {
        if view.rollout_uid == self.names.uid { self.check_epoch(object, view.epoch) } else { Ok(()) }
    }

    /// The epoch on an object, as far as it is believed.
    fn epoch_on(&self, object: &Value) -> u64 {
        believed(epoch_on(object, &self.names.uid), self.record)
    }

    /// Refuses to write over a newer writer.
    fn check_epoch(&self, object: impl std::fmt::Display, found: u64) -> Result<(), Error> {
        let found = believed(found, self.record);
        if found > self.record.epoch {
            return Err(Error::Outdated { object: object.to_string(), found, own: self.record.epoch });
        }
        Ok(())
    }
}

impl Tools {
    /// Sends a JSON patch and takes the answer into the cache.
    async fn patch(
        &self,
        kind: Known,
        namespace: &str,
        name: &str,
        manager: &str,
        patch: json_patch::Patch,
    ) -> Result<Value, Error> {
        let resource = self.stores.resource(kind);
        let target = Target { resource: &resource, namespace, name };
        let answer = self.access.patch(target, manager, patch).await?;
        self.stores.offer(kind, &answer);
        Ok(answer)
    }

    /// Reads anew and takes the answer into the cache.
    async fn fresh(&self, kind: Known, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let resource = self.stores.resource(kind);
        let target = Target { resource: &resource, namespace, name };
        let id = ObjectId::new(namespace, name);
        let before = self.stores.uid(kind, &id);
        let answer = self.access.get(target).await?;
        match (&answer, before) {
            (Some(object), _) if kind == crate::kinds::ROLLOUT => {
                self.stores.offer_rollout(object.clone(), &self.config.instance);
            }
            (Some(object), _) => self.stores.offer(kind, object),
            (None, Some(uid)) => self.stores.forget(kind, &id, &uid),
            (None, None) => {}
        }
        Ok(answer)
    }

    /// Whether a namespace is being deleted.
    pub(crate) async fn namespace_goes(&self, name: &str) -> Result<bool, Error> {
        let resource = kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&());
        let namespace = self.access.get(Target { resource: &resource, namespace: "", name }).await?;
        Ok(namespace.is_none_or(|object| object.pointer("/metadata/deletionTimestamp").is_some()))
    }

    /// Looks up what became of a write that had no answer.
    pub(crate) async fn settle(&self, kind: Known, id: &ObjectId) -> Result<(), Error> {
        self.fresh(kind, &id.namespace, &id.name).await.map(drop)
    }
}

/// The first error that isn't a mere conflict, else the first one; all were tried.
fn worst(results: Vec<Result<bool, Error>>) -> Result<bool, Error> {
    let mut changed = false;
    let mut failed: Option<Error> = None;
    for result in results {
        match result {
            Ok(wrote) => changed |= wrote,
            Err(error) if failed.as_ref().is_none_or(|e| e.class() == crate::error::Class::Conflict) => {
                failed = Some(error);
            }
            Err(_) => {}
        }
    }
    failed.map_or(Ok(changed), Err)
}

/// One operation of a patch.
fn add(path: &str, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: path.parse().unwrap_or_default(), value })
}

/// A patch that puts the epoch on an object and changes nothing else.
fn stamp_patch(object: &Value, key: &str, epoch: u64) -> json_patch::Patch {
    let path = format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"));
    let has_notes = object.pointer("/metadata/annotations").is_some();
    let operations = if has_notes {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": json::text(object, "/metadata/uid")},
            {"op": "add", "path": path, "value": epoch.to_string()},
        ])
    } else {
        // Making the map would wipe out one that another writer makes at the same time.
        json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": json::text(object, "/metadata/resourceVersion")},
            {"op": "add", "path": "/metadata/annotations", "value": {key: epoch.to_string()}},
        ])
    };
    serde_json::from_value(operations).unwrap_or_default()
}

/// Refuses a raise for which too few endpoints serve behind the candidate's role, by a fresh look: before weight is raised no
/// cache is trusted.
async fn enough_endpoints(tools: &Tools, order: &Order<'_>, weight: u8) -> Result<(), Error> {
    let Some(candidate) = order.record.candidate else { return Ok(()) };
    let all = teal_plan::needed(weight, &order.record.baseline, order.services.len());
    for (service, needed) in order.services.iter().zip(all) {
        let serving = fresh::serving(tools, order, service, candidate.slot).await?;
        if serving < needed {
            return Err(Error::TooFewEndpoints { service: service.candidate.clone(), serving, needed });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use teal_plan::outcome::Ruling;

    use super::*;

    #[test]
    fn what_must_be_looked_up_is_what_may_have_been_written() {
        let timeout = |verb| Error::Timeout {
            verb,
            kind: "ConfigMap".to_owned(),
            name: "shop/web-green".to_owned(),
            after: std::time::Duration::from_secs(5),
        };
        let id = ObjectId::new("shop", "web-green");
        assert_eq!(crate::kinds::by_kind("ConfigMap").map(|kind| (kind, id)), unsure(&timeout("apply")));
        for verb in ["get", "list"] {
            assert_eq!(unsure(&timeout(verb)), None, "{verb}");
        }
    }

    #[test]
    fn traffic_goes_before_what_people_are_answered() {
        let answer = Effect::Answer { decision: "web-1".to_owned(), ruling: Ruling::Done };
        let effects = [answer.clone(), Effect::LowerWeight(0), answer.clone(), Effect::EnterRoutes];
        let [first, then] = turns(&effects.iter().collect::<Vec<_>>());
        assert_eq!(first, [&Effect::LowerWeight(0), &Effect::EnterRoutes]);
        assert_eq!(then, [&answer, &answer]);
    }
}
