//! What is known of a color that doesn't serve, or doesn't go.

use serde_json::{Value, json};
use teal_plan::snapshot::{Objects, Stops};
use teal_plan::{Color, Time};

use super::cluster::Hand;
use crate::kinds;

/// What is wrong with blue, which is live, where no pod of it serves.
fn of_dead_live(hand: &mut Hand) -> Option<String> {
    for service in ["web", "web-candidate"] {
        hand.endpoints(service, &[]);
    }
    let blue = hand.look(0).snapshot.world.blue;
    assert_eq!(blue.serving, [0]);
    blue.trouble
}

#[test]
fn a_deployment_that_was_told_to_have_no_pods_is_named_where_nothing_serves() {
    let mut hand = Hand::new();
    hand.install();
    hand.alter("web-blue", |view| view.state.as_mut().unwrap().replicas = 0);
    assert_eq!(hand.look(0).snapshot.world.blue.trouble, None, "its pods still serve");
    assert_eq!(of_dead_live(&mut hand).as_deref(), Some("Deployment web-blue: spec.replicas is 0"));
}

/// One that needs fewer pods must be applied, and another content take its place.
#[test]
fn a_quota_that_refuses_pods_of_a_first_release_does_not_stop_what_mends_it() {
    let mut hand = Hand::new();
    hand.install();
    hand.record("phase", json!({"name": "Installing", "deadline": 600_000}));
    hand.alter("web-blue", |view| {
        view.state.as_mut().unwrap().failure = Some("pods are forbidden: exceeded quota: team".to_owned());
    });
    let obstacles = hand.look(0).snapshot.world.obstacles;
    let found: Vec<_> = obstacles.iter().map(|found| (found.reason.as_str(), found.stops)).collect();
    assert_eq!(found, [("NoRoom", Stops::Rollout)]);
    assert!(obstacles[0].message.starts_with("Deployment web-blue: "), "{obstacles:?}");
}

/// Its controller sets no condition. Workloads wait for it, so nothing else would tell.
#[test]
fn a_quota_that_refuses_the_pod_of_a_job_is_told_as_an_event_says_it_until_the_pod_is_there() {
    let mut hand = Hand::new();
    hand.install();
    hand.manifest(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}}));
    hand.start_candidate(10);
    hand.job("migrate", hand.slot(Color::Green), 3, None);
    hand.alter_any(kinds::JOB, "migrate-green", |view| view.lacks_pods = true);
    let told = |hand: &mut Hand| {
        let world = hand.look(0).snapshot.world;
        let found = world.obstacles.iter().map(|found| (found.reason.clone(), found.message.clone()));
        (found.collect::<Vec<_>>(), world.green.trouble)
    };
    assert_eq!(told(&mut hand), (Vec::new(), None), "nobody has said anything");
    let job = hand.stores.object("batch", "Job", "shop", "migrate-green").unwrap();
    let says = |hand: &mut Hand, text: &str| {
        hand.memory.refusals.note([job.as_ref()], Time(0));
        hand.memory.refusals.answered(&job.uid, Some(text.to_owned()));
        told(hand)
    };
    let quota = "Job migrate-green: its pods are refused: exceeded quota: team".to_owned();
    let obstacle = ("NoRoom".to_owned(), format!("{quota}: raise the quota or free some of it"));
    assert_eq!(says(&mut hand, "its pods are refused: exceeded quota: team"), (vec![obstacle], Some(quota)));
    let webhook = "its pods are refused: admission webhook \"images\" denied the request";
    assert_eq!(says(&mut hand, webhook), (Vec::new(), Some(format!("Job migrate-green: {webhook}"))));
    hand.alter_any(kinds::JOB, "migrate-green", |view| view.lacks_pods = false);
    assert_eq!(told(&mut hand), (Vec::new(), None));
}

/// Live in green; what was in blue is kept no more and goes.
fn leaving() -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.promote_second();
    hand.record("previous", Value::Null);
    hand
}

#[test]
fn an_object_that_is_being_deleted_and_stays_is_named_after_a_minute() {
    let mut hand = leaving();
    let blue = |hand: &mut Hand, at: i64| hand.look(at).snapshot.world.blue;
    assert_eq!((blue(&mut hand, 0).objects, blue(&mut hand, 90_000).trouble), (Objects::Leftover, None));
    hand.alter("web-blue", |view| view.deleting = true);
    assert_eq!(blue(&mut hand, 100_000).trouble, None);
    assert_eq!(blue(&mut hand, 159_000).trouble, None, "it takes its time");
    let stays = "Deployment web-blue is being deleted and stays: see its metadata.finalizers";
    assert_eq!(blue(&mut hand, 160_000).trouble.as_deref(), Some(stays));
}

#[test]
fn a_pod_that_stays_is_named_and_each_has_its_own_minute() {
    let mut hand = leaving();
    let trouble = |hand: &mut Hand, at: i64| hand.look(at).snapshot.world.blue.trouble;
    hand.alter_pod("pod-1", |pod| pod.terminating = Some(Time(0)));
    assert_eq!(trouble(&mut hand, 0), None);
    let said = trouble(&mut hand, 60_000).unwrap();
    assert!(said.starts_with("pod pod-1 is being deleted and stays"), "{said}");
    hand.alter_pod("pod-0", |pod| pod.terminating = Some(Time(61_000)));
    assert_eq!(trouble(&mut hand, 61_000), None, "it is another one");
}

/// What is given half an hour to end isn't stuck before, and nobody else says when that is over.
#[test]
fn a_pod_has_its_grace_before_its_minute_begins_and_is_looked_at_when_each_ends() {
    let mut hand = leaving();
    hand.alter_pod("pod-1", |pod| pod.terminating = Some(Time(1_800_000)));
    let mut look = |at: i64| {
        let trouble = hand.look(at).snapshot.world.blue.trouble;
        (trouble, hand.memory.lingers_at())
    };
    assert_eq!(look(0), (None, Some(Time(1_800_000))));
    assert_eq!(look(90_000), (None, Some(Time(1_800_000))));
    assert_eq!(look(1_800_000), (None, Some(Time(1_860_000))));
    let stays = "pod pod-1 is being deleted and stays: see its node and its metadata.finalizers";
    assert_eq!(
        look(1_860_000),
        (Some(stays.to_owned()), None),
        "told once, and not looked at again and again"
    );
    hand.alter_pod("pod-1", |pod| pod.ended = true);
    assert_eq!((hand.look(1_900_000).snapshot.world.blue.trouble, hand.memory.lingers_at()), (None, None));
}

#[test]
fn a_pod_within_its_grace_hides_none_that_stays() {
    let mut hand = leaving();
    hand.alter_pod("pod-0", |pod| pod.terminating = Some(Time(1_800_000)));
    hand.alter_pod("pod-1", |pod| pod.terminating = Some(Time(0)));
    let mut trouble = |at: i64| hand.look(at).snapshot.world.blue.trouble;
    assert_eq!(trouble(0), None);
    let said = trouble(60_000).unwrap();
    assert!(said.starts_with("pod pod-1 is being deleted and stays"), "{said}");
}

/// As where another hand took the labels of what makes it, or made it with ours.
#[test]
fn a_pod_that_nothing_of_teals_makes_any_more_is_named_after_a_minute() {
    let mut hand = leaving();
    let blue = |hand: &mut Hand, at: i64| hand.look(at).snapshot.world.blue;
    assert_eq!(blue(&mut hand, 0).trouble, None);
    assert_eq!(blue(&mut hand, 90_000).trouble, None, "what makes it stands there and takes it along");
    hand.lose("web-blue");
    assert_eq!(
        (blue(&mut hand, 100_000).objects, blue(&mut hand, 159_000).trouble),
        (Objects::Leftover, None)
    );
    let said = blue(&mut hand, 160_000).trouble.unwrap();
    assert!(said.starts_with("pod pod-0 is left in blue and nothing of Teal's makes it: see"), "{said}");
}

/// As where a volume can't be mounted, of which a pod's status says nothing.
#[test]
fn a_pod_that_is_not_ready_when_half_of_its_time_is_over_is_named() {
    let mut hand = Hand::new();
    hand.install();
    hand.start_candidate(10);
    hand.deadline(Time(600_000));
    hand.pods(Color::Green, &[true, false, false]);
    let trouble = |hand: &mut Hand, at: i64| hand.look(at).snapshot.world.green.trouble;
    assert_eq!(trouble(&mut hand, 299_000), None, "it may be slow");
    let said = trouble(&mut hand, 300_000);
    assert_eq!(said.as_deref(), Some("pod green-1 isn't ready: see kubectl describe pod green-1 -n shop"));
    hand.reach(300_000);
    assert_eq!(trouble(&mut hand, 300_000), None, "a restart at its weight is nothing to tell");
}

/// Its callers would be cut off.
#[test]
fn nobody_is_told_to_delete_the_live_service() {
    let mut hand = Hand::new();
    hand.install();
    hand.commit(&Value::Null);
    hand.edit("web", |service| {
        service["metadata"]["labels"] = json!({});
        service["spec"]["selector"] = json!({"app": "old"});
    });
    let taken = hand.look(0).snapshot.world.obstacles.remove(0);
    assert_eq!(taken.reason, "NameTaken");
    assert!(taken.message.contains("consent by the label teal.dev/rollout=web on it"), "{}", taken.message);
    assert!(!taken.message.contains("delete"), "{}", taken.message);
}
