//! Rollouts that are held up by their owners: paused, or left alone altogether.

use serde_json::{Value, json};
use teal_api::Action;

use super::calm;
use super::lost::lose;
use super::play::{PATIENCE, Play};
use crate::error::{Result, expect};
use crate::observe::Journal;
use crate::world::{World, quick};

/// Paused by the spec and by a Decision, nothing moves forward, whatever is approved; going back and guards work.
pub(super) async fn paused(world: &World, namespace: &str) -> Result<()> {
    let guarded = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["guards"] = json!([{"check": "errors"}]);
    };
    let play = Play::open(world, namespace, guarded).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    mode(&play, "Paused").await?;
    play.phase("Paused").await?;
    let approval = play.shop.decide(Action::Approve, None).await?;
    expect(play.ruled(&approval).await? == "Counted", || "an approval under a pause is not counted".into())?;
    play.says("paused by spec.mode").await?;
    stays(&play, &second, "paused by spec.mode").await?;
    mode(&play, "Active").await?;
    play.promoted(&second).await?;
    play.gone(&first).await?;

    let third = play.to_10("v2-mended").await?;
    play.gate().await?;
    let pause = play.shop.decide(Action::Pause, None).await?;
    expect(play.ruled(&pause).await? == "Done", || "the pause is not done".into())?;
    play.phase("Paused").await?;
    stays(&play, &third, "paused by a Decision").await?;
    play.shop.decide(Action::Rollback, Some("even while paused")).await?;
    play.back_at(&second, &third).await?;
    play.gone(&third).await?;

    // The pause outlives the rollout that it was made in: the next one isn't begun before somebody says so.
    play.shop.release("v2-again").await?;
    play.says("paused by").await?;
    calm::settled(world, Some(namespace)).await?;
    let tried = play.observer.look(|journal| journal.candidate().map(str::to_owned));
    expect(tried.as_ref().is_none_or(|tried| *tried == third), || {
        format!("{tried:?} was begun while paused")
    })?;
    let resume = play.shop.decide(Action::Resume, None).await?;
    expect(play.ruled(&resume).await? == "Done", || "the pause is not ended".into())?;
    let fourth = next_candidate(&play, &third).await?;
    play.share(&fourth, 10).await?;
    play.gate().await?;
    play.shop.decide(Action::Pause, None).await?;
    play.phase("Paused").await?;
    play.shop.switch(&play.color(&fourth), "errors=0.5").await?;
    play.back_at(&second, &fourth).await?;
    let reason = play.outcome(&fourth, "RolledBack").await?;
    expect(reason.contains("guard errors failed"), || format!("it went back because: {reason}"))?;
    play.shares_were(&third, &[0, 10, 0])?;
    play.shares_were(&fourth, &[0, 10, 0])?;
    play.end(Some("v2-again")).await
}

/// Nothing at all is written while hands are off, not even an answer to a Decision. A hand leads all traffic home; back to
/// Active that is kept and told, and the rollout goes on when a person says so.
pub(super) async fn hands_off(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    calm::settled(world, Some(namespace)).await?;
    mode(&play, "HandsOff").await?;
    let from = world.revision().await? + 1;
    play.phase("HandsOff").await?;
    // Told once; from here on the status may only say what it sees.
    let silent = world.revision().await? + 1;
    let approval = play.shop.decide(Action::Approve, None).await?;
    let weigh = |route: usize, place: usize, weight: u32| {
        let path = format!("/spec/http/{route}/route/{place}/weight");
        json!({"op": "replace", "path": path, "value": weight})
    };
    // Both routes name live first.
    let home = json!([weigh(0, 0, 100), weigh(0, 1, 0), weigh(1, 0, 100), weigh(1, 1, 0)]).to_string();
    let arguments = ["patch", "virtualservice", "web", "-n", namespace, "--type=json", "-p", &home];
    world.kubectl(&arguments).await?;
    play.share(&second, 0).await?;
    calm::settled(world, Some(namespace)).await?;
    let but_status = ["rollouts"];
    let whole = calm::span(world, Some(namespace), from, &but_status).await?;
    calm::was_silent(world, "while hands are off", whole).await?;
    let told = calm::rollout_writes(world, namespace, silent).await?;
    expect(told <= 2, || format!("the status was written {told} times while hands were off"))?;
    let answered = play.observer.look(|journal| journal.ruling(&approval).map(str::to_owned));
    expect(answered.is_none(), || format!("a Decision was answered with hands off: {answered:?}"))?;

    mode(&play, "Active").await?;
    play.phase("Paused").await?;
    play.says("kubectl").await?;
    play.ruled(&approval).await?;
    stays_at(&play, &second, 0, "paused by a hand").await?;
    let resume = play.shop.decide(Action::Resume, None).await?;
    expect(play.ruled(&resume).await? == "Done", || "the pause is not ended".into())?;
    play.share(&second, 10).await?;
    play.gate().await?;
    // The yes from before the hand was for another moment.
    stays(&play, &second, "asked anew").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.shares_were(&second, &[0, 10, 0, 10, 100])?;
    play.gone(&first).await?;
    without_a_status(&play).await?;
    play.end(None).await
}

/// The status is lost while hands are off: what was tried keeps what it has, for nobody may take it away. Back to Active all
/// goes to live and the same content is tried anew, as after any other loss.
async fn without_a_status(play: &Play<'_>) -> Result<()> {
    let (world, namespace) = (play.shop.world, Some(play.shop.namespace.as_str()));
    let live = play.live();
    let lost = play.to_10("v2-mended").await?;
    play.gate().await?;
    calm::settled(world, namespace).await?;
    mode(play, "HandsOff").await?;
    let from = world.revision().await? + 1;
    play.phase("HandsOff").await?;
    lose(play).await?;
    calm::settled(world, namespace).await?;
    play.phase("HandsOff").await?;
    let whole = calm::span(world, namespace, from, &["rollouts"]).await?;
    calm::was_silent(world, "without a status while hands are off", whole).await?;
    let share = play.observer.look(|journal| journal.share(&lost));
    expect(share == 10, || format!("{lost} has {share} % while hands are off"))?;
    mode(play, "Active").await?;
    let again = play.another_than(&[&lost]).await?;
    play.share(&again, 10).await?;
    play.approve().await?;
    play.promoted(&again).await?;
    play.gone(&live).await?;
    play.shares_were(&lost, &[0, 10, 0])?;
    play.shares_were(&again, &[0, 10, 100])
}

async fn mode(play: &Play<'_>, word: &str) -> Result<()> {
    play.shop.edit(json!({"spec": {"mode": word}})).await
}

/// Nothing is written and no share moves, although every gate is open.
async fn stays(play: &Play<'_>, revision: &str, when: &str) -> Result<()> {
    stays_at(play, revision, 10, when).await
}

async fn stays_at(play: &Play<'_>, revision: &str, percent: u32, when: &str) -> Result<()> {
    let (world, namespace) = (play.shop.world, Some(play.shop.namespace.as_str()));
    calm::settled(world, namespace).await?;
    let from = world.revision().await? + 1;
    calm::settled(world, namespace).await?;
    calm::was_silent(world, when, calm::span(world, namespace, from, &[]).await?).await?;
    let share = play.observer.look(|journal| journal.share(revision));
    expect(share == percent, || format!("{revision} has {share} % {when}"))
}

async fn next_candidate(play: &Play<'_>, former: &str) -> Result<String> {
    let other =
        |journal: &Journal| journal.candidate().filter(|candidate| *candidate != former).map(str::to_owned);
    play.observer.until("another candidate", PATIENCE, other).await
}
