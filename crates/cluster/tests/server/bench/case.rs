//! A case of bad input: how it must be told, and what routes may say meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use super::history::Version;

/// How long requests are counted: a third of a minute, with a third of what a minute may have, rounded down.
pub(crate) const WINDOW: (Duration, u64) = (Duration::from_secs(20), 3);
/// A whole minute, for cases in which the operator tries again by itself: its pauses are up to 30 s long, so a shorter
/// time could show none of the tries or too many.
const MINUTE: (Duration, u64) = (Duration::from_secs(60), 10);

/// The most requests from before a case until it is told and settled, where a look at what is wanted shows it: as many as a
/// minute may have.
pub(crate) const AT_ONCE: u64 = 10;
/// The same where the candidate is made before it shows, at the latest when it is applied. That takes ten requests of its own,
/// each made once: three for room, four for its Deployment and its ControllerRevision, an Event, a commit and the finalizer.
const ONCE_MADE: u64 = AT_ONCE + 10;
/// What is tried again by itself, a read and a write each time, until nothing else has been said for a while.
const TRIES: u64 = 6;
/// The same where it shows while the candidate is made ready, and may be taken away again.
const WHILE_MADE: u64 = 30;
/// The same where it shows at a weight, and the way there or back counts too: a look that repeats itself makes as many within
/// seconds.
const AT_A_WEIGHT: u64 = 40;

/// A case of bad input, and how it must be told.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(super) rollout: String,
    pub(super) told: Told,
    pub(super) reason: &'static str,
    /// What the message must name.
    pub(super) names: Vec<String>,
    routes: Routes,
    once_made: bool,
    pub(super) window: (Duration, u64),
}

/// Where a reason is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// In a condition with this status.
    Condition(&'static str, &'static str),
    /// In an Event about the Rollout: for what is mended as soon as it is seen.
    Event,
}

/// What the VirtualServices may say while it is bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Routes {
    /// In every version a spec that somebody else than the operator wrote, or that was there before.
    Untouched,
    /// In every version all requests go to live.
    Live,
    /// All requests go to live in the end, and the candidate never has more than it had: for what is found only after the
    /// first weight.
    BackAtLive,
    /// The candidate never has more than so many percent, and never less than it had: for what is found after the first
    /// weight and leads nowhere.
    HeldAt(i64),
    /// All requests went to live, before the rollout began anew by itself.
    ByWayOfLive,
}

impl Case {
    /// `Accepted` is False for this reason. The message names an object, a field and a remedy.
    pub(crate) fn refused(reason: &'static str, object: &str, field: &str, remedy: &str) -> Self {
        Self::told("Accepted", "False", reason, [object, field, remedy])
    }

    /// A warning: a condition that is there while it is True.
    pub(crate) fn warned(condition: &'static str, object: &str, field: &str, remedy: &str) -> Self {
        Self::told(condition, "True", "Found", [object, field, remedy])
    }

    /// Any condition. `names` are the object, the field and the remedy, as parts of its message.
    pub(crate) fn told(
        condition: &'static str,
        status: &'static str,
        reason: &'static str,
        names: [&str; 3],
    ) -> Self {
        let names = names.map(str::to_owned).to_vec();
        Self::new(Told::Condition(condition, status), reason, names)
    }

    /// An Event about the Rollout, which is the object; its note names a field and a remedy.
    pub(crate) fn event(reason: &'static str, field: &str, remedy: &str) -> Self {
        Self::new(Told::Event, reason, vec![field.to_owned(), remedy.to_owned()])
    }

    fn new(told: Told, reason: &'static str, names: Vec<String>) -> Self {
        // One that is part of another is found wherever that one is.
        let parts =
            names.iter().filter(|one| names.iter().filter(|other| other.contains(one.as_str())).count() > 1);
        assert_eq!(parts.collect::<Vec<_>>(), Vec::<&String>::new(), "found without being named: {names:?}");
        Self {
            rollout: "web".to_owned(),
            told,
            reason,
            names,
            routes: Routes::Untouched,
            once_made: false,
            window: WINDOW,
        }
    }

    /// It is told of another Rollout than `web`.
    pub(crate) fn of(self, rollout: &str) -> Self {
        Self { rollout: rollout.to_owned(), ..self }
    }

    /// It shows only once the candidate is made, whose requests count too. Routes are not touched by then.
    pub(crate) fn once_made(self) -> Self {
        Self { once_made: true, ..self }
    }

    /// The routes may be written, but every version of them sends all requests to live.
    pub(crate) fn all_at_live(self) -> Self {
        Self { routes: Routes::Live, ..self }
    }

    /// It is found after the first weight, and leads back to live.
    pub(crate) fn back_at_live(self) -> Self {
        Self { routes: Routes::BackAtLive, ..self }
    }

    /// It is found after the first weight, and the candidate keeps what it has until it is mended.
    pub(crate) fn held_at(self, percent: i64) -> Self {
        Self { routes: Routes::HeldAt(percent), ..self }
    }

    /// It is found after the first weight, leads back to live, and the rollout begins anew by itself.
    pub(crate) fn by_way_of_live(self) -> Self {
        Self { routes: Routes::ByWayOfLive, ..self }
    }

    /// The operator tries again by itself: its requests are counted over a whole minute.
    pub(crate) fn tried_again(self) -> Self {
        Self { window: MINUTE, ..self }
    }

    /// The most requests from before the case until it is told and settled.
    pub(super) fn reaction(&self) -> u64 {
        match self.routes {
            Routes::Untouched if !self.once_made => AT_ONCE,
            Routes::Untouched if self.window == MINUTE => ONCE_MADE + TRIES,
            Routes::Untouched => ONCE_MADE,
            Routes::Live => WHILE_MADE,
            Routes::BackAtLive | Routes::HeldAt(_) | Routes::ByWayOfLive => AT_A_WEIGHT,
        }
    }

    /// Holds the history of the VirtualServices against the case. `written` are the specs that were there at first, or
    /// that the test wrote.
    pub(crate) fn check(&self, versions: &[Version], written: &[Value]) {
        match self.routes {
            Routes::Untouched => {
                let strange = versions.iter().find(|v| v.spec().is_some_and(|spec| !written.contains(spec)));
                assert!(strange.is_none(), "the operator wrote {strange:#?}");
            }
            Routes::Live => {
                let weighed = versions.iter().find(|version| candidates_weight(version) > 0);
                assert!(weighed.is_none(), "the candidate had requests: {weighed:#?}");
            }
            Routes::BackAtLive => {
                let weighed = latest(versions).find(|version| candidates_weight(version) > 0);
                assert!(weighed.is_none(), "the candidate still has requests: {weighed:#?}");
                let own = |version: &Version| version.spec().is_none_or(|spec| !written.contains(spec));
                let raised = versions.iter().find(|version| {
                    let first = versions.iter().find(|other| other.name == version.name);
                    own(version) && candidates_weight(version) > first.map_or(0, candidates_weight)
                });
                assert!(raised.is_none(), "the candidate got more than it had: {raised:#?}");
            }
            Routes::HeldAt(percent) => {
                let raised = versions.iter().find(|version| candidates_weight(version) > percent);
                assert!(raised.is_none(), "the candidate got more than {percent} %: {raised:#?}");
                let fallen = versions.iter().enumerate().find(|(place, version)| {
                    let mut earlier = versions.iter().take(*place).filter(|other| other.name == version.name);
                    earlier.any(|other| candidates_weight(other) > candidates_weight(version))
                });
                assert!(fallen.is_none(), "the candidate lost what it had: {fallen:#?}");
            }
            Routes::ByWayOfLive => {
                let home = versions.iter().any(|version| candidates_weight(version) == 0);
                assert!(home, "never back at live: {versions:#?}");
                let raised = versions.iter().find(|version| candidates_weight(version) > 10);
                assert!(raised.is_none(), "the candidate got more than it had: {raised:#?}");
            }
        }
    }
}

fn latest(versions: &[Version]) -> impl Iterator<Item = &Version> {
    versions.iter().enumerate().filter_map(|(place, version)| {
        let later = versions.get(place + 1..).unwrap_or_default();
        later.iter().all(|other| other.name != version.name).then_some(version)
    })
}

/// What all candidates have together in all routes of a version.
pub(crate) fn candidates_weight(version: &Version) -> i64 {
    let lists = ["http", "tls", "tcp"].into_iter().filter_map(|list| version.spec()?.get(list)?.as_array());
    let entries = lists.flatten().filter_map(|route| route["route"].as_array()).flatten();
    let of_candidate = |entry: &&Value| {
        let host = entry.pointer("/destination/host").and_then(Value::as_str);
        host.is_some_and(|host| host.contains("-candidate"))
    };
    entries.filter(of_candidate).filter_map(|entry| entry["weight"].as_i64()).sum()
}

#[test]
fn what_a_look_shows_may_take_no_more_requests_than_a_minute_has() {
    let case = Case::refused("R", "o", "f", "r");
    assert_eq!(case.reaction(), 10);
    assert_eq!(case.clone().once_made().reaction(), 20);
    assert_eq!(case.clone().once_made().tried_again().reaction(), 26);
    assert_eq!(case.clone().all_at_live().reaction(), 30);
    assert_eq!(case.clone().back_at_live().reaction(), 40);
    assert_eq!(case.held_at(10).reaction(), 40);
}

#[test]
fn what_a_message_must_name_is_not_found_in_something_else_that_it_must() {
    let refuses = |names: [&'static str; 3]| {
        std::panic::catch_unwind(|| Case::told("Accepted", "False", "R", names)).is_err()
    };
    assert!(!refuses(["source default", "spec.checks[errors].source", "mend the server"]));
    assert!(refuses(["errors", "spec.checks[errors].source", "mend the server"]));
    assert!(refuses(["source default", "spec.checks[errors].source", "source default"]));
}

#[test]
fn a_case_sees_every_version() {
    let at = |weight: i64| Version {
        name: "web".to_owned(),
        revision: weight.to_string(),
        object: Some(json!({"spec": {"http": [{"route": [
            {"destination": {"host": "web"}, "weight": 100 - weight},
            {"destination": {"host": "web-candidate"}, "weight": weight},
        ]}]}})),
        at: std::time::Instant::now(),
    };
    let refuses = |case: &Case, weights: &[i64]| {
        let versions: Vec<Version> = weights.iter().map(|weight| at(*weight)).collect();
        let written: Vec<Value> = versions[0].spec().cloned().into_iter().collect();
        std::panic::catch_unwind(|| case.check(&versions, &written)).is_err()
    };
    let untouched = Case::refused("R", "o", "f", "r");
    assert!(!refuses(&untouched, &[10, 10]));
    assert!(refuses(&untouched, &[0, 10, 0]), "a moment in between counts");
    let live = untouched.clone().all_at_live();
    assert!(!refuses(&live, &[0, 0]));
    assert!(refuses(&live, &[0, 10, 0]));
    let back = untouched.clone().back_at_live();
    assert!(!refuses(&back, &[10, 0]));
    assert!(refuses(&back, &[0, 10]));
    assert!(refuses(&back, &[10, 50, 0]), "what was raised in between counts");
    let stays = untouched.clone().held_at(10);
    assert!(!refuses(&stays, &[0, 10, 10]));
    assert!(refuses(&stays, &[10, 11, 10]));
    assert!(refuses(&stays, &[10, 0, 10, 0]), "it stays where it is");
    let by_way = untouched.by_way_of_live();
    assert!(!refuses(&by_way, &[10, 0, 10]));
    assert!(refuses(&by_way, &[10, 10]));
    assert!(refuses(&by_way, &[10, 0, 11]));
}
