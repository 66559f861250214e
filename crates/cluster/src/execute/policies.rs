//! Copies of DestinationRules, so that what holds for `web` holds for `web-candidate`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_api::names::{label, manager};

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::json;
use crate::kinds;
use crate::stores::{JsonView, View};

fn labels(order: &Order<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label::ROLLOUT.to_owned(), order.names.name.clone()),
        (label::ROLLOUT_UID.to_owned(), order.names.uid.clone()),
        (label::MANAGED_BY.to_owned(), label::MANAGED_BY_TEAL.to_owned()),
    ])
}

/// Makes or refreshes the copies.
pub(crate) async fn make(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let clients =
        crate::observe::callers(&tools.stores, &order.names.namespace, &order.filled.virtual_services);
    let rules = crate::stores::rules(&tools.stores, &clients, &tools.config.mesh.root_namespace);
    let mut changed = false;
    for service in order.services {
        let copies =
            teal_traffic::candidate_rules(&rules, service, &clients, &tools.config.mesh, &labels(order))?;
        for copy in copies {
            changed |= write(tools, order, copy).await?;
        }
    }
    Ok(changed)
}

async fn write(tools: &Tools, order: &Order<'_>, mut copy: Value) -> Result<bool, Error> {
    let name = json::text(&copy, "/metadata/name").to_owned();
    let there = tools.stores.destination_rules.get(&order.names.namespace, &name);
    if let Some(view) = &there {
        if view.rollout() != Some(order.names.name.as_str()) {
            return Err(Error::NameTaken {
                object: format!("DestinationRule {}", view.id()),
                manager: "another writer".into(),
            });
        }
        if !teal_traffic::is_outdated(&view.value(), &copy) {
            return Ok(false);
        }
    }
    copy["metadata"]["annotations"][order.epoch_key()] = json!(order.record.epoch.to_string());
    let resource = tools.stores.resource(kinds::DESTINATION_RULE);
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: &name };
    let answer = match there {
        Some(_) => tools.access.apply(target, manager::TRAFFIC, &copy).await?,
        None => tools.access.create(target, manager::TRAFFIC, &copy).await?,
    };
    tools.stores.offer(kinds::DESTINATION_RULE, &answer);
    Ok(true)
}

/// Removes the copies, once no route leads to the candidate's host.
pub(super) async fn remove(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let all = tools.stores.destination_rules.group(&order.names.namespace, "");
    let mut changed = false;
    for view in all.iter().filter(|view| is_copy(view, order)) {
        let id = view.id();
        let resource = tools.stores.resource(kinds::DESTINATION_RULE);
        let target = Target { resource: &resource, namespace: &id.namespace, name: &id.name };
        tools.access.delete(target, view.uid(), &view.version().to_string()).await?;
        tools.stores.destination_rules.forget(&id);
        changed = true;
    }
    Ok(changed)
}

fn is_copy(view: &JsonView, order: &Order<'_>) -> bool {
    json::annotation(&view.value(), teal_traffic::COPIED_FROM).is_some()
        && view.label(label::ROLLOUT_UID) == Some(&order.names.uid)
}
