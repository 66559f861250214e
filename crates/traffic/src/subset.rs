//! Subsets of a `DestinationRule` by which routes name live. The two roles tell the versions apart, and a subset is what else its owner
//! says of the pods behind a host: it stays in both destinations, the candidate's copy of the rule has it, and its labels must be
//! those of the pods of both versions, or the part that goes by it would reach nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::destination_rule::{applicable, concerns, subset_of};
use crate::object::{annotation, list, map, name, namespace, text};
use crate::{COPIED_FROM, Mesh, RoleService, RouteKind, RouteSelector, crowd};

/// What can be done where a subset can't stay.
const REMEDY: &str = "or take the subset out, the role Services tell the two versions apart";

/// A subset that a route names, and why it can't be the candidate's, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subset {
    /// Name of the live Service.
    pub service: String,
    /// Its own.
    pub name: String,
    /// What is wrong and what to do about it; nothing where it holds for both.
    pub problem: Option<String>,
}

/// Why a subset is refused of which nothing is known.
pub(crate) fn unknown(service: &str) -> String {
    format!(
        "no DestinationRule that holds for all callers says which pods of {service} are meant: add it there, {REMEDY}"
    )
}

/// Why two of one Service are.
pub(crate) fn divided() -> String {
    format!(
        "what is divided between subsets can't be divided between two versions as well: join the destinations into one, {REMEDY}"
    )
}

/// Why another one than live's is.
pub(crate) fn unequal() -> String {
    format!("live's destination and the candidate's must name the same one: correct it, {REMEDY}")
}

/// The Services and subsets that routes name which are meant: http routes where nothing is listed.
pub fn subsets_named(
    virtual_service: &Value,
    mesh: &Mesh,
    services: &[RoleService],
    routes: Option<&[RouteSelector]>,
) -> BTreeSet<(String, String)> {
    let own = namespace(virtual_service);
    let mut found = BTreeSet::new();
    for kind in RouteKind::ALL {
        let lists = |route: &&Value| {
            routes.map_or(kind == RouteKind::Http, |all| all.iter().any(|one| one.means(kind, route)))
        };
        let entries =
            kind.routes(virtual_service).iter().filter(lists).flat_map(|route| list(route, "/route"));
        for entry in entries {
            let Some(subset) = name_of(entry) else { continue };
            let host = mesh.expand(text(entry, "/destination/host").unwrap_or_default(), own);
            let is = |one: &&RoleService| host == one.live_host(mesh) || host == one.candidate_host(mesh);
            found.extend(services.iter().find(is).map(|one| (one.name.clone(), subset.to_owned())));
        }
    }
    found
}

/// The subset that a destination names. An empty name is none: templates leave it behind, and Istio takes it for that.
pub(crate) fn name_of(entry: &Value) -> Option<&str> {
    text(entry, "/destination/subset").filter(|name| !name.is_empty())
}

/// Why a subset can't be the candidate's, too. `pods` are the labels of the pods of both roles, each set once.
pub fn subset_problem(
    rules: &[Value],
    service: &RoleService,
    clients: &[String],
    mesh: &Mesh,
    subset: &str,
    pods: &BTreeSet<BTreeMap<String, String>>,
) -> Option<String> {
    let is_foreign = |rule: &&Value| annotation(rule, COPIED_FROM).is_none() && concerns(rule, service, mesh);
    let foreign: Vec<Value> = rules.iter().filter(is_foreign).cloned().collect();
    let always = [service.namespace.as_str(), mesh.root_namespace.as_str()];
    let mut is_there = false;
    for client in crowd::apart(clients, &always, &foreign) {
        let found = applicable(&foreign, &service.live_host(mesh), &service.namespace, client, mesh);
        let has: Vec<&Value> = found.iter().filter_map(|rule| subset_of(rule, subset)).collect();
        let (Some(said), Some(rule)) = (has.first(), found.first()) else { continue };
        let title = format!("DestinationRule {}/{}", namespace(rule), name(rule));
        if found.len() > 1 {
            return Some(format!(
                "it is one of several rules for {}, such as {title}: join these into one, {REMEDY}",
                service.name
            ));
        }
        is_there = true;
        let labels = map(said, "/labels");
        let lacks = |pod: &BTreeMap<String, String>| {
            let mut all = labels.into_iter().flatten();
            all.find(|(key, value)| pod.get(*key).map(String::as_str) != value.as_str())
        };
        if let Some((key, value)) = pods.iter().find_map(lacks) {
            let value = value.as_str().unwrap_or_default();
            return Some(format!(
                "{title} means by it pods with the label {key}: {value}, which not all pods of {} have, of the live version and the \
                 new one: give it labels that both have, {REMEDY}",
                service.name
            ));
        }
    }
    if is_there { None } else { Some(unknown(&service.name)) }
}
