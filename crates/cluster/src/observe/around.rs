//! What around the routes stands in the way of a candidate, or goes past it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use teal_api::names::label;
use teal_plan::Phase;
use teal_plan::snapshot::{Form, Obstacle, Stops};
use teal_traffic::{Listed, Mesh, Refusal, RoleService, covers};

use super::callers::Callers;
use super::routes::selectors;
use super::{Facts, Named, Names, obstacle};
use crate::kinds;
use crate::stores::{self, JsonView, ObjectId, PodView, Stores, View};

/// Sidecars that let callers see the live host and not the candidate's. Another namespace's hurts its own callers alone, and
/// has no say in whether this one may roll out.
pub(super) fn hidden_hosts(facts: &Facts<'_>) -> Vec<Obstacle> {
    let Some(callers) = Callers::of(facts) else { return Vec::new() };
    let mesh = &facts.config.mesh;
    let found = facts.services.iter().flat_map(|service| {
        let (live, candidate) = (service.live_host(mesh), service.candidate_host(mesh));
        let know = callers.know(facts, service);
        // One that names both hosts, or all of them, is not looked at closely.
        let names = |view: &JsonView| {
            let only_live = |host: &str| covers(host, &live) && !covers(host, &candidate);
            view.hosts().any(only_live) && know(view.namespace())
        };
        let all = facts.stores.all_around(kinds::SIDECAR, &id_of(service));
        let sidecars: Vec<Value> = all.iter().filter(|view| names(view)).map(|view| view.value()).collect();
        teal_traffic::hosts_not_exported(&sidecars, service, mesh)
    });
    let told = found.map(|finding| {
        let stops = callers.stop(&finding.object.namespace);
        obstacle("HostNotExported", finding.message, stops)
    });
    told.collect()
}

/// Policies bound to the live Service that the candidate would go without.
pub(super) fn policy_gaps(facts: &Facts<'_>) -> Vec<Obstacle> {
    if !is_meshed(facts) {
        return Vec::new();
    }
    let namespace = facts.names.namespace.as_str();
    let mut policies = facts.stores.around(kinds::AUTHORIZATION_POLICY, namespace);
    policies.extend(facts.stores.around(kinds::REQUEST_AUTHENTICATION, namespace));
    let found = facts.services.iter().flat_map(|service| teal_traffic::policy_gaps(&policies, service));
    found.map(|finding| obstacle("PolicyGap", finding.message, Stops::Rollout)).collect()
}

/// DestinationRules that can't be copied for the candidate. Those of another namespace hurt its own callers alone.
pub(super) fn rules(facts: &Facts<'_>) -> Vec<Obstacle> {
    let Some(callers) = Callers::of(facts) else { return Vec::new() };
    let mesh = &facts.config.mesh;
    let all = stores::rules(facts.stores, callers.ruling(), mesh, &facts.services);
    let mut found: Vec<Obstacle> = Vec::new();
    for service in &facts.services {
        if let Err(refusal) = copies(facts, &all, service, callers.ruling()) {
            found.push(obstacle(refusal.reason(), refusal.to_string(), Stops::Rollout));
            continue;
        }
        for client in strangers(facts, service, &callers) {
            let clients = [facts.names.namespace.clone(), client];
            let rules = stores::rules(facts.stores, &clients, mesh, [service]);
            if let Err(refusal) = copies(facts, &rules, service, &clients) {
                found.push(obstacle(refusal.reason(), refusal.to_string(), Stops::Nothing));
            }
        }
    }
    found
}

/// So many of them are told of; nothing hangs on the others.
const MOST_STRANGERS: usize = 100;

/// Other namespaces that have a rule for the live host.
fn strangers(facts: &Facts<'_>, service: &RoleService, callers: &Callers) -> Vec<String> {
    let live = service.live_host(&facts.config.mesh);
    let know = callers.know(facts, service);
    let mut rules = facts.stores.destination_rules.referring(&id_of(service));
    rules.retain(|view| {
        let namespace = view.namespace();
        view.hosts().any(|host| host == live) && callers.stop(namespace) == Stops::Nothing && know(namespace)
    });
    let mut names: Vec<String> = rules.iter().map(|view| view.namespace().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(MOST_STRANGERS);
    names
}

/// The copies that clients in these namespaces need.
fn copies(
    facts: &Facts<'_>,
    rules: &[Value],
    service: &RoleService,
    clients: &[String],
) -> Result<Vec<Value>, Refusal> {
    let subsets = facts.named().of(service);
    teal_traffic::candidate_rules(rules, service, clients, (&facts.config.mesh, &subsets), &BTreeMap::new())
}

/// Whether copies of DestinationRules are not what they should be, while routes name the candidate; or are there without their
/// sources; or at rest, when no route names it any more.
pub(super) fn outdated(facts: &Facts<'_>, form: Form) -> bool {
    let Some(callers) = Callers::of(facts) else { return false };
    let entered = matches!(form, Form::Entered(_) | Form::Mixed { .. });
    let mesh = &facts.config.mesh;
    let named = |service: &&RoleService| entered || names_candidate(facts.stores, mesh, service);
    let named: Vec<&RoleService> = facts.services.iter().filter(named).collect();
    let rules = stores::rules(facts.stores, callers.ruling(), mesh, named.iter().copied());
    let wanted = named
        .into_iter()
        .flat_map(|service| copies(facts, &rules, service, callers.ruling()).unwrap_or_default());
    let differs = wanted.into_iter().any(|copy| {
        let name = crate::json::text(&copy, "/metadata/name");
        let there = facts.stores.destination_rules.get(&facts.names.namespace, name);
        there.is_none_or(|view| teal_traffic::is_outdated(&view.value(), &copy))
    });
    let rests = !entered && matches!(facts.record.phase, Phase::Rest { .. });
    let needless = if rests { idle_copies } else { stray_copies };
    differs || !needless(facts.named(), callers.ruling()).is_empty()
}

/// Whether any route leads to the candidate by its name, be it one that Teal doesn't manage: what holds for the host must
/// hold for as long.
pub(crate) fn names_candidate(stores: &Stores, mesh: &Mesh, service: &RoleService) -> bool {
    let near = stores.virtual_services.group(&service.namespace, "");
    let full = service.candidate_host(mesh);
    near.iter().any(|view| view.leads_to(&service.candidate))
        || stores
            .virtual_services
            .referring(&id_of(service))
            .iter()
            .any(|view| view.hosts().any(|host| host == full))
}

/// Teal's copies of rules for hosts that no route leads to, or of rules that there are no more.
pub(crate) fn idle_copies(of: Named<'_>, clients: &[String]) -> Vec<Arc<JsonView>> {
    let mut all = own_copies(of.stores, of.names);
    if !all.is_empty() {
        let named: Vec<_> =
            of.services.iter().filter(|service| names_candidate(of.stores, of.mesh, service)).collect();
        let is_wanted = wanted(of, &named, clients);
        all.retain(|view| !is_for(view, &named) || !is_wanted(view));
    }
    all
}

/// Teal's copies for candidates of rules that there are no more, or that hold no more. Whether a route leads there doesn't count:
/// they are made just before one does.
pub(crate) fn stray_copies(of: Named<'_>, clients: &[String]) -> Vec<Arc<JsonView>> {
    let mut all = own_copies(of.stores, of.names);
    if !all.is_empty() {
        let services: Vec<_> = of.services.iter().collect();
        let is_wanted = wanted(of, &services, clients);
        all.retain(|view| is_for(view, &services) && !is_wanted(view));
    }
    all
}

/// By the Rollout's name: one that a backup brought back has the uid of a former one.
pub(super) fn own_copies(stores: &Stores, names: &Names) -> Vec<Arc<JsonView>> {
    let mut all = stores.destination_rules.group(&names.namespace, "");
    all.retain(|view| {
        view.rollout() == Some(&names.name)
            && crate::json::annotation(&view.value(), teal_traffic::COPIED_FROM).is_some()
    });
    all
}

fn is_for(copy: &JsonView, services: &[&RoleService]) -> bool {
    services.iter().any(|service| copy.leads_to(&service.candidate))
}

/// Whether a copy is one of those that these Services should have.
fn wanted(
    of: Named<'_>,
    services: &[&RoleService],
    clients: &[String],
) -> impl Fn(&JsonView) -> bool + use<> {
    let rules = stores::rules(of.stores, clients, of.mesh, services.iter().copied());
    let copies = |service: &&RoleService| {
        let subsets = of.of(service);
        teal_traffic::candidate_rules(&rules, service, clients, (of.mesh, &subsets), &BTreeMap::new()).ok()
    };
    // Where it can't be said what is wanted, nothing is dropped for that.
    let wanted: Option<Vec<Value>> =
        services.iter().map(copies).collect::<Option<Vec<_>>>().map(|all| all.concat());
    move |view| {
        let is = |copy: &Value| crate::json::text(copy, "/metadata/name") == view.id().name;
        wanted.as_ref().is_none_or(|wanted| wanted.iter().any(is))
    }
}

fn is_meshed(facts: &Facts<'_>) -> bool {
    facts.filled.has_mesh()
}

/// Other Services and ServiceEntries that select the candidate's pods would give them requests at weight 0.
pub(super) fn overlaps(facts: &Facts<'_>) -> Vec<Obstacle> {
    let Some(candidate) = facts.record.candidate else { return Vec::new() };
    let pods = facts.pods.iter().filter(|pod| pod.slot() == Some(candidate.slot));
    // Pods of a workload are alike: one of each set of labels is enough.
    let labels = |pod: &Arc<PodView>| {
        pod.labels.iter().filter(|(name, _)| name != "pod-template-hash").cloned().collect()
    };
    let kinds: BTreeSet<BTreeMap<String, String>> = pods.map(labels).collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    let services = facts.stores.services.group(&facts.names.namespace, "");
    let foreign: Vec<Value> = services
        .iter()
        .filter(|view| !is_a_colors(view, &facts.names.name))
        // A namespace may hold hundreds of Services: only what could be a finding is copied.
        .filter(|view| kinds.iter().any(|labels| may_select(view, labels)))
        .map(|view| view.value())
        .chain(facts.stores.around(kinds::SERVICE_ENTRY, &facts.names.namespace))
        .collect();
    let known: Vec<String> =
        facts.services.iter().flat_map(|service| [service.name.clone(), service.candidate.clone()]).collect();
    let found = kinds
        .iter()
        .flat_map(|labels| teal_traffic::selector_overlaps(&foreign, &facts.names.namespace, labels, &known));
    let mut found: Vec<_> = found.collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|finding| obstacle("SelectorOverlap", finding.message, Stops::Rollout)).collect()
}

/// Whether it is made for one color, or for a role that it still has: one that is led no more may have got another selector.
pub(super) fn is_a_colors(service: &JsonView, rollout: &str) -> bool {
    let plays = || service.points(rollout).is_some() || service.selects_both(rollout);
    let is_marked =
        service.label(label::COLOR).is_some() || (service.label(label::ROLE).is_some() && plays());
    service.rollout() == Some(rollout) && is_marked
}

/// Whether a Service's selector matches pods with these labels.
pub(super) fn may_select(service: &JsonView, labels: &BTreeMap<String, String>) -> bool {
    let mut selector = service.selector().peekable();
    selector.peek().is_some()
        && selector.all(|(name, value)| labels.get(name).map(String::as_str) == Some(value))
}

/// Routes to the Services that nobody listed: their callers change over at once, at promotion.
pub(super) fn unmanaged(facts: &Facts<'_>) -> Vec<Obstacle> {
    let Some(callers) = Callers::of(facts) else { return Vec::new() };
    let leads = |view: &JsonView| facts.services.iter().any(|service| view.leads_to(&service.name));
    let all = facts.stores.virtual_services.group(&facts.names.namespace, "");
    let mut all: Vec<Value> = all.iter().filter(|view| leads(view)).map(|view| view.value()).collect();
    all.extend(far_routes(facts, &callers));
    let listed: Vec<Listed> = facts
        .filled
        .virtual_services
        .iter()
        .map(|entry| Listed {
            namespace: facts.names.namespace.clone(),
            name: entry.name.clone(),
            routes: selectors(entry),
        })
        .collect();
    let found = teal_traffic::unmanaged_routes(&all, &facts.services, &listed, &facts.config.mesh);
    found.into_iter().map(|finding| obstacle("UnmanagedRoutes", finding.message, Stops::Nothing)).collect()
}

/// Routes of other namespaces, which must name a Service in full.
fn far_routes(facts: &Facts<'_>, callers: &Callers) -> Vec<Value> {
    let of = |service: &RoleService| {
        let live = service.live_host(&facts.config.mesh);
        let know = callers.know(facts, service);
        let mut views = facts.stores.virtual_services.referring(&id_of(service));
        views.retain(|view| view.hosts().any(|host| host == live) && know(view.namespace()));
        views
    };
    let mut found: Vec<_> = facts.services.iter().flat_map(of).collect();
    found.sort_by_key(|view| view.id());
    found.dedup_by_key(|view| view.id());
    found.iter().map(|view| view.value()).collect()
}

fn id_of(service: &RoleService) -> ObjectId {
    ObjectId::new(&service.namespace, &service.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(spec: &Value) -> JsonView {
        let object = json!({"metadata": {"name": "x", "namespace": "shop"}, "spec": spec});
        JsonView::of(object, "v1", "Service").expect("a Service")
    }

    #[test]
    fn only_services_that_may_select_the_pods_are_looked_at_closely() {
        let labels =
            BTreeMap::from([("app".to_owned(), "web".to_owned()), ("tier".to_owned(), "front".to_owned())]);
        for (selector, expected) in [
            (json!({"app": "web"}), true),
            (json!({"app": "web", "tier": "front"}), true),
            (json!({"app": "web", "tier": "back"}), false),
            (json!({"other": "web"}), false),
            (json!({}), false),
        ] {
            assert_eq!(may_select(&service(&json!({"selector": selector})), &labels), expected, "{selector}");
        }
        assert!(!may_select(&service(&json!({})), &labels), "a Service without selector selects nothing");
    }

    #[test]
    fn routes_are_found_by_their_hosts() {
        let route = |host: &str| json!({"route": [{"destination": {"host": host}}]});
        let spec = json!({"http": [route("web"), route("api.shop.svc.cluster.local")], "tcp": [route("db")]});
        for (name, expected) in [("web", true), ("api", true), ("db", true), ("we", false), ("shop", false)] {
            assert_eq!(service(&spec).leads_to(name), expected, "{name}");
        }
    }
}
