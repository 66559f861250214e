//! Teal itself is taken away: its definitions, or the whole installation.

use std::time::Instant;

use teal_api::Action;
use teal_load::Record;

use super::deletion::{left_alone, pods_of, taken_up};
use super::play::{PATIENCE, Play};
use crate::error::{Result, expect};
use crate::world::{Installation, OPERATOR_NAMESPACE, RELEASE, World, quick};

/// Requests by which it is seen that traffic goes on while there is no operator.
const REQUESTS: u64 = 1000;

/// The definitions are deleted, and every Rollout with them: one at rest, one at 10 %. Installed again, each is taken up.
pub(super) async fn of_definitions(world: &World, namespace: &str) -> Result<()> {
    let (resting, trying) = two(world, namespace).await?;
    let (live, tried) = (resting.live(), trying.live());
    let pods = [pods_of(&resting, &live), pods_of(&trying, &tried)];
    let second = trying.to_10("v2").await?;
    note(&[&resting, &trying], "the definitions are deleted");
    let definitions = ["crd/rollouts.teal.dev", "crd/decisions.teal.dev"];
    world.kubectl(&["delete", definitions[0], definitions[1], "--timeout=60s"]).await?;
    left_alone(&resting, &live).await?;
    left_alone(&trying, &tried).await?;
    trying.gone(&second).await?;
    note(&[&resting, &trying], "Teal is installed again");
    world.install_teal_again(&Installation::default()).await?;
    let [of_resting, of_trying] = &pods;
    futures::try_join!(
        taken_up(&resting, "v1", &live, of_resting),
        taken_up(&trying, "v1", &tried, of_trying)
    )?;
    resting.shares_were(&live, &[100])?;
    let third = trying.to_10("v2-mended").await?;
    trying.approve().await?;
    trying.promoted(&third).await?;
    trying.shares_were(&second, &[0, 10, 0])?;
    trying.shares_were(&third, &[0, 10, 100])?;
    resting.end(None).await?;
    trying.end(None).await
}

/// `helm uninstall` at 10 % and in the middle of a promotion: everything stays as it is, and goes on when Teal is there again.
pub(super) async fn of_all(world: &World, namespace: &str) -> Result<()> {
    let (trying, turning) = two(world, namespace).await?;
    let (second, other) = futures::try_join!(trying.to_10("v2"), turning.to_10("v2"))?;
    trying.gate().await?;
    turning.approve().await?;
    turning.phase("Promoting").await?;
    note(&[&trying, &turning], "helm uninstall");
    world.helm(&["uninstall", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--wait"]).await?;
    world.none_left(&["pods", "-n", OPERATOR_NAMESPACE]).await?;
    // Nothing proves who made it, and that policies come later changes nothing about it.
    let unproved = trying.shop.decide(Action::Approve, None).await?;
    let before = trying.shop.virtual_service().await?;
    goes_on(trying.record(), "v2", 5.0..=15.0).await?;
    goes_on(turning.record(), "v2", 100.0..=100.0).await?;
    let after = trying.shop.virtual_service().await?;
    expect(before == after, || "routes were written although there is no operator".into())?;
    note(&[&trying, &turning], "Teal is installed again");
    world.install_teal_again(&Installation::default()).await?;
    turning.promoted(&other).await?;
    let (unproved, of) = (format!("decisions.teal.dev/{unproved}"), trying.shop.namespace.as_str());
    world.kubectl(&["wait", &unproved, "-n", of, "--for=condition=Applied=False", "--timeout=60s"]).await?;
    trying.approve().await?;
    trying.promoted(&second).await?;
    trying.shares_were(&second, &[0, 10, 100])?;
    turning.shares_were(&other, &[0, 10, 100])?;
    trying.end(None).await?;
    turning.end(None).await
}

async fn two<'a>(world: &'a World, namespace: &str) -> Result<(Play<'a>, Play<'a>)> {
    let other = format!("{namespace}-too");
    futures::try_join!(Play::open(world, namespace, quick), Play::open(world, &other, quick))
}

fn note(plays: &[&Play<'_>], line: &str) {
    for play in plays {
        play.shop.world.diary().write(&play.shop.namespace, Instant::now(), line);
    }
}

/// Users get this share of a version, over many requests from now on.
async fn goes_on(record: &Record, version: &str, percent: std::ops::RangeInclusive<f64>) -> Result<()> {
    let begun = Instant::now();
    let enough = async || match record.tally(begun, Instant::now()).requests() {
        requests if requests >= REQUESTS => Ok(()),
        requests => Err(format!("{requests} so far")),
    };
    teal_testbed::until(format!("{REQUESTS} requests"), PATIENCE, enough).await?;
    let share = 100.0 * record.tally(begun, Instant::now()).share(version).unwrap_or_default();
    expect(percent.contains(&share), || format!("{version} had {share:.2} %, not within {percent:?}"))
}
