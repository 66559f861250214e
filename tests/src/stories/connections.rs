//! A route of connections beside those of requests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teal_load::{SessionTarget, Sessions};
use tokio::task::JoinHandle;

use super::play::{PATIENCE, Play};
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::world::gateway_ports::SESSIONS;
use crate::world::{Shop, World, quick};

/// Connections that are opened to see where they lead.
const CONNECTIONS: usize = 120;
/// One more is opened so often all the while.
const EVERY: Duration = Duration::from_millis(20);
/// So many at least in a story that takes most of a minute.
const STEADY: usize = 500;
/// How many of them a candidate with 10 % may get: 12, give or take four times their deviation.
const A_TENTH: std::ops::RangeInclusive<usize> = 1..=26;

/// The tcp route has the weights of the http routes at every step: of new connections about a tenth reach the candidate at 10 %,
/// all at 100 %, and none once it was sent back. In the end both objects are their owner's again. Somebody connects all the while, and
/// is never refused.
pub(super) async fn shifted(world: &World, namespace: &str) -> Result<()> {
    world.nobody_leaves().await?;
    let shop = Shop::open(world, namespace, with_tcp).await?;
    shop.apply_examples(&["tcp.yaml"]).await?;
    let play = Play::on(shop).await?;
    if let Some(why) = play.shop.without_raw_tcp().await? {
        return Err(Error::Unmet(why));
    }
    let owners = tcp_spec(&play).await?;
    let first = play.live();
    // Until the gateway has the route, nobody answers there.
    let begun = async || opened(&play).await.map_err(|error| error.to_string());
    teal_testbed::until("a first connection".to_owned(), PATIENCE, begun).await?;
    let caller = Caller::begin(&play)?;
    lead_to(&play, &["v1"]).await?;

    let second = play.to_10("v2").await?;
    weighs(&play, &[90, 10]).await?;
    lead_to(&play, &["v1", "v2"]).await?;
    let reached = opened(&play).await?;
    let candidates = reached.get("v2").copied().unwrap_or(0);
    expect(A_TENTH.contains(&candidates), || format!("of {CONNECTIONS} connections {reached:?} at 10 %"))?;
    told(&play).await?;

    play.approve().await?;
    play.promoted(&second).await?;
    lead_to(&play, &["v2"]).await?;
    is_owners(&play, &owners).await?;

    play.gone(&first).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    let third = play.to_10("v2-mended").await?;
    play.shop.decide(teal_api::Action::Rollback, Some("seen enough")).await?;
    play.back_at_once(&second, &third).await?;
    lead_to(&play, &["v2"]).await?;
    is_owners(&play, &owners).await?;
    play.shares_were(&third, &[0, 10, 0])?;
    caller.end().await?;
    play.end(None).await
}

fn with_tcp(rollout: &mut Value) {
    quick(rollout);
    let listed = rollout.pointer_mut("/spec/traffic/virtualServices").and_then(Value::as_array_mut);
    let tcp = json!({"name": "web-tcp", "routes": [{"tcp": {"port": SESSIONS}}]});
    listed.into_iter().for_each(|listed| listed.push(tcp.clone()));
}

async fn tcp_spec(play: &Play<'_>) -> Result<Value> {
    let api = play.shop.dynamic("networking.istio.io", "v1", "VirtualService");
    let object = api.get("web-tcp").await.map_err(Error::api("get VirtualService web-tcp"))?;
    Ok(object.data["spec"].clone())
}

/// Waits until the tcp route has these weights: the `VirtualServices` of a Rollout are raised one after another.
async fn weighs(play: &Play<'_>, wanted: &[i64]) -> Result<()> {
    let reached = async || {
        let spec = tcp_spec(play).await.map_err(|error| error.to_string())?;
        let found: Vec<i64> = entries(&spec).iter().filter_map(|entry| entry["weight"].as_i64()).collect();
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    };
    Ok(teal_testbed::until(format!("weights {wanted:?} of the tcp route"), PATIENCE, reached).await?)
}

fn entries(spec: &Value) -> &[Value] {
    spec.pointer("/tcp/0/route").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Waits until both objects are as they were.
async fn is_owners(play: &Play<'_>, owners: &Value) -> Result<()> {
    let again = async || {
        let spec = tcp_spec(play).await.map_err(|error| error.to_string())?;
        if spec == *owners { Ok(()) } else { Err(spec.to_string()) }
    };
    Ok(teal_testbed::until("the owner's tcp route".to_owned(), PATIENCE, again).await?)
}

/// The status names the route as the spec does.
async fn told(play: &Play<'_>) -> Result<()> {
    let named = |journal: &crate::observe::Journal| {
        let routes = &journal.status()?.traffic.as_ref()?.routes;
        let tcp = routes.iter().find(|route| route.name == "web-tcp")?;
        (tcp.candidate_weight == 10).then(|| tcp.route.clone())
    };
    let route = play.observer.until("the tcp route in the status", PATIENCE, named).await?;
    expect(route == Some(format!("tcp: {{port: {SESSIONS}}}")), || format!("it is told as {route:?}"))
}

/// Waits until all new connections reach these versions. One that reaches nobody is no matter of time.
async fn lead_to(play: &Play<'_>, versions: &[&str]) -> Result<()> {
    let begun = Instant::now();
    loop {
        let reached = opened(play).await?;
        if reached.keys().eq(versions) {
            return Ok(());
        }
        expect(begun.elapsed() < PATIENCE, || {
            format!("connections reach {reached:?}, and not {versions:?} alone")
        })?;
    }
}

/// Somebody who connects again and again.
struct Caller {
    calls: JoinHandle<Result<Infallible>>,
    count: Arc<AtomicUsize>,
}

impl Caller {
    fn begin(play: &Play<'_>) -> Result<Self> {
        let target = SessionTarget { tcp: play.shop.sessions(true)?.tcp, ..SessionTarget::default() };
        let count = Arc::<AtomicUsize>::default();
        let counted = count.clone();
        let calls = async move {
            loop {
                let sessions = Sessions::new();
                sessions.open(&target, "steadily").await?;
                sessions.close().await?;
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(EVERY).await;
            }
        };
        Ok(Self { calls: tokio::spawn(calls), count })
    }

    /// Fails with the first connection that failed.
    async fn end(mut self) -> Result<()> {
        if self.calls.is_finished() {
            let failed = (&mut self.calls).await.map_err(|error| Error::Unmet(error.to_string()))?;
            return failed.map(|never| match never {});
        }
        let count = self.count.load(Ordering::Relaxed);
        say(&format!("{count} connections were opened one after another, and each was answered"));
        expect(count >= STEADY, || format!("only {count} connections in all the time"))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.calls.abort();
    }
}

/// Which versions that many new connections reach.
async fn opened(play: &Play<'_>) -> Result<BTreeMap<String, usize>> {
    let target = SessionTarget { tcp: play.shop.sessions(true)?.tcp, ..SessionTarget::default() };
    let sessions = Sessions::new();
    let mut reached = BTreeMap::new();
    for _ in 0..CONNECTIONS {
        for report in sessions.open(&target, "where it leads").await? {
            *reached.entry(report.version).or_default() += 1;
        }
    }
    sessions.close().await?;
    Ok(reached)
}
