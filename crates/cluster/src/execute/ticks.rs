//! A CronJob that wakes goes on where the other color's left off.
//!
//! The controller of CronJobs makes up for the newest tick since `status.lastScheduleTime`. Of a CronJob that slept, that one
//! was made by the other color already: without this, each change-over would make it a second time. A tick in the moment in
//! which both slept is still made up for.

use serde_json::{Value, json};
use teal_api::names::manager;
use teal_plan::Slot;

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::json::text;
use crate::kinds;
use crate::rendering::Piece;

/// The newest tick that a CronJob made.
const LAST: &str = "/status/lastScheduleTime";

/// Gives a CronJob that is about to wake the newest tick of the other color's.
pub(super) async fn carry_on(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
    slot: Slot,
) -> Result<(), Error> {
    if piece.kind != kinds::CRON_JOB || piece.object.pointer("/spec/suspend") != Some(&Value::Bool(false)) {
        return Ok(());
    }
    let Some(other) = others_name(&piece.name, slot) else { return Ok(()) };
    let resource = piece.kind.resource();
    let target = |name| Target { resource: &resource, namespace: &order.names.namespace, name };
    let Some(slept) = tools.access.get(target(&piece.name)).await? else { return Ok(()) };
    let Some(worked) = tools.access.get(target(&other)).await? else { return Ok(()) };
    if let Some(last) = newer_tick(&slept, &worked) {
        let patch = json!({"status": {"lastScheduleTime": last}});
        tools.access.merge(target(&piece.name), manager::RELEASE, true, &patch).await?;
    }
    Ok(())
}

fn others_name(name: &str, slot: Slot) -> Option<String> {
    let stem = name.strip_suffix(slot.color.as_str())?;
    Some(format!("{stem}{}", slot.color.other()))
}

/// The other's newest tick, if the one that slept doesn't know it. Both times are in the API server's one form, in which the
/// later one sorts last.
fn newer_tick<'a>(slept: &Value, worked: &'a Value) -> Option<&'a str> {
    let last = text(worked, LAST);
    (last > text(slept, LAST)).then_some(last)
}

#[cfg(test)]
mod tests {
    use teal_plan::{Color, ContentHash};

    use super::*;

    #[test]
    fn only_a_newer_tick_is_carried() {
        let job = |last: Option<&str>| json!({"status": {"lastScheduleTime": last}});
        let (early, late) = ("2026-11-26T10:01:00Z", "2026-11-26T10:02:00Z");
        for (slept, worked, carried) in [
            (None, Some(late), Some(late)),
            (Some(early), Some(late), Some(late)),
            (Some(late), Some(late), None),
            (Some(late), Some(early), None),
            (None, None, None),
        ] {
            assert_eq!(newer_tick(&job(slept), &job(worked)), carried, "{slept:?} {worked:?}");
        }
    }

    #[test]
    fn the_other_color_has_the_other_suffix() {
        let revision = ContentHash { version: 1, digest: [1; 32] }.revision(1);
        let slot = Slot { color: Color::Green, revision };
        assert_eq!(others_name("report-green", slot).as_deref(), Some("report-blue"));
        assert_eq!(others_name("report", slot), None, "one for both colors");
    }
}
