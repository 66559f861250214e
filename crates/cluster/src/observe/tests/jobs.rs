use serde_json::{Value, json};
use teal_plan::snapshot::{JobSeen, Stops};
use teal_plan::{Color, Slot};

use super::cluster::Hand;

fn manifest(name: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}})
}

#[test]
fn rule_15_jobs_are_known_by_their_names_in_the_manifests() {
    let mut hand = Hand::new();
    hand.install();
    hand.manifest(manifest("migrate"));
    hand.start_candidate(10);
    let slot = hand.slot(Color::Green);
    hand.job("migrate", slot, 3, Some(false));
    let seen = hand.look(0).snapshot;
    assert_eq!(seen.settings.jobs, ["migrate"]);
    let (name, revision) = ("migrate".to_owned(), slot.revision);
    assert_eq!(
        seen.world.jobs,
        [JobSeen { name, revision, epoch: 3, ended: Some(false), going: false, works: false }]
    );
    let trouble = seen.world.green.trouble.expect("what is wrong");
    assert!(trouble.contains("Job migrate-green failed") && trouble.contains("Retry"), "{trouble}");
}

#[test]
fn rule_15_a_job_that_is_gone_before_it_was_seen_to_end_is_told() {
    let mut hand = Hand::new();
    hand.install();
    hand.manifest(manifest("migrate"));
    hand.start_candidate(10);
    let slot = hand.slot(Color::Green);
    for (state, told) in [("Due", false), ("Begun", true), ("Done", false)] {
        let each = json!([{"name": "migrate", "state": state, "after": 2}]);
        hand.record("jobs", json!({"revision": slot.revision, "each": each}));
        let trouble = hand.look(0).snapshot.world.green.trouble;
        assert_eq!(trouble.is_some(), told, "{state}: {trouble:?}");
        if let Some(trouble) = trouble {
            assert!(trouble.contains("Job migrate-green is gone") && trouble.contains("Retry"), "{trouble}");
        }
    }
}

fn after_retirement(name: &str) -> Value {
    let mut job = manifest(name);
    job["metadata"]["annotations"] = json!({"teal.dev/run": "after-retire"});
    job
}

#[test]
fn rule_15_jobs_are_told_apart_by_when_they_run() {
    let mut hand = Hand::new();
    hand.manifest(manifest("migrate"));
    hand.manifest(after_retirement("contract"));
    let seen = hand.look(0).snapshot;
    assert_eq!(
        (&seen.settings.jobs[..], &seen.settings.later[..]),
        (&["migrate".into()][..], &["contract".into()][..])
    );
    assert_eq!(seen.world.obstacles, []);
}

#[test]
fn rule_15_a_job_after_retirement_that_did_not_end_well_is_told_and_stops_nothing() {
    let failed = |hand: &mut Hand| {
        let obstacles = hand.look(0).snapshot.world.obstacles;
        obstacles.into_iter().find(|obstacle| obstacle.reason == "JobFailed")
    };
    let mut hand = Hand::new();
    hand.manifest(after_retirement("contract"));
    hand.install();
    let slot = hand.slot(Color::Blue);
    let states = |state: &str| json!([{"revision": slot.revision, "each": [{"name": "contract", "state": state, "after": 1}]}]);
    for (state, told) in [("Due", false), ("Begun", true), ("Done", false)] {
        hand.record("later", states(state));
        let found = failed(&mut hand);
        assert_eq!(found.is_some(), told, "{state}: {found:?}");
        if let Some(found) = found {
            assert_eq!(found.stops, Stops::Nothing);
            for word in ["Job contract-blue is gone", "kubectl teal retry"] {
                assert!(found.message.contains(word), "{}", found.message);
            }
        }
    }
    hand.record("later", states("Begun"));
    hand.job("contract", slot, 2, None);
    assert_eq!(failed(&mut hand), None, "it runs");
    hand.job("contract", slot, 2, Some(false));
    let found = failed(&mut hand).expect("what is wrong");
    assert!(found.message.contains("Job contract-blue failed"), "{}", found.message);
    hand.start_candidate(10);
    assert_eq!(failed(&mut hand), None, "a newer revision is under way, and it can't be run again now");
}

#[test]
fn rule_15_what_a_former_rollout_left_under_the_name_of_a_job_after_retirement_is_seen_as_of_no_try() {
    let mut hand = Hand::new();
    hand.manifest(after_retirement("contract"));
    hand.install();
    let slot = hand.slot(Color::Blue);
    let newer = hand.slot(Color::Green);
    for (what, of, recorded, seen) in [
        ("held by a finalizer", slot, "contract", true),
        ("of a revision that this one never had", Slot { color: Color::Blue, ..newer }, "contract", true),
        ("in the other color, where it is in nobody's way", newer, "contract", false),
        ("under a name that isn't wanted", slot, "expand", false),
    ] {
        hand.leave_job("contract", of);
        let each = json!([{"name": recorded, "state": "Due", "after": 1}]);
        hand.record("later", json!([{"revision": slot.revision, "each": each}]));
        let (name, revision) = ("contract".to_owned(), slot.revision);
        let expected = JobSeen { name, revision, epoch: 0, ended: Some(true), going: true, works: false };
        assert_eq!(hand.look(0).snapshot.world.jobs, Vec::from_iter(seen.then_some(expected)), "{what}");
    }
}

#[test]
fn what_a_cronjob_began_is_seen_by_its_pods_until_they_end_and_jobs_of_the_release_are_none_of_it() {
    let mut hand = Hand::new();
    hand.install();
    let slot = hand.slot(Color::Blue);
    hand.job("migrate", slot, 3, None);
    for (pod, job) in [("pod-0", "report-blue-29384"), ("pod-1", "migrate-blue")] {
        let label = ("batch.kubernetes.io/job-name".to_owned(), job.to_owned());
        hand.alter_pod(pod, |pod| pod.labels.push(label));
    }
    let seen = |hand: &mut Hand| {
        let world = hand.look(0).snapshot.world;
        (world.blue.ticks, world.jobs[0].works)
    };
    assert_eq!(seen(&mut hand), (vec!["report-blue-29384".to_owned()], true));
    hand.alter_pod("pod-0", |pod| pod.ended = true);
    hand.alter_pod("pod-1", |pod| pod.trouble = Some("CrashLoopBackOff".to_owned()));
    assert!(seen(&mut hand).1, "a sidecar of it, say");
    hand.alter_pod("pod-1", |pod| pod.runs = false);
    assert_eq!(seen(&mut hand), (Vec::new(), false), "one ended, one can't start");
}
