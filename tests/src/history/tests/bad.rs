//! Histories in which one thing is wrong: at least two for each invariant.

use std::time::Duration;

use serde_json::json;
use teal_plan::Time;
use teal_plan::record::{Outcome, Phase, Release};

use super::super::{Invariant, PlainWrite, Quiet};
use super::builder::{Story, everywhere, first, key, pod_key, second, step};

#[test]
fn i1_weights_that_sum_to_90() {
    let routes = json!([
        {"destination": {"host": "web"}, "weight": 82},
        {"destination": {"host": "web-candidate"}, "weight": 8},
    ]);
    Story::canary().destinations("teal/traffic", &routes).breaks(Invariant::I1, "sum to 90");
}

#[test]
fn i1_a_negative_weight_that_makes_the_sum_right() {
    let routes = json!([
        {"destination": {"host": "web"}, "weight": 110},
        {"destination": {"host": "web-candidate"}, "weight": -10},
    ]);
    Story::canary().destinations("teal/traffic", &routes).breaks(Invariant::I1, "weight -10");
}

#[test]
fn i1_a_weight_that_is_no_whole_number() {
    let routes = json!([
        {"destination": {"host": "web"}, "weight": 95},
        {"destination": {"host": "web-candidate"}, "weight": 5.5},
    ]);
    Story::canary().destinations("teal/traffic", &routes).breaks(Invariant::I1, "no whole number");
}

#[test]
fn i2_a_raise_long_after_the_endpoints_went() {
    let story = Story::canary().wait(65).slice("web-candidate", &second(), 0).step("half", 50).wait(20);
    story.weigh(50).breaks(Invariant::I2, "with 0 serving endpoints of 2");
}

#[test]
fn i2_a_raise_with_one_endpoint_too_few() {
    let story = Story::canary().wait(65).slice("web-candidate", &second(), 1).step("half", 50).wait(20);
    story.weigh(50).breaks(Invariant::I2, "with 1 serving endpoints of 2");
}

#[test]
fn i2_going_back_to_nobody_while_the_candidate_serves() {
    let mut story = Story::canary().slice("web", &first(), 0);
    for number in 0..3 {
        story = story.pod(&first(), number, false);
    }
    story.wait(20).send_back().lead_home().breaks(Invariant::I2, "which doesn't");
}

#[test]
fn i3_the_live_workload_is_deleted() {
    Story::canary().delete(key("deployments", "web-blue")).breaks(Invariant::I3, "is live");
}

#[test]
fn i3_the_kept_workload_is_scaled_to_0() {
    let story = Story::promoted().wait(60);
    let empty = story.deployment(&first(), 0);
    story
        .write("teal/release", key("deployments", "web-blue"), empty)
        .breaks(Invariant::I3, "is scaled to 0");
}

#[test]
fn i3_another_release_is_written_over_the_kept_one() {
    let third = super::builder::release(3, first().slot.color, 0);
    let story = Story::promoted().wait(60);
    let other = story.deployment(&third, 3);
    story
        .write("teal/release", key("deployments", "web-blue"), other)
        .breaks(Invariant::I3, "becomes an object of r3");
}

#[test]
fn i3_the_previous_release_is_let_go_of_too_early() {
    Story::promoted().wait(300).let_go().breaks(Invariant::I3, "before its time");
}

#[test]
fn i4_the_epoch_of_an_object_goes_back() {
    let mut story = Story::canary();
    let epoch = story.record.epoch;
    story.record.epoch -= 2;
    story = story.turn("teal/roles", "web", &first()).turn("teal/roles", "web-candidate", &second());
    story.record.epoch = epoch;
    story.breaks(Invariant::I4, "epoch.teal.dev/uid-web goes from");
}

#[test]
fn i4_the_record_goes_back() {
    let mut story = Story::canary();
    story.record.epoch -= 2;
    story.rollout("teal/status").breaks(Invariant::I4, "the record's epoch goes from");
}

#[test]
fn i4_the_record_changes_within_an_epoch() {
    let mut story = Story::canary();
    story.record.counter += 1;
    story.rollout("teal/status").breaks(Invariant::I4, "changes within epoch");
}

#[test]
fn i4_an_effect_comes_before_its_commit() {
    let mut story = Story::canary();
    story.record.epoch += 1;
    story.turn("teal/roles", "web", &first()).breaks(Invariant::I4, "is committed");
}

#[test]
fn i5_the_weight_rises_again_after_going_back() {
    let story = Story::canary().send_back().lead_home().point("web-candidate", &second());
    story.wait(3).weigh(10).breaks(Invariant::I5, "after going back was committed");
}

#[test]
fn i5_the_live_role_is_turned_away_after_going_back() {
    let story = Story::canary().send_back().lead_home().sent_back().wait(30);
    story.point("web", &second()).breaks(Invariant::I5, "Service web: r2-02020202 goes from 0 % to 100 %");
}

#[test]
fn i5_the_candidate_goes_forward_without_a_new_try() {
    let story = Story::canary().send_back().lead_home().sent_back().wait(30);
    let story = story.commit(|record| record.phase = step("canary", 10, None));
    story.breaks(Invariant::I5, "without a new try");
}

#[test]
fn i5_going_back_takes_five_seconds() {
    Story::canary()
        .send_back()
        .wait(5)
        .lead_home()
        .sent_back()
        .breaks(Invariant::I5, "live has all requests only");
}

#[test]
fn i5_going_back_takes_longer_than_plain_writes_at_that_time_explain() {
    let back = Story::canary().send_back();
    let (begun, took) = (back.now(), Duration::from_millis(1_500));
    let told = |write: PlainWrite| {
        let mut story = back.clone().wait(3).lead_home().sent_back();
        story.options.plain_writes = vec![write];
        story
    };
    told(PlainWrite { begun, took }).passes(Invariant::I5);
    let long_before = PlainWrite { begun: begun - 60_000, took };
    let short = PlainWrite { begun, took: Duration::from_millis(200) };
    told(long_before).breaks(Invariant::I5, "not 1000");
    told(short).breaks(Invariant::I5, "not 1400");
    let mut hangs = back.wait(6).lead_home().sent_back();
    hangs.options.plain_writes = vec![PlainWrite { begun, took: Duration::from_mins(1) }];
    hangs.breaks(Invariant::I5, "not 4000");
}

#[test]
fn i5_going_back_never_ends() {
    Story::canary().send_back().weigh(5).wait(60).breaks(Invariant::I5, "still has a share at the end");
}

#[test]
fn i8_a_step_is_left_out() {
    Story::canary().wait(65).step("full", 100).breaks(Invariant::I8, "from step canary to full");
}

#[test]
fn i8_it_begins_in_the_middle() {
    let story = Story::installed().commit(|record| {
        record.candidate = Some(second());
        record.phase = step("half", 50, None);
    });
    story.breaks(Invariant::I8, "begins at step half");
}

#[test]
fn i8_a_step_is_left_before_it_was_reached() {
    Story::started().weigh(10).wait(65).step("half", 50).breaks(Invariant::I8, "before it was reached");
}

#[test]
fn i8_promotion_comes_before_the_last_step() {
    let story =
        Story::canary().wait(65).commit(|record| record.phase = Phase::Promoting { deadline: Time(0) });
    story.breaks(Invariant::I8, "is promoted after step canary");
}

#[test]
fn i8_it_steps_back() {
    Story::half().wait(65).step("canary", 10).breaks(Invariant::I8, "from step half to canary");
}

#[test]
fn i8_another_candidate_goes_on_in_the_middle() {
    let story = Story::canary().wait(5).commit(|record| {
        record.candidate = Some(Release { attempt: 2, ..second() });
    });
    story.breaks(Invariant::I8, "another candidate");
}

fn quiet_at_the_end(story: Story, noise: impl FnOnce(Story) -> Story) -> Story {
    let from = story.revision() + 1;
    let mut story = noise(story.wait(10));
    story.options.quiet.push(everywhere(from..=story.revision()));
    story
}

#[test]
fn i9_a_status_is_written_at_rest() {
    let story = quiet_at_the_end(Story::installed(), |story| story.rollout("teal/status"));
    story.breaks(Invariant::I9, "is written while nothing happened");
}

#[test]
fn i9_a_status_is_written_in_a_namespace_that_is_quiet() {
    let mut story = Story::installed().wait(5);
    let revisions = story.revision() + 1..=story.revision() + 9;
    story = story.rollout("teal/status");
    let namespace = Some(key("rollouts", "web").namespace);
    story.options.quiet = vec![Quiet { namespace, revisions, but: vec!["events".into()] }];
    story.breaks(Invariant::I9, "is written while nothing happened");
}

#[test]
fn i9_an_event_is_told_at_rest() {
    let event = json!({"reportingComponent": "teal.dev/operator", "reason": "StepReached"});
    let noise = |story: Story| story.write("teal/status", key("events", "web.1"), event);
    quiet_at_the_end(Story::installed(), noise).breaks(Invariant::I9, "is written");
}

#[test]
fn i9_an_object_is_stamped_again_at_rest() {
    let noise = |story: Story| story.turn("teal/roles", "web", &first());
    quiet_at_the_end(Story::installed(), noise).breaks(Invariant::I9, "is written");
}

#[test]
fn i11_a_foreign_field_of_the_route_is_changed() {
    let web = key("virtualservices", "web");
    let story = Story::canary()
        .edit("teal/traffic", &web, |object| object["spec"]["http"][0]["timeout"] = json!("1s"));
    story.breaks(Invariant::I11, "spec.http.0.timeout");
}

#[test]
fn i11_a_foreign_label_is_taken_away() {
    let web = key("virtualservices", "web");
    let change = |object: &mut serde_json::Value| {
        object["metadata"]["labels"].as_object_mut().unwrap().remove("team");
    };
    Story::canary().edit("teal/traffic", &web, change).breaks(Invariant::I11, "metadata.labels.team");
}

#[test]
fn i11_the_owners_bytes_do_not_come_back() {
    let story = Story::canary().send_back().lead_home().wait(3);
    let web = key("virtualservices", "web");
    let story = story.leave_as(&json!([{"destination": {"host": "web"}, "weight": 100}]));
    story
        .clone()
        .edit("kubectl", &web, |_| ())
        .breaks(Invariant::I11, "is not restored at http.0.route.0.weight");
}

#[test]
fn i11_the_spec_of_the_rollout_is_edited() {
    let mut story = Story::canary();
    story.spec["mode"] = json!("Paused");
    story.rollout("teal/status").breaks(Invariant::I11, "spec.mode");
}

#[test]
fn i11_a_config_map_of_somebody_else_is_written() {
    let map = key("configmaps", "theirs");
    let story = Story::installed().write("kubectl", map.clone(), json!({"data": {"a": "1"}}));
    story
        .edit("teal/release", &map, |object| object["data"]["a"] = json!("2"))
        .breaks(Invariant::I11, "isn't its own");
}

#[test]
fn i11_what_lost_its_labels_is_given_them_again_and_what_never_had_them_is_not() {
    let blue = key("deployments", "web-blue");
    let marked = |object: &mut serde_json::Value| {
        object["metadata"]["labels"] = json!({"teal.dev/rollout": "web", "teal.dev/rollout-uid": "uid-web"});
    };
    let bare = |object: &mut serde_json::Value| object["metadata"]["labels"] = json!({});
    let story = Story::installed().edit("kubectl", &blue, bare).edit("teal/release", &blue, marked);
    story.passes(Invariant::I11);
    let map = key("configmaps", "theirs");
    let theirs = json!({"metadata": {}, "data": {"a": "1"}});
    let story = Story::installed().write("kubectl", map.clone(), theirs).edit("teal/release", &map, marked);
    story.breaks(Invariant::I11, "isn't its own");
}

#[test]
fn i12_an_object_is_made_in_another_namespace() {
    let story = Story::canary();
    let mut elsewhere = key("deployments", "web-green");
    elsewhere.namespace = "bank".into();
    let object = story.deployment(&second(), 3);
    story.write("teal/release", elsewhere, object).breaks(Invariant::I12, "without a Rollout");
}

#[test]
fn i12_an_object_is_made_in_the_namespace_of_another_rollout() {
    let story = Story::canary();
    let mut other = key("rollouts", "till");
    other.namespace = "bank".into();
    let story = story.write("kubectl", other, json!({"metadata": {"uid": "uid-till"}, "spec": {}}));
    let mut elsewhere = key("deployments", "web-green");
    elsewhere.namespace = "bank".into();
    let object = story.deployment(&second(), 3);
    story.write("teal/release", elsewhere, object).breaks(Invariant::I12, "for a Rollout of namespace shop");
}

#[test]
fn i12_an_object_outside_of_namespaces_is_made() {
    let story = Story::canary();
    let marked =
        json!({"metadata": {"labels": {"teal.dev/rollout": "web", "teal.dev/rollout-uid": "uid-web"}}});
    story.write("teal/release", key("nodes", "n1"), marked).breaks(Invariant::I12, "outside of namespaces");
}

#[test]
fn i14_a_weight_above_its_step() {
    Story::started().weigh(50).breaks(Invariant::I14, "gets 50 %, and step canary has 10 %");
}

#[test]
fn i14_the_live_role_is_turned_in_the_middle_of_the_steps() {
    Story::canary()
        .wait(10)
        .point("web", &second())
        .breaks(Invariant::I14, "Service web: r2-02020202 gets 100 %");
}

#[test]
fn i14_a_step_is_left_before_its_hold_has_passed() {
    Story::canary().wait(20).step("half", 50).weigh(50).breaks(Invariant::I14, "before its hold has passed");
}

#[test]
fn i14_a_service_that_is_reached_from_outside_is_turned_at_once() {
    Story::outside().point("web", &second()).breaks(Invariant::I14, "never selected both revisions");
}

#[test]
fn i14_an_overlap_is_cut_short() {
    let story = Story::outside().overlap().wait(20).point("web", &second());
    story.breaks(Invariant::I14, "selected both revisions for at most 2");
}

#[test]
fn i14_both_revisions_are_selected_in_the_middle_of_the_steps() {
    Story::canary().wait(10).overlap().breaks(Invariant::I14, "selects both revisions before the last step");
}

#[test]
fn i14_both_revisions_are_selected_while_routes_lead_to_them() {
    let story = Story::outside().weigh(50).overlap();
    story.breaks(Invariant::I14, "selects both revisions while routes still lead to it");
}

#[test]
fn i5_going_back_passes_through_an_overlap() {
    let story = Story::outside().overlap().wait(35).point("web", &second()).send_back().overlap();
    let story = story.lead_home().sent_back();
    story.breaks(Invariant::I5, "selects both revisions though nothing goes forward");
}

#[test]
fn i15_pods_go_right_after_going_back() {
    let story = Story::canary().send_back().lead_home().sent_back().wait(5).let_go().remove(&second());
    story.breaks(Invariant::I15, "and the drain is 30000 ms");
}

#[test]
fn i15_a_pod_goes_with_its_workload_while_it_has_a_share() {
    // The record has lost sight of the release, so that nothing calls it live, kept or tried.
    let mut story = Story::canary().wait(60);
    story.record.candidate = None;
    let green = key("deployments", "web-green");
    let empty = story.deployment(&second(), 0);
    let story = story.write("kubectl", green, empty).delete(pod_key(&second(), 0));
    story.breaks(Invariant::I15, "while requests are aimed at r2");
}

#[test]
fn i15_the_deadline_in_the_record_is_too_early() {
    let story = Story::canary().send_back().lead_home().wait(3).leave();
    let now = story.now();
    let story = story.commit(|record| {
        record.vacate_after = Some(Time(now + 5_000));
        record.candidate = None;
        record.phase = Phase::Rest { outcome: Outcome::Cancelled };
    });
    story.breaks(Invariant::I15, "before its drain has passed");
}
