//! What works by itself in the color that isn't live, and what of it is missed.

use serde_json::json;
use teal_api::names::label;
use teal_plan::snapshot::{ColorSeen, Objects};
use teal_plan::{Color, Time};

use super::cluster::Hand;
use crate::kinds::{self, Known};
use crate::observe::is_sent_back;

const WORKER: &str = "worker-green";

/// A release that has of all that works by itself, and of what doesn't.
fn installed() -> Hand {
    let mut hand = Hand::new();
    let live_only = json!({"teal.dev/fate": "LiveOnly"});
    let labels = json!({"app": "worker"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "worker"}]}});
    let tick =
        json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "tick"}]}}}});
    for manifest in [
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "worker", "annotations": live_only},
            "spec": {"selector": {"matchLabels": labels}, "template": template}}),
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "worker"},
            "spec": {"scaleTargetRef": {"name": "worker"}, "triggers": []}}),
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "web"},
            "spec": {"scaleTargetRef": {"name": "web"}, "triggers": []}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
            "spec": {"schedule": "* * * * *", "jobTemplate": tick}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "own", "annotations": {"teal.dev/fate": "Own"}},
            "spec": {"schedule": "* * * * *", "jobTemplate": tick}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}),
    ] {
        hand.manifest(manifest);
    }
    hand.install();
    hand
}

/// The second revision was at work and is led back.
fn led_back() -> Hand {
    let mut hand = installed();
    hand.at_step(10, Time(0));
    hand.lead_back();
    hand
}

fn at_rest() -> Hand {
    let mut hand = led_back();
    // By which autoscalers are held while it returns.
    hand.record("baseline", json!([]));
    hand.rest_second();
    hand
}

fn green(hand: &mut Hand) -> ColorSeen {
    hand.look(0).snapshot.world.green
}

fn is_in_sync(seen: &ColorSeen) -> bool {
    matches!(seen.objects, Objects::Present { in_sync: true, .. })
}

fn kind(group: &str, kind: &str) -> Known {
    kinds::find(group, kind).expect("a kind")
}

#[test]
fn a_color_works_until_all_that_works_by_itself_is_held_at_rest() {
    assert!(green(&mut led_back()).works, "as when it was promoted");
    let seen = green(&mut at_rest());
    assert!(!seen.works && is_in_sync(&seen), "{seen:?}");
    let (scaled, tick) = (kind("keda.sh", "ScaledObject"), kinds::CRON_JOB);
    for (kind, name, works) in [
        (kinds::DEPLOYMENT, WORKER, true),
        (scaled, WORKER, true),
        (tick, "tick-green", true),
        (kinds::DEPLOYMENT, "web-green", false),
        (scaled, "web-green", false),
        (tick, "own-green", false),
        (kind("", "ConfigMap"), "settings-green", false),
    ] {
        let mut hand = at_rest();
        hand.alter_any(kind, name, |view| view.content = Some("another".into()));
        let seen = green(&mut hand);
        assert_eq!((seen.works, is_in_sync(&seen)), (works, false), "{} {name}", kind.kind);
        // By its label it is another Rollout's by now.
        hand.alter_any(kind, name, |view| view.rollout = "other".into());
        assert!(!green(&mut hand).works, "{} {name} is none of this Rollout's", kind.kind);
    }
}

/// An autoscaler reaches live in place, so its end does too; the other color's may be there yet.
#[test]
fn a_color_works_while_its_former_autoscaler_would_wake_it() {
    let mut hand = at_rest();
    let former = kind("keda.sh", "ScaledObject");
    hand.alter_any(former, "web-green", |view| view.id.name = "former-green".into());
    assert!(green(&mut hand).works);
    hand.alter_any(former, "former-green", |view| view.derived = true);
    assert!(!green(&mut hand).works, "it is no part of the release");
}

#[test]
fn live_is_meant_to_work() {
    let mut hand = installed();
    hand.alter_any(kinds::CRON_JOB, "tick-blue", |view| view.content = Some("another".into()));
    let blue = hand.look(0).snapshot.world.color(Color::Blue).clone();
    assert!(!blue.works && !is_in_sync(&blue), "{blue:?}");
}

/// Its ConfigMap was refused, so that no workload was made; or somebody else has the name by now.
#[test]
fn what_was_sent_back_misses_nothing_that_is_not_there() {
    let partly: [fn(&mut Hand); 3] = [
        |hand| hand.lose("web-green"),
        |hand| hand.alter_any(kinds::DEPLOYMENT, "web-green", |view| view.rollout = "other".into()),
        |hand| {
            hand.edit("api-green", |service| service["metadata"]["labels"][label::ROLLOUT] = json!("other"));
        },
    ];
    for partly in partly {
        let mut hand = Hand::new();
        hand.manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}));
        hand.manifest(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}));
        hand.install();
        hand.at_step(10, Time(0));
        assert!(is_in_sync(&green(&mut hand)));
        partly(&mut hand);
        assert!(!is_in_sync(&green(&mut hand)), "it is tried, and needs all");
        for back in [Hand::lead_back, Hand::keep_failed] {
            back(&mut hand);
            assert!(is_in_sync(&green(&mut hand)));
        }
        let settings = kind("", "ConfigMap");
        hand.alter_any(settings, "settings-green", |view| view.content = Some("another".into()));
        assert!(!is_in_sync(&green(&mut hand)), "what is there is as it should be");
    }
}

#[test]
fn of_live_and_of_what_is_kept_to_go_back_to_all_is_missed() {
    let mut hand = Hand::new();
    hand.install();
    hand.at_step(10, Time(0));
    let (blue, green) = (hand.slot(Color::Blue), hand.slot(Color::Green));
    for (change, sent_back) in
        [(Hand::lead_back as fn(&mut Hand), true), (Hand::keep_failed, true), (Hand::promote_second, false)]
    {
        change(&mut hand);
        let record = hand.look(0).snapshot.record;
        assert_eq!((is_sent_back(&record, blue), is_sent_back(&record, green)), (false, sent_back));
    }
}
