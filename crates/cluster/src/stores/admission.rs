//! Whether the admission policy that proves who decides is in force.
//!
//! It is known by its label, not by its name, which the chart's release decides. A policy without a binding that denies
//! proves nothing, and neither does one of what was made before it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::Value;
use teal_plan::Time;

use super::watch::is_refused;
use super::{Poke, Pokes};
use crate::kinds::Known;

/// The label, and its value, of the policy and its binding.
const LABEL: &str = "teal.dev/policy=decisions";

const fn known(kind: &'static str, plural: &'static str) -> Known {
    Known { group: "admissionregistration.k8s.io", version: "v1", kind, plural, built_in: true }
}

const POLICY: Known = known("ValidatingAdmissionPolicy", "validatingadmissionpolicies");
const BINDING: Known = known("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings");

/// Objects by name.
type Objects = BTreeMap<String, Rule>;

/// None before the first list.
type Listed = Option<Objects>;

/// A policy or a binding.
#[derive(Clone, Debug)]
struct Rule {
    /// When it was made.
    made: Time,
    data: Value,
}

/// What is seen of the policy and its binding.
#[derive(Default)]
pub(crate) struct Admission {
    policies: Mutex<Listed>,
    bindings: Mutex<Listed>,
}

impl Admission {
    /// Whether both first lists are complete: a Decision must not be refused because of half a list.
    pub(crate) fn is_ready(&self) -> bool {
        [&self.policies, &self.bindings].iter().all(|listed| read(listed).is_some())
    }

    /// Since when who decides has been proved: a policy is there, and a binding of it that denies.
    pub(crate) fn proves_decisions_since(&self) -> Option<Time> {
        let (policies, bindings) = (read(&self.policies), read(&self.bindings));
        in_force(&policies.unwrap_or_default(), &bindings.unwrap_or_default())
    }

    /// Follows both kinds until it is dropped.
    pub(crate) async fn follow(&self, client: Client, pokes: &Pokes) {
        let policies = self.follow_one(client.clone(), POLICY, &self.policies, pokes);
        let bindings = self.follow_one(client, BINDING, &self.bindings, pokes);
        futures::future::join(policies, bindings).await;
    }

    async fn follow_one(&self, client: Client, kind: Known, listed: &Mutex<Listed>, pokes: &Pokes) {
        let api: Api<DynamicObject> = Api::all_with(client, &kind.resource());
        let mut events = watcher(api, Config::default().labels(LABEL)).default_backoff().boxed();
        let mut fresh = BTreeMap::new();
        while let Some(event) = events.next().await {
            let before = self.proves_decisions_since();
            match event {
                Ok(Event::Init) => fresh.clear(),
                Ok(Event::InitApply(object)) => put(&mut fresh, object),
                Ok(Event::InitDone) => set(listed, std::mem::take(&mut fresh)),
                Ok(Event::Apply(object)) => change(listed, |known| put(known, object)),
                Ok(Event::Delete(object)) => {
                    change(listed, |known| drop(known.remove(&object.metadata.name.unwrap_or_default())));
                }
                Err(error) => {
                    tracing::warn!(kind = kind.kind, %error, "can't be watched");
                    // What may not be read proves nothing, and must not keep everything else from starting. A server
                    // that is merely away says nothing: a Decision must not be refused because of it.
                    if is_refused(&error) {
                        change(listed, |_| {});
                    }
                }
            }
            if before != self.proves_decisions_since() {
                pokes.poke(Poke::All);
            }
        }
    }
}

/// Each of the two is nothing without the other, and one such pair is enough.
fn in_force(policies: &Objects, bindings: &Objects) -> Option<Time> {
    let pairs = bindings.values().filter_map(|binding| {
        let spec = &binding.data["spec"];
        let actions = spec["validationActions"].as_array();
        actions.filter(|actions| actions.iter().any(|action| action == "Deny"))?;
        let policy = policies.get(spec["policyName"].as_str()?)?;
        Some(policy.made.max(binding.made))
    });
    pairs.min()
}

fn read(listed: &Mutex<Listed>) -> Listed {
    listed.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(listed: &Mutex<Listed>, objects: Objects) {
    *listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(objects);
}

fn change(listed: &Mutex<Listed>, change: impl FnOnce(&mut Objects)) {
    change(listed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
}

fn put(objects: &mut Objects, object: DynamicObject) {
    let DynamicObject { metadata, data, .. } = object;
    // The API server gives each a time. Without one it proves nothing of what there is.
    let made = metadata.creation_timestamp.map_or(Time(i64::MAX), |made| Time(made.0.as_millisecond()));
    objects.insert(metadata.name.unwrap_or_default(), Rule { made, data });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(name: &str, second: i64, data: &Value) -> Objects {
        let made = jiff::Timestamp::from_second(second).unwrap().to_string();
        let mut object = json!({"metadata": {"name": name, "creationTimestamp": made}});
        object["spec"] = data["spec"].clone();
        let mut objects = Objects::new();
        put(&mut objects, serde_json::from_value(object).unwrap());
        objects
    }

    fn binding(policy: &str, second: i64, action: &str) -> Objects {
        one("b", second, &json!({"spec": {"policyName": policy, "validationActions": [action]}}))
    }

    #[test]
    fn a_policy_counts_with_a_binding_that_denies() {
        let policy = one("teal-decisions", 1, &json!({}));
        assert!(in_force(&policy, &binding("teal-decisions", 1, "Deny")).is_some());
        for (policies, bindings) in [
            (policy.clone(), Objects::new()),
            (policy.clone(), binding("teal-decisions", 1, "Audit")),
            (policy.clone(), binding("other", 1, "Deny")),
            (Objects::new(), binding("teal-decisions", 1, "Deny")),
        ] {
            assert_eq!(in_force(&policies, &bindings), None, "{policies:?} {bindings:?}");
        }
    }

    #[test]
    fn a_policy_is_in_force_since_the_later_one_of_it_and_its_binding() {
        let since = |policy, bound| {
            in_force(&one("teal-decisions", policy, &json!({})), &binding("teal-decisions", bound, "Deny"))
        };
        assert_eq!([since(60, 61), since(61, 60)], [Some(Time(61_000)); 2]);
        let (mut policies, mut bindings) =
            (one("teal-decisions", 60, &json!({})), binding("teal-decisions", 60, "Deny"));
        policies.append(&mut one("other", 70, &json!({})));
        let other = json!({"spec": {"policyName": "other", "validationActions": ["Deny"]}});
        bindings.append(&mut one("of-other", 70, &other));
        assert_eq!(in_force(&policies, &bindings), Some(Time(60_000)), "a second one takes nothing away");
    }

    #[test]
    fn it_is_ready_once_both_lists_were_seen() {
        let admission = Admission::default();
        assert!(!admission.is_ready());
        set(&admission.policies, Objects::new());
        assert!(!admission.is_ready());
        set(&admission.bindings, Objects::new());
        assert!(admission.is_ready() && admission.proves_decisions_since().is_none());
    }
}
