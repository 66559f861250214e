//! What the two colors of one revision have in common.
//!
//! A revision is rendered for both colors, whichever it will stand in. What comes out the same under the same name is one
//! object for both; what comes out differently under the same name can't stand twice.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::read::{ChartObject, Rendering};
use crate::ObjectKey;
use crate::object::Object;
use crate::refusal::Refusal;

/// Labels that charts put the release's name on to be found by people and tools. On an object's own metadata they decide
/// nothing, so a shared object carries those of the color that it was applied from.
const NAME_LABELS: [&str; 3] = ["app.kubernetes.io/instance", "helm.sh/release", "release"];

/// Both renderings of one revision, each with the name of its release.
#[derive(Clone, Copy, Debug)]
pub struct BothColors<'r> {
    /// For blue.
    pub blue: (&'r str, &'r Rendering),
    /// For green.
    pub green: (&'r str, &'r Rendering),
}

/// What is one object for both colors.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Common {
    /// By key.
    pub keys: BTreeSet<ObjectKey>,
}

impl BothColors<'_> {
    /// Tells what is shared from what each color has of its own, or names every clash.
    pub fn common(&self) -> Result<Common, Vec<Refusal>> {
        let mut common = Common::default();
        let mut clashes = Vec::new();
        for blue in &self.blue.1.objects {
            let Some(green) = self.green.1.find(&blue.key) else { continue };
            let forms =
                [(self.blue.0, blue), (self.green.0, green)].map(|(name, object)| nameless(name, object));
            match difference(&forms[0].to_value(), &forms[1].to_value(), "") {
                None => {
                    common.keys.insert(blue.key.clone());
                }
                Some(field) => clashes.push(clash(blue, &field)),
            }
        }
        if clashes.is_empty() { Ok(common) } else { Err(clashes) }
    }
}

impl Common {
    /// Objects of one color alone, in their order.
    pub fn own<'r>(&self, rendering: &'r Rendering) -> impl Iterator<Item = &'r ChartObject> {
        rendering.objects.iter().filter(|object| !self.keys.contains(&object.key))
    }

    /// Objects of both colors, in their order.
    pub fn shared<'r>(&self, rendering: &'r Rendering) -> impl Iterator<Item = &'r ChartObject> {
        rendering.objects.iter().filter(|object| self.keys.contains(&object.key))
    }

    /// Workloads that are one for both colors, so that a new revision reaches them at promotion and all at once.
    pub fn shared_workloads(&self) -> impl Iterator<Item = &ObjectKey> {
        let runs = |key: &&ObjectKey| matches!(key.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
        self.keys.iter().filter(runs)
    }
}

/// Shared objects while a candidate is tried: live's as they are, and those that are new with the candidate, which needs them.
/// From promotion on they are the candidate's alone.
pub fn before_promotion<'r>(live: &[&'r ChartObject], candidate: &[&'r ChartObject]) -> Vec<&'r ChartObject> {
    let known: BTreeSet<&ObjectKey> = live.iter().map(|object| &object.key).collect();
    let new = candidate.iter().filter(|object| !known.contains(&object.key));
    live.iter().chain(new).copied().collect()
}

/// Objects that came out differently the second time from the same chart and values: of random or of the clock.
pub fn varying(first: &Rendering, second: &Rendering) -> BTreeSet<ObjectKey> {
    let differs =
        |object: &&ChartObject| second.find(&object.key).is_none_or(|again| again.object != object.object);
    let new = second.objects.iter().filter(|object| first.find(&object.key).is_none());
    first.objects.iter().filter(differs).chain(new).map(|object| object.key.clone()).collect()
}

/// Without those labels of its own whose whole value is the release's name.
pub(super) fn nameless(release: &str, object: &ChartObject) -> Object {
    let mut object = object.object.clone();
    for label in NAME_LABELS {
        if object.label(label) == Some(release) {
            object.remove(&["metadata", "labels"], label);
        }
    }
    object
}

/// The path of the first field that differs.
fn difference(one: &Value, other: &Value, path: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let names: BTreeSet<&String> = ones.keys().chain(others.keys()).collect();
            names.into_iter().find_map(|name| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (ones.get(name), others.get(name)) {
                    (Some(one), Some(other)) => difference(one, other, &path),
                    _ => Some(path),
                }
            })
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let pairs = ones.iter().zip(others).enumerate();
            pairs.into_iter().find_map(|(i, (one, other))| difference(one, other, &format!("{path}[{i}]")))
        }
        _ => (one != other).then(|| path.to_owned()),
    }
}

/// The field alone is named: its values may be secret.
fn clash(object: &ChartObject, field: &str) -> Refusal {
    let problem = format!(
        "differs between blue and green, and both colors give {} this name ({})",
        object.key, object.origin
    );
    let remedy = "name the object by the release ({{ .Release.Name }}) so that each color has its own, or make it the same in both";
    Refusal::invalid(&object.key, field, problem, remedy)
}
