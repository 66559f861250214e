//! What this process remembers of a Rollout between two looks. All of it may be lost: after a restart waits begin anew,
//! which only makes them longer.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use teal_plan::snapshot::Obstacle;
use teal_plan::{ContentHash, Revision, Span, Time};
use teal_release::Kept;

use crate::kinds::Known;
use crate::rendering::{RenderKey, Rendering};
use crate::stores::ObjectId;

/// What is remembered of one Rollout.
#[derive(Default)]
pub(crate) struct Memory {
    /// Since when facts have been so.
    pub(crate) sightings: Sightings,
    /// When others overwrote the routes.
    pub(crate) overwritten: Overwritten,
    /// Versions of routes by another hand that led to a pause, by object.
    pub(crate) acknowledged: BTreeMap<String, u64>,
    /// Contents of revisions that are not in the spec.
    pub(crate) contents: BTreeMap<Revision, Arc<Kept>>,
    /// Renderings, so that a look costs no rendering while nothing changes.
    pub(crate) renderings: Vec<(RenderKey, Arc<Rendering>)>,
    /// What is in the way as writes have shown, by what was tried.
    pub(crate) met: BTreeMap<&'static str, (Obstacle, Time)>,
    /// Writes without an answer: whether they were carried out must be looked up before anything is planned.
    pub(crate) unsure: Vec<(Known, ObjectId)>,
    /// What a look at quotas and nodes found.
    pub(crate) room: Option<Room>,
    /// The namespace is being deleted.
    pub(crate) namespace_goes: bool,
    /// When a status was last written without a transition.
    pub(crate) said: Option<Time>,
    /// Failures in a row, for the pause before the next try.
    pub(crate) failures: u32,
}

/// What a look at quotas and nodes found, for one content.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) hash: ContentHash,
    pub(crate) at: Time,
    /// What is missing, in one sentence.
    pub(crate) shortage: Option<String>,
}

/// How long what a write met counts without being met again.
const MET_FOR: Span = Span::seconds(60);

impl Memory {
    /// What is in the way as writes have shown lately.
    pub(crate) fn obstacles(&mut self, now: Time) -> Vec<Obstacle> {
        self.met.retain(|_, (_, at)| now - *at < MET_FOR);
        self.met.values().map(|(obstacle, _)| obstacle.clone()).collect()
    }

    /// Lets go of contents and renderings that nobody needs.
    pub(crate) fn trim(&mut self, needed: &[Revision], at_rest: bool) {
        self.contents.retain(|revision, _| needed.contains(revision));
        if at_rest {
            self.renderings.clear();
        }
    }
}

/// Since when facts have been as they are, as far as this process has seen.
#[derive(Default)]
pub(crate) struct Sightings(HashMap<&'static str, (u64, Time)>);

impl Sightings {
    /// Since when `fact` has had this value.
    pub(crate) fn since(&mut self, fact: &'static str, value: &impl Hash, now: Time) -> Time {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let seen = hasher.finish();
        let entry = self.0.entry(fact).or_insert((seen, now));
        if entry.0 != seen {
            *entry = (seen, now);
        }
        entry.1
    }

    /// Since when it has been so; nothing where it isn't.
    pub(crate) fn since_true(&mut self, fact: &'static str, is: bool, now: Time) -> Option<Time> {
        let since = self.since(fact, &is, now);
        is.then_some(since)
    }
}

/// Overwritings of the routes by others, lately.
#[derive(Default)]
pub(crate) struct Overwritten {
    seen: BTreeMap<String, u64>,
    at: Vec<Time>,
}

/// How long an overwriting counts.
const RECENT: Span = Span::seconds(60);

impl Overwritten {
    /// Takes note that an object stands at a version that another writer made.
    pub(crate) fn note(&mut self, object: &str, version: u64, now: Time) {
        if self.seen.insert(object.to_owned(), version) != Some(version) {
            self.at.push(now);
        }
    }

    /// How many there were in the last minute.
    pub(crate) fn recent(&mut self, now: Time) -> u32 {
        self.at.retain(|at| now - *at < RECENT);
        u32::try_from(self.at.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sighting_lasts_as_long_as_the_fact() {
        let mut sightings = Sightings::default();
        assert_eq!(sightings.since("routes", &10, Time(5)), Time(5));
        assert_eq!(sightings.since("routes", &10, Time(9)), Time(5));
        assert_eq!(sightings.since("routes", &0, Time(12)), Time(12));
        assert_eq!(sightings.since("routes", &10, Time(20)), Time(20), "what comes back begins anew");
        assert_eq!(sightings.since_true("short", true, Time(1)), Some(Time(1)));
        assert_eq!(sightings.since_true("short", false, Time(2)), None);
        assert_eq!(sightings.since_true("short", true, Time(3)), Some(Time(3)));
    }

    #[test]
    fn each_overwriting_counts_once_and_for_a_minute() {
        let mut overwritten = Overwritten::default();
        for version in [7, 7, 8] {
            overwritten.note("web", version, Time(0));
        }
        overwritten.note("api", 7, Time(30_000));
        assert_eq!(overwritten.recent(Time(31_000)), 3);
        assert_eq!(overwritten.recent(Time(60_000)), 1);
    }
}
