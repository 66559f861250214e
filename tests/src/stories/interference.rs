//! Other hands on the same objects.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::world::{World, quick};

/// The Rollout is deleted at 10 %: live serves on as if nothing had been.
pub(super) async fn deleted_at_10(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    let deleted = play.shop.rollouts().delete("web", &DeleteParams::foreground()).await;
    deleted.map_err(Error::api("delete the Rollout"))?;
    let ended = |journal: &crate::observe::Journal| {
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

/// The owner applies the VirtualService in each phase, by `kubectl apply` and forced server-side: traffic is at live or where
/// the step has it, never elsewhere, and the rollout goes on.
pub(super) async fn applied_at_every_phase(world: &World, namespace: &str) -> Result<()> {
    let patient = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["steps"][1]["approval"] = json!({"count": 1});
    };
    let play = Play::open(world, namespace, patient).await?;
    let old = play.live();
    apply(&play, false).await?;
    let second = play.candidate("v2").await?;
    apply(&play, false).await?;
    play.share(&second, 10).await?;
    apply(&play, false).await?;
    play.share(&second, 10).await?;
    apply(&play, true).await?;
    play.share(&second, 10).await?;
    play.approve().await?;
    play.share(&second, 100).await?;
    apply(&play, false).await?;
    play.share(&second, 100).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    apply(&play, true).await?;
    play.promoted(&second).await?;
    play.gone(&old).await?;
    let shares = play.observer.look(|journal| journal.shares_of(&second));
    expect(shares.iter().all(|share| matches!(share, 0 | 10 | 100)), || {
        format!("{second} was given {shares:?}")
    })?;
    play.end(None).await
}

async fn apply(play: &Play<'_>, server_side: bool) -> Result<()> {
    let object = play.shop.owners_virtual_service()?;
    let arguments: &[&str] = match server_side {
        false => &["apply", "-f", "-"],
        true => &["apply", "--server-side", "--force-conflicts", "--field-manager=owner", "-f", "-"],
    };
    let diary = play.shop.world.diary();
    diary.write(&play.shop.namespace, std::time::Instant::now(), &format!("kubectl {}", arguments.join(" ")));
    play.shop.world.kubectl_with(arguments, &[object]).await.map(drop)
}
