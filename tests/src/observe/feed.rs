//! Every version of the objects of a namespace, as the API server tells it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// Pause before a connection that failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A kind that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Routes and weights.
    VirtualService,
    /// Whom a role selects.
    Service,
    /// Phases, gates, verdicts.
    Rollout,
    /// Human acts and what became of them.
    Decision,
    /// Who runs and who ends.
    Pod,
}

impl Kind {
    /// Those that every cluster with Istio has.
    pub const BARE: [Self; 3] = [Self::VirtualService, Self::Service, Self::Pod];
    /// Those and Teal's.
    pub const ALL: [Self; 5] =
        [Self::VirtualService, Self::Service, Self::Pod, Self::Rollout, Self::Decision];

    fn resource(self) -> ApiResource {
        let (group, version, kind) = match self {
            Self::VirtualService => ("networking.istio.io", "v1", "VirtualService"),
            Self::Service => ("", "v1", "Service"),
            Self::Rollout => ("teal.dev", "v1alpha1", "Rollout"),
            Self::Decision => ("teal.dev", "v1alpha1", "Decision"),
            Self::Pod => ("", "v1", "Pod"),
        };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    }
}

/// A version of an object.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When we were told.
    pub at: Instant,
    /// Of which kind it is.
    pub kind: Kind,
    /// Whether it is the last one, of an object that is gone.
    pub gone: bool,
    /// The object.
    pub object: Value,
}

/// Follows kinds until dropped.
#[derive(Debug)]
pub(super) struct Feed(#[expect(dead_code, reason = "ends its tasks when dropped")] JoinSet<()>);

impl Feed {
    /// Starts to follow.
    pub(super) fn start(
        client: &Client,
        namespace: &str,
        kinds: &[Kind],
        out: &UnboundedSender<Seen>,
    ) -> Self {
        let mut tasks = JoinSet::new();
        for kind in kinds {
            let api = Api::namespaced_with(client.clone(), namespace, &kind.resource());
            tasks.spawn(follow(api, *kind, out.clone()));
        }
        Self(tasks)
    }
}

async fn follow(api: Api<DynamicObject>, kind: Kind, out: UnboundedSender<Seen>) {
    let mut version = None;
    while !out.is_closed() {
        let from = if let Some(version) = version.take() {
            version
        } else {
            let Some(version) = list(&api, kind, &out).await else {
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            };
            version
        };
        version = watch(&api, kind, from, &out).await;
    }
}

async fn list(api: &Api<DynamicObject>, kind: Kind, out: &UnboundedSender<Seen>) -> Option<String> {
    let list = api.list(&ListParams::default()).await.ok()?;
    let at = Instant::now();
    list.items.iter().for_each(|object| tell(out, at, kind, false, object));
    list.metadata.resource_version
}

/// Watches from a version on, so that none between two connections is missed. Gives the version to go on from, or nothing
/// where only a new list helps.
async fn watch(
    api: &Api<DynamicObject>,
    kind: Kind,
    mut from: String,
    out: &UnboundedSender<Seen>,
) -> Option<String> {
    let mut stream = match api.watch(&WatchParams::default(), &from).await {
        Ok(stream) => stream.boxed(),
        Err(error) => {
            tokio::time::sleep(AFTER_FAILURE).await;
            // The server answered, so it is the version that it can't begin from.
            return if matches!(error, kube::Error::Api(_)) { None } else { Some(from) };
        }
    };
    while let Some(Ok(event)) = stream.next().await {
        let at = Instant::now();
        let (gone, object) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (false, object),
            WatchEvent::Deleted(object) => (true, object),
            WatchEvent::Bookmark(bookmark) => {
                from = bookmark.metadata.resource_version;
                continue;
            }
            WatchEvent::Error(_) => return None,
        };
        if let Some(version) = &object.metadata.resource_version {
            from.clone_from(version);
        }
        tell(out, at, kind, gone, &object);
    }
    Some(from)
}

fn tell(out: &UnboundedSender<Seen>, at: Instant, kind: Kind, gone: bool, object: &DynamicObject) {
    if let Ok(object) = serde_json::to_value(object) {
        // Nobody may listen any more.
        out.send(Seen { at, kind, gone, object }).unwrap_or_default();
    }
}
