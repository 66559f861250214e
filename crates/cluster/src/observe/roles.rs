//! Where the role Services point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use teal_api::names::{annotation, label, role};
use teal_plan::snapshot::{Obstacle, ServiceSeen};
use teal_plan::{Phase, Slot};
use teal_traffic::RoleService;

use super::found::installed;
use super::{Facts, Renderings};
use crate::json;
use crate::memory::Memory;
use crate::stores::{JsonView, View, points, read_epoch, selects_both};

/// Whether a role Service goes with the Rollout although the spec says otherwise, stays although it should go, or doesn't say
/// whose it is.
pub(super) fn owners_differ(facts: &Facts<'_>) -> bool {
    use crate::execute::owners::{differs, is_unmarked};
    let owned = facts.filled.on_delete == teal_api::rollout::OnDelete::DeleteAll;
    let names = facts.services.iter().flat_map(|service| [&service.name, &service.candidate]);
    let mut views = names.filter_map(|name| facts.stores.services.get(&facts.names.namespace, name));
    views.any(|view| {
        differs(&view, &facts.names.uid, owned) || is_unmarked(&view, &facts.names.name, &facts.record.phase)
    })
}

/// Whether a role Service that selects a revision has not the ports that this one has, so that requests miss its pods although it
/// selects them. Selectors are the planner's; what a port leads to goes with them and is nothing to decide, so it is kept up.
pub(super) fn ports_differ(facts: &Facts<'_>, renderings: &Renderings) -> bool {
    roles(facts).any(|(service, _, view)| {
        let slot = view.points(&facts.names.name);
        let wanted = slot.and_then(|slot| renderings.role_service(facts, slot, &service.name));
        wanted.is_some_and(|wanted| crate::execute::ports::differ(&view.value(), &wanted.ports))
    })
}

/// Role Services that this Rollout had turned and that don't say so any more, by uid: another hand replaced the whole object, or
/// deleted it and made it anew. None where another Rollout claims one.
pub(super) fn replaced(
    facts: &Facts<'_>,
    renderings: &Renderings,
    obstacles: &[Obstacle],
    memory: &mut Memory,
) -> BTreeSet<String> {
    let turned: BTreeMap<String, String> = facts
        .services
        .iter()
        .flat_map(|service| [&service.name, &service.candidate])
        .filter_map(|name| Some((name.clone(), memory.turned.get(name)?.clone())))
        .chain(roles(facts).filter(|(.., view)| selects_ours(facts, view)).map(|(.., view)| uid_of(&view)))
        .collect();
    let is_first = matches!(facts.record.phase, Phase::New | Phase::Installing { .. });
    let claimed = obstacles.iter().any(|obstacle| obstacle.reason == "ClaimedByOther");
    let found = roles(facts).filter(|(service, role, view)| {
        let had = turned.get(&view.id().name);
        let as_written = || *role == Role::Live && selects_as_written(renderings, service, view);
        let taken = || had.is_some() || is_taken(facts, service);
        let is_its = had.is_some_and(|uid| *uid == view.uid()) || (as_written() && taken());
        !is_first && !claimed && view.rollout().is_none() && is_its
    });
    let found = found.map(|(.., view)| view.uid().to_owned()).collect();
    memory.turned = turned;
    found
}

/// The role Services that are there.
fn roles<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f RoleService, Role, Arc<JsonView>)> {
    let both = |service: &'f RoleService| {
        [(service, Role::Live, &service.name), (service, Role::Candidate, &service.candidate)]
    };
    facts.services.iter().flat_map(both).filter_map(|(service, role, name)| {
        Some((service, role, facts.stores.services.get(&facts.names.namespace, name)?))
    })
}

fn uid_of(view: &JsonView) -> (String, String) {
    (view.id().name, view.uid().to_owned())
}

/// By nobody's hand but Teal's.
fn selects_ours(facts: &Facts<'_>, view: &JsonView) -> bool {
    view.points(&facts.names.name).is_some() || view.selects_both(&facts.names.name)
}

/// As its owner has it in a release, to the letter.
fn selects_as_written(renderings: &Renderings, service: &RoleService, view: &JsonView) -> bool {
    let colors = [&renderings.blue, &renderings.green].into_iter().flatten();
    let all = colors.flat_map(|rendering| &rendering.role_services).chain(&renderings.services);
    let mut own = all.filter(|wanted| wanted.name == service.name);
    own.any(|wanted| {
        let written = wanted.original_selector.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        view.selector().collect::<BTreeMap<_, _>>() == written.collect()
    })
}

/// A candidate's Service is made only beside a live one that is this Rollout's, so that it tells, also after a restart, that the
/// live one was. One that is new in the spec has none, and is its owner's until they consent.
fn is_taken(facts: &Facts<'_>, service: &RoleService) -> bool {
    let candidate = facts.stores.services.get(&facts.names.namespace, &service.candidate);
    candidate.is_some_and(|view| {
        let marked =
            view.rollout() == Some(&facts.names.name) && view.label(label::ROLE) == Some(role::CANDIDATE);
        marked || selects_ours(facts, &view)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Live,
    Candidate,
}

/// What a Service selects, if it is a slot of this Rollout.
pub(crate) fn points_of(service: &Value, rollout: &str) -> Option<Slot> {
    let selector = service.pointer("/spec/selector")?;
    points(|key| selector.get(key).and_then(Value::as_str), rollout)
}

/// Whether a Service selects pods of this Rollout, of whatever revision.
pub(crate) fn selects_both_of(service: &Value, rollout: &str) -> bool {
    let selector = service.pointer("/spec/selector");
    selector.is_some_and(|selector| selects_both(|key| selector.get(key).and_then(Value::as_str), rollout))
}

/// The epoch that a Rollout wrote on an object.
pub(crate) fn epoch_on(object: &Value, uid: &str) -> u64 {
    json::annotation(object, &annotation::epoch(uid)).map_or(0, read_epoch)
}

pub(super) fn see(facts: &Facts<'_>, role: Role, memory: &mut Memory) -> ServiceSeen {
    let views: Vec<Option<Arc<JsonView>>> = facts
        .services
        .iter()
        .map(|service| if role == Role::Live { &service.name } else { &service.candidate })
        .map(|name| facts.stores.services.get(&facts.names.namespace, name))
        .collect();
    let mut points = views.iter().map(|view| view.as_ref()?.points(&facts.names.name));
    let first = points.next().flatten();
    let points = first.filter(|slot| points.all(|other| other == Some(*slot)));
    let settled = points.is_some_and(|slot| views.iter().flatten().all(|view| settled(facts, view, slot)));
    let epochs = views.iter().map(|view| view.as_ref().map_or(0, |view| view.epoch(&facts.names.uid)));
    let epochs = epochs.map(|epoch| facts.believed(epoch));
    let (fact, turn) = match role {
        Role::Live => ("live role", "live role turned"),
        Role::Candidate => ("candidate role", "candidate role turned"),
    };
    let selectors: Vec<Vec<(&str, &str)>> =
        views.iter().flatten().map(|view| view.selector().collect()).collect();
    // Anew with every write, even of what was there before: between two looks they may have said something else.
    let versions: Vec<u64> = views.iter().flatten().map(|view| view.version()).collect();
    ServiceSeen {
        points,
        settled,
        since: memory.sightings.since(fact, &(points, settled, versions), facts.now),
        turned: memory.sightings.since(turn, &selectors, facts.now),
        epoch: epochs.min().unwrap_or(0),
        selects_others: views.iter().flatten().any(|view| selects_others(facts, view)),
    }
}

/// Whether anything answers there isn't known: only EndpointSlices of this Rollout's own Services are watched. Of a first release's
/// it is, once those that answer are its own alone: nothing is taken from their callers. While none answers, those of before may be
/// away for a moment.
fn selects_others(facts: &Facts<'_>, service: &JsonView) -> bool {
    let selects = service.selector().next().is_some();
    let answers_alone = || installed(facts, service).is_some() && answers(facts, service);
    selects && !selects_ours(facts, service) && !answers_alone()
}

fn answers(facts: &Facts<'_>, service: &JsonView) -> bool {
    let slices = facts.stores.slices.group(&facts.names.namespace, &service.id().name);
    slices.iter().flat_map(|slice| &slice.endpoints).any(|endpoint| endpoint.serves)
}

/// Every address belongs, by the uid of its target, to a pod of the slot; and there is one.
pub(super) fn settled(facts: &Facts<'_>, service: &JsonView, slot: Slot) -> bool {
    let slices = facts.stores.slices.group(&facts.names.namespace, &service.id().name);
    let mut endpoints = slices.iter().flat_map(|slice| &slice.endpoints).peekable();
    let of_slot = |uid: &str| facts.pod(uid).is_some_and(|pod| pod.slot() == Some(slot));
    endpoints.peek().is_some() && endpoints.all(|endpoint| of_slot(&endpoint.pod))
}
