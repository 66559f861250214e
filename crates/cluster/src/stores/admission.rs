//! Whether the admission policy that proves who decides is in force.
//!
//! It is known by its label, not by its name, which the chart's release decides. A policy without a binding that denies
//! proves nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::Value;

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

/// Objects by name; none before the first list.
type Listed = Option<BTreeMap<String, Value>>;

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

    /// Whether who decides is proved: a policy is there, and a binding of it that denies.
    pub(crate) fn proves_decisions(&self) -> bool {
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
            let before = self.proves_decisions();
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
            if before != self.proves_decisions() {
                pokes.poke(Poke::All);
            }
        }
    }
}

fn in_force(policies: &BTreeMap<String, Value>, bindings: &BTreeMap<String, Value>) -> bool {
    bindings.values().any(|binding| {
        let spec = &binding["spec"];
        let denies =
            spec["validationActions"].as_array().is_some_and(|actions| actions.iter().any(|a| a == "Deny"));
        denies && spec["policyName"].as_str().is_some_and(|name| policies.contains_key(name))
    })
}

fn read(listed: &Mutex<Listed>) -> Listed {
    listed.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(listed: &Mutex<Listed>, objects: BTreeMap<String, Value>) {
    *listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(objects);
}

fn change(listed: &Mutex<Listed>, change: impl FnOnce(&mut BTreeMap<String, Value>)) {
    change(listed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
}

fn put(objects: &mut BTreeMap<String, Value>, object: DynamicObject) {
    objects.insert(object.metadata.name.unwrap_or_default(), object.data);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(name: &str, data: Value) -> BTreeMap<String, Value> {
        BTreeMap::from([(name.to_owned(), data)])
    }

    fn binding(policy: &str, action: &str) -> BTreeMap<String, Value> {
        one("b", json!({"spec": {"policyName": policy, "validationActions": [action]}}))
    }

    #[test]
    fn a_policy_counts_with_a_binding_that_denies() {
        let policy = one("teal-decisions", json!({}));
        assert!(in_force(&policy, &binding("teal-decisions", "Deny")));
        for (policies, bindings) in [
            (policy.clone(), BTreeMap::new()),
            (policy.clone(), binding("teal-decisions", "Audit")),
            (policy.clone(), binding("other", "Deny")),
            (BTreeMap::new(), binding("teal-decisions", "Deny")),
        ] {
            assert!(!in_force(&policies, &bindings), "{policies:?} {bindings:?}");
        }
    }

    #[test]
    fn it_is_ready_once_both_lists_were_seen() {
        let admission = Admission::default();
        assert!(!admission.is_ready());
        set(&admission.policies, BTreeMap::new());
        assert!(!admission.is_ready());
        set(&admission.bindings, BTreeMap::new());
        assert!(admission.is_ready() && !admission.proves_decisions());
    }
}
