//! On a cluster that is somebody else's the demo takes nothing over, and takes away at its end what it made.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use teal_api::Rollout;

use super::screen::Screen;
use super::stage::NAMESPACE;
use crate::error::{Error, Result};
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World};

/// How long kubectl waits for the end of the namespace: its pods end in their own time.
const GONE: &str = "--timeout=120s";

/// Refuses where the namespace is there already: the demo starts from nothing in it, and removes all of it at its end. And where
/// Teal looks after somebody's Rollouts: the demo installs its own values over those of the chart's release.
pub(super) async fn vacant(world: &World) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let found = namespaces.get_opt(NAMESPACE).await;
    let found = found.map_err(Error::api(format!("look for namespace {NAMESPACE}")))?;
    if let Some(namespace) = found {
        return Err(occupied(&namespace, &world.cluster.kubeconfig));
    }
    let rollouts: Api<Rollout> = Api::all(world.client.clone());
    match rollouts.list(&ListParams::default().limit(1)).await {
        Ok(list) => list.items.first().map_or(Ok(()), |rollout| Err(in_use(rollout))),
        // The definition isn't there, so neither is Teal.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::api("look for Rollouts")(error)),
    }
}

fn in_use(rollout: &Rollout) -> Error {
    let metadata = &rollout.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    Error::Cluster(format!(
        "Teal looks after Rollout {}/{} on this cluster, and the demo would install its own values over those of helm's release \
         {RELEASE} in namespace {OPERATOR_NAMESPACE}: give a cluster without Rollouts",
        namespace.unwrap_or_default(),
        name.unwrap_or_default()
    ))
}

fn occupied(namespace: &Namespace, kubeconfig: &Path) -> Error {
    if namespace.metadata.deletion_timestamp.is_some() {
        return Error::Cluster(format!(
            "namespace {NAMESPACE} of this cluster is still being deleted: start again when it is gone"
        ));
    }
    Error::Cluster(format!(
        "namespace {NAMESPACE} is there already on this cluster, and the demo makes it, releases its own first version in it, and \
         removes all of it at its end. If an earlier demo left it, so that it has Rollout {NAMESPACE}/web, remove it by\n  {}\n\
         and start again; else give another cluster",
        removal(kubeconfig)
    ))
}

/// Takes away what was made, or with `keep` says what stays and how to be rid of it.
pub(super) async fn leave(world: &World, keep: bool, screen: &Screen) -> Result<()> {
    let kubeconfig = &world.cluster.kubeconfig;
    if keep {
        stays(kubeconfig, world.cluster.gateway.as_deref()).iter().for_each(|line| screen.note(line));
        return Ok(());
    }
    screen.note(&format!("removing namespace {NAMESPACE} …"));
    tokio::select! {
        gone = world.kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found", GONE]) => gone.map(drop)?,
        _ = tokio::signal::ctrl_c() => {
            return Err(Error::Unmet(format!("interrupted before namespace {NAMESPACE} was gone")));
        }
    }
    screen.note(&format!("Teal stays installed; to take it away: {}", uninstallation(kubeconfig)));
    Ok(())
}

fn stays(kubeconfig: &Path, gateway: Option<&str>) -> Vec<String> {
    let (gateway, file) = (gateway.unwrap_or("the gateway's address"), kubeconfig.display());
    vec![
        format!("namespace {NAMESPACE} stays, and Teal in namespace {OPERATOR_NAMESPACE}:"),
        format!("  kubectl --kubeconfig {file} --namespace {NAMESPACE} get rollouts.teal.dev"),
        format!("  the application: curl -H 'Host: shop.example' {gateway}"),
        "to take them away, the namespace first:".into(),
        format!("  {}", removal(kubeconfig)),
        format!("  {}", uninstallation(kubeconfig)),
    ]
}

fn removal(kubeconfig: &Path) -> String {
    format!("kubectl --kubeconfig {} delete namespace {NAMESPACE}", kubeconfig.display())
}

fn uninstallation(kubeconfig: &Path) -> String {
    format!("helm --kubeconfig {} --namespace {OPERATOR_NAMESPACE} uninstall {RELEASE}", kubeconfig.display())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn what_an_earlier_demo_left_is_refused_with_the_line_that_removes_it() {
        let refused = occupied(&Namespace::default(), Path::new("/k")).to_string();
        for part in ["namespace shop", "Rollout shop/web", "kubectl --kubeconfig /k delete namespace shop"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }

    #[test]
    fn a_cluster_where_teal_is_at_work_is_refused_by_the_name_of_a_rollout() {
        let rollout = serde_json::json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout", "metadata": {"namespace": "pay", "name": "checkout"},
            "spec": {"release": {}, "traffic": {"services": [{"name": "checkout"}]}},
        });
        let rollout: Rollout = serde_json::from_value(rollout).unwrap();
        let refused = in_use(&rollout).to_string();
        for part in ["Rollout pay/checkout", "helm's release teal in namespace teal-system"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }

    #[test]
    fn a_namespace_on_its_way_out_is_to_be_waited_for() {
        let mut namespace = Namespace::default();
        namespace.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        let refused = occupied(&namespace, Path::new("/k")).to_string();
        assert!(refused.contains("still being deleted") && !refused.contains("kubectl"), "{refused}");
    }

    #[test]
    fn what_is_kept_is_said_with_how_to_be_rid_of_it() {
        let said = stays(Path::new("/k"), Some("http://192.0.2.10")).join("\n");
        for part in [
            "http://192.0.2.10",
            "kubectl --kubeconfig /k delete namespace shop",
            "helm --kubeconfig /k --namespace teal-system uninstall teal",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("Ctrl-C"), "nobody waits: {said}");
    }
}
