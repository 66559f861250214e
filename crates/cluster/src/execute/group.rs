//! Before traffic moves forward the other members of the group are read anew: their promises stay true however old they are, but
//! that one has gone back must not be missed.

use futures::future::join_all;
use serde_json::Value;
use teal_plan::pact::Member;
use teal_plan::{Effect, Record};

use super::{Order, Tools};
use crate::error::Error;
use crate::json;
use crate::kinds;

/// Refuses what brings the candidate nearer to callers once another member went back. What was read is in the cache then, so the
/// next look follows it.
pub(super) async fn may_follow(tools: &Tools, order: &Order<'_>, effect: &Effect) -> Result<(), Error> {
    let Some(pact) = order.record.group.as_ref().filter(|_| effect.is_forward(order.record)) else {
        return Ok(());
    };
    let others = pact.members.iter().filter(|member| member.uid != order.names.uid);
    let each = others.map(|member| still_goes(tools, &order.names.namespace, member));
    join_all(each).await.into_iter().collect()
}

async fn still_goes(tools: &Tools, namespace: &str, member: &Member) -> Result<(), Error> {
    let there = tools.fresh(kinds::ROLLOUT, namespace, &member.name).await?;
    let there = there.filter(|object| json::text(object, "/metadata/uid") == member.uid);
    let record = |object: &Value| {
        let commit = object.pointer("/status/commit").cloned().unwrap_or_default();
        serde_json::from_value::<Record>(commit).unwrap_or_default()
    };
    if there.is_none_or(|object| member.went_back(&record(&object))) {
        return Err(Error::MemberBack { member: member.name.clone() });
    }
    Ok(())
}
