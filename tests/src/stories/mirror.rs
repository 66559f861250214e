//! Copies of users' requests warm the candidate, and nobody gets their answers.

use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;

use super::play::{PATIENCE, Play};
use super::runner::say;
use crate::error::{Result, expect};
use crate::world::{World, quick};

/// Where the application's pods are asked what they have answered.
const PORT: u16 = 8080;
/// How many requests of users are counted in each step.
const REQUESTS: u64 = 400;
/// Of a hundred requests so many are copied.
const PERCENT: u8 = 50;

/// At weight 0 the candidate counts about half of what users ask, and every answer is live's; in a step that copies nothing it counts
/// nothing more; at 10 % it counts its share and copies. After a way back, and after a promotion, the owner's bytes are back.
pub(super) async fn copied(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, with_copies).await?;
    let first = play.live();
    let second = play.candidate("v2").await?;
    step(&play, "warm").await?;
    let since = Instant::now();
    let warm = counted(&play, &second).await?;
    answers(&play, since, "v1")?;
    about(&warm, f64::from(PERCENT) / 100.0)?;
    // Another hand applies the routes as they are in its file: copies come back.
    let owners = play.shop.owners_virtual_service()?;
    play.shop.apply(&[owners]).await?;
    mirrored(&play, true).await?;
    play.shares_were(&second, &[0])?;

    play.approve().await?;
    step(&play, "quiet").await?;
    mirrored(&play, false).await?;
    let since = Instant::now();
    let quiet = counted(&play, &second).await?;
    expect(quiet.candidate == 0, || {
        format!("{} requests were copied in a step without copies", quiet.candidate)
    })?;
    answers(&play, since, "v1")?;
    play.approve().await?;
    play.share(&second, 10).await?;
    step(&play, "canary").await?;
    mirrored(&play, true).await?;
    let canary = counted(&play, &second).await?;
    about(&canary, f64::from(PERCENT) / 100.0 + 0.1)?;
    say(&format!("mirror: at weight 0 {warm}; in a step without copies {quiet}; at 10 % {canary}"));
    play.shop.decide(Action::Rollback, Some("seen enough")).await?;
    play.back_at_once(&first, &second).await?;
    mirrored(&play, false).await?;
    play.gone(&second).await?;

    let third = play.candidate("v2-mended").await?;
    for name in ["warm", "quiet", "canary"] {
        step(&play, name).await?;
        play.approve().await?;
    }
    play.promoted(&third).await?;
    mirrored(&play, false).await?;
    play.end(None).await
}

fn with_copies(rollout: &mut Value) {
    quick(rollout);
    let asked = json!({"count": 1});
    let mirror = json!({"percent": PERCENT});
    if let Some(steps) = rollout.pointer_mut("/spec/steps").and_then(Value::as_array_mut) {
        if let Some(canary) = steps.first_mut() {
            canary["mirror"] = mirror.clone();
        }
        steps.insert(0, json!({"name": "quiet", "weight": 0, "approval": asked}));
        steps.insert(0, json!({"name": "warm", "weight": 0, "approval": asked, "mirror": mirror}));
    }
}

/// Waits until people are asked in this step.
async fn step(play: &Play<'_>, name: &str) -> Result<()> {
    let asked =
        |journal: &crate::observe::Journal| (journal.status()?.gate.as_ref()?.step == name).then_some(());
    play.observer.until(&format!("a question in step {name}"), PATIENCE, asked).await
}

/// How many requests there were, of users and at the candidate. Asking the pods takes its time, in which users go on.
struct Counted {
    /// Of users while nobody asked the pods.
    least: u64,
    /// With those from when the pods were first asked until they had answered the last time.
    most: u64,
    candidate: u64,
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at the candidate of {} to {} of users", self.candidate, self.least, self.most)
    }
}

/// Counts through so many requests of users.
async fn counted(play: &Play<'_>, revision: &str) -> Result<Counted> {
    let users = |since: Instant| play.record().tally(since, Instant::now()).requests();
    let asked = Instant::now();
    let before = at_pods(play, revision).await?;
    let answered = Instant::now();
    let enough = async || {
        let all = users(answered);
        if all >= REQUESTS { Ok(()) } else { Err(format!("{all} requests")) }
    };
    teal_testbed::until(format!("{REQUESTS} requests of users"), PATIENCE, enough).await?;
    let least = users(answered);
    let candidate = at_pods(play, revision).await? - before;
    Ok(Counted { least, most: users(asked), candidate })
}

/// How many requests the pods of a revision have answered.
async fn at_pods(play: &Play<'_>, revision: &str) -> Result<u64> {
    let pods: Vec<String> = play.observer.look(|journal| {
        let of = journal.pods.iter().filter(|(_, pod)| pod.revision == revision && pod.ready);
        of.map(|(name, _)| name.clone()).collect()
    });
    expect(!pods.is_empty(), || format!("no pod of {revision} is ready"))?;
    let mut all = 0;
    for pod in pods {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:{PORT}/proxy/metrics", play.shop.namespace);
        let text = play.shop.world.kubectl(&["get", "--raw", &path]).await?;
        let rows = text.lines().filter(|line| line.starts_with("http_requests_total{"));
        all += rows.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(all)
}

/// Whether the candidate got such a part of what users asked for.
fn about(counted: &Counted, part: f64) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let [least, most] = [counted.least, counted.most].map(|users| counted.candidate as f64 / users as f64);
    let fits = least > part - 0.15 && most < part + 0.15;
    expect(fits, || format!("{counted} is {most:.2} to {least:.2} and not about {part:.2}"))
}

/// All answers since then were of this version.
fn answers(play: &Play<'_>, since: Instant, version: &str) -> Result<()> {
    let tally = play.record().tally(since, Instant::now());
    expect(tally.requests() > 0 && tally.answers(version) == tally.requests(), || {
        format!("others than {version} answered: {tally:?}")
    })
}

/// Waits until each managed route has a mirror, or none has.
async fn mirrored(play: &Play<'_>, wanted: bool) -> Result<()> {
    let so = async || {
        let spec = play.shop.virtual_service().await.map_err(|error| error.to_string())?;
        let routes = spec["http"].as_array().cloned().unwrap_or_default();
        let found = routes.iter().filter(|route| route.get("mirrors").is_some()).count();
        let as_wanted = found == if wanted { routes.len() } else { 0 };
        if as_wanted && !routes.is_empty() {
            Ok(())
        } else {
            Err(format!("mirrors on {found} of {} routes", routes.len()))
        }
    };
    Ok(teal_testbed::until(format!("mirrors: {wanted}"), PATIENCE, so).await?)
}
