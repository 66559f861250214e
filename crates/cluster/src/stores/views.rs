//! What is kept of objects that belong to Rollouts: metadata, and of workloads and pods how they are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::core::ObjectMeta;
use teal_api::names::{API_VERSION, annotation, label, manager};
use teal_plan::{Color, ContentHash, Revision, Slot, Time};

use super::cache::{ObjectId, View};
use crate::kinds::Known;

/// An object of a release, or a kept revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectView {
    pub(crate) kind: Known,
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) rollout: String,
    pub(crate) rollout_uid: String,
    pub(crate) color: Option<Color>,
    pub(crate) revision: Option<Revision>,
    pub(crate) hash: Option<ContentHash>,
    /// What Teal wrote last, as a digest.
    pub(crate) content: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) deleting: bool,
    /// Another controller made it from an object of the release and copied its labels, as KEDA does: it is that
    /// controller's to change and goes with what it was made from.
    pub(crate) derived: bool,
    /// It goes with the Rollout that its label names by uid.
    pub(crate) goes_along: bool,
    /// It works by itself in live alone, as it says on it.
    pub(crate) live_only: bool,
    /// A Job that is a gate of a step, and of no release.
    pub(crate) of_step: bool,
    /// A Job that makes no more pods because its spec says so.
    pub(crate) suspended: bool,
    /// It was laid to rest, with a note of what its owner wrote.
    pub(crate) rests: bool,
    /// The fields that Teal's manager for releases owns, as the API server notes them: who else writes one of them
    /// takes it away here, so drift shows without comparing values.
    pub(crate) owned: Option<Box<str>>,
    /// How a workload is.
    pub(crate) state: Option<WorkloadState>,
    /// Whether a Job ended well; nothing while it runs.
    pub(crate) ended: Option<bool>,
    /// A `StatefulSet` or Job that has fewer pods than it should and waits for none that it has. For a moment that is so of each;
    /// where it lasts its controller can't make them, and says why in Events alone: see [`crate::refusals`].
    pub(crate) lacks_pods: bool,
    /// Of a workload at rest: how many pods it had at work.
    pub(crate) awake: Option<u32>,
}

/// How a workload is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkloadState {
    pub(crate) replicas: u32,
    pub(crate) observed: bool,
    pub(crate) updated: u32,
    pub(crate) available: u32,
    /// Why pods can't be made, such as a quota.
    pub(crate) failure: Option<String>,
}

impl WorkloadState {
    /// All replicas that it started with are there, of the newest template, and available. What an autoscaler asks for beyond
    /// that may find no room on the nodes, and no release is worse for it.
    pub(crate) fn is_complete(&self, started_with: u32) -> bool {
        let wanted = self.replicas.min(started_with);
        let awake = started_with == 0 || self.replicas > 0;
        self.observed && awake && self.updated >= wanted && self.available >= wanted
    }
}

impl ObjectView {
    /// From metadata; nothing where it is none of ours.
    pub(crate) fn of(kind: Known, metadata: &ObjectMeta) -> Option<Self> {
        let labels = metadata.labels.as_ref()?;
        let rollout_uid = labels.get(label::ROLLOUT_UID).cloned().unwrap_or_default();
        Some(Self {
            kind,
            id: id_of(metadata),
            uid: metadata.uid.clone().unwrap_or_default(),
            version: version_of(metadata),
            rollout: labels.get(label::ROLLOUT)?.clone(),
            color: labels.get(label::COLOR).and_then(|text| text.parse().ok()),
            revision: labels.get(label::REVISION).and_then(|text| text.parse().ok()),
            hash: note(metadata, annotation::HASH).and_then(|text| text.parse().ok()),
            content: note(metadata, teal_release::names::annotation::CONTENT).map(str::to_owned),
            epoch: epoch_of(metadata, &rollout_uid),
            live_only: is_live_only(kind, metadata),
            of_step: labels.contains_key(label::STEP),
            suspended: false,
            rests: [annotation::OWNER_REPLICAS, annotation::OWNER_SUSPEND]
                .iter()
                .any(|key| note(metadata, key).is_some()),
            goes_along: is_owned_by(metadata, &rollout_uid),
            rollout_uid,
            deleting: metadata.deletion_timestamp.is_some(),
            derived: is_derived(metadata),
            owned: owned(metadata.managed_fields.as_deref().unwrap_or_default()),
            state: None,
            ended: None,
            lacks_pods: false,
            awake: awake(metadata),
        })
    }

    /// The slot it is in, for objects of a color.
    pub(crate) fn slot(&self) -> Option<Slot> {
        Some(Slot { color: self.color?, revision: self.revision? })
    }
}

impl View for ObjectView {
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
        *self == Self { version: self.version, ..other.clone() }
    }
}

/// A pod of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodView {
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    pub(crate) rollout: String,
    pub(crate) color: Option<Color>,
    pub(crate) revision: Option<Revision>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) ready: bool,
    /// Since when it has been ready, or has not, as far as its kubelet says.
    pub(crate) turned: Option<Time>,
    /// While it is being deleted: when the grace that it was given is over.
    pub(crate) terminating: Option<Time>,
    /// It has ended by itself: a pod of a Job.
    pub(crate) ended: bool,
    /// Why it doesn't start, in the kubelet's words.
    pub(crate) trouble: Option<String>,
    /// Whether a container of it runs, whatever becomes of the others.
    pub(crate) runs: bool,
}

impl PodView {
    /// The slot it belongs to.
    pub(crate) fn slot(&self) -> Option<Slot> {
        Some(Slot { color: self.color?, revision: self.revision? })
    }

    /// Whether it has all of these labels.
    pub(crate) fn matches<'a>(&self, mut selector: impl Iterator<Item = (&'a String, &'a String)>) -> bool {
        selector.all(|(key, value)| self.has_label(key, value))
    }

    /// Whether it has this label.
    pub(crate) fn has_label(&self, key: &str, value: &str) -> bool {
        self.labels.iter().any(|(name, found)| name == key && found == value)
    }
}

impl View for PodView {
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
        *self == Self { version: self.version, ..other.clone() }
    }
}

/// A slice of the endpoints of a role Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SliceView {
    pub(crate) id: ObjectId,
    pub(crate) uid: String,
    pub(crate) version: u64,
    /// The Service it belongs to.
    pub(crate) service: String,
    /// The Rollout whose label it inherited.
    pub(crate) rollout: String,
    /// Names of the Service's ports that its pods open; empty for the one without a name.
    pub(crate) ports: Vec<Box<str>>,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Uid of its pod; empty where it is none.
    pub(crate) pod: String,
    /// Its node.
    pub(crate) node: Box<str>,
    /// Takes requests and isn't going away. Never `ready`: a Service that publishes pods that aren't makes it always true.
    pub(crate) serves: bool,
}

impl View for SliceView {
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
        &self.service
    }
    fn same(&self, other: &Self) -> bool {
        *self == Self { version: self.version, ..other.clone() }
    }
}

pub(crate) fn id_of(metadata: &ObjectMeta) -> ObjectId {
    ObjectId {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

/// One object's versions are ordered as numbers; what can't be read is older than anything.
pub(crate) fn version_of(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn note<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Only of what rests: another hand that wakes it may leave the note there, which is of no use any more then.
fn awake(metadata: &ObjectMeta) -> Option<u32> {
    note(metadata, annotation::OWNER_REPLICAS)?;
    note(metadata, annotation::AWAKE_REPLICAS)?.parse().ok()
}

fn epoch_of(metadata: &ObjectMeta, rollout_uid: &str) -> u64 {
    note(metadata, &annotation::epoch(rollout_uid)).map_or(0, read_epoch)
}

/// What is no number reads as 0. Whether it is believed is another question: see [`crate::epochs`].
pub(crate) fn read_epoch(text: &str) -> u64 {
    u64::try_from(teal_traffic::read_epoch(text)).unwrap_or(0)
}

/// What goes with its Rollout names that as an owner, but never as the one that controls it.
fn is_derived(metadata: &ObjectMeta) -> bool {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|owner| owner.controller == Some(true) && owner.api_version != API_VERSION)
}

/// By its fate, as its release gives it.
fn is_live_only(kind: Known, metadata: &ObjectMeta) -> bool {
    let fate = note(metadata, teal_release::names::annotation::FATE);
    match kind.kind {
        "CronJob" => fate.is_none_or(|fate| fate == "LiveOnly"),
        "Deployment" | "StatefulSet" => fate == Some("LiveOnly"),
        _ => false,
    }
}

fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|owner| owner.uid == uid)
}

fn owned(entries: &[ManagedFieldsEntry]) -> Option<Box<str>> {
    let ours = entries.iter().find(|entry| {
        entry.manager.as_deref() == Some(manager::RELEASE)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
    })?;
    Some(ours.fields_v1.as_ref()?.0.to_string().into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_at_work_is_known_of_what_rests() {
        let awake = |annotations: &[(&str, &str)]| {
            let labels = serde_json::json!({label::ROLLOUT: "web"});
            let annotations: serde_json::Map<_, _> =
                annotations.iter().map(|(key, text)| ((*key).to_owned(), (*text).into())).collect();
            let metadata = serde_json::json!({"name": "a", "labels": labels, "annotations": annotations});
            let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
            ObjectView::of(crate::kinds::DEPLOYMENT, &metadata).unwrap().awake
        };
        let (rests, had) = ((annotation::OWNER_REPLICAS, "2"), (annotation::AWAKE_REPLICAS, "20"));
        assert_eq!(awake(&[rests, had]), Some(20));
        assert_eq!(awake(&[had]), None, "it works");
        assert_eq!(awake(&[rests, (had.0, "many")]), None, "another hand's");
    }

    #[test]
    fn rule_6_enough_is_what_a_workload_started_with_or_what_it_has_now_if_that_is_less() {
        let state = |replicas, available| WorkloadState {
            replicas,
            observed: true,
            updated: replicas,
            available,
            failure: None,
        };
        for (started_with, replicas, available, complete) in [
            (3, 3, 3, true),
            (3, 3, 2, false),
            // An autoscaler asks for more than there is room for.
            (3, 12, 10, true),
            (3, 12, 2, false),
            // Made smaller since.
            (3, 2, 2, true),
            // Asleep, on purpose or not yet woken.
            (0, 0, 0, true),
            (3, 0, 0, false),
        ] {
            let seen = state(replicas, available).is_complete(started_with);
            assert_eq!(seen, complete, "{available} of {replicas}, started with {started_with}");
        }
        assert!(!WorkloadState { observed: false, ..state(3, 3) }.is_complete(3));
        assert!(!WorkloadState { updated: 2, ..state(3, 3) }.is_complete(3));
    }
}
