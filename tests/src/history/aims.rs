//! Where the requests of each place are aimed: the effective share of a revision (rule 1 of the traffic rules), by the
//! weights of the routes and the selectors of the role Services.

use std::collections::BTreeMap;
use std::fmt;

use teal_api::names::{candidate_service, label};
use teal_traffic::Mesh;

use super::overlap::selects_both;
use super::rollout::{Rollout, revision};
use super::routes::{At, Hosts, listed, managed};
use super::world::World;

/// All requests of a place, in parts per million.
pub(super) const ALL: u32 = 1_000_000;

/// Where callers come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// At the Service itself, without a mesh.
    Service(String),
    /// At a route, for one Service.
    Route {
        /// The `VirtualService`.
        object: String,
        /// Its place in it.
        at: At,
        /// The Service.
        service: String,
    },
}

impl Place {
    pub(super) fn service(&self) -> &str {
        match self {
            Self::Service(service) | Self::Route { service, .. } => service,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "Service {service}"),
            Self::Route { object, at: At { list: "http", index }, .. } => {
                write!(f, "route {index} of VirtualService {object}")
            }
            Self::Route { object, at: At { list, index }, .. } => {
                write!(f, "{list} route {index} of VirtualService {object}")
            }
        }
    }
}

/// Which part of the requests of each place is aimed at each revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Aims(BTreeMap<(Place, String), u32>);

/// A place at which more is aimed at a revision than before.
#[derive(Debug)]
pub(super) struct Rise<'a> {
    pub(super) place: &'a Place,
    pub(super) revision: &'a str,
    pub(super) before: u32,
    pub(super) after: u32,
}

impl Aims {
    pub(super) fn of(world: &World<'_>, rollout: &Rollout<'_>, mesh: &Mesh) -> Self {
        let mut aims = Self::default();
        let hosts = Hosts { mesh, namespace: rollout.namespace };
        for service in &rollout.traffic.services {
            let live = selected(world, rollout, service);
            let candidate = selected(world, rollout, &candidate_service(service));
            aims.add(&Place::Service(service.clone()), &live, ALL);
            for entry in &rollout.traffic.virtual_services {
                let Some(value) = world.find("virtualservices", rollout.namespace, &entry.name) else {
                    continue;
                };
                for route in managed(value, entry, rollout, mesh) {
                    let to_live = route.weight(&hosts.live(service));
                    let to_candidate = route.weight(&hosts.candidate(service));
                    let place =
                        Place::Route { object: entry.name.clone(), at: route.at, service: service.clone() };
                    let total = to_live + to_candidate;
                    for (revisions, weight) in [(&live, to_live), (&candidate, to_candidate)] {
                        if total > 0 {
                            let part = i64::from(ALL) * weight / total;
                            aims.add(&place, revisions, u32::try_from(part).unwrap_or(ALL));
                        }
                    }
                }
            }
        }
        aims
    }

    /// Several revisions behind one Service share its requests.
    fn add(&mut self, place: &Place, revisions: &[String], part: u32) {
        let Some(each) = u32::try_from(revisions.len()).ok().and_then(|count| part.checked_div(count)) else {
            return;
        };
        for revision in revisions.iter().filter(|_| each > 0) {
            *self.0.entry((place.clone(), revision.clone())).or_default() += each;
        }
    }

    /// What is aimed by routes, and how much of each.
    pub(super) fn routed(&self) -> impl Iterator<Item = (&str, u32)> {
        let routed = self.0.iter().filter(|((place, _), _)| matches!(place, Place::Route { .. }));
        routed.map(|((_, to), part)| (to.as_str(), *part))
    }

    fn at(&self, place: &Place, revision: &str) -> u32 {
        self.0.get(&(place.clone(), revision.to_owned())).copied().unwrap_or(0)
    }

    /// The largest share of a revision at any place.
    pub(super) fn highest(&self, revision: &str) -> u32 {
        self.0.iter().filter(|((_, to), _)| to == revision).map(|(_, part)| *part).max().unwrap_or(0)
    }

    /// Whether a revision has all requests of every place that is aimed anywhere.
    pub(super) fn is_all(&self, revision: &str) -> bool {
        !self.0.is_empty() && self.0.keys().all(|(_, to)| to == revision)
    }

    /// The revisions that have any share.
    pub(super) fn revisions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|(_, revision)| revision.as_str())
    }

    /// Where more is aimed at a revision than `before`.
    pub(super) fn rises<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Rise<'a>> {
        self.0.iter().filter_map(|((place, revision), after)| {
            let before = before.at(place, revision);
            (*after > before).then_some(Rise { place, revision, before, after: *after })
        })
    }
}

/// Which revisions of the Rollout a Service selects: mostly one.
fn selected(world: &World<'_>, rollout: &Rollout<'_>, service: &str) -> Vec<String> {
    let Some(service) = world.find("services", rollout.namespace, service) else { return Vec::new() };
    if selects_both(service, rollout) {
        return rollout.releases().map(revision).collect();
    }
    let one = || {
        let selector = service.pointer("/spec/selector")?;
        let own = selector.get(label::ROLLOUT)?.as_str()? == rollout.name;
        selector.get(label::REVISION)?.as_str().filter(|_| own)
    };
    one().into_iter().map(str::to_owned).collect()
}

/// Whether an object takes part in where requests are aimed.
pub(super) fn aims_by(rollout: &Rollout<'_>, resource: &str, name: &str) -> bool {
    match resource {
        "virtualservices" => listed(rollout, name).is_some(),
        "services" => rollout.traffic.services.iter().any(|s| s == name || candidate_service(s) == name),
        _ => false,
    }
}

/// Parts per million as percent.
pub(super) fn percent(part: u32) -> String {
    if part.is_multiple_of(10_000) {
        format!("{} %", part / 10_000)
    } else {
        format!("{:.2} %", f64::from(part) / 10_000.0)
    }
}
