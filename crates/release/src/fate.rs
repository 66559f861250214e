//! What becomes of each kind.

use serde::{Deserialize, Serialize};

use crate::names::annotation;
use crate::object::{Object, ObjectKey};
use crate::refusal::{Refusal, RefusalReason};

/// What becomes of an object of a release. A kind that has none is a [`Refusal`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Fate {
    /// One object per color; references follow.
    Own,
    /// One object per color, but a change reaches live at once and is no revision.
    InPlace,
    /// One object for all colors, never renamed; applied before the candidate, removed when no kept revision has it.
    Shared,
    /// One object per color; suspended or at 0 while its color isn't live.
    LiveOnly,
}

/// How a kind is treated and what its annotation may choose.
struct Rule {
    group: &'static str,
    kind: &'static str,
    usual: Fate,
    choices: &'static [Fate],
}

const fn rule(group: &'static str, kind: &'static str, usual: Fate, choices: &'static [Fate]) -> Rule {
    Rule { group, kind, usual, choices }
}

const WORKLOAD: &[Fate] = &[Fate::Own, Fate::LiveOnly, Fate::Shared];
const PLAIN: &[Fate] = &[Fate::Own, Fate::Shared];
const SCHEDULED: &[Fate] = &[Fate::LiveOnly, Fate::Own, Fate::Shared];
const ONLY_OWN: &[Fate] = &[Fate::Own];
const ONLY_SHARED: &[Fate] = &[Fate::Shared];

const RULES: &[Rule] = &[
    rule("apps", "Deployment", Fate::Own, WORKLOAD),
    rule("apps", "StatefulSet", Fate::Own, WORKLOAD),
    rule("", "ConfigMap", Fate::Own, PLAIN),
    rule("", "Service", Fate::Own, PLAIN),
    rule("batch", "Job", Fate::Own, ONLY_OWN),
    rule("monitoring.coreos.com", "PodMonitor", Fate::Own, PLAIN),
    rule("autoscaling", "HorizontalPodAutoscaler", Fate::InPlace, ONLY_SHARED),
    rule("keda.sh", "ScaledObject", Fate::InPlace, ONLY_SHARED),
    rule("autoscaling.k8s.io", "VerticalPodAutoscaler", Fate::InPlace, ONLY_SHARED),
    rule("policy", "PodDisruptionBudget", Fate::InPlace, ONLY_SHARED),
    rule("", "ServiceAccount", Fate::Shared, ONLY_SHARED),
    rule("", "PersistentVolumeClaim", Fate::Shared, PLAIN),
    rule("rbac.authorization.k8s.io", "Role", Fate::Shared, ONLY_SHARED),
    rule("rbac.authorization.k8s.io", "RoleBinding", Fate::Shared, ONLY_SHARED),
    rule("networking.k8s.io", "NetworkPolicy", Fate::Shared, ONLY_SHARED),
    rule("security.istio.io", "AuthorizationPolicy", Fate::Shared, ONLY_SHARED),
    rule("external-secrets.io", "ExternalSecret", Fate::Shared, ONLY_SHARED),
    rule("monitoring.coreos.com", "ServiceMonitor", Fate::Shared, ONLY_SHARED),
    rule("batch", "CronJob", Fate::LiveOnly, SCHEDULED),
];

/// Kinds that stand outside of namespaces, as far as charts usually hold them.
pub(crate) const CLUSTER_SCOPED: &[&str] = &[
    "Namespace",
    "Node",
    "PersistentVolume",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "StorageClass",
    "PriorityClass",
    "IngressClass",
    "GatewayClass",
    "RuntimeClass",
    "APIService",
    "CSIDriver",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ClusterIssuer",
    "ClusterSecretStore",
];

/// The fate of one manifest by its kind and its annotation `teal.dev/fate`.
///
/// What follows from the other manifests (an autoscaler of a shared workload is shared, too) is decided by
/// [`crate::render`].
pub fn fate_of(manifest: &Object) -> Result<Fate, Refusal> {
    let key = manifest.key();
    let Some(rule) = RULES.iter().find(|rule| key.is(rule.group, rule.kind)) else {
        return Err(unsupported(&key));
    };
    let Some(word) = manifest.annotation(annotation::FATE) else {
        return Ok(rule.usual);
    };
    rule.choices.iter().copied().find(|fate| fate.word() == word).ok_or_else(|| {
        let choices: Vec<&str> = rule.choices.iter().map(|fate| fate.word()).collect();
        Refusal::invalid(
            &key,
            format!("metadata.annotations[{}]", annotation::FATE),
            format!("is {word:?}, which a {} can't be", key.kind),
            format!("write {} or leave the annotation out", choices.join(" or ")),
        )
    })
}

/// Whether a kind reaches live in place as a whole, so that it takes no part in the hash.
pub fn is_in_place(key: &ObjectKey) -> bool {
    RULES.iter().any(|rule| rule.usual == Fate::InPlace && key.is(rule.group, rule.kind))
}

impl Fate {
    /// As it stands in the annotation.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own => "Own",
            Self::InPlace => "InPlace",
            Self::Shared => "Shared",
            Self::LiveOnly => "LiveOnly",
        }
    }

    /// Whether each color has an object of its own.
    pub(crate) fn is_colored(self) -> bool {
        self != Self::Shared
    }
}

fn unsupported(key: &ObjectKey) -> Refusal {
    let (problem, remedy) = why_unsupported(key);
    Refusal::invalid(key, "kind", problem, remedy).with_reason(RefusalReason::UnsupportedKind)
}

fn why_unsupported(key: &ObjectKey) -> (String, &'static str) {
    let kind = &key.kind;
    match (key.group.as_str(), kind.as_str()) {
        ("", "Secret") => (
            "Secret would show its values to all who may read Rollouts".into(),
            "keep the Secret outside of spec.release.manifests, or use an ExternalSecret; references to it stay as they are",
        ),
        ("", "List") => ("List is a wrapper".into(), "write its items as manifests of their own"),
        ("teal.dev", _) => (
            format!("{kind} is Teal's own kind, and a release can't contain rollouts"),
            "apply it beside this Rollout",
        ),
        ("networking.istio.io", "VirtualService") => (
            "VirtualService moves traffic and is not part of a release".into(),
            "apply it beside the Rollout and name it in spec.traffic.virtualServices",
        ),
        ("networking.istio.io", "DestinationRule") => (
            "DestinationRule belongs to the host and not to a version".into(),
            "apply it beside the Rollout; Teal makes it hold for the candidate",
        ),
        ("", "Pod" | "ReplicationController") | ("apps", "ReplicaSet") => {
            (format!("{kind} can't be colored"), "write a Deployment")
        }
        ("apps", "DaemonSet") => (
            "DaemonSet runs on every node and can't stand beside itself".into(),
            "apply it beside the Rollout, or write a Deployment",
        ),
        _ if CLUSTER_SCOPED.contains(&kind.as_str()) => (
            format!("{kind} is cluster-scoped, and a Rollout writes in its own namespace only"),
            "apply it beside the Rollout",
        ),
        (group, _) => (
            format!("{kind} of group {group:?} is none of the kinds a release may have"),
            "apply it beside the Rollout; kinds and groups are listed in the reference of spec.release.manifests",
        ),
    }
}
