//! Reading the weights of a VirtualService, without the code under test.

use serde_json::Value;
use teal_api::names::candidate_service;

/// What a route gives to the two roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteShare {
    /// Its name, or its place where it has none.
    pub name: String,
    /// The weight of the live role.
    pub live: u32,
    /// The weight of the candidate's role, if it is named.
    pub candidate: Option<u32>,
}

/// What the names of routes begin with that are there for those who ask for the candidate: no part of anybody's share.
const PREVIEW: &str = "preview.teal.dev/";

/// The HTTP routes that lead to one of the Service's roles.
pub fn of_virtual_service(spec: &Value, service: &str) -> Vec<RouteShare> {
    let routes = spec.get("http").and_then(Value::as_array).into_iter().flatten().enumerate();
    routes.filter_map(|(index, route)| of_route(index, route, service)).collect()
}

fn of_route(index: usize, route: &Value, service: &str) -> Option<RouteShare> {
    let name = route.get("name").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
    let destinations = route.get("route")?.as_array().filter(|_| !name.starts_with(PREVIEW))?;
    let weight = |role: &str| {
        let of_role = destinations.iter().filter(|one| host(one) == Some(role));
        // A weight means nothing where there is nothing to choose from.
        let whole = if destinations.len() == 1 { 100 } else { 0 };
        let weights = of_role.map(|one| one.get("weight").and_then(Value::as_u64).unwrap_or(whole));
        weights.map(|weight| u32::try_from(weight).unwrap_or(u32::MAX)).reduce(u32::saturating_add)
    };
    let (live, candidate) = (weight(service), weight(&candidate_service(service)));
    (live.is_some() || candidate.is_some()).then(|| RouteShare { name, live: live.unwrap_or(0), candidate })
}

/// The first label of the destination's host, which is the Service's name.
fn host(destination: &Value) -> Option<&str> {
    destination.pointer("/destination/host")?.as_str()?.split('.').next()
}
