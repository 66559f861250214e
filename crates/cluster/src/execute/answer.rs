//! The outcome of a Decision.

use serde_json::json;
use teal_api::names::manager;
use teal_plan::outcome::Ruling;

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::kinds;
use crate::status::timestamp;

pub(super) async fn write(
    tools: &Tools,
    order: &Order<'_>,
    decision: &str,
    ruling: &Ruling,
) -> Result<bool, Error> {
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
    let patch = json!({"status": {"conditions": [{
        "type": "Applied",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(order.now),
    }]}});
    let resource = kinds::DECISION.resource();
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: decision };
    let answer = tools.access.merge(target, manager::STATUS, true, &patch).await?;
    tools.stores.offer(kinds::DECISION, &answer);
    Ok(true)
}
