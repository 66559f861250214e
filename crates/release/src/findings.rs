//! What is allowed but worth a warning.

use serde::Serialize;
use serde_json::Value;

use crate::check_release::is_role;
use crate::context::Context;
use crate::fate::Fate;
use crate::names::{CANDIDATE_SUFFIX, COLOR_VARIABLE, annotation, label};
use crate::object::{ObjectKey, list, template_pointer};
use crate::read::{Item, Release};
use crate::workload::traffic_services;

/// What a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum FindingKind {
    /// A workload behind no traffic Service that works in both colors at once.
    RunsInBothColors,
    /// A call inside the release to a traffic Service: a candidate's pods would reach live.
    InnerCallToRole,
    /// A text that names an inner Service or such without its color: nothing has that name.
    NameWithoutColor,
    /// Pods of a Job that a traffic Service selects.
    JobReceivesTraffic,
    /// A Role that permits an object by a name that gets a color.
    RoleNamesColored,
    /// A Service of a chart that is to be reached from outside and stands behind no traffic Service, so that it isn't.
    ServiceInsideOnly,
    /// Pods behind a traffic Service that are ready only when somebody beside Kubernetes says so.
    ReadinessGates,
}

/// Something worth a warning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// The object, as `Deployment web`.
    pub object: String,
    /// One sentence with what to do.
    pub message: String,
    /// The traffic Services that it is about, where it is about those.
    pub services: Vec<String>,
}

/// All findings on a release.
pub(crate) fn findings(release: &Release, context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    for item in &release.items {
        found.extend(works_twice(release, item, context));
        found.extend(gated(release, item, context));
        found.extend(served_jobs(release, item, context));
        if !context.naming.is_charts() {
            found.extend(permissions(release, item));
        }
        if item.fate.is_colored() {
            found.extend(calls(release, item, context));
        }
    }
    found
}

fn finding(kind: FindingKind, item: &Item, message: String) -> Finding {
    Finding { kind, object: item.key.to_string(), message, services: Vec::new() }
}

/// Whoever writes the fate by hand has decided.
fn works_twice(release: &Release, item: &Item, context: &Context) -> Option<Finding> {
    let pods =
        item.pods.as_ref().filter(|_| matches!(item.key.kind.as_str(), "Deployment" | "StatefulSet"))?;
    if item.fate != Fate::Own || item.chosen || !traffic_services(release, pods, context).is_empty() {
        return None;
    }
    let (key, fate) = (&item.key, annotation::FATE);
    Some(finding(
        FindingKind::RunsInBothColors,
        item,
        format!(
            "{key} is behind no traffic Service and works in both colors at once: annotate it with {fate}: LiveOnly if \
             it takes work by itself (a queue, a timer), or with {fate}: Own if both may run"
        ),
    ))
}

/// Most gates open when a load balancer has taken the pod up, for which a Service must select it; the live one does so at
/// promotion alone (rule 11).
fn gated(release: &Release, item: &Item, context: &Context) -> Option<Finding> {
    let pods = item.pods.as_ref()?;
    let services = traffic_services(release, pods, context);
    let service = services.first()?;
    let at = template_pointer(&item.key.kind)?;
    let gates = item.object.get(&format!("{at}/spec/readinessGates")).and_then(Value::as_array)?;
    (!gates.is_empty()).then(|| {
        let key = &item.key;
        let message = format!(
            "{key}: spec.template.spec.readinessGates: pods that wait for a load balancer are ready once it looks at them, and \
             Service {service} selects them at promotion alone: let it look at {service}{CANDIDATE_SUFFIX}, too, or no pod of \
             a new revision gets ready"
        );
        let services = services.iter().map(ToString::to_string).collect();
        Finding { services, ..finding(FindingKind::ReadinessGates, item, message) }
    })
}

fn served_jobs(release: &Release, item: &Item, context: &Context) -> Option<Finding> {
    let pods = item.pods.as_ref().filter(|_| matches!(item.key.kind.as_str(), "Job" | "CronJob"))?;
    let services = traffic_services(release, pods, context);
    let service = services.first()?;
    Some(finding(
        FindingKind::JobReceivesTraffic,
        item,
        format!(
            "Service {service} selects the pods of {}: give them other labels, or they get requests",
            item.key
        ),
    ))
}

fn permissions(release: &Release, item: &Item) -> Vec<Finding> {
    if item.key.kind != "Role" {
        return Vec::new();
    }
    let role = item.object.to_value();
    let names =
        list(&role, "/rules").iter().flat_map(|rule| list(rule, "/resourceNames")).filter_map(Value::as_str);
    let colored = |name: &str| {
        release
            .items
            .iter()
            .find(|other| other.fate.is_colored() && other.pods.is_none() && other.key.name == name)
    };
    names
        .filter_map(colored)
        .map(|target| {
            finding(
                FindingKind::RoleNamesColored,
                item,
                format!(
                    "{} permits {} by name, which gets a color: permit {name}-blue and {name}-green",
                    item.key,
                    target.key,
                    name = target.key.name
                ),
            )
        })
        .collect()
}

/// Texts of configuration and containers that name a Service of the release as a host.
fn calls(release: &Release, item: &Item, context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    let services =
        release.items.iter().filter(|other| other.key.is("", "Service") && other.fate == Fate::Own);
    let texts = texts(item);
    for service in services {
        let name = &service.key.name;
        let Some((place, _)) = texts.iter().find(|(_, text)| names_host(text, name, &context.namespace))
        else {
            continue;
        };
        let key = &item.key;
        if context.naming.is_charts() {
            // A chart calls the Services of its color by their names.
            found.extend(is_role(service, &context.services).then(|| call_to_role(key, name, place)));
            continue;
        }
        found.push(if is_role(service, &context.services) {
            let message = format!(
                "{key} calls the traffic Service {name} in {place}: from a candidate this reaches live; take {name} out \
                 of spec.traffic.services and call {name}-$({COLOR_VARIABLE}) to stay in the color; if {name} is led already, \
                 take {} out of its selector then, so that it goes on for what is live, and delete it once that is gone",
                label::REVISION
            );
            finding(FindingKind::InnerCallToRole, item, message)
        } else {
            let message = format!(
                "{key} names Service {name} in {place}, which exists as {name}-blue or {name}-green only: write \
                 {name}-$({COLOR_VARIABLE}) in env or args"
            );
            finding(FindingKind::NameWithoutColor, item, message)
        });
    }
    found
}

fn call_to_role(key: &ObjectKey, name: &str, place: &str) -> Finding {
    let message = format!(
        "{key} calls the traffic Service {name} in {place}: from a candidate this reaches live; have the template name the Service \
         of its own color there ({{{{ .Release.Name }}}})"
    );
    let kind = FindingKind::InnerCallToRole;
    Finding { kind, object: key.to_string(), message, services: Vec::new() }
}

/// Texts with where they stand.
fn texts(item: &Item) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut add = |place: String, value: &Value| {
        if let Some(text) = value.as_str() {
            texts.push((place, text.to_owned()));
        }
    };
    if item.key.is("", "ConfigMap") {
        for (name, value) in item.object.get("/data").and_then(Value::as_object).into_iter().flatten() {
            add(format!("data[{name}]"), value);
        }
    }
    let none = Value::Null;
    let pod = template_pointer(&item.key.kind)
        .and_then(|at| item.object.get(&format!("{at}/spec")))
        .unwrap_or(&none);
    for container in list(pod, "/initContainers").iter().chain(list(pod, "/containers")) {
        let name = container["name"].as_str().unwrap_or_default();
        for variable in list(container, "/env") {
            add(
                format!("env {} of container {name}", variable["name"].as_str().unwrap_or_default()),
                &variable["value"],
            );
        }
        for part in ["command", "args"] {
            for text in list(container, &format!("/{part}")) {
                add(format!("{part} of container {name}"), text);
            }
        }
    }
    texts
}

/// Whether a text names a host: with a scheme or a port, or qualified by its namespace. A bare word may be anything.
fn names_host(text: &str, name: &str, namespace: &str) -> bool {
    let in_host = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.match_indices(name).any(|(start, _)| {
        let (before, rest) = text.split_at(start);
        let after = rest.strip_prefix(name).unwrap_or_default();
        let begins = !before.ends_with(in_host);
        let ends = !after.starts_with(in_host);
        let scheme = before.ends_with("://") || before.ends_with('@');
        let port = after.strip_prefix(':').is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()));
        let domain = after.strip_prefix('.').and_then(|rest| rest.strip_prefix(namespace));
        let qualified = domain.is_some_and(|rest| !rest.starts_with(in_host) || rest.starts_with(".svc"));
        begins && (qualified || (ends && (scheme || port)))
    })
}
