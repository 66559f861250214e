//! What becomes of a destination without a port once its Service has several.
//!
//! Istio sends it to the only port of a Service that has one, and else to the port with the number of the listener that the request
//! came by (`GetDestinationCluster` in `pilot/pkg/networking/core/route/route.go`). At a Gateway that is the number in its own spec,
//! which need not be one of the Service's: then nobody answers there.

use serde_json::Value;

use crate::object::list;
use crate::{Mesh, ObjectName, Refusal, RoleService, RouteSet};

/// Refuses a second port of a Service while a managed route leads to it, or to its candidate, without saying by which port. `there` is
/// the Service in the cluster, `wanted` as the release has it.
pub fn second_port(
    virtual_service: &Value,
    set: &RouteSet,
    service: &RoleService,
    (there, wanted): (&Value, &Value),
    mesh: &Mesh,
) -> Result<(), Refusal> {
    if !gets_second_port(there, wanted) || is_called_by_its_own_ports(virtual_service, set, service, mesh) {
        return Ok(());
    }
    let [only] = list(there, "/spec/ports") else { return Ok(()) };
    for route in &set.routes {
        let pairs = route.pairs.iter().filter(|pair| pair.service == *service);
        for place in pairs.flat_map(|pair| [Some(pair.live), pair.candidate]).flatten() {
            let entry = route.of(virtual_service);
            let entry = entry.and_then(|route| route.pointer(&format!("/route/{place}/destination")));
            if entry.is_some_and(|destination| destination.get("port").is_none_or(Value::is_null)) {
                return Err(Refusal::PortNotNamed {
                    object: set.object.boxed(),
                    field: format!("{}.route[{place}].destination.port", route.field()),
                    service: ObjectName::of(there, "Service")?.boxed(),
                    number: only.get("port").and_then(Value::as_i64).unwrap_or_default(),
                });
            }
        }
    }
    Ok(())
}

/// Whether a Service that has one port would have more.
pub fn gets_second_port(there: &Value, wanted: &Value) -> bool {
    list(there, "/spec/ports").len() == 1 && list(wanted, "/spec/ports").len() > 1
}

/// Whether requests come by the ports of the Service itself: where a route holds in the mesh alone, and for its host alone.
fn is_called_by_its_own_ports(
    virtual_service: &Value,
    set: &RouteSet,
    service: &RoleService,
    mesh: &Mesh,
) -> bool {
    let live = service.live_host(mesh);
    let is_own =
        |host: &Value| host.as_str().is_some_and(|host| mesh.expand(host, &set.object.namespace) == live);
    let hosts = list(virtual_service, "/spec/hosts");
    // None is the mesh, too; but those of a delegate are its roots', which have hosts.
    let in_mesh = list(virtual_service, "/spec/gateways").iter().all(|gateway| gateway == "mesh");
    in_mesh && !hosts.is_empty() && hosts.iter().all(is_own)
}
