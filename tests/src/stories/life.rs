//! The way forward.

use std::collections::BTreeSet;

use serde_json::json;
use teal_api::conditions::ConditionType;

use super::figures;
use super::play::{PATIENCE, Play};
use crate::error::{Result, expect};
use crate::observe::Journal;
use crate::world::{World, quick};

/// The first version: straight to live, both roles on it, traffic not touched.
pub(super) async fn install(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    expect(play.shop.virtual_service().await? == play.owners, || "the VirtualService was changed".into())?;
    let versions = play.observer.look(|journal| journal.shares_of(&live));
    expect(versions == [100], || format!("the first revision was given {versions:?}"))?;
    for service in ["web", "web-candidate"] {
        let object = play.shop.dynamic("", "v1", "Service").get(service).await;
        let object = object.map_err(crate::Error::api(format!("get Service {service}")))?;
        let selected = object.data.pointer("/spec/selector/teal.dev~1revision").cloned();
        expect(selected == Some(json!(live)), || format!("{service} selects {selected:?}, not {live}"))?;
    }
    for wanted in [ConditionType::Ready, ConditionType::Promoted, ConditionType::Accepted] {
        let status = play
            .observer
            .look(|journal| journal.status()?.condition(wanted).map(|found| found.status.clone()));
        expect(status.as_deref() == Some("True"), || format!("condition {wanted} is {status:?}"))?;
    }
    play.end(None).await
}

/// The whole life of a good version.
pub(super) async fn canary(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let old = play.live();
    let new = play.to_10("v2").await?;
    play.gate().await?;
    figures::ask_people(&play, "canary", 10).await?;
    // What is left is live's, whose weight has no row of its own.
    let rest = play.observer.look(|journal| journal.share(&old));
    expect(rest == 90, || format!("{old} has {rest} % beside {new} with 10 %"))?;
    play.approve().await?;
    play.promoted(&new).await?;
    let kept = play
        .observer
        .look(|journal| journal.pods.values().filter(|pod| pod.revision == old && pod.ready).count());
    expect(kept == 3, || format!("{kept} of 3 pods of the old color are kept"))?;
    play.gone(&old).await?;
    play.shares_were(&new, &[0, 10, 100])?;
    play.shop.serves("v2").await?;
    play.end(None).await
}

/// A newer version while one has 10 %.
pub(super) async fn supersede(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    let third = play.to_10("v2-mended").await?;
    let both = play.observer.look(|journal| journal.share(&second));
    expect(both == 0, || format!("{second} still has {both} %"))?;
    let revisions: BTreeSet<String> =
        play.observer.look(|journal| journal.pods.values().map(|pod| pod.revision.clone()).collect());
    expect(!revisions.contains(&second), || {
        format!("pods of {second} beside {third}: its slot was not empty")
    })?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.shares_were(&third, &[0, 10, 100])?;
    play.gone(&live).await?;
    play.end(None).await
}

/// The spec returns to what is live.
pub(super) async fn cancel(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.shop.release("v1").await?;
    play.back_at(&live, &second).await?;
    play.gone(&second).await?;
    let cancelled = |journal: &Journal| {
        let last = journal.status()?.history.iter().find(|entry| entry.revision == second)?;
        (last.outcome == "Cancelled" && journal.phase() == "Complete").then_some(())
    };
    play.observer.until("the cancelled rollout in the history", PATIENCE, cancelled).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.end(None).await
}
