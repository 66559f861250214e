//! Rollouts and Decisions as they are kept: a Rollout as text with what it is looked up by, a Decision read.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use teal_api::names::label;
use teal_api::rollout::Route;
use teal_api::{Decision, Rollout, RolloutStatus};
use teal_traffic::RouteSelector;

use super::cache::{ObjectId, View};
use super::member::Member;
use super::objects::slim;
use super::wire::{Whole, Wire, deep_manifest, unread};
use crate::json;
use crate::selector::selector;

/// A Rollout as text: of thousands at rest none is looked at.
#[derive(Clone, Debug)]
pub(crate) struct RolloutView {
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    /// When it was made, as the API writes it, which sorts as it is.
    pub(crate) created: Box<str>,
    /// Counts versions of the spec.
    pub(crate) generation: i64,
    /// Names of its Services and VirtualServices, for looking it up by them.
    pub(crate) services: Vec<String>,
    pub(crate) virtual_services: Vec<String>,
    /// Of each VirtualService the routes that it names; nothing where it takes all http routes that lead to its Services.
    pub(crate) routes: Vec<Option<Vec<RouteSelector>>>,
    /// The groups that it belongs to: by its spec, and by what it began.
    pub(crate) groups: Box<[Box<str>]>,
    /// What other members of these read of it.
    pub(crate) member: Option<Arc<Member>>,
    text: Box<str>,
    /// Why there is no text of it.
    problem: Option<Box<str>>,
}

impl RolloutView {
    /// As a watch brings it; nothing where another operator looks after it.
    pub(super) fn seen(object: Wire<Whole>, instance: &str) -> Option<Self> {
        let Wire { metadata, rest: Whole(read) } = object;
        let problem = match read {
            Ok(value) => return Self::of(value, instance),
            Err(problem) => problem,
        };
        // Whose it is, and which version, can be read of every object.
        let known = json!({"metadata": {
            "name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid,
            "resourceVersion": metadata.resource_version, "generation": metadata.generation,
            "creationTimestamp": metadata.creation_timestamp, "labels": metadata.labels,
        }});
        Some(Self { problem: Some(problem.into()), ..Self::of(known, instance)? })
    }

    /// Nothing where another operator looks after it.
    pub(crate) fn of(mut value: Value, instance: &str) -> Option<Self> {
        let id = json::id(&value)?;
        let found = value.pointer("/metadata/labels").and_then(|labels| labels.get(label::INSTANCE));
        if found.and_then(Value::as_str).unwrap_or_default() != instance {
            return None;
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        slim(&mut value);
        let mut text = value.to_string();
        if let Some(problem) = deep_manifest(&text) {
            value["spec"]["release"] = unread(&problem);
            text = value.to_string();
        }
        let routes = named(&value, "virtualServices");
        let groups = groups(&value);
        let member = if groups.is_empty() { None } else { Member::of(&value).map(Arc::new) };
        Some(Self {
            id,
            uid: json::text(&value, "/metadata/uid").to_owned(),
            version: json::version(&value),
            created: json::text(&value, "/metadata/creationTimestamp").into(),
            generation: value.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default(),
            services: named(&value, "services").into_iter().map(|(name, _)| name.to_owned()).collect(),
            virtual_services: routes.iter().map(|(name, _)| (*name).to_owned()).collect(),
            routes: routes
                .iter()
                .map(|(_, entry)| entry.get("routes").map(|routes| selectors(Some(routes))))
                .collect(),
            groups,
            member,
            problem: None,
            text: text.into(),
        })
    }

    /// The Rollout, or why it can't be read. One that can't never holds up the others. Of a status what can't be read is lost,
    /// which the planner can mend; a spec that can't be read only its author can.
    pub(crate) fn rollout(&self) -> Result<Rollout, String> {
        if let Some(problem) = &self.problem {
            return Err(problem.to_string());
        }
        serde_json::from_str(&self.text).or_else(|error| {
            let mut value: Value = serde_json::from_str(&self.text).unwrap_or_default();
            if let Some(status) = value.get_mut("status") {
                *status = salvaged(status);
            }
            serde_json::from_value(value).map_err(|_| error.to_string())
        })
    }

    /// Whether both name the same traffic.
    pub(super) fn claims_as(&self, other: &Self) -> bool {
        (&self.services, &self.virtual_services) == (&other.services, &other.virtual_services)
    }

    /// The status as it is stored, also where it can't be read: whoever writes it anew must name what is not to stay.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str::<Stored>(&self.text).map(|stored| stored.status).unwrap_or_default()
    }
}

/// What can be read of a status. The schema takes times that no calendar has, and the planner's record is not to be lost for the
/// sake of one that people are shown. What is left speaks of no generation any more, so that it is written anew.
fn salvaged(status: &Value) -> Value {
    let reads = |(name, value): &(&String, &Value)| {
        serde_json::from_value::<RolloutStatus>(json!({name.as_str(): value})).is_ok()
    };
    let fields = status.as_object().into_iter().flatten();
    let mut kept: Map<String, Value> =
        fields.filter(reads).map(|(name, value)| (name.clone(), value.clone())).collect();
    kept.remove("observedGeneration");
    kept.into()
}

/// A Rollout without what else there is of it.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    status: Value,
}

/// What a Rollout's traffic names: first what the rollout under way began with, then what its spec has besides.
fn named<'v>(rollout: &'v Value, list: &str) -> Vec<(&'v str, &'v Value)> {
    let phase = rollout.pointer("/status/commit/phase/name").and_then(Value::as_str);
    let under_way = phase.is_some_and(|phase| ["Step", "Promoting", "Returning"].contains(&phase));
    let began = rollout.pointer("/status/commit/traffic").filter(|_| under_way);
    let both = [began, rollout.pointer("/spec/traffic")].into_iter().flatten();
    let mut found: Vec<(&str, &Value)> = Vec::new();
    for entry in both.flat_map(|traffic| items(traffic.get(list))) {
        let name = entry.get("name").and_then(Value::as_str);
        let new = name.filter(|name| found.iter().all(|(known, _)| known != name));
        found.extend(new.map(|name| (name, entry)));
    }
    found
}

fn groups(rollout: &Value) -> Box<[Box<str>]> {
    let both = ["/spec/group/name", "/status/commit/group/group"].map(|path| json::text(rollout, path));
    let mut found: Vec<Box<str>> = both.into_iter().filter(|name| !name.is_empty()).map(Box::from).collect();
    found.dedup();
    found.into()
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn selectors(list: Option<&Value>) -> Vec<RouteSelector> {
    items(list).filter_map(|item| selector(&serde_json::from_value::<Route>(item.clone()).ok()?)).collect()
}

impl View for RolloutView {
    fn id(&self) -> ObjectId {
        self.id.clone()
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn group(&self) -> &'static str {
        ""
    }
    fn same(&self, _: &Self) -> bool {
        false
    }
}

/// A Decision.
#[derive(Clone, Debug)]
pub(crate) struct DecisionView {
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) created: String,
    pub(crate) decision: Box<Decision>,
    rollout: String,
}

impl DecisionView {
    pub(crate) fn of(mut value: Value) -> Option<Self> {
        let id = json::id(&value)?;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let (uid, version) = (json::text(&value, "/metadata/uid").to_owned(), json::version(&value));
        let created = json::text(&value, "/metadata/creationTimestamp").to_owned();
        let decision: Decision = serde_json::from_value(value).ok()?;
        let rollout = decision.spec.rollout.name.clone();
        Some(Self { id, uid, version, created, decision: Box::new(decision), rollout })
    }

    /// Whether its outcome is written.
    pub(crate) fn is_answered(&self) -> bool {
        self.decision.status.as_ref().is_some_and(|status| !status.conditions.is_empty())
    }
}

impl View for DecisionView {
    fn id(&self) -> ObjectId {
        self.id.clone()
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn group(&self) -> &str {
        &self.rollout
    }
    fn same(&self, other: &Self) -> bool {
        self.uid == other.uid && self.decision.status == other.decision.status
    }
}
