//! What keeps a Rollout from moving forward by the clock of its spec, or by the switch of all.

use serde_json::json;
use teal_plan::Time;
use teal_plan::settings::{HaltedBy, Settings};

use super::cluster::Hand;

fn settings(hand: &mut Hand) -> Settings {
    hand.look(0).snapshot.settings
}

#[test]
fn a_window_is_seen_with_its_end_and_the_next_one_with_its_beginning() {
    let mut hand = Hand::new();
    hand.spec(
        "/windows",
        json!([{"effect": "Deny", "schedule": "* * * * *", "duration": "30s", "timeZone": "Asia/Seoul"}]),
    );
    let seen = settings(&mut hand);
    let halt = seen.halt.expect("the first half of the minute");
    assert_eq!((halt.until, seen.halts_at), (Some(Time(30_000)), Some(Time(60_000))));
    let HaltedBy::Window { window, ends } = halt.by else { panic!("{:?}", halt.by) };
    assert_eq!(window, "* * * * * (Asia/Seoul) for 30s");
    assert_eq!(ends, "1970-01-01 09:00:30 KST");
    assert_eq!(hand.look(30_000).snapshot.settings.halt, None);
    assert!(settings(&mut Hand::new()).halts_at.is_none());
}

#[test]
fn a_window_that_cannot_be_read_makes_the_spec_unusable() {
    let mut hand = Hand::new();
    hand.spec(
        "/windows",
        json!([{"effect": "Deny", "schedule": "0 18 * * FRI", "duration": "1h", "timeZone": "Mars/Base"}]),
    );
    let obstacles = hand.look(0).snapshot.world.obstacles;
    let [obstacle] = &obstacles[..] else { panic!("{obstacles:?}") };
    assert_eq!(obstacle.reason, "SpecInvalid");
    assert!(
        obstacle.message.contains("spec.windows[0]: there is no time zone \"Mars/Base\""),
        "{}",
        obstacle.message
    );
}

#[test]
fn start_at_counts_until_it_has_come() {
    let mut hand = Hand::new();
    let now = hand.look(0).snapshot.now;
    for (after, held) in [(1, true), (0, false), (-1, false)] {
        let at = jiff::Timestamp::from_millisecond(now.0 + after).expect("a time");
        hand.spec("/startAt", json!(at.to_string()));
        let start = settings(&mut hand).start;
        assert_eq!(
            start.as_ref().and_then(|halt| halt.until),
            held.then_some(Time(now.0 + after)),
            "{after}"
        );
    }
}

#[test]
fn the_switch_stops_with_what_was_said_there() {
    let mut hand = Hand::new();
    hand.stores.stop.put(Some("incident 4711"));
    let halt = settings(&mut hand).halt.expect("stopped");
    assert!(matches!(halt.by, HaltedBy::Switch { reason, .. } if reason == "incident 4711"));
    hand.stores.stop.put(None);
    assert_eq!(settings(&mut hand).halt, None);
}
