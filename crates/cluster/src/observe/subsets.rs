//! Subsets of DestinationRules that managed routes name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use teal_api::defaults::FilledVirtualService;
use teal_traffic::{Mesh, RoleService, RouteSelector, Scope, Subset, subset_problem, subsets_named};

use super::around::own_copies;
use super::routes::selectors;
use super::{Facts, Names, callers};
use crate::stores::{self, PodView, Stores};

/// What is in Teal's domain among labels: it differs between versions, and is none of the owner's.
const OWN_LABELS: &str = "teal.dev/";

/// Whose routes they are, and who calls by them.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) mesh: &'a Mesh,
    pub(crate) names: &'a Names,
    pub(crate) services: &'a [RoleService],
    pub(crate) entries: &'a [FilledVirtualService],
}

impl Facts<'_> {
    pub(super) fn named(&self) -> Named<'_> {
        Named {
            stores: self.stores,
            mesh: &self.config.mesh,
            names: &self.names,
            services: &self.services,
            entries: &self.filled.virtual_services,
        }
    }

    /// What is managed, of which no subset is known.
    pub(super) fn scope<'s>(&'s self, routes: Option<&'s [RouteSelector]>) -> Scope<'s> {
        Scope::of(&self.config.mesh, &self.services, routes)
    }
}

impl Named<'_> {
    /// Those of one VirtualService, with whether they hold for the candidate.
    pub(crate) fn held(self, virtual_service: &Value, routes: Option<&[RouteSelector]>) -> Vec<Subset> {
        let named = subsets_named(virtual_service, self.mesh, self.services, routes);
        if named.is_empty() {
            return Vec::new();
        }
        let clients = callers(self.stores, &self.names.namespace, self.entries);
        let rules = stores::rules(self.stores, &clients, self.mesh, self.services);
        let held = |(service, name): (String, String)| {
            let role = self.services.iter().find(|one| one.name == service)?;
            let problem = subset_problem(&rules, role, &clients, self.mesh, &name, &self.pods(role));
            Some(Subset { service, name, problem })
        };
        named.into_iter().filter_map(held).collect()
    }

    /// Those that the candidate's copies of rules have. One that a copy has stays in it: a proxy may still lead there after its
    /// route has changed.
    pub(crate) fn of(self, service: &RoleService) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in self.entries {
            let view = self.stores.virtual_services.get(&self.names.namespace, &entry.name);
            let Some(view) = view.filter(|view| view.says_subset()) else { continue };
            let named = subsets_named(&view.value(), self.mesh, self.services, selectors(entry).as_deref());
            found.extend(named.into_iter().filter(|(of, _)| *of == service.name).map(|(_, name)| name));
        }
        let copies = own_copies(self.stores, self.names);
        for copy in copies.iter().filter(|copy| copy.leads_to(&service.candidate)) {
            let value = copy.value();
            let there = value.pointer("/spec/subsets").and_then(Value::as_array).into_iter().flatten();
            found.extend(there.filter_map(|subset| subset.get("name")?.as_str()).map(str::to_owned));
        }
        found
    }

    /// Labels of the pods behind both roles, each set once.
    fn pods(self, service: &RoleService) -> BTreeSet<BTreeMap<String, String>> {
        let Some(view) = self.stores.services.get(&self.names.namespace, &service.name) else {
            return BTreeSet::new();
        };
        let own: Vec<(&str, &str)> =
            view.selector().filter(|(key, _)| !key.starts_with(OWN_LABELS)).collect();
        let is_behind = |pod: &PodView| {
            !pod.ended && pod.color.is_some() && own.iter().all(|(key, value)| pod.has_label(key, value))
        };
        // Pods of a workload are alike: one of each set of labels is enough.
        let labels = |pod: &PodView| {
            pod.labels.iter().filter(|(name, _)| name != "pod-template-hash").cloned().collect()
        };
        let pods = self.stores.pods.group(&self.names.namespace, &self.names.name);
        pods.iter().filter(|pod| is_behind(pod)).map(|pod| labels(pod)).collect()
    }
}
