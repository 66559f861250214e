//! What runs in a color: the workloads and what one pod of each needs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::check_release::is_role;
use crate::context::Context;
use crate::fate::Fate;
use crate::need::PodNeed;
use crate::object::ObjectKey;
use crate::read::{Item, Release};
use crate::selector::{Labels, plain_matches};
use crate::size;

/// A workload of a release in one color.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Workload {
    /// Kind and name without color: the key in [`Context::replicas`].
    pub key: ObjectKey,
    /// Name in this color.
    pub colored_name: String,
    /// Own, shared or live only.
    pub fate: Fate,
    /// Replicas that the owner wrote; none if left out.
    pub written_replicas: Option<u32>,
    /// The size to start with, also under an autoscaler (whose workloads are rendered without `replicas`): 0 while
    /// it rests. A live workload found at 0 that should not be is woken to this.
    pub start_replicas: u32,
    /// The autoscaler of the release that sets its size.
    pub scaler: Option<ObjectKey>,
    /// Traffic Services whose selector its pods match.
    pub traffic_services: Vec<String>,
    /// Labels of its pods as the owner wrote them.
    pub pod_labels: BTreeMap<String, String>,
    /// What one pod needs.
    pub need: PodNeed,
}

/// Deployments and StatefulSets of a release, with those that are shared.
pub(crate) fn workloads(release: &Release, context: &Context) -> Vec<Workload> {
    let runs = |item: &&Item| matches!(item.key.kind.as_str(), "Deployment" | "StatefulSet");
    release.items.iter().filter(runs).map(|item| workload(release, item, context)).collect()
}

fn workload(release: &Release, item: &Item, context: &Context) -> Workload {
    let pods = item.pods.clone().unwrap_or_default();
    let name = &item.key.name;
    Workload {
        colored_name: if item.fate.is_colored() { context.colored(name) } else { name.clone() },
        fate: item.fate,
        written_replicas: item.object.get("/spec/replicas").and_then(|n| u32::try_from(n.as_u64()?).ok()),
        start_replicas: size::start(release, item, context),
        scaler: release.scaler_of(&item.key).map(|scaler| scaler.key.clone()),
        traffic_services: traffic_services(release, &pods, context),
        need: PodNeed::of_template(item.object.template()),
        pod_labels: pods,
        key: context.neutral(&item.key),
    }
}

/// The traffic Services that select pods with these labels.
pub(crate) fn traffic_services(release: &Release, pods: &Labels, context: &Context) -> Vec<String> {
    let roles = release.items.iter().filter(|item| is_role(item, &context.services));
    let serving = roles.filter(|role| plain_matches(role.object.get("/spec/selector"), pods));
    serving.map(|role| role.key.name.clone()).collect()
}
