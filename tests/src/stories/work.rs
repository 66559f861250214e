//! What works by itself, such as a consumer of a queue or a CronJob, works in the live color alone.

mod awake;
mod queue;
mod roster;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use teal_api::Action;
use tokio::task::JoinHandle;

use super::play::{Crowd, PATIENCE, Play};
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::observe::Journal;
use crate::world::{Shop, World, quick};
use queue::{Kind, Queue};
use roster::Roster;

/// The namespace's Service of the queue, which the kubelet tells each container.
const QUEUE_URL: &str = "http://$(QUEUE_SERVICE_HOST):8080";
/// Users of the application, who are not what this is about.
const FEW: Crowd = Crowd { keep_alive: 3, per_request: 3, rate: 60 };
/// From the yes to the last step to the change-over, in milliseconds: two waits for proxies, and some writes. With it the change-over
/// is put to the turn of a minute.
const AHEAD: u64 = 4_200;
const AIM: Duration = Duration::from_millis(500);
const MINUTE: u64 = 60_000;

/// Messages are put all the while, and a batch in each phase; ticks of a real CronJob run once a minute. Each message and each
/// tick of every phase is handled once, by the color that is live in it, and in the moment of a change-over by one of the two.
///
/// A real minute has one tick, so the phases are passed by three releases at the same time, each held in a phase until it was
/// ticked: on the way to promotion and over it; back before promotion; back after it, and then to the end.
pub(super) async fn once(world: &World, namespace: &str) -> Result<()> {
    let (back, kept) = (format!("{namespace}-back"), format!("{namespace}-kept"));
    tokio::try_join!(
        promoted(world, namespace),
        sent_back_before_promotion(world, &back),
        sent_back_after_promotion(world, &kept)
    )
    .map(drop)
}

/// Over a promotion at the turn of a minute.
async fn promoted(world: &World, namespace: &str) -> Result<()> {
    let mut work = Work::begin(world, namespace).await?;
    let told = work.play.condition("WorksInBothColors", "True", "Found").await?;
    expect(told.contains("Deployment side"), || format!("what works twice is told as: {told}"))?;
    let blue = work.live()?;
    work.spend("before any rollout", &blue, Tick::May).await?;
    let first = work.play.live();
    let second = work.play.candidate("v2").await?;
    work.play.gate().await?;
    let green = work.play.color(&second);
    work.spend("with a candidate at 0 %", &blue, Tick::Must).await?;
    work.step(&second, 10).await?;
    work.spend("with a candidate at 10 %", &blue, Tick::May).await?;
    work.step(&second, 100).await?;
    work.spend("at 100 % before promotion", &blue, Tick::Must).await?;
    turn_of_the_minute().await?;
    let asked = now();
    work.play.approve().await?;
    let turned = work.change("at the change-over", &second, [&blue, &green]).await?;
    say(&format!(
        "        {namespace}: change-over {:?} after the turn of a minute",
        past_the_minute(turned)
    ));
    work.queue.tick(asked, "at the change-over").await?;
    work.play.promoted(&second).await?;
    work.spend("in keep time", &green, Tick::May).await?;
    work.retire(&first).await?;
    work.spend("after retirement", &green, Tick::May).await?;
    work.end(true).await
}

/// A candidate that never gets live.
async fn sent_back_before_promotion(world: &World, namespace: &str) -> Result<()> {
    let mut work = Work::begin(world, namespace).await?;
    let blue = work.live()?;
    work.spend("before any rollout", &blue, Tick::Must).await?;
    let first = work.play.live();
    let second = work.play.candidate("v2").await?;
    work.step(&second, 10).await?;
    work.spend("with a candidate at 10 %", &blue, Tick::Must).await?;
    work.play.shop.decide(Action::Rollback, Some("the workers are better as they are")).await?;
    work.play.back_at(&first, &second).await?;
    work.spend("after going back before promotion", &blue, Tick::Must).await?;
    work.end(false).await
}

/// There and back, and there for good.
async fn sent_back_after_promotion(world: &World, namespace: &str) -> Result<()> {
    let mut work = Work::begin(world, namespace).await?;
    let blue = work.live()?;
    work.spend("before any rollout", &blue, Tick::May).await?;
    let first = work.play.live();
    let green = String::from(if blue == "blue" { "green" } else { "blue" });
    let second = work.promote("v2", [&blue, &green]).await?;
    work.spend("in keep time", &green, Tick::Must).await?;
    work.play.shop.decide(Action::Rollback, Some("the workers were better before")).await?;
    work.change("while going back after promotion", &first, [&green, &blue]).await?;
    work.play.back_at(&first, &second).await?;
    work.spend("after going back after promotion", &blue, Tick::Must).await?;
    work.promote("v2-mended", [&blue, &green]).await?;
    work.spend("in keep time again", &green, Tick::May).await?;
    work.retire(&first).await?;
    work.spend("after retirement", &green, Tick::Must).await?;
    work.end(true).await
}

/// Whether a phase lasts until a tick was due in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tick {
    Must,
    May,
}

/// A release that works, its queue, and who is to do the work.
struct Work<'a> {
    play: Play<'a>,
    queue: Queue,
    roster: Roster,
    producer: JoinHandle<()>,
    revision: u64,
}

impl<'a> Work<'a> {
    async fn begin(world: &'a World, namespace: &str) -> Result<Self> {
        let shop = Shop::open(world, namespace, working).await?;
        let queue = Queue::open(&shop).await?;
        let (roster, revision) = (Roster::new(now()), world.revision().await?);
        let play = Play::with(FEW, shop).await?;
        let producer = queue.clone().produce();
        Ok(Self { play, queue, roster, producer, revision })
    }

    /// The color that is live.
    fn live(&self) -> Result<String> {
        let color = self.play.color(&self.play.live());
        expect(!color.is_empty(), || "nothing is live".to_owned()).map(|()| color)
    }

    /// Stays in a phase until enough was done in it to show who does it.
    async fn spend(&mut self, phase: &'static str, color: &str, tick: Tick) -> Result<()> {
        self.queue.batch(phase).await?;
        if tick == Tick::Must {
            self.queue.tick(self.roster.from(), phase).await?;
        }
        self.roster.add(phase, &[color], now(), tick == Tick::Must);
        Ok(())
    }

    /// Says yes, and waits for the next question.
    async fn step(&self, candidate: &str, percent: u32) -> Result<()> {
        self.play.approve().await?;
        self.play.share(candidate, percent).await?;
        self.play.gate().await
    }

    /// The whole way of a version, with the change-over at its end.
    async fn promote(&mut self, version: &str, workers: [&str; 2]) -> Result<String> {
        let candidate = self.play.candidate(version).await?;
        self.step(&candidate, 10).await?;
        self.step(&candidate, 100).await?;
        self.play.approve().await?;
        self.change("at the change-over", &candidate, workers).await?;
        self.play.promoted(&candidate).await?;
        Ok(candidate)
    }

    /// From the moment in which another revision is live until it alone works: either may. Until that moment the one before was
    /// live, whatever was asked for. Gives that moment.
    async fn change(&mut self, phase: &'static str, to: &str, [before, after]: [&str; 2]) -> Result<u64> {
        let what = format!("{to} as live");
        let turned = |journal: &Journal| (journal.live() == Some(to)).then_some(());
        self.play.observer.until(&what, PATIENCE, turned).await?;
        let turned = now();
        self.roster.extend(turned);
        self.queue.batch(phase).await?;
        self.changed_over(before, after).await?;
        self.roster.add(phase, &[before, after], now(), false);
        Ok(turned)
    }

    /// The worker of a color that was live a moment ago ends what it has in hand: what is put after that is for the other one.
    async fn changed_over(&self, before: &str, after: &str) -> Result<()> {
        let (world, namespace) = (self.play.shop.world, self.play.shop.namespace.as_str());
        let selector = format!("app=worker,teal.dev/color={before}");
        world.none_left(&["pods", "-n", namespace, "-l", &selector]).await?;
        for (color, suspended) in [(before, "true"), (after, "false")] {
            let wanted = format!("--for=jsonpath={{.spec.suspend}}={suspended}");
            let cron = format!("cronjob/report-{color}");
            world.kubectl(&["wait", &wanted, &cron, "-n", namespace, "--timeout=30s"]).await?;
        }
        Ok(())
    }

    /// Ends the keep time, and with it the old color.
    async fn retire(&self, old: &str) -> Result<()> {
        self.play.shop.decide(Action::Retire, Some("nobody asks for it")).await?;
        self.play.gone(old).await
    }

    /// Holds all that was done against who was to do it. `both`: each color was live at some time.
    async fn end(self, both: bool) -> Result<()> {
        self.producer.abort();
        let (world, namespace) = (self.play.shop.world, self.play.shop.namespace.clone());
        let (newest, log) = self.queue.emptied().await?;
        let mut roster = self.roster.clone();
        roster.extend(now());
        let wrong = |what: String| Error::Unmet(format!("{namespace}: {what}"));
        roster.judge(&log, newest).map_err(wrong)?;
        let wrong = |what: String| Error::Unmet(format!("{namespace}: {what}"));
        if let Some(versions) = world.versions_from(self.revision).await? {
            awake::judge(&versions, &namespace, both).map_err(wrong)?;
        }
        let ticks = log.iter().filter(|entry| entry.kind == Kind::Tick).count();
        say(&format!(
            "count: {namespace}: {newest} messages and {ticks} ticks, each handled once and by live"
        ));
        self.play.end(None).await
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn past_the_minute(moment: u64) -> Duration {
    Duration::from_millis(moment % MINUTE)
}

/// Waits until a change-over that is asked for now comes at the turn of a minute, which is as hard for a CronJob as it gets. What
/// is judged holds whenever it comes.
async fn turn_of_the_minute() -> Result<()> {
    let aim = async || {
        let past = past_the_minute(now() + AHEAD);
        if past < AIM { Ok(()) } else { Err(format!("{past:?} past it")) }
    };
    Ok(teal_testbed::until("the turn of a minute", Duration::from_secs(70), aim).await?)
}

/// The release of the examples with a worker, a CronJob, and a Deployment of which nobody said that it may run twice.
fn working(rollout: &mut Value) {
    quick(rollout);
    rollout["spec"]["release"]["manifests"][0]["spec"]["replicas"] = json!(1);
    // Long enough that what went back can still be looked at, on a machine that has much to do.
    rollout["spec"]["keep"] = json!({"previous": "5m", "failed": "45s"});
    rollout["spec"]["steps"] = json!([
        {"name": "look", "weight": 0, "hold": "1s", "checks": [], "approval": {"count": 1}},
        {"name": "canary", "weight": 10, "hold": "1s", "checks": [], "approval": {"count": 1}},
        {"name": "full", "weight": 100, "hold": "1s", "checks": [], "approval": {"count": 1}},
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
