//! The ways back.

use serde_json::{Value, json};
use teal_api::Action;

use super::play::{PATIENCE, Play};
use crate::error::{Result, expect};
use crate::observe::Journal;
use crate::world::{World, quick};

/// A person goes back at 10 %.
pub(super) async fn at_10(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.shop.decide(Action::Rollback, Some("seen enough")).await?;
    play.back_at_once(&live, &second).await?;
    rejected(&play, &second).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.gone(&second).await?;
    play.end(None).await
}

/// A person goes back after promotion, while the old color is kept. Callers by raw TCP have no weights: both roles turn under
/// them, and the sessions that were opened before stay.
pub(super) async fn in_keep(world: &World, namespace: &str) -> Result<()> {
    let long_keep = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["keep"] = json!({"previous": "2m", "failed": "2s"});
    };
    let play = Play::open_with_tcp(world, namespace, long_keep).await?;
    let old = play.live();
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.shop.decide(Action::Rollback, Some("the players complain")).await?;
    play.back_at_once(&old, &second).await?;
    rejected(&play, &second).await?;
    play.shop.serves("v1").await?;
    play.shares_were(&second, &[0, 10, 100, 0])?;
    play.gone(&second).await?;
    play.end(None).await
}

/// A guard fails while people are asked: nobody's yes is waited for.
pub(super) async fn guard(world: &World, namespace: &str) -> Result<()> {
    let guarded = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["guards"] = json!([{"check": "errors"}]);
    };
    let play = Play::open(world, namespace, guarded).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let color = play.observer.look(|journal| Some(journal.status()?.candidate.as_ref()?.color.clone()));
    play.shop.switch(&color.unwrap_or_default(), "errors=0.5").await?;
    play.back_at_once(&live, &second).await?;
    rejected(&play, &second).await?;
    let failed = play.observer.look(|journal| journal.failed_verdict(&second).is_some());
    expect(failed, || "traffic went back, but no verdict says why".into())?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.end(Some("v2")).await
}

/// A step's check with nobody to ask: it lets a good version through to the end, and sends back one that answers every fifth
/// request with an error. Live answers every request that it is given.
pub(super) async fn checked(world: &World, namespace: &str) -> Result<()> {
    let judged = |rollout: &mut Value| {
        quick(rollout);
        for step in rollout["spec"]["steps"].as_array_mut().into_iter().flatten() {
            step.as_object_mut().and_then(|step| step.remove("approval"));
            step["checks"] = json!(["errors"]);
        }
    };
    let play = Play::open(world, namespace, judged).await?;
    let first = play.live();
    let second = play.candidate("v2").await?;
    play.promoted(&second).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    passed_by_checks(&play, &second)?;
    play.gone(&first).await?;
    let third = play.to_10("v3").await?;
    play.back_at_once(&second, &third).await?;
    rejected(&play, &third).await?;
    let reason = play.outcome(&third, "RolledBack").await?;
    expect(reason.contains("check errors failed"), || format!("it went back because: {reason}"))?;
    let failed = play.observer.look(|journal| journal.failed_verdict(&third).is_some());
    expect(failed, || "traffic went back, but no verdict says why".into())?;
    play.shares_were(&third, &[0, 10, 0])?;
    play.shop.serves("v2").await?;
    play.gone(&third).await?;
    play.end(Some("v3")).await
}

/// Nobody said yes, and the check did, of this revision.
fn passed_by_checks(play: &Play<'_>, revision: &str) -> Result<()> {
    let verdicts = play.observer.look(|journal| journal.verdicts.clone());
    let mut own = verdicts.iter().filter(|change| change.revision.as_deref() == Some(revision));
    let passed = own.any(|change| change.check == "errors" && change.verdict == "Pass");
    expect(passed, || format!("{revision} was promoted, but these are its verdicts: {verdicts:?}"))
}

/// A person tries a rejected version again, unchanged.
pub(super) async fn retried(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.back_at_once(&live, &second).await?;
    rejected(&play, &second).await?;
    play.shop.decide(Action::Retry, None).await?;
    play.share(&second, 10).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.shares_were(&second, &[0, 10, 0, 10, 100])?;
    play.gone(&live).await?;
    play.end(None).await
}

pub(super) async fn rejected(play: &Play<'_>, revision: &str) -> Result<()> {
    let noted = |journal: &Journal| {
        let status = journal.status()?;
        let rejected = status.rejected.iter().any(|one| one == revision);
        let told =
            status.history.iter().any(|entry| entry.revision == revision && entry.outcome == "RolledBack");
        (rejected && told && journal.phase() == "RolledBack").then_some(())
    };
    play.observer.until(&format!("{revision} as rejected"), PATIENCE, noted).await
}
