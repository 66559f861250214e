//! Who reaches a Service through the mesh: in which namespaces objects decide how (rules 9, 12).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::{annotation, list, namespace, text};

/// Annotation of a Service with the namespaces whose proxies know it.
pub(crate) const EXPORT_TO: &str = "networking.istio.io/exportTo";
/// Label of a Service or namespace with the waypoint before it.
pub const USE_WAYPOINT: &str = "istio.io/use-waypoint";
/// Label of a namespace or pod: which proxies carry its requests.
pub const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// Stands among the gateways of a `VirtualService` for all sidecars.
const SIDECARS: &str = "mesh";

/// Namespaces of the gateways that a `VirtualService` belongs to.
pub fn gateway_namespaces(virtual_service: &Value) -> Vec<String> {
    let gateways = list(virtual_service, "/spec/gateways").iter().filter_map(Value::as_str);
    let names = gateways.filter(|gateway| *gateway != SIDECARS);
    let mut found: Vec<String> =
        names.map(|gateway| namespace_of(gateway, namespace(virtual_service)).to_owned()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// As istiod reads it: `namespace/name`, or by its older way `name.namespace` with or without the rest of a host name, or a
/// name beside the `VirtualService`.
fn namespace_of<'a>(gateway: &'a str, own: &'a str) -> &'a str {
    let written = match gateway.split_once('/') {
        Some((written, _)) => Some(written),
        None => gateway.split_once('.').map(|(_, rest)| rest.split('.').next().unwrap_or(rest)),
    };
    written.filter(|written| *written != ".").unwrap_or(own)
}

/// Whether a `VirtualService` has neither hosts nor gateways of its own: those of whoever delegates to it count.
pub fn is_delegate(virtual_service: &Value) -> bool {
    list(virtual_service, "/spec/hosts").is_empty()
}

/// Namespaces and names of those that a `VirtualService` delegates to.
pub fn delegates(virtual_service: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(virtual_service, "/spec/http").iter().filter_map(move |route| delegate_of(virtual_service, route))
}

/// Namespace and name of the one that a route of a `VirtualService` delegates to.
pub(crate) fn delegate_of<'a>(virtual_service: &'a Value, route: &'a Value) -> Option<(&'a str, &'a str)> {
    let of = text(route, "/delegate/namespace").filter(|of| !of.is_empty());
    Some((of.unwrap_or_else(|| namespace(virtual_service)), text(route, "/delegate/name")?))
}

/// Whether a `VirtualService` holds for sidecars and waypoints, and not for gateways alone.
pub fn holds_in_mesh(virtual_service: &Value) -> bool {
    let gateways = list(virtual_service, "/spec/gateways");
    gateways.is_empty() || gateways.iter().any(|gateway| gateway == SIDECARS)
}

/// The namespaces that an object is exported to: all, unless it says otherwise. Read once, for however many are asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exports(Option<BTreeSet<String>>);

impl Exports {
    /// Those whose proxies know a Service.
    pub fn of_service(service: &Value) -> Self {
        let to = annotation(service, EXPORT_TO).map(|to| to.split(',').map(str::trim));
        Self(to.map(|to| named(to, service)))
    }

    /// Those whose `VirtualServices` may delegate to this one: into any other istiod takes no routes of it.
    pub fn of_delegate(virtual_service: &Value) -> Self {
        let to = list(virtual_service, "/spec/exportTo");
        let named = || named(to.iter().filter_map(Value::as_str), virtual_service);
        Self((!to.is_empty()).then(named))
    }

    /// Whether a namespace is among them.
    pub fn reach(&self, namespace: &str) -> bool {
        self.0.as_ref().is_none_or(|to| to.contains("*") || to.contains(namespace))
    }
}

/// A dot is the object's own namespace.
fn named<'a>(to: impl Iterator<Item = &'a str>, object: &Value) -> BTreeSet<String> {
    to.map(|to| if to == "." { namespace(object) } else { to }.to_owned()).collect()
}
