//! Role Services: made from the release's own, and turned to a slot.

use std::collections::BTreeMap;

use futures::future::join_all;
use json_patch::PatchOperation;
use serde_json::{Value, json};
use teal_api::names::{label, manager, role};
use teal_api::rollout::OnDelete;
use teal_plan::{Phase, Slot};
use teal_traffic::{Direction, RoleService};

use super::{Order, Tools, add, ports, stamp_patch, worst};
use crate::access::Target;
use crate::error::{Class, Error};
use crate::json;
use crate::kinds;
use crate::observe::{points_of, selects_both_of};
use crate::rendering::owner_reference;
use crate::stores::strangers;

/// Which of the two Services.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Live,
    Candidate,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Live => role::LIVE,
            Self::Candidate => role::CANDIDATE,
        }
    }

    const fn name(self, service: &RoleService) -> &String {
        match self {
            Self::Live => &service.name,
            Self::Candidate => &service.candidate,
        }
    }
}

/// Turns the role's Services of all traffic Services, in parallel and past errors.
pub(super) async fn point(tools: &Tools, order: &Order<'_>, role: Role, slot: Slot) -> Result<bool, Error> {
    let wanted = wanted(tools, order, slot)?;
    let each = order.services.iter().filter_map(|service| Some((service, named(&wanted, service)?)));
    worst(join_all(each.map(|(service, wanted)| one(tools, order, role, slot, service, wanted))).await)
}

/// Lets those live Services that need it select pods of live and of a slot, in parallel and past errors. Their ports stay as they
/// are: they must do for both.
pub(super) async fn overlap(tools: &Tools, order: &Order<'_>, slot: Slot) -> Result<bool, Error> {
    let mut wanted = order.rendering(slot)?.role_services.clone();
    for wanted in &mut wanted {
        let there = tools.stores.services.get(&order.names.namespace, &wanted.name).map(|view| view.value());
        for_both(wanted, there.as_ref());
    }
    let passing = order.services.iter().zip(order.passing).filter(|(_, passes)| **passes);
    let each = passing.filter_map(|(service, _)| Some((service, named(&wanted, service)?)));
    worst(join_all(each.map(|(service, wanted)| one(tools, order, Role::Live, slot, service, wanted))).await)
}

/// A Service as the release has it. What it doesn't have leads nobody to it, and is not in the way of the others.
fn named<'w>(
    wanted: &'w [teal_release::RoleService],
    service: &RoleService,
) -> Option<&'w teal_release::RoleService> {
    wanted.iter().find(|wanted| wanted.name == service.name)
}

/// The Service of a new revision as it is while it is to do for the old one, too.
fn for_both(wanted: &mut teal_release::RoleService, there: Option<&Value>) {
    wanted.selector = wanted.both();
    if let Some(ports) = there.and_then(|there| there.pointer("/spec/ports")?.as_array()) {
        wanted.ports.clone_from(ports);
    }
}

/// The Services as the release has them. Where its content is lost, as after a restore of the Rollout alone, the way back
/// must not be barred: then they are as they stand, turned to the slot; one that doesn't stand bars none of the others.
fn wanted(tools: &Tools, order: &Order<'_>, slot: Slot) -> Result<Vec<teal_release::RoleService>, Error> {
    let lost = match order.rendering(slot) {
        Ok(rendering) => return Ok(rendering.role_services.clone()),
        Err(error) if is_back(order, slot) => error,
        Err(error) => return Err(error),
    };
    let there = |name: &String| tools.stores.services.get(&order.names.namespace, name);
    let each = order.services.iter().filter_map(|service| {
        let views = [&service.name, &service.candidate].map(there);
        let objects: Vec<Value> = views.iter().flatten().map(|view| view.value()).collect();
        as_they_stand(service, &objects, &order.names.name, slot)
    });
    let found: Vec<_> = each.collect();
    if found.is_empty() { Err(lost) } else { Ok(found) }
}

/// Best is the Service that selects the slot already: the other one may select by other labels.
fn as_they_stand(
    service: &RoleService,
    objects: &[Value],
    rollout: &str,
    slot: Slot,
) -> Option<teal_release::RoleService> {
    let at_slot = objects.iter().find(|object| points_of(object, rollout) == Some(slot));
    let model = at_slot.or_else(|| objects.iter().find(|object| points_of(object, rollout).is_some()))?;
    let selector = model.pointer("/spec/selector")?.clone();
    let mut selector: BTreeMap<String, String> = serde_json::from_value(selector).ok()?;
    selector.insert(label::COLOR.to_owned(), slot.color.to_string());
    selector.insert(label::REVISION.to_owned(), slot.revision.to_string());
    Some(teal_release::RoleService {
        name: service.name.clone(),
        candidate_name: service.candidate.clone(),
        template: teal_release::Object::from_value(model)?,
        ports: model.pointer("/spec/ports")?.as_array()?.clone(),
        original_selector: BTreeMap::new(),
        selector,
    })
}

async fn one(
    tools: &Tools,
    order: &Order<'_>,
    role: Role,
    slot: Slot,
    service: &RoleService,
    wanted: &teal_release::RoleService,
) -> Result<bool, Error> {
    let name = role.name(service);
    let Some(view) = tools.stores.services.get(&order.names.namespace, name) else {
        let made = create(tools, order, role, service, wanted).await?;
        if at_weight(order) {
            order.note_turn(format!(
                "Service {}/{name} was deleted by another hand and is made anew: requests that were led to it meanwhile were \
                 answered by nobody",
                order.names.namespace
            ));
        }
        return Ok(made);
    };
    match turn(tools, order, role, slot, &view.value(), wanted).await {
        // Going back must not lose a race: once more on what is there now.
        Err(error) if error.class() == Class::Conflict && is_back(order, slot) => {
            let fresh = tools.fresh(kinds::SERVICE, &order.names.namespace, name).await?;
            // One that was made anew meanwhile must be looked at first.
            match fresh.filter(|object| is_ours(object, order)) {
                Some(object) => turn(tools, order, role, slot, &object, wanted).await,
                None => Err(error),
            }
        }
        other => other,
    }
}

/// A step was reached, so each of its Services was there.
fn at_weight(order: &Order<'_>) -> bool {
    matches!(&order.record.phase, Phase::Step(place) if place.reached.is_some())
}

/// Towards what the record calls live, at any time: the way back, which holds whatever was done to the Service.
fn is_back(order: &Order<'_>, slot: Slot) -> bool {
    let live = order.record.live.is_some_and(|live| live.slot == slot);
    live && !matches!(order.record.phase, Phase::Installing { .. })
}

async fn turn(
    tools: &Tools,
    order: &Order<'_>,
    role: Role,
    slot: Slot,
    there: &Value,
    wanted: &teal_release::RoleService,
) -> Result<bool, Error> {
    let id = json::id(there).map(|id| format!("Service {id}")).unwrap_or_default();
    if !is_ours(there, order) {
        return Err(taken(there));
    }
    let back = is_back(order, slot);
    let epoch = order.epoch_on(there);
    if !back {
        order.check_epoch(&id, epoch)?;
    }
    let direction = if back { Direction::Back } else { Direction::Forward };
    let patch = teal_traffic::repoint(there, &wanted.selector, direction, &order.stamp())?;
    let turns = patch.is_some();
    let patch = patch.map_or_else(
        || stay(order, epoch, there, wanted),
        |mut patch| {
            patch.0.extend(beside(order, role, there, wanted));
            patch
        },
    );
    if patch.0.is_empty() {
        return Ok(false);
    }
    let name = json::text(there, "/metadata/name").to_owned();
    tools.patch(kinds::SERVICE, &order.names.namespace, &name, manager::ROLES, patch).await?;
    if turns {
        let both = selects_both_of(&json!({"spec": {"selector": wanted.selector}}), &order.names.name);
        let to =
            if both { "both revisions".to_owned() } else { format!("{} ({})", slot.revision, slot.color) };
        turned_by(there, &id, &to, order).into_iter().for_each(|message| order.note_turn(message));
    } else {
        order.note_ports(ports::told(there, &wanted.ports, slot));
    }
    Ok(true)
}

/// For one that selects what it should: the stamp, where it is older, and the ports. A hand may have turned the selector alone.
fn stay(
    order: &Order<'_>,
    epoch: u64,
    there: &Value,
    wanted: &teal_release::RoleService,
) -> json_patch::Patch {
    let older = epoch < order.record.epoch;
    let stamp = older.then(|| stamp_patch(there, &order.epoch_key(), order.record.epoch));
    let mut patch = stamp.unwrap_or_default();
    patch.0.extend(ports::amendment(there, &wanted.ports));
    patch
}

/// What to tell of a selector that another hand wrote over Teal's: both colors may have matched it. The first turn of a
/// Service that was there before is with its owner's consent.
fn turned_by(there: &Value, id: &str, to: &str, order: &Order<'_>) -> Option<String> {
    if matches!(order.record.phase, Phase::New | Phase::Installing { .. }) {
        return None;
    }
    let (writer, _) = strangers(there, "selector").first().copied()?;
    Some(format!(
        "{id}: spec.selector was written by {writer}, so that pods of both colors could match, and is turned back to \
         {to}: take the Service out of what {writer} applies, spec.release has it"
    ))
}

/// By its label or what it selects, or, where another hand replaced both, by what was known of it.
fn is_ours(there: &Value, order: &Order<'_>) -> bool {
    let rollout = &order.names.name;
    let named = there.pointer("/metadata/labels").and_then(|labels| labels.get(label::ROLLOUT));
    named == Some(&json!(rollout))
        || points_of(there, rollout).is_some()
        || selects_both_of(there, rollout)
        || order.replaced.contains(json::text(there, "/metadata/uid"))
}

fn taken(there: &Value) -> Error {
    let object = json::id(there).map(|id| format!("Service {id}")).unwrap_or_default();
    let writer = strangers(there, "selector").first().map_or("another writer", |(name, _)| *name);
    Error::NameTaken { object, manager: writer.to_owned(), serves: false }
}

/// What goes along with a turn: Teal's labels, by which slices and the Service itself are found again, and the ports of
/// the revision, of which `observe` made sure that none is gone or renumbered.
fn beside(
    order: &Order<'_>,
    role: Role,
    there: &Value,
    wanted: &teal_release::RoleService,
) -> Vec<PatchOperation> {
    let mut operations = Vec::new();
    let labels = there.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let mut all = labels.clone();
    for (key, value) in own_labels(order, role) {
        all[key] = json!(value);
    }
    if all != labels {
        operations.push(add("/metadata/labels", all));
    }
    let merged = ports::turned(there, &wanted.ports);
    if merged != ports::of(there) {
        operations.push(add("/spec/ports", json!(merged)));
    }
    operations
}

/// Labels of a role Service. EndpointSlices inherit them.
pub(super) fn own_labels(order: &Order<'_>, role: Role) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (label::ROLLOUT.to_owned(), order.names.name.clone()),
        (label::ROLLOUT_UID.to_owned(), order.names.uid.clone()),
        (label::ROLE.to_owned(), role.word().to_owned()),
    ]);
    let instance = order.rollout.metadata.labels.as_ref().and_then(|all| all.get(label::INSTANCE));
    if let Some(instance) = instance {
        labels.insert(label::INSTANCE.to_owned(), instance.clone());
    }
    labels
}

async fn create(
    tools: &Tools,
    order: &Order<'_>,
    role: Role,
    service: &RoleService,
    wanted: &teal_release::RoleService,
) -> Result<bool, Error> {
    let mut object = match role {
        Role::Live => live(order, wanted),
        Role::Candidate => candidate(tools, order, service, wanted)?,
    };
    if !object["metadata"]["annotations"].is_object() {
        object["metadata"]["annotations"] = json!({});
    }
    if order.filled.on_delete == OnDelete::DeleteAll {
        object["metadata"]["ownerReferences"] = json!([owner_reference(&order.names.name, &order.names.uid)]);
    }
    object["metadata"]["annotations"][order.epoch_key()] = json!(order.record.epoch.to_string());
    let resource = kinds::SERVICE.resource();
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: role.name(service) };
    let answer = tools.access.create(target, manager::ROLES, &object).await?;
    tools.stores.offer(kinds::SERVICE, &answer);
    Ok(true)
}

fn live(order: &Order<'_>, wanted: &teal_release::RoleService) -> Value {
    let mut object = wanted.template.to_value();
    object["spec"]["selector"] = json!(wanted.selector);
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    for (key, value) in own_labels(order, Role::Live) {
        object["metadata"]["labels"][key] = json!(value);
    }
    object
}

/// As the live one is in the cluster, where it is, with the ports of the revision it will select.
fn candidate(
    tools: &Tools,
    order: &Order<'_>,
    service: &RoleService,
    wanted: &teal_release::RoleService,
) -> Result<Value, Error> {
    let there = tools.stores.services.get(&order.names.namespace, &service.name).map(|view| view.value());
    // By its companion a live Service is known as this Rollout's, which one without its owner's consent is not.
    if let Some(live) = there.as_ref().filter(|live| !is_ours(live, order)) {
        return Err(taken(live));
    }
    let mut model = there.unwrap_or_else(|| wanted.template.to_value());
    model["spec"]["ports"] = json!(wanted.ports);
    let labels = own_labels(order, Role::Candidate);
    Ok(teal_traffic::candidate_service(&model, service, &wanted.selector, &labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_content_is_lost_services_are_turned_as_they_stand() {
        let slot =
            |color: teal_plan::Color, revision: &str| Slot { color, revision: revision.parse().unwrap() };
        let blue = slot(teal_plan::Color::Blue, "r1-00000001");
        let service = |app: &str, slot: Slot| {
            json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {
                "app": app, label::ROLLOUT: "web", label::COLOR: slot.color.as_str(),
                label::REVISION: slot.revision.to_string(),
            }}})
        };
        let green = slot(teal_plan::Color::Green, "r2-00000002");
        let role = RoleService::new("shop", "web");
        for (what, objects, app) in [
            ("live selects it", vec![service("web", blue), service("next", green)], "web"),
            ("neither selects it", vec![service("next", green), service("next", green)], "next"),
        ] {
            let found = as_they_stand(&role, &objects, "web", blue).unwrap();
            let wanted = service(app, blue);
            assert_eq!(json!(found.selector), wanted["spec"]["selector"], "{what}");
            assert_eq!(found.ports, [json!({"port": 80})]);
        }
        let foreign = json!({"spec": {"selector": {"app": "web"}, "ports": []}});
        assert_eq!(as_they_stand(&role, &[foreign], "web", blue), None, "nobody says what it selects");
    }

    #[test]
    fn rule_11_while_both_revisions_are_selected_the_ports_are_those_of_the_old_one() {
        let there = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "nodePort": 30001}], "selector": {
            "app": "web", label::ROLLOUT: "web", label::COLOR: "blue", label::REVISION: "r1-00000001",
        }}});
        let green = Slot { color: teal_plan::Color::Green, revision: "r2-00000002".parse().unwrap() };
        let role = RoleService::new("shop", "web");
        let mut wanted = as_they_stand(&role, std::slice::from_ref(&there), "web", green).unwrap();
        wanted.ports = vec![json!({"port": 80}), json!({"port": 81})];
        for_both(&mut wanted, Some(&there));
        assert_eq!(json!(wanted.selector), json!({"app": "web", label::ROLLOUT: "web"}));
        assert_eq!(json!(wanted.ports), there["spec"]["ports"]);
    }
}
