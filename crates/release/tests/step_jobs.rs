//! Jobs that are gates of a step: their names, their labels, and what is filled in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{context, fixture};
use serde_json::{Value, json};
use teal_plan::{Color, Slot};
use teal_release::{Context, Object, StepJob};

fn of() -> Context {
    context(&fixture("web"), vec!["web".into()], Color::Green)
}

fn job(slot: Slot) -> StepJob<'static> {
    StepJob { rollout: "1234-5678", step: "canary", name: "smoke", slot, after: 7 }
}

fn spec() -> Value {
    json!({
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": 5,
        "template": {
            "metadata": {"labels": {"app": "smoke", "teal.dev/color": "green"}},
            "spec": {"restartPolicy": "Never", "containers": [{
                "name": "smoke", "image": "shop/smoke:1",
                "command": ["/smoke", "--to", "http://$(candidateService).$(namespace)/"],
                "args": ["$(color)", "$$(color)", "$(revision)$(", "$(HOST)/$(service)", "costs $5"],
                "env": [{"name": "HOST", "value": "$(rollout)-$(color)"}, {"name": "$(color)", "valueFrom": {}}],
            }]},
        },
    })
}

fn made() -> Object {
    let context = of();
    job(context.slot).object(&spec(), 90_000, &context)
}

fn at(object: &Object, pointer: &str) -> Value {
    object.get(pointer).cloned().unwrap_or_default()
}

#[test]
fn the_name_is_the_same_at_each_look_and_another_for_each_try() {
    let slot = of().slot;
    let name = job(slot).object_name();
    assert_eq!(name, job(slot).object_name());
    assert!(name.starts_with("canary-smoke-") && name.ends_with("-green"), "{name}");
    let other = Slot { color: Color::Blue, ..slot };
    for another in [
        StepJob { after: 8, ..job(slot) },
        StepJob { rollout: "8765-4321", ..job(slot) },
        StepJob { step: "full", ..job(slot) },
        StepJob { name: "load", ..job(slot) },
        StepJob { slot: other, ..job(slot) },
    ] {
        assert_ne!(name, another.object_name(), "{another:?}");
    }
}

#[test]
fn of_a_long_name_the_step_is_cut_so_that_it_fits_a_label_of_the_pods() {
    let slot = of().slot;
    let (step, name) = ("a-step-with-a-name-of-32-letters", "and-a-job-with-one-of-32-letters");
    assert_eq!((step.len(), name.len()), (32, 32));
    let long = StepJob { step, name, ..job(slot) }.object_name();
    assert!(long.len() <= 63 && long.contains(name), "{long}");
    assert!(long.starts_with("a-step-with-a-n"), "{long}");
    let one = StepJob { step: "s", name: "j", ..job(slot) }.object_name();
    assert!(one.starts_with("s-j-"), "{one}");
}

#[test]
fn the_job_has_the_labels_of_the_color_and_its_pods_have_none_that_a_service_selects() {
    let made = made();
    assert_eq!(made.text("/apiVersion"), "batch/v1");
    assert_eq!(made.key().kind, "Job");
    let revision = of().slot.revision.to_string();
    for (label, value) in [
        ("teal.dev/rollout", "shop"),
        ("teal.dev/color", "green"),
        ("teal.dev/revision", revision.as_str()),
        ("teal.dev/step", "canary"),
    ] {
        assert_eq!(made.label(label), Some(value), "{label}");
    }
    let labels = at(&made, "/spec/template/metadata/labels");
    assert_eq!(labels, json!({"app": "smoke", "teal.dev/rollout": "shop"}));
}

#[test]
fn what_is_known_is_filled_in_where_the_kubelet_would_and_the_rest_is_left_to_it() {
    let made = made();
    let container = at(&made, "/spec/template/spec/containers/0");
    let namespace = of().namespace;
    assert_eq!(container["command"], json!(["/smoke", "--to", format!("http://web-candidate.{namespace}/")]));
    let revision = of().slot.revision.to_string();
    let args = json!(["green", "$$(color)", format!("{revision}$("), "$(HOST)/web", "costs $5"]);
    assert_eq!(container["args"], args);
    assert_eq!(
        container["env"],
        json!([{"name": "HOST", "value": "shop-green"}, {"name": "$(color)", "valueFrom": {}}])
    );
}

#[test]
fn its_controller_ends_it_a_little_after_its_timeout_and_nothing_takes_it_away_before_its_color() {
    let made = made();
    assert_eq!(at(&made, "/spec/activeDeadlineSeconds"), json!(100));
    assert_eq!(at(&made, "/spec/ttlSecondsAfterFinished"), Value::Null);
    assert_eq!(at(&made, "/spec/backoffLimit"), json!(0), "all else is as written");
    let context = of();
    let ends = |seconds: u64| {
        let mut spec = spec();
        spec["activeDeadlineSeconds"] = json!(seconds);
        at(&job(context.slot).object(&spec, 90_500, &context), "/spec/activeDeadlineSeconds")
    };
    assert_eq!((ends(30), ends(3_600)), (json!(30), json!(101)));
}
