//! The runbook for when Teal is down, its commands taken from the page itself; and what Teal makes of it when it returns.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;
use teal_testbed::history::Key;

use super::lost::backup;
use super::page::Page;
use super::play::{PATIENCE, Play};
use super::ways_back::rejected;
use crate::error::{Error, Result, expect};
use crate::history::Meddling;
use crate::observe::Journal;
use crate::world::manifests::set_environment;
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World, quick};

/// Where a rollout is when Teal goes down, and what is done by hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// At 10 %; the whole page.
    Step,
    /// At 10 %; the page without its Decision.
    StepWithoutWord,
    /// Promoted, the old color kept; the whole page.
    Kept,
    /// Promoted, the old color kept; the page without its Decision.
    KeptWithoutWord,
    /// At 10 %; the Rollout is played back from a backup, with another uid and without status.
    Restored,
    /// The same, and what was kept of revisions is gone, too: nobody knows what live is made of.
    RestoredBare,
}

impl Case {
    /// Whether a backup is played back in place of the page.
    const fn is_restored(self) -> bool {
        matches!(self, Self::Restored | Self::RestoredBare)
    }
}

const CASES: [(Case, &str); 6] = [
    (Case::Step, "step"),
    (Case::StepWithoutWord, "step-mute"),
    (Case::Kept, "kept"),
    (Case::KeptWithoutWord, "kept-mute"),
    (Case::Restored, "restored"),
    (Case::RestoredBare, "restored-bare"),
];

/// A rollout that Teal was taken away from.
struct Left<'a> {
    case: Case,
    play: Play<'a>,
    /// What served before.
    old: String,
    /// What is gone away from.
    bad: String,
}

/// Teal goes down once under all of them, and comes back once.
pub(super) async fn runbook(world: &World, namespace: &str) -> Result<()> {
    let page = Page::read("runbook/teal-is-down.md")?;
    let all = CASES.iter().map(|(case, name)| set_out(world, format!("{namespace}-{name}"), *case));
    let all = futures::future::try_join_all(all).await?;
    note(&all, "Teal goes down");
    scale(world, 0).await?;
    let hands = all_by_hand(&all, &page).await;
    note(&all, "Teal returns");
    // Also where a command failed: the stories that follow need Teal.
    scale(world, 2).await?;
    hands?;
    futures::future::try_join_all(all.into_iter().map(find_out)).await.map(drop)
}

async fn all_by_hand(all: &[Left<'_>], page: &Page) -> Result<()> {
    for left in all {
        by_hand(left, page).await?;
    }
    Ok(())
}

async fn set_out(world: &World, namespace: String, case: Case) -> Result<Left<'_>> {
    let change = if case == Case::RestoredBare { at_one_port } else { with_work };
    let play = Play::open(world, &namespace, change).await?;
    let old = play.live();
    let bad = play.to_10("v2").await?;
    if matches!(case, Case::Kept | Case::KeptWithoutWord) {
        play.approve().await?;
        play.promoted(&bad).await?;
        play.phase("Complete").await?;
    } else {
        play.gate().await?;
    }
    Ok(Left { case, play, old, bad })
}

/// Where the pods of the second version listen, and nobody of the first one does.
const ELSEWHERE: u16 = 9080;

/// The same where all versions listen at one port: of a live that nobody knows there is no way back to another.
fn at_one_port(rollout: &mut Value) {
    with_work_at(rollout, 8080);
}

/// One pod, a CronJob and a workload that run in live alone, as the page has them; and time to read it. The second version listens at
/// another port, so that whoever turns selectors alone leads everybody where nobody is.
fn with_work(rollout: &mut Value) {
    with_work_at(rollout, if is_second(rollout) { ELSEWHERE } else { 8080 });
}

fn with_work_at(rollout: &mut Value, port: u16) {
    quick(rollout);
    rollout["spec"]["keep"] = json!({"previous": "5m", "failed": "2s"});
    if port == ELSEWHERE {
        set_environment(rollout, "HTTP_PORT", &ELSEWHERE.to_string());
    }
    let manifests = &mut rollout["spec"]["release"]["manifests"];
    manifests[0]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(port);
    manifests[1]["spec"]["ports"][0]["targetPort"] = json!(port);
    manifests[0]["spec"]["replicas"] = json!(1);
    let mut receipts = manifests[0].clone();
    receipts["metadata"] = json!({"name": "receipts", "annotations": {"teal.dev/fate": "LiveOnly"}});
    receipts["spec"]["replicas"] = json!(2);
    receipts["spec"]["selector"]["matchLabels"] = json!({"app": "receipts"});
    receipts["spec"]["template"]["metadata"] = json!({"labels": {"app": "receipts"}});
    let mut pod = receipts["spec"]["template"]["spec"].clone();
    pod["restartPolicy"] = json!("Never");
    let report = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "report"},
        // Never while a test runs.
        "spec": {"schedule": "0 0 29 2 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    });
    manifests.as_array_mut().into_iter().for_each(|all| all.extend([receipts.clone(), report.clone()]));
}

fn is_second(rollout: &Value) -> bool {
    let variables = rollout.pointer("/spec/release/manifests/0/spec/template/spec/containers/0/env");
    variables
        .and_then(Value::as_array)
        .is_some_and(|all| all.contains(&json!({"name": "VERSION", "value": "v2"})))
}

fn note(all: &[Left<'_>], line: &str) {
    for left in all {
        let shop = &left.play.shop;
        shop.world.diary().write(&shop.namespace, Instant::now(), line);
    }
}

async fn scale(world: &World, replicas: u32) -> Result<()> {
    let (name, replicas) = (format!("deployment/{RELEASE}"), format!("--replicas={replicas}"));
    world.kubectl(&["scale", &name, "-n", OPERATOR_NAMESPACE, &replicas]).await?;
    if replicas == "--replicas=0" {
        let selector = format!("app.kubernetes.io/instance={RELEASE}");
        let gone =
            ["wait", "pods", "-n", OPERATOR_NAMESPACE, "-l", &selector, "--for=delete", "--timeout=60s"];
        return world.kubectl(&gone).await.map(drop);
    }
    world.kubectl(&["rollout", "status", &name, "-n", OPERATOR_NAMESPACE, "--timeout=90s"]).await.map(drop)
}

async fn by_hand(left: &Left<'_>, page: &Page) -> Result<()> {
    if left.case.is_restored() {
        return play_back(left).await;
    }
    let (world, namespace) = (left.play.shop.world, left.play.shop.namespace.as_str());
    let kept = matches!(left.case, Case::Kept | Case::KeptWithoutWord);
    let values = read_first(left, page, kept).await?;
    let run = async |heading: &str| {
        let script = format!("{values}\n{}", page.script(heading, namespace)?);
        world.diary().write(namespace, Instant::now(), &format!("the page's {heading}"));
        world.shell(&script).await
    };
    let slices = run("2.").await?;
    expect(slices.contains("web"), || format!("the page showed no slices of web: {slices}"))?;
    // From here on the old version has everything, whatever the weights say.
    left.play.answered_by("v1").await?;
    if !kept {
        run("3.").await?;
    }
    if matches!(left.case, Case::Step | Case::Kept) {
        run("4.").await?;
    }
    if kept {
        let from = world.revision().await? + 1;
        run("5.").await?;
        scaled_by_hand(left, from..=world.revision().await?);
    }
    left.play.answered_by("v1").await
}

/// `kubectl scale` leaves no trace of who wrote where a server-side apply owns the field.
fn scaled_by_hand(left: &Left<'_>, revisions: RangeInclusive<u64>) {
    for color in ["blue", "green"] {
        let object = Key {
            group: String::new(),
            resource: "deployments".to_owned(),
            namespace: left.play.shop.namespace.clone(),
            name: format!("receipts-{color}"),
        };
        left.play.shop.world.notes().meddling(Meddling { object, revisions: revisions.clone() });
    }
}

/// What the first point shows, as a reader takes it over: the values for all that follows.
async fn read_first(left: &Left<'_>, page: &Page, kept: bool) -> Result<String> {
    let (world, namespace) = (left.play.shop.world, left.play.shop.namespace.as_str());
    let blocks = page.blocks("1.", namespace)?;
    let [look, values, see] = blocks.as_slice() else {
        return Err(Error::Unmet(format!("the page's first point has {} blocks", blocks.len())));
    };
    let shown = world.shell(look).await?;
    let of = |role: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(role));
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        words.try_into().map_err(|_| Error::Unmet(format!("the page shows no {role}: {shown}")))
    };
    let (back, away) = if kept { ("previous", "live") } else { ("live", "candidate") };
    let ([color, revision], [_, bad]): ([&str; 2], [&str; 2]) = (of(back)?, of(away)?);
    expect(revision == left.old && bad == left.bad, || format!("the page shows other revisions: {shown}"))?;
    let own = BTreeMap::from([("COLOR", color), ("REVISION", revision), ("BAD", bad)]);
    let named = |name: &str| values.split_whitespace().any(|word| word.starts_with(&format!("{name}=")));
    expect(own.keys().all(|name| named(name)), || format!("the page asks for other values: {values}"))?;
    let values: Vec<String> = own.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let values = values.join("\n");
    let pods = world.shell(&format!("{values}\n{see}")).await?;
    expect(pods.contains("1/1"), || format!("the page shows no pod that can serve: {pods}"))?;
    Ok(values)
}

/// Another Rollout of the same name and spec, without status and finalizer. What was kept stays with what serves, unless it is taken away.
async fn play_back(left: &Left<'_>) -> Result<()> {
    let (world, namespace) = (left.play.shop.world, left.play.shop.namespace.as_str());
    let backup = backup(&left.play).await?;
    let finalizers = "--patch={\"metadata\":{\"finalizers\":null}}";
    let patch = ["patch", "rollouts.teal.dev", "web", "-n", namespace, "--type=merge", finalizers];
    world.kubectl(&patch).await?;
    world.kubectl(&["delete", "rollouts.teal.dev", "web", "-n", namespace, "--timeout=60s"]).await?;
    let kept = world.kubectl(&["get", "controllerrevisions", "-n", namespace, "-o", "name"]).await?;
    let of_live = format!("web-{}", left.old);
    expect(kept.contains(&of_live), || format!("what was kept of live went with its Rollout: {kept}"))?;
    if left.case == Case::RestoredBare {
        world.kubectl(&["delete", "controllerrevisions", "--all", "-n", namespace]).await?;
        world.none_left(&["controllerrevisions", "-n", namespace]).await?;
    }
    world.kubectl_with(&["create", "-f", "-"], &[backup.rollout]).await.map(drop)
}

/// What Teal makes of it.
async fn find_out(left: Left<'_>) -> Result<()> {
    let Left { case, play, old, bad } = left;
    if case.is_restored() {
        return tried_anew(play, case, &old, &bad).await;
    }
    play.back_at(&old, &bad).await?;
    rejected(&play, &bad).await?;
    let kept = matches!(case, Case::Kept | Case::KeptWithoutWord);
    play.shares_were(&bad, if kept { &[0, 10, 100, 0] } else { &[0, 10, 0] })?;
    play.shop.serves("v1").await?;
    works_in(&play, "blue", "green").await?;
    play.end(None).await
}

/// Live is what `web` selects; what was tried is tried anew, from nothing. Work goes over with the promotion and comes back with the
/// rollback, also where nobody knows what live is made of.
async fn tried_anew(play: Play<'_>, case: Case, old: &str, bad: &str) -> Result<()> {
    if case == Case::RestoredBare {
        let said = play.condition("ContentLost", "True", "Found").await?;
        expect(said.contains(old) && said.contains("spec.release"), || format!("it is told: {said}"))?;
    }
    let third = play.another_than(&[bad]).await?;
    play.share(&third, 10).await?;
    play.shares_were(bad, &[0, 10, 0])?;
    works_in(&play, "blue", "green").await?;
    let told = |journal: &Journal| {
        let mut all = journal.status().into_iter().flat_map(|status| &status.conditions);
        all.any(|one| one.type_ == "ContentLost")
    };
    let lost = play.observer.look(told);
    expect(lost == (case == Case::RestoredBare), || format!("that live's content is lost is told: {lost}"))?;
    play.approve().await?;
    play.promoted(&third).await?;
    works_in(&play, "green", "blue").await?;
    play.shop.decide(Action::Rollback, Some("the work was better before")).await?;
    play.back_at(old, &third).await?;
    works_in(&play, "blue", "green").await?;
    play.end(None).await
}

async fn works_in(play: &Play<'_>, live: &str, other: &str) -> Result<()> {
    let work = async || works_in_live_alone(play, live, other).await;
    Ok(teal_testbed::until("work in live alone", PATIENCE, work).await?)
}

async fn works_in_live_alone(play: &Play<'_>, live: &str, other: &str) -> std::result::Result<(), String> {
    let (world, namespace) = (play.shop.world, play.shop.namespace.as_str());
    let kinds = "deployments,cronjobs";
    let path = "jsonpath={range .items[*]}{.metadata.name}={.spec.replicas}{.spec.suspend}{\"\\n\"}{end}";
    let shown = world.kubectl(&["get", kinds, "-n", namespace, "-o", path]).await;
    let shown = shown.map_err(|error| error.to_string())?;
    let of = |name: &str, color: &str| {
        shown.lines().find_map(|line| line.strip_prefix(&format!("{name}-{color}="))).map(str::to_owned)
    };
    let works = of("receipts", live).is_some_and(|value| value == "2")
        && of("report", live).is_none_or(|value| value == "false" || value.is_empty());
    let rests = of("receipts", other).is_none_or(|value| value == "0")
        && of("report", other).is_none_or(|value| value == "true");
    if works && rests { Ok(()) } else { Err(shown) }
}
