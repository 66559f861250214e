//! A CronJob wakes where the other color's left off, and never beside it.

use serde_json::{Value, json};
use teal_api::names::label;
use teal_plan::{Color, Effect};

use super::served;
use super::server::Server;
use crate::execute::{Order, execute};
use crate::kinds;
use crate::observe::tests::cluster::Hand;

const GREEN: &str = "/apis/batch/v1/namespaces/shop/cronjobs/tick-green";
const BLUE: &str = "/apis/batch/v1/namespaces/shop/cronjobs/tick-blue";
const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";
/// When green, promoted, is looked at.
const NOW: &str = "2026-11-26T10:02:10Z";
/// The tick before.
const TICK: &str = "2026-11-26T10:01:00Z";

fn minute(at: &str) -> i64 {
    at.parse::<jiff::Timestamp>().unwrap().as_second() / 60
}

/// Green's was never at work and is to wake; blue's was written at this time.
fn cron_job(color: &str, revision: &str, suspend: bool, written: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": format!("tick-{color}"), "namespace": "shop",
            "labels": {label::ROLLOUT: "web", label::ROLLOUT_UID: "1234-5678", label::COLOR: color,
                label::REVISION: revision},
            "managedFields": [{"manager": "teal/release", "operation": "Apply", "time": written,
                "fieldsType": "FieldsV1", "fieldsV1": {}}]},
        "spec": {"schedule": "* * * * *", "suspend": suspend}})
}

/// Wakes green's beside blue's: what was asked of CronJobs and their Jobs, with the server afterwards.
async fn wake(suspended: bool, written: &str, change: impl FnOnce(&Server)) -> (Vec<String>, Server) {
    wake_of("LiveOnly", suspended, written, change).await
}

async fn wake_of(
    fate: &str,
    suspended: bool,
    written: &str,
    change: impl FnOnce(&Server),
) -> (Vec<String>, Server) {
    let mut hand = Hand::new();
    let metadata = json!({"name": "tick", "annotations": {"teal.dev/fate": fate}});
    hand.manifest(json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": {
        "schedule": "* * * * *", "suspend": false, "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "tick", "image": "tick:1"}]}}}}}}));
    hand.install();
    hand.promote_second();
    let now = NOW.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let (rollout, seen, slot) = (hand.rollout(), hand.look(now), hand.slot(Color::Green));
    let blue = hand.slot(Color::Blue).revision.to_string();
    let (server, reconciler) = served(hand);
    server.put(GREEN, cron_job("green", &slot.revision.to_string(), true, "2026-11-26T10:00:00Z"));
    server.put(BLUE, cron_job("blue", &blue, suspended, written));
    reconciler.tools.stores.offer(kinds::CRON_JOB, &server.object(GREEN).unwrap());
    change(&server);
    let order = Order::of(&rollout, &seen);
    let done = execute(&reconciler.tools, &order, &[Effect::ApplyRelease { slot, active: true }]).await;
    assert!(done[0].result.is_ok(), "{:?}", done[0].result);
    let mut asked = server.requests();
    asked.retain(|asked| asked.contains("/cronjobs/") || asked.contains(JOBS));
    (asked, server)
}

fn noted(server: &Server) -> Value {
    server.object(GREEN).unwrap()["status"]["lastScheduleTime"].clone()
}

#[tokio::test]
async fn one_that_wakes_waits_until_the_other_has_slept_for_a_while() {
    let (asked, server) = wake(true, "2026-11-26T10:02:09Z", |_| {}).await;
    assert_eq!(asked, [format!("GET {GREEN}"), format!("GET {BLUE}")]);
    assert_eq!(server.object(GREEN).unwrap()["spec"]["suspend"], true);
}

#[tokio::test]
async fn one_that_wakes_is_told_the_others_newest_tick_before() {
    let told = |server: &Server| {
        let mut blue = server.object(BLUE).unwrap();
        blue["status"] = json!({"lastScheduleTime": TICK});
        server.put(BLUE, blue);
    };
    let (asked, server) = wake(true, "2026-11-26T10:02:05Z", told).await;
    let job = |minute: i64| format!("GET {JOBS}/tick-blue-{minute}");
    let (now, before) = (minute(NOW), minute(TICK));
    let expected = [
        format!("GET {GREEN}"),
        format!("GET {BLUE}"),
        job(now),
        job(before),
        format!("PATCH {GREEN}/status"),
        format!("PATCH {GREEN}"),
    ];
    assert_eq!(asked, expected);
    assert_eq!(
        (noted(&server), &server.object(GREEN).unwrap()["spec"]["suspend"]),
        (json!(TICK), &json!(false))
    );
}

/// Its controller could not note it any more.
#[tokio::test]
async fn a_job_of_the_minute_before_counts_as_the_others_tick() {
    let name = format!("tick-blue-{}", minute(TICK));
    let made = |server: &Server| {
        let metadata = json!({"name": name, "ownerReferences": [{"kind": "CronJob", "name": "tick-blue"}]});
        server.put(&format!("{JOBS}/{name}"), json!({"metadata": metadata}));
    };
    let (asked, server) = wake(true, "2026-11-26T10:02:05Z", made).await;
    assert!(asked.ends_with(&[format!("PATCH {GREEN}/status"), format!("PATCH {GREEN}")]), "{asked:?}");
    assert_eq!(noted(&server), TICK);
}

/// Nobody else does, where it is only left over or its content is lost.
#[tokio::test]
async fn one_that_is_awake_is_laid_to_sleep_before_the_other_wakes() {
    let (asked, server) = wake(false, "2026-11-26T10:00:00Z", |_| {}).await;
    assert_eq!(asked, [format!("GET {GREEN}"), format!("GET {BLUE}"), format!("PATCH {BLUE}")]);
    let suspend = |path: &str| server.object(path).unwrap()["spec"]["suspend"].clone();
    assert_eq!((suspend(BLUE), suspend(GREEN)), (json!(true), json!(true)));
}

#[tokio::test]
async fn those_that_work_in_both_colors_wait_for_nobody() {
    let (asked, _) = wake_of("Own", false, "2026-11-26T10:02:09Z", |_| {}).await;
    assert_eq!(asked, [format!("PATCH {GREEN}")]);
}

/// The release before said `Own`, this one doesn't: blue's makes its ticks until blue goes.
#[tokio::test]
async fn one_that_works_in_both_colors_is_not_laid_to_sleep_for_the_other() {
    let own = |server: &Server| {
        let mut blue = server.object(BLUE).unwrap();
        blue["metadata"]["annotations"] = json!({"teal.dev/fate": "Own"});
        server.put(BLUE, blue);
    };
    for (written, what) in [("2026-11-26T10:00:00Z", "long ago"), ("2026-11-26T10:02:09Z", "just now")] {
        let (asked, server) = wake(false, written, own).await;
        assert!(!asked.contains(&format!("PATCH {BLUE}")), "written {what}: {asked:?}");
        assert_eq!(server.object(GREEN).unwrap()["spec"]["suspend"], false, "written {what}");
    }
}
