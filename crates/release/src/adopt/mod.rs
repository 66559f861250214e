//! From what runs already to the manifests of a release. Nothing of what runs is changed for it.
//!
//! ```text
//! Deployments, StatefulSets ──► named_by()  what else is to be read
//!         │  with Services, autoscalers, budgets, ConfigMaps, policies of the namespace
//!         ▼
//!      adopted() ──► manifests, of which `render` makes the objects of a color
//!         │ or refusals: object, field, remedy
//!         └──► relabels: the one label by which copies are told from what ran before
//! said_by() ──► who would write a field again ──► what has to change where that one reads it
//! ```
//!
//! The pods of a copy bear another value in one label that the original's selector requires, and its Services', too. So whatever is
//! written for the original, by whomever and at any time, never means a copy: not its Service, its autoscaler, or its budget.

mod around;
mod label;
mod named;
mod original;
mod said;
mod since;

use std::collections::BTreeSet;

use serde_json::Value;

use self::label::Relabeling;
use crate::context::Naming;
use crate::object::{Object, ObjectKey};
use crate::read::scale_target;
use crate::refusal::{Refusal, RefusalReason};
use crate::selector::{Labels, labels, matches, plain_matches};

pub use label::Relabel;
pub use named::{Named, named_by};
pub use said::{Change, changes, said_by};
pub use since::without_new_defaults;

/// What runs, as the server returns it.
#[derive(Clone, Copy, Debug)]
pub struct Originals<'a> {
    /// The workloads that are adopted.
    pub workloads: &'a [ObjectKey],
    /// Names of `spec.traffic.services`.
    pub services: &'a [String],
    /// The namespace.
    pub namespace: &'a str,
    /// Everything of the namespace that may have to do with them: these workloads and all others, Services, autoscalers, budgets,
    /// the ConfigMaps that they name, and what selects pods by their labels.
    pub objects: &'a [Value],
}

/// What becomes of what runs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Adopted {
    /// The release that is made of it, as it would be written in `spec.release.manifests`.
    pub manifests: Vec<Value>,
    /// By which labels copies are told from what runs.
    pub relabels: Vec<Relabel>,
    /// What stays as it is and serves copies as well: Secrets and accounts that they name, budgets that cover them.
    pub beside: Vec<ObjectKey>,
}

/// Makes a release of what runs, or says everything that is in the way.
pub fn adopted(originals: &Originals<'_>) -> Result<Adopted, Vec<Refusal>> {
    let objects: Vec<Object> = originals.objects.iter().filter_map(Object::from_value).collect();
    let mut refusals = Vec::new();
    let workloads = find_all(originals.workloads, &objects, &mut refusals);
    let names: Vec<ObjectKey> =
        originals.services.iter().map(|name| ObjectKey::new("", "Service", name)).collect();
    let services = find_all(&names, &objects, &mut refusals);
    refusals.extend(workloads.iter().flat_map(|workload| original::refusals(workload)));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let cast = Cast { workloads, services, objects: &objects };
    let relabels = cast.relabels()?;
    let relabeling = Relabeling::of(&relabels);
    refusals.extend(cast.forgotten_services());
    refusals.extend(around::left_out(&cast, &relabels));
    let mut adopted = Adopted { relabels, ..Adopted::default() };
    cast.release(&relabeling, &mut adopted, &mut refusals);
    if refusals.is_empty() {
        let manifests = &adopted.manifests;
        refusals = crate::refusals(manifests, originals.services, originals.namespace, &Naming::Behind);
    }
    if refusals.is_empty() { Ok(adopted) } else { Err(refusals) }
}

/// Those of the names that are there; of the others it is said that they aren't.
fn find_all<'a>(names: &[ObjectKey], objects: &'a [Object], refusals: &mut Vec<Refusal>) -> Vec<&'a Object> {
    let mut found = Vec::new();
    for key in names {
        match objects.iter().find(|object| object.key() == *key) {
            Some(object) => found.push(object),
            None if key.kind == "Service" => {
                let refusal = Refusal::invalid(
                    key,
                    "spec.traffic.services",
                    "names a Service that isn't there",
                    "correct the name, or apply the Service: adopting needs the one that leads to these pods now",
                );
                refusals.push(refusal.with_reason(RefusalReason::ServiceNotFound));
            }
            None => refusals.push(Refusal::invalid(
                key,
                "metadata.name",
                "is the name of no workload of this kind",
                "correct kind and name, or apply it: it is read as it is in the cluster",
            )),
        }
    }
    found
}

/// Who takes part.
struct Cast<'a> {
    workloads: Vec<&'a Object>,
    services: Vec<&'a Object>,
    objects: &'a [Object],
}

impl Cast<'_> {
    /// One label for each workload.
    fn relabels(&self) -> Result<Vec<Relabel>, Vec<Refusal>> {
        let (mut relabels, mut refusals) = (Vec::new(), Vec::new());
        for workload in &self.workloads {
            let pods = pod_labels(workload);
            let services: Vec<&Object> =
                self.services.iter().copied().filter(|service| selects(service, &pods)).collect();
            match label::choose(workload, &services, self.objects) {
                Ok(relabel) => relabels.push(relabel),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if refusals.is_empty() { Ok(relabels) } else { Err(refusals) }
    }

    /// Services that lead to the originals alone, for ever: once those rest, their callers would find nobody.
    fn forgotten_services(&self) -> Vec<Refusal> {
        let of_pods =
            |service: &&Object| self.workloads.iter().any(|workload| selects(service, &pod_labels(workload)));
        let is_named = |service: &Object| self.services.iter().any(|named| named.key() == service.key());
        let all = self.objects.iter().filter(|object| object.key().is("", "Service"));
        let others = all.filter(of_pods).filter(|service| !is_named(service));
        let refuse = |service: &Object| {
            Refusal::invalid(
                &service.key(),
                "spec.selector",
                "leads to pods of these workloads, and its callers would find nobody once they rest",
                "add it to spec.traffic.services, or delete it if nobody calls it",
            )
        };
        others.map(refuse).collect()
    }

    fn release(&self, relabeling: &Relabeling, adopted: &mut Adopted, refusals: &mut Vec<Refusal>) {
        for workload in &self.workloads {
            adopted.manifests.push(original::workload(workload, relabeling));
        }
        for service in &self.services {
            adopted.manifests.push(original::service(service, relabeling));
        }
        for object in self.objects {
            if self.scales(object) {
                refusals.extend(original::wakes(object));
                adopted.manifests.push(original::plain(object, relabeling));
            } else if self.guards(object) {
                let copy = original::plain(object, relabeling);
                // One that means other labels covers the copies as well. Pods with two budgets can't be evicted at all.
                if copy["spec"]["selector"] == object.to_value()["spec"]["selector"] {
                    adopted.beside.push(object.key());
                } else {
                    adopted.manifests.push(copy);
                }
            }
        }
        self.config(relabeling, adopted, refusals);
    }

    /// ConfigMaps are copied, so that each revision has its own; what else is named stays for both.
    fn config(&self, relabeling: &Relabeling, adopted: &mut Adopted, refusals: &mut Vec<Refusal>) {
        let mut known = BTreeSet::new();
        for workload in &self.workloads {
            for named in named_by(&workload.to_value()) {
                if !known.insert(named.key.clone()) {
                    continue;
                }
                let there = self.objects.iter().find(|object| object.key() == named.key);
                match (named.key.kind.as_str(), there) {
                    ("ConfigMap", Some(map)) => adopted.manifests.push(original::plain(map, relabeling)),
                    ("ConfigMap", None) if !named.optional => {
                        refusals.push(Refusal::invalid(
                            &workload.key(),
                            named.field,
                            format!("names ConfigMap {}, which isn't there", named.key.name),
                            "apply it, or take the reference out",
                        ));
                    }
                    ("ConfigMap", None) => {}
                    ("PersistentVolumeClaim", _) => {
                        refusals.extend(original::claim(workload, &named, there));
                        adopted.beside.push(named.key);
                    }
                    _ => adopted.beside.push(named.key),
                }
            }
        }
    }

    /// Whether it sizes one of the workloads.
    fn scales(&self, object: &Object) -> bool {
        let kinds = ["HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler"];
        kinds.contains(&object.text("/kind"))
            && scale_target(object)
                .is_some_and(|target| self.workloads.iter().any(|workload| workload.key() == target))
    }

    /// Whether it is a budget for pods of one of the workloads.
    fn guards(&self, object: &Object) -> bool {
        let selector = object.get("/spec/selector").unwrap_or(&Value::Null);
        object.key().is("policy", "PodDisruptionBudget")
            && self.workloads.iter().any(|workload| matches(selector, &pod_labels(workload)))
    }
}

/// Whether a Service as its owner has it leads to pods with these labels.
fn selects(service: &Object, pods: &Labels) -> bool {
    let selector = label::of_owner(service).into_iter();
    let selector = selector.map(|(name, value)| (name, Value::String(value))).collect();
    plain_matches(Some(&Value::Object(selector)), pods)
}

/// The labels of a workload's pods. A `DaemonSet` can't be part of a release, but has pods like others.
fn pod_labels(workload: &Object) -> Labels {
    let of_daemons = workload.get("/spec/template").filter(|_| workload.text("/kind") == "DaemonSet");
    labels(workload.template().or(of_daemons).and_then(|template| template.pointer("/metadata/labels")))
}
