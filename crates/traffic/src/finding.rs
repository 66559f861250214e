//! What around a rollout's traffic stands in its way or goes past it. Each is found, named, and left to its owner.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::mesh::covers;
use crate::object::{list, map, name, namespace, text};
use crate::read::live_of;
use crate::{Mesh, ObjectName, RoleService, RouteKind, RouteSelector, Scope};

/// The condition or reason a finding belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// A Sidecar lets proxies see `web` but not `web-candidate`: its share would be answered with errors.
    HostNotExported,
    /// Routes to `web` that are not listed: their callers change over at once, at promotion.
    UnmanagedRoutes,
    /// A policy attached to Service `web` doesn't cover `web-candidate`.
    PolicyGap,
    /// Something else selects the candidate's pods, so they get requests before their weight says so.
    SelectorOverlap,
}

impl Condition {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostNotExported => "HostNotExported",
            Self::UnmanagedRoutes => "UnmanagedRoutes",
            Self::PolicyGap => "PolicyGap",
            Self::SelectorOverlap => "SelectorOverlap",
        }
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What it means for the rollout.
    pub condition: Condition,
    /// Whose doing it is.
    pub object: ObjectName,
    /// The field in it.
    pub field: String,
    /// One sentence with what to do.
    pub message: String,
}

impl Finding {
    fn new(condition: Condition, object: &Value, kind: &str, field: String, says: &str) -> Self {
        let kind = text(object, "/kind").unwrap_or(kind).to_owned();
        let object = ObjectName { kind, namespace: namespace(object).into(), name: name(object).into() };
        Self { condition, message: format!("{object}: {field} {says}"), object, field }
    }
}

/// Sidecars whose egress list has the live host but not the candidate's.
pub fn hosts_not_exported(sidecars: &[Value], service: &RoleService, mesh: &Mesh) -> Vec<Finding> {
    let mut findings = Vec::new();
    for sidecar in sidecars {
        for (index, listener) in list(sidecar, "/spec/egress").iter().enumerate() {
            let imports = |host: &str| {
                let entries = list(listener, "/hosts").iter().filter_map(Value::as_str);
                entries
                    .into_iter()
                    .any(|entry| imports(entry, namespace(sidecar), &service.namespace, host, mesh))
            };
            let candidate = service.candidate_host(mesh);
            if imports(&service.live_host(mesh)) && !imports(&candidate) {
                let says = format!("lets its proxies reach {} but not {candidate}: add it", service.name);
                let field = format!("spec.egress[{index}].hosts");
                findings.push(Finding::new(Condition::HostNotExported, sidecar, "Sidecar", field, &says));
            }
        }
    }
    findings
}

/// Whether an entry `namespace/host` of a Sidecar covers a host of a Service.
fn imports(entry: &str, sidecar: &str, service: &str, host: &str, mesh: &Mesh) -> bool {
    let Some((from, pattern)) = entry.split_once('/') else { return false };
    let from_here = match from {
        "*" => true,
        // In the root namespace a dot stands for the namespace of whichever proxy inherits the Sidecar.
        "." => sidecar == service || sidecar == mesh.root_namespace,
        other => other == service,
    };
    from_here && covers(pattern, host)
}

/// A `VirtualService` of a Rollout: its namespace and name, and the routes it lists (`None`: all http routes that name a Service).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its routes.
    pub routes: Option<Vec<RouteSelector>>,
}

/// Routes of any kind that lead to a live Service but are not managed by the Rollout.
pub fn unmanaged_routes(
    virtual_services: &[Value],
    services: &[RoleService],
    listed: &[Listed],
    mesh: &Mesh,
) -> Vec<Finding> {
    let scope = Scope::of(mesh, services, None);
    let mut findings = Vec::new();
    for object in virtual_services {
        let entry =
            listed.iter().find(|entry| entry.namespace == namespace(object) && entry.name == name(object));
        for kind in [RouteKind::Http, RouteKind::Tcp, RouteKind::Tls] {
            for (index, route) in kind.routes(object).iter().enumerate() {
                let managed = entry.is_some_and(|entry| lists(entry, kind, route));
                let leads =
                    list(route, "/route").iter().find_map(|to| live_of(to, namespace(object), &scope));
                if let (Some(service), false) = (leads, managed) {
                    findings.push(unmanaged(object, (kind, index, route), service, entry));
                }
            }
        }
    }
    findings
}

fn lists(entry: &Listed, kind: RouteKind, route: &Value) -> bool {
    match &entry.routes {
        None => kind == RouteKind::Http,
        Some(routes) => routes.iter().any(|selector| selector.means(kind, route)),
    }
}

fn unmanaged(
    object: &Value,
    (kind, index, route): (RouteKind, usize, &Value),
    service: &RoleService,
    entry: Option<&Listed>,
) -> Finding {
    let elsewhere = namespace(object) != service.namespace;
    let remedy = if entry.is_none() && elsewhere {
        "a Rollout manages routes of its own namespace alone, so move the route there to move its callers in steps".into()
    } else {
        remedy(kind, route, entry)
    };
    let says = format!(
        "leads to {} but is not managed; its callers stay on live and change over at once at promotion: {remedy}",
        service.name
    );
    let field = kind.field(index, text(route, "/name"));
    Finding::new(Condition::UnmanagedRoutes, object, "VirtualService", field, &says)
}

/// Http routes are managed where nothing is said of routes; tls and tcp routes only where they are named.
fn remedy(kind: RouteKind, route: &Value, entry: Option<&Listed>) -> String {
    let named = RouteSelector::of(kind, route).filter(|_| kind != RouteKind::Http);
    match (named, entry) {
        (None, Some(_)) => {
            "add its name to the routes of this VirtualService in spec.traffic.virtualServices".into()
        }
        (None, None) => "list this VirtualService in spec.traffic.virtualServices".into(),
        (Some(named), Some(Listed { routes: Some(_), .. })) => {
            format!(
                "add {} to the routes of this VirtualService in spec.traffic.virtualServices",
                named.proposal()
            )
        }
        (Some(named), Some(_)) => format!(
            "name each route of this VirtualService that is to move in steps in spec.traffic.virtualServices[].routes, this one \
             by {}",
            named.proposal()
        ),
        (Some(named), None) => format!(
            "list this VirtualService in spec.traffic.virtualServices, with {} among its routes",
            named.proposal()
        ),
    }
}

/// Policies attached to the live Service by `targetRefs` that don't reach the candidate's (rule 13).
///
/// Takes any kind with `targetRefs` or `targetRef`: `AuthorizationPolicy`, `RequestAuthentication` and others.
pub fn policy_gaps(policies: &[Value], service: &RoleService) -> Vec<Finding> {
    let attached = |policy: &Value, to: &str| {
        namespace(policy) == service.namespace && targets(policy).any(|name| name == to)
    };
    // By what they say, and not each compared with each: there may be thousands.
    let twins: BTreeSet<String> =
        policies.iter().filter(|policy| attached(policy, &service.candidate)).map(rules).collect();
    let gap = |policy: &&Value| {
        let live_alone = attached(policy, &service.name) && !attached(policy, &service.candidate);
        live_alone && !twins.contains(&rules(policy))
    };
    let says = format!(
        "attaches it to Service {} alone, so it does not hold for {}: add {} there too",
        service.name, service.candidate, service.candidate
    );
    policies
        .iter()
        .filter(gap)
        .map(|policy| {
            Finding::new(Condition::PolicyGap, policy, "AuthorizationPolicy", "spec.targetRefs".into(), &says)
        })
        .collect()
}

/// Names of the Services that a policy is attached to.
fn targets(policy: &Value) -> impl Iterator<Item = &str> {
    let single = policy.pointer("/spec/targetRef");
    list(policy, "/spec/targetRefs").iter().chain(single).filter_map(|target| {
        let core = matches!(text(target, "/group"), None | Some("" | "core"));
        (core && text(target, "/kind") == Some("Service")).then(|| text(target, "/name")).flatten()
    })
}

/// Kind and meaning of a policy, without what it is attached to, as text.
fn rules(policy: &Value) -> String {
    let mut spec = map(policy, "/spec").cloned().unwrap_or_default();
    spec.remove("targetRefs");
    spec.remove("targetRef");
    json!([text(policy, "/kind"), spec]).to_string()
}

/// Services and `ServiceEntries` of the pods' namespace that select the candidate's pods (rule 12).
///
/// `pod_labels` are those of the candidate's pods; `known` are the names of the Services that may select them: the role
/// Services and those of the candidate's own color.
pub fn selector_overlaps(
    objects: &[Value],
    pods_namespace: &str,
    pod_labels: &BTreeMap<String, String>,
    known: &[String],
) -> Vec<Finding> {
    let selects = |labels: &Map<String, Value>| {
        labels.iter().all(|(key, value)| pod_labels.get(key).map(String::as_str) == value.as_str())
    };
    let mut findings = Vec::new();
    for object in objects.iter().filter(|object| namespace(object) == pods_namespace) {
        let entry = object.pointer("/spec/workloadSelector").is_some();
        let service = !entry && !known.iter().any(|own| own == name(object));
        let (field, found) = if entry {
            // An empty selector of a ServiceEntry selects every pod, that of a Service none.
            let labels = map(object, "/spec/workloadSelector/labels").cloned().unwrap_or_default();
            ("spec.workloadSelector", selects(&labels))
        } else {
            let labels = map(object, "/spec/selector").filter(|labels| !labels.is_empty());
            ("spec.selector", service && labels.is_some_and(selects))
        };
        if found {
            let (kind, narrow) = if entry {
                ("ServiceEntry", "give it teal.dev/color of the live pods for as long as they serve")
            } else {
                (
                    "Service",
                    "give it teal.dev/color of the live pods and name it in spec.traffic.services, with its manifest",
                )
            };
            let says = format!(
                "also selects the candidate's pods, so they would get requests at weight 0: {narrow}, or remove it"
            );
            findings.push(Finding::new(Condition::SelectorOverlap, object, kind, field.into(), &says));
        }
    }
    findings
}
