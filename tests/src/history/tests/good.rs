//! Histories in which everything is right.

use serde_json::json;
use teal_plan::Time;
use teal_plan::record::{Consumed, Outcome, Pause, Phase, Release};

use super::super::{Invariant, Meddling, Quiet};
use super::builder::{Story, everywhere, first, key, pod_key, second};

#[test]
fn a_clean_rollout_and_a_rollback_hold_everywhere() {
    for (what, story) in [("clean", Story::clean()), ("rollback", Story::rollback())] {
        let summary = story.told();
        assert!(summary.holds(), "{what}: {summary}");
        for invariant in Invariant::ALL {
            // I9 speaks only of what a test says is quiet, I5 of going back.
            let silent = invariant == Invariant::I9 || (what == "clean" && invariant == Invariant::I5);
            assert!(silent || summary.count(invariant).judged > 0, "{what}: {invariant:?}\n{summary}");
        }
    }
}

#[test]
fn a_last_step_without_gates_is_the_promotion_itself() {
    let mut story = Story::canary();
    let steps = json!([{"name": "canary", "weight": 10, "hold": "60s"}, {"name": "full", "weight": 100, "hold": "0s"}]);
    story.spec["steps"] = steps;
    // An edit is judged from the next commit on.
    let story = story.rollout("kubectl").commit(|_| ()).wait(65);
    story.commit(|record| record.phase = Phase::Promoting { deadline: Time(0) }).passes(Invariant::I8);
}

#[test]
fn weights_beside_a_third_destination() {
    let routes = |live: u8, candidate: u8| {
        json!([
            {"destination": {"host": "web"}, "weight": live},
            {"destination": {"host": "web-candidate"}, "weight": candidate},
            {"destination": {"host": "other.example.com"}, "weight": 20},
        ])
    };
    let owner = json!([
        {"destination": {"host": "web"}, "weight": 80},
        {"destination": {"host": "other.example.com"}, "weight": 20},
    ]);
    let story = Story::installed().virtual_service("kubectl", &owner);
    story.destinations("teal/traffic", &routes(80, 0)).passes(Invariant::I1);
}

#[test]
fn what_others_weigh_is_theirs() {
    let routes =
        json!([{"destination": {"host": "web"}, "weight": 70}, {"destination": {"host": "b"}, "weight": 10}]);
    let summary = Story::canary().virtual_service("kubectl", &routes).told();
    assert!(summary.holds() && summary.count(Invariant::I1).undecided > 0, "{summary}");
}

#[test]
fn endpoints_that_go_while_a_raise_is_under_way_are_no_fault() {
    Story::started().slice("web-candidate", &second(), 0).weigh(10).passes(Invariant::I2);
}

#[test]
fn going_back_to_few_endpoints_is_allowed_if_any_serve() {
    let story = Story::canary().slice("web", &first(), 1).wait(10);
    story.send_back().lead_home().passes(Invariant::I2);
}

#[test]
fn a_live_object_that_a_test_deletes_is_the_tests_doing() {
    let blue = key("deployments", "web-blue");
    let mut story = Story::canary();
    let revision = story.revision() + 1;
    story.options.meddling.push(Meddling { object: blue.clone(), revisions: revision..=revision });
    story.delete(blue).provision(&first()).passes(Invariant::I3);
}

#[test]
fn a_repair_of_a_live_object_is_no_touch() {
    let blue = key("deployments", "web-blue");
    let story =
        Story::canary().edit("kubectl", &blue, |object| object["spec"]["template"]["image"] = json!("evil"));
    let good = story.deployment(&first(), 3);
    story.write("teal/release", blue, good).passes(Invariant::I3);
}

#[test]
fn going_back_after_promotion_takes_up_what_was_kept() {
    let story = Story::promoted().wait(60).commit_back_to_previous().lead_home().sent_back();
    story.passes(Invariant::I3);
    story.passes(Invariant::I5);
}

#[test]
fn a_forged_epoch_reads_as_none() {
    let web = key("services", "web");
    for forged in ["99999999999999999999", "9007199254740991", "99999999999"] {
        let forge = |object: &mut serde_json::Value| {
            object["metadata"]["annotations"]["epoch.teal.dev/uid-web"] = json!(forged);
        };
        Story::installed().edit("kubectl", &web, forge).point("web", &first()).passes(Invariant::I4);
    }
}

#[test]
fn an_owner_who_drops_the_epoch_is_no_older_writer() {
    let routes = json!([{"destination": {"host": "web"}}]);
    Story::canary().virtual_service("helm", &routes).weigh(0).weigh(10).passes(Invariant::I4);
}

#[test]
fn an_epoch_of_a_rollout_that_is_gone_may_be_dropped() {
    let story = Story::installed().delete(key("rollouts", "web"));
    let drop = |object: &mut serde_json::Value| object["metadata"]["annotations"] = json!({});
    story.edit("teal/roles", &key("services", "web"), drop).passes(Invariant::I4);
}

#[test]
fn the_writes_of_the_way_back_may_land_in_any_order() {
    let deadline = Time(Story::full().now() + 600_000);
    let story = Story::full().wait(65).commit(|record| record.phase = Phase::Promoting { deadline });
    let story = story.point("web", &second()).send_back();
    // Between these two the weights lead to a live role that is not turned home yet.
    let story = story.point("web-candidate", &first()).weigh(0).point("web", &first());
    story.passes(Invariant::I5);
}

#[test]
fn what_goes_with_its_rollout_needs_no_drain() {
    let mut story = Story::canary();
    story.spec["onDelete"] = json!("DeleteAll");
    let mark = |object: &mut serde_json::Value| {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:10:00Z");
    };
    let story = story.rollout("kubectl").edit("kubectl", &key("rollouts", "web"), mark);
    let story = story.delete(key("services", "web")).delete(key("services", "web-candidate"));
    let summary = story.remove(&first()).remove(&second()).told();
    assert!(summary.holds() && summary.count(Invariant::I15).undecided > 0, "{summary}");
}

#[test]
fn a_new_try_after_going_back_may_rise() {
    let again = Story::rollback().commit(|record| {
        record.candidate = Some(Release { attempt: 2, ..second() });
        record.phase = super::builder::step("canary", 10, None);
    });
    let again = again.enter().provision(&second()).wait(3).point("web-candidate", &second()).weigh(10);
    again.passes(Invariant::I5);
}

#[test]
fn a_slow_way_back_is_excused_where_a_test_disturbs_the_api() {
    let mut story = Story::canary().send_back().wait(20).lead_home().sent_back();
    story.options.healthy = false;
    story.passes(Invariant::I3);
}

#[test]
fn steps_may_be_edited_on_the_way() {
    let mut story = Story::canary().wait(65);
    story.spec["steps"] = json!([
        {"name": "canary", "weight": 10, "hold": "60s"},
        {"name": "full", "weight": 100, "hold": "60s"},
    ]);
    story.rollout("kubectl").step("full", 100).passes(Invariant::I8);
}

#[test]
fn a_retry_takes_the_step_from_its_beginning() {
    let story = Story::canary().wait(5).commit(|record| {
        record.candidate = Some(Release { attempt: 2, ..second() });
        record.phase = super::builder::step("canary", 10, None);
    });
    story.reached().passes(Invariant::I8);
}

#[test]
fn a_step_may_be_skipped_by_a_person() {
    let story = Story::canary().wait(5).commit(|record| {
        let (decision, uid) = ("web-skip".to_owned(), "d1".to_owned());
        record.consumed.push(Consumed { decision, uid, vote: false });
        record.phase = super::builder::step("half", 50, None);
    });
    story.weigh(50).passes(Invariant::I8);
}

#[test]
fn what_is_kept_may_be_given_up_by_a_person() {
    let decision = |vote| Consumed { decision: "web-retire".to_owned(), uid: "d1".to_owned(), vote };
    Story::promoted().wait(300).let_go_by(vec![decision(false)]).passes(Invariant::I3);
    Story::promoted().wait(300).let_go_by(vec![decision(true)]).breaks(Invariant::I3, "before its time");
}

#[test]
fn leases_and_strangers_may_write_at_rest() {
    let mut story = Story::installed().wait(5);
    let from = story.revision() + 1;
    story = story.wait(30).pod(&first(), 0, true).slice("web", &first(), 3);
    story.options.quiet.push(everywhere(from..=story.revision()));
    story.passes(Invariant::I9);
}

#[test]
fn quiet_is_only_where_it_was_said_and_for_what_was_said() {
    let mut story = Story::installed().wait(5);
    let revisions = story.revision() + 1..=story.revision() + 9;
    story = story.rollout("teal/status");
    let there = Quiet { namespace: Some("elsewhere".into()), ..everywhere(revisions.clone()) };
    let but = Quiet { but: vec!["rollouts".into()], ..everywhere(revisions) };
    story.options.quiet = vec![there, but];
    story.passes(Invariant::I9);
}

#[test]
fn what_is_written_outside_of_the_quiet_is_no_noise() {
    let mut story = Story::installed();
    let from = story.revision() + 1;
    story = story.wait(30);
    story.options.quiet.push(everywhere(from..=story.revision()));
    let story = story.commit(|record| record.paused = Some(Pause::Decision { user: "ann".into() }));
    story.passes(Invariant::I9);
}

#[test]
fn an_owner_may_write_during_a_rollout() {
    let routes = json!([{"destination": {"host": "web"}, "weight": 100}]);
    let story = Story::canary().virtual_service("helm", &routes).weigh(0).send_back().lead_home().sent_back();
    story.passes(Invariant::I11);
}

#[test]
fn leases_lie_where_teal_is_installed() {
    Story::installed().wait(30).passes(Invariant::I12);
}

#[test]
fn weight_may_be_lowered_and_taken_up_again() {
    Story::half().weigh_as("kubectl", 0).wait(1).weigh(50).passes(Invariant::I14);
}

#[test]
fn a_pod_that_is_replaced_went_by_itself() {
    Story::canary().delete(pod_key(&second(), 0)).pod(&second(), 0, true).passes(Invariant::I1);
}

#[test]
fn a_rejected_release_goes_after_its_drain() {
    let story = Story::canary().send_back().lead_home().sent_back().wait(40).let_go().remove(&second());
    story.passes(Invariant::I15);
}

#[test]
fn a_service_that_is_reached_from_outside_selects_both_revisions_before_it_is_turned() {
    let story = Story::outside().overlap().wait(35).point("web", &second()).wait(3).weigh(0).wait(3).leave();
    for invariant in [Invariant::I2, Invariant::I14] {
        story.passes(invariant);
    }
}

#[test]
fn an_owner_may_say_how_long_an_overlap_is_and_whether_there_is_one() {
    for (annotation, value) in [("teal.dev/overlap", "10s"), ("teal.dev/switch", "AtOnce")] {
        let story = Story::outside().edit("kubectl", &key("services", "web"), |service| {
            service["metadata"]["annotations"][annotation] = json!(value);
        });
        let story = if annotation == "teal.dev/switch" {
            story
        } else {
            story.edit("teal/roles", &key("services", "web"), |service| {
                service["spec"]["selector"] = json!({"app": "web", "teal.dev/rollout": "web"});
            })
        };
        let story = story.wait(15).point("web", &second());
        assert!(story.told().holds(), "{annotation}: {}", story.told());
    }
}

#[test]
fn an_overlap_is_left_at_once_on_the_way_back() {
    let story = Story::outside().overlap().wait(5).send_back().lead_home().sent_back();
    story.passes(Invariant::I5);
}

#[test]
fn without_a_mesh_the_live_role_is_the_step() {
    let mut story = Story::new();
    story.spec["traffic"] = json!({"services": [{"name": "web"}]});
    story.spec["steps"] = json!([{"name": "switch", "weight": 100, "hold": "10s"}]);
    let story = story.rollout("kubectl").commit(|record| {
        record.live = Some(first());
        record.baseline = vec![3];
        record.phase = Phase::Rest { outcome: Outcome::Promoted };
    });
    let story = story.provision(&first()).point("web", &first()).point("web-candidate", &first()).wait(3);
    let story = story.commit(|record| {
        record.candidate = Some(second());
        record.phase = super::builder::step("switch", 100, None);
    });
    let story = story.provision(&second()).point("web-candidate", &second()).wait(3).point("web", &second());
    let story = story.wait(3).reached().wait(15).commit(|record| {
        record.previous = record.live.take();
        record.live = record.candidate.take();
        record.phase = Phase::Rest { outcome: Outcome::Promoted };
    });
    story.passes(Invariant::I14);
}
