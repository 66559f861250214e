//! Two Rollouts over one `VirtualService`: each may have routes of its own there, but no route may have two masters.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::read::survey;
use crate::{Refusal, RouteKind, Scope};

/// The routes that both scopes would manage, by their place for messages.
///
/// Minds neither weights nor subsets: what one of the two can't manage yet is its own all the same.
pub fn shared_routes(
    virtual_service: &Value,
    own: &Scope<'_>,
    other: &Scope<'_>,
) -> Result<Vec<String>, Refusal> {
    let others = survey(virtual_service, other)?.routes;
    let others: BTreeSet<(RouteKind, usize)> = others.iter().map(|route| (route.kind, route.index)).collect();
    let routes = survey(virtual_service, own)?.routes.into_iter();
    let shared = routes.filter(|route| others.contains(&(route.kind, route.index)));
    Ok(shared.map(|route| route.field()).collect())
}
