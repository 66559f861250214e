//! Jobs that are gates of a step: each try is made once.

use serde_json::{Value, json};
use teal_api::names::label;
use teal_plan::{Color, Effect, Slot, Time};
use teal_release::StepJob;

use super::served;
use super::server::{Manner, Server};
use crate::execute::{Order, execute};
use crate::kinds;
use crate::met;
use crate::observe::tests::cluster::Hand;

const UID: &str = "1234-5678";

fn name(slot: Slot) -> String {
    StepJob { rollout: UID, step: "canary", name: "smoke", slot, after: 4 }.object_name()
}

fn path(slot: Slot) -> String {
    format!("/apis/batch/v1/namespaces/shop/jobs/{}", name(slot))
}

/// The second revision is at its step, whose Job is recorded so.
fn tested(state: &str) -> Hand {
    let mut hand = Hand::new();
    let container = json!({"name": "smoke", "image": "smoke:1", "args": ["http://$(candidateService)/"]});
    let spec = json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
    let job = json!({"name": "smoke", "spec": spec, "timeout": "2m"});
    hand.spec("/steps/0", json!({"name": "canary", "weight": 10, "jobs": [job]}));
    hand.install();
    hand.at_step(10, Time(0));
    hand.record(
        "phase",
        json!({"name": "Step", "step": "canary", "weight": 10, "deadline": 9_000_000, "reached": 0, "terms": 0,
            "jobs": [{"name": "smoke", "state": state, "after": 4}]}),
    );
    hand
}

/// Makes what is due: what was asked about the Job, and what came of it.
async fn run(mut hand: Hand, prepare: impl FnOnce(&Server)) -> (Vec<String>, Server, crate::execute::Done) {
    let (rollout, seen, slot) = (hand.rollout(), hand.look(1_000), hand.slot(Color::Green));
    let (server, reconciler) = served(hand);
    prepare(&server);
    let order = Order::of(&rollout, &seen);
    let done = execute(&reconciler.tools, &order, &[Effect::RunStepJobs(slot)]).await.remove(0);
    let mut asked = server.requests();
    asked.retain(|asked| asked.contains("/jobs/"));
    (asked, server, done)
}

#[tokio::test]
async fn rule_15_a_job_that_is_due_is_made_as_the_spec_has_it_after_a_look_whether_it_is_there() {
    let hand = tested("Due");
    let slot = hand.slot(Color::Green);
    let (asked, server, done) = run(hand, |_| {}).await;
    assert!(done.result.unwrap());
    assert_eq!(asked, [format!("GET {}", path(slot)), format!("PATCH {}", path(slot))]);
    let made = server.object(&path(slot)).unwrap();
    let container = &made["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["http://web-candidate/"]));
    assert_eq!(made["spec"]["activeDeadlineSeconds"], 130);
    assert_eq!(made["metadata"]["labels"][label::COLOR], "green");
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], UID);
    assert_eq!(made["metadata"]["annotations"]["epoch.teal.dev/1234-5678"], "1");
}

#[tokio::test]
async fn rule_15_a_job_that_was_there_once_or_ended_well_is_not_made_again() {
    for state in ["Begun", "Done"] {
        let (asked, _, done) = run(tested(state), |_| {}).await;
        assert_eq!((asked, done.result.unwrap()), (Vec::new(), false), "{state}");
    }
}

/// A crash came between its being made and its being seen; and somebody may have edited what it is since.
#[tokio::test]
async fn rule_15_a_job_that_was_made_and_not_seen_stays_what_it_is() {
    let hand = tested("Due");
    let slot = hand.slot(Color::Green);
    let there = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name(slot), "namespace": "shop",
        "labels": {label::ROLLOUT: "web", label::ROLLOUT_UID: UID, label::COLOR: "green", label::STEP: "canary",
            label::REVISION: slot.revision.to_string()}}, "spec": {"backoffLimit": 6}});
    let (asked, server, done) = run(hand, |server| server.put(&path(slot), there)).await;
    assert!(!done.result.unwrap());
    assert!(asked.iter().all(|asked| asked.starts_with("GET ")), "{asked:?}");
    assert_eq!(server.object(&path(slot)).unwrap()["spec"]["backoffLimit"], 6);
}

#[tokio::test]
async fn a_job_that_the_server_refuses_is_told_by_the_field_of_the_spec_and_stops_nothing_else() {
    let mut hand = tested("Due");
    let seen = hand.look(1_000);
    let says = "Job.batch \"x\" is invalid: spec.template.spec.containers[0].image: Required value";
    let (_, _, done) = run(hand, |server| server.answers("PATCH", "-green", Manner::Told(422, says))).await;
    let mut memory = crate::memory::Memory::default();
    met::remember(&mut memory, vec![done], met::before_any_weight(&seen), Time(0));
    let obstacles: Vec<_> = memory.met.values().map(|(obstacle, _)| obstacle.clone()).collect();
    assert_eq!((obstacles.len(), obstacles[0].reason.as_str()), (1, "SpecInvalid"), "{obstacles:?}");
    assert_eq!(obstacles[0].stops, teal_plan::snapshot::Stops::Nothing);
    let message = &obstacles[0].message;
    assert!(message.contains("image: Required value") && message.contains("spec.steps[].jobs"), "{message}");
}

/// Objects of the color that the release doesn't have are left to their color.
#[tokio::test]
async fn a_job_of_a_step_is_no_leftover_of_its_color() {
    let mut hand = tested("Begun");
    let slot = hand.slot(Color::Green);
    let before = hand.look(1_000).snapshot.world.green.objects;
    let labels = json!({label::ROLLOUT: "web", label::ROLLOUT_UID: UID, label::COLOR: "green", label::STEP: "canary",
        label::REVISION: slot.revision.to_string()});
    let job: Value = json!({"metadata": {"name": name(slot), "namespace": "shop", "uid": "j", "resourceVersion": "900",
        "labels": labels}});
    hand.with_stores(|stores| stores.offer(kinds::JOB, &job));
    assert_eq!(hand.look(1_000).snapshot.world.green.objects, before);
}

/// The step is over, and what its Job sends might reach live by now.
#[tokio::test]
async fn a_job_of_a_step_that_is_over_is_suspended_and_stays_for_its_logs() {
    let mut hand = tested("Begun");
    let slot = hand.slot(Color::Green);
    let other = StepJob { rollout: UID, step: "before", name: "load", slot, after: 1 }.object_name();
    let labels = json!({label::ROLLOUT: "web", label::ROLLOUT_UID: UID, label::COLOR: "green", label::STEP: "before",
        label::REVISION: slot.revision.to_string()});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": other, "namespace": "shop", "uid": "j",
        "resourceVersion": "900", "labels": labels}, "spec": {}});
    hand.with_stores(|stores| stores.offer(kinds::JOB, &job));
    let (rollout, seen) = (hand.rollout(), hand.look(1_000));
    assert_eq!(
        seen.snapshot.world.left_step_jobs,
        std::slice::from_ref(&other),
        "and not the one of the step under way"
    );
    let (server, reconciler) = served(hand);
    let path = format!("/apis/batch/v1/namespaces/shop/jobs/{other}");
    server.put(&path, job);
    reconciler.tools.stores.offer(kinds::JOB, &server.object(&path).unwrap());
    let order = Order::of(&rollout, &seen);
    let done = execute(&reconciler.tools, &order, &[Effect::EndStepJobs]).await.remove(0);
    assert!(done.result.unwrap());
    assert_eq!(server.object(&path).unwrap()["spec"]["suspend"], true);
}
