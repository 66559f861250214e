//! What `spec.traffic` says of routes, in the words of the traffic room.

use std::collections::BTreeMap;

use teal_api::rollout::{Preview, Route};
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

/// What is asked of requests that are led to the candidate.
pub(crate) fn preview(preview: &Preview) -> teal_traffic::Preview {
    let headers = preview.headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone()));
    let cookies = preview.cookies.iter().flatten().map(|cookie| (cookie.name.clone(), cookie.value.clone()));
    teal_traffic::Preview {
        headers: headers.collect::<BTreeMap<_, _>>(),
        cookies: cookies.collect(),
        source_labels: preview.source_labels.clone().unwrap_or_default(),
    }
}
