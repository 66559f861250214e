//! Other hands on the same objects.

use std::time::Instant;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use teal_api::Action;

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::observe::Journal;
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World, quick};

/// The Rollout is deleted at 10 %: live serves on as if nothing had been.
pub(super) async fn deleted_at_10(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    let deleted = play.shop.rollouts().delete("web", &DeleteParams::foreground()).await;
    deleted.map_err(Error::api("delete the Rollout"))?;
    let ended = |journal: &Journal| {
        let restored = journal.virtual_service.as_ref() == Some(&play.owners);
        (restored && journal.share(&live) == 100 && journal.rollout.is_none()).then_some(())
    };
    play.observer.until("the end of the Rollout", PATIENCE, ended).await?;
    play.gone(&second).await?;
    let serving = play
        .observer
        .look(|journal| journal.pods.values().filter(|pod| pod.revision == live && pod.ready).count());
    expect(serving == 3, || format!("{serving} of 3 pods of live are left"))?;
    play.shop.serves("v1").await?;
    play.end(None).await
}

/// The owner applies the VirtualService in each phase, as `kubectl apply` does by default.
pub(super) async fn applied_at_every_phase(world: &World, namespace: &str) -> Result<()> {
    at_every_phase(world, namespace, &["apply", "-f", "-"]).await
}

/// The same by forced server-side apply, as Flux and Helm do.
pub(super) async fn forced_at_every_phase(world: &World, namespace: &str) -> Result<()> {
    let arguments = ["apply", "--server-side", "--force-conflicts", "--field-manager=owner", "-f", "-"];
    at_every_phase(world, namespace, &arguments).await
}

/// Traffic is at live or where the step has it, never elsewhere, and the rollout goes on; also one that goes back.
async fn at_every_phase(world: &World, namespace: &str, arguments: &[&str]) -> Result<()> {
    let patient = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["steps"][1]["approval"] = json!({"count": 1});
    };
    let play = Play::open(world, namespace, patient).await?;
    let (old, owners) = (play.live(), play.shop.owners_virtual_service()?);
    let apply = async || apply(&play, arguments, &owners).await;
    apply().await?;
    let second = play.candidate("v2").await?;
    apply().await?;
    play.share(&second, 10).await?;
    apply().await?;
    play.approve().await?;
    play.share(&second, 100).await?;
    apply().await?;
    play.approve().await?;
    play.phase("Promoting").await?;
    apply().await?;
    play.promoted(&second).await?;
    apply().await?;
    play.gone(&old).await?;
    play.promoted(&second).await?;
    play.steps_were(&second, &[10, 100])?;
    let third = play.to_10("v3-mended").await?;
    play.gate().await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.phase("RollingBack").await?;
    apply().await?;
    play.back_at(&second, &third).await?;
    play.outcome(&third, "RolledBack").await?;
    play.steps_were(&third, &[10])?;
    play.end(None).await
}

/// A VirtualService that was exported at 10 % is applied when all is over: everything stays at live.
pub(super) async fn exported_at_10(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let old = play.live();
    let second = play.to_10("v2").await?;
    let mut exported = play.shop.owners_virtual_service()?;
    exported["spec"] = play.shop.virtual_service().await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&old).await?;
    apply(&play, &["apply", "-f", "-"], &exported).await?;
    // Both roles are live now, so that weights between them mean nothing.
    let named = |journal: &Journal| journal.is_split().then_some(journal.share(&second));
    let share = play.observer.until("the exported routes", PATIENCE, named).await?;
    expect(share == 100, || format!("{second} has {share} % after the exported routes"))?;
    let third = play.to_10("v3-mended").await?;
    play.approve().await?;
    let promoted =
        |journal: &Journal| (journal.live() == Some(&third) && journal.share(&third) == 100).then_some(());
    play.observer.until("promotion of the next version", PATIENCE, promoted).await?;
    play.gone(&second).await?;
    // They are the owner's own words now, and stay.
    let routes = play.shop.virtual_service().await?;
    expect(routes == exported["spec"], || format!("the owner's routes became {routes}"))?;
    play.end(None).await
}

/// All operators are killed at 10 %: what comes back goes on where they were.
pub(super) async fn operators_killed(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let second = play.to_10("v2").await?;
    let selector = format!("app.kubernetes.io/instance={RELEASE}");
    world
        .kubectl(&["delete", "pods", "-n", OPERATOR_NAMESPACE, "-l", &selector, "--now", "--wait=false"])
        .await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    play.end(None).await
}

async fn apply(play: &Play<'_>, arguments: &[&str], object: &Value) -> Result<()> {
    let diary = play.shop.world.diary();
    diary.write(&play.shop.namespace, Instant::now(), &format!("kubectl {}", arguments.join(" ")));
    play.shop.world.kubectl_with(arguments, std::slice::from_ref(object)).await.map(drop)
}
