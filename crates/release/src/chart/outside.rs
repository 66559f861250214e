//! How a Service is reached from outside of the cluster: by a load balancer, a port of each node, a name in the DNS. Only one Service can have
//! each of them, which is that of the role. Those of the colors have none: with one each, callers would come to a candidate by its own.

use serde_json::{Map, Value};
use teal_plan::Color;

use crate::findings::{Finding, FindingKind};
use crate::names::uncolored;
use crate::object::{Object, list_mut};

/// Fields of a Service's spec that speak of the outside alone.
const FIELDS: [&str; 7] = [
    "externalIPs",
    "externalTrafficPolicy",
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
    "healthCheckNodePort",
];
/// Addresses, of which one Service can have each.
const ADDRESSES: [&str; 2] = ["clusterIP", "clusterIPs"];
/// What annotations begin with by which names in the DNS are made, whatever type a Service has.
const NAMES: &str = "external-dns.";
/// What annotations begin with that DNS and load balancers are told by.
const NOTES: [&str; 17] = [
    "external-dns.alpha.kubernetes.io/",
    "external-dns.kubernetes.io/",
    "service.beta.kubernetes.io/",
    "cloud.google.com/",
    "networking.gke.io/",
    "load-balancer.hetzner.cloud/",
    "loadbalancer.openstack.org/",
    "metallb.universe.tf/",
    "metallb.io/",
    "kube-vip.io/",
    "io.cilium/lb-ipam",
    "lbipam.cilium.io/",
    "oci.oraclecloud.com/",
    "oci-network-load-balancer.oraclecloud.com/",
    "service.kubernetes.io/ibm-",
    "service.kubernetes.io/qcloud-",
    "kubernetes.io/elb.",
];

/// An object of a color, which as a Service is reached from inside alone.
pub(super) fn inner(object: &Object) -> Object {
    let mut inner = object.clone();
    if !object.key().is("", "Service") {
        return inner;
    }
    if let Some(notes) = inner.get_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        notes.retain(|name, _| !NOTES.iter().any(|begin| name.starts_with(begin)));
    }
    FIELDS.iter().for_each(|field| drop(inner.remove(&["spec"], field)));
    if matches!(object.text("/spec/type"), "LoadBalancer" | "NodePort") {
        inner.set(&["spec"], "type", "ClusterIP".into());
    }
    // Without an address is something else than with one.
    if object.text("/spec/clusterIP") != "None" {
        ADDRESSES.iter().for_each(|field| drop(inner.remove(&["spec"], field)));
    }
    for port in ports(&mut inner) {
        port.remove("nodePort");
    }
    inner
}

/// That callers from outside come to a Service that no role stands before by nothing that is left of it: without a word they would stay away.
pub(super) fn lost(object: &Object, color: Color) -> Option<Finding> {
    if !object.key().is("", "Service") {
        return None;
    }
    let kind = object.text("/spec/type");
    let addresses = crate::object::list(&object.to_value(), "/spec/externalIPs").len();
    let notes = object.get("/metadata/annotations").and_then(Value::as_object);
    let note = notes.into_iter().flatten().map(|(name, _)| name).find(|name| name.starts_with(NAMES));
    let by = match (kind, note) {
        ("LoadBalancer" | "NodePort", _) => format!("has the type {kind}"),
        _ if addresses > 0 => "has externalIPs".to_owned(),
        (_, Some(note)) => format!("has the annotation {note}"),
        _ => return None,
    };
    let key = object.key();
    let name = uncolored(&key.name, color);
    let parts = key.name.rsplit_once(color.as_str());
    let from = parts.map_or_else(|| key.name.clone(), |(before, behind)| format!("{before}$(color){behind}"));
    let message = format!(
        "{key} of the chart {by}, but stands behind no traffic Service, so it is reached from inside of the cluster alone: name it in \
         spec.traffic.services by {{name: {name}, from: {from}}}, or switch that off in the chart's values"
    );
    let (kind, object) = (FindingKind::ServiceInsideOnly, key.to_string());
    Some(Finding { kind, object, message, services: Vec::new() })
}

/// Takes from the Service of a role what the two colors' don't say alike.
pub(super) fn keep_alike(role: &mut Object, other: Option<&Object>) {
    for field in FIELDS.into_iter().chain(ADDRESSES) {
        let at = format!("/spec/{field}");
        if other.and_then(|other| other.get(&at)) != role.get(&at) {
            role.remove(&["spec"], field);
        }
    }
    let others = other.map(|other| crate::object::list(&other.to_value(), "/spec/ports").to_vec());
    let others = others.unwrap_or_default();
    for (place, port) in ports(role).into_iter().enumerate() {
        if others.get(place).and_then(|other| other.get("nodePort")) != port.get("nodePort") {
            port.remove("nodePort");
        }
    }
}

fn ports(service: &mut Object) -> Vec<&mut Map<String, Value>> {
    let ports = service.get_mut("/spec").map(|spec| list_mut(spec, "/ports"));
    ports.into_iter().flatten().filter_map(Value::as_object_mut).collect()
}
