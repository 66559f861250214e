//! The Rollout goes, by whatever hand: what serves goes on, and a Rollout that comes again takes it up as it is.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use teal_api::names::label;

use super::play::{PATIENCE, Play};
use crate::error::{Result, expect};
use crate::observe::Journal;
use crate::world::{World, quick};

/// As Argo CD prunes: in the foreground, where whatever belongs to the object goes before it.
const FOREGROUND: [&str; 4] = ["delete", "rollouts.teal.dev", "web", "--cascade=foreground"];

/// At rest nothing of Teal is in the way, and nothing of the application moves; a new Rollout takes it up.
pub(super) async fn at_rest(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let pods = pods_of(&play, &live);
    delete(&play).await?;
    left_alone(&play, &live).await?;
    taken_up(&play, "v1", &live, &pods).await?;
    play.shares_were(&live, &[100])?;
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&live).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    play.end(None).await
}

/// In the middle of a promotion: back to live, and the candidate goes.
pub(super) async fn at_promotion(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.phase("Promoting").await?;
    delete(&play).await?;
    left_alone(&play, &live).await?;
    play.gone(&second).await?;
    play.shop.serves("v1").await?;
    play.end(None).await
}

/// `kubectl apply --prune` of a set in which the Rollout is no more, at 10 %.
pub(super) async fn pruned(world: &World, namespace: &str) -> Result<()> {
    let of_a_set = |rollout: &mut Value| {
        quick(rollout);
        rollout["metadata"]["labels"] = json!({"app.kubernetes.io/part-of": "shop"});
    };
    let play = Play::open(world, namespace, of_a_set).await?;
    let live = play.live();
    let second = play.to_10("v2").await?;
    let mut routes = play.shop.owners_virtual_service()?;
    routes["metadata"]["labels"] = json!({"app.kubernetes.io/part-of": "shop"});
    let arguments = [
        "apply",
        "--namespace",
        namespace,
        "--prune",
        "--selector=app.kubernetes.io/part-of=shop",
        "--prune-allowlist=teal.dev/v1alpha1/Rollout",
        "--filename=-",
    ];
    world.diary().write(namespace, Instant::now(), "kubectl apply --prune");
    world.kubectl_with(&arguments, &[routes]).await?;
    left_alone(&play, &live).await?;
    play.gone(&second).await?;
    play.shop.serves("v1").await?;
    play.end(None).await
}

/// `onDelete: DeleteAll`: the release goes with its Rollout, and only the routes of their owner stay.
pub(super) async fn with_all(world: &World, namespace: &str) -> Result<()> {
    let whole = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["onDelete"] = json!("DeleteAll");
    };
    let play = Play::open(world, namespace, whole).await?;
    play.to_10("v2").await?;
    let begun = Instant::now();
    let before = play.record().tally(play.record().start(), begun);
    expect(before.failed() == 0, || format!("requests failed before the end: {:?}", before.failed))?;
    delete(&play).await?;
    let gone = |journal: &Journal| {
        let all = journal.rollout.is_none() && journal.pods.is_empty();
        (all && play.is_owners(journal)).then_some(())
    };
    play.observer.until("the end of the Rollout and its pods", PATIENCE, gone).await?;
    let kinds = "deployments,replicasets,pods,services,configmaps,controllerrevisions,destinationrules";
    let selector = format!("{}=web", label::ROLLOUT);
    world.none_left(&[kinds, "-n", namespace, "-l", &selector]).await?;
    play.leave().await
}

pub(super) async fn delete(play: &Play<'_>) -> Result<()> {
    let world = play.shop.world;
    world.diary().write(&play.shop.namespace, Instant::now(), &FOREGROUND.join(" "));
    let arguments = FOREGROUND.iter().copied().chain(["-n", &play.shop.namespace, "--timeout=60s"]);
    world.kubectl(&arguments.collect::<Vec<_>>()).await.map(drop)
}

/// The Rollout is gone; live has everything and all its pods, and the routes are their owner's.
pub(super) async fn left_alone(play: &Play<'_>, live: &str) -> Result<()> {
    let ended = |journal: &Journal| {
        let alone = play.is_owners(journal) && journal.share(live) == 100;
        (alone && journal.rollout.is_none()).then_some(())
    };
    play.observer.until("the end of the Rollout", PATIENCE, ended).await?;
    let pods = pods_of(play, live);
    expect(pods.len() == 3, || format!("{} of 3 pods of live are left", pods.len()))
}

/// Ready pods of a revision that stay.
pub(super) fn pods_of(play: &Play<'_>, revision: &str) -> BTreeSet<String> {
    play.observer.look(|journal| {
        let serving = journal.pods.iter().filter(|(_, pod)| pod.revision == revision && pod.ready);
        serving.filter(|(_, pod)| pod.ending.is_none()).map(|(name, _)| name.clone()).collect()
    })
}

/// The Rollout is applied again and finds its release: the same revision is live, in the same pods.
pub(super) async fn taken_up(
    play: &Play<'_>,
    version: &str,
    live: &str,
    pods: &BTreeSet<String>,
) -> Result<()> {
    play.shop.release(version).await?;
    play.rests_at(live).await?;
    let now = pods_of(play, live);
    expect(now == *pods, || format!("live had the pods {pods:?} and has {now:?}"))
}
