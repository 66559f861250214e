//! People who ask for the candidate reach it, and nobody else does.

use std::time::Duration;

use serde_json::{Value, json};
use teal_api::Action;
use teal_load::LoadOptions;

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::world::{World, quick};

/// The header that people bear who want to see it.
const HEADER: &str = "x-teal-preview";
/// How often each kind of caller is counted.
const CALLS: usize = 40;

/// At weight 0 whoever bears the header is answered by the candidate, and whoever doesn't by live; at 10 % the former still are.
/// Once it is promoted, or was sent back, the header says nothing any more, and the owner's bytes are back.
pub(super) async fn asked_for(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, with_preview).await?;
    let first = play.live();
    answered(&play, Some("true"), "v1").await?;

    let second = play.candidate("v2").await?;
    play.gate().await?;
    only(&play, Some("true"), "v2").await?;
    only(&play, Some("false"), "v1").await?;
    only(&play, None, "v1").await?;
    play.shares_were(&second, &[0])?;
    play.approve().await?;
    play.share(&second, 10).await?;
    only(&play, Some("true"), "v2").await?;
    play.shop.decide(Action::Rollback, Some("seen enough")).await?;
    play.back_at_once(&first, &second).await?;
    only(&play, Some("true"), "v1").await?;
    play.gone(&second).await?;

    let third = play.candidate("v2-mended").await?;
    play.gate().await?;
    only(&play, Some("true"), "v2-mended").await?;
    // Another hand applies the routes as they are in its file: the preview comes back with the weights.
    let owners = play.shop.owners_virtual_service()?;
    play.shop.apply(&[owners]).await?;
    answered(&play, Some("true"), "v2-mended").await?;
    play.approve().await?;
    play.share(&third, 10).await?;
    play.approve().await?;
    play.promoted(&third).await?;
    only(&play, Some("true"), "v2-mended").await?;
    only(&play, None, "v2-mended").await?;
    play.end(None).await
}

fn with_preview(rollout: &mut Value) {
    quick(rollout);
    rollout["spec"]["traffic"]["preview"] = json!({"headers": [{"name": HEADER, "value": "true"}]});
    let look = json!({"name": "look", "weight": 0, "approval": {"count": 1}});
    if let Some(steps) = rollout.pointer_mut("/spec/steps").and_then(Value::as_array_mut) {
        steps.insert(0, look);
    }
}

/// Waits until such a call is answered by a version.
async fn answered(play: &Play<'_>, header: Option<&str>, version: &str) -> Result<()> {
    let same = async || {
        let got = call(play, header).await.map_err(|error| error.to_string())?;
        if got == version { Ok(()) } else { Err(got) }
    };
    Ok(teal_testbed::until(format!("an answer of {version} to {header:?}"), PATIENCE, same).await?)
}

/// All such calls are answered by this version.
async fn only(play: &Play<'_>, header: Option<&str>, version: &str) -> Result<()> {
    for _ in 0..CALLS {
        let got = call(play, header).await?;
        expect(got == version, || format!("with header {header:?} {got:?} answers instead of {version}"))?;
    }
    Ok(())
}

/// The version that answers.
async fn call(play: &Play<'_>, header: Option<&str>) -> Result<String> {
    let LoadOptions { gateway, host, .. } = play.shop.load()?;
    let url = format!("http://{gateway}/");
    let failed = |source| Error::Http { url: url.clone(), source };
    let mut request = reqwest::Client::new().get(&url).header("host", host).timeout(Duration::from_secs(5));
    if let Some(value) = header {
        request = request.header(HEADER, value);
    }
    let answer = request.send().await.map_err(failed)?.error_for_status().map_err(failed)?;
    let version = answer.headers().get("x-version").and_then(|value| value.to_str().ok());
    Ok(version.unwrap_or_default().to_owned())
}
