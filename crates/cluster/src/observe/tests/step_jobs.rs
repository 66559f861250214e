//! What is there of Jobs that are gates of the step under way.

use serde_json::json;
use teal_plan::snapshot::StepJobSeen;
use teal_plan::{Color, Span, Time};
use teal_release::StepJob;

use super::cluster::Hand;
use crate::kinds;

/// The second revision is at its step, for which a Job is recorded that became due with epoch 4.
fn tested() -> Hand {
    let mut hand = Hand::new();
    let container = json!({"name": "smoke", "image": "smoke:1"});
    let spec = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
    let job = json!({"name": "smoke", "spec": spec, "timeout": "2m"});
    hand.spec("/steps/0", json!({"name": "canary", "weight": 10, "jobs": [job]}));
    hand.install();
    hand.at_step(10, Time(0));
    hand.record(
        "phase",
        json!({"name": "Step", "step": "canary", "weight": 10, "deadline": 9_000_000, "reached": 0, "terms": 0,
            "jobs": [{"name": "smoke", "state": "Begun", "after": 4, "since": 0}]}),
    );
    hand
}

/// Its name without the color, of that try.
fn name(hand: &Hand, after: u64) -> String {
    let slot = hand.slot(Color::Green);
    let job = StepJob { rollout: "1234-5678", step: "canary", name: "smoke", slot, after };
    job.object_name().strip_suffix("-green").expect("a color").to_owned()
}

/// One is there, as its controller says.
fn put(hand: &mut Hand, after: u64, ended: Option<bool>) -> String {
    let (name, slot) = (name(hand, after), hand.slot(Color::Green));
    hand.job(&name, slot, 5, ended);
    let object = format!("{name}-green");
    hand.alter_any(kinds::JOB, &object, |view| view.of_step = true);
    object
}

fn see(hand: &mut Hand) -> StepJobSeen {
    let mut seen = hand.look(1_000).snapshot.world.step_jobs;
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

#[test]
fn rule_15_a_job_of_a_step_is_looked_for_by_the_name_of_its_try() {
    let mut hand = tested();
    let object = format!("{}-green", name(&hand, 4));
    let (job, trouble) = ("smoke".to_owned(), None);
    let gone = StepJobSeen {
        name: job,
        after: 4,
        object,
        there: false,
        missing_since: Some(Time(1_000)),
        refused_since: None,
        ended: None,
        trouble,
    };
    assert_eq!(see(&mut hand), gone);
    put(&mut hand, 3, Some(true));
    assert_eq!(see(&mut hand), gone, "an earlier try is nothing to it");
    let object = put(&mut hand, 4, None);
    assert_eq!(see(&mut hand), StepJobSeen { there: true, missing_since: None, ..gone.clone() });
    put(&mut hand, 4, Some(false));
    assert_eq!(
        see(&mut hand),
        StepJobSeen { there: true, missing_since: None, ended: Some(false), ..gone.clone() }
    );
    hand.alter_any(kinds::JOB, &object, |view| view.rollout_uid = "8765-4321".into());
    assert_eq!(see(&mut hand), gone, "a Rollout of this name left it that was here before");
    let settings = hand.look(1_000).snapshot.settings;
    let wanted: Vec<_> = settings.steps[0].jobs.iter().map(|job| (job.name.as_str(), job.timeout)).collect();
    assert_eq!(wanted, [("smoke", Span::seconds(120))]);
}

#[test]
fn a_job_of_a_step_is_none_of_its_release_and_no_trouble_of_its_pods() {
    let mut hand = tested();
    put(&mut hand, 4, Some(false));
    let world = hand.look(1_000).snapshot.world;
    assert_eq!((world.jobs, world.green.trouble), (Vec::new(), None));
    hand.alter_any(kinds::JOB, &format!("{}-green", name(&hand, 4)), |view| view.of_step = false);
    let world = hand.look(1_000).snapshot.world;
    assert!(world.jobs.len() == 1 && world.green.trouble.is_some(), "one of the release is");
}

#[test]
fn why_a_job_of_a_step_does_not_get_on_is_told_as_its_pods_say_it() {
    let mut hand = tested();
    let object = put(&mut hand, 4, None);
    let label = ("batch.kubernetes.io/job-name".to_owned(), object.clone());
    hand.alter_pod("pod-0", |pod| {
        pod.color = None;
        pod.trouble = Some("container smoke is in ErrImagePull".to_owned());
        pod.labels.push(label);
    });
    assert_eq!(see(&mut hand).trouble.as_deref(), Some("pod pod-0: container smoke is in ErrImagePull"));
    hand.alter_any(kinds::JOB, &object, |view| view.ended = Some(true));
    assert_eq!(see(&mut hand).trouble, None, "it has ended");
}

#[test]
fn nothing_is_looked_for_where_no_step_is_under_way() {
    let mut hand = tested();
    put(&mut hand, 4, None);
    hand.record("phase", json!({"name": "Promoting", "deadline": 9_000_000}));
    assert_eq!(hand.look(1_000).snapshot.world.step_jobs, []);
}

#[test]
fn one_that_ended_is_suspended_or_was_made_by_a_newer_record_is_left_as_it_is() {
    let left = |alter: fn(&mut crate::stores::ObjectView)| {
        let mut hand = tested();
        let object = put(&mut hand, 3, None);
        hand.alter_any(kinds::JOB, &object, alter);
        (object, hand.look(1_000).snapshot.world.left_step_jobs)
    };
    let (object, found) = left(|view| view.epoch = 1);
    assert_eq!(found, [object]);
    let alterations: [fn(&mut crate::stores::ObjectView); 5] = [
        |view| view.ended = Some(true),
        |view| view.suspended = true,
        |view| view.deleting = true,
        |view| view.epoch = 1_000,
        |view| view.rollout_uid = "another".to_owned(),
    ];
    for alter in alterations {
        assert_eq!(left(alter).1, Vec::<String>::new());
    }
}

#[test]
fn a_job_whose_pods_a_traffic_service_would_select_is_told_before_the_first_weight() {
    let with = |labels: serde_json::Value| {
        let mut hand = Hand::new();
        let container = json!({"name": "smoke", "image": "smoke:1"});
        let spec = json!({"template": {"metadata": {"labels": labels},
            "spec": {"restartPolicy": "Never", "containers": [container]}}});
        hand.spec("/steps/0", json!({"name": "canary", "weight": 10, "jobs": [{"name": "smoke", "spec": spec, "timeout": "2m"}]}));
        hand.install();
        let obstacles = hand.look(1_000).snapshot.world.obstacles;
        obstacles.into_iter().find(|obstacle| obstacle.reason == "SelectorOverlap")
    };
    let told = with(json!({"app": "web", "team": "shop"})).expect("Service web selects app=web");
    assert_eq!(told.stops, teal_plan::snapshot::Stops::Rollout);
    assert!(
        told.message.contains("Job smoke of step canary") && told.message.contains("Service web"),
        "{}",
        told.message
    );
    assert_eq!(with(json!({"app": "smoke"})), None);
    assert_eq!(with(json!({"app": "smoke", "teal.dev/color": "green"})), None, "which is taken away");
    assert_eq!(with(json!({})), None);
}

#[test]
fn since_when_a_job_can_not_be_made_is_known_for_as_long_as_each_try_fails() {
    let mut hand = tested();
    hand.record(
        "phase",
        json!({"name": "Step", "step": "canary", "weight": 10, "deadline": 9_000_000, "reached": 0, "terms": 0,
            "jobs": [{"name": "smoke", "state": "Due", "after": 4}]}),
    );
    assert_eq!(see(&mut hand).refused_since, None);
    hand.memory.fails(("RunStepJobs", None), Time(1_000));
    assert_eq!(see(&mut hand).refused_since, Some(Time(1_000)));
    hand.memory.fails(("RunStepJobs", None), Time(1_000));
    assert_eq!(see(&mut hand).refused_since, Some(Time(1_000)));
}
