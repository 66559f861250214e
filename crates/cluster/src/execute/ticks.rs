//! A CronJob that wakes goes on where the other color's left off.
//!
//! The controller of CronJobs makes up for the newest tick since `status.lastScheduleTime`. Of a CronJob that slept, that one
//! was made by the other color already: without this, each change-over would make it a second time. A tick in the moment in
//! which both slept is still made up for.
//!
//! The controller works from a cache. One that has not seen yet that the other color's was laid to sleep may make a tick's Job
//! all the same, and can't note it then, because its note names the version that it knew. So the other has slept for a
//! while before this one wakes, and its newest Job counts beside its note.

use jiff::Timestamp;
use serde_json::{Value, json};
use teal_api::names::{label, manager};
use teal_plan::{Slot, Time};

use super::{Order, Tools};
use crate::access::Target;
use crate::error::Error;
use crate::json::{annotation, text};
use crate::kinds::{self, Known};
use crate::observe::epoch_on;
use crate::rendering::Piece;

/// The newest tick that a CronJob made.
const LAST: &str = "/status/lastScheduleTime";
/// How long the other color's must have slept. Its beginning is known to the second, so that one less is certain; a cache that
/// is watched lags by milliseconds.
const ASLEEP_SECONDS: i64 = 3;

/// Gives a CronJob that is about to wake the newest tick of the other color's. Whether it may wake yet.
pub(super) async fn carry_on(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
    slot: Slot,
) -> Result<bool, Error> {
    if !wakes(piece) {
        return Ok(true);
    }
    let Some(other) = others_name(&piece.name, slot) else { return Ok(true) };
    let resource = piece.kind.resource();
    let target = |name| Target { resource: &resource, namespace: &order.names.namespace, name };
    let Some(slept) = tools.access.get(target(&piece.name)).await? else { return Ok(true) };
    if slept.pointer("/spec/suspend") != Some(&Value::Bool(true)) {
        return Ok(true);
    }
    // It may be gone with its color already, and then it notes nothing more.
    let worked = tools.access.get(target(&other)).await?.unwrap_or_default();
    let awake = is_awake(&worked, &order.names.name);
    if awake {
        lay_to_sleep(tools, order, &other, &worked).await?;
    }
    let early = awake || (!works_in_both(&worked) && just_fell_asleep(&worked, order.now));
    let made = if early { None } else { newest_job(tools, order, &other).await? };
    if let Some(last) = newer_tick(&slept, &worked, made.as_deref()) {
        let patch = json!({"status": {"lastScheduleTime": last}});
        // At once: what it notes goes with its color.
        tools.access.merge(target(&piece.name), manager::RELEASE, true, &patch).await?;
    }
    Ok(!early)
}

/// Whether it is one that works for live alone, and for live.
fn wakes(piece: &Piece) -> bool {
    piece.kind == kinds::CRON_JOB
        && !works_in_both(&piece.object)
        && piece.object.pointer("/spec/suspend") == Some(&Value::Bool(false))
}

/// By the word of its own release: what the other color's one does is no reason to lay it to sleep.
fn works_in_both(object: &Value) -> bool {
    annotation(object, teal_release::names::annotation::FATE) == Some("Own")
}

/// Of one that is being deleted the controller makes nothing more.
fn is_awake(worked: &Value, rollout: &str) -> bool {
    let own = worked.pointer("/metadata/labels").and_then(|labels| labels.get(label::ROLLOUT));
    own == Some(&json!(rollout))
        && !works_in_both(worked)
        && worked.pointer("/metadata/deletionTimestamp").is_none()
        && worked.pointer("/spec/suspend") != Some(&Value::Bool(true))
}

/// Of what is only left over in its color, or whose content is lost, nobody else brings it to rest.
async fn lay_to_sleep(tools: &Tools, order: &Order<'_>, name: &str, worked: &Value) -> Result<(), Error> {
    let version = text(worked, "/metadata/resourceVersion");
    suspend(tools, order, (kinds::CRON_JOB, name), version, epoch_on(worked, &order.names.uid)).await
}

/// Suspends a Job or CronJob as it was seen, unless a newer record has written it.
pub(super) async fn suspend(
    tools: &Tools,
    order: &Order<'_>,
    (kind, name): (Known, &str),
    version: &str,
    epoch: u64,
) -> Result<(), Error> {
    let resource = kind.resource();
    let target = Target { resource: &resource, namespace: &order.names.namespace, name };
    order.check_epoch(target, epoch)?;
    let patch = json!({
        "metadata": {
            "resourceVersion": version,
            "annotations": {order.epoch_key(): order.record.epoch.to_string()},
        },
        "spec": {"suspend": true},
    });
    let answer = tools.access.merge(target, manager::RELEASE, false, &patch).await?;
    tools.stores.offer(kind, &answer);
    Ok(())
}

/// The same object's name in the other color.
pub(super) fn others_name(name: &str, slot: Slot) -> Option<String> {
    let mut words: Vec<&str> = name.split('-').collect();
    let place = words.iter().rposition(|word| *word == slot.color.as_str())?;
    *words.get_mut(place)? = slot.color.other().as_str();
    Some(words.join("-"))
}

/// Whether Teal wrote it only a moment ago. A clock that is behind the API server's holds nothing up.
fn just_fell_asleep(worked: &Value, now: Time) -> bool {
    let entries = worked.pointer("/metadata/managedFields").and_then(Value::as_array);
    let ours = entries
        .into_iter()
        .flatten()
        .filter(|entry| text(entry, "/manager") == manager::RELEASE && entry.get("subresource").is_none());
    let written = ours.filter_map(|entry| text(entry, "/time").parse::<Timestamp>().ok()).max();
    written.is_some_and(|at| (0..ASLEEP_SECONDS).contains(&(seconds(now) - at.as_second())))
}

/// The tick of the Job that its controller made in this minute or in the last one, by the name that it gives to it.
async fn newest_job(tools: &Tools, order: &Order<'_>, cron_job: &str) -> Result<Option<String>, Error> {
    let resource = kinds::JOB.resource();
    let minute = seconds(order.now).div_euclid(60);
    for minute in [minute, minute - 1] {
        let name = format!("{cron_job}-{minute}");
        let target = Target { resource: &resource, namespace: &order.names.namespace, name: &name };
        if tools.access.get(target).await?.is_some_and(|job| is_of(&job, cron_job)) {
            return Ok(Timestamp::from_second(minute * 60).ok().map(|tick| tick.to_string()));
        }
    }
    Ok(None)
}

const fn seconds(time: Time) -> i64 {
    time.0.div_euclid(1_000)
}

fn is_of(job: &Value, cron_job: &str) -> bool {
    let owners = job.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let is = |owner: &Value| text(owner, "/kind") == "CronJob" && text(owner, "/name") == cron_job;
    owners.into_iter().flatten().any(is)
}

/// The other's newest tick, by its note or its Job, if the one that slept doesn't know it. All times are in the API server's
/// one form, in which the later one sorts last.
fn newer_tick<'a>(slept: &Value, worked: &'a Value, made: Option<&'a str>) -> Option<&'a str> {
    let last = text(worked, LAST).max(made.unwrap_or_default());
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
        for (slept, worked, made, carried) in [
            (None, Some(late), None, Some(late)),
            (Some(early), Some(late), None, Some(late)),
            (Some(late), Some(late), Some(late), None),
            (Some(late), Some(early), None, None),
            (Some(early), Some(early), Some(late), Some(late)),
            (Some(early), Some(late), Some(early), Some(late)),
            (None, None, None, None),
        ] {
            let found = newer_tick(&job(slept), &job(worked), made).map(str::to_owned);
            assert_eq!(found.as_deref(), carried, "{slept:?} {worked:?} {made:?}");
        }
    }

    #[test]
    fn it_wakes_once_the_other_has_slept_for_a_while() {
        let written = |manager: &str| {
            json!({"metadata": {"managedFields": [
            {"manager": manager, "operation": "Apply", "time": "2026-11-26T10:02:00Z"},
            {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-11-26T10:02:09Z",
                "subresource": "status"}]}})
        };
        let at = |text: &str| Time(text.parse::<Timestamp>().unwrap().as_millisecond());
        for (now, early) in [
            ("2026-11-26T10:02:00Z", true),
            ("2026-11-26T10:02:02.9Z", true),
            ("2026-11-26T10:02:03Z", false),
            ("2026-11-26T10:01:30Z", false),
        ] {
            assert_eq!(just_fell_asleep(&written(manager::RELEASE), at(now)), early, "{now}");
        }
        assert!(!just_fell_asleep(&written("kubectl"), at("2026-11-26T10:02:01Z")));
    }

    #[test]
    fn whoever_would_still_make_ticks_is_awake() {
        let worked = |suspend: Value| json!({"metadata": {"labels": {label::ROLLOUT: "web"}}, "spec": {"suspend": suspend}});
        let mut going = worked(json!(false));
        going["metadata"]["deletionTimestamp"] = json!("2026-11-26T10:02:00Z");
        let mut others = worked(json!(false));
        others["metadata"]["labels"][label::ROLLOUT] = json!("api");
        let mut both = worked(json!(false));
        both["metadata"]["annotations"] = json!({"teal.dev/fate": "Own"});
        for (what, worked, awake) in [
            ("it works", worked(json!(false)), true),
            ("it says nothing of it", worked(Value::Null), true),
            ("it sleeps", worked(json!(true)), false),
            ("it goes", going, false),
            ("it is somebody else's", others, false),
            ("it works in both colors", both, false),
            ("there is none", Value::Null, false),
        ] {
            assert_eq!(is_awake(&worked, "web"), awake, "{what}");
        }
    }

    #[test]
    fn a_job_counts_that_the_other_one_made() {
        let job =
            |kind: &str, name: &str| json!({"metadata": {"ownerReferences": [{"kind": kind, "name": name}]}});
        assert!(is_of(&job("CronJob", "report-blue"), "report-blue"));
        assert!(!is_of(&job("CronJob", "report"), "report-blue") && !is_of(&json!({}), "report-blue"));
    }

    #[test]
    fn the_other_color_has_the_other_suffix() {
        let revision = ContentHash { version: 1, digest: [1; 32] }.revision(1);
        let slot = Slot { color: Color::Green, revision };
        assert_eq!(others_name("report-green", slot).as_deref(), Some("report-blue"));
        assert_eq!(others_name("web-green-report", slot).as_deref(), Some("web-blue-report"), "a chart's");
        assert_eq!(others_name("report", slot), None, "one for both colors");
    }
}
