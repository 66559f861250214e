//! The outcome of a Decision.

use serde_json::json;
use teal_api::names::manager;
use teal_plan::Time;
use teal_plan::outcome::Ruling;

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::kinds;
use crate::status::timestamp;
use crate::stores::ObjectId;

pub(super) async fn write(
    tools: &Tools,
    order: &Order<'_>,
    decision: &str,
    ruling: &Ruling,
) -> Result<bool, Error> {
    let id = ObjectId::new(&order.names.namespace, decision);
    give(tools, &id, None, ruling, order.now).await?;
    Ok(true)
}

/// Writes it, bound to a version where one is given.
pub(crate) async fn give(
    tools: &Tools,
    id: &ObjectId,
    version: Option<u64>,
    ruling: &Ruling,
    now: Time,
) -> Result<(), Error> {
    let (status, reason, message) = match ruling {
        Ruling::Counted => ("True", "Counted", "the vote counts"),
        Ruling::Done => ("True", "Done", "it was carried out"),
        Ruling::AlreadyCounted => (
            "False",
            "AlreadyCounted",
            "spec.decidedBy.user has approved this question already: another person must approve too",
        ),
        Ruling::Refused { message } => ("False", "Refused", message.as_str()),
        Ruling::Superseded { message } => ("False", "Superseded", message.as_str()),
    };
    let mut patch = json!({"status": {"conditions": [{
        "type": "Applied",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }]}});
    if let Some(version) = version {
        patch["metadata"] = json!({"resourceVersion": version.to_string()});
    }
    let resource = kinds::DECISION.resource();
    let target = Target { resource: &resource, namespace: &id.namespace, name: &id.name };
    let answer = tools.access.merge(target, manager::STATUS, true, &patch).await?;
    tools.stores.offer(kinds::DECISION, &answer);
    Ok(())
}
