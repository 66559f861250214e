//! What must hold for one manifest by itself.

use serde_json::Value;

use crate::context::Naming;
use crate::fate::Fate;
use crate::jobs::JobRun;
use crate::names::{COLOR_ROOM, COLOR_VARIABLE, DOMAIN, annotation, label};
use crate::object::{list, template_pointer};
use crate::read::Item;
use crate::refusal::Refusal;

/// Everything that is wrong with one manifest.
pub(crate) fn manifest(item: &Item, namespace: &str, is_role: bool, naming: &Naming) -> Vec<Refusal> {
    let mut refusals = shape(item);
    if !refusals.is_empty() {
        return refusals;
    }
    refusals.extend(metadata(item, namespace));
    refusals.extend(reserved(item));
    refusals.extend(name(item, is_role, naming));
    if item.fate.is_colored() {
        refusals.extend(pods(item));
        refusals.extend(workload(item));
        if !is_role {
            refusals.extend(inner_service(item));
        }
    }
    refusals.extend(JobRun::of(&item.object).err());
    refusals
}

/// Maps that are read and written here must be maps.
fn shape(item: &Item) -> Vec<Refusal> {
    let mut pointers =
        vec!["/metadata/labels".to_owned(), "/metadata/annotations".to_owned(), "/spec".to_owned()];
    let mut refusals = Vec::new();
    if let Some(template) = template_pointer(&item.key.kind) {
        if item
            .object
            .get(&format!("{template}/spec/containers"))
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
        {
            let field = format!("{}.spec.containers", dotted(template));
            refusals.push(Refusal::invalid(&item.key, field, "is missing or empty", "list the containers"));
        }
        pointers.push(format!("{template}/metadata"));
        pointers.push(format!("{template}/metadata/labels"));
        pointers.push("/spec/selector".to_owned());
        pointers.push("/spec/selector/matchLabels".to_owned());
    }
    for pointer in pointers {
        if item.object.get(&pointer).is_some_and(|value| !value.is_object() && !value.is_null()) {
            refusals.push(Refusal::invalid(&item.key, dotted(&pointer), "is not a map", "write a map"));
        }
    }
    refusals
}

fn metadata(item: &Item, namespace: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let written = item.object.text("/metadata/namespace");
    if !written.is_empty() && written != namespace {
        refusals.push(Refusal::invalid(
            &item.key,
            "metadata.namespace",
            format!("is {written:?}, but a release lives in its Rollout's namespace, {namespace:?}"),
            "leave it out",
        ));
    }
    if !list(&item.object.to_value(), "/metadata/ownerReferences").is_empty() {
        refusals.push(Refusal::invalid(
            &item.key,
            "metadata.ownerReferences",
            "would let the garbage collector delete what serves",
            "leave it out",
        ));
    }
    refusals
}

/// Labels and annotations that only Teal may write: a forged one could move traffic.
fn reserved(item: &Item) -> Vec<Refusal> {
    let template = template_pointer(&item.key.kind).unwrap_or("/none");
    let mut places = vec!["/metadata/labels".to_owned(), "/metadata/annotations".to_owned()];
    places.extend(["labels", "annotations"].map(|map| format!("{template}/metadata/{map}")));
    let mut refusals = Vec::new();
    for place in places {
        let names =
            item.object.get(&place).and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
        for name in names.filter(|name| is_reserved(name)) {
            refusals.push(Refusal::invalid(
                &item.key,
                format!("{}[{name}]", dotted(&place)),
                "is written by Teal alone",
                "leave it out",
            ));
        }
    }
    refusals
}

fn is_reserved(name: &str) -> bool {
    let domain = name.split_once('/').map_or("", |(domain, _)| domain);
    let ours = domain == DOMAIN || domain.strip_suffix(DOMAIN).is_some_and(|rest| rest.ends_with('.'));
    ours && ![annotation::FATE, annotation::RUN, annotation::SWITCH, annotation::OVERLAP].contains(&name)
}

/// The longest final name a kind may have, and what makes it so.
fn longest(kind: &str) -> (usize, &'static str) {
    match kind {
        "Service" => (63, "a DNS label"),
        "Job" => (63, "a label of its pods"),
        "StatefulSet" => (52, "a label of its pods together with a hash"),
        "CronJob" => (52, "the names of its Jobs together with a time"),
        "Deployment" => (236, "the names of its pods together with two hashes"),
        _ => (253, "a DNS name"),
    }
}

fn name(item: &Item, is_role: bool, naming: &Naming) -> Vec<Refusal> {
    let name = &item.key.name;
    let mut refusals = Vec::new();
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    if !plain || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) || name.contains("..") {
        let remedy = "use lower-case letters, digits and hyphens";
        refusals.push(Refusal::invalid(&item.key, "metadata.name", "is no DNS name", remedy));
    }
    let (most, within) = longest(&item.key.kind);
    let (most, suffix) = match (is_role, item.fate.is_colored()) {
        (true, _) => (53, "-candidate"),
        (false, true) if !naming.is_charts() => (most - COLOR_ROOM, "-green"),
        (false, _) => (most, ""),
    };
    if name.len() > most {
        let because = if suffix.is_empty() { String::new() } else { format!(" with {suffix} behind it") };
        let problem = format!(
            "has {} characters, and a {}'s name must fit {within}{because}",
            name.len(),
            item.key.kind
        );
        let remedy = format!("shorten it to at most {most}");
        refusals.push(Refusal::invalid(&item.key, "metadata.name", problem, remedy));
    }
    refusals
}

/// What two colors can't both have on one node, and what must stay free in containers.
fn pods(item: &Item) -> Vec<Refusal> {
    let Some(pointer) = template_pointer(&item.key.kind) else {
        return Vec::new();
    };
    let mut refusals = Vec::new();
    let none = Value::Null;
    let spec = item.object.get(&format!("{pointer}/spec")).unwrap_or(&none);
    let at = format!("{}.spec", dotted(pointer));
    if spec["hostNetwork"] == true {
        refusals.push(Refusal::invalid(
            &item.key,
            format!("{at}.hostNetwork"),
            "takes ports of the node, which both colors would need at once",
            "leave it out and use a Service",
        ));
    }
    for containers in ["initContainers", "containers"] {
        for (i, container) in list(spec, &format!("/{containers}")).iter().enumerate() {
            refusals.extend(container_of(item, container, &format!("{at}.{containers}[{i}]")));
        }
    }
    refusals
}

fn container_of(item: &Item, container: &Value, at: &str) -> Vec<Refusal> {
    let ports = list(container, "/ports").iter().enumerate();
    let mut refusals: Vec<Refusal> = ports
        .filter(|(_, port)| port["hostPort"].as_i64().unwrap_or(0) != 0)
        .map(|(i, port)| {
            Refusal::invalid(
                &item.key,
                format!("{at}.ports[{i}].hostPort"),
                format!("is {}, which both colors would need on one node", port["hostPort"]),
                "leave it out and use a Service",
            )
        })
        .collect();
    if list(container, "/env").iter().any(|variable| variable["name"] == COLOR_VARIABLE) {
        refusals.push(Refusal::invalid(
            &item.key,
            format!("{at}.env[{COLOR_VARIABLE}]"),
            "is set by Teal to the color",
            "leave it out",
        ));
    }
    refusals
}

fn workload(item: &Item) -> Vec<Refusal> {
    let object = &item.object;
    let mut refusals = Vec::new();
    match item.key.kind.as_str() {
        "Job" if object.get("/spec/selector").is_some() => refusals.push(Refusal::invalid(
            &item.key,
            "spec.selector",
            "would join the pods of both colors",
            "leave it out, the server makes one",
        )),
        "Deployment" | "StatefulSet" => refusals.extend(own_selector(item)),
        _ => {}
    }
    let claims = object.get("/spec/volumeClaimTemplates").and_then(Value::as_array);
    if item.key.kind == "StatefulSet" && claims.is_some_and(|claims| !claims.is_empty()) && !item.chosen {
        refusals.push(Refusal::invalid(
            &item.key,
            "spec.volumeClaimTemplates",
            "gives each color empty disks of its own",
            format!(
                "annotate the StatefulSet with {}: Shared to keep one for both colors, or Own if each color is to \
                 have its own disks",
                annotation::FATE
            ),
        ));
    }
    refusals
}

fn own_selector(item: &Item) -> Option<Refusal> {
    let none = Value::Null;
    let selector = item.object.get("/spec/selector").unwrap_or(&none);
    if item.pods.as_ref().is_some_and(|pods| !pods.is_empty() && crate::selector::matches(selector, pods)) {
        return speaks_of_revision(item, "spec.selector", selector);
    }
    Some(Refusal::invalid(
        &item.key,
        "spec.selector",
        "does not match spec.template.metadata.labels",
        "give both the same labels",
    ))
}

/// Teal writes the canonical revision of pods, so no selector may depend on it.
pub(crate) fn speaks_of_revision(item: &Item, field: &str, selector: &Value) -> Option<Refusal> {
    crate::selector::keys(selector).any(|key| key == label::CANONICAL_REVISION).then(|| {
        Refusal::invalid(
            &item.key,
            field,
            format!("names {}, which Teal sets to the revision", label::CANONICAL_REVISION),
            "select by another label",
        )
    })
}

/// Addresses that only one Service can have.
fn inner_service(item: &Item) -> Vec<Refusal> {
    if item.key.kind != "Service" || item.fate != Fate::Own {
        return Vec::new();
    }
    let mut fields = Vec::new();
    let address = item.object.text("/spec/clusterIP");
    if !matches!(address, "" | "None") {
        fields.push("spec.clusterIP".to_owned());
    }
    if !item.object.text("/spec/loadBalancerIP").is_empty() {
        fields.push("spec.loadBalancerIP".to_owned());
    }
    let service = item.object.to_value();
    let ports = list(&service, "/spec/ports").iter().enumerate();
    fields.extend(
        ports
            .filter(|(_, port)| port.get("nodePort").is_some())
            .map(|(i, _)| format!("spec.ports[{i}].nodePort")),
    );
    let refuse = |field| {
        Refusal::invalid(
            &item.key,
            field,
            "can belong to one Service only, but there is one per color",
            format!(
                "leave it out, or name the Service in spec.traffic.services; where it selects no pods of a color, annotate it \
                 with {}: Shared",
                annotation::FATE
            ),
        )
    };
    fields.into_iter().map(refuse).collect()
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}
