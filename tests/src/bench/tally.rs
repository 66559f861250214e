//! Counting the operator's requests by the audit log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use teal_testbed::audit::{self, Request};

use super::statistics::per;
use crate::error::Result;

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Write,
    /// A write of what is released itself: made, deleted and repaired as often as its owner's release needs it.
    Release,
    Event,
    Read,
    /// A watch is noted when it ends.
    Watch,
    /// The leader's lease: the same for one Rollout and for thousands.
    Lease,
    /// Questions to the API server that touch no object, such as access reviews.
    Review,
}

/// Kinds of which the releases of the bench consist. Their Services are none of them: these have roles in every release.
const RELEASED: [&str; 1] = ["deployments"];

fn sort(request: &Request) -> Sort {
    let reference = request.object_ref.as_ref();
    let resource = reference.map_or("", |reference| reference.resource.as_str());
    match request.verb.as_str() {
        _ if resource == "leases" => Sort::Lease,
        "watch" => Sort::Watch,
        "get" | "list" | "head" => Sort::Read,
        _ if resource == "events" => Sort::Event,
        _ if RELEASED.contains(&resource) => Sort::Release,
        _ if reference.is_some_and(|reference| reference.api_group == "authorization.k8s.io") => Sort::Review,
        _ => Sort::Write,
    }
}

/// How many requests of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    counts: BTreeMap<(Sort, String), u64>,
    /// Answered with an error, such as a conflict; they are in the other counts too.
    refused: BTreeMap<String, u64>,
    /// Those that any other user sent, to see that the right one is counted.
    pub(super) of_others: u64,
}

impl Tally {
    /// Counts the requests of a user.
    pub(super) fn of(requests: &[Request], user: &str) -> Self {
        let mut tally = Self::default();
        for request in requests {
            if request.user.username != user {
                tally.of_others += 1;
                continue;
            }
            let name = format!("{} {}", request.verb, request.key().resource);
            if let Some(code) =
                request.response_status.as_ref().map(|status| status.code).filter(|code| *code >= 400)
            {
                *tally.refused.entry(format!("{name}: {code}")).or_default() += 1;
            }
            *tally.counts.entry((sort(request), name)).or_default() += 1;
        }
        tally
    }

    fn sum(&self, sort: Sort) -> u64 {
        self.counts.iter().filter(|((each, _), _)| *each == sort).map(|(_, count)| count).sum()
    }

    /// Writes of objects but those of the release itself, Events and the lease.
    pub(super) fn writes(&self) -> u64 {
        self.sum(Sort::Write)
    }

    /// Writes of the release's own objects.
    pub(super) fn own_writes(&self) -> u64 {
        self.sum(Sort::Release)
    }

    /// Events written.
    pub(super) fn events(&self) -> u64 {
        self.sum(Sort::Event)
    }

    /// Reads of single objects and lists.
    pub(super) fn reads(&self) -> u64 {
        self.sum(Sort::Read)
    }

    /// Requests about the leader's lease.
    pub(super) fn leases(&self) -> u64 {
        self.sum(Sort::Lease)
    }

    /// Requests that were answered with an error.
    pub(super) fn refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// All but watches and the lease.
    pub(super) fn moving(&self) -> u64 {
        self.counts
            .iter()
            .filter(|((sort, _), _)| !matches!(sort, Sort::Watch | Sort::Lease))
            .map(|(_, count)| count)
            .sum()
    }

    /// By verb and resource, so much for each update.
    pub(super) fn shares(&self, updates: u32) -> Shares {
        let of = |sort: Sort| {
            let chosen = self.counts.iter().filter(|((each, _), _)| *each == sort);
            chosen.map(|((_, name), count)| (name.clone(), per(*count, updates))).collect()
        };
        let refused = self.refused.iter().map(|(name, count)| (name.clone(), per(*count, updates))).collect();
        Shares {
            writes: of(Sort::Write),
            own_writes: of(Sort::Release),
            events: of(Sort::Event),
            reads: of(Sort::Read),
            other: of(Sort::Review),
            refused,
        }
    }
}

/// Requests for each update, by verb and resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Shares {
    /// Writes of objects.
    pub(super) writes: BTreeMap<String, f64>,
    /// Writes of the release's own objects.
    pub(super) own_writes: BTreeMap<String, f64>,
    /// Events.
    pub(super) events: BTreeMap<String, f64>,
    /// Reads.
    pub(super) reads: BTreeMap<String, f64>,
    /// Reviews.
    pub(super) other: BTreeMap<String, f64>,
    /// Which of all these were answered with an error.
    pub(super) refused: BTreeMap<String, f64>,
}

/// Reads the audit log piece by piece.
pub(super) struct Auditor {
    path: PathBuf,
    position: u64,
    user: String,
}

impl Auditor {
    /// From the beginning of a log, for the requests of a user.
    pub(super) fn new(path: PathBuf, user: String) -> Self {
        Self { path, position: 0, user }
    }

    /// What was asked since the last call.
    pub(super) fn since_last(&mut self) -> Result<Tally> {
        let (requests, position) = audit::read(&self.path, self.position)?;
        self.position = position;
        Ok(Tally::of(&requests, &self.user))
    }

    /// How far the log was read.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// All requests since a position, counted or not.
    pub(super) fn requests_since(&self, position: u64) -> Result<Vec<Request>> {
        Ok(audit::read(&self.path, position)?.0)
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
        for (name, count) in other.refused {
            *self.refused.entry(name).or_default() += count;
        }
        self.of_others += other.of_others;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(user: &str, verb: &str, group: &str, resource: &str, code: u16) -> Request {
        let reference = (!resource.is_empty()).then(|| json!({"resource": resource, "apiGroup": group}));
        let value: Value = json!({
            "userAgent": "x", "verb": verb, "requestURI": "/version?x", "user": {"username": user},
            "objectRef": reference, "responseStatus": {"code": code},
        });
        serde_json::from_value(value).unwrap()
    }

    fn example() -> Tally {
        let requests = [
            request("teal", "patch", "apps", "deployments", 200),
            request("teal", "patch", "apps", "deployments", 409),
            request("teal", "delete", "", "services", 200),
            request("teal", "create", "events.k8s.io", "events", 201),
            request("teal", "get", "", "services", 200),
            request("teal", "list", "", "pods", 200),
            request("teal", "get", "", "", 200),
            request("teal", "watch", "", "pods", 200),
            request("teal", "update", "coordination.k8s.io", "leases", 200),
            request("teal", "get", "coordination.k8s.io", "leases", 200),
            request("teal", "create", "authorization.k8s.io", "selfsubjectaccessreviews", 201),
            request("admin", "patch", "apps", "deployments", 200),
        ];
        Tally::of(&requests, "teal")
    }

    #[test]
    fn each_request_is_counted_once_under_its_kind() {
        let tally = example();
        assert_eq!((tally.writes(), tally.events(), tally.reads(), tally.leases()), (1, 1, 3, 2));
        assert_eq!(tally.own_writes(), 2);
        assert_eq!((tally.refused(), tally.of_others), (1, 1));
        assert_eq!(tally.moving(), 8, "all but the watch and the lease");
    }

    #[test]
    fn shares_are_by_verb_and_resource() {
        let shares = example().shares(2);
        assert_eq!(shares.writes, BTreeMap::from([("delete services".into(), 0.5)]));
        assert_eq!(shares.own_writes, BTreeMap::from([("patch deployments".into(), 1.0)]));
        assert_eq!(shares.events, BTreeMap::from([("create events".into(), 0.5)]));
        assert_eq!(shares.reads.keys().collect::<Vec<_>>(), ["get /version", "get services", "list pods"]);
        assert_eq!(shares.other.len(), 1);
        assert_eq!(shares.refused, BTreeMap::from([("patch deployments: 409".into(), 0.5)]));
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = example();
        sum += example();
        assert_eq!((sum.writes(), sum.events(), sum.refused(), sum.of_others), (2, 2, 2, 2));
    }
}
