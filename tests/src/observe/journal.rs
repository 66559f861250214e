//! What is known about a rollout from the versions of its objects. Pure: versions in, events out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use teal_api::conditions::{Phase, Verdict};
use teal_api::names::{candidate_service, label};
use teal_api::rollout::{Rollout, RolloutStatus};

use super::event::Event;
use super::feed::{Kind, Seen};
use super::routes::{RouteShare, of_virtual_service};

/// A change of the share of requests that a revision is given: weights times what the role Services select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// When it was seen.
    pub at: Instant,
    /// Whose.
    pub revision: String,
    /// From 0 to 100.
    pub percent: u32,
}

/// A change of what a check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictChange {
    /// When it was seen.
    pub at: Instant,
    /// Of which candidate.
    pub revision: Option<String>,
    /// Which check.
    pub check: String,
    /// What it says.
    pub verdict: String,
}

/// A way back that the status told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// When that was seen.
    pub at: Instant,
    /// From which candidate.
    pub revision: String,
}

/// A pod of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSeen {
    /// Its color.
    pub color: String,
    /// Its revision.
    pub revision: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Since when it is on its way out.
    pub ending: Option<Instant>,
}

/// Everything known so far.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    name: String,
    routes: Vec<RouteShare>,
    selected: BTreeMap<String, Option<String>>,
    current: BTreeMap<String, u32>,
    decided: BTreeMap<String, Option<String>>,
    /// How often routes or selectors of roles became other ones, whether or not that changed a share.
    pub moves: usize,
    /// The spec of the VirtualService as it stands.
    pub virtual_service: Option<Value>,
    /// Every change of a revision's share, oldest first.
    pub shares: Vec<Share>,
    /// Every change of a verdict, oldest first.
    pub verdicts: Vec<VerdictChange>,
    /// Every way back, oldest first.
    pub returns: Vec<Return>,
    /// The Rollout as it stands.
    pub rollout: Option<Rollout>,
    /// The pods there are.
    pub pods: BTreeMap<String, PodSeen>,
}

impl Journal {
    /// An empty journal of a Rollout whose VirtualService and Service have its name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes in a version. Versions of other objects are passed over.
    pub fn take(&mut self, seen: &Seen) -> Vec<Event> {
        let name = text(&seen.object, "/metadata/name").unwrap_or_default();
        match seen.kind {
            Kind::VirtualService if name == self.name => self.take_virtual_service(seen),
            Kind::Service if name == self.name || name == candidate_service(&self.name) => {
                self.take_service(seen, name)
            }
            Kind::Rollout if name == self.name => self.take_rollout(seen),
            Kind::Decision => self.take_decision(&seen.object, name),
            Kind::Pod => self.take_pod(seen, name),
            _ => Vec::new(),
        }
    }

    fn take_virtual_service(&mut self, seen: &Seen) -> Vec<Event> {
        let spec = seen.object.get("spec").filter(|_| !seen.gone).cloned();
        let routes = spec.as_ref().map(|spec| of_virtual_service(spec, &self.name)).unwrap_or_default();
        self.virtual_service = spec;
        if routes == self.routes {
            return Vec::new();
        }
        self.routes = routes;
        self.moves += 1;
        self.note_shares(seen.at);
        let weights = self.routes.iter().map(|route| (route.name.clone(), route.candidate.unwrap_or(0)));
        vec![Event::Weight {
            virtual_service: self.name.clone(),
            candidate_weight: self.candidate_weight().unwrap_or(0),
            candidate_named: self.is_split(),
            revision: self.is_split().then(|| self.selects(&candidate_service(&self.name))).flatten(),
            shares: self.current.clone(),
            routes: weights.collect(),
            resource_version: text(&seen.object, "/metadata/resourceVersion").unwrap_or_default().to_owned(),
        }]
    }

    fn take_service(&mut self, seen: &Seen, name: &str) -> Vec<Event> {
        let selector = seen.object.pointer("/spec/selector").filter(|_| !seen.gone);
        let revision =
            selector.and_then(|selector| selector.get(label::REVISION)?.as_str()).map(str::to_owned);
        if self.selected.insert(name.to_owned(), revision.clone()) == Some(revision.clone()) {
            return Vec::new();
        }
        self.moves += 1;
        self.note_shares(seen.at);
        vec![Event::Repointed { service: name.to_owned(), revision, shares: self.current.clone() }]
    }

    fn take_rollout(&mut self, seen: &Seen) -> Vec<Event> {
        let before = self.rollout.take();
        if seen.gone {
            return Vec::new();
        }
        self.rollout = serde_json::from_value(seen.object.clone()).ok();
        let status = |rollout: &Option<Rollout>| {
            rollout.as_ref().and_then(|rollout| rollout.status.clone()).unwrap_or_default()
        };
        let (old, new) = (status(&before), status(&self.rollout));
        let mut events = verdict_changes(&old, &new);
        self.verdicts.extend(events.iter().filter_map(|event| match event {
            Event::Verdict { revision, check, verdict, .. } => Some(VerdictChange {
                at: seen.at,
                revision: revision.clone(),
                check: check.clone(),
                verdict: verdict.clone(),
            }),
            _ => None,
        }));
        let goes_back = |status: &RolloutStatus| status.phase.as_deref() == Some(Phase::RollingBack.as_str());
        if let Some(candidate) = new.candidate.as_ref().filter(|_| goes_back(&new) && !goes_back(&old)) {
            self.returns.push(Return { at: seen.at, revision: candidate.revision.clone() });
        }
        let place = |status: &RolloutStatus| (status.phase.clone(), status.message.clone());
        if place(&old) != place(&new) {
            events.push(Event::Phase {
                phase: new.phase.clone().unwrap_or_default(),
                step: new.step.as_ref().map(|step| step.name.clone()),
                message: new.message.clone().unwrap_or_default(),
                waiting_for: new.waiting_for.clone(),
            });
        }
        events
    }

    fn take_decision(&mut self, object: &Value, name: &str) -> Vec<Event> {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let applied = conditions.into_iter().flatten().find(|condition| condition["type"] == "Applied");
        let outcome = applied.and_then(|condition| condition["reason"].as_str()).map(str::to_owned);
        let of_this = text(object, "/spec/rollout/name") == Some(&self.name);
        if !of_this || self.decided.insert(name.to_owned(), outcome.clone()) == Some(outcome.clone()) {
            return Vec::new();
        }
        let owned = |pointer: &str| text(object, pointer).map(str::to_owned);
        vec![Event::Decision {
            name: name.to_owned(),
            action: owned("/spec/action").unwrap_or_default(),
            revision: owned("/spec/revision"),
            step: owned("/spec/step"),
            by: owned("/spec/decidedBy/user").unwrap_or_default(),
            outcome,
        }]
    }

    fn take_pod(&mut self, seen: &Seen, name: &str) -> Vec<Event> {
        let labels = &seen.object["metadata"]["labels"];
        if seen.gone {
            self.pods.remove(name);
        } else if labels[label::ROLLOUT] == self.name.as_str() {
            let word = |key: &str| labels[key].as_str().unwrap_or_default().to_owned();
            let ending = self.pods.get(name).and_then(|pod| pod.ending);
            let ends = seen.object.pointer("/metadata/deletionTimestamp").map(|_| seen.at);
            let pod = PodSeen {
                color: word(label::COLOR),
                revision: word(label::REVISION),
                ready: is_ready(&seen.object),
                ending: ending.or(ends),
            };
            self.pods.insert(name.to_owned(), pod);
        }
        Vec::new()
    }

    /// Notes whose share is another one now.
    fn note_shares(&mut self, at: Instant) {
        let now = self.shares_now();
        let gone = self.current.keys().filter(|revision| !now.contains_key(*revision));
        let gone: BTreeMap<String, u32> = gone.map(|revision| (revision.clone(), 0)).collect();
        for (revision, percent) in now.iter().chain(&gone) {
            if self.current.get(revision) != Some(percent) {
                self.shares.push(Share { at, revision: revision.clone(), percent: *percent });
            }
        }
        self.current = gone.into_iter().chain(now).collect();
    }

    /// The revision that a role Service selects.
    fn selects(&self, service: &str) -> Option<String> {
        self.selected.get(service).cloned().flatten()
    }

    fn shares_now(&self) -> BTreeMap<String, u32> {
        let (live, candidate) = (self.selects(&self.name), self.selects(&candidate_service(&self.name)));
        let mut shares = BTreeMap::new();
        for route in &self.routes {
            let mut of_route: BTreeMap<String, u32> = BTreeMap::new();
            for (revision, weight) in [(&live, Some(route.live)), (&candidate, route.candidate)] {
                if let (Some(revision), Some(weight)) = (revision, weight) {
                    *of_route.entry(revision.clone()).or_default() += weight;
                }
            }
            for (revision, weight) in of_route {
                let share = shares.entry(revision).or_insert(weight);
                *share = weight.max(*share);
            }
        }
        shares
    }

    /// The candidate's weight, the highest where routes differ; nothing where no route names it.
    pub fn candidate_weight(&self) -> Option<u32> {
        self.routes.iter().filter_map(|route| route.candidate).max()
    }

    /// Whether a VirtualService names the candidate.
    pub fn is_split(&self) -> bool {
        self.candidate_weight().is_some()
    }

    /// The share that a revision is given now.
    pub fn share(&self, revision: &str) -> u32 {
        self.current.get(revision).copied().unwrap_or(0)
    }

    /// The shares that a revision was given, one after another.
    pub fn shares_of(&self, revision: &str) -> Vec<u32> {
        let shares = self.shares.iter().filter(|share| share.revision == revision);
        shares.map(|share| share.percent).collect()
    }

    /// The Rollout's status.
    pub fn status(&self) -> Option<&RolloutStatus> {
        self.rollout.as_ref()?.status.as_ref()
    }

    /// Whether the status speaks of the spec as it stands.
    pub fn is_current(&self) -> bool {
        let generation = self.rollout.as_ref().and_then(|rollout| rollout.metadata.generation);
        generation.is_some() && generation == self.status().and_then(|status| status.observed_generation)
    }

    /// The Rollout's phase.
    pub fn phase(&self) -> &str {
        self.status().and_then(|status| status.phase.as_deref()).unwrap_or("without status")
    }

    /// The revision that serves.
    pub fn live(&self) -> Option<&str> {
        self.status()?.live.as_ref().map(|live| live.revision.as_str())
    }

    /// The revision that is tried.
    pub fn candidate(&self) -> Option<&str> {
        self.status()?.candidate.as_ref().map(|candidate| candidate.revision.as_str())
    }

    /// What became of a Decision, once that is known.
    pub fn ruling(&self, decision: &str) -> Option<&str> {
        self.decided.get(decision)?.as_deref()
    }

    /// When a check of this revision first failed.
    pub fn failed_verdict(&self, revision: &str) -> Option<&VerdictChange> {
        let of_this = |change: &&VerdictChange| {
            change.revision.as_deref() == Some(revision) && change.verdict == Verdict::Fail.as_str()
        };
        self.verdicts.iter().find(of_this)
    }

    /// How long a revision kept a share after the status told last that it goes back, both as seen by watches. Nothing where that
    /// was never told, or where it still has one.
    pub fn kept_after_return(&self, revision: &str) -> Option<Duration> {
        let back = self.returns.iter().rfind(|back| back.revision == revision)?;
        let own = self.shares.iter().filter(|share| share.revision == revision);
        let (before, after): (Vec<_>, Vec<_>) = own.partition(|share| share.at <= back.at);
        if before.last().is_none_or(|share| share.percent == 0) {
            return Some(Duration::ZERO);
        }
        let zero = after.iter().find(|share| share.percent == 0)?;
        Some(zero.at.saturating_duration_since(back.at))
    }

    /// Where things are, in words, for whoever waited in vain.
    pub fn state(&self) -> String {
        let message = self.status().and_then(|status| status.message.as_deref()).unwrap_or("no message");
        let weight =
            self.candidate_weight().map_or("not named".to_owned(), |weight| format!("at {weight} %"));
        let pods: Vec<String> =
            self.pods.values().map(|pod| format!("{} {}", pod.color, pod.revision)).collect();
        format!("Rollout {} ({message}), candidate {weight}, pods: {}", self.phase(), pods.join(", "))
    }
}

fn verdict_changes(old: &RolloutStatus, new: &RolloutStatus) -> Vec<Event> {
    let revision = |status: &RolloutStatus| status.candidate.as_ref().map(|one| one.revision.clone());
    let candidate_stays = revision(old) == revision(new);
    let said = |name: &str| old.checks.iter().find(|check| check.name == name).map(|check| &check.verdict);
    let same = |name: &str, verdict: &String| candidate_stays && said(name) == Some(verdict);
    // A verdict that ends a step is written together with what follows, and is of the step that it ends.
    let seen_at = old.step.as_ref().filter(|_| candidate_stays).or(new.step.as_ref());
    let changed = new.checks.iter().filter(|check| !same(&check.name, &check.verdict));
    let event = |check: &teal_api::rollout::CheckStatus| Event::Verdict {
        revision: revision(new),
        step: seen_at.map(|step| step.name.clone()),
        check: check.name.clone(),
        verdict: check.verdict.clone(),
        value: check.value.clone(),
        limit: check.limit.clone(),
    };
    changed.map(event).collect()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
