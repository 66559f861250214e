//! The owner of the routes applies them with Helm, whatever else is going on.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;

use super::play::Play;
use crate::error::{Error, Result};
use crate::world::{World, quick};

/// The release of the chart that holds the routes.
const RELEASE: &str = "routes";
/// Server-side apply that takes fields over.
const FORCED: [&str; 2] = ["--server-side=true", "--force-conflicts"];
/// Helm 3's merge of what the chart was, what it is and what stands there.
const MERGED: [&str; 1] = ["--server-side=false"];

/// `helm upgrade` re-applies the VirtualService in each phase, in one of the two ways that Helm has and in both at 10 %: traffic
/// is at live or where the step has it, never elsewhere, and the rollout goes on. Six times in a minute would be too much.
pub(super) async fn at_every_phase(world: &World, namespace: &str) -> Result<()> {
    let patient = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["steps"][1]["approval"] = json!({"count": 1});
    };
    let play = Play::open(world, namespace, patient).await?;
    let chart = Chart::of(&play.shop.owners_virtual_service()?, namespace)?;
    let old = play.live();
    // The object is there already, and becomes the chart's.
    upgrade(&play, &chart, &["--install", "--take-ownership"]).await?;
    let second = play.candidate("v2").await?;
    upgrade(&play, &chart, &FORCED).await?;
    play.share(&second, 10).await?;
    upgrade(&play, &chart, &FORCED).await?;
    play.gate().await?;
    upgrade(&play, &chart, &MERGED).await?;
    play.share(&second, 10).await?;
    play.approve().await?;
    play.share(&second, 100).await?;
    upgrade(&play, &chart, &MERGED).await?;
    play.approve().await?;
    play.phase("Promoting").await?;
    upgrade(&play, &chart, &FORCED).await?;
    play.promoted(&second).await?;
    upgrade(&play, &chart, &MERGED).await?;
    play.gone(&old).await?;
    play.promoted(&second).await?;
    play.steps_were(&second, &[10, 100])?;
    let third = play.to_10("v3-mended").await?;
    play.gate().await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.phase("RollingBack").await?;
    upgrade(&play, &chart, &FORCED).await?;
    play.back_at(&second, &third).await?;
    play.outcome(&third, "RolledBack").await?;
    play.steps_were(&third, &[10])?;
    play.end(None).await
}

async fn upgrade(play: &Play<'_>, chart: &Chart, arguments: &[&str]) -> Result<()> {
    let (world, namespace) = (play.shop.world, play.shop.namespace.as_str());
    let words = format!("helm upgrade {}", arguments.join(" "));
    world.diary().write(namespace, Instant::now(), &words);
    let folder = chart.0.to_string_lossy();
    let mut all = vec!["upgrade", RELEASE, folder.as_ref(), "--namespace", namespace];
    all.extend(arguments);
    world.helm(&all).await.map(drop)
}

/// A chart in a folder of its own, which goes with it.
struct Chart(PathBuf);

impl Chart {
    fn of(object: &Value, namespace: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("teal-story-{namespace}-{}", std::process::id()));
        let chart = Self(folder);
        chart.write("Chart.yaml", &json!({"apiVersion": "v2", "name": RELEASE, "version": "0.1.0"}))?;
        chart.write("templates/routes.yaml", object)?;
        Ok(chart)
    }

    fn write(&self, name: &str, content: &Value) -> Result<()> {
        let path = self.0.join(name);
        let written = std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
            .and_then(|()| std::fs::write(&path, content.to_string()));
        written.map_err(|error| Error::File { path, why: error.to_string() })
    }
}

impl Drop for Chart {
    fn drop(&mut self) {
        // What stays in the folder for temporary files is swept by others.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
