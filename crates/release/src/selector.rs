//! Label selectors: whom they match, and narrowing them to one color.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::object::child;

/// Labels of a pod template.
pub(crate) type Labels = BTreeMap<String, String>;

/// The text entries of a map.
pub(crate) fn labels(map: Option<&Value>) -> Labels {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Whether a plain selector (of a Service) matches. An empty one matches nothing.
pub(crate) fn plain_matches(selector: Option<&Value>, pod: &Labels) -> bool {
    let wanted = labels(selector);
    !wanted.is_empty() && wanted.iter().all(|(name, value)| pod.get(name) == Some(value))
}

/// Whether a label selector matches. An absent one matches nothing, an empty one everything.
pub(crate) fn matches(selector: &Value, pod: &Labels) -> bool {
    let Some(selector) = selector.as_object() else {
        return false;
    };
    let plain = labels(selector.get("matchLabels")).iter().all(|(name, value)| pod.get(name) == Some(value));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    plain && expressions.into_iter().flatten().all(|expression| holds(expression, pod))
}

fn holds(expression: &Value, pod: &Labels) -> bool {
    let value = expression["key"].as_str().and_then(|key| pod.get(key));
    let listed = || {
        let values = expression["values"].as_array();
        values.into_iter().flatten().any(|item| item.as_str() == value.map(String::as_str))
    };
    match expression["operator"].as_str() {
        Some("In") => value.is_some() && listed(),
        Some("NotIn") => value.is_none() || !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

/// The keys a label selector speaks of.
pub(crate) fn keys(selector: &Value) -> impl Iterator<Item = &str> {
    let plain = selector["matchLabels"].as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    plain.chain(expressions.filter_map(|expression| expression["key"].as_str()))
}

/// Adds labels to a label selector.
pub(crate) fn narrow(selector: &mut Value, added: &[(&str, String)]) {
    if let Some(plain) = selector.as_object_mut().and_then(|selector| child(selector, "matchLabels")) {
        plain.extend(added.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
    }
}
