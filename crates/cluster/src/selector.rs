//! What `spec.traffic.virtualServices[].routes` says, in the words of the traffic room.

use teal_api::rollout::Route;
use teal_traffic::RouteSelector;

/// What a line of `routes` means; nothing where it says nothing, which the schema refuses.
pub(crate) fn selector(route: &Route) -> Option<RouteSelector> {
    match route {
        Route { name: Some(name), .. } => Some(RouteSelector::named(name)),
        Route { tls: Some(tls), .. } => {
            Some(RouteSelector::tls(tls.port, tls.sni_hosts.clone().unwrap_or_default()))
        }
        Route { tcp: Some(tcp), .. } => Some(RouteSelector::Tcp(tcp.port)),
        Route { name: None, tls: None, tcp: None } => None,
    }
}
