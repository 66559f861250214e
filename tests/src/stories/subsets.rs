//! Routes that name a subset of a `DestinationRule`, beside those that name none.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teal_load::{Load, LoadOptions};

use super::play::{PATIENCE, Play};
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::world::{Shop, World, manifests, quick};

/// What a candidate with 10 % may get of requests of which four times the deviation is far less.
const A_TENTH: std::ops::RangeInclusive<f64> = 0.04..=0.18;
/// What the subset says, and nothing else does.
const ERRORS: u64 = 7;
/// How long is looked back to say what they get now.
const LATELY: Duration = Duration::from_millis(500);
/// Of so many at least it is said.
const ENOUGH: u64 = 400;

/// Two `VirtualServices` go up, are promoted, go up again and go back together; one of them leads by a subset, which both versions
/// have. Callers of either lose no request, and have the part of the step.
pub(super) async fn shifted(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop::open(world, namespace, with_second).await?;
    shop.apply(&[gateway(namespace), rule(namespace), second(namespace, "stable")]).await?;
    let play = Play::on(shop).await?;
    let owners = spec(&play).await?;
    let first = play.live();
    let callers = callers(&play).await?;
    lead_to(&callers, "v1").await?;

    let second = play.to_10("v2").await?;
    weighs(&play, &[90, 10]).await?;
    of_one_subset(&play).await?;
    has_a_tenth(&callers, "v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    is_owners(&play, &owners).await?;
    lead_to(&callers, "v2").await?;
    play.gone(&first).await?;
    play.shares_were(&second, &[0, 10, 100])?;

    let third = play.to_10("v2-mended").await?;
    has_a_tenth(&callers, "v2-mended").await?;
    play.shop.decide(teal_api::Action::Rollback, Some("seen enough")).await?;
    play.back_at_once(&second, &third).await?;
    is_owners(&play, &owners).await?;
    lead_to(&callers, "v2").await?;
    play.shares_were(&third, &[0, 10, 0])?;
    copy_is_gone(&play).await?;

    let record = callers.stop().await?;
    let failures = record.failures(record.start(), Instant::now());
    let total = record.total().requests();
    say(&format!("{namespace}: of {total} requests by the subset {} failed", failures.len()));
    let first = failures.first().map(|failure| failure.why.to_string());
    expect(failures.is_empty(), || {
        format!("{} of {total} requests by the subset failed: {first:?}", failures.len())
    })?;
    play.end(None).await
}

/// A subset that means the pods of one version is refused before anything is touched, and what to do is said.
pub(super) async fn of_one_version(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop::open(world, namespace, with_second).await?;
    shop.apply(&[gateway(namespace), rule(namespace), second(namespace, "first")]).await?;
    let play = Play::on(shop).await?;
    play.shop.release("v2").await?;
    let message = play.condition("Accepted", "False", "RouteUnsupported").await?;
    for word in ["destination.subset is first", "release: v1", "take the subset out"] {
        expect(message.contains(word), || format!("{word} is not in: {message}"))?;
    }
    play.shop.apply(&[second(namespace, "stable")]).await?;
    let candidate = |journal: &crate::observe::Journal| journal.candidate().map(str::to_owned);
    let second = play.observer.until("a candidate after the mend", PATIENCE, candidate).await?;
    play.share(&second, 10).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.end(None).await
}

/// From when the gateway has the route on.
async fn callers(play: &Play<'_>) -> Result<Load> {
    let address = play.shop.world.gateway(None)?;
    let host = host(&play.shop.namespace);
    let answered = async || {
        let answer =
            reqwest::Client::new().get(format!("http://{address}/")).header("host", &host).send().await;
        answer.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.to_string())
    };
    teal_testbed::until("a first answer by the subset".to_owned(), PATIENCE, answered).await?;
    Ok(Load::start(LoadOptions::new(address, &*host).clients(5, 5).rate(120))?)
}

fn with_second(rollout: &mut Value) {
    quick(rollout);
    let listed = rollout.pointer_mut("/spec/traffic/virtualServices").and_then(Value::as_array_mut);
    listed.into_iter().for_each(|listed| listed.push(json!({"name": "web-by-subset"})));
    // A label that tells one version from the next, as many have.
    let version = rollout.pointer("/spec/release/manifests/0/spec/template/spec/containers/0/env").cloned();
    let version =
        version.as_ref().and_then(Value::as_array).into_iter().flatten().find(|one| one["name"] == "VERSION");
    let version = version.map_or(Value::Null, |one| one["value"].clone());
    if let Some(labels) = rollout.pointer_mut("/spec/release/manifests/0/spec/template/metadata/labels") {
        labels["release"] = version;
    }
}

fn host(namespace: &str) -> String {
    format!("by-subset.{}", manifests::host(namespace))
}

fn second(namespace: &str, subset: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "web-by-subset", "namespace": namespace},
        "spec": {"hosts": [host(namespace)], "gateways": ["by-subset"], "http": [{
            "route": [{"destination": {"host": "web", "subset": subset, "port": {"number": 80}}}],
            "retries": {"attempts": 0},
        }]},
    })
}

fn gateway(namespace: &str) -> Value {
    let port = json!({"number": 80, "name": "http", "protocol": "HTTP"});
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"name": "by-subset", "namespace": namespace},
        "spec": {"selector": {"istio": "ingress"}, "servers": [{"port": port, "hosts": [host(namespace)]}]},
    })
}

/// Without a policy for the whole host: the subset alone has one.
fn rule(namespace: &str) -> Value {
    let policy = json!({"outlierDetection": {"consecutive5xxErrors": ERRORS, "interval": "5m"}});
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"host": "web", "subsets": [
            {"name": "stable", "labels": {"app": "web"}, "trafficPolicy": policy},
            {"name": "first", "labels": {"app": "web", "release": "v1"}},
        ]},
    })
}

async fn spec(play: &Play<'_>) -> Result<Value> {
    let api = play.shop.dynamic("networking.istio.io", "v1", "VirtualService");
    let object = api.get("web-by-subset").await.map_err(Error::api("get VirtualService web-by-subset"))?;
    Ok(object.data["spec"].clone())
}

/// Waits until the second one has these weights: the `VirtualServices` of a Rollout are raised one after another.
async fn weighs(play: &Play<'_>, wanted: &[i64]) -> Result<()> {
    let reached = async || {
        let spec = spec(play).await.map_err(|error| error.to_string())?;
        let entries = spec["http"][0]["route"].as_array().map_or(&[][..], Vec::as_slice);
        let found: Vec<i64> = entries.iter().filter_map(|entry| entry["weight"].as_i64()).collect();
        let subsets = entries.iter().all(|entry| entry["destination"]["subset"] == "stable");
        if found == wanted && subsets { Ok(()) } else { Err(spec.to_string()) }
    };
    Ok(teal_testbed::until(format!("weights {wanted:?} by the subset"), PATIENCE, reached).await?)
}

/// Waits until the second one is as it was; the first is told by the observer.
async fn is_owners(play: &Play<'_>, owners: &Value) -> Result<()> {
    let again = async || {
        let spec = spec(play).await.map_err(|error| error.to_string())?;
        if spec == *owners { Ok(()) } else { Err(spec.to_string()) }
    };
    Ok(teal_testbed::until("the owner's route by the subset".to_owned(), PATIENCE, again).await?)
}

/// Waits until those who come by the subset are answered by this version alone.
async fn lead_to(callers: &Load, version: &str) -> Result<()> {
    let alone = async || {
        let now = Instant::now();
        let lately = callers.record().tally(now.checked_sub(LATELY).unwrap_or(now), now);
        let all = lately.requests();
        if all > 0 && lately.answers(version) == all { Ok(()) } else { Err(format!("{lately:?}")) }
    };
    Ok(teal_testbed::until(format!("answers of {version} alone by the subset"), PATIENCE, alone).await?)
}

/// From when the weights are there, this version has about a tenth of the answers.
async fn has_a_tenth(callers: &Load, version: &str) -> Result<()> {
    let record = callers.record();
    let first = async || {
        record.first_answer(version, record.start(), Instant::now()).ok_or_else(|| "none".to_owned())
    };
    let begun = teal_testbed::until(format!("an answer of {version} by the subset"), PATIENCE, first).await?;
    let enough = async || {
        let tally = record.tally(begun, Instant::now());
        if tally.requests() >= ENOUGH { Ok(tally) } else { Err(format!("{} requests", tally.requests())) }
    };
    let tally = teal_testbed::until(format!("{ENOUGH} requests by the subset"), PATIENCE, enough).await?;
    let (answers, all) = (tally.answers(version), tally.requests());
    let share = f64::from(u32::try_from(answers).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(all).unwrap_or(u32::MAX));
    expect(A_TENTH.contains(&share), || format!("{answers} of {all} answers by the subset are of {version}"))
}

/// The proxy has the subset's policy for both roles.
async fn of_one_subset(play: &Play<'_>) -> Result<()> {
    let Some(admin) = play.shop.world.cluster.envoy_admin.clone() else { return Ok(()) };
    let url = format!("{admin}/config_dump?resource=dynamic_active_clusters");
    let failed = |source| Error::Http { url: url.clone(), source };
    let dump: Value =
        reqwest::Client::new().get(&url).send().await.map_err(failed)?.json().await.map_err(failed)?;
    for role in ["web", "web-candidate"] {
        let name = format!("outbound|80|stable|{role}.{}.svc.cluster.local", play.shop.namespace);
        let mut clusters = dump["configs"].as_array().into_iter().flatten().map(|config| &config["cluster"]);
        let found =
            clusters.find(|one| one["name"].as_str().is_some_and(|own| own.trim_end_matches(';') == name));
        let errors = found.map(|cluster| cluster["outlier_detection"]["consecutive_5xx"].clone());
        expect(errors == Some(json!(ERRORS)), || format!("{name} ejects after {errors:?} errors"))?;
    }
    Ok(())
}

/// Waits until no copy is there any more: no route names the candidate.
async fn copy_is_gone(play: &Play<'_>) -> Result<()> {
    let left = async || {
        let api = play.shop.dynamic("networking.istio.io", "v1", "DestinationRule");
        let found = api.get_opt("web-candidate").await.map_err(|error| error.to_string())?;
        found.map_or(Ok(()), |_| Err("the copy is there".to_owned()))
    };
    Ok(teal_testbed::until("no copy without a route".to_owned(), PATIENCE, left).await?)
}
