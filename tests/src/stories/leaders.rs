//! Two operators: one leads, one dies, both believe to lead, both lead.

use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World, quick};

/// The leader is killed at 10 %, with no time to say goodbye: who comes next goes on.
pub(super) async fn one_is_killed(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    let leader = leader(world).await?;
    world.diary().write(namespace, Instant::now(), &format!("{leader} is killed"));
    signal("KILL", process(&leader)?).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&live).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    play.end(None).await
}

/// The leader sleeps through the loss of its lease and wakes in the middle of what the other does: it acts on what it knew,
/// until it learns better.
pub(super) async fn one_sleeps(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let sleeper = leader(world).await?;
    let pid = process(&sleeper)?;
    world.diary().write(namespace, Instant::now(), &format!("{sleeper} falls asleep"));
    signal("STOP", pid).await?;
    let told = while_it_sleeps(&play, &sleeper, &second).await;
    signal("CONT", pid).await?;
    told?;
    world.diary().write(namespace, Instant::now(), &format!("{sleeper} wakes"));
    play.back_at(&live, &second).await?;
    play.gone(&second).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.end(None).await
}

/// The other one takes the lease, and goes back.
async fn while_it_sleeps(play: &Play<'_>, sleeper: &str, candidate: &str) -> Result<()> {
    let world = play.shop.world;
    let lease = ["delete", "leases.coordination.k8s.io", RELEASE, "-n", OPERATOR_NAMESPACE];
    world.kubectl(&lease).await?;
    let other = async || match leader(world).await {
        Ok(now) if now != sleeper => Ok(()),
        Ok(now) => Err(format!("{now} has the lease")),
        Err(error) => Err(error.to_string()),
    };
    teal_testbed::until("the other one as leader", PATIENCE, other).await?;
    play.shop.decide(Action::Rollback, Some("while one sleeps")).await?;
    play.share(candidate, 0).await
}

/// Two operators act all the while, both without a lease: a rollback and a whole rollout come out as with one.
pub(super) async fn both_lead(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    second_leader(world).await?;
    let told = under_two(&play, &live).await;
    let gone = ["delete", "deployment", "without-lease", "-n", OPERATOR_NAMESPACE, "--wait=false"];
    world.kubectl(&gone).await?;
    world.none_left(&["pods", "-n", OPERATOR_NAMESPACE, "-l", "app=without-lease"]).await?;
    told?;
    play.end(None).await
}

async fn under_two(play: &Play<'_>, live: &str) -> Result<()> {
    let second = play.to_10("v2").await?;
    play.shop.decide(Action::Rollback, Some("under two leaders")).await?;
    play.back_at(live, &second).await?;
    play.gone(&second).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    let third = play.to_10("v2-mended").await?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.gone(live).await?;
    play.shares_were(&third, &[0, 10, 100])
}

/// An operator as the chart makes it, but for the lease: one that always leads.
async fn second_leader(world: &World) -> Result<()> {
    let text = world.kubectl(&["get", "deployment", RELEASE, "-n", OPERATOR_NAMESPACE, "-o", "json"]).await?;
    let mut object: Value = serde_json::from_str(&text).map_err(|error| Error::Unmet(error.to_string()))?;
    let labels = json!({"app": "without-lease"});
    object["metadata"] = json!({"name": "without-lease", "namespace": OPERATOR_NAMESPACE});
    object["spec"]["replicas"] = json!(1);
    object["spec"]["selector"] = json!({"matchLabels": labels});
    object["spec"]["template"]["metadata"]["labels"] = labels;
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array_mut();
    let arguments = arguments.ok_or_else(|| Error::Unmet("the operator has no arguments".into()))?;
    let before = arguments.len();
    arguments.retain(|argument| !argument.as_str().unwrap_or_default().starts_with("--lease-"));
    expect(arguments.len() + 2 == before, || "the operator has another kind of lease".into())?;
    world.kubectl_with(&["apply", "-f", "-"], &[object]).await?;
    let status = ["rollout", "status", "deployment/without-lease", "-n", OPERATOR_NAMESPACE, "--timeout=60s"];
    world.kubectl(&status).await.map(drop)
}

/// The pod that holds the lease.
pub(super) async fn leader(world: &World) -> Result<String> {
    let path = "jsonpath={.spec.holderIdentity}";
    let lease = ["get", "leases.coordination.k8s.io", RELEASE, "-n", OPERATOR_NAMESPACE, "-o", path];
    let holder = world.kubectl(&lease).await?;
    expect(!holder.is_empty(), || "nobody holds the lease".into())?;
    Ok(holder)
}

/// The operator's process in a pod. The bed's containers run on this machine, in our view of its processes.
fn process(pod: &str) -> Result<u32> {
    let local = |source| Error::Local { action: "look for the operator's process", source };
    let wanted = format!("POD_NAME={pod}");
    let has = |pid: u32, file: &str, word: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.split(|byte| *byte == 0).any(|part| part == word.as_bytes())
    };
    let all = std::fs::read_dir("/proc").map_err(local)?.flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found = numbers.filter(|pid| has(*pid, "environ", &wanted) && has(*pid, "cmdline", "operator"));
    found.next().ok_or_else(|| Error::Unmet(format!("no process of pod {pod} runs on this machine")))
}

async fn signal(name: &str, pid: u32) -> Result<()> {
    let local = |source| Error::Local { action: "start kill", source };
    let mut kill = tokio::process::Command::new("kill");
    let status = kill.args([&format!("-{name}"), &pid.to_string()]).status().await.map_err(local)?;
    expect(status.success(), || format!("kill -{name} {pid} failed: {status}"))
}
