//! Objects as they are read from the wire: only the fields that are looked at, so that templates and specs of pods are
//! never kept, not even for a moment.

use std::fmt::Debug;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::views::{Endpoint, ObjectView, PodView, SliceView, WorkloadState, id_of, version_of};
use super::wire::{Rest, Wire};
use crate::kinds::{self, Known};
use teal_api::names::label;
use teal_plan::Time;

/// An object of which spec, status and endpoints are read as far as the types go. Not flattened: that would keep
/// everything for a moment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(
    deserialize = "Spec: Default + Deserialize<'de>, Status: Default + Deserialize<'de>, Endpoints: Default + Deserialize<'de>"
))]
pub(crate) struct Shape<Spec, Status, Endpoints> {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    endpoints: Endpoints,
    #[serde(default)]
    ports: Option<Vec<SlicePort>>,
}

/// A Deployment or `StatefulSet`.
pub(crate) type Workload = Wire<Shape<WorkloadSpec, WorkloadStatus, IgnoredAny>>;
/// A Job.
pub(crate) type Job = Wire<Shape<JobSpec, JobStatus, IgnoredAny>>;
/// A pod.
pub(crate) type Pod = Wire<Shape<IgnoredAny, PodStatus, IgnoredAny>>;
/// An `EndpointSlice`.
pub(crate) type Slice = Wire<Shape<IgnoredAny, IgnoredAny, Option<Vec<SliceEndpoint>>>>;

/// What is looked at in one of these kinds.
trait Part: Clone + Debug + Default + DeserializeOwned + Send + 'static {}

impl<T: Clone + Debug + Default + DeserializeOwned + Send + 'static> Part for T {}

impl<Spec: Part, Status: Part, Endpoints: Part> Rest for Shape<Spec, Status, Endpoints> {
    /// What can't be read is as if it had not begun: not ready, and nobody behind it.
    fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// Of a Deployment or `StatefulSet`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WorkloadSpec {
    replicas: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct WorkloadStatus {
    observed_generation: i64,
    replicas: u32,
    updated_replicas: u32,
    available_replicas: u32,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    #[serde(rename = "lastTransitionTime")]
    turned: Option<String>,
}

impl Workload {
    pub(crate) fn view(self, kind: Known) -> Option<ObjectView> {
        let view = ObjectView::of(kind, &self.metadata)?;
        let Shape { spec, status, .. } = self.rest;
        let wanted = spec.replicas.unwrap_or(1);
        // One that is there and not available yet is what the next one waits for.
        let lacks = status.replicas < wanted && status.available_replicas >= status.replicas;
        let failure =
            status.conditions.into_iter().find(|c| c.kind == "ReplicaFailure" && c.status == "True");
        let state = WorkloadState {
            replicas: wanted,
            observed: status.observed_generation >= self.metadata.generation.unwrap_or(0),
            updated: status.updated_replicas,
            available: status.available_replicas,
            failure: failure.map(|condition| condition.message),
        };
        let lacks_pods = kind == kinds::STATEFUL_SET && lacks && !view.deleting;
        Some(ObjectView { state: Some(state), lacks_pods, ..view })
    }
}

/// Of a Job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobSpec {
    parallelism: Option<u32>,
    suspend: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobStatus {
    conditions: Vec<Condition>,
    active: Option<u32>,
    terminating: Option<u32>,
}

impl Job {
    pub(crate) fn view(self, kind: Known) -> Option<ObjectView> {
        let view = ObjectView::of(kind, &self.metadata)?;
        let is =
            |kind: &str| self.rest.status.conditions.iter().any(|c| c.kind == kind && c.status == "True");
        let ended = match (is("Complete"), is("Failed")) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let Shape { spec, status, .. } = self.rest;
        let should_have = ended.is_none() && spec.parallelism != Some(0) && spec.suspend != Some(true);
        let has_none = [status.active, status.terminating].iter().all(|count| count.unwrap_or(0) == 0);
        let lacks_pods = should_have && has_none && !view.deleting;
        let suspended = spec.suspend == Some(true);
        Some(ObjectView { suspended, ended, lacks_pods, ..view })
    }
}

/// Of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodStatus {
    phase: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    running: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

/// Reasons that don't mend themselves in the usual course of starting.
const TROUBLES: [&str; 8] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

impl Pod {
    pub(crate) fn view(self) -> Option<PodView> {
        let labels = self.metadata.labels.clone()?;
        let status = self.rest.status;
        Some(PodView {
            id: id_of(&self.metadata),
            uid: self.metadata.uid.clone().unwrap_or_default(),
            version: version_of(&self.metadata),
            rollout: labels.get(label::ROLLOUT)?.clone(),
            color: labels.get(label::COLOR).and_then(|text| text.parse().ok()),
            revision: labels.get(label::REVISION).and_then(|text| text.parse().ok()),
            labels: labels.into_iter().collect(),
            ready: status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True"),
            turned: status.turned(),
            terminating: self.metadata.deletion_timestamp.as_ref().map(|at| Time(at.0.as_millisecond())),
            ended: matches!(status.phase.as_str(), "Succeeded" | "Failed"),
            trouble: status.trouble(),
            runs: status.container_statuses.iter().any(|container| container.state.running.is_some()),
        })
    }
}

impl PodStatus {
    /// When its readiness last changed. The kubelet cuts that to whole seconds, so it was up to one later.
    fn turned(&self) -> Option<Time> {
        let ready = self.conditions.iter().find(|condition| condition.kind == "Ready")?;
        let at: jiff::Timestamp = ready.turned.as_deref()?.parse().ok()?;
        Some(Time(at.as_millisecond().saturating_add(999)))
    }

    fn trouble(&self) -> Option<String> {
        self.container_trouble().or_else(|| self.placeless())
    }

    /// Without a node. For a moment that is so of every pod; the scheduler has looked only where it says that it found none.
    fn placeless(&self) -> Option<String> {
        let mut conditions = self.conditions.iter();
        let found = conditions
            .find(|c| c.kind == "PodScheduled" && c.status == "False" && c.reason == "Unschedulable")?;
        let said = if found.message.is_empty() { String::new() } else { format!(" ({})", found.message) };
        Some(format!("no node can take it{said}"))
    }

    fn container_trouble(&self) -> Option<String> {
        let waiting = self
            .init_container_statuses
            .iter()
            .chain(&self.container_statuses)
            .filter_map(|container| Some((container, container.state.waiting.as_ref()?)));
        let (container, waiting) =
            waiting.into_iter().find(|(_, waiting)| TROUBLES.contains(&waiting.reason.as_str()))?;
        let Waiting { reason, message } = waiting;
        let said = if message.is_empty() { String::new() } else { format!(" ({message})") };
        Some(format!("container {} is in {reason}{said}", container.name))
    }
}

/// Of an `EndpointSlice`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SliceEndpoint {
    conditions: EndpointConditions,
    target_ref: Option<TargetRef>,
    node_name: String,
}

/// A port that all pods of a slice open.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct SlicePort {
    name: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TargetRef {
    uid: String,
}

impl Slice {
    pub(crate) fn view(self) -> Option<SliceView> {
        let labels = self.metadata.labels.as_ref()?;
        let endpoints = self.rest.endpoints.unwrap_or_default();
        let ports = self.rest.ports.unwrap_or_default();
        Some(SliceView {
            id: id_of(&self.metadata),
            uid: self.metadata.uid.clone().unwrap_or_default(),
            version: version_of(&self.metadata),
            service: labels.get("kubernetes.io/service-name")?.clone(),
            rollout: labels.get(label::ROLLOUT).cloned().unwrap_or_default(),
            ports: ports.into_iter().map(|port| port.name.unwrap_or_default()).collect(),
            endpoints: endpoints.into_iter().map(SliceEndpoint::read).collect(),
        })
    }
}

impl SliceEndpoint {
    fn read(self) -> Endpoint {
        let EndpointConditions { ready, serving, terminating } = self.conditions;
        // Where `serving` is left out, `ready` stands for it.
        let serves = serving.or(ready).unwrap_or(true) && !terminating.unwrap_or(false);
        let pod = self.target_ref.map(|target| target.uid).unwrap_or_default();
        Endpoint { pod, node: self.node_name.into(), serves }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn trouble(status: &Value) -> Option<String> {
        let labels = json!({label::ROLLOUT: "web", label::COLOR: "green"});
        let metadata = json!({"name": "web-green-1", "namespace": "shop", "labels": labels});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status});
        Pod::of(&pod.to_string()).view().unwrap().trouble
    }

    /// The API server adds the grace to the time of the request.
    #[test]
    fn a_pod_that_is_being_deleted_is_known_with_the_end_of_its_grace() {
        let of = |deletion: Value| {
            let labels = json!({label::ROLLOUT: "web", label::COLOR: "green"});
            let metadata = json!({"name": "web-green-1", "namespace": "shop", "labels": labels,
                "deletionTimestamp": deletion, "deletionGracePeriodSeconds": 1_800});
            Pod::of(&json!({"metadata": metadata}).to_string()).view().unwrap().terminating
        };
        assert_eq!(of(json!("1970-01-01T00:30:00Z")), Some(Time(1_800_000)));
        assert_eq!(of(json!("9999-12-31T23:59:59Z")), Some(Time(0)), "no calendar has it");
        assert_eq!(of(Value::Null), None);
    }

    #[test]
    fn since_when_a_pod_is_ready_is_no_earlier_than_its_kubelet_may_have_meant() {
        let turned = |conditions: Value| {
            let labels = json!({label::ROLLOUT: "web", label::COLOR: "green"});
            let metadata = json!({"name": "web-green-1", "namespace": "shop", "labels": labels});
            let pod = json!({"metadata": metadata, "status": {"conditions": conditions}});
            let view = Pod::of(&pod.to_string()).view().unwrap();
            (view.ready, view.turned)
        };
        let condition =
            |kind: &str, at: Value| json!({"type": kind, "status": "True", "lastTransitionTime": at});
        let started = condition("Initialized", json!("1970-01-01T00:00:10Z"));
        let ready = condition("Ready", json!("1970-01-01T00:00:30Z"));
        assert_eq!(turned(json!([started, ready])), (true, Some(Time(30_999))));
        for unknown in [Value::Null, json!("yesterday")] {
            assert_eq!(turned(json!([condition("Ready", unknown)])), (true, None));
        }
    }

    /// Also where a claim is pending: the scheduler says it of the pod.
    #[test]
    fn a_pod_that_no_node_can_take_says_so_in_the_schedulers_words() {
        let scheduled = |status: &str, reason: &str, message: &str| {
            let condition =
                json!({"type": "PodScheduled", "status": status, "reason": reason, "message": message});
            trouble(&json!({"phase": "Pending", "conditions": [condition]}))
        };
        let said = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
        let told = scheduled("False", "Unschedulable", said);
        assert_eq!(told, Some(format!("no node can take it ({said})")));
        assert_eq!(scheduled("False", "", ""), None, "nobody has looked for one yet");
        assert_eq!(scheduled("False", "SchedulingGated", "waits for a gate"), None);
        assert_eq!(scheduled("True", "", ""), None);
    }

    /// Between two pods each does for a moment.
    #[test]
    fn what_has_too_few_pods_and_waits_for_none_that_it_has_lacks_pods() {
        let metadata = |deleted: bool| {
            let deletion = if deleted { json!("1970-01-01T00:30:00Z") } else { Value::Null };
            json!({"name": "db-green", "namespace": "shop", "labels": {label::ROLLOUT: "web"}, "deletionTimestamp": deletion})
        };
        let set = |kind: Known, (wanted, made, available): (u32, u32, u32), deleted: bool| {
            let status = json!({"replicas": made, "availableReplicas": available});
            let object =
                json!({"metadata": metadata(deleted), "spec": {"replicas": wanted}, "status": status});
            Workload::of(&object.to_string()).view(kind).unwrap().lacks_pods
        };
        for (what, counts, lacks) in [
            ("none at all", (3, 0, 0), true),
            ("the second is refused", (3, 1, 1), true),
            ("the first isn't ready", (3, 1, 0), false),
            ("all are there", (3, 3, 2), false),
            ("asleep", (0, 0, 0), false),
        ] {
            assert_eq!(set(kinds::STATEFUL_SET, counts, false), lacks, "{what}");
        }
        assert!(!set(kinds::STATEFUL_SET, (3, 1, 1), true), "it goes");
        assert!(!set(kinds::DEPLOYMENT, (3, 1, 1), false), "a condition says why");
        let job = |spec: Value, status: Value| {
            let object = json!({"metadata": metadata(false), "spec": spec, "status": status});
            Job::of(&object.to_string()).view(kinds::JOB).unwrap().lacks_pods
        };
        assert!(job(json!({}), json!({})), "none at all");
        assert!(!job(json!({}), json!({"active": 1})));
        assert!(!job(json!({}), json!({"active": 0, "terminating": 1})));
        assert!(!job(json!({"suspend": true}), json!({})));
        assert!(!job(json!({}), json!({"conditions": [{"type": "Complete", "status": "True"}]})));
    }

    #[test]
    fn a_container_that_cant_start_is_told_before_all_else() {
        let waiting = |reason: &str| json!([{"name": "web", "state": {"waiting": {"reason": reason}}}]);
        for (reason, told) in [("ImagePullBackOff", true), ("ContainerCreating", false)] {
            let trouble = trouble(&json!({"containerStatuses": waiting(reason)}));
            assert_eq!(trouble, told.then(|| format!("container web is in {reason}")));
        }
    }
}
