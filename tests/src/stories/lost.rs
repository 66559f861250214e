//! The record is lost: what serves is live, what was tried goes back to nothing, and all comes to a right end.

use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;

use super::deletion::{pods_of, taken_up};
use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::observe::Journal;
use crate::world::{Shop, World, quick};

/// During the first install, while the candidate's pods start, and at 10 %.
pub(super) async fn on_the_way(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop::open(world, namespace, quick).await?;
    while_installing(&shop).await?;
    let play = Play::on(shop).await?;
    let live = play.live();
    let given = play.observer.look(|journal| journal.shares_of(&live));
    expect(given == [100], || format!("the first revision was given {given:?}"))?;
    let second = play.candidate("v2").await?;
    lose(&play).await?;
    let third = play.another_than(&[&second]).await?;
    play.share(&third, 10).await?;
    lose(&play).await?;
    let fourth = play.another_than(&[&second, &third]).await?;
    play.share(&fourth, 10).await?;
    play.approve().await?;
    play.promoted(&fourth).await?;
    play.gone(&live).await?;
    play.shares_were(&third, &[0, 10, 0])?;
    play.shares_were(&fourth, &[0, 10, 100])?;
    play.end(None).await
}

/// Nothing serves yet, so that who forgets begins the same install again.
async fn while_installing(shop: &Shop<'_>) -> Result<()> {
    let observer = shop.observe(None);
    shop.release("v1").await?;
    let installing = |journal: &Journal| (journal.phase() == "Installing").then_some(());
    observer.until("phase Installing", PATIENCE, installing).await?;
    lose_of(shop).await
}

/// While people keep it where it is, and on the way back.
pub(super) async fn held_and_back(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    play.shop.edit(json!({"spec": {"mode": "Paused"}})).await?;
    play.phase("Paused").await?;
    lose(&play).await?;
    // The pause is the owner's and isn't forgotten: what was tried has nothing until it ends.
    play.share(&second, 0).await?;
    play.phase("Paused").await?;
    play.answered_by("v1").await?;
    play.shop.edit(json!({"spec": {"mode": "Active"}})).await?;
    let third = play.another_than(&[&second]).await?;
    play.share(&third, 10).await?;
    play.gate().await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.phase("RollingBack").await?;
    lose(&play).await?;
    // That it was rejected is lost as well: it is tried again, and people are asked again.
    let fourth = play.another_than(&[&second, &third]).await?;
    play.share(&fourth, 10).await?;
    play.approve().await?;
    play.promoted(&fourth).await?;
    play.gone(&live).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.shares_were(&third, &[0, 10, 0])?;
    play.shares_were(&fourth, &[0, 10, 100])?;
    play.end(None).await
}

/// At 100 % and in the middle of a promotion, when both versions may be taken for live.
pub(super) async fn at_the_turn(world: &World, namespace: &str) -> Result<()> {
    let patient = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["steps"][1]["approval"] = json!({"count": 1});
    };
    let play = Play::open(world, namespace, patient).await?;
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.share(&second, 100).await?;
    lose(&play).await?;
    let third = play.another_than(&[&second]).await?;
    play.share(&third, 10).await?;
    play.approve().await?;
    play.share(&third, 100).await?;
    play.approve().await?;
    play.phase("Promoting").await?;
    lose(&play).await?;
    carry_on(&play, "v2").await?;
    play.end(None).await
}

/// At rest with the old color kept, at rest alone, and after a rollback.
pub(super) async fn at_rest(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    lose(&play).await?;
    play.gone(&first).await?;
    play.rests_at(&second).await?;
    lose(&play).await?;
    play.rests_at(&second).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    let third = play.to_10("v3-mended").await?;
    play.gate().await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.back_at(&second, &third).await?;
    play.phase("RolledBack").await?;
    lose(&play).await?;
    // That it was rejected is lost as well: it is tried again, and people are asked again.
    let fourth = play.another_than(&[&third]).await?;
    play.share(&fourth, 10).await?;
    play.approve().await?;
    play.promoted(&fourth).await?;
    play.shares_were(&fourth, &[0, 10, 100])?;
    play.end(None).await
}

/// A backup is played back: a Rollout without status, under a new uid, and Decisions that were made before.
pub(super) async fn restored(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&first).await?;
    play.rests_at(&second).await?;
    let backup = backup(&play).await?;
    expect(!backup.decisions.is_empty(), || "there is no Decision to be restored".into())?;
    let pods = pods_of(&play, &second);
    let all = ["delete", "rollouts.teal.dev,decisions.teal.dev", "--all", "-n", namespace, "--timeout=60s"];
    world.kubectl(&all).await?;
    world.diary().write(namespace, Instant::now(), "the backup is played back");
    world.kubectl_with(&["create", "-f", "-"], &backup.decisions).await?;
    world.kubectl_with(&["create", "-f", "-"], &[backup.rollout]).await?;
    taken_up(&play, "v2", &second, &pods).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    old_decisions_are_answered(&play, backup.decisions.len()).await?;
    let third = play.to_10("v3-mended").await?;
    play.gate().await?;
    world.kubectl_with(&["replace", "--force", "-f", "-"], &backup.decisions).await?;
    old_decisions_are_answered(&play, backup.decisions.len()).await?;
    let have = |journal: &Journal| journal.status()?.gate.as_ref().map(|gate| gate.needs[0].have);
    let have = play.observer.look(have);
    expect(have == Some(0), || format!("old Decisions count as votes: {have:?}"))?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.shares_were(&third, &[0, 10, 100])?;
    play.end(None).await
}

/// What a backup holds of a namespace beside the objects that serve.
pub(super) struct Backup {
    pub(super) rollout: Value,
    pub(super) decisions: Vec<Value>,
}

pub(super) async fn backup(play: &Play<'_>) -> Result<Backup> {
    let rollout = read(play, "rollouts.teal.dev").await?;
    let rollout = rollout.into_iter().next().ok_or_else(|| Error::Unmet("there is no Rollout".into()))?;
    Ok(Backup { rollout, decisions: read(play, "decisions.teal.dev").await? })
}

async fn read(play: &Play<'_>, kind: &str) -> Result<Vec<Value>> {
    let text = play.shop.world.kubectl(&["get", kind, "-n", &play.shop.namespace, "-o", "json"]).await?;
    let mut list: Value = serde_json::from_str(&text).map_err(|error| Error::Unmet(error.to_string()))?;
    let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
    Ok(items.into_iter().map(without_server_fields).collect())
}

/// As tools for backups store an object.
pub(super) fn without_server_fields(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in
            ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "finalizers"]
        {
            metadata.remove(field);
        }
    }
    object
}

/// Each is answered, and none is followed.
async fn old_decisions_are_answered(play: &Play<'_>, count: usize) -> Result<()> {
    let path = "jsonpath={range .items[*]}{.status.conditions[0].reason}{\"\\n\"}{end}";
    let arguments = ["get", "decisions.teal.dev", "-n", &play.shop.namespace, "-o", path];
    let answered = async || {
        let text = play.shop.world.kubectl(&arguments).await.map_err(|error| error.to_string())?;
        let reasons: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let all = reasons.len() >= count;
        if all && reasons.iter().all(|reason| *reason == "Superseded") { Ok(()) } else { Err(text) }
    };
    Ok(teal_testbed::until("old Decisions as superseded", PATIENCE, answered).await?)
}

/// Takes the status away, as a restore or a tool that replaces whole objects does.
pub(super) async fn lose(play: &Play<'_>) -> Result<()> {
    lose_of(&play.shop).await
}

async fn lose_of(shop: &Shop<'_>) -> Result<()> {
    let world = shop.world;
    world.diary().write(&shop.namespace, Instant::now(), "the status is removed");
    let arguments = [
        "patch",
        "rollouts.teal.dev",
        "web",
        "-n",
        &shop.namespace,
        "--subresource=status",
        "--type=merge",
        "--patch={\"status\":null}",
    ];
    world.kubectl(&arguments).await.map(drop)
}

/// Says yes as often as is asked until the version is live and nothing moves.
pub(super) async fn carry_on(play: &Play<'_>, version: &str) -> Result<()> {
    let mut answered = Vec::new();
    loop {
        let news = |journal: &Journal| {
            let gate = journal.status()?.gate.as_ref().map(|gate| gate.nonce.clone());
            let asked = gate.filter(|nonce| !answered.contains(nonce));
            let rests = journal.is_current()
                && journal.phase() == "Complete"
                && journal.candidate().is_none()
                && play.is_owners(journal);
            asked.map(Some).or(rests.then_some(None))
        };
        match play.observer.until("a question or the end", PATIENCE, news).await? {
            Some(nonce) => {
                answered.push(nonce);
                play.shop.decide(Action::Approve, None).await?;
            }
            None => return play.shop.serves(version).await,
        }
    }
}
