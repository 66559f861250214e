//! The candidate's Service, kept like the live one.

use teal_api::names::manager;
use teal_traffic::RoleService;

use super::{Order, Tools};
use crate::error::Error;
use crate::kinds;
use crate::observe::points_of;

/// Brings what differs to the candidates' Services.
pub(crate) async fn make(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let mut changed = false;
    for service in order.services {
        changed |= one(tools, order, service).await?;
    }
    Ok(changed)
}

async fn one(tools: &Tools, order: &Order<'_>, service: &RoleService) -> Result<bool, Error> {
    let namespace = &order.names.namespace;
    let there = |name: &String| tools.stores.services.get(namespace, name).map(|view| view.value());
    let (Some(live), Some(candidate)) = (there(&service.name), there(&service.candidate)) else {
        return Ok(false);
    };
    let Some(slot) = points_of(&candidate, &order.names.name) else { return Ok(false) };
    let wanted = order.role_service(slot, &service.name);
    let ports = wanted.map_or(&[][..], |wanted| wanted.ports.as_slice());
    let Some(patch) = teal_traffic::follow_live(&live, &candidate, ports)? else { return Ok(false) };
    tools.patch(kinds::SERVICE, namespace, &service.candidate, manager::ROLES, patch).await?;
    Ok(true)
}
