//! Where objects refer to others: by name, and by label selector. One walk serves reading and rewriting.

use serde_json::Value;

use crate::object::{Object, ObjectKey, list_mut, template_pointer};

/// A place that holds the name of another object of the namespace.
pub(crate) struct Reference<'a> {
    /// What it refers to.
    pub(crate) target: ObjectKey,
    /// Where it stands.
    pub(crate) field: String,
    /// The name, to be rewritten.
    pub(crate) name: &'a mut String,
}

/// Calls `visit` for every reference by name to a kind that a release may have.
pub(crate) fn references(object: &mut Object, visit: &mut dyn FnMut(Reference<'_>)) {
    let key = object.key();
    match key.kind.as_str() {
        "HorizontalPodAutoscaler" => {
            typed(object.get_mut("/spec/scaleTargetRef"), "spec.scaleTargetRef.name", visit);
            if let Some(metrics) = object.get_mut("/spec/metrics") {
                for metric in list_mut(metrics, "") {
                    typed(metric.pointer_mut("/object/describedObject"), "spec.metrics", visit);
                }
            }
        }
        "ScaledObject" => typed(object.get_mut("/spec/scaleTargetRef"), "spec.scaleTargetRef.name", visit),
        "VerticalPodAutoscaler" => typed(object.get_mut("/spec/targetRef"), "spec.targetRef.name", visit),
        "StatefulSet" => {
            named(object.get_mut("/spec/serviceName"), ("", "Service"), "spec.serviceName", visit);
        }
        _ => {}
    }
    let pod = template_pointer(&key.kind).map(|pointer| format!("{pointer}/spec"));
    if let Some((pointer, spec)) = pod.and_then(|p| Some((p.clone(), object.get_mut(&p)?))) {
        pod_references(spec, &pointer.trim_start_matches('/').replace('/', "."), visit);
    }
}

fn pod_references(spec: &mut Value, at: &str, visit: &mut dyn FnMut(Reference<'_>)) {
    named(spec.get_mut("subdomain"), ("", "Service"), &format!("{at}.subdomain"), visit);
    for (i, volume) in list_mut(spec, "/volumes").iter_mut().enumerate() {
        let at = format!("{at}.volumes[{i}]");
        config_map(volume.pointer_mut("/configMap/name"), &format!("{at}.configMap.name"), visit);
        let claim = volume.pointer_mut("/persistentVolumeClaim/claimName");
        let field = format!("{at}.persistentVolumeClaim.claimName");
        named(claim, ("", "PersistentVolumeClaim"), &field, visit);
        for (j, source) in list_mut(volume, "/projected/sources").iter_mut().enumerate() {
            let field = format!("{at}.projected.sources[{j}].configMap.name");
            config_map(source.pointer_mut("/configMap/name"), &field, visit);
        }
    }
    for containers in ["initContainers", "containers"] {
        for (i, container) in list_mut(spec, &format!("/{containers}")).iter_mut().enumerate() {
            container_references(container, &format!("{at}.{containers}[{i}]"), visit);
        }
    }
}

fn container_references(container: &mut Value, at: &str, visit: &mut dyn FnMut(Reference<'_>)) {
    for (i, source) in list_mut(container, "/envFrom").iter_mut().enumerate() {
        let field = format!("{at}.envFrom[{i}].configMapRef.name");
        config_map(source.pointer_mut("/configMapRef/name"), &field, visit);
    }
    for (i, variable) in list_mut(container, "/env").iter_mut().enumerate() {
        let field = format!("{at}.env[{i}].valueFrom.configMapKeyRef.name");
        config_map(variable.pointer_mut("/valueFrom/configMapKeyRef/name"), &field, visit);
    }
}

fn config_map(place: Option<&mut Value>, field: &str, visit: &mut dyn FnMut(Reference<'_>)) {
    named(place, ("", "ConfigMap"), field, visit);
}

fn named(
    place: Option<&mut Value>,
    (group, kind): (&str, &str),
    field: &str,
    visit: &mut dyn FnMut(Reference<'_>),
) {
    if let Some(place) = place
        && let Value::String(name) = place
    {
        visit(Reference { target: ObjectKey::new(group, kind, name), field: field.to_owned(), name });
    }
}

/// A reference that says its kind; KEDA's leaves it out for a Deployment.
fn typed(place: Option<&mut Value>, field: &str, visit: &mut dyn FnMut(Reference<'_>)) {
    let Some(place) = place else { return };
    let kind = place["kind"].as_str().unwrap_or("Deployment").to_owned();
    let group = match (place["apiVersion"].as_str(), kind.as_str()) {
        (Some(version), _) => version.split_once('/').map_or("", |(group, _)| group).to_owned(),
        (None, "Service") => String::new(),
        (None, _) => "apps".to_owned(),
    };
    named(place.get_mut("name"), (&group, &kind), field, visit);
}

/// Calls `visit` for every label selector over pods with the path of its field: the object's own, and those of
/// affinity and spreading in its pod template.
pub(crate) fn selectors(object: &mut Object, visit: &mut dyn FnMut(&str, &mut Value)) {
    let key = object.key();
    let speaks_of_pods = matches!(key.kind.as_str(), "PodDisruptionBudget" | "PodMonitor");
    if let Some(selector) = object.get_mut("/spec/selector").filter(|_| speaks_of_pods) {
        visit("spec.selector", selector);
    }
    let pod = template_pointer(&key.kind).map(|pointer| format!("{pointer}/spec"));
    if let Some((pointer, spec)) = pod.and_then(|p| Some((p.clone(), object.get_mut(&p)?))) {
        placement(spec, &pointer.trim_start_matches('/').replace('/', "."), visit);
    }
}

fn placement(spec: &mut Value, at: &str, visit: &mut dyn FnMut(&str, &mut Value)) {
    for (i, spread) in list_mut(spec, "/topologySpreadConstraints").iter_mut().enumerate() {
        if let Some(selector) = spread.get_mut("labelSelector") {
            visit(&format!("{at}.topologySpreadConstraints[{i}].labelSelector"), selector);
        }
    }
    for side in ["podAffinity", "podAntiAffinity"] {
        for (strength, inner) in [
            ("requiredDuringSchedulingIgnoredDuringExecution", ""),
            ("preferredDuringSchedulingIgnoredDuringExecution", "/podAffinityTerm"),
        ] {
            let terms = list_mut(spec, &format!("/affinity/{side}/{strength}"));
            for term in terms.iter_mut().filter_map(|term| term.pointer_mut(inner)) {
                // A term that names namespaces is about pods elsewhere.
                let elsewhere = term.get("namespaces").is_some() || term.get("namespaceSelector").is_some();
                if let Some(selector) = term.get_mut("labelSelector").filter(|_| !elsewhere) {
                    visit(&format!("{at}.affinity.{side}.{strength}"), selector);
                }
            }
        }
    }
}
