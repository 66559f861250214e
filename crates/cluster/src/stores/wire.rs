//! Objects as they come, so that one that can't be read never keeps the others of its list away: kube reads a page of a
//! list as a whole, and starts no watch before every page was read. What whoever may write one object can make unreadable
//! (manifests nested deeper than a parser goes, a time of another manager that no calendar has) is therefore kept as text
//! until its object is known by name, and then counts for that object alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// An object of a list or watch. Reading it never fails.
#[derive(Clone, Debug)]
pub(crate) struct Wire<T> {
    pub(super) metadata: ObjectMeta,
    pub(super) rest: T,
}

/// What is read of an object beside its metadata.
pub(crate) trait Rest: Clone + Debug + Send + 'static {
    /// Nothing is, so the API server need not send it.
    const METADATA_ALONE: bool = false;

    /// From the text of the whole object.
    fn read(text: &str) -> Self;
}

/// Metadata alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nothing;

impl Rest for Nothing {
    const METADATA_ALONE: bool = true;

    fn read(_: &str) -> Self {
        Self
    }
}

/// The whole object, or why it can't be read.
#[derive(Clone, Debug)]
pub(crate) struct Whole(pub(super) Result<Value, String>);

impl Rest for Whole {
    fn read(text: &str) -> Self {
        Self(value(text))
    }
}

impl Wire<Whole> {
    /// The object. One that can't be read is told of in the log and counts as absent.
    pub(super) fn value(self, kind: &str) -> Option<Value> {
        let Self { metadata, rest: Whole(read) } = self;
        let told = |problem: &String| {
            let object = super::views::id_of(&metadata);
            tracing::warn!(kind, %object, problem, "an object can't be read and counts as absent");
        };
        read.inspect_err(told).ok()
    }
}

impl<T: Rest> Wire<T> {
    /// From the text of an object.
    pub(super) fn of(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow)]
            metadata: Option<&'a RawValue>,
        }
        let outer = serde_json::from_str::<Outer<'_>>(text).ok();
        let metadata = outer.and_then(|outer| outer.metadata).map(|text| metadata(text.get()));
        Self { metadata: metadata.unwrap_or_default(), rest: T::read(text) }
    }
}

impl<'de, T: Rest> Deserialize<'de> for Wire<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

impl<T: Rest> Resource for Wire<T> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn metadata_api() -> bool {
        T::METADATA_ALONE
    }
    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Fields by name, each as its text.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn read<T: DeserializeOwned>(fields: &Fields<'_>, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// Metadata, without those of its fields that can't be read.
pub(super) fn metadata(text: &str) -> ObjectMeta {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let fields: Fields<'_> = serde_json::from_str(text).unwrap_or_default();
        ObjectMeta {
            annotations: read(&fields, "annotations"),
            creation_timestamp: read(&fields, "creationTimestamp"),
            deletion_grace_period_seconds: read(&fields, "deletionGracePeriodSeconds"),
            deletion_timestamp: deletion(&fields),
            finalizers: read(&fields, "finalizers"),
            generate_name: read(&fields, "generateName"),
            generation: read(&fields, "generation"),
            labels: read(&fields, "labels"),
            managed_fields: managed(&fields),
            name: read(&fields, "name"),
            namespace: read(&fields, "namespace"),
            owner_references: read(&fields, "ownerReferences"),
            resource_version: read(&fields, "resourceVersion"),
            self_link: None,
            uid: read(&fields, "uid"),
        }
    })
}

/// That it is being deleted matters also where it can't be read by when: its time is over then.
fn deletion(fields: &Fields<'_>) -> Option<Time> {
    let there = fields.get("deletionTimestamp").is_some_and(|text| text.get() != "null");
    there.then(|| read(fields, "deletionTimestamp").unwrap_or(Time(jiff::Timestamp::UNIX_EPOCH)))
}

fn managed(fields: &Fields<'_>) -> Option<Vec<ManagedFieldsEntry>> {
    let entries: Vec<&RawValue> = serde_json::from_str(fields.get("managedFields")?.get()).ok()?;
    Some(entries.into_iter().map(|text| entry(text.get())).collect())
}

/// Who manages fields is kept even where it can't be read when, or which.
fn entry(text: &str) -> ManagedFieldsEntry {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let fields: Fields<'_> = serde_json::from_str(text).unwrap_or_default();
        ManagedFieldsEntry {
            api_version: read(&fields, "apiVersion"),
            fields_type: read(&fields, "fieldsType"),
            fields_v1: read(&fields, "fieldsV1"),
            manager: read(&fields, "manager"),
            operation: read(&fields, "operation"),
            subresource: read(&fields, "subresource"),
            time: read(&fields, "time"),
        }
    })
}

/// An object as JSON. A status that can't be read is left out, and so is what can't be read of its metadata: neither is
/// its author's to mend. In a release that can't be read stands why. Of anything else it is said what it is.
pub(crate) fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).or_else(|_| {
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut object = Map::new();
        for (name, part) in fields {
            let part = part.get();
            match serde_json::from_str::<Value>(part) {
                Ok(value) => drop(object.insert(name, value)),
                Err(_) if name == "metadata" => {
                    let readable = serde_json::to_value(metadata(part)).map_err(|error| error.to_string())?;
                    object.insert(name, readable);
                }
                Err(_) if name == "status" => {}
                Err(error) => match deep_manifest(text).filter(|_| name == "spec") {
                    Some(problem) => drop(object.insert(name, without_release(part, &problem)?)),
                    None => return Err(format!("{name}: {error}")),
                },
            }
        }
        Ok(Value::Object(object))
    })
}

/// The spec of a Rollout, with what is wrong with its release in the place of it: all else of it holds.
fn without_release(spec: &str, problem: &str) -> Result<Value, String> {
    let fields: Fields<'_> = serde_json::from_str(spec).map_err(|error| error.to_string())?;
    let part = |(name, part): (String, &RawValue)| {
        let value = match name.as_str() {
            "release" => unread(problem),
            _ => serde_json::from_str(part.get()).map_err(|error| format!("spec.{name}: {error}"))?,
        };
        Ok((name, value))
    };
    fields.into_iter().map(part).collect::<Result<Map<_, _>, String>>().map(Value::Object)
}

/// What stands in the place of a release that can't be read.
pub(super) fn unread(problem: &str) -> Value {
    json!({UNREAD: problem})
}

/// Why a release could not be read.
pub(crate) fn why_unread(release: &Value) -> Option<&str> {
    release.get(UNREAD)?.as_str()
}

/// Whoever writes it himself is told what he wrote.
const UNREAD: &str = "$unread";

/// The version of the object of this text, whatever else can be read of it.
pub(crate) fn version_in(text: &str) -> u64 {
    super::views::version_of(&Wire::<Nothing>::of(text).metadata)
}

/// How deep a manifest may be. The parser goes to 128 and some levels are put around it where a revision is kept.
const DEEPEST: usize = 100;

/// The first manifest of a Rollout that is nested deeper than can be worked with, in words.
pub(super) fn deep_manifest(rollout: &str) -> Option<String> {
    if depth(rollout) <= DEEPEST {
        return None;
    }
    let fields = |text| serde_json::from_str::<Fields<'_>>(text).ok();
    let spec = fields(rollout)?.get("spec")?.get();
    let release = fields(spec)?.get("release")?.get();
    let manifests: Vec<&RawValue> = serde_json::from_str(fields(release)?.get("manifests")?.get()).ok()?;
    manifests.into_iter().enumerate().find_map(|(index, manifest)| {
        let levels = depth(manifest.get());
        (levels > DEEPEST).then(|| {
            let Wire { metadata, rest: Nothing } = Wire::of(manifest.get());
            let kind: Option<String> = read(&fields(manifest.get()).unwrap_or_default(), "kind");
            let named = format!("{} {}", kind.unwrap_or_default(), metadata.name.unwrap_or_default());
            format!(
                "spec.release.manifests[{index}] ({}) is nested {levels} levels deep, and no more than {DEEPEST} can be \
                 used: make it flatter",
                named.trim()
            )
        })
    })
}

/// How deep lists and maps are nested in a JSON text.
fn depth(text: &str) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use teal_api::names::manager;

    use super::super::objects::JsonView;
    use super::super::rollouts::RolloutView;
    use super::super::shapes::Pod;
    use super::super::views::ObjectView;
    use super::*;
    use crate::kinds;

    /// A list as the API server writes it, of these texts.
    fn list<K: Clone + DeserializeOwned>(items: &[String]) -> Vec<K> {
        let text = format!(
            r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"9"}},"items":[{}]}}"#,
            items.join(",")
        );
        serde_json::from_str::<ObjectList<K>>(&text).expect("a list").items
    }

    fn rollout(name: &str, data: &str) -> String {
        format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"{name}-1","resourceVersion":"7","generation":3}},"spec":{{"release":{{"manifests":[{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"settings"}},"data":{data}}}]}},"traffic":{{"services":[{{"name":"{name}"}}]}}}}}}"#
        )
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
    }

    fn service(name: &str, time: &str) -> String {
        json!({"metadata": {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": "8",
            "labels": {"teal.dev/rollout": "web"},
            "managedFields": [
                {"manager": manager::RELEASE, "operation": "Apply", "fieldsV1": {"f:spec": {}}, "time": time},
                {"manager": "other", "operation": "Update", "time": "2026-01-01T00:00:00Z"}]},
            "spec": {"selector": {"app": name}}})
        .to_string()
    }

    #[test]
    fn a_rollout_that_is_nested_too_deep_leaves_its_neighbors_alone_and_says_which_manifest_it_is() {
        for levels in [110, 130, 9_000] {
            let found: Vec<Wire<Whole>> =
                list(&[rollout("web", "{}"), rollout("deep", &nested(levels)), rollout("zoo", "{}")]);
            let views: Vec<RolloutView> =
                found.into_iter().filter_map(|object| RolloutView::seen(object, "")).collect();
            let [web, deep, zoo] = views.as_slice() else { panic!("{} of 3", views.len()) };
            assert!(web.rollout().is_ok() && zoo.rollout().is_ok());
            assert_eq!((&*deep.uid, deep.version, deep.generation), ("deep-1", 7, 3));
            let rollout = deep.rollout().expect("all but its release holds");
            assert_eq!(rollout.spec.traffic.services.len(), 1);
            let problem = why_unread(rollout.spec.release.raw()).expect("what is wrong");
            let said = format!(
                "spec.release.manifests[0] (ConfigMap settings) is nested {} levels deep, and no more than 100 can be used: make it flatter",
                levels + 1
            );
            assert_eq!(problem, said);
        }
    }

    #[test]
    fn a_time_that_no_calendar_has_leaves_its_neighbors_alone_and_its_object_known() {
        let last = "9999-12-31T23:59:59Z";
        let items = [service("odd", last), service("web", "2026-01-01T00:00:00Z")];
        let services = list::<Wire<Whole>>(&items).into_iter().filter_map(|object| object.value("Service"));
        let views: Vec<JsonView> =
            services.filter_map(|value| JsonView::of(value, "v1", "Service")).collect();
        assert_eq!(views.len(), 2);
        assert!(views.iter().all(|view| view.selector().count() == 1));
        let objects = list::<Wire<Nothing>>(&items);
        let owned = |object: &Wire<Nothing>| {
            ObjectView::of(kinds::DEPLOYMENT, &object.metadata).and_then(|view| view.owned)
        };
        assert!(owned(&objects[0]).is_some(), "what Teal manages is known without the time");
        assert_eq!(owned(&objects[0]), owned(&objects[1]));
        assert_eq!(list::<Pod>(&items).len(), 2);
    }

    #[test]
    fn a_line_of_a_watch_is_read_the_same_way() {
        let line = format!(r#"{{"type":"ADDED","object":{}}}"#, rollout("deep", &nested(300)));
        let event: WatchEvent<Wire<Whole>> = serde_json::from_str(&line).expect("an event");
        let WatchEvent::Added(object) = event else { panic!("{event:?}") };
        let view = RolloutView::seen(object, "").expect("a view");
        assert!(why_unread(view.rollout().expect("a Rollout").spec.release.raw()).is_some());
    }

    #[test]
    fn who_is_being_deleted_is_so_whenever_that_was() {
        let of = |time: &str| metadata(&format!(r#"{{"name":"a","deletionTimestamp":{time}}}"#));
        for time in [r#""9999-12-31T23:59:59Z""#, r#""2026-01-01T00:00:00Z""#] {
            assert!(of(time).deletion_timestamp.is_some(), "{time}");
        }
        assert!(of("null").deletion_timestamp.is_none());
    }

    #[test]
    fn a_status_that_is_nested_too_deep_is_lost_and_nothing_else() {
        let text = format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"b":1}},"status":{}}}"#, nested(200));
        assert_eq!(value(&text), Ok(json!({"metadata": {"name": "a"}, "spec": {"b": 1}})));
        assert_eq!(depth(r#"{"a":"[[\"{","b":[{}]}"#), 3);
    }
}
