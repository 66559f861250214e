//! Whether quota and nodes have room for a color, said in one sentence.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::need::{Amounts, PodGroup, PodNeed, Resources, amounts_of};
use crate::object::list;
use crate::quantity::Quantity;
use crate::selector::labels;
use crate::taint::Taint;

/// A `ResourceQuota` of the namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceQuotaView {
    /// Name.
    pub name: String,
    /// What is allowed.
    pub hard: Amounts,
    /// What is in use.
    pub used: Amounts,
}

impl ResourceQuotaView {
    /// Reads a `ResourceQuota`. Nothing for one with scopes: it holds for some pods only, so it is left to the API
    /// server, whose refusal is shown as it comes.
    pub fn read(quota: &Value) -> Option<Self> {
        let scoped =
            !list(quota, "/spec/scopes").is_empty() || quota.pointer("/spec/scopeSelector").is_some();
        let name = quota.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let hard = amounts_of(quota, "/status/hard");
        (!scoped).then(|| Self { name, hard, used: amounts_of(quota, "/status/used") })
    }
}

/// What is missing, in one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shortage {
    /// A quota: the API server would refuse pods.
    Quota(String),
    /// Nodes: pods would wait for some, and are what makes an autoscaler of nodes add them.
    Nodes(String),
}

/// What is free on a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRoom {
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// Those that keep pods away which don't tolerate them.
    pub taints: Vec<Taint>,
    /// Pods that still fit.
    pub pods: i128,
    /// What is free by resource.
    pub free: Amounts,
}

impl NodeRoom {
    /// Reads a node and the pods on it. Nothing for one that is cordoned, and for one whose kubelet has not said yet what it
    /// has.
    pub fn read<'a>(node: &Value, pods: impl IntoIterator<Item = &'a Value>) -> Option<Self> {
        if node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
            return None;
        }
        let mut free = amounts_of(node, "/status/allocatable");
        let mut count = free.remove("pods")?.units();
        let ended = |pod: &&Value| {
            matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"))
        };
        for pod in pods.into_iter().filter(|pod| !ended(pod)) {
            take(&mut free, &PodNeed::of_template(Some(pod)));
            count -= 1;
        }
        let taints = list(node, "/spec/taints").iter().filter_map(Taint::read).collect();
        Some(Self { labels: labels(node.pointer("/metadata/labels")), taints, pods: count, free })
    }

    fn has_room(&self, need: &PodNeed) -> bool {
        let enough = |(name, amount): (&String, &Quantity)| {
            *amount <= Quantity::ZERO || self.free.get(name).is_some_and(|free| free >= amount)
        };
        self.pods > 0
            && need.requests.iter().all(enough)
            && need.node_selector.iter().all(|(name, value)| self.labels.get(name) == Some(value))
            && self
                .taints
                .iter()
                .all(|taint| need.tolerations.iter().any(|toleration| toleration.covers(taint)))
    }
}

fn take(free: &mut Amounts, need: &PodNeed) {
    for (name, amount) in &need.requests {
        if let Some(left) = free.get_mut(name) {
            *left = left.minus(*amount);
        }
    }
}

/// What is missing, or nothing. `nodes` may be empty where they can't be read; then quotas alone are judged.
///
/// Nodes are filled greedily, largest pods first. Affinity and the scheduler's preferences are left out, so this finds
/// shortages that are certain enough to name, and says nothing about the rest.
pub fn shortage(need: &Resources, quotas: &[ResourceQuotaView], nodes: &[NodeRoom]) -> Option<Shortage> {
    let of_quotas = quotas.iter().find_map(|quota| quota_shortage(need, quota)).map(Shortage::Quota);
    of_quotas.or_else(|| node_shortage(need, nodes).map(Shortage::Nodes))
}

fn quota_shortage(need: &Resources, quota: &ResourceQuotaView) -> Option<String> {
    quota.hard.iter().find_map(|(name, hard)| {
        let wanted = wanted(need, name);
        let used = quota.used.get(name).copied().unwrap_or_default();
        (wanted > Quantity::ZERO && used + wanted > *hard).then(|| {
            format!(
                "ResourceQuota {} allows {name} {}, {} are in use and the candidate needs {}: raise the quota or free \
                 {} of it",
                quota.name,
                hard.shown(name),
                used.shown(name),
                wanted.shown(name),
                (used + wanted).minus(*hard).shown(name)
            )
        })
    })
}

/// How much of what a quota counts under this name is needed.
fn wanted(need: &Resources, name: &str) -> Quantity {
    let counted = |name: &str| Quantity::whole(need.objects.get(name).copied().unwrap_or(0));
    match name {
        "pods" | "count/pods" => Quantity::whole(need.pods),
        "services" | "configmaps" | "persistentvolumeclaims" => counted(&format!("count/{name}")),
        _ if name.starts_with("count/") => counted(name),
        _ => match name.split_once('.') {
            Some(("limits", resource)) => need.limits.get(resource).copied().unwrap_or_default(),
            Some(("requests", resource)) => need.requests.get(resource).copied().unwrap_or_default(),
            _ => need.requests.get(name).copied().unwrap_or_default(),
        },
    }
}

fn node_shortage(need: &Resources, nodes: &[NodeRoom]) -> Option<String> {
    if nodes.is_empty() {
        return None;
    }
    let mut nodes = nodes.to_vec();
    let mut groups: Vec<&PodGroup> = need.groups.iter().collect();
    let size = |group: &PodGroup| {
        ["cpu", "memory"].map(|name| group.need.requests.get(name).copied().unwrap_or_default())
    };
    groups.sort_by_key(|group| Reverse(size(group)));
    groups.into_iter().find_map(|group| {
        let placed = place(&mut nodes, group);
        (placed < group.count).then(|| {
            format!(
                "The nodes have room for {placed} of the {} pods of {} ({}): add nodes or free room",
                group.count,
                group.owner,
                described(&group.need)
            )
        })
    })
}

/// How many pods of a group find room. They are alike, so a node that is full for one is so for the next, and none is looked
/// at again: people may ask for any number.
fn place(nodes: &mut [NodeRoom], group: &PodGroup) -> u32 {
    let mut placed = 0;
    for node in nodes {
        while placed < group.count && node.has_room(&group.need) {
            node.pods -= 1;
            take(&mut node.free, &group.need);
            placed += 1;
        }
    }
    placed
}

fn described(need: &PodNeed) -> String {
    let requests = need
        .requests
        .iter()
        .map(|(name, amount)| format!("resources.requests.{name} {}", amount.shown(name)));
    let selector = need.node_selector.iter().map(|(name, value)| format!("nodeSelector {name}={value}"));
    let parts: Vec<String> = requests.chain(selector).collect();
    if parts.is_empty() { "no requests".to_owned() } else { format!("{} each", parts.join(", ")) }
}
