//! One condition of a route together with what a preview asks for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Preview;

/// The longest regular expression that Istio takes.
const LONGEST: usize = 1024;
/// How Istio calls the proxies beside pods, where gateways are named.
const MESH: &str = "mesh";

/// Why both can't be said at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Of this header.
    Header(String),
    /// Of a condition that names gateways Istio doesn't read what it says of callers.
    Callers,
    /// The expression for the cookies is too long.
    Cookies,
}

/// Both at once; nothing where no request can fulfil both.
pub(super) fn with(condition: &Value, preview: &Preview) -> Result<Option<Value>, Unclear> {
    if !preview.source_labels.is_empty() {
        let gateways = condition.get("gateways").and_then(Value::as_array).filter(|all| !all.is_empty());
        match gateways {
            // Callers outside of the mesh have no labels.
            Some(gateways) if !gateways.iter().any(|gateway| gateway == MESH) => return Ok(None),
            Some(_) => return Err(Unclear::Callers),
            None => {}
        }
    }
    let mut joined = condition.as_object().cloned().unwrap_or_default();
    let mut headers = of(&joined, "headers");
    for (name, value) in &preview.headers {
        let key = key(&headers, name);
        match exact(headers.get(&key), value) {
            Some(true) => headers.insert(key, json!({ "exact": value })),
            Some(false) => return Ok(None),
            None => return Err(Unclear::Header(name.clone())),
        };
    }
    if !preview.cookies.is_empty() {
        let key = key(&headers, "cookie");
        if headers.get(&key).is_some_and(|there| !is_presence(there)) {
            return Err(Unclear::Header("cookie".into()));
        }
        let expression = cookies(&preview.cookies);
        if expression.len() > LONGEST {
            return Err(Unclear::Cookies);
        }
        headers.insert(key, json!({ "regex": expression }));
    }
    let mut labels = of(&joined, "sourceLabels");
    for (name, value) in &preview.source_labels {
        if labels.insert(name.clone(), json!(value)).is_some_and(|there| there != json!(value)) {
            return Ok(None);
        }
    }
    for (field, map) in [("headers", headers), ("sourceLabels", labels)] {
        if !map.is_empty() {
            joined.insert(field.into(), Value::Object(map));
        }
    }
    Ok(Some(Value::Object(joined)))
}

fn of(condition: &Map<String, Value>, field: &str) -> Map<String, Value> {
    condition.get(field).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Names of headers are the same in any case.
fn key(headers: &Map<String, Value>, name: &str) -> String {
    headers.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or(name, String::as_str).to_owned()
}

/// Whether a header of this very value fulfils what is said of it; of a regular expression that isn't known.
fn exact(said: Option<&Value>, value: &str) -> Option<bool> {
    let Some(said) = said.filter(|said| !is_presence(said)) else { return Some(true) };
    let text = |field: &str| said.get(field).and_then(Value::as_str);
    if let Some(wanted) = text("exact") {
        return Some(wanted == value);
    }
    text("prefix").map(|prefix| value.starts_with(prefix))
}

/// Nothing is said but that the header must be there.
fn is_presence(said: &Value) -> bool {
    said.as_object().is_none_or(Map::is_empty)
}

/// A regular expression for the whole header `cookie`, in which they may stand in any order.
fn cookies(cookies: &BTreeMap<String, String>) -> String {
    let each: Vec<String> = cookies.iter().map(|(name, value)| quoted(&format!("{name}={value}"))).collect();
    let orders: Vec<String> = orders(&each).iter().map(|order| order.join(";(.*;)? *")).collect();
    format!("(.*; *)?({})(;.*)?", orders.join("|"))
}

fn orders(each: &[String]) -> Vec<Vec<&str>> {
    if each.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (place, first) in each.iter().enumerate() {
        let (before, after) = each.split_at(place);
        let rest: Vec<String> = before.iter().chain(after.iter().skip(1)).cloned().collect();
        for order in orders(&rest) {
            let order = order.into_iter().map(|name| each.iter().find(|known| *known == name));
            all.push(std::iter::once(first.as_str()).chain(order.flatten().map(String::as_str)).collect());
        }
    }
    all
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted
}
