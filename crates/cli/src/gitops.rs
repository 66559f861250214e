//! Tools that write a Rollout again and again from elsewhere: what a person writes into its spec they take back.

use std::fmt;

use kube::ResourceExt;
use teal_api::Rollout;

/// What writes the Rollout from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    tool: &'static str,
    what: String,
    /// How it is kept from doing so for a while; none where it writes only when somebody has it write.
    hold: Option<String>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.tool, self.what)
    }
}

impl Owner {
    /// What it will do, and what to do about it.
    pub fn warning(&self) -> String {
        let lasting =
            "to have it last, change spec.release where it comes from; --dry-run prints what to write";
        match &self.hold {
            Some(hold) => format!(
                "Note: {self} owns this Rollout and would write it back. Hold it first ({hold}); {lasting}."
            ),
            None => format!(
                "Note: {self} owns this Rollout, and its next upgrade writes its own content; {lasting}."
            ),
        }
    }
}

/// Whoever says on the Rollout that it is theirs, or is noted as a writer of its spec.
pub fn owner(rollout: &Rollout) -> Option<Owner> {
    flux(rollout).or_else(|| argo(rollout)).or_else(|| helm(rollout))
}

fn flux(rollout: &Rollout) -> Option<Owner> {
    let kinds = [
        ("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomization", "kustomize-controller"),
        ("helm.toolkit.fluxcd.io", "HelmRelease", "helmrelease", "helm-controller"),
    ];
    kinds.into_iter().find_map(|(domain, kind, word, manager)| {
        let label = |name: &str| rollout.labels().get(&format!("{domain}/{name}")).cloned();
        let name = label("name").or_else(|| writes(rollout, manager).then(|| "NAME".to_owned()))?;
        let namespace = label("namespace").map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
        Some(Owner {
            tool: "Flux",
            what: format!("{kind} {name}"),
            hold: Some(format!("flux suspend {word} {name}{namespace}")),
        })
    })
}

fn argo(rollout: &Rollout) -> Option<Owner> {
    let tracked = rollout.annotations().get("argocd.argoproj.io/tracking-id");
    let tracked = tracked.and_then(|id| id.split(':').next()).map(str::to_owned);
    let labelled = || rollout.labels().get("argocd.argoproj.io/instance").cloned();
    let noted = || writes(rollout, "argocd-controller").then(|| "NAME".to_owned());
    let name = tracked.or_else(labelled).or_else(noted)?;
    Some(Owner {
        tool: "Argo CD",
        hold: Some(format!("argocd app set {name} --sync-policy none")),
        what: format!("Application {name}"),
    })
}

/// Helm by itself writes only when somebody has it write.
fn helm(rollout: &Rollout) -> Option<Owner> {
    let name = rollout.annotations().get("meta.helm.sh/release-name")?;
    Some(Owner { tool: "Helm", what: format!("release {name}"), hold: None })
}

/// Whether it is noted as an owner of something in the spec.
fn writes(rollout: &Rollout, manager: &str) -> bool {
    let owns_spec =
        |fields: &k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1| fields.0.get("f:spec").is_some();
    rollout.managed_fields().iter().any(|entry| {
        entry.manager.as_deref() == Some(manager) && entry.fields_v1.as_ref().is_some_and(owns_spec)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(metadata: &Value) -> Option<String> {
        let mut rollout = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
            "spec": {"release": {"manifests": []}, "traffic": {"services": [{"name": "web"}]}}});
        rollout["metadata"] = metadata.clone();
        let rollout: Rollout = serde_json::from_value(rollout).unwrap();
        owner(&rollout).map(|owner| owner.warning())
    }

    #[test]
    fn whoever_would_write_it_back_is_named_with_how_to_hold_it() {
        let entry = |manager: &str, field: &str| {
            json!({"name": "web", "managedFields": [{"manager": manager,
            "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {field: {}}}]})
        };
        for (metadata, says) in [
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux"}}),
                "flux suspend kustomization shop -n flux",
            ),
            (json!({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}), "flux suspend helmrelease web)"),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "web:teal.dev/Rollout:shop/web"}}),
                "argocd app set web --sync-policy none",
            ),
            (json!({"labels": {"argocd.argoproj.io/instance": "web"}}), "Argo CD (Application web)"),
            (entry("argocd-controller", "f:spec"), "Argo CD"),
            (entry("kustomize-controller", "f:spec"), "flux suspend kustomization NAME"),
            (
                json!({"annotations": {"meta.helm.sh/release-name": "web"}}),
                "its next upgrade writes its own content",
            ),
        ] {
            let said = of(&metadata).unwrap();
            assert!(said.contains(says) && said.contains("--dry-run"), "{said}");
        }
        for nobody in
            [json!({"name": "web"}), entry("kubectl", "f:spec"), entry("argocd-controller", "f:status")]
        {
            assert_eq!(of(&nobody), None, "{nobody}");
        }
    }
}
