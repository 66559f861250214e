//! A Service that is reached from outside, past the mesh.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use teal_load::{Failure, Load, LoadOptions, Record};
use tokio::net::{TcpSocket, TcpStream};

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::world::{NAME, World, manifests, quick};

/// Requests a second by the node port.
const RATE: u32 = 200;
/// A call that takes longer is not answered.
const ANSWER: Duration = Duration::from_secs(2);
/// Below those that a kernel gives to callers who name none.
const BEFORE_THE_LOADS: Range<u16> = 2000..10_000;

/// A promotion passes through a time in which both versions answer by the node port, and no request is lost there; until then the
/// old version answers alone, and after it the new one. What the cluster gave to the Service stays.
pub(super) async fn by_node_port(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, from_outside).await?;
    let first = play.live();
    let given = service(&play, NAME).await?;
    let address = node_port(world, &given).await?;
    answers(address).await?;
    // A connection that is kept stays with its pod until that goes, whatever a Service selects.
    let outside = LoadOptions::new(address, manifests::host(namespace)).clients(0, 10).rate(RATE);
    let outside = Load::start(outside)?;
    let from = world.revision().await? + 1;
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let early = outside.record().tally(outside.record().start(), Instant::now()).answers("v2");
    expect(early == 0, || format!("{early} requests by the node port were answered by v2 at 10 %"))?;
    play.approve().await?;
    play.says("the live Services select both revisions for 5 s").await?;
    play.promoted(&second).await?;
    let promoted = Instant::now();
    passed_through_both(world, namespace, from, [&first, &second]).await?;
    play.gone(&first).await?;
    let gone = Instant::now();

    let record = outside.stop().await?;
    let failures = record.failures(record.start(), Instant::now());
    expect(failures.is_empty(), || lost(&record, &failures, promoted, gone))?;
    let late = record.tally(promoted, Instant::now());
    expect(late.answers("v1") == 0 && late.answers("v2") > 0, || format!("after promotion: {late:?}"))?;
    let now = service(&play, NAME).await?;
    expect(lasting(&now) == lasting(&given), || format!("{now} was {given}"))?;
    inside_alone(&service(&play, "web-candidate").await?)?;
    play.shares_were(&second, &[0, 10, 100])?;
    play.end(None).await
}

/// Of the NodePort type, and with an overlap of seconds, so that the story is short.
fn from_outside(rollout: &mut Value) {
    quick(rollout);
    let service = &mut rollout["spec"]["release"]["manifests"][1];
    service["metadata"]["annotations"] = json!({"teal.dev/overlap": "5s"});
    service["spec"]["type"] = json!("NodePort");
}

/// What was lost, and where in the course of things.
fn lost(record: &Record, failures: &[Failure], promoted: Instant, gone: Instant) -> String {
    let each: Vec<String> = failures
        .iter()
        .take(10)
        .map(|failure| format!("at {} ms: {}", record.millis(failure.sent), failure.why))
        .collect();
    format!(
        "{} requests by the node port failed (promoted at {} ms, the old color was gone at {} ms): {}",
        failures.len(),
        record.millis(promoted),
        record.millis(gone),
        each.join("; ")
    )
}

/// The spec of a Service.
async fn service(play: &Play<'_>, name: &str) -> Result<Value> {
    let object = play.shop.dynamic("", "v1", "Service").get(name).await;
    let object = object.map_err(Error::api(format!("get Service {name}")))?;
    Ok(object.data.get("spec").cloned().unwrap_or_default())
}

/// Where the port for pages is reached from outside.
async fn node_port(world: &World, service: &Value) -> Result<SocketAddr> {
    let path = "jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}";
    let node = world.kubectl(&["get", "nodes", "-o", path]).await?;
    let address = format!("{}:{}", node.trim(), service["ports"][0]["nodePort"]);
    address.parse().map_err(|_| Error::Cluster(format!("{address:?} is no address of a node port")))
}

/// Node ports are made known a moment after their Service. The kernel remembers for two minutes that a call by an unknown one was
/// led nowhere, and refuses a later call from the same port of the caller: so nothing is called from ports that the load will have.
async fn answers(address: SocketAddr) -> Result<()> {
    let mut ports = BEFORE_THE_LOADS;
    let asked = async || {
        let port = ports.next().ok_or("no port is left to call from")?;
        let called = tokio::time::timeout(ANSWER, call_from(port, address)).await;
        called.unwrap_or_else(|late| Err(late.into())).map(drop).map_err(|error| error.to_string())
    };
    Ok(teal_testbed::until("an answer by the node port".to_owned(), PATIENCE, asked).await?)
}

async fn call_from(port: u16, address: SocketAddr) -> std::io::Result<TcpStream> {
    let (socket, any) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    };
    socket.bind(SocketAddr::new(any, port))?;
    socket.connect(address).await
}

/// All but what a promotion changes.
fn lasting(service: &Value) -> Value {
    let mut lasting = service.clone();
    if let Some(fields) = lasting.as_object_mut() {
        fields.remove("selector");
    }
    lasting
}

fn inside_alone(candidate: &Value) -> Result<()> {
    let ports = candidate["ports"].as_array().cloned().unwrap_or_default();
    let inside = candidate["type"] == "ClusterIP" && ports.iter().all(|port| port.get("nodePort").is_none());
    expect(inside, || format!("the candidate's Service is reached from outside: {candidate}"))
}

/// What `web` selected, one after the other. How long it selected both is looked at with the whole history.
async fn passed_through_both(world: &World, namespace: &str, from: u64, [old, new]: [&str; 2]) -> Result<()> {
    let Some(versions) = world.versions_from(from).await? else { return Ok(()) };
    let of_web = versions.iter().filter(|version| {
        version.key.resource == "services" && version.key.namespace == namespace && version.key.name == NAME
    });
    let selected = of_web.filter_map(|version| {
        let selector = version.value.as_ref()?.pointer("/spec/selector")?;
        Some(selector.get("teal.dev/revision").and_then(Value::as_str).unwrap_or("both").to_owned())
    });
    let mut selected: Vec<String> = selected.collect();
    selected.dedup();
    selected.retain(|revision| revision != old);
    expect(selected == ["both", new], || format!("web selected {selected:?} after {old}, not both and {new}"))
}
