//! What works by itself, such as a consumer of a queue or a CronJob, works in the live color alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use teal_api::Action;
use tokio::task::JoinHandle;

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::world::{Shop, World, quick};

/// The namespace's Service of the queue, which the kubelet tells each container.
const QUEUE_URL: &str = "http://$(QUEUE_SERVICE_HOST):8080";
/// Messages that are put at once in each phase, and those that are put all the while.
const BATCH: usize = 20;
const ALL_THE_WHILE: Duration = Duration::from_millis(40);
/// The longest that the next tick may be away, and its Job.
const NEXT_TICK: Duration = Duration::from_secs(90);

/// One line of the queue's log.
#[derive(Clone, Debug, Deserialize)]
struct Entry {
    kind: String,
    id: u64,
    color: String,
}

/// Messages are put all the while, and a batch in each phase: each is handled once, and those of a phase by the color that is
/// live in it. Ticks of a real CronJob run once a minute: each minute is ticked once, by the color that is live when it begins:
/// one with the candidate at 10 %, one in the keep time, one after going back. That no tick is made up for when the other
/// CronJob wakes is what the last two show, each by coming alone. What a real minute can't show in a story of three is shown by
/// every version of the CronJobs: never are both awake.
///
/// Not shown: a tick in the very moment of the change-over, which the CronJob controller may miss or make up for.
pub(super) async fn once(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop::open(world, namespace, working).await?;
    let queue = Queue::open(&shop).await?;
    let from = world.revision().await?;
    let play = Play::on(shop).await?;
    let first = play.live();
    let blue = play.color(&first);
    let told = play.condition("WorksInBothColors", "True", "Found").await?;
    expect(told.contains("Deployment side"), || format!("what works twice is told as: {told}"))?;
    let producer = queue.clone().produce();

    queue.handled_by(&blue, "at rest").await?;
    let second = play.candidate("v2").await?;
    play.gate().await?;
    let green = play.color(&second);
    queue.handled_by(&blue, "with a candidate").await?;
    play.approve().await?;
    play.share(&second, 10).await?;
    play.gate().await?;
    queue.handled_by(&blue, "at 10 %").await?;
    queue.ticked_by(&blue, "at 10 %").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    at_rest_in(world, namespace, &blue).await?;
    queue.handled_by(&green, "in keep time").await?;
    queue.ticked_by(&green, "in keep time").await?;
    play.shop.decide(Action::Rollback, Some("the workers were better before")).await?;
    play.back_at(&first, &second).await?;
    at_rest_in(world, namespace, &green).await?;
    queue.handled_by(&blue, "after going back").await?;
    queue.ticked_by(&blue, "after going back").await?;

    producer.abort();
    queue.all_once().await?;
    never_both_awake(world, namespace, from).await?;
    play.gone(&second).await?;
    play.end(None).await
}

/// The worker of a color that was live a moment ago ends what it has in hand: what is put after that is for the other one.
async fn at_rest_in(world: &World, namespace: &str, color: &str) -> Result<()> {
    let selector = format!("app=worker,teal.dev/color={color}");
    world.none_left(&["pods", "-n", namespace, "-l", &selector]).await
}

/// The release of the examples with a worker, a CronJob, and a Deployment of which nobody said that it may run twice.
fn working(rollout: &mut Value) {
    quick(rollout);
    rollout["spec"]["keep"] = json!({"previous": "5m", "failed": "2s"});
    rollout["spec"]["steps"] = json!([
        {"name": "look", "weight": 0, "hold": "1s", "checks": [], "approval": {"count": 1}},
        {"name": "canary", "weight": 10, "hold": "1s", "checks": [], "approval": {"count": 1}},
        {"name": "full", "weight": 100, "hold": "1s", "checks": []},
    ]);
    let version = rollout.pointer("/spec/release/manifests/0/spec/template/spec/containers/0/env/0/value");
    let version = version.cloned().unwrap_or_default();
    let worker =
        deployment("worker", &json!({"teal.dev/fate": "LiveOnly"}), &pod("worker", "worker", &version));
    let side = deployment("side", &json!({}), &pod("side", "serve", &version));
    let mut tick = pod("tick", "tick", &version);
    tick["spec"]["restartPolicy"] = json!("OnFailure");
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "report"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": tick}}},
    });
    let manifests = rollout.pointer_mut("/spec/release/manifests").and_then(Value::as_array_mut);
    manifests
        .into_iter()
        .for_each(|manifests| manifests.extend([worker.clone(), side.clone(), cron.clone()]));
}

fn deployment(name: &str, annotations: &Value, template: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": annotations},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
    })
}

/// A pod of the example's program in one of its modes.
fn pod(app: &str, mode: &str, version: &Value) -> Value {
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": app, "image": "teal.dev/shop:0.1.0", "imagePullPolicy": "IfNotPresent", "args": [mode],
                "env": [
                    {"name": "VERSION", "value": version},
                    {"name": "COLOR", "valueFrom": field("metadata.labels['teal.dev/color']")},
                    {"name": "POD_NAME", "valueFrom": field("metadata.name")},
                    {"name": "JOB_NAME", "valueFrom": field("metadata.labels['batch.kubernetes.io/job-name']")},
                    {"name": "QUEUE_URL", "value": QUEUE_URL},
                ],
            }],
        },
    })
}

/// The queue beside the release, and what was put into it.
#[derive(Clone)]
struct Queue {
    url: Arc<str>,
    http: reqwest::Client,
}

impl Queue {
    async fn open(shop: &Shop<'_>) -> Result<Self> {
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
    fn produce(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut due = tokio::time::interval(ALL_THE_WHILE);
            while self.put("all the while").await.is_ok() {
                due.tick().await;
            }
        })
    }

    /// Puts a batch and waits until each of it is handled, all by this color.
    async fn handled_by(&self, color: &str, when: &str) -> Result<()> {
        let mut batch = BTreeSet::new();
        for _ in 0..BATCH {
            batch.insert(self.put(when).await?);
        }
        let done = async || {
            let log = self.log().await.map_err(|error| error.to_string())?;
            let mut handled = log.iter().filter(|entry| entry.kind == "message" && batch.contains(&entry.id));
            let by: BTreeMap<u64, String> =
                handled.by_ref().map(|entry| (entry.id, entry.color.clone())).collect();
            if by.len() == batch.len() { Ok(by) } else { Err(format!("{} of {BATCH} handled", by.len())) }
        };
        let by = teal_testbed::until(format!("a batch handled {when}"), PATIENCE, done).await?;
        let other: Vec<_> = by.iter().filter(|(_, one)| *one != color).collect();
        expect(other.is_empty(), || {
            format!("{when} {color} is live, and these were handled by others: {other:?}")
        })
    }

    /// Waits for the next tick and looks who made it.
    async fn ticked_by(&self, color: &str, when: &str) -> Result<()> {
        let ticks = async || -> Result<Vec<Entry>> {
            Ok(self.log().await?.into_iter().filter(|entry| entry.kind == "tick").collect())
        };
        let before = ticks().await?.len();
        let more = async || {
            let ticks = ticks().await.map_err(|error| error.to_string())?;
            ticks.get(before).cloned().ok_or_else(|| format!("{before} ticks so far"))
        };
        let begun = Instant::now();
        let tick = teal_testbed::until(format!("a tick {when}"), NEXT_TICK, more).await?;
        let after = begun.elapsed().as_secs();
        expect(tick.color == color, || {
            format!("{when} {color} is live, and {} ticked minute {} after {after} s", tick.color, tick.id)
        })
    }

    /// Every message and every minute from the first tick on was handled exactly once.
    async fn all_once(&self) -> Result<()> {
        let newest = self.put("the last one").await?;
        let done = async || {
            let log = self.log().await.map_err(|error| error.to_string())?;
            let handled: BTreeSet<u64> =
                log.iter().filter(|entry| entry.kind == "message").map(|entry| entry.id).collect();
            let missing = (1..=newest).find(|id| !handled.contains(id));
            missing.map_or(Ok(()), |id| Err(format!("message {id} of {newest} is not handled")))
        };
        teal_testbed::until("every message handled".to_owned(), PATIENCE, done).await?;
        let log = self.log().await?;
        let mut times: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
        for entry in &log {
            times.entry((&entry.kind, entry.id)).or_default().push(&entry.color);
        }
        let twice: Vec<_> = times.iter().filter(|(_, by)| by.len() > 1).collect();
        expect(twice.is_empty(), || format!("handled more than once: {twice:?}"))?;
        let minutes: Vec<u64> = times.keys().filter(|(kind, _)| *kind == "tick").map(|(_, id)| *id).collect();
        let gap = minutes.windows(2).find(|pair| pair[1] != pair[0] + 1);
        expect(gap.is_none() && minutes.len() >= 3, || format!("ticked minutes: {minutes:?}"))
    }
}

/// Looks at every version of both CronJobs: at no time may both be awake, and each color was.
async fn never_both_awake(world: &World, namespace: &str, from: u64) -> Result<()> {
    let Some(versions) = world.versions_from(from).await? else { return Ok(()) };
    let here = versions.iter().filter(|one| one.key.resource == "cronjobs" && one.key.namespace == namespace);
    let mut awake: BTreeMap<&str, bool> = BTreeMap::new();
    let mut ever: BTreeSet<&str> = BTreeSet::new();
    for version in here {
        let suspended = version.value.as_ref().map(|value| value["spec"]["suspend"] == json!(true));
        awake.insert(&version.key.name, suspended == Some(false));
        let now: Vec<&str> = awake.iter().filter(|(_, awake)| **awake).map(|(name, _)| *name).collect();
        expect(now.len() <= 1, || format!("both are awake in revision {}: {now:?}", version.revision))?;
        ever.extend(now);
    }
    expect(ever.len() == 2, || format!("of the two CronJobs only these were ever awake: {ever:?}"))
}
