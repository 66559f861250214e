//! How long pods of a color are given to end (rule 16): at least as long as their proxy takes to drain, or the kubelet kills
//! it over requests that it still serves.

use serde::Deserialize;
use serde_json::{Map, Value};

/// In the pod template: the proxy's own configuration, as YAML.
const PROXY_CONFIG: &str = "proxy.istio.io/config";
/// A configuration of more bytes isn't read. Whoever may write a Rollout writes it, and the parser takes the longer per byte
/// the deeper it is nested: minutes for a megabyte, in which nobody's rollout would go on.
const MOST_CONFIG: usize = 4096;
/// Label or annotation of the pod template.
const INJECT: &str = "sidecar.istio.io/inject";
/// What pilot-agent waits for where nobody says otherwise.
const PROXY_DRAIN: u32 = 5;
/// What the API server takes where the template says nothing.
const USUAL_GRACE: u32 = 30;
const FIELD: &str = "terminationGracePeriodSeconds";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyConfig {
    termination_drain_duration: Option<String>,
}

/// Raises the grace of a template to its proxy's drain, where it is lower.
///
/// Whether pods get a proxy is for the mesh's own webhook to decide, by labels of a namespace that are not known here and may
/// change at any time. So one is expected wherever the template doesn't rule it out: a grace is a limit, and whoever ends
/// earlier isn't held by it. A drain that the whole mesh is configured with isn't known either.
pub(crate) fn raise(template: &mut Map<String, Value>) {
    if is_without_proxy(template) {
        return;
    }
    let drain = proxy_drain(template);
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let written = match spec.get(FIELD) {
        None | Some(Value::Null) => i64::from(USUAL_GRACE),
        // What is no number is for the API server to refuse, in its own words.
        Some(other) => other.as_i64().unwrap_or(i64::MAX),
    };
    if written < i64::from(drain) {
        spec.insert(FIELD.to_owned(), drain.into());
    }
}

/// As Istio decides it: the label comes before the annotation, and pods in the node's network get none.
fn is_without_proxy(template: &Map<String, Value>) -> bool {
    let said = |kind| metadata(template, kind, INJECT);
    let refused = said("labels").or_else(|| said("annotations")) == Some("false");
    let in_nodes = template.get("spec").and_then(|spec| spec.get("hostNetwork")?.as_bool());
    refused || in_nodes == Some(true)
}

fn proxy_drain(template: &Map<String, Value>) -> u32 {
    let config = metadata(template, "annotations", PROXY_CONFIG).filter(|text| text.len() <= MOST_CONFIG);
    let config = config.and_then(|text| serde_yaml::from_str::<ProxyConfig>(text).ok());
    config.and_then(|config| seconds(&config.termination_drain_duration?)).unwrap_or(PROXY_DRAIN)
}

fn metadata<'a>(template: &'a Map<String, Value>, kind: &str, name: &str) -> Option<&'a str> {
    template.get("metadata")?.get(kind)?.get(name)?.as_str()
}

/// A duration as Istio's configuration has it, `45s` or `1.5s`, rounded up.
fn seconds(text: &str) -> Option<u32> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.strip_suffix('s')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u32 = Some(whole).filter(|whole| digits(whole))?.parse().ok()?;
    let more = Some(part).filter(|part| digits(part))?.bytes().any(|byte| byte != b'0');
    whole.checked_add(u32::from(more))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grace(metadata: &Value, spec: &Value) -> Option<i64> {
        let mut template = json!({"metadata": metadata, "spec": spec}).as_object().unwrap().clone();
        raise(&mut template);
        template["spec"].get(FIELD).and_then(Value::as_i64)
    }

    #[test]
    fn rule_16_pods_are_given_at_least_their_proxys_drain() {
        let drain = |text: &str| json!({"annotations": {PROXY_CONFIG: text}});
        let long = drain("concurrency: 2\nterminationDrainDuration: 45s\n");
        for (what, metadata, spec, expected) in [
            ("nothing said", json!({}), json!({}), None),
            ("enough", json!({}), json!({FIELD: 5}), Some(5)),
            ("less than Istio's default", json!({}), json!({FIELD: 1}), Some(5)),
            ("none at all", Value::Null, json!({FIELD: 0}), Some(5)),
            ("a long drain beside the default", long.clone(), json!({}), Some(45)),
            ("a long drain beside null", long.clone(), json!({FIELD: null}), Some(45)),
            ("a long drain beside less", long.clone(), json!({FIELD: 40}), Some(45)),
            ("a long drain beside more", long, json!({FIELD: 60}), Some(60)),
            ("a drain within the default", drain("{\"terminationDrainDuration\": \"30s\"}"), json!({}), None),
            ("a part of a second", drain("terminationDrainDuration: 7.25s"), json!({FIELD: 7}), Some(8)),
            ("no drain at all", drain("terminationDrainDuration: 0s"), json!({FIELD: 0}), Some(0)),
            ("what Istio doesn't read", drain("terminationDrainDuration: 1m"), json!({FIELD: 1}), Some(5)),
            ("no YAML", drain("{terminationDrainDuration"), json!({FIELD: 1}), Some(5)),
            (
                "a number too large",
                drain("terminationDrainDuration: 99999999999s"),
                json!({FIELD: 1}),
                Some(5),
            ),
        ] {
            assert_eq!(grace(&metadata, &spec), expected, "{what}");
        }
    }

    /// Not a matter of seconds but of whether it ends: it is read while everybody else's Rollout waits.
    #[test]
    fn a_configuration_that_would_take_the_parser_minutes_is_not_read() {
        for text in ["{a: ".repeat(100_000), "[".repeat(1_000_000), "- ".repeat(500_000)] {
            let metadata = json!({"annotations": {PROXY_CONFIG: text}});
            assert_eq!(grace(&metadata, &json!({FIELD: 1})), Some(i64::from(PROXY_DRAIN)));
        }
        let longest = format!("{:MOST_CONFIG$}", "terminationDrainDuration: 45s");
        assert_eq!(grace(&json!({"annotations": {PROXY_CONFIG: longest}}), &json!({})), Some(45));
    }

    #[test]
    fn rule_16_pods_that_get_no_proxy_keep_the_grace_that_they_were_written_with() {
        let inject = |kind: &str, word: &str| json!({kind: {INJECT: word}});
        for (what, metadata, spec, expected) in [
            ("refused by label", inject("labels", "false"), json!({FIELD: 1}), 1),
            ("refused by annotation", inject("annotations", "false"), json!({FIELD: 1}), 1),
            ("asked for", inject("labels", "true"), json!({FIELD: 1}), 5),
            (
                "the label counts",
                json!({"labels": {INJECT: "true"}, "annotations": {INJECT: "false"}}),
                json!({FIELD: 1}),
                5,
            ),
            ("in the node's network", json!({}), json!({FIELD: 1, "hostNetwork": true}), 1),
        ] {
            assert_eq!(grace(&metadata, &spec), Some(expected), "{what}");
        }
    }
}
