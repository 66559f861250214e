//! The status as it is written: the planner's record, and what people and programs read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time as At};
use serde_json::Value;
use teal_api::rollout::Traffic;
use teal_api::rollout::status::{
    ApprovalNeed, CandidateStatus, CheckStatus, DrainingStatus, GateStatus, HistoryEntry, LiveStatus,
    PreviousStatus, RolloutStatus, RouteStatus, StepStatus, TrafficStatus, Vote,
};
use teal_plan::record::{Attempt, Outcome, Release};
use teal_plan::report::{Draining, Report, StepReport, cause};
use teal_plan::{Color, Phase, Record, Snapshot, Span, Time};

use crate::error::Error;
use crate::observe::RouteSeen;

/// An instant as the API writes it. What no calendar holds is the epoch.
pub(crate) fn timestamp(time: Time) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(time.0).unwrap_or_default()
}

/// Everything that a status is made of.
pub(crate) struct Parts<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) record: &'a Record,
    pub(crate) report: &'a Report,
    pub(crate) routes: &'a [RouteSeen],
    /// The traffic that counts now.
    pub(crate) traffic: &'a Traffic,
    /// What the releases in the colors are, in a few words.
    pub(crate) summaries: &'a [(Color, String)],
    pub(crate) namespace: &'a str,
    pub(crate) checks: Vec<CheckStatus>,
    pub(crate) old: Option<&'a RolloutStatus>,
}

/// The whole status.
pub(crate) fn render(parts: &Parts<'_>) -> Result<RolloutStatus, Error> {
    let Parts { snapshot, record, report, .. } = parts;
    let commit = commit(parts)?;
    let known = !matches!(record.phase, Phase::New);
    // Also before anything is installed there may be something to remember: since when it has been in the way.
    let committed = **record != Record::default();
    Ok(RolloutStatus {
        observed_generation: Some(snapshot.settings.generation),
        phase: Some(report.phase.to_owned()),
        message: Some(report.message.clone()).filter(|message| !message.is_empty()),
        waiting_for: report
            .waiting_for
            .as_deref()
            .map(|text| teal_api::names::shortened(text, teal_api::names::limit::WAITING_FOR)),
        live: record.live.as_ref().map(|release| live(release, parts)),
        candidate: record.candidate.as_ref().map(|release| candidate(release, parts)),
        previous: record.previous.as_ref().map(|release| PreviousStatus {
            color: release.slot.color.to_string(),
            revision: release.slot.revision.to_string(),
            kept_until: record.kept_until.map(timestamp),
        }),
        draining: report.draining.as_ref().map(draining),
        step: report.step.as_ref().map(step),
        traffic: known.then(|| traffic(parts)),
        gate: gate(record),
        checks: parts.checks.clone(),
        rejected: record.rejected.iter().map(ToString::to_string).collect(),
        history: record.history.iter().map(history).collect(),
        commit: committed.then_some(commit),
        conditions: conditions(parts),
    })
}

/// The planner's record; with the traffic with which a rollout began while it is under way, and in whose order live's endpoints were
/// counted then, for as long as they are the measure.
fn commit(parts: &Parts<'_>) -> Result<Value, Error> {
    // Words alone are news: what was committed under an epoch never changes, however it is read.
    let stored = parts.old.and_then(|old| old.commit.as_ref());
    let is_same = |commit: &&Value| commit["epoch"].as_u64() == Some(parts.record.epoch);
    if let Some(stored) = stored.filter(is_same).filter(|_| *parts.record == parts.snapshot.record) {
        return Ok(stored.clone());
    }
    let json = |source| Error::Json { what: "the record".into(), source };
    let mut commit = serde_json::to_value(parts.record).map_err(json)?;
    if parts.record.phase.is_under_way() || !parts.record.baseline.is_empty() {
        commit[crate::observe::TRAFFIC] = serde_json::to_value(parts.traffic).map_err(json)?;
    }
    Ok(commit)
}

/// What a release is: as it is rendered now, else as was said of this revision before.
fn summary(release: &Release, parts: &Parts<'_>) -> Option<String> {
    let revision = release.slot.revision.to_string();
    let now =
        parts.summaries.iter().find(|(color, _)| *color == release.slot.color).map(|(_, text)| text.clone());
    let old = parts.old.and_then(|old| {
        let live = old.live.as_ref().filter(|live| live.revision == revision);
        let candidate = old.candidate.as_ref().filter(|candidate| candidate.revision == revision);
        live.and_then(|live| live.summary.clone()).or_else(|| candidate?.summary.clone())
    });
    now.filter(|text| !text.is_empty()).or(old).map(|text| teal_api::names::shortened(&text, 200))
}

fn live(release: &Release, parts: &Parts<'_>) -> LiveStatus {
    LiveStatus {
        color: Some(release.slot.color.to_string()),
        revision: release.slot.revision.to_string(),
        hash: Some(release.hash.to_string()),
        since: Some(timestamp(release.since)),
        summary: summary(release, parts),
    }
}

fn candidate(release: &Release, parts: &Parts<'_>) -> CandidateStatus {
    CandidateStatus {
        color: release.slot.color.to_string(),
        revision: release.slot.revision.to_string(),
        hash: release.hash.to_string(),
        attempt: release.attempt,
        since: Some(timestamp(release.since)),
        deadline: parts.report.deadline.map(timestamp),
        summary: summary(release, parts),
    }
}

fn draining(report: &Draining) -> DrainingStatus {
    DrainingStatus {
        color: report.color.to_string(),
        revision: report.revision.map(|revision| revision.to_string()),
        open: report.open.clone(),
        until: Some(timestamp(report.until)),
    }
}

fn step(report: &StepReport) -> StepStatus {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    StepStatus {
        name: report.name.clone(),
        index: number(report.index),
        count: number(report.count),
        weight: u32::from(report.weight),
        reached_at: report.reached.map(timestamp),
    }
}

fn traffic(parts: &Parts<'_>) -> TrafficStatus {
    let route = |seen: &RouteSeen| RouteStatus {
        kind: "VirtualService".into(),
        namespace: parts.namespace.to_owned(),
        name: seen.object.clone(),
        route: seen.route.clone(),
        candidate_weight: u32::from(seen.weight),
    };
    let mut traffic = TrafficStatus {
        candidate_weight: u32::from(parts.report.candidate_weight),
        observed_at: None,
        routes: parts.routes.iter().map(route).collect(),
    };
    let old = parts.old.and_then(|status| status.traffic.as_ref());
    let same = old.filter(|old| TrafficStatus { observed_at: None, ..(*old).clone() } == traffic);
    traffic.observed_at =
        same.and_then(|old| old.observed_at).or_else(|| Some(timestamp(parts.snapshot.now)));
    traffic
}

fn gate(record: &Record) -> Option<GateStatus> {
    let Phase::Step(place) = &record.phase else { return None };
    let gate = place.gate.as_ref().filter(|gate| gate.is_open())?;
    Some(GateStatus {
        step: place.step.clone(),
        nonce: gate.nonce.clone(),
        evidence: gate.evidence.clone(),
        opened_at: Some(timestamp(gate.opened)),
        needs: vec![ApprovalNeed { count: gate.needed, have: gate.have() }],
        votes: gate
            .votes
            .iter()
            .map(|vote| Vote {
                decision: vote.decision.clone(),
                user: vote.user.clone(),
                via: Some(vote.via.clone()).filter(|via| !via.is_empty()),
                at: Some(timestamp(vote.at)),
            })
            .collect(),
    })
}

fn history(attempt: &Attempt) -> HistoryEntry {
    let (outcome, reason) = match &attempt.outcome {
        Outcome::Promoted | Outcome::Rebuilt => ("Promoted", None),
        Outcome::RolledBack(why) => ("RolledBack", Some(cause(why))),
        Outcome::Cancelled => ("Cancelled", None),
        Outcome::Superseded => ("Superseded", None),
    };
    let seconds = |span: Span| u32::try_from(span.0.max(0) / 1000).unwrap_or(u32::MAX);
    let all = seconds(attempt.finished - attempt.started);
    let human = attempt.waited.map(|waited| seconds(waited).min(all));
    HistoryEntry {
        revision: attempt.revision.to_string(),
        attempt: attempt.attempt,
        outcome: outcome.into(),
        reason,
        started_at: Some(timestamp(attempt.started)),
        finished_at: Some(timestamp(attempt.finished)),
        human_seconds: human,
        machine_seconds: human.map(|human| all.saturating_sub(human)),
        decisions: attempt.decisions.clone(),
    }
}

/// The time of a condition is when its status last changed.
fn conditions(parts: &Parts<'_>) -> Vec<Condition> {
    let old = parts.old.map_or(&[][..], |status| status.conditions.as_slice());
    let now = At(timestamp(parts.snapshot.now));
    let condition = |wanted: &teal_plan::report::Condition| {
        let status = if wanted.status { "True" } else { "False" };
        let before = old.iter().find(|old| old.type_ == wanted.kind && old.status == status);
        Condition {
            type_: wanted.kind.to_owned(),
            status: status.to_owned(),
            reason: wanted.reason.clone(),
            message: wanted.message.clone(),
            observed_generation: Some(parts.snapshot.settings.generation),
            last_transition_time: before.map_or_else(|| now.clone(), |old| old.last_transition_time.clone()),
        }
    };
    parts.report.conditions.iter().map(condition).collect()
}

/// Whether a status says something else than the one that is there, so that it must be written although nothing was
/// decided. While the machine goes through the motions of a step its words change with each of them; a write for each
/// would wake every watcher and say nothing that people act on.
pub(crate) fn says_more(old: Option<&RolloutStatus>, new: &RolloutStatus, under_way: bool) -> bool {
    let Some(old) = old else { return true };
    if old.observed_generation != new.observed_generation || people(old) != people(new) {
        return true;
    }
    let words = |status: &RolloutStatus| {
        let weight = status.traffic.as_ref().map(|traffic| traffic.candidate_weight);
        (status.phase.clone(), status.message.clone(), status.waiting_for.clone(), weight)
    };
    !under_way && words(old) != words(new)
}

/// The reason of every warning: what was found is in its message.
const FOUND: &str = "Found";

/// What people and programs act on: conditions by status and reason, but for those that follow the motions.
fn people(status: &RolloutStatus) -> Vec<(&str, &str, &str)> {
    const MOTIONS: [&str; 3] = ["Reconciling", "TrafficInSync", "Promoted"];
    let mut all: Vec<(&str, &str, &str)> = status
        .conditions
        .iter()
        .filter(|condition| !MOTIONS.contains(&condition.type_.as_str()))
        .map(|condition| {
            let said = if condition.status == "True" && condition.type_ == "Stalled"
                || matches!(condition.type_.as_str(), "Accepted" | "MetricsBlind")
                || condition.reason == FOUND
            {
                condition.message.as_str()
            } else {
                condition.reason.as_str()
            };
            (condition.type_.as_str(), condition.status.as_str(), said)
        })
        .collect();
    all.sort_unstable();
    all
}

/// The patch that turns the stored status into this one, bound to the version that was read. It goes by what is stored and not by
/// what was read of it: a field that can't be read, and that nobody takes out, would make the next look lose all of it again.
pub(crate) fn patch(stored: &Value, new: &RolloutStatus, version: Option<&str>) -> Result<Value, Error> {
    let json = |source| Error::Json { what: "the status".into(), source };
    let status = crate::json::merge_patch(stored, &serde_json::to_value(new).map_err(json)?);
    Ok(serde_json::json!({"metadata": {"resourceVersion": version}, "status": status}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Condition {
        Condition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: Some(1),
            last_transition_time: At(timestamp(Time(0))),
        }
    }

    fn status(conditions: Vec<Condition>, message: &str) -> RolloutStatus {
        RolloutStatus { conditions, message: Some(message.into()), ..RolloutStatus::default() }
    }

    #[test]
    fn motions_are_not_written_but_alarms_are() {
        let ready = || condition("Ready", "False", "Progressing", "a");
        let old = status(vec![ready(), condition("Reconciling", "True", "CandidateStarting", "a")], "a");
        let moved = status(vec![ready(), condition("Reconciling", "True", "ShiftingTraffic", "b")], "b");
        assert!(!says_more(Some(&old), &moved, true));
        assert!(says_more(Some(&old), &moved, false), "at rest every word counts");
        let stalled = status(vec![ready(), condition("Stalled", "True", "DeadlineExceeded", "c")], "c");
        assert!(says_more(Some(&old), &stalled, true));
        let other = status(vec![condition("Accepted", "False", "RouteNotFound", "route x")], "a");
        let named = status(vec![condition("Accepted", "False", "RouteNotFound", "route y")], "a");
        assert!(says_more(Some(&other), &named, true), "another object or field is news");
        assert!(says_more(None, &old, true));
        let repaired = status(vec![condition("LiveRepaired", "True", FOUND, "Deployment web-blue")], "a");
        let another = status(vec![condition("LiveRepaired", "True", FOUND, "ConfigMap settings-blue")], "a");
        assert!(says_more(Some(&repaired), &another, true), "another object was found");
    }

    #[test]
    fn the_history_says_how_long_the_machine_took_and_how_long_a_person_was_waited_for() {
        let told = |waited| {
            let entry = history(&Attempt {
                revision: teal_plan::Revision { counter: 2, hash: 2 },
                attempt: 1,
                outcome: Outcome::Promoted,
                started: Time(1_500),
                finished: Time(1_801_900),
                waited,
                decisions: Vec::new(),
            });
            (entry.machine_seconds, entry.human_seconds)
        };
        assert_eq!(told(Some(Span(540_700))), (Some(1_260), Some(540)), "together all whole seconds of it");
        assert_eq!(told(Some(Span(0))), (Some(1_800), Some(0)));
        assert_eq!(told(Some(Span::seconds(9_999))), (Some(0), Some(1_800)), "a clock that was turned back");
        assert_eq!(told(None), (None, None), "an earlier version did not count");
    }

    #[test]
    fn every_warning_of_the_planner_is_a_word_of_the_api() {
        use teal_api::conditions::ConditionType;
        for kind in teal_plan::report::WARNINGS {
            assert!(
                ConditionType::known(kind).is_some_and(ConditionType::only_while_true),
                "{kind} is missing in ConditionType"
            );
        }
    }

    #[test]
    fn what_is_gone_is_taken_out() {
        let old = RolloutStatus {
            phase: Some("Waiting".into()),
            waiting_for: Some("x".into()),
            ..RolloutStatus::default()
        };
        let new = RolloutStatus { phase: Some("Checking".into()), ..RolloutStatus::default() };
        let patch = patch(&serde_json::to_value(old).unwrap(), &new, Some("7")).unwrap();
        assert_eq!(
            patch,
            serde_json::json!({"metadata": {"resourceVersion": "7"},
                "status": {"phase": "Checking", "waitingFor": null}})
        );
    }

    #[test]
    fn what_can_not_be_read_is_taken_out_wherever_it_stands() {
        const NEVER: &str = "9999-12-31T23:59:59Z";
        let stored = serde_json::json!({
            "candidate": {"color": "green", "revision": "r2-1", "hash": "v1:00", "attempt": 1, "deadline": NEVER},
            "previous": {"color": "blue", "revision": "r1-1", "keptUntil": NEVER},
            "gate": {"step": "canary", "openedAt": NEVER},
            "checks": [{"name": "errors", "verdict": "Pass", "since": NEVER}],
        });
        assert!(serde_json::from_value::<RolloutStatus>(stored.clone()).is_err());
        let candidate = CandidateStatus { revision: "r3-1".into(), ..CandidateStatus::default() };
        let new = RolloutStatus { candidate: Some(candidate), ..RolloutStatus::default() };
        let mut merged = stored.clone();
        json_patch::merge(&mut merged, &patch(&stored, &new, Some("7")).unwrap()["status"]);
        assert_eq!(merged, serde_json::to_value(new).unwrap());
        let first = patch(&Value::Null, &RolloutStatus::default(), None).unwrap();
        assert_eq!(first["status"], serde_json::json!({}));
    }
}
