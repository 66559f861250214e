//! What Istio ties to the name of a Service, under a candidate of another name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::world::{Shop, World, manifests, quick};

/// The application's port for TLS.
const TLS_PORT: u16 = 8443;
/// Users whose requests are hashed, and requests of each: enough to see that they differ, and that each stays.
const USERS: usize = 12;
const REQUESTS: usize = 30;
/// Endpoints reach the gateway one after the other, and each moves some users.
const SETTLES: Duration = Duration::from_secs(20);

/// A DestinationRule with TLS, consistent hashing and outlier detection holds for the candidate before its first request, as
/// Envoy has it and as requests show; the copy follows its source, and goes with the routes.
pub(super) async fn policies(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop::open(world, namespace, over_tls).await?;
    shop.apply(&[routes_over_tls(&shop)?, rule(namespace, 7)]).await?;
    let play = Play::on(shop).await?;
    let first = play.live();
    stays_with(&play, "v1").await?;
    let from = world.revision().await? + 1;
    let second = play.to_10("v2").await?;
    copied_before_the_route(world, namespace, from).await?;
    stays_with(&play, "v2").await?;
    same_in_envoy(&play, 7).await?;

    play.shop.apply(&[rule(namespace, 9)]).await?;
    let follows = async || {
        let copy =
            play.shop.dynamic("networking.istio.io", "v1", "DestinationRule").get("web-candidate").await;
        let copy = copy.map_err(|error| error.to_string())?;
        let errors = copy.data.pointer("/spec/trafficPolicy/outlierDetection/consecutive5xxErrors");
        if errors == Some(&json!(9)) { Ok(()) } else { Err(format!("{errors:?}")) }
    };
    teal_testbed::until("a copy that follows its source".to_owned(), PATIENCE, follows).await?;
    same_in_envoy(&play, 9).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    stays_with(&play, "v2").await?;
    play.gone(&first).await?;
    let left = async || {
        let api = play.shop.dynamic("networking.istio.io", "v1", "DestinationRule");
        let found = api.get_opt("web-candidate").await.map_err(|error| error.to_string())?;
        found.map_or(Ok(()), |_| Err("the copy is there".to_owned()))
    };
    teal_testbed::until("no copy without a route".to_owned(), PATIENCE, left).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    play.end(None).await
}

/// The application speaks TLS on a further port, to which the routes lead.
fn over_tls(rollout: &mut Value) {
    quick(rollout);
    manifests::set_environment(rollout, "TLS_PORT", &TLS_PORT.to_string());
    let manifest = |index: usize, path: &str| format!("/spec/release/manifests/{index}{path}");
    let containers = manifest(0, "/spec/template/spec/containers/0/ports");
    let port = json!({"name": "tls", "containerPort": TLS_PORT});
    rollout
        .pointer_mut(&containers)
        .and_then(Value::as_array_mut)
        .into_iter()
        .for_each(|all| all.push(port.clone()));
    // For istiod it is HTTP; the rule says that it goes over TLS.
    let port = json!({"name": "http-tls", "port": TLS_PORT, "targetPort": "tls"});
    let ports = manifest(1, "/spec/ports");
    rollout
        .pointer_mut(&ports)
        .and_then(Value::as_array_mut)
        .into_iter()
        .for_each(|all| all.push(port.clone()));
}

/// Pages go over TLS; gRPC has a port of its own.
fn routes_over_tls(shop: &Shop<'_>) -> Result<Value> {
    let mut object = shop.owners_virtual_service()?;
    let pages = object["spec"]["http"].as_array_mut().into_iter().flatten();
    for route in pages.filter(|route| route["name"] == "pages") {
        route["route"][0]["destination"]["port"]["number"] = json!(TLS_PORT);
    }
    Ok(object)
}

fn rule(namespace: &str, errors: u32) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"host": "web", "trafficPolicy": {
            "outlierDetection": {"consecutive5xxErrors": errors, "interval": "5m"},
            // What is said of a port is said of it alone.
            "portLevelSettings": [{
                "port": {"number": TLS_PORT},
                "loadBalancer": {"consistentHash": {"httpQueryParameterName": "user"}},
                "outlierDetection": {"consecutive5xxErrors": errors, "interval": "5m"},
                "tls": {"mode": "SIMPLE", "sni": "web.example", "insecureSkipVerify": true},
            }],
        }},
    })
}

/// Reads from the history that the copy was there when a route first named the candidate.
async fn copied_before_the_route(world: &World, namespace: &str, from: u64) -> Result<()> {
    let Some(versions) = world.versions_from(from).await? else { return Ok(()) };
    let first = |resource: &str, name: &str, has: &str| {
        let found = versions.iter().find(|one| {
            let key = (one.key.resource.as_str(), one.key.namespace.as_str(), one.key.name.as_str());
            let value = one.value.as_ref().map(|value| value["spec"].to_string()).unwrap_or_default();
            key == (resource, namespace, name) && value.contains(has)
        });
        found.map(|one| one.revision)
    };
    let copied = first("destinationrules", "web-candidate", "httpQueryParameterName");
    let named = first("virtualservices", "web", "web-candidate");
    let before = copied.zip(named).is_some_and(|(copied, named)| copied < named);
    expect(before, || format!("the rule was copied in {copied:?}, and the candidate named in {named:?}"))
}

/// Requests of one user reach one pod of a version, and not all users the same, as soon as the gateway knows all of the pods.
async fn stays_with(play: &Play<'_>, version: &str) -> Result<()> {
    let settled = async || stays_now(play, version).await.map_err(|error| error.to_string());
    Ok(teal_testbed::until(format!("users of {version} at one pod each"), SETTLES, settled).await?)
}

async fn stays_now(play: &Play<'_>, version: &str) -> Result<()> {
    let url = format!("http://{}/", play.shop.world.gateway(None)?);
    let host = manifests::host(&play.shop.namespace);
    let http = reqwest::Client::new();
    let mut pods: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for turn in 0..USERS * REQUESTS {
        let user = turn % USERS;
        let request = http.get(&url).query(&[("user", user.to_string())]).header("host", &host);
        let failed = |source| Error::Http { url: url.clone(), source };
        let answer = request.timeout(Duration::from_secs(2)).send().await.map_err(failed)?;
        let answer: Value = answer.json().await.map_err(failed)?;
        if answer["version"] == version {
            pods.entry(user).or_default().insert(answer["pod"].as_str().unwrap_or_default().to_owned());
        }
    }
    let moved: Vec<_> = pods.iter().filter(|(_, pods)| pods.len() > 1).collect();
    expect(moved.is_empty(), || format!("users of {version} were sent to several pods: {moved:?}"))?;
    let all: BTreeSet<&String> = pods.values().flatten().collect();
    expect(pods.len() > 1 && all.len() > 1, || {
        format!("{version} answered {} users from {all:?}", pods.len())
    })
}

/// Envoy has the same for both roles: how they are balanced, what ejects a pod, and by which TLS they are reached.
async fn same_in_envoy(play: &Play<'_>, errors: u64) -> Result<()> {
    let Some(admin) = play.shop.world.cluster.envoy_admin.clone() else { return Ok(()) };
    let url = format!("{admin}/config_dump?resource=dynamic_active_clusters");
    let namespace = &play.shop.namespace;
    let same = async || {
        let answer = reqwest::Client::new().get(&url).send().await.map_err(|error| error.to_string())?;
        let dump: Value = answer.json().await.map_err(|error| error.to_string())?;
        let of = |service: &str| {
            policy(&dump, &format!("outbound|{TLS_PORT}||{service}.{namespace}.svc.cluster.local"))
        };
        let (live, candidate) = (of("web"), of("web-candidate"));
        let ejects = live["outlier_detection"]["consecutive_5xx"] == errors;
        let hashes = live["lb_policy"] == "RING_HASH" || live["lb_policy"] == "MAGLEV";
        let secured = live["transport_socket"].to_string().contains("UpstreamTlsContext");
        let whole = ejects && hashes && secured;
        if whole && live == candidate { Ok(()) } else { Err(format!("live {live}, candidate {candidate}")) }
    };
    teal_testbed::until("one policy for both roles in Envoy".to_owned(), PATIENCE, same).await?;
    Ok(())
}

/// What a rule decides of a cluster, wherever Envoy's form has it.
fn policy(dump: &Value, name: &str) -> Value {
    let configs = dump["configs"].as_array().into_iter().flatten();
    let mut clusters = configs.map(|config| &config["cluster"]);
    let named = |cluster: &&Value| {
        // Newer versions of Istio end the name of the cluster with a semicolon.
        cluster["name"].as_str().is_some_and(|own| own.trim_end_matches(';') == name)
    };
    let Some(cluster) = clusters.find(named) else { return Value::Null };
    let parts = ["lb_policy", "load_balancing_policy", "outlier_detection", "transport_socket"];
    parts
        .iter()
        .map(|part| ((*part).to_owned(), cluster[*part].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A Sidecar that lets its callers see `web` and not the candidate: found before the first weight, no byte of the routes is
/// touched, and it goes on by itself when the Sidecar is mended.
pub(super) async fn hidden(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let sidecar = |hosts: &[&str]| {
        let hosts: Vec<String> =
            hosts.iter().map(|host| format!("./{host}.{namespace}.svc.cluster.local")).collect();
        json!({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar",
            "metadata": {"name": "callers", "namespace": namespace}, "spec": {"egress": [{"hosts": hosts}]}})
    };
    play.shop.apply(&[sidecar(&["web"])]).await?;
    let before = world.revision().await?;
    play.shop.release("v2").await?;
    let message = play.condition("Accepted", "False", "HostNotExported").await?;
    expect(message.contains("callers") && message.contains("web-candidate"), || {
        format!("the Sidecar is told as: {message}")
    })?;
    super::calm::settled(world, Some(namespace)).await?;
    untouched(world, namespace, before + 1).await?;
    play.shop.apply(&[sidecar(&["web", "web-candidate"])]).await?;
    let candidate = |journal: &crate::observe::Journal| journal.candidate().map(str::to_owned);
    let second = play.observer.until("a candidate after the mend", PATIENCE, candidate).await?;
    play.share(&second, 10).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    play.gone(&first).await?;
    play.end(None).await
}

async fn untouched(world: &World, namespace: &str, from: u64) -> Result<()> {
    let versions = world.versions_from(from).await?.unwrap_or_default();
    let touched = versions.iter().find(|one| {
        one.key.namespace == namespace
            && matches!(one.key.resource.as_str(), "virtualservices" | "deployments")
    });
    expect(touched.is_none(), || format!("{:?} was written before the mend", touched.map(|one| &one.key)))
}
