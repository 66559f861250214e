//! What `helm template` prints, read.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::hook::{Hook, HookEvent, Side, Stage};
use super::yaml::{self, Document, Unread};
use crate::ObjectKey;
use crate::object::Object;
use crate::read::is_api_version;
use crate::refusal::Refusal;

/// Objects of one rendering, hooks included. Each is compared with every other later on.
const MOST_OBJECTS: usize = 256;
/// Helm's word for what stays when a release goes.
const KEEP: &str = "helm.sh/resource-policy";

/// The template that an object comes from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Origin {
    /// Which document of the whole text, from 1.
    pub document: usize,
    /// The template by its path in the chart; empty where Helm doesn't say.
    pub template: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.template.as_str() {
            "" => write!(f, "document {}", self.document),
            template => write!(f, "document {} ({template})", self.document),
        }
    }
}

/// One object of a chart.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ChartObject {
    /// As the chart names it.
    pub key: ObjectKey,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether the chart asks that it stays when its release goes.
    pub keep: bool,
    /// As the chart has it.
    pub object: Object,
}

/// A chart rendered for one color.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Rendering {
    /// What stands, in the order in which Helm would make it.
    pub objects: Vec<ChartObject>,
    /// What runs around it, in Helm's order.
    pub hooks: Vec<Hook>,
    /// Definitions of kinds in the chart's folder `crds`: they belong to the cluster, and Teal doesn't apply them.
    pub definitions: Vec<ObjectKey>,
}

impl Rendering {
    /// Reads what `helm template` printed, or says everything that is wrong with it.
    pub fn read(text: &str, namespace: &str) -> Result<Self, Vec<Refusal>> {
        let mut reader = Reader { namespace, rendering: Self::default(), refusals: Vec::new() };
        for document in yaml::documents(text) {
            match document {
                Ok(document) => reader.document(document),
                Err(unread) => reader.refusals.push(unread_document(&unread)),
            }
        }
        reader.finish()
    }

    /// One object by its key.
    pub fn find(&self, key: &ObjectKey) -> Option<&ChartObject> {
        self.objects.iter().find(|object| object.key == *key)
    }

    /// What runs on one side of the objects, in its order.
    pub fn hooks_at(&self, stage: Stage, side: Side) -> impl Iterator<Item = &Hook> {
        let event = stage.event(side);
        self.hooks.iter().filter(move |hook| hook.events.contains(&event))
    }

    /// The chart's tests, in their order.
    pub fn tests(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(|hook| hook.events.contains(&HookEvent::Test))
    }

    /// Hooks for occasions that Teal doesn't have.
    pub fn never_made(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(|hook| hook.is_never_made())
    }
}

struct Reader<'n> {
    namespace: &'n str,
    rendering: Rendering,
    refusals: Vec<Refusal>,
}

impl Reader<'_> {
    fn document(&mut self, document: Document) {
        let origin = Origin { document: document.number, template: document.source };
        match document.value {
            Value::Null => {}
            Value::Object(map) => self.object(Object(map), &origin),
            _ => self.refusals.push(Refusal::invalid(
                &origin,
                "the document",
                "is no map",
                "correct the template: it must make Kubernetes objects",
            )),
        }
    }

    fn object(&mut self, object: Object, origin: &Origin) {
        if let Some(Value::Array(items)) =
            object.get("/items").filter(|_| object.text("/kind").ends_with("List"))
        {
            for (i, item) in items.iter().enumerate() {
                match Object::from_value(item) {
                    Some(item) => self.object(item, origin),
                    None => self.refusals.push(Refusal::invalid(
                        origin,
                        format!("items[{i}]"),
                        "is not an object",
                        "correct the template",
                    )),
                }
            }
            return;
        }
        let hook = Hook::read(&object, origin);
        if matches!(&hook, Some(Ok(hook)) if hook.is_never_made()) {
            self.rendering.hooks.extend(hook.and_then(Result::ok));
        } else if let Err(refusal) = self.checked(&object, origin) {
            self.refusals.push(refusal);
        } else if is_definition(&object, origin) {
            self.rendering.definitions.push(object.key());
        } else {
            match hook {
                Some(Ok(hook)) => self.rendering.hooks.push(hook),
                Some(Err(refusal)) => self.refusals.push(refusal),
                None => self.rendering.objects.push(ChartObject {
                    key: object.key(),
                    origin: origin.clone(),
                    keep: object.annotation(KEEP) == Some("keep"),
                    object,
                }),
            }
        }
    }

    fn checked(&self, object: &Object, origin: &Origin) -> Result<(), Refusal> {
        let key = object.key();
        for (pointer, field) in
            [("/apiVersion", "apiVersion"), ("/kind", "kind"), ("/metadata/name", "metadata.name")]
        {
            if object.text(pointer).is_empty() {
                let remedy = "correct the template, or the values it reads: it must write a text";
                return Err(Refusal::invalid(origin, field, "is missing or no text", remedy));
            }
        }
        let version = object.text("/apiVersion");
        if !is_api_version(version) {
            let problem = format!("is {version:?}, which is no group and version");
            return Err(Refusal::invalid(&key, "apiVersion", problem, "write it like v1 or apps/v1"));
        }
        for map in ["labels", "annotations"] {
            let texts = match object.get(&format!("/metadata/{map}")) {
                None | Some(Value::Null) => true,
                Some(Value::Object(entries)) => entries.values().all(Value::is_string),
                Some(_) => false,
            };
            if !texts {
                let remedy = "write texts: quote numbers, true, false, yes and no";
                return Err(Refusal::invalid(
                    &key,
                    format!("metadata.{map}"),
                    "holds what is no text",
                    remedy,
                ));
            }
        }
        let namespace = object.text("/metadata/namespace");
        if !namespace.is_empty() && namespace != self.namespace {
            return Err(Refusal::invalid(
                &key,
                "metadata.namespace",
                format!(
                    "is {namespace:?}, but a release lives in its Rollout's namespace, {:?}",
                    self.namespace
                ),
                "set the chart's values so that it stays in there, or apply the object beside the Rollout",
            ));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Rendering, Vec<Refusal>> {
        let count = self.rendering.objects.len() + self.rendering.hooks.len();
        if count > MOST_OBJECTS {
            self.refusals.push(chart_refusal(
                format!("makes {count} objects"),
                format!("make at most {MOST_OBJECTS} of one Rollout: give parts of it Rollouts of their own"),
            ));
        } else if self.rendering.objects.is_empty() && self.refusals.is_empty() {
            self.refusals.push(chart_refusal(
                "makes no object".to_owned(),
                "set its values so that it makes a workload and its Service".to_owned(),
            ));
        }
        self.refusals.extend(duplicates(&self.rendering));
        self.rendering.hooks.sort_by(|one, other| one.place().cmp(&other.place()));
        if self.refusals.is_empty() { Ok(self.rendering) } else { Err(self.refusals) }
    }
}

/// Wrong with the chart as a whole.
fn chart_refusal(problem: String, remedy: String) -> Refusal {
    Refusal::invalid(&"Chart", "spec.release.chart", problem, remedy)
}

fn unread_document(unread: &Unread) -> Refusal {
    let origin = Origin { document: unread.number, template: unread.source.clone() };
    Refusal::invalid(
        &origin,
        format!("line {}", unread.fault.line),
        unread.fault.problem.clone(),
        "correct the template, or the values it reads; `helm template` shows what it makes of them",
    )
}

/// A chart's folder `crds` stands for kinds of the cluster, and so does Helm treat it.
fn is_definition(object: &Object, origin: &Origin) -> bool {
    let folder = origin.template.rsplit_once('/').map_or("", |(folder, _)| folder);
    object.key().is("apiextensions.k8s.io", "CustomResourceDefinition")
        && folder.split('/').any(|part| part == "crds")
        && !folder.split('/').any(|part| part == "templates")
}

fn duplicates(rendering: &Rendering) -> Vec<Refusal> {
    let objects = rendering.objects.iter().map(|object| (&object.key, &object.origin));
    let hooks = rendering.hooks.iter().filter(|hook| !hook.is_never_made());
    let hooks = hooks.map(|hook| (&hook.key, &hook.origin));
    let mut found = twice(objects);
    found.extend(twice(hooks));
    found
}

fn twice<'r>(named: impl Iterator<Item = (&'r ObjectKey, &'r Origin)>) -> Vec<Refusal> {
    let mut seen: BTreeMap<&ObjectKey, &Origin> = BTreeMap::new();
    let mut refusals = Vec::new();
    for (key, origin) in named {
        if let Some(first) = seen.insert(key, origin) {
            let problem = format!("is made by {first} and again by {origin}");
            let remedy = "give one of the two another name";
            refusals.push(Refusal::invalid(key, "metadata.name", problem, remedy));
        }
    }
    refusals
}
