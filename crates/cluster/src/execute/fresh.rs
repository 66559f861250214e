//! Reading endpoints from the API server itself.

use teal_plan::Slot;
use teal_traffic::RoleService;

use super::{Order, Tools};
use crate::error::Error;
use crate::kinds;
use crate::stores::slices_of;

/// Endpoints behind the candidate's role that serve and belong to pods of the slot.
pub(super) async fn serving(
    tools: &Tools,
    order: &Order<'_>,
    service: &RoleService,
    slot: Slot,
) -> Result<u32, Error> {
    let resource = kinds::ENDPOINT_SLICE.resource();
    let namespace = &order.names.namespace;
    let selector = format!("kubernetes.io/service-name={}", service.candidate);
    let list = tools.access.list(&resource, namespace, &selector).await?;
    let pods = tools.stores.pods.group(namespace, &order.names.name);
    let of_slot = |uid: &str| pods.iter().any(|pod| pod.uid == uid && pod.slot() == Some(slot));
    let mut serving: Vec<String> = slices_of(list)
        .into_iter()
        .flat_map(|slice| slice.endpoints)
        .filter(|endpoint| endpoint.serves && of_slot(&endpoint.pod))
        .map(|endpoint| endpoint.pod)
        .collect();
    serving.sort_unstable();
    serving.dedup();
    Ok(u32::try_from(serving.len()).unwrap_or(u32::MAX))
}
