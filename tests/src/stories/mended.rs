//! Live is edited, deleted or broken by hand while it serves.

use std::time::{Duration, Instant};

use kube::api::{DeleteParams, Patch, PatchParams, PropagationPolicy};
use serde_json::{Value, json};
use teal_api::Action;
use teal_testbed::history::Key;

use super::play::{Exempt, PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::history::Meddling;
use crate::observe::Journal;
use crate::world::{NAME, World, quick};

/// How long too few endpoints are borne.
const GRACE: Duration = Duration::from_secs(10);

/// Live's objects are edited and deleted by hand under load. The spec asks for a version that was sent back, so only the
/// ControllerRevision knows what they were: from it they are repaired, and that is told.
pub(super) async fn repaired(world: &World, namespace: &str) -> Result<()> {
    let with_settings = |rollout: &mut Value| {
        quick(rollout);
        let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
            "data": {"of": rollout["spec"]["release"]["manifests"][0]["spec"]["template"].to_string()}});
        let manifests = rollout.pointer_mut("/spec/release/manifests").and_then(Value::as_array_mut);
        manifests.into_iter().for_each(|manifests| manifests.push(settings.clone()));
    };
    let play = Play::open(world, namespace, with_settings).await?;
    let (live, color) = (play.live(), play.color(&play.live()));
    let second = play.to_10("v2").await?;
    play.shop.decide(Action::Rollback, Some("only the first is wanted")).await?;
    play.back_at(&live, &second).await?;
    play.gone(&second).await?;

    let (deployment, settings) = (format!("{NAME}-{color}"), format!("settings-{color}"));
    let before = [spec_of(&play, "apps", "Deployment", &deployment).await?, data_of(&play, &settings).await?];
    let edit = json!({"spec": {"template": {"spec": {"containers": [{"name": "web",
        "env": [{"name": "VERSION", "value": "by hand"}]}]}}}});
    let api = play.shop.dynamic("apps", "v1", "Deployment");
    let edited = api.patch(&deployment, &PatchParams::default(), &Patch::Strategic(edit)).await;
    edited.map_err(Error::api("edit live's Deployment"))?;
    told(&play, &format!("Deployment {deployment}")).await?;
    same(&play, &deployment, &settings, &before).await?;

    // Without a cascade the pods stay, so that nobody is cut off.
    delete(&play, "apps", "Deployment", "deployments", &deployment).await?;
    delete(&play, "", "ConfigMap", "configmaps", &settings).await?;
    same(&play, &deployment, &settings, &before).await?;
    told(&play, &format!("ConfigMap {settings}")).await?;
    let all_ready = |journal: &Journal| {
        let of_live = journal.pods.values().filter(|pod| pod.revision == live && pod.ready);
        (of_live.count() == 3).then_some(())
    };
    play.observer.until("all pods of live", PATIENCE, all_ready).await?;
    play.shop.serves("v1").await?;
    play.end(None).await
}

/// It is said what was repaired.
async fn told(play: &Play<'_>, object: &str) -> Result<()> {
    let said = |journal: &Journal| {
        let mut conditions = journal.status()?.conditions.iter();
        let found = conditions.find(|one| one.type_ == "LiveRepaired" && one.message.contains(object));
        found.map(|_| ())
    };
    play.observer.until(&format!("the repair of {object} in a condition"), PATIENCE, said).await
}

async fn same(play: &Play<'_>, deployment: &str, settings: &str, before: &[Value; 2]) -> Result<()> {
    let same = async || {
        let text = |error: Error| error.to_string();
        let spec = spec_of(play, "apps", "Deployment", deployment).await.map_err(text)?;
        let data = data_of(play, settings).await.map_err(text)?;
        if [&spec, &data] == [&before[0], &before[1]] { Ok(()) } else { Err(format!("{spec}")) }
    };
    teal_testbed::until("live as it was".to_owned(), PATIENCE, same).await?;
    Ok(())
}

async fn spec_of(play: &Play<'_>, group: &str, kind: &str, name: &str) -> Result<Value> {
    let object = play.shop.dynamic(group, "v1", kind).get(name).await;
    let object = object.map_err(Error::api(format!("get {kind} {name}")))?;
    Ok(object.data.get("spec").cloned().unwrap_or_default())
}

async fn data_of(play: &Play<'_>, name: &str) -> Result<Value> {
    let object = play.shop.dynamic("", "v1", "ConfigMap").get(name).await;
    let object = object.map_err(Error::api(format!("get ConfigMap {name}")))?;
    Ok(object.data.get("data").cloned().unwrap_or_default())
}

async fn delete(play: &Play<'_>, group: &str, kind: &str, resource: &str, name: &str) -> Result<()> {
    let world = play.shop.world;
    let from = world.revision().await? + 1;
    let orphan =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    let deleted = play.shop.dynamic(group, "v1", kind).delete(name, &orphan).await;
    deleted.map_err(Error::api(format!("delete {kind} {name}")))?;
    let object = Key {
        group: String::new(),
        resource: resource.to_owned(),
        namespace: play.shop.namespace.clone(),
        name: name.to_owned(),
    };
    // The collector takes the object away a moment later, and no version says whose wish that was.
    let gone = async || {
        let versions = world.versions_from(from).await.map_err(|error| error.to_string())?;
        let Some(versions) = versions else { return Ok(world.revision().await.unwrap_or(from)) };
        let gone = versions.iter().find(|one| one.key == object && one.value.is_none());
        gone.map(|one| one.revision).ok_or_else(|| format!("{kind} {name} is there"))
    };
    let until = teal_testbed::until(format!("the end of {kind} {name}"), PATIENCE, gone).await?;
    world.notes().meddling(Meddling { object, revisions: from..=until });
    Ok(())
}

/// The candidate's pods crash again and again at 10 %: with fewer ready endpoints than its weight needs for 10 s all goes back,
/// and live has answered every request that it was given.
pub(super) async fn crash_loop(world: &World, namespace: &str) -> Result<()> {
    let play = Play::open(world, namespace, quick).await?;
    let live = play.live();
    let refused = play.refused_by_live().await?;
    let second = play.to_10("v2").await?;
    play.gate().await?;
    let color = play.color(&second);
    let addresses = play.shop.addresses(&color).await?;
    let crashing = async {
        let http = reqwest::Client::new();
        loop {
            for address in &addresses {
                let url = format!("http://{address}:8080/admin/switch?crash_after=1ms");
                // Whoever is down already can't be told to crash.
                http.post(url).timeout(Duration::from_millis(500)).send().await.map(drop).unwrap_or_default();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let down = |journal: &Journal| {
        let mut pods = journal.pods.values().filter(|pod| pod.revision == second);
        pods.all(|pod| !pod.ready).then(Instant::now)
    };
    let back = async {
        let mut since = play.observer.until("no ready pod of the candidate", PATIENCE, down).await?;
        loop {
            let up = |journal: &Journal| {
                let ready = journal.pods.values().any(|pod| pod.revision == second && pod.ready);
                let home = journal.share(&second) == 0;
                (ready || home).then_some((home, Instant::now()))
            };
            let (home, at) = play.observer.until("a return or a recovery", PATIENCE, up).await?;
            if home {
                return Ok::<_, Error>(at.duration_since(since));
            }
            since = play.observer.until("no ready pod of the candidate", PATIENCE, down).await?;
        }
    };
    let took: Duration = tokio::select! {
        took = back => took?,
        () = crashing => Duration::MAX,
    };
    expect((GRACE.saturating_sub(Duration::from_secs(2))..GRACE * 2).contains(&took), || {
        format!("without a ready pod it went back after {:.1} s", took.as_secs_f64())
    })?;
    play.back_at(&live, &second).await?;
    let reason = play.outcome(&second, "RolledBack").await?;
    expect(reason.contains("fewer ready endpoints"), || format!("it went back because: {reason}"))?;
    play.shares_were(&second, &[0, 10, 0])?;
    let now = play.refused_by_live().await?;
    expect(now == refused, || format!("Envoy counts for live {now:?}, and {refused:?} before"))?;
    play.end_but(Exempt::AllButLive { candidate: "v2" }).await
}
