//! The order of writes under heavy traffic: what is right at some hundred requests a second may not be at thousands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teal_api::Action;

use super::play::{Crowd, PATIENCE, Play};
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::observe::{Gateway, Journal, gateway_knows};
use crate::world::{World, quick};

/// Requests a second that the gateway must have answered, over the whole story.
const REQUIRED: f64 = 5000.0;
/// Requests a second that are sent. Most clients keep their connection: opening one costs more than the request on it.
const CROWD: Crowd = Crowd { keep_alive: 36, per_request: 4, rate: 6000 };
/// What a weight or a Service needs at most until it holds in every proxy.
const PROPAGATION: Duration = Duration::from_secs(2);
/// When the last answer of a version must have come after it was taken back.
const TAKEN_BACK: Duration = Duration::from_secs(1);
/// A share is counted in windows of this length.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOWS: usize = 2;
/// Further VirtualServices, and the Services that they lead to.
const FURTHER: usize = 300;
const FURTHER_SERVICES: usize = 30;

/// What istiod is started with where a gateway is given only what its routes name; and where endpoints don't wait for others.
const FILTERED: (&str, &str) = ("PILOT_FILTER_GATEWAY_CLUSTER_CONFIG", "true");
const FILTERED_AT_ONCE: [(&str, &str); 2] = [FILTERED, ("PILOT_ENABLE_EDS_DEBOUNCE", "false")];

/// As istiod is by default.
pub(super) async fn by_default(world: &World, namespace: &str) -> Result<()> {
    course(world, namespace).await
}

/// Both of what follows in one: with the filter, with endpoints pushed at once, and among many other routes.
pub(super) async fn filtered_among_many(world: &World, namespace: &str) -> Result<()> {
    with_istiod(world, namespace, &FILTERED_AT_ONCE, in_crowd(world, namespace)).await
}

/// The gateway has only what its routes name, so that a first destination comes with its cluster and a last one goes with it;
/// and endpoints are pushed at once, before routes.
pub(super) async fn filtered(world: &World, namespace: &str) -> Result<()> {
    with_istiod(world, namespace, &FILTERED_AT_ONCE, course(world, namespace)).await
}

/// The same filter where pushes are long, because there are many other routes.
pub(super) async fn among_many(world: &World, namespace: &str) -> Result<()> {
    with_istiod(world, namespace, &[FILTERED], in_crowd(world, namespace)).await
}

async fn in_crowd(world: &World, namespace: &str) -> Result<()> {
    let many = format!("{namespace}-others");
    crowd_in(world, &many).await?;
    let told = course(world, namespace).await;
    world.kubectl(&["delete", "namespace", &many, "--wait=false"]).await?;
    told
}

/// Tells with another istiod, and gives the world back its usual one.
async fn with_istiod(
    world: &World,
    namespace: &str,
    environment: &[(&str, &str)],
    tale: impl Future<Output = Result<()>>,
) -> Result<()> {
    let bed = world.bed().ok_or_else(|| Error::Cluster("this istiod can't be started anew".into()))?;
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    bed.restart_istiod(&environment).await?;
    world.diary().write(namespace, Instant::now(), "another istiod");
    // No route names the API server, so a gateway that knows it was given everything.
    let filtered = async || match gateway_knows(&world.cluster, "outbound|443||kubernetes.default").await {
        Ok(false) => Ok(()),
        Ok(true) => Err("the gateway has what no route names".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let told = match teal_testbed::until("a filtered gateway", PATIENCE, filtered).await {
        Ok(()) => tale.await,
        Err(error) => Err(error.into()),
    };
    bed.restart_istiod(&BTreeMap::new()).await?;
    told
}

/// Routes of others, all at the same gateway.
async fn crowd_in(world: &World, namespace: &str) -> Result<()> {
    let object = |version: &str, kind: &str, name: &str, spec: Value| {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace},
            "spec": spec})
    };
    let metadata = json!({"name": namespace});
    let first = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    world.cluster.apply_all(&[first]).await?;
    let server =
        json!({"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*.further.example"]});
    let gateway = json!({"selector": {"istio": "ingress"}, "servers": [server]});
    let mut objects = vec![object("networking.istio.io/v1", "Gateway", "further", gateway)];
    objects.extend((0..FURTHER_SERVICES).map(|number| {
        object(
            "v1",
            "Service",
            &format!("service-{number}"),
            json!({"ports": [{"name": "http", "port": 80}]}),
        )
    }));
    objects.extend((0..FURTHER).map(|number| {
        let host = format!("service-{}", number % FURTHER_SERVICES);
        let spec = json!({"hosts": [further(number)], "gateways": ["further"],
            "http": [{"route": [{"destination": {"host": host, "port": {"number": 80}}}]}]});
        object("networking.istio.io/v1", "VirtualService", &format!("further-{number}"), spec)
    }));
    world.cluster.apply_all(&objects).await?;
    let url = format!("http://{}/", world.gateway(None)?);
    let known = async || {
        let last = reqwest::Client::new().get(&url).header("host", further(FURTHER - 1)).send().await;
        // Nobody stands behind these Services.
        match last.map_err(|error| error.to_string())?.status().as_u16() {
            503 => Ok(()),
            other => Err(format!("{other} from the last of the routes")),
        }
    };
    Ok(teal_testbed::until(format!("{FURTHER} further routes at the gateway"), PATIENCE, known).await?)
}

fn further(number: usize) -> String {
    format!("further-{number}.further.example")
}

fn two_pods(rollout: &mut Value) {
    quick(rollout);
    rollout["spec"]["release"]["manifests"][0]["spec"]["replicas"] = json!(2);
    rollout["spec"]["keep"] = json!({"previous": "7s", "failed": "2s"});
}

/// A rollback at 10 %, a whole good rollout, and a rollback in keep time.
async fn course(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open_to(CROWD, world, namespace, two_pods).await?;
    let begun = Gateway::read(&world.cluster).await?;
    taken_back_at_10(&play).await?;
    promoted(&play).await?;
    taken_back_in_keep(&play).await?;
    let ended = Gateway::read(&world.cluster).await?;
    volume(namespace, &begun, &ended)?;
    play.end(None).await
}

/// Says what the gateway did, and fails if that was too little to show anything.
fn volume(story: &str, begun: &Gateway, ended: &Gateway) -> Result<()> {
    let rate = ended.rate(begun);
    let (requests, failed) = (ended.answered - begun.answered, ended.failed - begun.failed);
    say(&format!("count: {story}: {requests} requests at the gateway, {rate:.0} a second, {failed} failed"));
    expect(failed == 0, || format!("Envoy counted {failed} answers of 500 or more"))?;
    expect(rate >= REQUIRED, || {
        format!("{rate:.0} requests a second at the gateway, which is less than {REQUIRED:.0}")
    })
}

async fn taken_back_at_10(play: &Play<'_>) -> Result<()> {
    let live = play.live();
    let second = play.to_10("v2").await?;
    step_was_kept(play, "v2", &second).await?;
    play.shop.decide(Action::Rollback, Some("seen enough")).await?;
    play.back_at(&live, &second).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.gone(&second).await?;
    ends(play, "v2", moment(play, &second, 0)?)
}

async fn promoted(play: &Play<'_>) -> Result<()> {
    let old = play.live();
    let new = play.to_10("v2-mended").await?;
    step_was_kept(play, "v2-mended", &new).await?;
    play.approve().await?;
    play.promoted(&new).await?;
    play.gone(&old).await?;
    play.shares_were(&new, &[0, 10, 100])?;
    // From here on nothing leads to the old version, through repointing, weights back to 0 and the way out.
    let all = moment(play, &new, 100)? + PROPAGATION;
    let answers = play.record().tally(all, Instant::now()).answers("v1");
    expect(answers == 0, || format!("the old version answered {answers} requests during promotion"))
}

async fn taken_back_in_keep(play: &Play<'_>) -> Result<()> {
    let old = play.live();
    let third = play.to_10("v3-mended").await?;
    step_was_kept(play, "v3-mended", &third).await?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.shop.decide(Action::Rollback, Some("the players complain")).await?;
    play.back_at(&old, &third).await?;
    play.shares_were(&third, &[0, 10, 100, 0])?;
    let taken_back = moment(play, &third, 0)?;
    over("the time for a last answer", taken_back + TAKEN_BACK * 2).await?;
    ends(play, "v3-mended", taken_back)
}

async fn over(what: &str, moment: Instant) -> Result<()> {
    let over = async || if Instant::now() >= moment { Ok(()) } else { Err("not yet".to_owned()) };
    Ok(teal_testbed::until(what, PATIENCE, over).await?)
}

/// No answer of the candidate before its weight, and none beyond it in any second of the step.
async fn step_was_kept(play: &Play<'_>, version: &str, revision: &str) -> Result<()> {
    let raised = moment(play, revision, 10)?;
    let settled = raised + PROPAGATION;
    let windows = u32::try_from(WINDOWS).unwrap_or(u32::MAX);
    over("some seconds of the step", settled + WINDOW * windows).await?;
    let record = play.record();
    let first = record.first_answer(version, record.start(), settled);
    expect(first.is_some_and(|first| first >= raised), || {
        let early = first.map(|first| raised.saturating_duration_since(first));
        format!("{version} answered {early:?} before it was given a weight")
    })?;
    // Spans take in every bucket that they touch, so that a few requests are left over behind the last whole window.
    let whole = record.series(settled, settled + WINDOW * windows, WINDOW).into_iter().take(WINDOWS);
    for window in whole {
        let share = 100.0 * window.tally.share(version).unwrap_or_default();
        expect((8.0..=12.0).contains(&share), || {
            format!("{version} had {share:.2} % of {} requests at weight 10", window.tally.requests())
        })?;
    }
    Ok(())
}

/// After it was taken back, a version answers no more.
fn ends(play: &Play<'_>, version: &str, taken_back: Instant) -> Result<()> {
    let last = play.record().last_answer(version, taken_back, Instant::now());
    let after = last.map(|last| last.saturating_duration_since(taken_back)).unwrap_or_default();
    say(&format!("        {version}: last answer {} ms after it was taken back", after.as_millis()));
    expect(after <= TAKEN_BACK, || format!("{version} answered {after:?} after it was taken back"))
}

/// When a revision was last given this share.
fn moment(play: &Play<'_>, revision: &str, percent: u32) -> Result<Instant> {
    let found = |journal: &Journal| {
        let mut shares = journal.shares.iter().rev();
        shares.find(|share| share.revision == revision && share.percent == percent).map(|share| share.at)
    };
    let missing = || Error::Unmet(format!("{revision} was never given {percent} %"));
    play.observer.look(found).ok_or_else(missing)
}
