//! Another program that keeps its own weights.

use std::time::{Duration, Instant};

use serde_json::json;
use teal_api::Action;

use super::play::Play;
use super::ways_back::rejected;
use crate::error::{Error, Result, expect};
use crate::world::{NAME, World, quick};

/// Its name among the field managers.
const OVERWRITER: &str = "nightly-sync";
/// So many changes within a minute are corrected; the next one ends the rollout.
const CORRECTED: usize = 5;
/// What a correction may take: no weight follows another within the propagation wait.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Within this all the changes must have been made, or they are not so many in a minute.
const MINUTE: Duration = Duration::from_secs(60);

/// A field manager that wrote the VirtualService before the rollout sets all to live again and again. That isn't kept, as a
/// person's hand would be: each of five is corrected at once, and with the sixth within a minute all traffic goes to live and
/// the rollout stalls, naming who wrote. Once that has stopped, a retry goes through.
pub(super) async fn overwriter(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    wrote_before(&play).await?;
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let begun = Instant::now();
    for change in 1..=CORRECTED {
        overwrite(&play, &second).await?;
        let written = Instant::now();
        play.share(&second, 10).await?;
        let took = written.elapsed();
        expect(took <= AT_ONCE, || {
            format!("change {change} was corrected after {:.1} s", took.as_secs_f64())
        })?;
    }
    overwrite(&play, &second).await?;
    let took = begun.elapsed();
    expect(took < MINUTE, || format!("{} changes took {} s", CORRECTED + 1, took.as_secs()))?;

    play.back_at(&live, &second).await?;
    rejected(&play, &second).await?;
    let message = play.condition("Stalled", "True", "ForeignWriter").await?;
    let reason = play.outcome(&second, "RolledBack").await?;
    for told in [&message, &reason] {
        expect(told.contains(OVERWRITER) && told.contains("retry"), || format!("it is told as: {told}"))?;
    }
    play.shop.decide(Action::Retry, None).await?;
    play.share(&second, 10).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    let corrected = [10, 0].repeat(CORRECTED + 1);
    play.shares_were(&second, &[&[0], corrected.as_slice(), &[10, 100]].concat())?;
    play.gone(&live).await?;
    play.end(None).await
}

/// Has it among the writers of the routes as the rollout finds them.
async fn wrote_before(play: &Play<'_>) -> Result<()> {
    let manager = format!("--field-manager={OVERWRITER}");
    let apply = ["apply", "--server-side", "--force-conflicts", &manager, "-f", "-"];
    let owners = play.shop.owners_virtual_service()?;
    play.shop.world.kubectl_with(&apply, &[owners]).await.map(drop)
}

/// All traffic to live, in both routes, and seen.
async fn overwrite(play: &Play<'_>, candidate: &str) -> Result<()> {
    let (world, namespace) = (play.shop.world, play.shop.namespace.as_str());
    world.diary().write(namespace, Instant::now(), &format!("{OVERWRITER} sets all to live"));
    let weigh = |route: usize, place: usize, weight: u32| {
        let path = format!("/spec/http/{route}/route/{place}/weight");
        json!({"op": "replace", "path": path, "value": weight})
    };
    // Both routes name live first.
    let home = json!([weigh(0, 0, 100), weigh(0, 1, 0), weigh(1, 0, 100), weigh(1, 1, 0)]).to_string();
    let manager = format!("--field-manager={OVERWRITER}");
    let before = play.observer.look(|journal| journal.shares_of(candidate).len());
    let patch = ["patch", "virtualservice", NAME, "-n", namespace, "--type=json", &manager, "-p", &home];
    world.kubectl(&patch).await?;
    let seen = async || {
        let shares = play.observer.look(|journal| journal.shares_of(candidate));
        if shares.len() > before { Ok(()) } else { Err(format!("{candidate} was given {shares:?}")) }
    };
    let until = teal_testbed::until("the overwritten weights".to_owned(), AT_ONCE, seen).await;
    until.map_err(Error::from)
}
