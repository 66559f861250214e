//! Copies of DestinationRules, so that what holds for `web` holds for `web-candidate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use teal_api::names::{label, manager};
use teal_plan::Phase;
use teal_traffic::RoleService;

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::json;
use crate::kinds;
use crate::observe::{Named, idle_copies, names_candidate, stray_copies};
use crate::stores::{JsonView, View};

fn labels(order: &Order<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label::ROLLOUT.to_owned(), order.names.name.clone()),
        (label::ROLLOUT_UID.to_owned(), order.names.uid.clone()),
        (label::MANAGED_BY.to_owned(), label::MANAGED_BY_TEAL.to_owned()),
    ])
}

/// The copies as their sources have them now: in a rollout all of them, and apart from one while a route names the candidate, be
/// it one of its owner's own.
///
/// A new one is made before one whose source is gone is removed, and that stays if the new one can't be made. Of two for one
/// host the elder holds in istiod, so beside the new one it goes on as before; the other way round the candidate would be
/// called without any policy in between.
pub(crate) async fn keep(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    if !matches!(order.record.phase, Phase::Rest { .. }) {
        let made = make(tools, order).await?;
        let clients = callers(tools, order);
        let stray = stray_copies(named(tools, order), &clients);
        return Ok(delete(tools, stray).await? || made);
    }
    let is_named = |service: &&RoleService| names_candidate(&tools.stores, &tools.config.mesh, service);
    let made = make_for(tools, order, order.services.iter().filter(is_named)).await?;
    Ok(remove(tools, order).await? || made)
}

/// Makes or refreshes the copies.
pub(crate) async fn make(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    make_for(tools, order, order.services.iter()).await
}

async fn make_for(
    tools: &Tools,
    order: &Order<'_>,
    services: impl Iterator<Item = &RoleService> + Clone,
) -> Result<bool, Error> {
    let clients = callers(tools, order);
    let rules = crate::stores::rules(&tools.stores, &clients, &tools.config.mesh, services.clone());
    let mut changed = false;
    for service in services {
        let (mesh, subsets) = (&tools.config.mesh, named(tools, order).of(service));
        let copies =
            teal_traffic::candidate_rules(&rules, service, &clients, (mesh, &subsets), &labels(order))?;
        for copy in copies {
            changed |= write(tools, order, copy).await?;
        }
    }
    Ok(changed)
}

async fn write(tools: &Tools, order: &Order<'_>, mut copy: Value) -> Result<bool, Error> {
    let name = json::text(&copy, "/metadata/name").to_owned();
    let namespace = &order.names.namespace;
    copy["metadata"]["annotations"][order.epoch_key()] = json!(order.record.epoch.to_string());
    if let Some(view) = tools.stores.destination_rules.get(namespace, &name) {
        if view.rollout() != Some(order.names.name.as_str()) {
            return Err(Error::NameTaken {
                object: format!("DestinationRule {}", view.id()),
                manager: "another writer".into(),
                serves: false,
            });
        }
        let Some(patch) = teal_traffic::refresh(&view.value(), &copy)? else { return Ok(false) };
        tools.patch(kinds::DESTINATION_RULE, namespace, &name, manager::TRAFFIC, patch).await?;
        return Ok(true);
    }
    let resource = tools.stores.resource(kinds::DESTINATION_RULE);
    let target = Target { resource: &resource, namespace, name: &name };
    let answer = tools.access.create(target, manager::TRAFFIC, &copy).await?;
    tools.stores.offer(kinds::DESTINATION_RULE, &answer);
    Ok(true)
}

/// Removes the copies, once no route leads to the candidate's host (rule 9), also none that is not Teal's to give back; and one
/// whose source is no more.
pub(super) async fn remove(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let clients = callers(tools, order);
    let idle = idle_copies(named(tools, order), &clients);
    delete(tools, idle).await
}

async fn delete(tools: &Tools, copies: Vec<Arc<JsonView>>) -> Result<bool, Error> {
    let mut changed = false;
    for view in copies {
        let id = view.id();
        let resource = tools.stores.resource(kinds::DESTINATION_RULE);
        let target = Target { resource: &resource, namespace: &id.namespace, name: &id.name };
        tools.access.delete(target, view.uid(), &view.version().to_string()).await?;
        tools.stores.destination_rules.forget(&id);
        changed = true;
    }
    Ok(changed)
}

pub(super) fn named<'a>(tools: &'a Tools, order: &'a Order<'_>) -> Named<'a> {
    Named {
        stores: &tools.stores,
        mesh: &tools.config.mesh,
        names: order.names,
        services: order.services,
        entries: &order.filled.virtual_services,
    }
}

fn callers(tools: &Tools, order: &Order<'_>) -> Vec<String> {
    crate::observe::callers(&tools.stores, &order.names.namespace, &order.filled.virtual_services)
}
