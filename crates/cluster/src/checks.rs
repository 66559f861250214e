//! What is asked of metrics, as this room says it. Who asks, and how answers become verdicts, is decided elsewhere: facts
//! come in by [`Measuring`].

use std::sync::Arc;

use teal_api::Rollout;
use teal_api::defaults::{Filled, FilledCheck};
use teal_api::names::role;
use teal_api::rollout::status::CheckStatus;
use teal_plan::snapshot::CheckSeen;
use teal_plan::{CONNECTIONS, Time};

use crate::observe::Seen;
use crate::stores::Pokes;

#[cfg(test)]
mod tests;

/// Whoever measures. Called from looks, so nothing here may wait.
pub trait Measuring: Send + Sync {
    /// Takes note of everything that is asked for a Rollout now; no checks: nothing more.
    fn ask(&self, questions: Questions);
    /// What is known of the checks of a Rollout, by its uid.
    fn standing(&self, uid: &str) -> Vec<(String, CheckSeen)>;
    /// The same for people.
    fn statuses(&self, uid: &str) -> Vec<CheckStatus>;
    /// Forgets a Rollout that is gone.
    fn forget(&self, uid: &str);
    /// What is wrong with a check as it is written: a reason of the condition `Accepted`, and a sentence with field and
    /// remedy.
    fn problem(&self, check: &FilledCheck) -> Option<(&'static str, String)>;
}

/// Asks for a look at a Rollout, because a verdict changed.
#[derive(Clone)]
pub struct Poker(pub(crate) Pokes);

impl Poker {
    /// One that nobody hears, for tests of whoever measures.
    pub fn unheard() -> Self {
        Self(Pokes::new().0)
    }

    /// Asks for a look.
    pub fn poke(&self, namespace: &str, rollout: &str) {
        self.0.urgent(namespace, rollout);
    }
}

/// The questions of one Rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Questions {
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is asked.
    pub checks: Vec<Question>,
    /// What the placeholders of queries stand for.
    pub subject: Subject,
}

/// One question.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// As it is asked and judged.
    pub check: FilledCheck,
    /// The limits as they were written, so that messages say `1%` and not `0.01`.
    pub min: Option<String>,
    /// The same.
    pub max: Option<String>,
    /// The revision and attempt that are watched: evidence of a guard lasts as long as these.
    pub attempt: String,
    /// Whether this content was tried before, so that a query's window may still show the former try.
    pub again: bool,
    /// The step and when it was reached, where the check is the step's: its evidence begins there.
    pub place: Option<(String, Time)>,
    /// Whether it is asked before the first weight, to see whether it can be answered: no answer is evidence then, and the
    /// first one is waited for.
    pub probe: bool,
    /// Whether it is how many connections are open, which is told as a number and is no verdict on a release.
    pub counts: bool,
}

/// Who is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its color.
    pub color: Option<String>,
    /// Its revision.
    pub revision: Option<String>,
    /// Its role.
    pub role: String,
    /// The color beside it.
    pub other_color: Option<String>,
    /// The first traffic Service.
    pub service: Option<String>,
    /// Its companion.
    pub candidate_service: Option<String>,
}

/// What a plan wants measured.
pub(crate) fn questions(rollout: &Rollout, seen: &Seen, names: &[String]) -> Questions {
    let record = &seen.snapshot.record;
    let place = teal_plan::evidence(&seen.snapshot);
    let watched = record.candidate.or(record.live);
    let attempt =
        watched.map_or_else(String::new, |release| format!("{}#{}", release.slot.revision, release.attempt));
    let again = watched.is_some_and(|release| release.attempt > 1);
    let probe = teal_plan::probes(&seen.snapshot);
    let checks = names.iter().filter_map(|name| seen.filled.check(name));
    let question = |check: &FilledCheck| {
        let of_step = place.filter(|(step, _)| step.checks.contains(&check.name));
        let written = rollout.spec.checks.iter().flatten().find(|written| written.name == check.name);
        let counts = check.name == CONNECTIONS;
        let threshold = written.and_then(|written| written.threshold.clone()).unwrap_or_default();
        Question {
            check: check.clone(),
            min: threshold.min.map(|limit| limit.to_string()),
            max: threshold.max.map(|limit| limit.to_string()).or_else(|| counts.then(|| "0".to_owned())),
            attempt: attempt.clone(),
            again,
            place: of_step.map(|(step, since)| (step.name.clone(), since)),
            probe,
            counts,
        }
    };
    Questions {
        uid: seen.names.uid.clone(),
        namespace: seen.names.namespace.clone(),
        name: seen.names.name.clone(),
        checks: checks.map(question).collect(),
        subject: if names.iter().any(|name| name == CONNECTIONS) { leaving(seen) } else { subject(seen) },
    }
}

/// After promotion a guard goes on with the same release, which is live now.
fn subject(seen: &Seen) -> Subject {
    let record = &seen.snapshot.record;
    let (subject, other, word) = match record.candidate {
        Some(candidate) => (Some(candidate), record.live, role::CANDIDATE),
        None => (record.live, record.previous, role::LIVE),
    };
    let service = seen.services.first();
    Subject {
        color: subject.map(|release| release.slot.color.to_string()),
        revision: subject.map(|release| release.slot.revision.to_string()),
        role: word.to_owned(),
        other_color: other.map(|release| release.slot.color.to_string()),
        service: service.map(|service| service.name.clone()),
        candidate_service: service.map(|service| service.candidate.clone()),
    }
}

/// What has no traffic any more. Nothing else is asked meanwhile, as nothing is tried or kept.
fn leaving(seen: &Seen) -> Subject {
    let record = &seen.snapshot.record;
    let service = seen.services.first();
    Subject {
        color: record.live.map(|live| live.slot.color.other().to_string()),
        revision: record.leaving.and_then(|leaving| leaving.revision).map(|revision| revision.to_string()),
        role: String::new(),
        other_color: record.live.map(|live| live.slot.color.to_string()),
        service: service.map(|service| service.name.clone()),
        candidate_service: service.map(|service| service.candidate.clone()),
    }
}

/// For clusters without a metrics source, and for tests: nothing is ever known.
pub struct Unmeasured;

impl Measuring for Unmeasured {
    fn ask(&self, _: Questions) {}
    fn standing(&self, _: &str) -> Vec<(String, CheckSeen)> {
        Vec::new()
    }
    fn statuses(&self, _: &str) -> Vec<CheckStatus> {
        Vec::new()
    }
    fn forget(&self, _: &str) {}
    fn problem(&self, _: &FilledCheck) -> Option<(&'static str, String)> {
        None
    }
}

/// What is wrong with the checks of a spec.
pub(crate) fn problems(measurer: &Measurer, rollout: &Rollout) -> Vec<(String, String)> {
    if rollout.spec.checks.iter().flatten().next().is_none() && rollout.spec.traffic.drain.is_none() {
        return Vec::new();
    }
    let filled = teal_api::defaults::filled(&rollout.spec);
    let checks = filled.iter().flat_map(Filled::asked);
    checks
        .filter_map(|check| measurer.problem(check))
        .map(|(reason, said)| (reason.to_owned(), said))
        .collect()
}

/// Shared by all looks.
pub(crate) type Measurer = Arc<dyn Measuring>;
