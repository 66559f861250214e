//! The release is a Helm chart, as a team keeps it that knows nothing of Teal.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use teal_api::Action;

use super::play::Play;
use crate::error::{Error, Result, expect};
use crate::world::{World, charted, manifests, quick};

/// Answers that are looked at: of as many at 10 % it is sure that some are the candidate's.
const ANSWERS: usize = 200;
/// The ConfigMap that values are taken from.
const VALUES: &str = "web-values";

/// Two Deployments with their Services, a ConfigMap, an autoscaler and a Job before each install or upgrade, from a registry: 10 %, 100 %, and
/// another version that is taken back. What each version is, its ConfigMap alone says, and it is seen in the answers' bodies.
pub(super) async fn to_100_and_back(world: &World, namespace: &str) -> Result<()> {
    let registry = world.charts().await?;
    let play = Play::open(world, namespace, of_chart).await?;
    let old = play.live();
    expect(bodies(&play).await? == of(&["v1 blue"]), || {
        "the first version is not that of its ConfigMap".into()
    })?;
    let second = play.to_10("v2").await?;
    play.gate().await?;
    both(&play, &["v1 blue", "v2 green"]).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&old).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    let settings = play.shop.dynamic("", "v1", "ConfigMap");
    let left = settings.get_opt("web-blue-settings").await.map_err(Error::api("get the former ConfigMap"))?;
    expect(left.is_none(), || "the former color's ConfigMap stays".into())?;
    let third = play.to_10("v3-mended").await?;
    play.gate().await?;
    both(&play, &["v2 green", "v3-mended blue"]).await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.back_at_once(&second, &third).await?;
    play.gone(&third).await?;
    play.answered_by("v2").await?;
    let seen = bodies(&play).await?;
    expect(seen == of(&["v2 green"]), || format!("after the way back the answers say {seen:?}"))?;
    let mut ran = registry.ran();
    ran.sort();
    let once = ["web-blue/v1", "web-blue/v3-mended", "web-green/v2"];
    expect(ran == once, || format!("Jobs ran for {ran:?}, not once for each of {once:?}"))?;
    play.end(None).await
}

/// The version comes from a ConfigMap beside the Rollout, which is written as a person does it, and nothing else is: each change goes by steps under
/// traffic, and what is taken back leaves live with the values that it was made with.
pub(super) async fn by_a_config_map(world: &World, namespace: &str) -> Result<()> {
    let _registry = world.charts().await?;
    let play = Play::open(world, namespace, of_values).await?;
    let first = play.live();
    expect(bodies(&play).await? == of(&["v1 blue"]), || "the chart's own version is not the first".into())?;
    say(&play, "v2").await?;
    let second = play.another_than(&[&first]).await?;
    play.share(&second, 10).await?;
    play.gate().await?;
    both(&play, &["v1 blue", "v2 green"]).await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&first).await?;
    play.shares_were(&second, &[0, 10, 100])?;
    say(&play, "v3-mended").await?;
    let third = play.another_than(&[&first, &second]).await?;
    play.share(&third, 10).await?;
    play.gate().await?;
    both(&play, &["v2 green", "v3-mended blue"]).await?;
    play.shop.decide(Action::Reject, Some("not on a Friday")).await?;
    play.back_at_once(&second, &third).await?;
    play.gone(&third).await?;
    play.answered_by("v2").await?;
    let seen = bodies(&play).await?;
    expect(seen == of(&["v2 green"]), || format!("after the way back the answers say {seen:?}"))?;
    play.end(None).await
}

/// Has the ConfigMap of values say a version.
async fn say(play: &Play<'_>, version: &str) -> Result<()> {
    let values = format!("settings: {{VERSION: {version}}}\n");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": VALUES}, "data": {"values.yaml": values}});
    let maps = play.shop.dynamic("", "v1", "ConfigMap");
    let applied = maps.patch(VALUES, &PatchParams::apply("person"), &Patch::Apply(&map)).await;
    applied.map(drop).map_err(Error::api("apply the ConfigMap of values"))
}

/// Of which there is none at first: the chart has a version of its own.
fn of_values(rollout: &mut Value) {
    of_chart(rollout);
    let chart = &mut rollout["spec"]["release"]["chart"];
    chart["valuesFrom"] = json!([{"configMap": {"name": VALUES, "optional": true}}]);
    if let Some(settings) = chart.pointer_mut("/values/settings").and_then(Value::as_object_mut) {
        settings.remove("VERSION");
    }
}

fn of_chart(rollout: &mut Value) {
    quick(rollout);
    charted(rollout);
}

/// Waits until answers of both are seen, and of nobody else.
async fn both(play: &Play<'_>, wanted: &[&str]) -> Result<()> {
    let seen = async || match bodies(play).await {
        Ok(seen) if seen == of(wanted) => Ok(()),
        Ok(seen) => Err(format!("{seen:?}")),
        Err(error) => Err(error.to_string()),
    };
    Ok(teal_testbed::until(format!("answers of {}", wanted.join(" and ")), Duration::from_secs(30), seen)
        .await?)
}

fn of(wanted: &[&str]) -> BTreeSet<String> {
    wanted.iter().map(ToString::to_string).collect()
}

/// Version and color as the answers' bodies say them, through the gateway.
async fn bodies(play: &Play<'_>) -> Result<BTreeSet<String>> {
    let url = format!("http://{}/", play.shop.world.gateway(None)?);
    let (http, host) = (reqwest::Client::new(), manifests::host(&play.shop.namespace));
    let mut seen = BTreeSet::new();
    for _ in 0..ANSWERS {
        let answer =
            http.get(&url).header("host", &host).send().await.and_then(reqwest::Response::error_for_status);
        let body: std::result::Result<Value, _> = async { answer?.json().await }.await;
        let body = body.map_err(|source| Error::Http { url: url.clone(), source })?;
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        seen.insert(format!("{} {}", text("version"), text("color")));
    }
    Ok(seen)
}
