//! A VirtualService that somebody exported at 10 %, with all that Teal had noted on it, comes back.

use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;

use super::lost::without_server_fields;
use super::play::{PATIENCE, Play};
use super::ways_back::rejected;
use crate::error::{Error, Result, expect};
use crate::observe::Journal;
use crate::world::{World, quick};

/// Applied by force while the next version is promoted, and applied after a rollback, and by Helm at rest: nothing but live
/// and what a step has ever gets traffic.
pub(super) async fn everywhere(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let exported = export(&play).await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.back_at(&first, &second).await?;
    rejected(&play, &second).await?;
    // Rolled back, the failed one still there: both roles are live.
    apply(&play, &["apply", "-f", "-"], &exported).await?;
    split(&play).await?;
    owners_again(&play).await?;
    play.shares_were(&second, &[0, 10, 0])?;
    play.gone(&second).await?;
    let third = play.to_10("v2-mended").await?;
    play.approve().await?;
    play.phase("Promoting").await?;
    let forced = ["apply", "--server-side", "--force-conflicts", "--field-manager=owner", "-f", "-"];
    apply(&play, &forced, &exported).await?;
    play.promoted(&third).await?;
    play.gone(&first).await?;
    let shares = play.observer.look(|journal| journal.shares_of(&third));
    expect(shares.iter().all(|share| matches!(share, 0 | 10 | 100)), || {
        format!("{third} was given {shares:?}")
    })?;
    let chart = Chart::write(&exported)?;
    chart.install(&play).await?;
    split(&play).await?;
    let share = play.observer.look(|journal| journal.share(&third));
    expect(share == 100, || format!("live has {share} % after the exported routes"))?;
    play.shop.serves("v2-mended").await?;
    play.end(None).await
}

/// The object as `kubectl get -o yaml` shows it, without what the server writes.
async fn export(play: &Play<'_>) -> Result<Value> {
    let arguments =
        ["get", "virtualservices.networking.istio.io", "web", "-n", &play.shop.namespace, "-o", "json"];
    let text = play.shop.world.kubectl(&arguments).await?;
    let object: Value = serde_json::from_str(&text).map_err(|error| Error::Unmet(error.to_string()))?;
    let weights = object.pointer("/spec/http/0/route/1/weight").cloned();
    expect(weights == Some(json!(10)), || format!("exported at {weights:?} and not at 10 %"))?;
    Ok(without_server_fields(object))
}

/// Waits until the exported routes are there.
async fn split(play: &Play<'_>) -> Result<()> {
    play.observer.until("the exported routes", PATIENCE, |journal| journal.is_split().then_some(())).await
}

/// Waits until the routes name live alone.
async fn owners_again(play: &Play<'_>) -> Result<()> {
    let alone = |journal: &Journal| (!journal.is_split()).then_some(());
    play.observer.until("routes to live alone", PATIENCE, alone).await
}

async fn apply(play: &Play<'_>, arguments: &[&str], object: &Value) -> Result<()> {
    let shop = &play.shop;
    shop.world.diary().write(&shop.namespace, Instant::now(), &format!("kubectl {}", arguments.join(" ")));
    shop.world.kubectl_with(arguments, std::slice::from_ref(object)).await.map(drop)
}

/// A chart with one object.
struct Chart(tempfile::TempDir);

impl Chart {
    fn write(object: &Value) -> Result<Self> {
        let local = |source| Error::Local { action: "write a chart", source };
        let folder = tempfile::tempdir().map_err(local)?;
        let templates = folder.path().join("templates");
        std::fs::create_dir(&templates).map_err(local)?;
        let chart = json!({"apiVersion": "v2", "name": "routes", "version": "0.1.0"});
        std::fs::write(folder.path().join("Chart.yaml"), chart.to_string()).map_err(local)?;
        std::fs::write(templates.join("routes.yaml"), object.to_string()).map_err(local)?;
        Ok(Self(folder))
    }

    /// Installs it, or again over what is there, as a pipeline does that owns the object.
    async fn install(&self, play: &Play<'_>) -> Result<()> {
        let shop = &play.shop;
        let folder = self.0.path().to_string_lossy().into_owned();
        let flags = ["--take-ownership", "--server-side=true", "--force-conflicts"];
        shop.world.diary().write(&shop.namespace, Instant::now(), "helm upgrade --install");
        let arguments = ["upgrade", "--install", "routes", &folder, "--namespace", &shop.namespace];
        shop.world.helm(&[&arguments[..], &flags[..]].concat()).await.map(drop)
    }
}
