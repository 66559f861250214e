//! The one label by which copies are told from what ran before.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::pod_labels;
use crate::names::{annotation, label};
use crate::object::{Object, ObjectKey, list_mut};
use crate::refusal::Refusal;
use crate::selector::{Labels, labels};
use crate::visit::selectors;

/// What is put behind a label's value.
const SUFFIX: &str = "-teal";
/// What a label's value may have.
const LONGEST_VALUE: usize = 63;
/// Labels by which dashboards and Istio's telemetry know an application: only where no other tells its pods.
const NAMES: [&str; 3] = ["app.kubernetes.io/name", "app", "k8s-app"];

/// A label that the pods of a workload bear with another value in its copies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relabel {
    /// The workload.
    pub workload: ObjectKey,
    /// The label.
    pub key: String,
    /// Its value on the original's pods.
    pub from: String,
    /// Its value on pods of copies.
    pub to: String,
}

/// Chooses it: one that the workload's selector requires and all Services that lead to its pods, and that no other workload's pods bear.
pub(super) fn choose(workload: &Object, services: &[&Object], all: &[Object]) -> Result<Relabel, Refusal> {
    let required = labels(workload.get("/spec/selector/matchLabels"));
    let of_all: Vec<(&String, &String)> = required
        .iter()
        .filter(|(name, value)| services.iter().all(|service| of_owner(service).get(*name) == Some(value)))
        .collect();
    if of_all.is_empty() {
        return Err(no_common(workload, services));
    }
    let others: Vec<(ObjectKey, Labels)> = all
        .iter()
        .filter(|other| other.key() != workload.key() && !is_copy(other))
        .map(|other| (other.key(), pod_labels(other)))
        .collect();
    let bearer = |name: &str, value: &str| {
        others.iter().find(|(_, pods)| pods.get(name).is_some_and(|has| has == value)).map(|(key, _)| key)
    };
    let mut own: Vec<(&String, &String)> =
        of_all.iter().copied().filter(|(name, value)| bearer(name, value).is_none()).collect();
    own.sort_by_key(|(name, _)| (NAMES.contains(&name.as_str()), (*name).clone()));
    let Some((name, value)) = own.first() else {
        let other = of_all.iter().find_map(|(name, value)| bearer(name, value));
        return Err(shared(workload, other));
    };
    let to = copied(value);
    if let Some(other) = bearer(name, &to) {
        let problem = format!("can't be told from {other}, whose pods have {name}: {to} already");
        let remedy = "give those pods another value: copies would have this one";
        return Err(Refusal::invalid(&workload.key(), "spec.selector", problem, remedy));
    }
    Ok(Relabel { workload: workload.key(), key: (*name).clone(), from: (*value).clone(), to })
}

/// What was made of a release bears its labels.
pub(super) fn is_copy(object: &Object) -> bool {
    object.label(label::ROLLOUT).is_some()
}

fn no_common(workload: &Object, services: &[&Object]) -> Refusal {
    let names: Vec<String> = services.iter().map(|service| service.key().to_string()).collect();
    let problem = if names.is_empty() {
        "requires no label by matchLabels, so that copies can't be told from what runs".to_owned()
    } else {
        format!(
            "requires no label that {} requires, too, so that copies can't be told from what runs for both",
            names.join(" and ")
        )
    };
    let remedy = "adopt it by its manifests (docs/adopting.md), with labels of their own";
    Refusal::invalid(&workload.key(), "spec.selector.matchLabels", problem, remedy)
}

fn shared(workload: &Object, other: Option<&ObjectKey>) -> Refusal {
    let other = other.map_or_else(|| "others".to_owned(), ToString::to_string);
    let problem = format!("requires no label that tells its pods from those of {other}");
    let remedy = "adopt it by its manifests (docs/adopting.md), with a label that no other workload has";
    Refusal::invalid(&workload.key(), "spec.selector.matchLabels", problem, remedy)
}

/// The value that copies have. A long one is cut, since labels have an end.
fn copied(value: &str) -> String {
    let room = LONGEST_VALUE - SUFFIX.len();
    let cut: String = value.chars().take(room).collect();
    format!("{}{SUFFIX}", cut.trim_end_matches(['-', '_', '.']))
}

/// What a Service selects by its owner's will: as it was noted when it was turned, or as it stands.
pub(super) fn of_owner(service: &Object) -> Labels {
    let noted = service.annotation(annotation::ADOPTED_SELECTOR);
    if let Some(noted) = noted.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        return labels(Some(&noted));
    }
    let mut selector = labels(service.get("/spec/selector"));
    selector.retain(|name, _| !name.starts_with(label::PREFIX));
    selector
}

/// All labels that change, whatever the workload: what selects pods of several means the copies of all of them.
pub(super) struct Relabeling(BTreeMap<(String, String), String>);

impl Relabeling {
    pub(super) fn of(relabels: &[Relabel]) -> Self {
        Self(relabels.iter().map(|it| ((it.key.clone(), it.from.clone()), it.to.clone())).collect())
    }

    fn to(&self, name: &str, value: &str) -> Option<&String> {
        self.0.get(&(name.to_owned(), value.to_owned()))
    }

    /// Labels of pods, or a selector that is written like them.
    pub(super) fn plain(&self, map: &mut Map<String, Value>) {
        for (name, value) in map.iter_mut() {
            if let Some(to) = value.as_str().and_then(|value| self.to(name, value)) {
                *value = to.as_str().into();
            }
        }
    }

    /// A label selector.
    pub(super) fn selector(&self, selector: &mut Value) {
        if let Some(plain) = selector.get_mut("matchLabels").and_then(Value::as_object_mut) {
            self.plain(plain);
        }
        for expression in list_mut(selector, "/matchExpressions") {
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            for value in list_mut(expression, "/values") {
                if let Some(to) = value.as_str().and_then(|value| self.to(&key, value)) {
                    *value = to.as_str().into();
                }
            }
        }
    }

    /// Every selector over pods in an object, and the labels of its pods.
    pub(super) fn object(&self, object: &mut Object) {
        selectors(object, &mut |_, selector| self.selector(selector));
        let own = matches!(object.text("/kind"), "Deployment" | "StatefulSet");
        if let Some(selector) = object.get_mut("/spec/selector").filter(|_| own) {
            self.selector(selector);
        }
        let template = object.template_mut().and_then(|template| template.get_mut("metadata"));
        let pods = template.and_then(|metadata| metadata.get_mut("labels")).and_then(Value::as_object_mut);
        if let Some(pods) = pods {
            let canonical = canonical_name(pods);
            self.plain(pods);
            if canonical != canonical_name(pods)
                && let Some(name) = canonical
            {
                pods.insert(label::CANONICAL_NAME.to_owned(), name.into());
            }
        }
    }
}

/// How Istio's telemetry calls what pods are, as far as their labels say so.
fn canonical_name(pods: &Map<String, Value>) -> Option<String> {
    let by = [label::CANONICAL_NAME, "app.kubernetes.io/name", "app"];
    by.iter().find_map(|name| pods.get(*name)?.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_to_what_a_label_may_have() {
        assert_eq!(copied("web"), "web-teal");
        let long = copied(&format!("{}.-_{}", "a".repeat(55), "b".repeat(20)));
        assert_eq!(long, format!("{}-teal", "a".repeat(55)), "a label's value ends in a letter");
        assert!(copied(&"a".repeat(63)).len() <= LONGEST_VALUE);
    }
}
