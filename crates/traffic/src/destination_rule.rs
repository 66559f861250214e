//! What a `DestinationRule` gives to `web` must hold for `web-candidate` (rule 9): which rule istiod picks, and its copy.

use std::collections::{BTreeMap, BTreeSet};

use json_patch::Patch;
use serde_json::{Value, json};

use crate::draft::{Draft, Path};
use crate::mesh::covers;
use crate::object::{annotation, list, map, name, namespace, text};
use crate::{Mesh, ObjectName, Refusal, RoleService, crowd};

/// Annotation on a copy: the rule it was made from, as `namespace/name`.
pub const COPIED_FROM: &str = "teal.dev/copied-from";

/// The rules istiod applies to a host for clients in a namespace; of several only the oldest policy counts.
///
/// It looks in the clients' namespace, then in the Service's, then in the root namespace, and stops at the first that
/// has a rule for the host. Within a namespace an exact host wins over a wildcard and a longer wildcard over a shorter.
pub fn applicable<'a>(
    rules: &'a [Value],
    host: &str,
    service_namespace: &str,
    client_namespace: &str,
    mesh: &Mesh,
) -> Vec<&'a Value> {
    let root = mesh.root_namespace.as_str();
    let own: Vec<&Value> = rules
        .iter()
        .filter(|rule| namespace(rule) == client_namespace)
        .filter(|rule| exports(rule).is_empty() || visible(rule, client_namespace))
        // In the root namespace what is meant for everyone must not hide the Service's own rules.
        .filter(|rule| client_namespace != root || private(rule))
        .collect();
    let found = most_specific(&own, host, mesh);
    if !found.is_empty() {
        return found;
    }
    for owner in [service_namespace, root] {
        let exported: Vec<&Value> =
            rules.iter().filter(|rule| namespace(rule) == owner && !private(rule)).collect();
        let found = most_specific(&exported, host, mesh);
        if !found.is_empty() {
            // istiod looks no further in this namespace, even if it isn't exported to these clients.
            let seen: Vec<&Value> = found
                .into_iter()
                .filter(|rule| exports(rule).is_empty() || visible(rule, client_namespace))
                .collect();
            if !seen.is_empty() {
                return seen;
            }
        }
    }
    Vec::new()
}

/// The copies that must exist so that `web-candidate` is treated as `web` is by clients in each of the namespaces.
///
/// `rules` are those of the clients' namespaces, the Service's and the root namespace; Teal's own copies among them are
/// passed over. `labels` go on the copies. Nothing is returned where a wildcard covers both hosts already. The root
/// namespace counts as one of clients, since gateways run there whose `Gateway` lies elsewhere. Of subsets a copy has those that
/// routes name.
pub fn candidate_rules(
    rules: &[Value],
    service: &RoleService,
    client_namespaces: &[String],
    (mesh, subsets): (&Mesh, &BTreeSet<String>),
    labels: &BTreeMap<String, String>,
) -> Result<Vec<Value>, Refusal> {
    let view = View { service, mesh, subsets };
    let foreign: Vec<Value> = rules
        .iter()
        .filter(|rule| annotation(rule, COPIED_FROM).is_none() && concerns(rule, service, mesh))
        .cloned()
        .collect();
    let always = [service.namespace.as_str(), mesh.root_namespace.as_str()];
    let clients = crowd::apart(client_namespaces, &always, &foreign);
    crowd::refuse(&foreign, &clients, service)?;
    let mut sources: Vec<&Value> = Vec::new();
    for client in &clients {
        for rule in to_copy(&foreign, client, view)? {
            if !sources.iter().any(|known| std::ptr::eq(*known, rule)) {
                sources.push(rule);
            }
        }
    }
    let copies: Vec<Value> =
        sources.into_iter().map(|rule| copy_for_candidate(rule, service, labels, subsets)).collect();
    one_origin(&copies, service)?;
    let all: Vec<Value> = foreign.iter().chain(&copies).cloned().collect();
    if let Some(copy) = copies.first() {
        clients.iter().try_for_each(|client| holds_alike(&all, client, copy, view))?;
    }
    Ok(copies)
}

/// For whom rules are compared.
#[derive(Clone, Copy)]
struct View<'a> {
    service: &'a RoleService,
    mesh: &'a Mesh,
    /// Those that routes name.
    subsets: &'a BTreeSet<String>,
}

/// Whether a rule's host covers that of one of the two roles; all others have no say in what holds for them.
pub(crate) fn concerns(rule: &Value, service: &RoleService, mesh: &Mesh) -> bool {
    let full = full_host(rule, mesh);
    covers(&full, &service.live_host(mesh)) || covers(&full, &service.candidate_host(mesh))
}

/// A copy that is not seen by all who see its source, or hides another rule from some, would change what they do.
fn holds_alike(all: &[Value], client: &str, copy: &Value, view: View<'_>) -> Result<(), Refusal> {
    let View { service, mesh, subsets } = view;
    let pick = |host: &str| effective(&applicable(all, host, &service.namespace, client, mesh), subsets);
    if same(&pick(&service.live_host(mesh)), &pick(&service.candidate_host(mesh)), subsets) {
        return Ok(());
    }
    let (origin, name) =
        annotation(copy, COPIED_FROM).and_then(|from| from.split_once('/')).unwrap_or_default();
    let object = ObjectName { kind: "DestinationRule".into(), namespace: origin.into(), name: name.into() };
    Err(Refusal::DestinationRuleUnsupported {
        object: object.boxed(),
        problem: format!(
            "callers in namespace {client} would not be under a copy of it for {} as they are for {}: give {} one \
             rule, in namespace {}, with an exportTo that names all its callers, or none",
            service.candidate, service.name, service.name, service.namespace
        ),
    })
}

/// A rule for the candidate that is equal to `rule` but for host, name and marks. It lies in the Service's namespace.
///
/// Subsets that no managed route names are left out: each would be a cluster in every proxy.
pub fn copy_for_candidate(
    rule: &Value,
    service: &RoleService,
    labels: &BTreeMap<String, String>,
    subsets: &BTreeSet<String>,
) -> Value {
    let mut spec = map(rule, "/spec").cloned().unwrap_or_default();
    let named: Vec<&Value> = subsets.iter().filter_map(|name| subset_of(rule, name)).collect();
    match spec.get_mut("subsets") {
        Some(there) if !named.is_empty() => *there = json!(named),
        _ => {
            spec.remove("subsets");
        }
    }
    let host = text(rule, "/spec/host").unwrap_or_default();
    // A short name would mean the rule's namespace, which need not be the copy's; and a copy of a wildcard is for the candidate
    // alone, before all wildcards of the copy's namespace.
    let full = host.contains('.') && !host.starts_with('*');
    let host = if full { service.respell(host) } else { service.candidate.clone() };
    spec.insert("host".into(), json!(host));
    json!({
        "apiVersion": text(rule, "/apiVersion").unwrap_or("networking.istio.io/v1"),
        "kind": "DestinationRule",
        "metadata": {
            "name": format!("{}-candidate", name(rule)),
            "namespace": service.namespace,
            "labels": labels,
            "annotations": {COPIED_FROM: format!("{}/{}", namespace(rule), name(rule))},
        },
        "spec": spec,
    })
}

/// Whether a copy on the cluster is no longer what it should be, because its source changed or someone edited it.
pub fn is_outdated(existing: &Value, wanted: &Value) -> bool {
    let origin = |rule| annotation(rule, COPIED_FROM).map(str::to_owned);
    existing.get("spec") != wanted.get("spec") || origin(existing) != origin(wanted)
}

/// Makes a copy on the cluster what it should be, in the version that was seen; nothing where it is so already.
///
/// The spec is put there as a whole. Merged, what the owner took out of the source would stay, and what excludes something
/// that is there (`loadBalancer.simple` and `consistentHash`) would be refused. Labels and annotations of others stay.
pub fn refresh(existing: &Value, wanted: &Value) -> Result<Option<Patch>, Refusal> {
    if !is_outdated(existing, wanted) {
        return Ok(None);
    }
    let mut draft = Draft::default();
    draft.guard_version(existing, &ObjectName::of(existing, "DestinationRule")?)?;
    draft.test(
        Path::new(&["metadata", "uid"]),
        existing.pointer("/metadata/uid").cloned().unwrap_or_default(),
    );
    draft.add(Path::new(&["spec"]), wanted.get("spec").cloned().unwrap_or_default());
    for part in ["labels", "annotations"] {
        let of = |rule| map(rule, &format!("/metadata/{part}"));
        let all = Path::new(&["metadata", part]);
        match (of(existing), of(wanted)) {
            (_, None) => {}
            (None, Some(own)) => draft.add(all, json!(own)),
            (Some(_), Some(own)) => {
                own.iter().for_each(|(key, value)| draft.add(all.clone().then(key), value.clone()));
            }
        }
    }
    Ok(draft.finish())
}

/// The rules that hold for `web` but not for its candidate, from the view of clients in one namespace.
fn to_copy<'a>(rules: &'a [Value], client: &str, view: View<'_>) -> Result<Vec<&'a Value>, Refusal> {
    let View { service, mesh, subsets } = view;
    let pick = |host: &str| applicable(rules, host, &service.namespace, client, mesh);
    let live = effective(&pick(&service.live_host(mesh)), subsets);
    let candidate = effective(&pick(&service.candidate_host(mesh)), subsets);
    if same(&live, &candidate, subsets) {
        return Ok(Vec::new());
    }
    if let Some(other) = candidate.first().filter(|rule| !is_wildcard(rule) || live.is_empty()) {
        return Err(Refusal::DestinationRuleUnsupported {
            object: ObjectName::of(other, "DestinationRule")?.boxed(),
            problem: format!(
                "spec.host covers {} with another policy than {} has: remove it, a copy of the live rule is made for \
                 the candidate",
                service.candidate, service.name
            ),
        });
    }
    // What the root namespace keeps to itself is not seen there any more once it lies in another.
    let moves = |rule: &Value| namespace(rule) == mesh.root_namespace && !exports(rule).contains(&".");
    let reachable = |rule: &&&Value| namespace(rule) == service.namespace || moves(rule);
    if let Some(private) = live.iter().find(|rule| !reachable(rule)) {
        return Err(Refusal::DestinationRuleUnsupported {
            object: ObjectName::of(private, "DestinationRule")?.boxed(),
            problem: format!(
                "it rules {} from the namespace of its callers, where no copy for {} can be made: move it to \
                 namespace {} with exportTo, or add an equal rule with spec.host {} beside it",
                service.name,
                service.candidate,
                service.namespace,
                service.candidate_host(mesh)
            ),
        });
    }
    Ok(live)
}

/// Both namespaces' rules would lie side by side in one namespace, where the order would decide between them.
fn one_origin(copies: &[Value], service: &RoleService) -> Result<(), Refusal> {
    let origin = |copy: &Value| {
        annotation(copy, COPIED_FROM).and_then(|from| from.split('/').next()).map(str::to_owned)
    };
    let first = copies.first().and_then(origin);
    match copies.iter().find(|copy| origin(copy) != first) {
        None => Ok(()),
        Some(copy) => Err(Refusal::DestinationRuleUnsupported {
            object: ObjectName::of(copy, "DestinationRule")?.boxed(),
            problem: format!(
                "callers of {} are under rules of two namespaces, {} and {}: give it one rule, in namespace {}",
                service.name,
                first.unwrap_or_default(),
                origin(copy).unwrap_or_default(),
                service.namespace
            ),
        }),
    }
}

/// Of rules that istiod merges (same clients, same visibility) the one whose policy counts: the oldest that has one. A
/// rule without a policy stands for itself only if there is no other; it hides the wildcards behind it.
fn effective<'a>(rules: &[&'a Value], subsets: &BTreeSet<String>) -> Vec<&'a Value> {
    let mut ordered = rules.to_vec();
    if ordered.iter().any(|rule| has_policy(rule, subsets)) {
        ordered.retain(|rule| has_policy(rule, subsets));
    }
    // What isn't made yet, as a copy, will be the youngest.
    ordered.sort_by_key(|rule| {
        let created = text(rule, "/metadata/creationTimestamp");
        (created.is_none(), created.unwrap_or_default(), name(rule))
    });
    let mut kept: Vec<&Value> = Vec::new();
    for rule in ordered {
        let merges = |other: &&Value| {
            ["/spec/exportTo", "/spec/workloadSelector"]
                .iter()
                .all(|path| rule.pointer(path) == other.pointer(path))
        };
        if !kept.iter().any(merges) {
            kept.push(rule);
        }
    }
    kept
}

/// Whether two hosts are treated alike: by the same rules, or by rules that say the same.
fn same(one: &[&Value], other: &[&Value], subsets: &BTreeSet<String>) -> bool {
    policies(one, subsets).count() == policies(other, subsets).count()
        && policies(one, subsets)
            .all(|rule| policies(other, subsets).any(|other| mean_the_same(rule, other, subsets)))
}

/// Those with a policy of their own for the host, or a subset that routes name.
fn policies<'a>(rules: &'a [&'a Value], subsets: &BTreeSet<String>) -> impl Iterator<Item = &'a Value> {
    rules.iter().copied().filter(|rule| has_policy(rule, subsets))
}

/// Rules may be as large as objects can be, so neither is copied for this.
fn mean_the_same(one: &Value, other: &Value, subsets: &BTreeSet<String>) -> bool {
    let meaning = |rule| {
        let spec = map(rule, "/spec").into_iter().flatten();
        spec.filter(|(field, _)| !matches!(field.as_str(), "host" | "subsets"))
    };
    let named = || subsets.iter().all(|name| subset_of(one, name) == subset_of(other, name));
    std::ptr::eq(one, other) || meaning(one).eq(meaning(other)) && named()
}

fn has_policy(rule: &Value, subsets: &BTreeSet<String>) -> bool {
    rule.pointer("/spec/trafficPolicy").is_some()
        || subsets.iter().any(|name| subset_of(rule, name).is_some())
}

/// A rule's subset of this name.
pub(crate) fn subset_of<'a>(rule: &'a Value, name: &str) -> Option<&'a Value> {
    list(rule, "/spec/subsets").iter().find(|subset| text(subset, "/name") == Some(name))
}

fn most_specific<'a>(rules: &[&'a Value], host: &str, mesh: &Mesh) -> Vec<&'a Value> {
    let patterns: Vec<String> = rules.iter().map(|rule| full_host(rule, mesh)).collect();
    let matching = patterns.iter().filter(|pattern| covers(pattern, host));
    let Some(best) = matching.max_by_key(|pattern| (!pattern.starts_with('*'), pattern.len())) else {
        return Vec::new();
    };
    let of = rules.iter().zip(&patterns).filter(|(_, pattern)| *pattern == best);
    of.map(|(rule, _)| *rule).collect()
}

/// The host of a rule as istiod reads it.
fn full_host(rule: &Value, mesh: &Mesh) -> String {
    mesh.expand(text(rule, "/spec/host").unwrap_or_default(), namespace(rule))
}

/// A rule for some workloads is never exported, whatever it says.
pub(crate) fn exports(rule: &Value) -> Vec<&str> {
    if rule.pointer("/spec/workloadSelector").is_some_and(|selector| !selector.is_null()) {
        return vec!["."];
    }
    list(rule, "/spec/exportTo").iter().filter_map(Value::as_str).collect()
}

fn visible(rule: &Value, client: &str) -> bool {
    exports(rule).iter().any(|to| *to == "*" || *to == client || (*to == "." && namespace(rule) == client))
}

fn private(rule: &Value) -> bool {
    exports(rule) == ["."] || exports(rule) == [namespace(rule)]
}

fn is_wildcard(rule: &Value) -> bool {
    text(rule, "/spec/host").is_some_and(|host| host.starts_with('*'))
}
