//! The instruments tell the truth: told without Teal, with weights moved by hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use teal_load::Load;

use super::play::PATIENCE;
use crate::error::{Error, Result, expect};
use crate::observe::{Kind, Observer, SessionKeeper, Window, followed};
use crate::world::{NAME, Shop, World, manifests};

/// Requests that a share is counted of.
const REQUESTS: u64 = 5000;
/// Time between a destination at weight 0 and its first weight, as Teal waits too: no answer shows that every proxy knows it.
const PROPAGATION: Duration = Duration::from_secs(1);

/// Shares are counted as Envoy counts them, failures are seen, the check of the examples sees them too, and a session that
/// is cut is reported.
pub(super) async fn shares_and_sessions(world: &World, namespace: &str) -> Result<()> {
    let shop = by_hand(world, namespace).await?;
    let observer = Arc::new(Observer::start(&world.client, namespace, NAME, &Kind::BARE, None));
    let load = Load::start(shop.load()?.rate(1000))?;
    let sessions = SessionKeeper::start(observer.clone(), shop.sessions(true)?).await?;
    weigh(&shop, 100, 0).await?;
    written(&observer, "r2", 0).await?;
    tokio::time::sleep(PROPAGATION).await;
    weigh(&shop, 90, 10).await?;
    written(&observer, "r2", 10).await?;
    followed(load.record(), "v2", 10).await?;
    share(&shop, &load).await?;
    let failed = load.record().total().failed();
    expect(failed == 0, || format!("{failed} requests failed while nothing was wrong"))?;
    expect(sessions.cut().is_empty(), || {
        format!("sessions were cut while nothing was wrong: {:?}", sessions.cut())
    })?;
    errors_are_seen(&shop, &load).await?;
    cuts_are_seen(&shop, &observer, &sessions).await?;
    shop.close().await
}

/// Both versions side by side, as Teal would have them.
async fn by_hand<'a>(world: &'a World, namespace: &str) -> Result<Shop<'a>> {
    let shop = Shop::open(world, namespace, |_| {}).await?;
    shop.apply_examples(&["tcp.yaml"]).await?;
    let mut objects = Vec::new();
    for (version, color, revision, service) in
        [("v1", "blue", "r1", "web"), ("v2", "green", "r2", "web-candidate")]
    {
        let rollout = manifests::rollout(version, namespace)?;
        let labels = json!({
            "app": "web", "teal.dev/rollout": NAME, "teal.dev/color": color, "teal.dev/revision": revision,
        });
        let manifest = |index: usize, name: &str| {
            let mut object = rollout["spec"]["release"]["manifests"][index].clone();
            object["metadata"] = json!({"name": name, "namespace": namespace});
            object
        };
        let mut deployment = manifest(0, &format!("web-{color}"));
        deployment["spec"]["selector"]["matchLabels"] = labels.clone();
        deployment["spec"]["template"]["metadata"]["labels"] = labels.clone();
        let mut role = manifest(1, service);
        role["spec"]["selector"] = labels;
        objects.extend([deployment, role]);
    }
    shop.apply(&objects).await?;
    for color in ["blue", "green"] {
        let name = format!("deployment/web-{color}");
        world.kubectl(&["rollout", "status", &name, "-n", namespace, "--timeout=60s"]).await?;
    }
    shop.serves("v1").await?;
    Ok(shop)
}

async fn weigh(shop: &Shop<'_>, live: u32, candidate: u32) -> Result<()> {
    let mut object = shop.owners_virtual_service()?;
    for route in object["spec"]["http"].as_array_mut().into_iter().flatten() {
        let mut destinations = [route["route"][0].clone(), route["route"][0].clone()];
        destinations[0]["weight"] = json!(live);
        destinations[1]["weight"] = json!(candidate);
        destinations[1]["destination"]["host"] = json!("web-candidate");
        route["route"] = json!(destinations);
    }
    let api = shop.dynamic("networking.istio.io", "v1", "VirtualService");
    let patched =
        api.patch(NAME, &PatchParams::default(), &Patch::Merge(json!({"spec": object["spec"]}))).await;
    patched.map(drop).map_err(Error::api("weigh the VirtualService by hand"))
}

async fn written(observer: &Observer, revision: &str, percent: u32) -> Result<()> {
    let what = format!("{percent} % for {revision}");
    observer.until(&what, PATIENCE, |journal| (journal.share(revision) == percent).then_some(())).await
}

async fn share(shop: &Shop<'_>, load: &Load) -> Result<()> {
    let upstreams = shop.upstreams();
    let window = Window::open(&shop.world.cluster, &upstreams).await?;
    let enough = async || match window.requests(load.record()) {
        requests if requests >= REQUESTS => Ok(()),
        requests => Err(format!("{requests} so far")),
    };
    teal_testbed::until(format!("{REQUESTS} requests"), PATIENCE, enough).await?;
    let counted = window.close(&shop.world.cluster, &upstreams, load.record(), "v2").await?;
    expect((counted.candidate_percent - 10.0).abs() <= 2.0, || format!("at weight 10: {counted:?}"))?;
    expect(counted.differs.is_some_and(|percent| percent <= 1.0), || {
        format!("Envoy counted otherwise: {counted:?}")
    })
}

async fn errors_are_seen(shop: &Shop<'_>, load: &Load) -> Result<()> {
    let begun = Instant::now();
    shop.switch("green", "errors=0.2").await?;
    let failed = async || {
        let tally = load.record().tally(begun, Instant::now());
        let of_green = tally.failed.get("v2").copied().unwrap_or(0);
        if of_green == tally.failed() && of_green > 50 { Ok(()) } else { Err(format!("{:?}", tally.failed)) }
    };
    teal_testbed::until("failures of the candidate alone", PATIENCE, failed).await?;
    let query = check_of_the_examples(&shop.namespace)?;
    let base = shop.world.cluster.prometheus.clone().unwrap_or_default();
    let url = format!("{base}/api/v1/query");
    let seen = async || {
        let answer = reqwest::Client::new().get(&url).query(&[("query", &query)]).send().await;
        let answer: Value =
            answer.map_err(|error| error.to_string())?.json().await.map_err(|error| error.to_string())?;
        let value = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
        match value.and_then(|value| value.parse::<f64>().ok()) {
            Some(rate) if (0.1..0.3).contains(&rate) => Ok(()),
            _ => Err(answer.to_string()),
        }
    };
    teal_testbed::until("the error rate in Prometheus", PATIENCE, seen).await?;
    Ok(())
}

fn check_of_the_examples(namespace: &str) -> Result<String> {
    let rollout = manifests::rollout("v2", namespace)?;
    let query = rollout.pointer("/spec/checks/0/query").and_then(Value::as_str).unwrap_or_default();
    Ok(query.replace("$(namespace)", namespace).replace("$(color)", "green"))
}

/// Pods that end while their revision has traffic cut their sessions.
async fn cuts_are_seen(shop: &Shop<'_>, observer: &Observer, sessions: &SessionKeeper) -> Result<()> {
    expect(observer.look(|journal| journal.share("r1")) == 90, || "blue has no traffic".into())?;
    let arguments =
        ["delete", "pods", "-n", &shop.namespace, "-l", "teal.dev/color=blue", "--now", "--wait=false"];
    shop.world.kubectl(&arguments).await?;
    let cut = async || {
        let cut: Vec<String> = sessions.cut().iter().map(|report| report.kind.to_string()).collect();
        let all = ["WebSocket", "gRPC", "TCP"].iter().all(|kind| cut.iter().any(|one| one == kind));
        if all { Ok(()) } else { Err(format!("{cut:?}")) }
    };
    teal_testbed::until("a cut session of each kind", PATIENCE, cut).await?;
    Ok(())
}
