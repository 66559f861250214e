//! What stood in etcd when: of each version that matters, its revision, the instant at which it was seen, and the little that
//! is asked of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Which object: the resource in the plural, and the name.
pub(super) type Name = (String, String);

/// The little that is asked of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A VirtualService: the candidate's weight, if the candidate is named.
    Weight(Option<u64>),
    /// A Rollout.
    Rollout(Standing),
    /// A Deployment: whether all its pods are of the newest template and available.
    Rolled(bool),
    /// Anything else that was written.
    Written,
    /// It was deleted.
    Gone,
}

/// Where a Rollout is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether status speaks of the newest spec.
    pub(super) current: bool,
    /// `status.phase`.
    pub(super) phase: String,
    /// Whether people are asked.
    pub(super) asks: bool,
    /// Whether there is a second color: a candidate, or the former live one.
    pub(super) has_other: bool,
    /// `status.message`, for whoever waits in vain.
    pub(super) message: String,
}

impl Fact {
    /// Reads a version of a resource.
    pub(super) fn of(resource: &str, value: Option<&Value>) -> Self {
        match (resource, value) {
            (_, None) => Self::Gone,
            ("virtualservices", Some(value)) => Self::Weight(candidate_weight(value)),
            ("rollouts", Some(value)) => Self::Rollout(standing(value)),
            ("deployments", Some(value)) => Self::Rolled(is_rolled(value)),
            _ => Self::Written,
        }
    }

    /// Whether this is a VirtualService that gives the candidate so much.
    pub(super) fn gives(&self, weight: u64) -> bool {
        matches!(self, Self::Weight(given) if given.unwrap_or(0) == weight)
    }

    /// Whether this is a Rollout of which that holds.
    pub(super) fn stands(&self, holds: impl Fn(&Standing) -> bool) -> bool {
        matches!(self, Self::Rollout(standing) if holds(standing))
    }
}

/// The highest weight of a destination that is a candidate.
fn candidate_weight(value: &Value) -> Option<u64> {
    let routes = value.pointer("/spec/http").and_then(Value::as_array).into_iter().flatten();
    let destinations = routes.filter_map(|route| route["route"].as_array()).flatten();
    let candidates = destinations.filter(|one| {
        let host = one.pointer("/destination/host").and_then(Value::as_str).unwrap_or_default();
        host.split('.').next().is_some_and(|name| name.ends_with("-candidate"))
    });
    candidates.map(|one| one["weight"].as_u64().unwrap_or(0)).max()
}

fn standing(value: &Value) -> Standing {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let there = |pointer: &str| value.pointer(pointer).is_some_and(|found| !found.is_null());
    let observed = value.pointer("/status/observedGeneration");
    Standing {
        current: observed.is_some() && observed == value.pointer("/metadata/generation"),
        phase: text("/status/phase"),
        asks: there("/status/gate"),
        has_other: there("/status/candidate") || there("/status/previous"),
        message: text("/status/message"),
    }
}

fn is_rolled(value: &Value) -> bool {
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let wanted = number("/spec/replicas");
    let all = ["updatedReplicas", "replicas", "availableReplicas"];
    value.pointer("/status/observedGeneration") == value.pointer("/metadata/generation")
        && all.iter().all(|count| number(&format!("/status/{count}")) == wanted)
}

/// One version.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    /// Its place in the order of etcd; what the API server calls the resource version.
    pub(super) revision: u64,
    /// When it was seen.
    pub(super) at: Instant,
    /// What it says.
    pub(super) fact: Fact,
}

/// All versions of all objects that are followed, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    objects: BTreeMap<Name, Vec<Stamp>>,
    /// Why nothing more will be seen.
    pub(super) broken: Option<String>,
}

impl Ledger {
    /// Takes in a version.
    pub(super) fn enter(&mut self, name: Name, stamp: Stamp) {
        self.objects.entry(name).or_default().push(stamp);
    }

    fn stamps(&self, resource: &str, name: &str) -> &[Stamp] {
        self.objects.get(&(resource.to_owned(), name.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// When this revision of the object was seen.
    pub(super) fn at(&self, resource: &str, name: &str, revision: u64) -> Option<Instant> {
        self.stamps(resource, name).iter().find(|stamp| stamp.revision == revision).map(|stamp| stamp.at)
    }

    /// When the first version after a revision was seen of which something holds.
    pub(super) fn first_after(
        &self,
        resource: &str,
        name: &str,
        revision: u64,
        holds: impl Fn(&Fact) -> bool,
    ) -> Option<Instant> {
        let mut later = self.stamps(resource, name).iter().filter(|stamp| stamp.revision > revision);
        later.find(|stamp| holds(&stamp.fact)).map(|stamp| stamp.at)
    }

    /// What the newest version says.
    pub(super) fn newest(&self, resource: &str, name: &str) -> Option<&Fact> {
        self.stamps(resource, name).last().map(|stamp| &stamp.fact)
    }

    /// How long it took from a user's write to an effect.
    pub(super) fn took(
        &self,
        write: &Write,
        resource: &str,
        holds: impl Fn(&Fact) -> bool,
    ) -> Option<Duration> {
        let begun = self.at(write.resource, &write.name, write.revision)?;
        let ended = self.first_after(resource, &write.app, write.revision, holds)?;
        Some(ended.saturating_duration_since(begun))
    }
}

/// A write of the user's, from whose version in etcd time is counted.
#[derive(Clone, Debug)]
pub(super) struct Write {
    /// The resource that was written.
    pub(super) resource: &'static str,
    /// The object that was written.
    pub(super) name: String,
    /// The resource version that the API server answered.
    pub(super) revision: u64,
    /// The application that it is about.
    pub(super) app: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn virtual_service(candidate: &Value) -> Value {
        json!({"spec": {"http": [
            {"route": [{"destination": {"host": "web"}}]},
            {"route": [{"destination": {"host": "web"}, "weight": 90}, candidate]},
        ]}})
    }

    #[test]
    fn the_weight_is_that_of_the_candidate() {
        let weight = |candidate: &Value| Fact::of("virtualservices", Some(&virtual_service(candidate)));
        let to = |host: &str| json!({"destination": {"host": host}, "weight": 10});
        assert_eq!(weight(&to("web-candidate")), Fact::Weight(Some(10)));
        assert_eq!(weight(&to("web-candidate.shop.svc.cluster.local")), Fact::Weight(Some(10)));
        assert_eq!(weight(&json!({"destination": {"host": "web-candidate"}})), Fact::Weight(Some(0)));
        assert_eq!(weight(&to("other")), Fact::Weight(None));
        assert!(
            Fact::Weight(None).gives(0) && Fact::Weight(Some(0)).gives(0) && !Fact::Weight(Some(10)).gives(0)
        );
        assert!(!Fact::Gone.gives(0), "what is gone gives nothing");
    }

    #[test]
    fn a_rollout_stands_where_its_status_says() {
        let value = json!({
            "metadata": {"generation": 3},
            "status": {"observedGeneration": 3, "phase": "Waiting", "gate": {"nonce": "x"}, "candidate": {"color": "green"}},
        });
        let Fact::Rollout(standing) = Fact::of("rollouts", Some(&value)) else { panic!("no Rollout") };
        assert!(standing.current && standing.asks && standing.has_other);
        assert_eq!(standing.phase, "Waiting");
        let Fact::Rollout(fresh) = Fact::of("rollouts", Some(&json!({"metadata": {"generation": 1}}))) else {
            panic!()
        };
        assert_eq!(fresh, Standing::default());
        let stale = json!({"metadata": {"generation": 4}, "status": {"observedGeneration": 3}});
        assert!(!standing_of(&stale).current);
    }

    fn standing_of(value: &Value) -> Standing {
        standing(value)
    }

    #[test]
    fn a_deployment_is_rolled_when_only_new_pods_are_there_and_serve() {
        let deployment = |updated: u32, all: u32, available: u32, observed: u32| {
            let status = json!({"observedGeneration": observed, "updatedReplicas": updated, "replicas": all, "availableReplicas": available});
            Fact::of(
                "deployments",
                Some(&json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status})),
            )
        };
        assert_eq!(deployment(3, 3, 3, 2), Fact::Rolled(true));
        for (updated, all, available, observed) in [(2, 3, 3, 2), (3, 4, 3, 2), (3, 3, 2, 2), (3, 3, 3, 1)] {
            assert_eq!(deployment(updated, all, available, observed), Fact::Rolled(false));
        }
    }

    #[test]
    fn time_is_counted_from_the_write_to_the_first_effect_after_it() {
        let (start, mut ledger) = (Instant::now(), Ledger::default());
        let mut enter = |resource: &str, revision: u64, after: u64, fact: Fact| {
            let at = start + Duration::from_millis(after);
            ledger.enter((resource.into(), "a".into()), Stamp { revision, at, fact });
        };
        enter("virtualservices", 5, 10, Fact::Weight(Some(10)));
        enter("rollouts", 7, 100, Fact::Written);
        enter("virtualservices", 8, 130, Fact::Weight(Some(0)));
        enter("virtualservices", 9, 150, Fact::Weight(Some(10)));
        enter("virtualservices", 11, 190, Fact::Weight(Some(10)));
        let write = Write { resource: "rollouts", name: "a".into(), revision: 7, app: "a".into() };
        let to = |weight| ledger.took(&write, "virtualservices", |fact| fact.gives(weight));
        assert_eq!(to(10), Some(Duration::from_millis(50)), "what was before the write doesn't count");
        assert_eq!(to(100), None);
        let unseen = Write { revision: 6, ..write.clone() };
        assert_eq!(ledger.took(&unseen, "virtualservices", |fact| fact.gives(10)), None);
        assert_eq!(ledger.newest("rollouts", "a"), Some(&Fact::Written));
    }
}
