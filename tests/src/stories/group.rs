//! Three Rollouts of one group: to 100 % together, and back together when one fails.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use teal_api::Action;
use teal_load::{Load, LoadOptions};
use teal_testbed::history::Version;

use super::play::{PATIENCE, Play};
use crate::error::{Error, Result, expect};
use crate::observe::{Journal, Kind, Observer};
use crate::world::{NAME, Shop, World, manifests, quick};

const GROUP: &str = "checkout";
/// The others of the group, each with an application, a host and users of its own. Their weights come before those of `web`, whose
/// order is 1.
const OTHERS: [&str; 2] = ["api", "pricing"];

/// Another member under load.
struct Member<'a> {
    play: &'a Play<'a>,
    name: &'static str,
    observer: Arc<Observer>,
}

/// All three bring up a second version, and none goes on before the last one is approved; then a third, of which a check of one
/// fails: all are back, that one first, and no request of any failed.
pub(super) async fn together(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop::open(world, namespace, grouped).await?;
    shop.apply(&hosts(&shop)?).await?;
    for name in OTHERS {
        shop.apply(&[other(&shop, name, "v1")?]).await?;
    }
    let play = Play::on(shop).await?;
    let members = OTHERS.map(|name| Member::of(&play, name));
    for member in &members {
        member.rests().await?;
    }
    let loads = members.iter().map(Member::load).collect::<Result<Vec<Load>>>()?;

    let first: Vec<String> = members.iter().map(Member::live).collect();
    let from = world.revision().await? + 1;
    let second = all_to_10(&play, &members, "v2").await?;
    in_order(world, namespace, from).await?;
    none_goes_before_the_last(&play, &members).await?;
    play.promoted(&second).await?;
    for member in &members {
        member.rests().await?;
    }
    play.shares_were(&second, &[0, 10, 100])?;
    let lives: Vec<String> = members.iter().map(Member::live).collect();
    expect(lives.iter().all(|live| !first.contains(live)), || format!("{lives:?} after {first:?}"))?;

    let from = world.revision().await? + 1;
    let third = all_to_10(&play, &members, "v2-mended").await?;
    let [_, pricing] = &members;
    play.shop.edit_of(pricing.name, failing()).await?;
    play.back_at_once(&second, &third).await?;
    for (member, live) in members.iter().zip(&lives) {
        member.back_at(live).await?;
    }
    let why = play.outcome(&third, "RolledBack").await?;
    expect(why.contains("group checkout: pricing went back: check never failed"), || why.clone())?;
    play.shares_were(&third, &[0, 10, 0])?;
    first_in_status(world, namespace, from).await?;
    for load in loads {
        let record = load.stop().await?;
        let failures = record.failures(record.start(), Instant::now());
        expect(record.total().requests() > 0 && failures.is_empty(), || {
            format!(
                "{} requests to another member failed: {:?}",
                failures.len(),
                failures.first().map(|one| one.why.to_string())
            )
        })?;
    }
    play.end(None).await
}

fn grouped(rollout: &mut Value) {
    quick(rollout);
    rollout["spec"]["group"] = json!({"name": GROUP, "order": 1});
    rollout["spec"]["keep"] = json!({"previous": "5s", "failed": "20s"});
}

/// The same application under another name.
fn other(shop: &Shop<'_>, name: &str, version: &str) -> Result<Value> {
    let mut rollout = renamed(shop.version(version)?, name);
    rollout["spec"]["group"] = json!({"name": GROUP});
    rollout["spec"]["release"]["manifests"][0]["spec"]["replicas"] = json!(2);
    Ok(rollout)
}

/// Whole strings that are the name; labels, selectors and references alike.
fn renamed(value: Value, name: &str) -> Value {
    match value {
        Value::String(text) if text == NAME => name.into(),
        Value::Array(items) => items.into_iter().map(|item| renamed(item, name)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, renamed(value, name))).collect(),
        other => other,
    }
}

fn host_of(namespace: &str, name: &str) -> String {
    format!("{name}.{}", manifests::host(namespace))
}

/// The gateway takes a host of each, and a VirtualService leads it on.
fn hosts(shop: &Shop<'_>) -> Result<Vec<Value>> {
    let namespace = &shop.namespace;
    let mut objects = Vec::new();
    let mut gateway = manifests::example("traffic.yaml")?
        .into_iter()
        .find(|object| object["kind"] == "Gateway")
        .map(|object| manifests::moved(object, namespace))
        .unwrap_or_default();
    for name in OTHERS {
        let host = host_of(namespace, name);
        let taken = gateway.pointer_mut("/spec/servers/0/hosts").and_then(Value::as_array_mut);
        taken.into_iter().for_each(|hosts| hosts.push(host.clone().into()));
        let mut routes = renamed(shop.owners_virtual_service()?, name);
        routes["spec"]["hosts"] = json!([host]);
        objects.push(routes);
    }
    objects.insert(0, gateway);
    Ok(objects)
}

/// A check that can't pass, of the step under way.
fn failing() -> Value {
    json!({"spec": {
        "checks": [{"name": "never", "query": "vector(1)", "threshold": {"max": "0.5"}, "interval": "1s", "delay": "1s",
            "failures": 2}],
        "steps": [
            {"name": "canary", "weight": 10, "hold": "1s", "checks": ["never"], "approval": {"count": 1}},
            {"name": "full", "weight": 100, "hold": "1s", "checks": []},
        ],
    }})
}

/// Releases a version of all, one after the other, and waits until all have 10 %.
async fn all_to_10(play: &Play<'_>, members: &[Member<'_>], version: &str) -> Result<String> {
    let before: Vec<String> = members.iter().map(Member::live).collect();
    let others = async {
        for member in members {
            play.shop.apply(&[other(&play.shop, member.name, version)?]).await?;
        }
        Ok(())
    };
    // The one of the highest order comes first, so that it is not the order of coming that counts.
    let (candidate, applied): (_, Result<()>) = tokio::join!(play.to_10(version), others);
    applied?;
    let candidate = candidate?;
    for (member, live) in members.iter().zip(&before) {
        member.has_10(live).await?;
    }
    Ok(candidate)
}

/// Two of three are approved, and wait for the third.
async fn none_goes_before_the_last(play: &Play<'_>, members: &[Member<'_>]) -> Result<()> {
    let [api, pricing] = members else { return Err(Error::Unmet("two others".into())) };
    play.approve().await?;
    api.decide(Action::Approve).await?;
    let said = play.says("goes on together with group checkout: waits for").await?;
    expect(said.contains("pricing (step canary waits for approval)"), || said.clone())?;
    let (candidate, weight) =
        play.observer.look(|journal| (journal.candidate().map(str::to_owned), journal.candidate_weight()));
    expect(candidate.is_some() && weight == Some(10), || format!("{candidate:?} has {weight:?} %"))?;
    pricing.decide(Action::Approve).await
}

/// By the history of objects: the weights of a lower order stood there first.
async fn in_order(world: &World, namespace: &str, from: u64) -> Result<()> {
    let Some(versions) = world.versions_from(from).await? else { return Ok(()) };
    let at_10 = |name: &str| {
        first(&versions, ("virtualservices", namespace, name), |object| {
            let lists = ["http", "tcp", "tls"].into_iter().filter_map(|kind| object["spec"][kind].as_array());
            let routes = lists.flatten().filter_map(|route| route["route"].as_array());
            routes.flatten().any(|entry| entry["weight"] == 10)
        })
    };
    let (web, api, pricing) = (at_10(NAME), at_10("api"), at_10("pricing"));
    let later = |one: Option<u64>| one.zip(web).is_some_and(|(one, web)| one < web);
    expect(later(api) && later(pricing), || {
        format!("api had 10 % at revision {api:?} and pricing at {pricing:?}, web at {web:?}")
    })
}

/// By the history of objects: that it goes back stood in the status of the one that failed before it stood in any other.
async fn first_in_status(world: &World, namespace: &str, from: u64) -> Result<()> {
    let Some(versions) = world.versions_from(from).await? else { return Ok(()) };
    let back = |name: &str| {
        first(&versions, ("rollouts", namespace, name), |object| {
            object.pointer("/status/commit/phase/name").is_some_and(|phase| phase == "Returning")
        })
    };
    let (pricing, others) = (back("pricing"), [back(NAME), back("api")]);
    let later = |other: &Option<u64>| other.zip(pricing).is_some_and(|(other, first)| first < other);
    expect(others.iter().all(later), || format!("pricing went back at {pricing:?}, the others at {others:?}"))
}

fn first(versions: &[Version], of: (&str, &str, &str), has: impl Fn(&Value) -> bool) -> Option<u64> {
    let found = versions.iter().find(|one| {
        (one.key.resource.as_str(), one.key.namespace.as_str(), one.key.name.as_str()) == of
            && one.value.as_ref().is_some_and(&has)
    });
    found.map(|one| one.revision)
}

impl<'a> Member<'a> {
    fn of(play: &'a Play<'a>, name: &'static str) -> Self {
        let shop = &play.shop;
        let observer = Observer::start(&shop.world.client, &shop.namespace, name, &Kind::ALL, None);
        Self { play, name, observer: Arc::new(observer) }
    }

    fn load(&self) -> Result<Load> {
        let shop = &self.play.shop;
        let options = LoadOptions::new(shop.world.gateway(None)?, host_of(&shop.namespace, self.name));
        Ok(Load::start(options.clients(4, 4).rate(40))?)
    }

    fn live(&self) -> String {
        self.observer.look(|journal| journal.live().unwrap_or_default().to_owned())
    }

    /// What is live has everything, and nothing moves.
    async fn rests(&self) -> Result<()> {
        let rests = |journal: &Journal| {
            let alone =
                journal.is_current() && journal.phase() == "Complete" && journal.candidate().is_none();
            (alone && journal.share(journal.live()?) == 100).then_some(())
        };
        self.observer.until(&format!("rest of {}", self.name), PATIENCE * 2, rests).await
    }

    async fn has_10(&self, live: &str) -> Result<()> {
        let has = |journal: &Journal| {
            let candidate = journal.candidate().filter(|candidate| *candidate != live)?;
            (journal.share(candidate) == 10 && journal.share(live) == 90).then_some(())
        };
        self.observer.until(&format!("10 % for {}", self.name), PATIENCE, has).await
    }

    async fn back_at(&self, live: &str) -> Result<()> {
        let back = |journal: &Journal| {
            (journal.live() == Some(live) && journal.share(live) == 100 && journal.phase() == "RolledBack")
                .then_some(())
        };
        self.observer.until(&format!("{} back at {live}", self.name), PATIENCE, back).await
    }

    async fn decide(&self, action: Action) -> Result<()> {
        let open = |journal: &Journal| journal.status()?.gate.as_ref().map(|_| ());
        self.observer.until(&format!("a question of {}", self.name), PATIENCE, open).await?;
        self.play.shop.decide_on(self.name, action, None).await.map(drop)
    }
}
