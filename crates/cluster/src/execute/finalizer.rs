//! The finalizer: there only while routes differ from their owner's bytes.

use serde_json::json;
use teal_api::names::{finalizer, manager};

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::kinds;

pub(super) async fn set(tools: &Tools, order: &Order<'_>, set: bool) -> Result<bool, Error> {
    let metadata = &order.rollout.metadata;
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|name| name != finalizer::TRAFFIC);
    if set {
        finalizers.push(finalizer::TRAFFIC.to_owned());
    }
    if metadata.finalizers.clone().unwrap_or_default() == finalizers {
        return Ok(false);
    }
    let patch = json!({"metadata": {"resourceVersion": metadata.resource_version, "finalizers": finalizers}});
    let resource = kinds::ROLLOUT.resource();
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: &order.names.name };
    let answer = tools.access.merge(target, manager::STATUS, false, &patch).await?;
    if set || metadata.deletion_timestamp.is_none() {
        tools.stores.offer_rollout(answer, &tools.config.instance);
    }
    Ok(true)
}
