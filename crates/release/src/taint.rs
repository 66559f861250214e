//! Taints of nodes, and who tolerates them.

use serde::Serialize;
use serde_json::Value;

/// What keeps pods away from a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taint {
    key: String,
    value: String,
    effect: String,
}

impl Taint {
    /// Reads a taint. Nothing for one that keeps nobody away.
    pub(crate) fn read(taint: &Value) -> Option<Self> {
        let effect = text(taint, "effect");
        let repels = matches!(effect.as_str(), "NoSchedule" | "NoExecute");
        repels.then(|| Self { key: text(taint, "key"), value: text(taint, "value"), effect })
    }
}

/// What lets a pod onto a node all the same.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Toleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
}

impl Toleration {
    pub(crate) fn read(toleration: &Value) -> Self {
        let of = |field: &str| text(toleration, field);
        Self { key: of("key"), operator: of("operator"), value: of("value"), effect: of("effect") }
    }

    /// As the scheduler judges: an empty effect is each, and an empty key that is to exist is each. What isn't known yet of
    /// operators counts as covering, for only certain shortages are to be named.
    pub(crate) fn covers(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_empty() || self.effect == taint.effect;
        let key = self.key == taint.key || (self.key.is_empty() && self.operator == "Exists");
        let value = match self.operator.as_str() {
            "" | "Equal" => self.value == taint.value,
            _ => true,
        };
        effect && key && value
    }
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_toleration_covers_what_the_scheduler_says_it_does() {
        let game = Taint::read(&json!({"key": "pool", "value": "game", "effect": "NoSchedule"})).unwrap();
        let rows = [
            (json!({"key": "pool", "value": "game", "effect": "NoSchedule"}), true),
            (json!({"key": "pool", "operator": "Equal", "value": "game"}), true),
            (json!({"key": "pool", "operator": "Exists"}), true),
            (json!({"operator": "Exists"}), true),
            (json!({"key": "pool", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "pool", "value": "batch"}), false),
            (json!({"key": "pool"}), false),
            (json!({"value": "game"}), false),
            (json!({"key": "gpu", "operator": "Exists"}), false),
        ];
        for (toleration, covers) in rows {
            assert_eq!(Toleration::read(&toleration).covers(&game), covers, "{toleration}");
        }
        assert_eq!(
            Taint::read(&json!({"key": "pool", "effect": "PreferNoSchedule"})),
            None,
            "nobody is kept away"
        );
    }
}
