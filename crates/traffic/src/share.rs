//! The effective share of a revision: what the invariants speak of (rule 1).

use std::collections::BTreeMap;

use crate::{Mesh, Route};

/// Endpoints behind one host that take requests, by the revision of their pods; `None` are pods of no revision of this
/// Rollout. Counted are those that serve and don't terminate, whatever `ready` says.
pub type Endpoints = BTreeMap<Option<String>, u32>;

/// Where the requests of one route end up, in percent of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares {
    /// By revision; `None` are pods of no revision of this Rollout.
    pub revisions: BTreeMap<Option<String>, f64>,
    /// Hosts about which nothing is known, because they are no concern of the Rollout.
    pub elsewhere: f64,
    /// Hosts of the Rollout without an endpoint that takes requests.
    pub nothing: f64,
}

impl Shares {
    /// The share of one revision.
    pub fn of(&self, revision: &str) -> f64 {
        self.revisions.get(&Some(revision.to_owned())).copied().unwrap_or(0.0)
    }
}

/// The effective shares of a route: over its hosts, weight × the revisions of the pods behind the host.
///
/// `hosts` has an entry for each full host name whose endpoints are known. Envoy spreads a host's requests evenly.
pub fn effective_shares(
    route: &Route,
    namespace: &str,
    mesh: &Mesh,
    hosts: &BTreeMap<String, Endpoints>,
) -> Shares {
    let mut shares = Shares::default();
    for destination in &route.destinations {
        let weight = percent(destination.weight);
        let Some(endpoints) = hosts.get(&mesh.expand(&destination.host, namespace)) else {
            shares.elsewhere += weight;
            continue;
        };
        let total: f64 = endpoints.values().copied().map(f64::from).sum();
        if total <= 0.0 {
            shares.nothing += weight;
            continue;
        }
        for (revision, count) in endpoints.iter().filter(|(_, count)| **count > 0) {
            *shares.revisions.entry(revision.clone()).or_default() += weight * f64::from(*count) / total;
        }
    }
    shares
}

fn percent(weight: i64) -> f64 {
    f64::from(u32::try_from(weight).unwrap_or(0))
}
