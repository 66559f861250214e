//! Secret values taken out of messages, which end in conditions and logs.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Shorter ones are words that stand everywhere.
const SHORTEST: usize = 4;
const HIDDEN: &str = "[hidden]";

/// Every text and number in values that came from a Secret.
pub fn texts_of(values: &Map<String, Value>) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    values.values().for_each(|value| gather(value, &mut texts));
    texts
}

fn gather(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        // A message may show a part of a long text alone, which is most often a line.
        Value::String(text) => {
            texts.extend(
                text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST).map(ToOwned::to_owned),
            );
        }
        Value::Number(number) => {
            texts.insert(number.to_string());
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(map) => map.values().for_each(|value| gather(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The message without them. Longer ones go first, for one may be part of another.
pub(crate) fn without(message: &str, texts: &BTreeSet<String>) -> String {
    let mut ordered: Vec<&String> = texts.iter().filter(|text| text.len() >= SHORTEST).collect();
    ordered.sort_by_key(|text| std::cmp::Reverse(text.len()));
    ordered.into_iter().fold(message.to_owned(), |message, text| message.replace(text.as_str(), HIDDEN))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_secret_held_is_not_in_a_message() {
        let values = json!({"db": {"password": "hunter22", "long": "hunter22-more", "pin": 48151, "on": true}, "keys": ["-----BEGIN\nABCDEFGH\n"], "ok": "no"});
        let texts = texts_of(values.as_object().unwrap());
        let message = without("no hunter22-more, hunter22, 48151 and ABCDEFGH; true", &texts);
        assert_eq!(message, "no [hidden], [hidden], [hidden] and [hidden]; true");
    }
}
