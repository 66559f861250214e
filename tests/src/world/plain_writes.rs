//! How long plain writes take while stories are told: those of somebody who has nothing to do but to write.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::history::PlainWrite;

/// Often enough that one falls into each second, seldom enough to be no load.
const EVERY: Duration = Duration::from_millis(300);
const NAME: &str = "plain-writes";

/// Writes all the time until it is dropped.
pub struct PlainWrites {
    seen: Arc<Mutex<Vec<PlainWrite>>>,
    task: JoinHandle<()>,
}

impl PlainWrites {
    /// Begins to write a `ConfigMap` of its own.
    ///
    /// # Errors
    ///
    /// Where the API server doesn't take it.
    pub async fn begin(client: Client) -> Result<Self> {
        let maps: Api<ConfigMap> = Api::namespaced(client, "default");
        write(&maps, 0).await.map_err(Error::api("write a ConfigMap of its own"))?;
        let seen = Arc::default();
        let task = tokio::spawn(go_on(maps, Arc::clone(&seen)));
        Ok(Self { seen, task })
    }

    /// The writes so far.
    pub fn seen(&self) -> Vec<PlainWrite> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PlainWrites {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A write that fails is one as well: it took as long as it took.
async fn go_on(maps: Api<ConfigMap>, seen: Arc<Mutex<Vec<PlainWrite>>>) {
    for count in 1_u64.. {
        tokio::time::sleep(EVERY).await;
        let (begun, clock) = (jiff::Timestamp::now().as_millisecond(), Instant::now());
        write(&maps, count).await.unwrap_or_default();
        let write = PlainWrite { begun, took: clock.elapsed() };
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(write);
    }
}

async fn write(maps: &Api<ConfigMap>, count: u64) -> kube::Result<()> {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"count": count.to_string()}});
    maps.patch(NAME, &PatchParams::apply(NAME).force(), &Patch::Apply(map)).await.map(drop)
}
