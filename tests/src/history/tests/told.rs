//! What the checker goes by: who wrote, when, and what it says in the end.

use serde_json::{Value, json};
use teal_testbed::history::Version;

use super::super::clock::{Moment, moments};
use super::super::gauge::Gauge;
use super::super::json::{difference, millis};
use super::super::writer::{Writer, writer};
use super::super::{History, Invariant, Options, Summary, check};
use super::builder::{Story, key, second};

fn at(time: &str) -> i64 {
    millis(&format!("2026-01-01T00:00:{time}Z")).unwrap()
}

fn entries(all: &[(&str, &str)]) -> Value {
    let entry = |(manager, time): &(&str, &str)| json!({"manager": manager, "operation": "Update", "time": format!("2026-01-01T00:00:{time}Z")});
    json!({"metadata": {"managedFields": all.iter().map(entry).collect::<Vec<Value>>()}})
}

#[test]
fn the_writer_is_whose_entry_is_new() {
    let before = entries(&[("kubectl", "01"), ("teal/traffic", "05")]);
    for (what, after, earliest, expected) in [
        ("a new time of ours", vec![("kubectl", "01"), ("teal/traffic", "09")], "09", Writer::Teal),
        ("a new time of another", vec![("kubectl", "09"), ("teal/traffic", "05")], "09", Writer::Other),
        ("a new entry of another", vec![("teal/traffic", "05"), ("helm", "09")], "09", Writer::Other),
        (
            "a person by way of our front end",
            vec![("teal/traffic", "05"), ("teal/person", "09")],
            "09",
            Writer::Other,
        ),
        ("again within the second", vec![("kubectl", "01"), ("teal/traffic", "05")], "05", Writer::Teal),
        ("nothing recent", vec![("kubectl", "01"), ("teal/traffic", "05")], "30", Writer::Unknown),
        ("two at once", vec![("kubectl", "09"), ("teal/traffic", "09")], "09", Writer::Unknown),
        (
            "an old entry put back",
            vec![("kubectl", "01"), ("teal/traffic", "05"), ("helm", "01")],
            "05",
            Writer::Teal,
        ),
        ("no entries at all", vec![], "09", Writer::Unknown),
    ] {
        assert_eq!(writer(Some(&before), &entries(&after), Some(at(earliest)), "teal/"), expected, "{what}");
    }
    assert_eq!(
        writer(None, &entries(&[("teal/roles", "05")]), Some(at("05")), "teal/"),
        Writer::Teal,
        "made anew"
    );
}

#[test]
fn versions_lie_between_the_stamps_around_them() {
    let version =
        |revision: u64, value: Option<Value>| Version { revision, key: key("services", "web"), value };
    let versions = [
        version(1, Some(entries(&[("kubectl", "01")]))),
        version(2, None),
        version(3, Some(entries(&[("kubectl", "01"), ("teal/roles", "20")]))),
        version(4, Some(entries(&[("kubectl", "02")]))),
    ];
    let moment = |earliest: &str, latest: Option<&str>| Moment {
        earliest: Some(at(earliest)),
        latest: latest.map(at),
    };
    // Each stamp is whole seconds and up to three of them early; the old stamp of the last version says nothing.
    let expected =
        [moment("01", Some("04")), moment("01", Some("23")), moment("20", Some("23")), moment("20", None)];
    assert_eq!(moments(&versions), expected);
}

#[test]
fn a_reading_counts_for_a_few_seconds() {
    let second = |second: i64| Moment { earliest: Some(second * 1000), latest: Some(second * 1000) };
    let moments: Vec<Moment> = [0, 10, 12, 14, 30].into_iter().map(second).collect();
    let mut gauge = Gauge::default();
    for (index, value) in [(0, 3), (1, 2), (2, 1), (3, 0)] {
        gauge.set("web", index, value);
    }
    assert_eq!(gauge.readable(&"web", 3, &moments), [0, 1, 2, 3], "the 3 was there until four seconds ago");
    assert_eq!(gauge.readable(&"web", 4, &moments), [0], "the 1 went sixteen seconds ago");
    assert_eq!(gauge.readable(&"web", 0, &moments), [3, 0], "before it there was none");
    assert_eq!(gauge.readable(&"other", 4, &moments), [0]);
}

#[test]
fn differences_are_named_by_their_path() {
    let value = json!({"spec": {"http": [{"timeout": "5s"}, {"name": "b"}]}});
    for (pointer, path) in [("/spec/http/0/timeout", "spec.http.0.timeout"), ("/spec/http/1", "spec.http.1")]
    {
        let mut other = value.clone();
        *other.pointer_mut(pointer).unwrap() = json!(7);
        assert_eq!(difference(&value, &other).as_deref(), Some(path));
    }
    let mut longer = value.clone();
    longer["spec"]["http"].as_array_mut().unwrap().push(json!({}));
    assert_eq!(difference(&value, &longer).as_deref(), Some("spec.http"));
    assert_eq!(difference(&value, &value), None);
}

#[test]
fn the_summary_has_a_line_for_each_invariant_and_each_violation() {
    let summary = Story::started().weigh(50).told();
    let text = summary.to_string();
    assert_eq!(text.lines().count(), 1 + Invariant::ALL.len() + 1, "{text}");
    assert!(
        text.lines().all(|line| line.starts_with("history: ")),
        "what a run of all steps takes over: {text}"
    );
    let counted = |line: &str| line.starts_with("history: I14 ") && line.ends_with("violations   1");
    assert!(text.lines().any(counted), "{text}");
    let violation = "I14 at revision 42: virtualservices shop/web: route 0 of VirtualService web: \
                     r2-02020202 gets 50 %, and step canary has 10 %";
    assert!(text.contains(violation), "{text}");
}

#[test]
fn the_sums_of_a_suite_are_added_up() {
    let (one, other) = (Story::clean().told(), Story::started().weigh(50).told());
    let mut sum = Summary::default();
    sum.add(&one);
    sum.add(&other);
    assert_eq!(sum.versions, one.versions + other.versions);
    assert_eq!(sum.violations, other.violations);
    let judged = |summary: &Summary| summary.count(Invariant::I14).judged;
    assert_eq!(judged(&sum), judged(&one) + judged(&other));
}

#[test]
fn without_a_rollout_there_is_nothing_to_judge() {
    let summary = check(&History::new(Vec::new()), &Options::default());
    assert!(summary.holds());
    assert!(Invariant::ALL.iter().all(|invariant| summary.count(*invariant).judged == 0), "{summary}");
}

#[test]
fn a_lost_record_is_not_judged_but_counted() {
    let mut story = Story::canary();
    let record = std::mem::take(&mut story.record);
    story = story.rollout("kubectl");
    story.record = record;
    let summary = story.weigh(50).point("web-candidate", &second()).told();
    assert!(summary.holds(), "{summary}");
    assert!(summary.count(Invariant::I4).undecided > 0, "{summary}");
}
