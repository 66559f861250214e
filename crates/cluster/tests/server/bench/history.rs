//! Every version of the objects of a kind in the bench's namespace, from a moment on: what no look in between misses.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::StreamExt;
use kube::api::{Api, DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::Value;

/// One version of one object.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) revision: String,
    /// As it was; nothing where it was deleted.
    pub(crate) object: Option<Value>,
    /// When it was told.
    pub(crate) at: Instant,
}

impl Version {
    pub(crate) fn spec(&self) -> Option<&Value> {
        self.object.as_ref()?.get("spec")
    }

    /// Percent that go to candidates.
    pub(crate) fn candidates_weight(&self) -> i64 {
        super::case::candidates_weight(self)
    }
}

/// Writes down what a watch tells. The API server tells every version of an object, in their order.
pub(crate) struct History {
    api: Api<DynamicObject>,
    versions: Arc<Mutex<Result<Vec<Version>, String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl History {
    /// Begins with what is there now. A kind that isn't served has no history.
    pub(crate) async fn begin(api: Api<DynamicObject>) -> Self {
        let (first, from) = match api.list(&ListParams::default()).await {
            Ok(list) => {
                let from = list.metadata.resource_version.clone().unwrap_or_default();
                (list.items.iter().map(|object| version(object, true)).collect(), Some(from))
            }
            Err(kube::Error::Api(status)) if status.code == 404 => (Vec::new(), None),
            Err(error) => panic!("what is there can't be listed: {error}"),
        };
        let versions = Arc::new(Mutex::new(Ok(first)));
        let task = tokio::spawn(follow(api.clone(), from, Arc::clone(&versions)));
        Self { api, versions, task }
    }

    /// Everything up to now: waits until the watch has told the present version of each object.
    pub(crate) async fn all(&self) -> Vec<Version> {
        let now = match self.api.list(&ListParams::default()).await {
            Ok(list) => list.items.iter().map(|object| version(object, true)).collect(),
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => panic!("what is there can't be listed: {error}"),
        };
        let begun = Instant::now();
        loop {
            let told = self.told();
            let has = |wanted: &Version| told.iter().any(|v| v.revision == wanted.revision);
            if now.iter().all(has) {
                return told;
            }
            assert!(begun.elapsed() < super::PATIENCE, "a watch lags behind what is there");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    fn told(&self) -> Vec<Version> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.clone().unwrap_or_else(|problem| panic!("the history has a gap: {problem}"))
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    api: Api<DynamicObject>,
    from: Option<String>,
    versions: Arc<Mutex<Result<Vec<Version>, String>>>,
) {
    let Some(mut from) = from else { return };
    let gap = |problem: String| {
        *versions.lock().unwrap_or_else(PoisonError::into_inner) = Err(problem);
    };
    loop {
        // The server ends a watch now and then; the next one goes on where it ended, or says that it can't.
        let mut events = match api.watch(&WatchParams::default(), &from).await {
            Ok(events) => events.boxed(),
            Err(error) => return gap(error.to_string()),
        };
        while let Some(event) = events.next().await {
            let version = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => version(&object, true),
                Ok(WatchEvent::Deleted(object)) => version(&object, false),
                Ok(WatchEvent::Bookmark(bookmark)) => {
                    from = bookmark.metadata.resource_version;
                    continue;
                }
                Ok(WatchEvent::Error(status)) => return gap(status.message),
                // The connection broke: the next watch begins after what was told last.
                Err(_) => break,
            };
            from.clone_from(&version.revision);
            if let Ok(versions) = &mut *versions.lock().unwrap_or_else(PoisonError::into_inner) {
                versions.push(version);
            }
        }
    }
}

fn version(object: &DynamicObject, there: bool) -> Version {
    Version {
        name: object.metadata.name.clone().unwrap_or_default(),
        revision: object.metadata.resource_version.clone().unwrap_or_default(),
        object: there.then(|| serde_json::to_value(object).expect("JSON")),
        at: Instant::now(),
    }
}
