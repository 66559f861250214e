//! What pods need.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::object::list;
use crate::quantity::Quantity;
use crate::render::Rendered;
use crate::taint::Toleration;

/// Amounts by resource name (`cpu`, `memory`, `nvidia.com/gpu` …).
pub type Amounts = BTreeMap<String, Quantity>;

/// What one pod needs of a node and of a quota.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct PodNeed {
    /// Requests.
    pub requests: Amounts,
    /// Limits, as far as they are set.
    pub limits: Amounts,
    /// Labels that its node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that it stands.
    pub tolerations: Vec<Toleration>,
}

impl PodNeed {
    /// Of a pod or a pod template. Defaults of a `LimitRange` are not known here.
    pub fn of_template(template: Option<&Value>) -> Self {
        let none = Value::Null;
        let spec = template.and_then(|template| template.get("spec")).unwrap_or(&none);
        Self {
            requests: effective(spec, "requests"),
            limits: effective(spec, "limits"),
            node_selector: crate::selector::labels(spec.get("nodeSelector")),
            tolerations: list(spec, "/tolerations").iter().map(Toleration::read).collect(),
        }
    }
}

/// All containers together, or the moment of the start that needs most if that is more; sidecars (init containers
/// that are always restarted) count from their place on. What the pod states as a whole goes before; overhead is added.
fn effective(spec: &Value, what: &str) -> Amounts {
    let mut sidecars = Amounts::new();
    let mut most_at_start = Amounts::new();
    for container in list(spec, "/initContainers") {
        let own = stated(container, what);
        if container["restartPolicy"] == "Always" {
            add(&mut sidecars, &own, 1);
        } else {
            // What it doesn't name itself is not more than the sidecars have in the end.
            let beside = |name: &String| sidecars.get(name).copied().unwrap_or_default();
            let moment = own.iter().map(|(name, amount)| (name.clone(), beside(name) + *amount));
            raise(&mut most_at_start, &moment.collect());
        }
    }
    let mut need = sidecars;
    for container in list(spec, "/containers") {
        add(&mut need, &stated(container, what), 1);
    }
    raise(&mut need, &most_at_start);
    for (name, amount) in stated(spec, "limits") {
        if what == "limits" {
            need.insert(name, amount);
        } else {
            need.entry(name).or_insert(amount);
        }
    }
    if what == "requests" {
        need.extend(amounts(spec.pointer("/resources/requests")));
    }
    let overhead = amounts(spec.get("overhead"));
    // A limit exists only where one is set: overhead alone makes none.
    let counts = |name: &String| what == "requests" || need.contains_key(name);
    let overhead: Amounts = overhead.into_iter().filter(|(name, _)| counts(name)).collect();
    add(&mut need, &overhead, 1);
    need
}

/// A request that is left out is the limit.
fn stated(place: &Value, what: &str) -> Amounts {
    let mut stated = amounts(place.pointer("/resources/limits"));
    if what == "requests" {
        stated.extend(amounts(place.pointer("/resources/requests")));
    }
    stated
}

fn amounts(map: Option<&Value>) -> Amounts {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), Quantity::of(value)?))).collect()
}

pub(crate) fn amounts_of(object: &Value, pointer: &str) -> Amounts {
    amounts(object.pointer(pointer))
}

fn add(sum: &mut Amounts, more: &Amounts, times: u32) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_default() += amount.times(times);
    }
}

fn raise(least: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let entry = least.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

/// Pods that are alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PodGroup {
    /// Who makes them, as the manifests name it (`Deployment web`): which color it will be need not be known yet.
    pub owner: String,
    /// How many.
    pub count: u32,
    /// What each needs.
    pub need: PodNeed,
}

/// What a color needs before it can start.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Resources {
    /// Pods.
    pub pods: u32,
    /// Sum of requests by resource.
    pub requests: Amounts,
    /// Sum of limits by resource.
    pub limits: Amounts,
    /// Objects by the name that quotas count them under (`count/deployments.apps`).
    pub objects: BTreeMap<String, u32>,
    /// The pods by owner.
    pub groups: Vec<PodGroup>,
}

impl Resources {
    fn add(&mut self, group: PodGroup) {
        self.pods = self.pods.saturating_add(group.count);
        add(&mut self.requests, &group.need.requests, group.count);
        add(&mut self.limits, &group.need.limits, group.count);
        self.groups.push(group);
    }
}

/// What must be free before a color is provisioned: the pods of its workloads at their starting size and of the Jobs
/// that run before, and one place per object. Shared workloads are there already.
pub fn requirements(rendered: &Rendered) -> Resources {
    let mut resources = Resources::default();
    let own = rendered.workloads.iter().filter(|w| w.fate.is_colored() && w.start_replicas > 0);
    for workload in own {
        let owner = format!("{} {}", workload.key.kind, workload.key.name);
        resources.add(PodGroup { owner, count: workload.start_replicas, need: workload.need.clone() });
    }
    for job in rendered.jobs.iter().filter(|job| job.run == crate::JobRun::Before) {
        let parallel = job.object.get("/spec/parallelism").and_then(Value::as_u64).unwrap_or(1);
        let count = u32::try_from(parallel).unwrap_or(u32::MAX);
        let need = PodNeed::of_template(job.object.template());
        resources.add(PodGroup { owner: job.key.to_string(), count, need });
    }
    for object in rendered.of_color() {
        *resources.objects.entry(counted_as(&object.key())).or_default() += 1;
    }
    resources
}

fn counted_as(key: &crate::ObjectKey) -> String {
    let plural = format!("{}s", key.kind.to_lowercase());
    if key.group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{}", key.group) }
}
