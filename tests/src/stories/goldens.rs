//! The VirtualServices of the traffic room's goldens, in a real istiod before, during and after each edit.

mod envoy;
mod expected;
mod owner;

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use teal_testbed::history::Key;
use teal_traffic::{Mesh, RouteKind, Scope, Stamp, enter, leave, read, set_weight};

use self::envoy::{Dump, Place};
use self::expected::Caller;
use self::owner::{Golden, create, host, inside, names, prepare};
use super::play::PATIENCE;
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::history::Meddling;
use crate::world::{Shop, World, quick};

/// Where the hosts of all of them end, so that one gateway takes them.
const DOMAIN: &str = "golden.example";
/// Of so few the definitions, or istiod's word on what it is given, may refuse the owner's own form.
const REFUSED: usize = 10;
/// The gateway of all, and that of the one that has connections of its own there: a port takes one.
const GATEWAYS: [&str; 2] = ["golden", "golden-tcp"];
/// By which those that are for callers inside are meant.
const INSIDE: &str = "mesh";
/// What the proxy beside a caller is known by.
const LABELS: [(&str, &str); 2] = [("app", "cart"), ("version", "v2")];
/// Where something can be divided: at the gateway, and at the Service that stands for each in the proxy beside a caller.
const HTTP_PORTS: [u16; 3] = [80, 8080, 9090];
const TCP_PORTS: [u16; 4] = [5432, 9000, 9001, 9002];
const TLS_PORT: u16 = 443;
const GATEWAY_PORTS: [(RouteKind, u16); 3] =
    [(RouteKind::Http, 80), (RouteKind::Tls, TLS_PORT), (RouteKind::Tcp, 9000)];
/// Routes behind one that takes all requests, which are in no proxy.
const UNREACHED: [(&str, RouteKind, usize); 2] =
    [("match-twice-the-same", RouteKind::Http, 1), ("three-services-and-a-stranger", RouteKind::Http, 1)];
/// A listener for whatever address.
const ANY: &str = "0.0.0.0";

/// A proxy, the list, and the port.
type Where = (&'static str, RouteKind, u16);
/// What a proxy has of one of them: each place with the position of the route that it is of.
type Places = BTreeMap<Where, Vec<(usize, Place)>>;

/// What both proxies have.
struct Seen {
    goldens: Vec<Places>,
    /// Of all else.
    others: [Vec<Value>; 2],
}

/// The proxies: the gateway's, and one beside a caller.
struct Proxies {
    gateway: String,
    sidecar: String,
}

/// Each proxy has the weights of each edit, and nothing else of it differs; in the end they have what they had.
pub(super) async fn loaded(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop { world, namespace: namespace.to_owned(), tailoring: quick };
    let bed = world.bed().ok_or_else(|| Error::Unmet("a proxy beside a caller needs a bed".into()))?;
    prepare(&shop).await?;
    let proxies = Proxies {
        gateway: world.cluster.envoy_admin.clone().unwrap_or_default(),
        sidecar: bed.start_sidecar(namespace, &LABELS.into_iter().collect::<Value>()).await?,
    };
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for name in names()? {
        match create(&shop, &name).await? {
            Ok(golden) => all.push(golden),
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    say(&format!("{namespace}: {} VirtualServices; refused in their owner's form: {refused:?}", all.len()));
    expect(refused.len() <= REFUSED, || format!("refused: {refused:?}"))?;
    let before = settled(&shop, &proxies, &all, "owners").await?;
    let managed: Vec<Managed> = all.iter().map(managed).collect::<Result<_>>()?;
    for (epoch, percent) in [(1, None), (2, Some(10)), (3, Some(100)), (4, Some(0))] {
        for golden in &mut all {
            edit(&shop, golden, percent, &Stamp::new("golden", epoch, "teal/traffic")).await?;
        }
        let after = settled(&shop, &proxies, &all, &format!("edit-{epoch}")).await?;
        expect(before.others == after.others, || "something else differs in Envoy".into())?;
        for (at, golden) in all.iter().enumerate() {
            only_weights(golden, &managed[at], &before.goldens[at], &after.goldens[at])?;
            if percent == Some(100) {
                all_are_seen(golden, &managed[at], &after.goldens[at])?;
            }
        }
    }
    for golden in &mut all {
        give_back(&shop, golden).await?;
    }
    let end = settled(&shop, &proxies, &all, "left").await?;
    for (golden, (before, end)) in all.iter().zip(before.goldens.iter().zip(&end.goldens)) {
        expect(before == end, || format!("{}: Envoy had {before:?}, and has {end:?}", golden.name))?;
    }
    let routes: usize = managed.iter().map(|of| of.values().filter(|weighs| **weighs).count()).sum();
    let seen = routes - UNREACHED.len();
    say(&format!(
        "{namespace}: Envoy divided {seen} of {routes} routes of all {}; the rest no request reaches",
        all.len()
    ));
    bed.stop_sidecar().await?;
    shop.close().await
}

/// Which of its routes Teal divides, and whether live has any weight there that could be divided.
type Managed = BTreeMap<(RouteKind, usize), bool>;

fn managed(golden: &Golden) -> Result<Managed> {
    let mesh = Mesh::default();
    let scope = Scope {
        mesh: &mesh,
        services: &golden.services,
        routes: golden.routes.as_deref(),
        preview: None,
        mirror: None,
        subsets: &golden.subsets,
    };
    let set =
        read(&golden.now, &scope).map_err(|refusal| Error::Unmet(format!("{}: {refusal}", golden.name)))?;
    Ok(set.routes.iter().map(|route| ((route.kind, route.index), route.largest() > 0)).collect())
}

/// Enters, or gives the candidate this much.
async fn edit(shop: &Shop<'_>, golden: &mut Golden, percent: Option<u8>, stamp: &Stamp) -> Result<()> {
    let mesh = Mesh::default();
    let scope = Scope {
        mesh: &mesh,
        services: &golden.services,
        routes: golden.routes.as_deref(),
        preview: None,
        subsets: &golden.subsets,
        mirror: None,
    };
    let patch = match percent {
        None => enter(&golden.now, &scope, stamp),
        Some(percent) => set_weight(&golden.now, &scope, percent, stamp),
    };
    let patch = patch.map_err(|refusal| Error::Unmet(format!("{}: {refusal}", golden.name)))?;
    send(shop, golden, patch).await
}

async fn give_back(shop: &Shop<'_>, golden: &mut Golden) -> Result<()> {
    let mesh = Mesh::default();
    let scope = Scope {
        mesh: &mesh,
        services: &golden.services,
        routes: golden.routes.as_deref(),
        preview: None,
        subsets: &golden.subsets,
        mirror: None,
    };
    let left = leave(&golden.now, &scope, &Stamp::new("golden", 5, "teal/traffic"));
    let left = left.map_err(|refusal| Error::Unmet(format!("{}: {refusal}", golden.name)))?;
    send(shop, golden, left.patch).await?;
    note(shop, golden);
    let (name, now) = (&golden.name, &golden.now["spec"]);
    expect(*now == golden.owners, || format!("{name}: the owner's spec was {}, and is {now}", golden.owners))
}

/// A record that is taken away is told as the operator's doing, and here it was the story's.
fn note(shop: &Shop<'_>, golden: &Golden) {
    let version = golden.now["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
    let Some(revision) = version else { return };
    let object = Key {
        group: "networking.istio.io".into(),
        resource: "virtualservices".into(),
        namespace: shop.namespace.clone(),
        name: golden.name.clone(),
    };
    shop.world.notes().meddling(Meddling { object, revisions: revision..=revision });
}

async fn send(shop: &Shop<'_>, golden: &mut Golden, patch: Option<teal_traffic::Patch>) -> Result<()> {
    let Some(patch) = patch else { return Ok(()) };
    let version =
        golden.now["apiVersion"].as_str().and_then(|of| of.rsplit('/').next()).unwrap_or("v1").to_owned();
    let api = shop.dynamic("networking.istio.io", &version, "VirtualService");
    let patched = api.patch(&golden.name, &PatchParams::default(), &Patch::Json::<()>(patch)).await;
    let patched = patched.map_err(Error::api(format!("patch VirtualService {}", golden.name)))?;
    golden.now = serde_json::to_value(&patched).unwrap_or_default();
    Ok(())
}

/// Gives all that both proxies have, once they have what was written until now: istiod hears of VirtualServices in the order in which
/// they are written, and pushes all that it has heard of. So a last one is written for each stage, and waited for.
async fn settled(shop: &Shop<'_>, proxies: &Proxies, all: &[Golden], stage: &str) -> Result<Seen> {
    let api = shop.dynamic("networking.istio.io", "v1", "VirtualService");
    let host = host(shop, &format!("stage-{stage}"));
    let last = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": format!("stage-{stage}"), "namespace": shop.namespace},
        "spec": {"hosts": [host], "gateways": [GATEWAYS[0], INSIDE], "http": [{"route": [{"destination": {"host": "web"}}]}]}});
    let last = serde_json::from_value(last).map_err(|error| Error::Unmet(error.to_string()))?;
    api.create(&PostParams::default(), &last).await.map_err(Error::api(format!("create stage {stage}")))?;
    let reached = async |admin: &str| {
        let dump = Dump::of(admin).await.map_err(|error| error.to_string())?;
        if dump.routes(&host, 80).is_empty() { Err(format!("nothing of {host}")) } else { Ok(dump) }
    };
    let what = || format!("stage {stage} in Envoy");
    let gateway = teal_testbed::until(what(), PATIENCE, async || reached(&proxies.gateway).await).await?;
    let sidecar = teal_testbed::until(what(), PATIENCE, async || reached(&proxies.sidecar).await).await?;
    let goldens = all.iter().map(|golden| seen(shop, golden, &gateway, &sidecar)).collect::<Result<_>>()?;
    let is_golden = |domain: &str| {
        let name = domain.split('.').next().unwrap_or_default();
        domain.contains(DOMAIN) || all.iter().any(|golden| golden.name == name)
    };
    Ok(Seen { goldens, others: [gateway.others(is_golden), sidecar.others(is_golden)] })
}

/// What the proxies have of one of them, divided exactly as its routes are.
fn seen(shop: &Shop<'_>, golden: &Golden, gateway: &Dump, sidecar: &Dump) -> Result<Places> {
    let namespace = &shop.namespace;
    let outside = host(shop, &golden.name);
    let is_own =
        |(_, place): &(usize, Place)| place.rest["filter_chain_match"].to_string().contains(&outside);
    let mut found = Places::new();
    for (kind, port) in GATEWAY_PORTS {
        let name = if kind == RouteKind::Tcp { GATEWAYS[1] } else { GATEWAYS[0] };
        let caller = Caller { gateway: name, labels: &[], namespace: "istio-system", home: namespace };
        if !golden.owners["gateways"]
            .as_array()
            .is_some_and(|gateways| gateways.iter().any(|one| one == name))
        {
            continue;
        }
        let mut places: Vec<(usize, Place)> = match kind {
            RouteKind::Http => gateway.routes(&outside, port),
            RouteKind::Tls | RouteKind::Tcp => gateway.chains(ANY, port),
        }
        .into_iter()
        .enumerate()
        .collect();
        if kind == RouteKind::Tls {
            places.retain(is_own);
        }
        let places = places.into_iter().map(|(_, place)| place).collect();
        found.insert(("gateway", kind, port), attributed(golden, &caller, (kind, port), places)?);
    }
    let caller = Caller { gateway: INSIDE, labels: &LABELS, namespace, home: namespace };
    let own = inside(namespace, &golden.name);
    let ports = HTTP_PORTS.map(|port| (RouteKind::Http, port)).into_iter();
    let ports = ports.chain(TCP_PORTS.map(|port| (RouteKind::Tcp, port))).chain([(RouteKind::Tls, TLS_PORT)]);
    for (kind, port) in ports {
        let mut places = match kind {
            RouteKind::Http => sidecar.routes(&own, port),
            RouteKind::Tls | RouteKind::Tcp => sidecar.chains(&golden.address, port),
        };
        // Where no route is for this port, the Service that stands for it is all that is left.
        places.retain(|place| !place.to.keys().eq([&own]));
        found.insert(("sidecar", kind, port), attributed(golden, &caller, (kind, port), places)?);
    }
    Ok(found)
}

/// Each place with the route that it is of, where all are divided as these are, in their order.
fn attributed(
    golden: &Golden,
    caller: &Caller<'_>,
    (kind, port): (RouteKind, u16),
    places: Vec<Place>,
) -> Result<Vec<(usize, Place)>> {
    let mut wanted = caller.divided(&golden.now["spec"], kind, port);
    if kind == RouteKind::Http && places.len() < wanted.len() && places.last().is_some_and(Place::is_last) {
        wanted.truncate(places.len());
    }
    let found: Vec<BTreeMap<String, u64>> = places.iter().map(Place::weights).collect();
    expect(found.iter().eq(wanted.iter().map(|(_, weights)| weights)), || {
        format!(
            "{}: Envoy of {} divides {kind:?} at {port} as {found:?}, and its routes say {wanted:?}",
            golden.name, caller.gateway
        )
    })?;
    Ok(wanted.into_iter().map(|(index, _)| index).zip(places).collect())
}

/// The same places in the same order, which differ in the weights of the routes alone that Teal divides. What a candidate's requests
/// are given is what live's are.
fn only_weights(golden: &Golden, managed: &Managed, before: &Places, after: &Places) -> Result<()> {
    for ((at, was), is) in before.iter().zip(after.values()) {
        let (_, kind, _) = at;
        let same = was.len() == is.len()
            && was.iter().zip(is).all(|((index, was), (also, is))| {
                let rest = index == also && was.rest == is.rest;
                rest && if managed.contains_key(&(*kind, *index)) { headers_stay(was, is) } else { was == is }
            });
        expect(same, || format!("{}: {at:?}: Envoy had {was:?}, and has {is:?}", golden.name))?;
    }
    Ok(())
}

fn headers_stay(was: &Place, is: &Place) -> bool {
    is.to.iter().all(|(host, to)| {
        let live = host.replacen("-candidate.", ".", 1);
        was.to.get(host).or_else(|| was.to.get(&live)).is_some_and(|before| before.headers == to.headers)
    })
}

/// Each route that Teal divides is divided in some proxy.
fn all_are_seen(golden: &Golden, managed: &Managed, after: &Places) -> Result<()> {
    let mut left: BTreeSet<(RouteKind, usize)> =
        managed.iter().filter(|(_, weighs)| **weighs).map(|(at, _)| *at).collect();
    for ((_, kind, _), places) in after {
        for (index, place) in places {
            let candidate =
                |host: &String| host.split('.').next().is_some_and(|name| name.ends_with("-candidate"));
            if place.to.keys().any(candidate) {
                left.remove(&(*kind, *index));
            }
        }
    }
    let unreached = UNREACHED.iter().filter(|(name, ..)| *name == golden.name);
    let unreached: BTreeSet<(RouteKind, usize)> = unreached.map(|(_, kind, index)| (*kind, *index)).collect();
    expect(left == unreached, || format!("{}: no proxy divides {left:?}", golden.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(http: &Value) -> Golden {
        Golden {
            name: "x".into(),
            address: String::new(),
            services: Vec::new(),
            routes: None,
            subsets: Vec::new(),
            owners: Value::Null,
            now: json!({"spec": {"http": http}}),
        }
    }

    fn place(hosts: &[(&str, u64)], prefix: &str) -> Place {
        let clusters: Vec<Value> = hosts
            .iter()
            .map(|(host, weight)| json!({"name": format!("outbound|80||{host}.shop.svc.cluster.local"), "weight": weight}))
            .collect();
        Place::of_route(
            &json!({"match": {"prefix": prefix}, "route": {"weighted_clusters": {"clusters": clusters}}}),
        )
    }

    #[test]
    fn a_route_that_is_not_divided_is_no_other_one() {
        let to = |prefix: &str, hosts: &[(&str, u64)]| {
            let entries: Vec<Value> = hosts
                .iter()
                .map(|(host, weight)| json!({"destination": {"host": host}, "weight": weight}))
                .collect();
            json!({"match": [{"uri": {"prefix": prefix}}], "route": entries})
        };
        let divided = [("web", 90), ("web-candidate", 10)];
        let golden = golden(&json!([
            to("/a", &divided),
            to("/b", &[("web", 100)]),
            to("/", &divided),
            to("/c", &divided)
        ]));
        let caller = Caller { gateway: "golden", labels: &[], namespace: "x", home: "shop" };
        let check = |places: Vec<Place>| attributed(&golden, &caller, (RouteKind::Http, 80), places);
        let good = || vec![place(&divided, "/a"), place(&[("web", 100)], "/b"), place(&divided, "/")];
        assert_eq!(check(good()).unwrap().len(), 3, "what follows a last one is in no proxy");
        let mut undivided = good();
        undivided[0] = place(&[("web", 100)], "/a");
        assert!(check(undivided).is_err());
        assert!(check(good()[..2].to_vec()).is_err());
        let (managed, places) = (Managed::from([((RouteKind::Http, 0), true)]), |places| {
            Places::from([(("gateway", RouteKind::Http, 80), check(places).unwrap())])
        });
        assert!(all_are_seen(&golden, &managed, &places(good())).is_ok());
        let other = Managed::from([((RouteKind::Http, 3), true)]);
        assert!(all_are_seen(&golden, &other, &places(good())).is_err());
        assert!(only_weights(&golden, &other, &places(good()), &places(good())).is_ok());
    }
}
