//! Which traffic counts: the spec's, but for what waits for the end of the rollout under way, and for Services that live doesn't
//! have. One change may bring a Service and name it in `spec.traffic.services`; until a release that has it is live there is nobody
//! to lead its callers back to.

use serde_json::Value;
use teal_api::Rollout;
use teal_api::rollout::{Traffic, TrafficService, VirtualServiceReference};
use teal_plan::snapshot::{Obstacle, Stops};
use teal_plan::{Color, Phase, Record};
use teal_release::RefusalReason;
use teal_traffic::{Mesh, RoleService, RouteSelector, leads_to};

use super::asked::asked_for;
use super::{Facts, Names, Renderings, found, obstacle};
use crate::config::Config;
use crate::memory::{Memory, Packed};
use crate::selector::selector;
use crate::stores::Stores;

/// Beside the planner's record: the traffic in whose order live's endpoints were counted.
pub(crate) const TRAFFIC: &str = "traffic";

/// The traffic that counts now, and what of the spec's doesn't yet.
pub(super) struct Counting {
    pub(super) traffic: Traffic,
    /// A rollout is under way that began with another one.
    pub(super) waits: bool,
    /// Services of the spec that live doesn't have.
    pub(super) later: Vec<RoleService>,
    /// Live has none of the spec's Services, so that its own go on to count.
    pub(super) apart: bool,
}

/// What it hangs on.
pub(super) struct Look<'a> {
    pub(super) stores: &'a Stores,
    pub(super) config: &'a Config,
    pub(super) rollout: &'a Rollout,
    pub(super) names: &'a Names,
    pub(super) record: &'a Record,
    /// What live is, where the spec wants something else and it is known.
    pub(super) live: Option<&'a Packed>,
}

/// The traffic that was committed along with the record.
pub(super) fn committed(rollout: &Rollout) -> Option<Traffic> {
    let commit = rollout.status.as_ref()?.commit.as_ref()?;
    serde_json::from_value(commit.get(TRAFFIC)?.clone()).ok()
}

impl Counting {
    pub(super) fn of(look: &Look<'_>) -> Self {
        let is_first = matches!(look.record.phase, Phase::New | Phase::Installing { .. });
        let live = look.live.filter(|_| !is_first);
        let now = |traffic: &Traffic| match live {
            Some(live) => put_off(traffic.clone(), look, live),
            None => Self { traffic: traffic.clone(), waits: false, later: Vec::new(), apart: false },
        };
        let by_spec = now(&look.rollout.spec.traffic);
        match began_with(look).map(|began| now(&began).traffic) {
            Some(traffic) => Self { waits: traffic != by_spec.traffic, traffic, ..by_spec },
            None => by_spec,
        }
    }
}

/// Takes out what live doesn't have.
fn put_off(mut traffic: Traffic, look: &Look<'_>, live: &Packed) -> Counting {
    let (now, later): (Vec<_>, Vec<_>) =
        traffic.services.iter().cloned().partition(|service| live.has_service(&service.name));
    let role = |service: &TrafficService| RoleService::new(&look.names.namespace, &service.name);
    let roles: [Vec<RoleService>; 2] = [&now, &later].map(|services| services.iter().map(role).collect());
    let apart = now.is_empty();
    if apart {
        traffic.services = live
            .traffic()
            .iter()
            .map(|name| TrafficService { name: name.clone(), from: live.from(name) })
            .collect();
    } else if !later.is_empty() {
        traffic.services = now;
        let [now, later] = &roles;
        let leads = Leads { mesh: &look.config.mesh, now, later };
        leads.routes(&mut traffic, look);
    }
    let [_, later] = roles;
    Counting { traffic, waits: false, later, apart }
}

/// The traffic with which the rollout under way began.
fn began_with(look: &Look<'_>) -> Option<Traffic> {
    committed(look.rollout).filter(|_| look.record.phase.is_under_way())
}

/// Where routes lead to.
struct Leads<'a> {
    mesh: &'a Mesh,
    now: &'a [RoleService],
    later: &'a [RoleService],
}

impl Leads<'_> {
    /// Whether a route, or where none is meant any of them, leads to what counts later and to nothing that counts now.
    fn is_later(&self, virtual_service: &Value, route: Option<&RouteSelector>) -> bool {
        let leads = |services| leads_to(virtual_service, route, self.mesh, services);
        leads(self.later) && !leads(self.now)
    }

    /// Leaves out the routes that count later. Where none would be left, what is missing among them is told as it is.
    fn routes(&self, traffic: &mut Traffic, look: &Look<'_>) {
        let Some(entries) = &traffic.virtual_services else { return };
        let there = |name: &str| look.stores.virtual_services.get(&look.names.namespace, name);
        let left = entries.iter().cloned().filter_map(|entry| match there(&entry.name) {
            Some(view) => self.without_later(entry, &view.value()),
            None => Some(entry),
        });
        let left: Vec<_> = left.collect();
        if !left.is_empty() {
            traffic.virtual_services = Some(left);
        }
    }

    /// What is left of an entry without its routes that count later.
    fn without_later(
        &self,
        mut entry: VirtualServiceReference,
        virtual_service: &Value,
    ) -> Option<VirtualServiceReference> {
        let Some(routes) = &mut entry.routes else {
            return (!self.is_later(virtual_service, None)).then_some(entry);
        };
        routes.retain(|route| {
            selector(route).is_none_or(|selector| !self.is_later(virtual_service, Some(&selector)))
        });
        (!routes.is_empty()).then_some(entry)
    }
}

/// Live's endpoints at the start of a rollout, in the order of the Services that count now. One that counted not yet had none of
/// live's, so that going back takes nothing from its callers.
pub(super) fn baseline(taken: &[u32], over: Option<&Traffic>, counting: &Traffic) -> Vec<u32> {
    let Some(over) = over.filter(|_| !taken.is_empty()) else { return taken.to_vec() };
    let of = |service: &TrafficService| {
        let place = over.services.iter().position(|other| other.name == service.name);
        place.and_then(|place| taken.get(place).copied()).unwrap_or(0)
    };
    counting.services.iter().map(of).collect()
}

/// What would be in the way of those that count later, told before the rollout that brings them; and whether the release can be used.
pub(super) fn obstacles(
    facts: &Facts<'_>,
    renderings: &Renderings,
    memory: &Memory,
) -> (Vec<Obstacle>, bool) {
    if facts.apart {
        return (vec![replaced_at_once(facts)], false);
    }
    if facts.later.is_empty() || !renderings.refusals.is_empty() || renderings.wanted.is_none() {
        return (Vec::new(), true);
    }
    let all = facts.services.iter().chain(&facts.later).map(|service| service.name.clone());
    let all: Vec<String> = all.collect();
    let checked = asked_for(facts, memory, Color::Blue, &all).and_then(|asked| {
        let asked = asked.unwrap_or_default();
        let refusals = teal_release::refusals(&asked.objects, &all, &facts.names.namespace, &asked.naming);
        if refusals.is_empty() { Ok(asked.objects) } else { Err(refusals) }
    });
    let manifests = match checked {
        Ok(manifests) => manifests,
        Err(refusals) => return (refusals.iter().map(super::obstacles::refused).collect(), false),
    };
    let of = |service: &RoleService| there(facts, service, &manifests);
    (facts.later.iter().flat_map(of).collect(), true)
}

fn replaced_at_once(facts: &Facts<'_>) -> Obstacle {
    let names = |services: &[RoleService]| {
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        names.join(", ")
    };
    let (now, later) = (names(&facts.services), names(&facts.later));
    let message = format!(
        "spec.traffic.services names {later} only, and none of what serves now, which is Service {now}: name {now} beside {later}, \
         with the manifests of both, and take {now} out once a release that has both is live"
    );
    obstacle(RefusalReason::ServiceNotFound.as_str(), message, Stops::Everything)
}

/// What stands in the cluster where the role's Services will.
fn there(facts: &Facts<'_>, service: &RoleService, manifests: &[Value]) -> Vec<Obstacle> {
    let view = |name: &String| facts.stores.services.get(&facts.names.namespace, name);
    let both = [&service.name, &service.candidate].into_iter().filter_map(view);
    let foreign = both.into_iter().find(|view| found::is_foreign(facts, view));
    if let Some(foreign) = foreign {
        return vec![Obstacle { stops: Stops::Rollout, ..found::taken(&foreign, &facts.names.name) }];
    }
    let is_it = |manifest: &&Value| {
        manifest["kind"] == "Service" && manifest["metadata"]["name"] == service.name.as_str()
    };
    let wanted = manifests.iter().find(is_it).cloned().map(|mut wanted| {
        wanted["metadata"]["namespace"] = service.namespace.as_str().into();
        wanted
    });
    super::obstacles::service_problems(facts, service, wanted.as_ref())
}

/// What to tell of the spec's traffic that doesn't count yet.
pub(crate) fn told(waits: bool, later: &[RoleService]) -> String {
    let waits = waits.then(|| "; spec.traffic was changed and counts once this rollout is over".to_owned());
    let later = later.iter().map(|RoleService { name, .. }| {
        format!(
            "; Service {name} of spec.traffic.services is not in what serves now, so it counts once a release that has it is live"
        )
    });
    waits.into_iter().chain(later).collect()
}
