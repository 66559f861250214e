//! In which namespaces the callers of a Rollout's Services are, and what objects there may stop.

use std::cell::OnceCell;

use serde_json::Value;
use teal_api::defaults::FilledVirtualService;
use teal_plan::snapshot::Stops;
use teal_traffic::{Exports, RoleService};

use super::Facts;
use crate::stores::{Stores, View};

/// Namespaces whose objects rule callers that Teal moves: its own, and those of the gateways of the listed
/// VirtualServices.
pub(crate) fn callers(stores: &Stores, namespace: &str, entries: &[FilledVirtualService]) -> Vec<String> {
    let all = entries.iter().flat_map(|entry| bound(stores, namespace, entry));
    let gateways = all.flat_map(|object| teal_traffic::gateway_namespaces(&object));
    // Sorted, so that of very many one is found at once.
    let mut all: Vec<String> = gateways.chain([namespace.to_owned()]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A VirtualService that is listed, or those that delegate to it, whose hosts and gateways are its own. One of a namespace to
/// which it isn't exported moves nobody to it, and whoever writes there has no say.
pub(super) fn bound(stores: &Stores, namespace: &str, entry: &FilledVirtualService) -> Vec<Value> {
    let Some(view) = stores.virtual_services.get(namespace, &entry.name) else { return Vec::new() };
    let (own, id) = (view.value(), view.id());
    if !teal_traffic::is_delegate(&own) {
        return vec![own];
    }
    let mut roots = stores.virtual_services.group(namespace, "");
    roots.extend(stores.virtual_services.referring(&id));
    let exports = Exports::of_delegate(&own);
    roots.retain(|root| root.delegates_to(&id) && exports.reach(root.namespace()));
    if roots.is_empty() { vec![own] } else { roots.iter().map(|root| root.value()).collect() }
}

/// Who calls.
pub(super) struct Callers {
    ruling: Vec<String>,
    /// What is said there holds for all who say nothing themselves.
    root: String,
}

impl Callers {
    /// Nothing where no route is managed.
    pub(super) fn of(facts: &Facts<'_>) -> Option<Self> {
        facts.filled.has_mesh().then(|| Self {
            ruling: callers(facts.stores, &facts.names.namespace, &facts.filled.virtual_services),
            root: facts.config.mesh.root_namespace.clone(),
        })
    }

    /// Namespaces whose objects rule callers that Teal moves.
    pub(super) fn ruling(&self) -> &[String] {
        &self.ruling
    }

    /// What an object there may stop. Whoever may write in a namespace of no consequence must not hold up this one.
    pub(super) fn stop(&self, namespace: &str) -> Stops {
        let rules = self.root == namespace
            || self.ruling.binary_search_by(|known| known.as_str().cmp(namespace)).is_ok();
        if rules { Stops::Rollout } else { Stops::Nothing }
    }

    /// Whether proxies of a namespace know the Service at all. It is read once, for however many are asked of.
    pub(super) fn know<'a>(
        &'a self,
        facts: &'a Facts<'_>,
        service: &'a RoleService,
    ) -> impl Fn(&str) -> bool + 'a {
        let exports = OnceCell::new();
        let read = || {
            let there = facts.stores.services.get(&facts.names.namespace, &service.name);
            there.map(|view| Exports::of_service(&view.value()))
        };
        move |namespace| {
            let known = |exports: &Exports| exports.reach(namespace);
            self.stop(namespace) == Stops::Rollout || exports.get_or_init(read).as_ref().is_none_or(known)
        }
    }
}
