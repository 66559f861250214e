//! Takes Istio's definitions away and brings them back.

use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use super::{api, client, object};

/// The groups whose kinds Teal looks at.
const GROUPS: [&str; 2] = ["networking.istio.io", "security.istio.io"];

pub(crate) struct Istio {
    client: Client,
}

impl Istio {
    /// Fails where routes of others would be lost.
    pub(crate) async fn connect() -> Self {
        let this = Self { client: client().await };
        let strange = this.strange_routes().await;
        assert!(strange.is_empty(), "VirtualServices of others are on this server: {}", strange.join(", "));
        this
    }

    /// VirtualServices in namespaces that no bench made.
    async fn strange_routes(&self) -> Vec<String> {
        let routes = api(&self.client, None, GROUPS[0], "v1", "VirtualService", "virtualservices");
        let routes = match routes.list(&ListParams::default()).await {
            Ok(list) => list.items,
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => panic!("VirtualServices can't be listed: {error}"),
        };
        let namespaces = api(&self.client, None, "", "v1", "Namespace", "namespaces");
        let ours = ListParams::default().labels(super::OURS);
        let ours = namespaces.list(&ours).await.expect("namespaces").items;
        let is_ours =
            |route: &DynamicObject| ours.iter().any(|n| n.metadata.name == route.metadata.namespace);
        let strange = routes.iter().filter(|route| !is_ours(route));
        strange
            .filter_map(|route| {
                Some(format!("{}/{}", route.metadata.namespace.as_ref()?, route.metadata.name.as_ref()?))
            })
            .collect()
    }

    fn definitions(&self) -> Api<DynamicObject> {
        let (group, kind, plural) =
            ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions");
        api(&self.client, None, group, "v1", kind, plural)
    }

    async fn present(&self) -> Vec<Value> {
        let list = self.definitions().list(&ListParams::default()).await.expect("definitions");
        let all = list.items.iter().map(|item| serde_json::to_value(item).expect("JSON"));
        all.filter(|item| GROUPS.iter().any(|group| item["spec"]["group"] == *group)).collect()
    }

    /// Deletes the definitions, waits until they are gone, and returns them as they can be created anew.
    pub(crate) async fn remove(&self) -> Vec<Value> {
        let definitions = self.present().await;
        assert!(!definitions.is_empty(), "there is no Istio to take away on this server");
        for definition in &definitions {
            let name = definition["metadata"]["name"].as_str().expect("a name");
            self.definitions().delete(name, &DeleteParams::background()).await.expect("deleted");
        }
        self.until("gone", async || self.present().await.is_empty()).await;
        definitions
            .iter()
            .map(|definition| {
                json!({
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": {
                        "name": definition["metadata"]["name"],
                        "labels": definition["metadata"]["labels"],
                        "annotations": definition["metadata"]["annotations"],
                    },
                    "spec": definition["spec"],
                })
            })
            .collect()
    }

    /// Creates those that are not there, and waits until they are established.
    pub(crate) async fn install(&self, definitions: &[Value]) {
        for definition in definitions {
            match self.definitions().create(&PostParams::default(), &object(definition.clone())).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(error) => panic!("a definition can't be brought back: {error}"),
            }
        }
        self.until("established", async || {
            let present = self.present().await;
            present.len() == definitions.len() && present.iter().all(is_established)
        })
        .await;
        for definition in definitions {
            let text =
                |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
            let (version, plural) = (text("/spec/versions/0/name"), text("/spec/names/plural"));
            let kind = api(&self.client, None, group, version, kind, plural);
            self.until("served", async || kind.list(&ListParams::default().limit(1)).await.is_ok()).await;
        }
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(
                begun.elapsed() < super::PATIENCE,
                "waited too long until Istio's definitions are {what}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True")
}
