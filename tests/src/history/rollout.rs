//! A Rollout as one version of it says.

use serde_json::Value;
use teal_api::RolloutSpec;
use teal_api::defaults::{Filled, FilledStep, FilledVirtualService, filled};
use teal_api::rollout::OnDelete;
use teal_plan::record::{Phase, Release};
use teal_plan::{Record, Time};
use teal_testbed::history::Key;

use super::json::{annotation, is_deleting, text};

/// What the checks need to know of a Rollout.
#[derive(Debug, Clone)]
pub(super) struct Rollout<'h> {
    pub(super) namespace: &'h str,
    pub(super) name: &'h str,
    pub(super) uid: &'h str,
    pub(super) deleting: bool,
    /// `spec.release`, for telling whether it was edited.
    pub(super) release: &'h Value,
    /// The spec with its defaults; nothing where it can't be used.
    pub(super) filled: Option<Filled>,
    /// The Services and routes that count now: during a rollout those from its start.
    pub(super) traffic: Traffic,
    /// The Services in whose order live's endpoints were counted at the start; empty where that isn't said.
    measured: Vec<String>,
    /// The planner's record; nothing where it is absent, lost or unreadable.
    pub(super) record: Option<Record>,
}

/// Which Services and routes lead to the releases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Traffic {
    pub(super) services: Vec<String>,
    pub(super) virtual_services: Vec<FilledVirtualService>,
    /// People may ask for the candidate.
    pub(super) previewed: bool,
    /// A step sends it copies.
    pub(super) mirrored: bool,
}

static NULL: Value = Value::Null;

impl<'h> Rollout<'h> {
    /// Reads a version; `before` is what the former one said.
    pub(super) fn read(key: &'h Key, value: &'h Value, before: Option<&Self>) -> Self {
        let spec = value.get("spec").cloned().unwrap_or_default();
        let spec = serde_json::from_value::<RolloutSpec>(spec).ok();
        let commit = value.pointer("/status/commit");
        let record = commit.and_then(|commit| serde_json::from_value::<Record>(commit.clone()).ok());
        let committed = |commit: &Value| serde_json::from_value(commit.get("traffic")?.clone()).ok();
        let committed: Option<teal_api::rollout::Traffic> = commit.and_then(committed);
        let lacks = |record: &Record| {
            record.phase.is_under_way()
                || record.live.map(|live| live.hash) != record.wanted.map(|wanted| wanted.hash)
        };
        // A change of the traffic counts from the end of the rollout on, and a Service that live doesn't have from its promotion on.
        let traffic = match (before, spec.clone().zip(committed.clone())) {
            (Some(before), _) if before.is_under_way() => before.traffic.clone(),
            (_, Some((spec, traffic))) if record.as_ref().is_some_and(lacks) => {
                counted(&RolloutSpec { traffic, ..spec })
            }
            _ => spec.as_ref().map(counted).unwrap_or_default(),
        };
        let measured = committed.into_iter().flat_map(|traffic| traffic.services).map(|service| service.name);
        Self {
            namespace: &key.namespace,
            name: &key.name,
            uid: text(value, "/metadata/uid").unwrap_or_default(),
            deleting: is_deleting(value),
            release: value.pointer("/spec/release").unwrap_or(&NULL),
            filled: spec.and_then(|spec| filled(&spec).ok()),
            traffic,
            measured: measured.collect(),
            record,
        }
    }

    fn is_under_way(&self) -> bool {
        self.phase().is_some_and(Phase::is_under_way)
    }

    pub(super) fn phase(&self) -> Option<&Phase> {
        self.record.as_ref().map(|record| &record.phase)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.epoch)
    }

    pub(super) fn steps(&self) -> &[FilledStep] {
        self.filled.as_ref().map_or(&[], |filled| &filled.steps)
    }

    /// Position and form of a step.
    pub(super) fn step(&self, name: &str) -> Option<(usize, &FilledStep)> {
        self.steps().iter().enumerate().find(|(_, step)| step.name == name)
    }

    pub(super) fn candidate(&self) -> Option<&Release> {
        self.record.as_ref()?.candidate.as_ref()
    }

    pub(super) fn live(&self) -> Option<&Release> {
        self.record.as_ref()?.live.as_ref()
    }

    /// All that have pods.
    pub(super) fn releases(&self) -> impl Iterator<Item = &Release> {
        let record = self.record.as_ref();
        let each = record.map(|record| [&record.live, &record.candidate, &record.previous]);
        each.into_iter().flatten().flatten()
    }

    /// Live's endpoints of one Service when the rollout started: the measure of enough.
    pub(super) fn baseline(&self, service: &str) -> u32 {
        let order = if self.measured.is_empty() { &self.traffic.services } else { &self.measured };
        let index = order.iter().position(|name| name == service);
        let baseline = self.record.as_ref().map(|record| record.baseline.as_slice()).unwrap_or_default();
        index.and_then(|index| baseline.get(index).copied()).unwrap_or(1)
    }

    /// Whether a write that left this object was decided on the newest commit. An effect that was under way when the
    /// next commit was made lands under the older epoch.
    pub(super) fn is_current(&self, written: &Value) -> bool {
        let key = teal_api::names::annotation::epoch(self.uid);
        annotation(written, &key)
            .and_then(|text| text.parse::<u64>().ok())
            .is_none_or(|at| at >= self.epoch())
    }

    /// Whether its deletion takes what serves along: then nothing of its releases is kept for anyone.
    pub(super) fn takes_all_along(&self) -> bool {
        let all = self.filled.as_ref().is_some_and(|filled| filled.on_delete == OnDelete::DeleteAll);
        self.deleting && all
    }

    /// Whether a Decision that is no vote took effect with this version: a Skip, if a step was left with it; a Retire, if what was
    /// kept was let go of.
    pub(super) fn was_told(&self, before: &Self) -> bool {
        let old = before.record.as_ref().map(|record| record.consumed.as_slice()).unwrap_or_default();
        let new = self.record.as_ref().map(|record| record.consumed.as_slice()).unwrap_or_default();
        new.iter().any(|decision| !decision.vote && !old.contains(decision))
    }
}

/// The revision of a release as it stands in labels.
pub(super) fn revision(release: &Release) -> String {
    release.slot.revision.to_string()
}

/// The milliseconds of an instant in the record.
pub(super) const fn at(time: Time) -> i64 {
    time.0
}

/// What a spec's traffic comes to; nothing where it can't be used.
fn counted(spec: &RolloutSpec) -> Traffic {
    let filled = filled(spec).ok();
    filled
        .map(|filled| Traffic {
            services: filled.services,
            virtual_services: filled.virtual_services,
            previewed: filled.preview.is_some(),
            mirrored: filled.steps.iter().any(|step| step.mirror.is_some()),
        })
        .unwrap_or_default()
}
