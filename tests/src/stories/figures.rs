//! What the operator's pods serve at `/metrics`, read through the API server, as on any cluster.

use super::leaders::leader;
use super::play::{PATIENCE, Play};
use crate::error::{Result, expect};
use crate::world::{NAME, OPERATOR_NAMESPACE, RELEASE, World};

/// The chart's own.
const PORT: u16 = 8080;
/// How rows about Rollouts begin.
const OF_ROLLOUTS: &str = "teal_rollout_";

/// Waits until the leader's figures show the question at this step and weight; nobody else shows figures of Rollouts.
pub(super) async fn ask_people(play: &Play<'_>, step: &str, percent: u32) -> Result<()> {
    let world = play.shop.world;
    let wanted = rows(&play.shop.namespace, step, percent);
    let shown = async || {
        let figures = scraped(world, &leader(world).await?).await?;
        let lacking = wanted.iter().find(|row| !figures.lines().any(|line| line == **row));
        expect(lacking.is_none(), || format!("{lacking:?} among {:?}", of(&figures, &play.shop.namespace)))
    };
    let shown = async || shown().await.map_err(|error| error.to_string());
    teal_testbed::until("figures of a question at /metrics", PATIENCE, shown).await?;
    standbys_show_nothing(world).await
}

/// The rows of a Rollout that asks people at a step.
fn rows(namespace: &str, step: &str, percent: u32) -> Vec<String> {
    let row = |name: &str, label: &str, value: u32| {
        format!("{OF_ROLLOUTS}{name}{{namespace=\"{namespace}\",rollout=\"{NAME}\"{label}}} {value}.0")
    };
    vec![
        "teal_leader 1.0".to_owned(),
        row("candidate_weight", "", percent),
        row("step", &format!(",step=\"{step}\""), 1),
        row("phase", ",phase=\"Waiting\"", 1),
    ]
}

/// What is shown of a namespace, for whoever looks for a row in vain.
fn of<'f>(figures: &'f str, namespace: &str) -> Vec<&'f str> {
    let mark = format!("{{namespace=\"{namespace}\"");
    figures.lines().filter(|line| line.starts_with("teal_leader") || line.contains(&mark)).collect()
}

async fn standbys_show_nothing(world: &World) -> Result<()> {
    let selector = format!("app.kubernetes.io/instance={RELEASE}");
    let path = "jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}";
    let pods = world.kubectl(&["get", "pods", "-n", OPERATOR_NAMESPACE, "-l", &selector, "-o", path]).await?;
    let leads = leader(world).await?;
    for pod in pods.lines().filter(|pod| *pod != leads) {
        let figures = scraped(world, pod).await?;
        let silent = !figures.lines().any(|line| line.starts_with(OF_ROLLOUTS));
        expect(silent && figures.contains("\nteal_leader 0.0\n"), || {
            format!("the standby {pod} shows what only the leader knows: {figures}")
        })?;
    }
    Ok(())
}

async fn scraped(world: &World, pod: &str) -> Result<String> {
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:{PORT}/proxy/metrics");
    world.kubectl(&["get", "--raw", &path]).await
}
