//! The queue beside the release, and what it says was done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{deployment, pod};
use crate::error::{Error, Result};
use crate::stories::play::PATIENCE;
use crate::world::Shop;

/// Messages that are put at once in each phase, and those that are put all the while.
const BATCH: usize = 20;
const ALL_THE_WHILE: Duration = Duration::from_millis(40);
/// The longest that the next tick may be away, and its Job.
const NEXT_TICK: Duration = Duration::from_secs(90);

/// What a line of the queue's log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Message,
    /// Its number is the scheduled minute since 1970.
    Tick,
}

/// One line of the queue's log.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) color: String,
    /// Milliseconds since 1970, by the clock of this machine.
    pub(super) at_ms: u64,
}

impl Entry {
    /// When it was due, of a tick; when it was done, of a message.
    pub(super) fn moment(&self) -> u64 {
        match self.kind {
            Kind::Message => self.at_ms,
            Kind::Tick => self.id * 60_000,
        }
    }
}

/// The queue.
#[derive(Clone)]
pub(super) struct Queue {
    url: Arc<str>,
    http: reqwest::Client,
}

impl Queue {
    pub(super) async fn open(shop: &Shop<'_>) -> Result<Self> {
        let namespace = shop.namespace.as_str();
        let mut template = pod("queue", "queue", &json!("any"));
        template["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1});
        let mut objects = [
            deployment("queue", &json!({}), &template),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "queue"},
                "spec": {"selector": {"app": "queue"}, "ports": [{"name": "http", "port": 8080}]}}),
        ];
        objects.iter_mut().for_each(|object| object["metadata"]["namespace"] = json!(namespace));
        shop.apply(&objects).await?;
        let world = shop.world;
        world.kubectl(&["rollout", "status", "deployment/queue", "-n", namespace, "--timeout=60s"]).await?;
        let path = "jsonpath={.items[0].status.podIP}";
        let address = world.kubectl(&["get", "pods", "-n", namespace, "-l", "app=queue", "-o", path]).await?;
        let url = format!("http://{}:8080", address.trim()).into();
        Ok(Self { url, http: reqwest::Client::new() })
    }

    async fn put(&self, body: &str) -> Result<u64> {
        let url = format!("{}/put", self.url);
        let failed = |source| Error::Http { url: url.clone(), source };
        let answer = self.http.post(&url).body(body.to_owned()).send().await.map_err(failed)?;
        answer.json().await.map_err(|source| Error::Http { url: url.clone(), source })
    }

    async fn log(&self) -> Result<Vec<Entry>> {
        let url = format!("{}/log", self.url);
        let answer =
            self.http.get(&url).send().await.map_err(|source| Error::Http { url: url.clone(), source })?;
        answer.json().await.map_err(|source| Error::Http { url, source })
    }

    /// Puts messages until it is aborted.
    pub(super) fn produce(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut due = tokio::time::interval(ALL_THE_WHILE);
            while self.put("all the while").await.is_ok() {
                due.tick().await;
            }
        })
    }

    /// Puts a batch and waits until each of it is handled.
    pub(super) async fn batch(&self, when: &str) -> Result<()> {
        let mut batch = BTreeSet::new();
        for _ in 0..BATCH {
            batch.insert(self.put(when).await?);
        }
        self.handled(&format!("a batch {when}"), batch).await.map(drop)
    }

    /// Waits for a tick that is due from this moment on.
    pub(super) async fn tick(&self, from: u64, when: &str) -> Result<()> {
        let there = async || {
            let log = self.log().await.map_err(|error| error.to_string())?;
            let ticks: Vec<u64> =
                log.iter().filter(|entry| entry.kind == Kind::Tick).map(Entry::moment).collect();
            let due = ticks.iter().any(|moment| *moment >= from);
            if due { Ok(()) } else { Err(format!("{} ticks so far", ticks.len())) }
        };
        Ok(teal_testbed::until(format!("a tick {when}"), NEXT_TICK, there).await?)
    }

    /// Waits until all that was put is handled; gives the last message's number and all that was done.
    pub(super) async fn emptied(&self) -> Result<(u64, Vec<Entry>)> {
        let newest = self.put("the last one").await?;
        let log = self.handled("every message", (1..=newest).collect()).await?;
        Ok((newest, log))
    }

    async fn handled(&self, what: &str, wanted: BTreeSet<u64>) -> Result<Vec<Entry>> {
        let done = async || {
            let log = self.log().await.map_err(|error| error.to_string())?;
            let of = |entry: &&Entry| entry.kind == Kind::Message;
            let handled: BTreeSet<u64> = log.iter().filter(of).map(|entry| entry.id).collect();
            let missing = wanted.difference(&handled).count();
            if missing == 0 { Ok(log) } else { Err(format!("{missing} of {} not handled", wanted.len())) }
        };
        Ok(teal_testbed::until(format!("{what} handled"), PATIENCE, done).await?)
    }
}
