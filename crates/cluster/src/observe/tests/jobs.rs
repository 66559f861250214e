use serde_json::{Value, json};
use teal_plan::Color;
use teal_plan::snapshot::JobSeen;

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
    assert_eq!(seen.world.jobs, [JobSeen { name, revision, epoch: 3, ended: Some(false) }]);
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
