//! The spec is edited while a version is on its way, and again while the former one is kept.

use serde_json::{Value, json};

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::observe::Journal;
use crate::world::{NAME, World, quick};

/// Steps are added and taken out around the one that is under way: the place is kept by name, else by weight.
pub(super) async fn steps(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let nonce = play.observer.look(|journal| Some(journal.status()?.gate.as_ref()?.nonce.clone()));
    let asked = |name: &str, weight: u32| json!({"name": name, "weight": weight, "hold": "1s", "checks": [], "approval": {"count": 1}});
    let full = json!({"name": "full", "weight": 100, "hold": "1s", "checks": []});
    let around = json!([asked("warm", 5), asked("canary", 10), asked("half", 50), full]);
    play.shop.edit(json!({"spec": {"steps": around}})).await?;
    in_step(&play, "canary", 2, 4).await?;
    let kept = play.observer.look(|journal| Some(journal.status()?.gate.as_ref()?.nonce.clone()));
    expect(kept.is_some() && kept == nonce, || "the question was asked anew although it is the same".into())?;
    play.approve().await?;
    play.share(&second, 50).await?;
    in_step(&play, "half", 3, 4).await?;
    play.gate().await?;
    // The step that is under way is gone: on at the first that isn't below the weight that is there.
    play.shop.edit(json!({"spec": {"steps": [asked("some", 20), asked("most", 60), full]}})).await?;
    in_step(&play, "most", 2, 3).await?;
    play.share(&second, 60).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.shares_were(&second, &[0, 10, 50, 60, 100])?;
    play.gone(&first).await?;
    play.end(None).await
}

async fn in_step(play: &Play<'_>, name: &str, index: u32, count: u32) -> Result<()> {
    let there = |journal: &Journal| {
        let step = journal.status()?.step.as_ref().filter(|_| journal.is_current())?;
        (step.name == name && step.index == index && step.count == count).then_some(())
    };
    play.observer.until(&format!("step {name} as {index} of {count}"), PATIENCE, there).await
}

/// Fewer routes are listed while a version has 10 %: it ends on those that it began with, and says so; the next version has
/// only those that are listed then.
pub(super) async fn traffic(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    expect(split(&play).await? == ["streams", "pages"], || "not both routes are split at 10 %".into())?;
    let listed = json!([{"name": NAME, "routes": [{"name": "pages"}]}]);
    play.shop.edit(json!({"spec": {"traffic": {"virtualServices": listed}}})).await?;
    play.says("spec.traffic was changed and counts once this rollout is over").await?;
    expect(split(&play).await? == ["streams", "pages"], || "a route was let go in the middle".into())?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&first).await?;
    // From a file the owner would now apply the new list; `release` applies the old one again.
    let mut third = play.shop.version("v2-mended")?;
    third["spec"]["traffic"]["virtualServices"] = listed;
    play.shop.apply(&[third]).await?;
    let candidate = |journal: &Journal| journal.candidate().map(str::to_owned);
    let third = play.observer.until("the next candidate", PATIENCE, candidate).await?;
    play.share(&third, 10).await?;
    expect(split(&play).await? == ["pages"], || "not the listed route alone is split".into())?;
    let unmanaged = play.condition("UnmanagedRoutes", "True", "Found").await?;
    expect(unmanaged.contains("streams"), || format!("the other route is told as: {unmanaged}"))?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.end(None).await
}

/// Names of the routes that have the candidate as a destination.
async fn split(play: &Play<'_>) -> Result<Vec<String>> {
    let spec = play.shop.virtual_service().await?;
    let routes = spec["http"].as_array().cloned().unwrap_or_default();
    let named = |route: &Value| {
        let hosts = route["route"].as_array().into_iter().flatten();
        hosts.into_iter().any(|one| one.pointer("/destination/host") == Some(&json!("web-candidate")))
    };
    let names = routes.iter().filter(|route| named(route)).filter_map(|route| route["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Two versions overtake the one at 10 %: only the newest goes on, and both others are told as superseded.
pub(super) async fn twice(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    let third = play.candidate("v2-mended").await?;
    let fourth = play.to_10("v2-again").await?;
    for overtaken in [&second, &third] {
        play.outcome(overtaken, "Superseded").await?;
    }
    play.approve().await?;
    play.promoted(&fourth).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    let given = play.observer.look(|journal| journal.shares_of(&third));
    expect(given.iter().all(|share| *share == 0), || format!("{third} was given {given:?}"))?;
    play.shares_were(&fourth, &[0, 10, 100])?;
    play.gone(&first).await?;
    play.shop.serves("v2-again").await?;
    play.end(None).await
}

/// A newer version while the former one is kept: going back is said to be over before anything of it is touched.
pub(super) async fn in_keep(world: &World, namespace: &str) -> Result<()> {
    let long_keep = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["keep"] = json!({"previous": "10m", "failed": "2s"});
    };
    let play = Play::open(world, namespace, long_keep).await?;
    let first = play.live();
    let color = play.color(&first);
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.condition("RollbackAvailable", "True", "PreviousReady").await?;
    let from = world.revision().await? + 1;
    let third = play.candidate("v2-mended").await?;
    play.share(&third, 10).await?;
    going_back_ended_first(world, namespace, &format!("{NAME}-{color}"), from).await?;
    let pods = play.observer.look(|journal| journal.pods.values().any(|pod| pod.revision == first));
    expect(!pods, || format!("pods of {first} are left beside {third}"))?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.shares_were(&third, &[0, 10, 100])?;
    play.shares_were(&second, &[0, 10, 100, 90, 0])?;
    play.end(None).await
}

/// Reads from the history that `RollbackAvailable` was False before the old Deployment was deleted.
async fn going_back_ended_first(world: &World, namespace: &str, deployment: &str, from: u64) -> Result<()> {
    let Some(versions) = world.versions_from(from).await? else { return Ok(()) };
    let here = || versions.iter().filter(|one| one.key.namespace == namespace);
    let over = |value: &Value| {
        let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|one| one["type"] == "RollbackAvailable" && one["status"] == "False")
    };
    let told = here().find(|one| one.key.resource == "rollouts" && one.value.as_ref().is_some_and(over));
    let goes = |value: &Value| value.pointer("/metadata/deletionTimestamp").is_some();
    let gone = here().find(|one| {
        let this = one.key.resource == "deployments" && one.key.name == deployment;
        this && one.value.as_ref().is_none_or(goes)
    });
    match (told, gone) {
        (Some(told), Some(gone)) if told.revision < gone.revision => Ok(()),
        (told, gone) => {
            let at = |version: Option<&teal_testbed::history::Version>| version.map(|one| one.revision);
            Err(Error::Unmet(format!(
                "RollbackAvailable was False in {:?}, and {deployment} went in {:?}",
                at(told),
                at(gone)
            )))
        }
    }
}
