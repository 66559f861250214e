//! What people do at a terminal, with the program that they have.

use serde_json::{Value, json};

use super::play::Play;
use crate::error::{Result, expect};
use crate::world::{World, quick};

/// A pipeline waits for the question, says yes to it, and a person goes back later: each by `kubectl teal`, which ends with the
/// code that scripts rely on. A yes that is meant for something else moves nothing.
pub(super) async fn decided(world: &World, namespace: &str) -> Result<()> {
    let long_keep = |rollout: &mut Value| {
        quick(rollout);
        rollout["spec"]["keep"] = json!({"previous": "2m", "failed": "2s"});
    };
    let play = Play::open(world, namespace, long_keep).await?;
    let first = play.live();
    let second = play.candidate("v2").await?;
    typed(&play, 3, &["status", "web", "--wait=decision", "--timeout=60s"], &second).await?;
    play.share(&second, 10).await?;
    let never = "0".repeat(32);
    typed(&play, 7, &["approve", "web", "--nonce", &never], "stale").await?;
    typed(&play, 7, &["approve", "web", "--revision", &first], "stale").await?;
    typed(&play, 3, &["status", "web"], &second).await?;
    play.shares_were(&second, &[0, 10])?;
    typed(&play, 0, &["approve", "web", "--revision", &second], "approve").await?;
    typed(&play, 0, &["status", "web", "--wait", "--timeout=60s"], &second).await?;
    play.promoted(&second).await?;
    typed(&play, 7, &["approve", "web"], "").await?;
    typed(&play, 0, &["rollback", "web", "--reason", "the players complain"], "rollback").await?;
    typed(&play, 4, &["status", "web", "--wait", "--timeout=60s"], "the players complain").await?;
    play.back_at(&first, &second).await?;
    play.outcome(&second, "RolledBack").await?;
    play.shares_were(&second, &[0, 10, 100, 0])?;
    play.shop.serves("v1").await?;
    play.end(None).await
}

/// Two versions later the first one is wanted again, of which nothing stands any more but what is kept: it comes back as a rollout of
/// its own, through the same steps.
pub(super) async fn undone(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let first = play.live();
    let second = play.to_10("v2").await?;
    play.approve().await?;
    play.promoted(&second).await?;
    play.gone(&first).await?;
    let third = play.to_10("v2-mended").await?;
    play.approve().await?;
    play.promoted(&third).await?;
    play.gone(&second).await?;
    typed(&play, 1, &["undo", "web", "--to", "r99-00000000"], "is not kept").await?;
    typed(&play, 7, &["undo", "web", "--to", &third], "already").await?;
    typed(&play, 0, &["undo", "web", "--to", &first, "--dry-run"], "\"release\"").await?;
    play.rests_at(&third).await?;
    typed(&play, 0, &["undo", "web", "--to", &first], "asks for the content of").await?;
    let fourth = play.another_than(&[&first, &second, &third]).await?;
    play.share(&fourth, 10).await?;
    play.approve().await?;
    play.promoted(&fourth).await?;
    play.shop.serves("v1").await?;
    play.end(None).await
}

/// Runs a command in the namespace, which must end with this code and say these words.
async fn typed(play: &Play<'_>, code: i32, words: &[&str], says: &str) -> Result<()> {
    let line = [words, &["--namespace", &play.shop.namespace]].concat();
    let said = play.shop.world.kubectl_teal(&line).await?;
    let told =
        || format!("kubectl teal {} ended with {:?}, not {code}: {}", line.join(" "), said.code, said.text);
    expect(said.code == Some(code), told)?;
    let lacks = || format!("kubectl teal {} doesn't say {says:?}: {}", line.join(" "), said.text);
    expect(said.text.to_lowercase().contains(&says.to_lowercase()), lacks)
}
