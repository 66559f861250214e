//! The kinds that are spoken to, by group and plural. Versions come from manifests or from discovery.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind that a release may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    /// Every Kubernetes has it; the others come with a CRD and are watched once it is there.
    pub(crate) built_in: bool,
}

const fn known(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    built_in: bool,
) -> Known {
    Known { group, version, kind, plural, built_in }
}

/// Runs once per revision; its status is watched too.
pub(crate) const JOB: Known = known("batch", "v1", "Job", "jobs", true);

/// Works in live alone; its status says which tick it made last.
pub(crate) const CRON_JOB: Known = known("batch", "v1", "CronJob", "cronjobs", true);

/// Configuration; also what charts take values from.
pub(crate) const CONFIG_MAP: Known = known("", "v1", "ConfigMap", "configmaps", true);

/// Kinds of a release that are watched by metadata alone. Workloads are watched with their status.
pub(crate) const RELEASE: &[Known] = &[
    CONFIG_MAP,
    known("", "v1", "ServiceAccount", "serviceaccounts", true),
    known("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    JOB,
    CRON_JOB,
    known("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    known("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    known("rbac.authorization.k8s.io", "v1", "Role", "roles", true),
    known("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true),
    known("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true),
    known("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors", false),
    known("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors", false),
    known("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", false),
    known("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler", "verticalpodautoscalers", false),
    known("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies", false),
    known("external-secrets.io", "v1", "ExternalSecret", "externalsecrets", false),
];

/// Workloads: their status says whether a release is available.
pub(crate) const DEPLOYMENT: Known = known("apps", "v1", "Deployment", "deployments", true);
/// The other workload.
pub(crate) const STATEFUL_SET: Known = known("apps", "v1", "StatefulSet", "statefulsets", true);
/// Role Services, and Services of a release.
pub(crate) const SERVICE: Known = known("", "v1", "Service", "services", true);
/// Where a Service leads.
pub(crate) const ENDPOINT_SLICE: Known =
    known("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true);
/// Kept contents of revisions.
pub(crate) const CONTROLLER_REVISION: Known =
    known("apps", "v1", "ControllerRevision", "controllerrevisions", true);
/// Routes.
pub(crate) const VIRTUAL_SERVICE: Known =
    known("networking.istio.io", "v1", "VirtualService", "virtualservices", false);
/// Policies of hosts.
pub(crate) const DESTINATION_RULE: Known =
    known("networking.istio.io", "v1", "DestinationRule", "destinationrules", false);
/// Which hosts proxies see.
pub(crate) const SIDECAR: Known = known("networking.istio.io", "v1", "Sidecar", "sidecars", false);
/// Hosts beside Services, some of which select pods.
pub(crate) const SERVICE_ENTRY: Known =
    known("networking.istio.io", "v1", "ServiceEntry", "serviceentries", false);
/// Who may call; also a kind of a release, whose metadata is watched as such.
pub(crate) const AUTHORIZATION_POLICY: Known =
    known("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies", false);
/// How callers are known.
pub(crate) const REQUEST_AUTHENTICATION: Known =
    known("security.istio.io", "v1", "RequestAuthentication", "requestauthentications", false);
/// Whose objects decide, beside routes, whether and how the candidate is reached.
pub(crate) const AROUND: [Known; 4] = [SIDECAR, SERVICE_ENTRY, AUTHORIZATION_POLICY, REQUEST_AUTHENTICATION];
/// The kind that this operator is for.
pub(crate) const ROLLOUT: Known =
    known(teal_api::names::GROUP, teal_api::names::VERSION, "Rollout", "rollouts", false);
/// Human acts.
pub(crate) const DECISION: Known =
    known(teal_api::names::GROUP, teal_api::names::VERSION, "Decision", "decisions", false);

impl Known {
    /// For the client.
    pub(crate) fn resource(self) -> ApiResource {
        self.at(self.version)
    }

    /// For the client, at another version.
    pub(crate) fn at(self, version: &str) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, version, self.kind), self.plural)
    }

    /// `apps/v1`.
    pub(crate) fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// The kind by group and kind.
pub(crate) fn find(group: &str, kind: &str) -> Option<Known> {
    RELEASE
        .iter()
        .copied()
        .chain([DEPLOYMENT, STATEFUL_SET, SERVICE])
        .find(|known| known.group == group && known.kind == kind)
}

/// The kind by its name alone: no two that are spoken to share one.
pub(crate) fn by_kind(kind: &str) -> Option<Known> {
    let others = [
        DEPLOYMENT,
        STATEFUL_SET,
        SERVICE,
        CONTROLLER_REVISION,
        VIRTUAL_SERVICE,
        DESTINATION_RULE,
        ROLLOUT,
        DECISION,
    ];
    RELEASE.iter().copied().chain(others).find(|known| known.kind == kind)
}

/// The value under `rbac.write` of the chart without which a kind is only read.
pub(crate) fn needs_consent(kind: &str) -> Option<&'static str> {
    match kind {
        "Role" | "RoleBinding" => Some("roles"),
        "AuthorizationPolicy" => Some("authorizationPolicies"),
        "ExternalSecret" => Some("externalSecrets"),
        "ServiceMonitor" | "PodMonitor" => Some("monitors"),
        "ScaledObject" => Some("scaledObjects"),
        _ => None,
    }
}
