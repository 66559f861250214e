//! The values of a chart: merged, with their placeholders filled.

use serde_json::{Map, Value};
use teal_plan::{Color, Slot};

use super::yaml;
use crate::content::hash;

/// What stands for a null in what is hashed: hashes leave nulls out, and to Helm a null takes a default away.
const NULL: &str = "teal.dev/null";

/// Values that can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValuesError {
    /// A text that is no YAML.
    #[error("{from}: line {line} {problem}")]
    Unread {
        /// Where the text comes from.
        from: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A text that holds something else.
    #[error("{from}: holds no map: write values as `name: value`")]
    NoMap {
        /// Where the text comes from.
        from: String,
    },
    /// A revision gets its number once what it is made of is known.
    #[error(
        "spec.release.chart.values, or what valuesFrom names, says $(revision), which has no number yet when a chart is rendered: write $(color), or leave it out"
    )]
    Revision,
    /// The role changes while pods live on.
    #[error(
        "{at} says $(role), which changes while pods live: write $(color), which doesn't, or $$(role) if it is meant for the kubelet"
    )]
    Role {
        /// Where in the values.
        at: String,
    },
}

/// Reads a text of values, such as a key of a ConfigMap; `from` names it in messages.
pub fn values_of_text(text: &str, from: &str) -> Result<Map<String, Value>, ValuesError> {
    match yaml::single(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(ValuesError::NoMap { from: from.to_owned() }),
        Err(fault) => {
            Err(ValuesError::Unread { from: from.to_owned(), line: fault.line, problem: fault.problem })
        }
    }
}

/// Merges layers as Helm does several files of values: maps are joined, everything else is replaced by the later. A null stays,
/// because to Helm it takes a default of the chart away.
pub fn merged(layers: impl IntoIterator<Item = Map<String, Value>>) -> Map<String, Value> {
    let mut merged = Map::new();
    for layer in layers {
        join(&mut merged, layer);
    }
    merged
}

fn join(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => join(below, above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

/// A release with the values in it that its chart takes from elsewhere, below those of its own, and nothing left to be taken: as it is
/// hashed, rendered and kept, so that what it was made with never changes. One that takes none stays as it is.
pub fn with_values(release: &Value, taken: impl IntoIterator<Item = Map<String, Value>>) -> Value {
    let mut release = release.clone();
    let Some(chart) = release.get_mut("chart").and_then(Value::as_object_mut) else { return release };
    if chart.remove("valuesFrom").is_none() {
        return release;
    }
    let own = chart.get("values").and_then(Value::as_object).cloned();
    let is_said = own.is_some();
    let values = merged(taken.into_iter().chain(own));
    if is_said || !values.is_empty() {
        chart.insert("values".to_owned(), Value::Object(values));
    }
    release
}

/// Fills `$(color)` and `$(revision)` in every text of the values; names of values are left as they are.
///
/// Whatever else stands between `$(` and `)` is for the kubelet and stays. As there, `$$(` means no placeholder, and stays.
pub fn filled(values: &Map<String, Value>, slot: &Slot) -> Result<Map<String, Value>, ValuesError> {
    let words = Words { color: slot.color, revision: slot.revision.to_string() };
    let filled = values.iter().map(|(name, value)| Ok((name.clone(), words.fill(value, name)?)));
    filled.collect()
}

/// The same before a revision has its number, so that nothing may speak of it.
pub fn for_color(values: &Map<String, Value>, color: Color) -> Result<Map<String, Value>, ValuesError> {
    let of = |counter: u32| filled(values, &Slot { color, revision: hash(&Value::Null).revision(counter) });
    let values = of(1)?;
    if of(2)? == values { Ok(values) } else { Err(ValuesError::Revision) }
}

struct Words {
    color: Color,
    revision: String,
}

impl Words {
    fn fill(&self, value: &Value, at: &str) -> Result<Value, ValuesError> {
        Ok(match value {
            Value::String(text) => self.text(text, at)?.into(),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(i, item)| self.fill(item, &format!("{at}[{i}]"))).collect::<Result<_, _>>()?
            }
            Value::Object(map) => {
                let entries = map.iter();
                let filled = entries
                    .map(|(name, value)| Ok((name.clone(), self.fill(value, &format!("{at}.{name}"))?)));
                Value::Object(filled.collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str, at: &str) -> Result<String, ValuesError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            let (before, after) = rest.split_at(dollar);
            filled.push_str(before);
            let known = [("$(color)", self.color.as_str()), ("$(revision)", self.revision.as_str())];
            if after.starts_with("$$") {
                filled.push_str("$$");
                rest = after.get(2..).unwrap_or_default();
            } else if let Some((word, value)) = known.iter().find(|(word, _)| after.starts_with(word)) {
                filled.push_str(value);
                rest = after.get(word.len()..).unwrap_or_default();
            } else if after.starts_with("$(role)") {
                return Err(ValuesError::Role { at: at.to_owned() });
            } else {
                filled.push('$');
                rest = after.get(1..).unwrap_or_default();
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// A release as it is to be hashed: [`crate::hash`] leaves nulls out, but in the values of a chart a null means something.
pub fn with_nulls_told(release: &Value) -> Value {
    let mut told = release.clone();
    if let Some(values) = told.pointer_mut("/chart/values") {
        tell(values);
    }
    told
}

fn tell(value: &mut Value) {
    match value {
        Value::Null => *value = serde_json::json!({ NULL: true }),
        Value::Array(items) => items.iter_mut().for_each(tell),
        Value::Object(map) => map.values_mut().for_each(tell),
        _ => {}
    }
}
