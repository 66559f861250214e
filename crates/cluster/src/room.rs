//! Whether there is room for another color, asked once before anything of it is created.
//!
//! Quotas are always compared. Nodes are compared where their pods can be read in one page: reading the pods of a large
//! cluster would cost more than the answer is worth, and the scheduler says it anyway.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use teal_release::{NodeRoom, ResourceQuotaView, Resources, Shortage, shortage};
use tokio::sync::Mutex;

use crate::access::Access;
use crate::error::{Class, Error};
use crate::json;

/// More objects than this are not read.
const PAGE: u32 = 1000;

/// How long one look at the nodes serves all who ask: where a hundred Rollouts change at once, each would read every pod.
const SHARED: Duration = Duration::from_millis(500);
/// How long a failure does: those who waited for it judge by quotas alone, for they would fail one after the other; whoever
/// comes again after its own failure looks anew.
const SHARED_FAILURE: Duration = Duration::from_millis(200);

/// The nodes as they were seen a moment ago, shared by all looks.
#[derive(Default)]
pub(crate) struct Nodes(Mutex<Option<Lately>>);

struct Lately {
    until: Instant,
    nodes: Arc<Vec<NodeRoom>>,
}

/// What is missing.
pub(crate) async fn look(
    access: &Access,
    nodes: &Nodes,
    namespace: &str,
    need: &Resources,
) -> Result<Option<Shortage>, Error> {
    let (quotas, _) = list(access, "ResourceQuota", "resourcequotas", namespace, "").await?;
    let quotas: Vec<ResourceQuotaView> = quotas.iter().filter_map(ResourceQuotaView::read).collect();
    let nodes = nodes.lately(access).await?;
    Ok(shortage(need, &quotas, &nodes))
}

impl Nodes {
    /// Whoever comes while they are being read waits for that answer.
    async fn lately(&self, access: &Access) -> Result<Arc<Vec<NodeRoom>>, Error> {
        let mut seen = self.0.lock().await;
        if let Some(lately) = seen.as_ref().filter(|lately| Instant::now() < lately.until) {
            return Ok(Arc::clone(&lately.nodes));
        }
        let found = nodes(access).await;
        // An account that may not look at nodes judges by quotas alone.
        let failed = found.as_ref().is_err_and(|error| error.class() != Class::Denied);
        let shared = if failed { SHARED_FAILURE } else { SHARED };
        let nodes = found.as_ref().map(|nodes| Arc::new(nodes.clone())).unwrap_or_default();
        *seen = Some(Lately { until: Instant::now() + shared, nodes: Arc::clone(&nodes) });
        match found {
            Err(error) if failed => Err(error),
            Ok(_) | Err(_) => Ok(nodes),
        }
    }
}

async fn nodes(access: &Access) -> Result<Vec<NodeRoom>, Error> {
    let (nodes, all) = list(access, "Node", "nodes", "", "").await?;
    if !all {
        return Ok(Vec::new());
    }
    let running = "status.phase!=Succeeded,status.phase!=Failed";
    let (pods, all) = list(access, "Pod", "pods", "", running).await?;
    if !all {
        return Ok(Vec::new());
    }
    let mut by_node: HashMap<&str, Vec<&Value>> = HashMap::new();
    for pod in &pods {
        by_node.entry(json::text(pod, "/spec/nodeName")).or_default().push(pod);
    }
    let room = nodes.iter().filter_map(|node| {
        let pods = by_node.remove(json::text(node, "/metadata/name")).unwrap_or_default();
        NodeRoom::read(node, pods)
    });
    Ok(room.collect())
}

async fn list(
    access: &Access,
    kind: &str,
    plural: &str,
    namespace: &str,
    fields: &str,
) -> Result<(Vec<Value>, bool), Error> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", kind), plural);
    access.page(&resource, namespace, fields, PAGE).await
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures::future::join_all;
    use http::{Request, Response};
    use http_body_util::Full;
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// Every list is empty; that of the nodes is answered with this code. Counts who asks for nodes.
    fn access(code: u16) -> (Access, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let nodes = request.uri().path().ends_with("/nodes");
            if nodes {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            let code = if nodes { code } else { 200 };
            let body = if code == 200 {
                json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []})
            } else {
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no",
                    "reason": "No", "code": code})
            };
            let answer = Response::builder().status(code).body(Full::new(Bytes::from(body.to_string())));
            async move { Ok::<_, Infallible>(answer.expect("a response")) }
        });
        (Access::new(Client::new(service, "shop"), Duration::from_secs(5)), asked)
    }

    async fn ask(access: &Access, nodes: &Nodes) -> Result<Option<Shortage>, Error> {
        look(access, nodes, "shop", &Resources::default()).await
    }

    #[tokio::test]
    async fn whoever_may_not_look_at_nodes_judges_by_quotas_alone() {
        let (access, asked) = access(403);
        let nodes = Nodes::default();
        assert_eq!(ask(&access, &nodes).await.expect("an answer"), None);
        assert_eq!(ask(&access, &nodes).await.expect("an answer"), None);
        assert_eq!(asked.load(Ordering::Relaxed), 1, "and asks no more than others do");
    }

    #[tokio::test]
    async fn of_many_who_ask_at_once_one_fails_with_the_nodes() {
        let (access, asked) = access(500);
        let nodes = Nodes::default();
        let all = join_all((0..10).map(|_| ask(&access, &nodes))).await;
        assert_eq!(all.iter().filter(|one| one.is_err()).count(), 1, "{all:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // As long as the failure is shared, and no predicate says when it is no more.
        tokio::time::sleep(SHARED_FAILURE).await;
        assert!(ask(&access, &nodes).await.is_err(), "whoever comes again looks anew");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
