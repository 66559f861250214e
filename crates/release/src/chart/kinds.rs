//! Who may apply an object of a chart, or why nobody does.

use std::collections::BTreeSet;

use serde::Serialize;

use super::read::Rendering;
use crate::ObjectKey;
use crate::fate::{CLUSTER_SCOPED, fate_of};
use crate::object::Object;
use crate::refusal::{Refusal, RefusalReason};

/// With whose rights an object is applied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum Rights {
    /// Teal's own: the kinds that a release of manifests may have.
    Teal,
    /// Those of an account of the namespace: Secrets, and whatever else stands in one.
    Account,
}

/// With whose rights an object of a chart is applied, or why it can't be part of a release.
///
/// `routed` are the VirtualServices that the Rollout moves traffic with.
pub fn rights(object: &Object, routed: &BTreeSet<String>) -> Result<Rights, Refusal> {
    let key = object.key();
    match refused(&key, routed) {
        Some((problem, remedy)) => {
            Err(Refusal::invalid(&key, "kind", problem, remedy).with_reason(RefusalReason::UnsupportedKind))
        }
        None => match fate_of(object) {
            Ok(_) => Ok(Rights::Teal),
            Err(refusal) if refusal.reason == RefusalReason::UnsupportedKind => Ok(Rights::Account),
            Err(refusal) => Err(refusal),
        },
    }
}

fn refused(key: &ObjectKey, routed: &BTreeSet<String>) -> Option<(String, &'static str)> {
    let kind = &key.kind;
    if CLUSTER_SCOPED.contains(&kind.as_str()) {
        return Some((
            format!("{kind} is cluster-scoped, and a Rollout writes in its own namespace only"),
            "switch it off in the chart's values and apply it beside the Rollout",
        ));
    }
    if key.group == "teal.dev" {
        return Some((
            format!("{kind} is Teal's own kind, and a release can't contain rollouts"),
            "apply it beside this Rollout",
        ));
    }
    let routes = key.is("networking.istio.io", "VirtualService") && routed.contains(&key.name);
    routes.then(|| {
        (
            format!("VirtualService is the one that moves this Rollout's traffic: {}", key.name),
            "switch it off in the chart's values and apply it beside the Rollout",
        )
    })
}

/// Everything that can't be applied, given whether the Rollout names an account; hooks included.
pub fn refusals(rendering: &Rendering, routed: &BTreeSet<String>, has_account: bool) -> Vec<Refusal> {
    let objects = rendering.objects.iter().map(|object| &object.object);
    let hooks = rendering.hooks.iter().filter(|hook| !hook.is_never_made()).map(|hook| &hook.object);
    let mut found = Vec::new();
    for object in objects.chain(hooks) {
        match rights(object, routed) {
            Err(refusal) => found.push(refusal),
            Ok(Rights::Account) if !has_account && !is_run(object) => found.push(lacks_account(object)),
            Ok(_) => {}
        }
    }
    found
}

/// A Pod among the hooks is run as a Job.
fn is_run(object: &Object) -> bool {
    object.key().is("", "Pod") && object.annotation("helm.sh/hook").is_some()
}

fn lacks_account(object: &Object) -> Refusal {
    let key = object.key();
    let problem = format!("{} is none of the kinds that Teal's own account may write", key.kind);
    let remedy = "switch it off in the chart's values and apply it beside the Rollout: references to it stay as they are";
    Refusal::invalid(&key, "kind", problem, remedy).with_reason(RefusalReason::UnsupportedKind)
}
