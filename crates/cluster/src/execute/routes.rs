//! Editing the managed routes, in the order and under the guards of the traffic rules.

use std::sync::Arc;

use futures::future::{join, join_all};
use json_patch::{PatchOperation, TestOperation};
use serde_json::Value;
use teal_api::defaults::FilledVirtualService;
use teal_api::names::manager;
use teal_plan::Slot;
use teal_traffic::{RouteSelector, Saved, Scope};

use super::{Order, Tools, likeness, policies, stamp_patch, worst};
use crate::error::{Class, Error};
use crate::json;
use crate::kinds;
use crate::observe::{is_owners, mirror, points_of, selectors};
use crate::selector::preview;
use crate::stores::JsonView;

/// Names the candidate at weight 0 everywhere, with its policies made before, and its Service like the live one.
pub(super) async fn enter(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let followed = likeness::make(tools, order).await?;
    let made = policies::make(tools, order).await? || followed;
    let each = order.filled.virtual_services.iter().map(|entry| enter_one(tools, order, entry));
    Ok(worst(join_all(each).await)? || made)
}

async fn enter_one(tools: &Tools, order: &Order<'_>, entry: &FilledVirtualService) -> Result<bool, Error> {
    let Some(view) = cached(tools, order, entry) else { return Ok(false) };
    order.check_epoch(format!("VirtualService {}", entry.name), order.epoch_on(&view.value()))?;
    let (value, named) = (view.value(), selectors(entry));
    let preview = order.filled.preview.as_deref().map(preview);
    let subsets = policies::named(tools, order).held(&value, named.as_deref());
    let scope =
        Scope { preview: preview.as_ref(), subsets: &subsets, ..scope(tools, order, named.as_deref()) };
    let patch = teal_traffic::enter(&value, &scope, &order.stamp())?;
    send(tools, order, entry, patch).await
}

/// Raises one VirtualService after another on fresh reads; a failure takes back those that were raised.
pub(super) async fn raise(tools: &Tools, order: &Order<'_>, weight: u8) -> Result<bool, Error> {
    let namespace = &order.names.namespace;
    let fresh = order.filled.virtual_services.iter();
    let fresh = fresh.map(|entry| tools.fresh(kinds::VIRTUAL_SERVICE, namespace, &entry.name));
    // Each patch holds only for the version that is read here, so reading early costs nothing but a moment less.
    let (ready, fresh) = join(super::enough_endpoints(tools, order, weight), join_all(fresh)).await;
    ready?;
    let mut raised: Vec<(&FilledVirtualService, u8)> = Vec::new();
    let mut changed = false;
    for (entry, fresh) in order.filled.virtual_services.iter().zip(fresh) {
        let raise = match fresh {
            Ok(Some(object)) => raise_one(tools, order, entry, &object, weight).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match raise {
            Ok(None) => {}
            Ok(Some(before)) => {
                changed = true;
                raised.push((entry, before));
            }
            Err(error) => {
                take_back(tools, order, &raised).await;
                return Err(error);
            }
        }
    }
    Ok(changed)
}

/// The weight before, if it was raised.
async fn raise_one(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    object: &Value,
    weight: u8,
) -> Result<Option<u8>, Error> {
    order.check_epoch(format!("VirtualService {}", entry.name), order.epoch_on(object))?;
    let (named, preview) = (selectors(entry), order.filled.preview.as_deref().map(preview));
    let subsets = policies::named(tools, order).held(object, named.as_deref());
    let mirror = mirror(order.filled, &order.record.phase);
    let scope = Scope {
        preview: preview.as_ref(),
        mirror,
        subsets: &subsets,
        ..scope(tools, order, named.as_deref())
    };
    let before = teal_traffic::read(object, &scope)?.candidate_weight();
    let patch = teal_traffic::set_weight(object, &scope, weight, &order.stamp())?;
    Ok(send(tools, order, entry, patch).await?.then_some(before))
}

async fn take_back(tools: &Tools, order: &Order<'_>, raised: &[(&FilledVirtualService, u8)]) {
    for (entry, before) in raised {
        if let Err(error) = lower_one(tools, order, entry, *before).await {
            tracing::warn!(%error, virtual_service = entry.name, "a raise could not be taken back at once");
        }
    }
}

/// Takes the weight away because the candidate's role selects other pods than it should; not if a fresh look says that
/// it doesn't: a cache that lags must not send requests back in the middle of a promotion.
pub(super) async fn cut_off(tools: &Tools, order: &Order<'_>, slot: Slot) -> Result<bool, Error> {
    for service in order.services {
        let fresh = tools.fresh(kinds::SERVICE, &order.names.namespace, &service.candidate).await?;
        if fresh.and_then(|object| points_of(&object, &order.names.name)) != Some(slot) {
            return lower(tools, order, 0).await;
        }
    }
    Ok(false)
}

/// Lowers everywhere, in parallel and past errors. To 0 it also puts the epoch on what has no weight, so that no older
/// writer can raise it any more. Weights that are the owner's own stay: they are between the same pods.
pub(super) async fn lower(tools: &Tools, order: &Order<'_>, weight: u8) -> Result<bool, Error> {
    let each = order.filled.virtual_services.iter();
    worst(join_all(each.map(|entry| lower_surely(tools, order, entry, weight))).await)
}

/// On what the cache has; if that is refused, once more on what is there now.
async fn lower_surely(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    weight: u8,
) -> Result<bool, Error> {
    match lower_one(tools, order, entry, weight).await {
        Err(error) if error.class() == Class::Conflict => {
            tools.fresh(kinds::VIRTUAL_SERVICE, &order.names.namespace, &entry.name).await?;
            lower_one(tools, order, entry, weight).await
        }
        other => other,
    }
}

async fn lower_one(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    weight: u8,
) -> Result<bool, Error> {
    if weight > 0 {
        return lower_partly(tools, order, entry, weight).await;
    }
    let Some(view) = cached(tools, order, entry) else { return Ok(false) };
    let there = view.value();
    let named = selectors(entry);
    let patch = if is_owners(&tools.stores, order.names, order.services, &order.record.phase, &there) {
        None
    } else {
        teal_traffic::lower(&there, &scope(tools, order, named.as_deref()), &order.stamp())?
    };
    let stamped = order.epoch_on(&there) >= order.record.epoch;
    let patch = match patch {
        None if !stamped => Some(stamp_patch(&there, &order.epoch_key(), order.record.epoch)),
        patch => patch,
    };
    send(tools, order, entry, patch).await
}

/// To more than 0: on a fresh read and for that version alone, because on another it could be a raise. What has less there,
/// by a person's hand or since the cache saw it, keeps that.
async fn lower_partly(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    weight: u8,
) -> Result<bool, Error> {
    let fresh = tools.fresh(kinds::VIRTUAL_SERVICE, &order.names.namespace, &entry.name).await?;
    let Some(object) = fresh else { return Ok(false) };
    let named = selectors(entry);
    let subsets = policies::named(tools, order).held(&object, named.as_deref());
    let scope = Scope { subsets: &subsets, ..scope(tools, order, named.as_deref()) };
    let patch = teal_traffic::lower_to(&object, &scope, weight, &order.stamp())?;
    send(tools, order, entry, patch.map(|patch| for_version(&object, patch))).await
}

fn for_version(object: &Value, mut patch: json_patch::Patch) -> json_patch::Patch {
    let value = json::text(object, "/metadata/resourceVersion").into();
    let test = TestOperation { path: "/metadata/resourceVersion".parse().unwrap_or_default(), value };
    patch.0.insert(0, PatchOperation::Test(test));
    patch
}

/// The owner's bytes, then the owner's claim on them, then the candidate's policies away.
pub(super) async fn leave(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let each = order.filled.virtual_services.iter().map(|entry| leave_one(tools, order, entry));
    let left = worst(join_all(each).await)?;
    Ok(policies::remove(tools, order).await? || left)
}

async fn leave_one(tools: &Tools, order: &Order<'_>, entry: &FilledVirtualService) -> Result<bool, Error> {
    let Some(view) = cached(tools, order, entry) else { return Ok(false) };
    let there = view.value();
    if is_owners(&tools.stores, order.names, order.services, &order.record.phase, &there) {
        return Ok(false);
    }
    let named = selectors(entry);
    let saved = Saved::of(&there, &order.names.uid);
    let restoration = teal_traffic::leave(&there, &scope(tools, order, named.as_deref()), &order.stamp())?;
    let Some(patch) = restoration.patch else { return Ok(false) };
    // With an epoch to be put on it the request would make that the owner's, too.
    let stamped = view.epoch(&order.names.uid) == order.record.epoch;
    let owner = saved.as_ref().filter(|_| stamped);
    let owner = owner.and_then(|saved| teal_traffic::restorer(&there, saved, manager::TRAFFIC));
    let answer = restore(tools, order, entry, owner.as_deref(), patch).await?;
    if let Some(saved) = saved {
        give_back(tools, order, entry, &answer, &saved).await;
    }
    Ok(true)
}

/// In the owner's name where there is one. It is read from an annotation, so the way home must not hang on it.
async fn restore(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    owner: Option<&str>,
    patch: json_patch::Patch,
) -> Result<Value, Error> {
    let send = |manager: String, patch: json_patch::Patch| async move {
        let namespace = &order.names.namespace;
        tools.patch(kinds::VIRTUAL_SERVICE, namespace, &entry.name, &manager, patch).await
    };
    if let Some(owner) = owner {
        match send(owner.to_owned(), patch.clone()).await {
            Err(error) if error.blames_request() => {
                tracing::warn!(%error, owner, "routes can't be given back in their owner's name");
            }
            other => return other,
        }
    }
    send(manager::TRAFFIC.to_owned(), patch).await
}

/// Where the claim didn't go back with the restoring request, whose answer is as fresh as a read can be. Without this the routes work all the same, so a
/// failure is told and no more.
async fn give_back(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    there: &Value,
    saved: &Saved,
) {
    let namespace = &order.names.namespace;
    let patch = match teal_traffic::give_back(there, saved, manager::TRAFFIC) {
        Ok(Some(patch)) => patch,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "the owner's claim on its routes is not given back");
            return;
        }
    };
    if let Err(error) =
        tools.patch(kinds::VIRTUAL_SERVICE, namespace, &entry.name, manager::TRAFFIC, patch).await
    {
        tracing::warn!(%error, virtual_service = entry.name, "the owner's claim on its routes is not given back");
    }
}

fn cached(tools: &Tools, order: &Order<'_>, entry: &FilledVirtualService) -> Option<Arc<JsonView>> {
    tools.stores.virtual_services.get(&order.names.namespace, &entry.name)
}

/// Going back minds no subsets.
fn scope<'a>(tools: &'a Tools, order: &'a Order<'_>, routes: Option<&'a [RouteSelector]>) -> Scope<'a> {
    Scope::of(&tools.config.mesh, order.services, routes)
}

async fn send(
    tools: &Tools,
    order: &Order<'_>,
    entry: &FilledVirtualService,
    patch: Option<json_patch::Patch>,
) -> Result<bool, Error> {
    let Some(patch) = patch else { return Ok(false) };
    let namespace = &order.names.namespace;
    let answer = tools.patch(kinds::VIRTUAL_SERVICE, namespace, &entry.name, manager::TRAFFIC, patch).await?;
    tracing::debug!(virtual_service = entry.name, version = json::version(&answer), "routes written");
    Ok(true)
}
