//! The values of a chart, and the names of its releases.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use teal_plan::{Color, Revision, Slot};
use teal_release::chart::{
    Rendering, filled, merged, release_name, values_of_text, with_nulls_told, with_values,
};
use teal_release::hash;

fn slot(color: Color) -> Slot {
    Slot { color, revision: Revision { counter: 7, hash: 0x3f9c_2a1b } }
}

#[test]
fn values_are_merged_as_helm_does_and_nulls_stay() {
    let layers =
        ["a: {x: 1, w: 2}\nlist: [1, 2]\nb: {c: 1}\n", "a: {w: 3, z: ~}\nlist: [3]\nb: 5\n", "# nothing\n"];
    let layers = layers.map(|text| values_of_text(text, "x").unwrap());
    let merged = Value::Object(merged(layers));
    assert_eq!(merged, json!({"a": {"x": 1, "w": 3, "z": null}, "list": [3], "b": 5}));
}

#[test]
fn texts_of_values_that_are_none_are_told_with_where_they_come_from() {
    let told =
        |text: &str| values_of_text(text, "ConfigMap web-values, key values.yaml").unwrap_err().to_string();
    assert!(told("a: 1\nb: [\n").starts_with("ConfigMap web-values, key values.yaml: line "));
    assert!(told("- a\n").contains("holds no map"));
    assert!(told("a: 1\na: 2\n").contains("line 2"));
}

#[test]
fn values_say_color_and_revision_and_never_the_role() {
    let values = json!({"shard": "$(color)", "deep": [{"tag": "x-$(revision)-$(color)$(color)"}], "env": "$(POD_IP) $$(color) $ $(", "n": 1, "$(color)": "k"});
    let filled_in = |color| filled(values.as_object().unwrap(), &slot(color)).map(Value::Object);
    let expected = json!({"shard": "green", "deep": [{"tag": "x-r7-3f9c2a1b-greengreen"}], "env": "$(POD_IP) $$(color) $ $(", "n": 1, "$(color)": "k"});
    assert_eq!(filled_in(Color::Green), Ok(expected));
    let role = json!({"a": {"b": ["is $(role)"]}});
    let told = filled(role.as_object().unwrap(), &slot(Color::Blue)).unwrap_err().to_string();
    assert!(told.starts_with("a.b[0] says $(role)") && told.contains("$(color)"), "{told}");
    let kubelet = json!({"a": "$$(role)"});
    assert!(filled(kubelet.as_object().unwrap(), &slot(Color::Blue)).is_ok());
}

#[test]
fn a_null_among_the_values_of_a_chart_makes_another_revision() {
    let release =
        |values: Value| json!({"chart": {"oci": "oci://e/x", "version": "1.0.0", "values": values}});
    let hashed = |values: Value| hash(&with_nulls_told(&release(values)));
    assert_ne!(hashed(json!({"a": null})), hashed(json!({})));
    assert_ne!(hashed(json!({"a": [{"b": null}]})), hashed(json!({"a": [{}]})));
    assert_eq!(hash(&with_nulls_told(&release(json!({"a": 1})))), hash(&release(json!({"a": 1}))));
    let manifests = json!({"manifests": [{"kind": "ConfigMap", "data": null}]});
    assert_eq!(with_nulls_told(&manifests), manifests);
}

/// So that a release without values stays the one that it was, and what names no chart is left alone.
#[test]
fn values_from_elsewhere_stand_below_those_of_the_release_and_leave_no_trace() {
    let chart = |values: Value| json!({"chart": {"oci": "oci://e/x", "version": "1.0.0", "values": values}});
    let naming = |values: Value| {
        let mut release = chart(values);
        release["chart"]["valuesFrom"] = json!([{"configMap": {"name": "a"}}]);
        release
    };
    let taken = |text: &str| [values_of_text(text, "x").unwrap()];
    assert_eq!(with_values(&naming(json!({"a": 1})), taken("a: 2\nb: 3\n")), chart(json!({"a": 1, "b": 3})));
    assert_eq!(with_values(&naming(json!({})), taken("")), chart(json!({})));
    let mut bare = naming(json!({}));
    bare["chart"].as_object_mut().unwrap().remove("values");
    assert_eq!(with_values(&bare, taken(""))["chart"], json!({"oci": "oci://e/x", "version": "1.0.0"}));
    assert_eq!(with_values(&bare, taken("a: ~"))["chart"]["values"], json!({"a": null}));
    for untouched in [chart(json!({"a": 1})), json!({"manifests": []})] {
        assert_eq!(with_values(&untouched, taken("a: 2")), untouched);
    }
}

#[test]
fn a_rollouts_name_leaves_room_for_the_color() {
    assert_eq!(release_name("web", Color::Green).unwrap(), "web-green");
    assert!(release_name(&"a".repeat(47), Color::Blue).is_ok());
    let refusal = release_name(&"a".repeat(48), Color::Blue).unwrap_err().to_string();
    assert!(refusal.contains("at most 47"), "{refusal}");
}

/// Texts of what YAML prints, and of what JSON has its own signs for.
const PRINTED: &str = "[ -~\n\t\u{a0}-\u{2000}\u{1f600}]{0,12}";

proptest! {
    /// Whatever a template prints is read or refused in words, and never brings the operator down.
    #[test]
    fn any_text_is_read_or_refused(text in "([-:{}\\[\\]&*!|>'\"%@`~<?,#.$ a0yx\n]|---\n|: |- |a: ){0,60}") {
        match Rendering::read(&text, "shop") {
            Ok(rendering) => prop_assert!(!rendering.objects.is_empty()),
            Err(refusals) => {
                prop_assert!(!refusals.is_empty());
                for refusal in refusals {
                    prop_assert!(!refusal.problem.is_empty() && !refusal.remedy.is_empty(), "{refusal}");
                }
            }
        }
    }

    /// Read as YAML, what is written as JSON is what it was, as long as it keeps to signs that YAML prints.
    #[test]
    fn json_is_yaml(texts in prop::collection::btree_map(PRINTED, PRINTED, 0..5), number in any::<i64>(), flag: bool) {
        let values = json!({"texts": texts, "list": [number, flag, null, texts.keys().next()]});
        prop_assert_eq!(values_of_text(&values.to_string(), "x").map(Value::Object), Ok(values));
    }

    #[test]
    fn values_without_placeholders_stay_and_those_that_are_there_go(word in "[a-z$() ]{0,12}") {
        let values: Map<String, Value> = [("a".to_owned(), format!("{word}$(color)").into())].into_iter().collect();
        let filled = filled(&values, &slot(Color::Blue));
        // What stands before may make it the kubelet's, or be the role.
        if let Ok(filled) = filled {
            let text = filled["a"].as_str().unwrap();
            prop_assert!(text.ends_with("blue") != text.ends_with("$$(color)"), "{}", text);
            if !word.contains('$') {
                prop_assert_eq!(text, format!("{word}blue"));
            }
        } else {
            prop_assert!(word.contains("$(role)"));
        }
    }
}
