//! What to ask, from the spec and the place in the rollout.

use std::collections::BTreeMap;

use teal_api::Rollout;
use teal_api::defaults::FilledCheck;
use teal_api::names::role;
use teal_api::rollout::{NoData, OnBlind};
use teal_judge::{Check, Limit, Threshold};
use teal_measure::{Variables, render_query};
use teal_plan::{Phase, Record, Time};

use crate::observe::Seen;

/// One question and how its answers are judged.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Ask {
    pub(super) judged: Option<Check>,
    /// With its placeholders filled, or why that can't be.
    pub(super) query: Result<String, String>,
    pub(super) source: String,
    pub(super) interval_ms: u64,
    pub(super) limit: String,
    /// The revision and attempt: a guard's state lasts as long as these.
    pub(super) attempt: String,
    /// The step and when it was reached, for checks of the step.
    pub(super) place: Option<(String, Time)>,
}

/// What a plan wants measured.
pub(super) fn asks(rollout: &Rollout, seen: &Seen, names: &[String]) -> BTreeMap<String, Ask> {
    let Some(filled) = &seen.filled else { return BTreeMap::new() };
    let record = &seen.snapshot.record;
    let variables = variables(rollout, seen);
    let place = place(record);
    let attempt = attempt(record);
    names
        .iter()
        .filter_map(|name| filled.check(name))
        .map(|check| {
            let of_step = place.as_ref().filter(|(step, _)| {
                let step = seen.snapshot.settings.step(step);
                step.is_some_and(|(_, step)| step.checks.contains(&check.name))
            });
            let ask = Ask {
                judged: judged(rollout, check),
                query: render_query(&check.query, &variables).map_err(|error| error.to_string()),
                source: check.source.clone(),
                interval_ms: check.interval_ms,
                limit: check.limit.clone(),
                attempt: attempt.clone(),
                place: of_step.cloned(),
            };
            (check.name.clone(), ask)
        })
        .collect()
}

fn place(record: &Record) -> Option<(String, Time)> {
    let Phase::Step(place) = &record.phase else { return None };
    Some((place.step.clone(), place.reached?))
}

fn attempt(record: &Record) -> String {
    let subject = record.candidate.or(record.live);
    subject.map_or_else(String::new, |release| format!("{}#{}", release.slot.revision, release.attempt))
}

/// After promotion a guard goes on with the same release, which is live now.
fn variables(rollout: &Rollout, seen: &Seen) -> Variables {
    let record = &seen.snapshot.record;
    let (subject, other, word) = match record.candidate {
        Some(candidate) => (Some(candidate), record.live, role::CANDIDATE),
        None => (record.live, record.previous, role::LIVE),
    };
    let service = seen.services.first();
    Variables {
        color: subject.map(|release| release.slot.color.to_string()),
        revision: subject.map(|release| release.slot.revision.to_string()),
        role: Some(word.to_owned()),
        service: service.map(|service| service.name.clone()),
        namespace: rollout.metadata.namespace.clone(),
        rollout: rollout.metadata.name.clone(),
        live_color: other.map(|release| release.slot.color.to_string()),
        candidate_service: service.map(|service| service.candidate.clone()),
    }
}

/// The spec's limits as they were written, so that messages say `1%` and not `0.01`.
fn judged(rollout: &Rollout, check: &FilledCheck) -> Option<Check> {
    let written = rollout.spec.checks.iter().flatten().find(|written| written.name == check.name)?;
    let threshold = written.threshold.clone()?;
    let read =
        |limit: Option<&teal_api::threshold::Limit>| limit.and_then(|l| l.to_string().parse::<Limit>().ok());
    let threshold = Threshold::new(read(threshold.min.as_ref()), read(threshold.max.as_ref())).ok()?;
    Some(Check {
        threshold,
        delay_ms: check.delay_ms,
        passes: check.passes,
        failures: check.failures,
        no_data: match check.no_data {
            NoData::Wait => teal_judge::NoData::Wait,
            NoData::Zero => teal_judge::NoData::Zero,
            NoData::Fail => teal_judge::NoData::Fail,
        },
        blind_limit_ms: check.blind_limit_ms,
        on_blind: match check.on_blind {
            OnBlind::Hold => teal_judge::OnBlind::Hold,
            OnBlind::Rollback => teal_judge::OnBlind::Rollback,
        },
    })
}
