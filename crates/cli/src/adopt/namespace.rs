//! Everything of a namespace that may have to do with what is adopted.

use futures::future::join_all;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use teal_release::ObjectKey;
use teal_release::adopt::named_by;

use crate::connect::Cluster;
use crate::error::CliError;

/// What every cluster has: group, version, kind, plural.
const NEEDED: [[&str; 4]; 7] = [
    ["apps", "v1", "Deployment", "deployments"],
    ["apps", "v1", "StatefulSet", "statefulsets"],
    ["apps", "v1", "DaemonSet", "daemonsets"],
    ["", "v1", "Service", "services"],
    ["autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"],
    ["policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"],
    ["networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"],
];

/// What some have.
const OPTIONAL: [[&str; 4]; 14] = [
    ["keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"],
    ["autoscaling.k8s.io", "v1", "VerticalPodAutoscaler", "verticalpodautoscalers"],
    ["cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"],
    ["projectcalico.org", "v3", "NetworkPolicy", "networkpolicies"],
    ["security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"],
    ["security.istio.io", "v1", "PeerAuthentication", "peerauthentications"],
    ["security.istio.io", "v1", "RequestAuthentication", "requestauthentications"],
    ["networking.istio.io", "v1", "DestinationRule", "destinationrules"],
    ["networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"],
    ["networking.istio.io", "v1", "ServiceEntry", "serviceentries"],
    ["networking.istio.io", "v1", "Sidecar", "sidecars"],
    ["networking.istio.io", "v1", "VirtualService", "virtualservices"],
    ["telemetry.istio.io", "v1", "Telemetry", "telemetries"],
    ["monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"],
];

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Objects as the server returns them.
    pub(super) objects: Vec<Value>,
    /// Kinds that may not be listed, of those that not every application needs.
    pub(super) unseen: Vec<String>,
}

/// Lists it.
pub(super) async fn see(cluster: &Cluster) -> Result<Seen, CliError> {
    let needed = join_all(NEEDED.iter().map(|kind| list(cluster, kind))).await;
    let optional = join_all(OPTIONAL.iter().map(|kind| list(cluster, kind))).await;
    let mut seen = Seen::default();
    for listed in needed {
        seen.objects.extend(listed?);
    }
    for (kind, listed) in OPTIONAL.iter().zip(optional) {
        match listed {
            Ok(objects) => seen.objects.extend(objects),
            Err(CliError::NotInstalled) => {}
            Err(CliError::Forbidden { .. }) => seen.unseen.push(kind[2].to_owned()),
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}

async fn list(cluster: &Cluster, kind: &[&str; 4]) -> Result<Vec<Value>, CliError> {
    let doing = format!("listing {} of namespace {}", kind[3], cluster.namespace);
    let answer = cluster.answer(&doing, of_kind(cluster, kind).list(&ListParams::default())).await?;
    let objects = answer.map_err(|error| CliError::of_request(&doing, error))?;
    objects.items.iter().map(|object| as_value(object, kind)).collect()
}

fn of_kind(cluster: &Cluster, [group, version, kind, plural]: &[&str; 4]) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource)
}

/// In a list the server leaves out what its items are.
fn as_value(object: &DynamicObject, [group, version, kind, _]: &[&str; 4]) -> Result<Value, CliError> {
    let what = || format!("{kind} {}", object.metadata.name.as_deref().unwrap_or_default());
    let mut value =
        serde_json::to_value(object).map_err(|source| CliError::Unreadable { what: what(), source })?;
    let api_version = if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") };
    value["apiVersion"] = api_version.into();
    value["kind"] = (*kind).into();
    Ok(value)
}

impl Seen {
    /// Those of one of Kubernetes' own kinds.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    /// Reads what the workloads name and Teal may copy or share. What isn't there is told later, by whom it is named.
    pub(super) async fn read_named(
        &mut self,
        cluster: &Cluster,
        workloads: &[ObjectKey],
    ) -> Result<(), CliError> {
        let is_one = |object: &&Value| {
            let name = &object["metadata"]["name"];
            workloads.iter().any(|key| object["kind"] == key.kind.as_str() && *name == key.name.as_str())
        };
        let mut keys: Vec<ObjectKey> =
            self.objects.iter().filter(is_one).flat_map(named_by).map(|named| named.key).collect();
        keys.sort();
        keys.dedup();
        let kinds = [
            ["", "v1", "ConfigMap", "configmaps"],
            ["", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"],
        ];
        let reads = keys.iter().filter_map(|key| {
            let kind = kinds.into_iter().find(|kind| kind[2] == key.kind)?;
            Some(read(cluster, kind, &key.name))
        });
        for found in join_all(reads).await {
            self.objects.extend(found?);
        }
        Ok(())
    }
}

async fn read(cluster: &Cluster, kind: [&str; 4], name: &str) -> Result<Option<Value>, CliError> {
    let doing = format!("reading {} {}/{name}", kind[2], cluster.namespace);
    let answer = cluster.answer(&doing, of_kind(cluster, &kind).get_opt(name)).await?;
    let found = answer.map_err(|error| CliError::of_request(&doing, error))?;
    found.map(|object| as_value(&object, &kind)).transpose()
}
