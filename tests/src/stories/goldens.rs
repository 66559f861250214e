//! The VirtualServices of the traffic room's goldens, in a real istiod before, during and after each edit.

mod compare;
mod envoy;
mod expected;
mod owner;

use std::collections::BTreeSet;

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use teal_testbed::history::Key;
use teal_traffic::{Mesh, RouteKind, Scope, Stamp, enter, leave, read, set_weight};

use self::compare::{Compared, Managed, Places, UNREACHED, all_are_seen, attributed, only_weights};
use self::envoy::{Dump, Place};
use self::expected::Caller;
use self::owner::{Golden, create, host, inside, names, prepare, rules};
use super::play::PATIENCE;
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::history::Meddling;
use crate::world::gateway_ports::{GOLDEN_TCP, GOLDEN_TLS, REQUESTS};
use crate::world::{Shop, World, quick};

/// Where the hosts of all of them end, so that one gateway takes them.
const DOMAIN: &str = "golden.example";
/// So many there must be that Teal edits.
const LEAST: usize = 40;
/// The gateway of all, and that of the one that has connections of its own there: a port takes one.
const GATEWAYS: [&str; 2] = ["golden", "golden-tcp"];
/// By which those that are for callers inside are meant.
const INSIDE: &str = "mesh";
/// What the proxy beside a caller is known by.
const LABELS: [(&str, &str); 2] = [("app", "cart"), ("version", "v2")];
/// Where something can be divided: at the gateway, and at the Service that stands for each in the proxy beside a caller.
const HTTP_PORTS: [u16; 3] = [REQUESTS, 8080, 9090];
const TCP_PORTS: [u16; 4] = [5432, GOLDEN_TCP, 9001, 9002];
const GATEWAY_PORTS: [(RouteKind, u16); 3] =
    [(RouteKind::Http, REQUESTS), (RouteKind::Tls, GOLDEN_TLS), (RouteKind::Tcp, GOLDEN_TCP)];
/// The edits of a rollout's life, by the epoch of who writes: entered, and with so much for the candidate.
const EDITS: [(i64, Option<u8>); 4] = [(1, None), (2, Some(10)), (3, Some(100)), (4, Some(0))];
/// A listener for whatever address.
const ANY: &str = "0.0.0.0";

/// What both proxies have.
struct Seen {
    goldens: Vec<Places>,
    /// Of all else.
    others: [Vec<Value>; 2],
}

/// The admin pages of the proxies: the gateway's, and one beside a caller.
struct Proxies<'a> {
    gateway: &'a str,
    sidecar: &'a str,
}

/// Each proxy has the weights of each edit, and nothing else of it differs; in the end they have what they had.
pub(super) async fn loaded(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop { world, namespace: namespace.to_owned(), tailoring: quick };
    let bed = world.bed().ok_or_else(|| Error::Unmet("a proxy beside a caller needs a bed".into()))?;
    // What goes meanwhile would be a difference, too.
    world.nobody_leaves().await?;
    prepare(&shop).await?;
    let sidecar = bed.start_sidecar(namespace, &LABELS.into_iter().collect::<Value>()).await?;
    let gateway = world.cluster.envoy_admin.as_deref().unwrap_or_default();
    told(&shop, &Proxies { gateway, sidecar: sidecar.admin() }).await?;
    shop.close().await
}

async fn told(shop: &Shop<'_>, proxies: &Proxies<'_>) -> Result<()> {
    let names = names()?;
    let mut all = Vec::new();
    for name in &names.edited {
        all.push(create(shop, name).await?);
    }
    expect(all.len() >= LEAST, || format!("there are only {} goldens", all.len()))?;
    shop.world.cluster.apply_all(&rules(&shop.namespace, &all)).await?;
    let managed: Vec<Managed> = all.iter().map(managed).collect::<Result<_>>()?;
    let before = settled(shop, proxies, &all, "before").await?;
    for (epoch, percent) in EDITS {
        for golden in &mut all {
            edit(shop, golden, percent, &Stamp::new("golden", epoch, "teal/traffic")).await?;
        }
        let during = settled(shop, proxies, &all, &format!("edit-{epoch}")).await?;
        nothing_else(&before, &during)?;
        for (at, golden) in all.iter().enumerate() {
            only_weights(golden, &managed[at], &before.goldens[at], &during.goldens[at])?;
            if percent == Some(100) {
                all_are_seen(golden, &managed[at], &during.goldens[at])?;
            }
        }
    }
    for golden in &mut all {
        give_back(shop, golden).await?;
    }
    let after = settled(shop, proxies, &all, "after").await?;
    nothing_else(&before, &after)?;
    for (golden, (before, after)) in all.iter().zip(before.goldens.iter().zip(&after.goldens)) {
        expect(before == after, || format!("{}: Envoy had {before:?}, and has {after:?}", golden.name))?;
    }
    let routes: usize = managed.iter().map(|of| of.values().filter(|weighs| **weighs).count()).sum();
    let (edited, refused) = (all.len(), names.refused.len());
    say(&format!(
        "count: goldens: {edited} of {} in istiod before, at each of {} edits and after, and {refused} that Teal refuses to edit; \
         Envoy divided {} of {routes} routes, and to the others no request comes",
        edited + refused,
        EDITS.len(),
        routes - UNREACHED.len(),
    ));
    Ok(())
}

/// What the proxies have of all else is what they had.
fn nothing_else(before: &Seen, now: &Seen) -> Result<()> {
    for (was, is) in before.others.iter().zip(&now.others) {
        let all: BTreeSet<String> = was.iter().map(Value::to_string).collect();
        let new = is.iter().find(|one| !all.contains(&one.to_string()));
        expect(was == is, || {
            format!("something else differs in Envoy, {} and {}: {new:?}", was.len(), is.len())
        })?;
    }
    Ok(())
}

fn managed(golden: &Golden) -> Result<Managed> {
    let mesh = Mesh::default();
    let scope = scope(&mesh, golden);
    let set =
        read(&golden.now, &scope).map_err(|refusal| Error::Unmet(format!("{}: {refusal}", golden.name)))?;
    Ok(set.routes.iter().map(|route| ((route.kind, route.index), route.largest() > 0)).collect())
}

fn scope<'a>(mesh: &'a Mesh, golden: &'a Golden) -> Scope<'a> {
    Scope { subsets: &golden.subsets, ..Scope::of(mesh, &golden.services, golden.routes.as_deref()) }
}

/// Enters, or gives the candidate this much.
async fn edit(shop: &Shop<'_>, golden: &mut Golden, percent: Option<u8>, stamp: &Stamp) -> Result<()> {
    let mesh = Mesh::default();
    let scope = scope(&mesh, golden);
    let patch = match percent {
        None => enter(&golden.now, &scope, stamp),
        Some(percent) => set_weight(&golden.now, &scope, percent, stamp),
    };
    let patch = patch.map_err(|refusal| Error::Unmet(format!("{}: {refusal}", golden.name)))?;
    send(shop, golden, patch).await
}

async fn give_back(shop: &Shop<'_>, golden: &mut Golden) -> Result<()> {
    let mesh = Mesh::default();
    let scope = scope(&mesh, golden);
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
async fn settled(shop: &Shop<'_>, proxies: &Proxies<'_>, all: &[Golden], stage: &str) -> Result<Seen> {
    let api = shop.dynamic("networking.istio.io", "v1", "VirtualService");
    let host = host(shop, &format!("stage-{stage}"));
    let last = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": format!("stage-{stage}"), "namespace": shop.namespace},
        "spec": {"hosts": [host], "gateways": [GATEWAYS[0], INSIDE], "http": [{"route": [{"destination": {"host": "web"}}]}]}});
    let last = serde_json::from_value(last).map_err(|error| Error::Unmet(error.to_string()))?;
    api.create(&PostParams::default(), &last).await.map_err(Error::api(format!("create stage {stage}")))?;
    let reached = async |admin: &str| {
        let dump = Dump::of(admin).await.map_err(|error| error.to_string())?;
        if dump.routes(&host, REQUESTS).is_empty() { Err(format!("nothing of {host}")) } else { Ok(dump) }
    };
    let what = || format!("stage {stage} in Envoy");
    let gateway = teal_testbed::until(what(), PATIENCE, async || reached(proxies.gateway).await).await?;
    let sidecar = teal_testbed::until(what(), PATIENCE, async || reached(proxies.sidecar).await).await?;
    let goldens: Vec<Places> =
        all.iter().map(|golden| seen(shop, golden, &gateway, &sidecar)).collect::<Result<_>>()?;
    let compared = Compared::of(all.iter().zip(&goldens))?;
    say(&format!("{}: {stage}: {} VirtualServices compared: {compared}", shop.namespace, all.len()));
    let is_their_host = |domain: &str| {
        let name = domain.split('.').next().unwrap_or_default();
        domain.contains(DOMAIN) || all.iter().any(|golden| golden.name == name)
    };
    let is_their_place = |address: &str, port: u16| {
        let at_gateway = address == ANY && [GOLDEN_TCP, GOLDEN_TLS].contains(&port);
        at_gateway || all.iter().any(|golden| golden.address == address)
    };
    let others = [gateway, sidecar].map(|dump| dump.others(is_their_host, is_their_place));
    Ok(Seen { goldens, others })
}

/// What the proxies have of one of them, divided exactly as its routes are.
fn seen(shop: &Shop<'_>, golden: &Golden, gateway: &Dump, sidecar: &Dump) -> Result<Places> {
    let mut found = at_gateway(shop, golden, gateway)?;
    let namespace = &shop.namespace;
    let caller = Caller { gateway: INSIDE, labels: &LABELS, namespace, home: namespace };
    let own = inside(namespace, &golden.name);
    let ports = HTTP_PORTS.map(|port| (RouteKind::Http, port)).into_iter();
    let ports =
        ports.chain(TCP_PORTS.map(|port| (RouteKind::Tcp, port))).chain([(RouteKind::Tls, GOLDEN_TLS)]);
    for (kind, port) in ports {
        let mut places = match kind {
            RouteKind::Http => sidecar.routes(&own, port),
            RouteKind::Tls | RouteKind::Tcp => sidecar.chains(&golden.address, port),
        };
        // Where no route is for this port, the Service that stands for it is all that is left.
        let itself = expected::cluster(port.into(), "", &own);
        places.retain(|place| !place.to.keys().eq([&itself]));
        subsets_are_known(golden, sidecar, &places)?;
        found.insert(("sidecar", kind, port), attributed(golden, &caller, (kind, port), places)?);
    }
    Ok(found)
}

fn at_gateway(shop: &Shop<'_>, golden: &Golden, gateway: &Dump) -> Result<Places> {
    let outside = host(shop, &golden.name);
    let is_own = |place: &Place| place.rest["filter_chain_match"].to_string().contains(&outside);
    let mut found = Places::new();
    for (kind, port) in GATEWAY_PORTS {
        let name = if kind == RouteKind::Tcp { GATEWAYS[1] } else { GATEWAYS[0] };
        if !golden.owners["gateways"].as_array().is_some_and(|all| all.iter().any(|one| one == name)) {
            continue;
        }
        let mut places = match kind {
            RouteKind::Http => gateway.routes(&outside, port),
            RouteKind::Tls | RouteKind::Tcp => gateway.chains(ANY, port),
        };
        places.retain(|place| kind != RouteKind::Tls || is_own(place));
        subsets_are_known(golden, gateway, &places)?;
        let caller = Caller { gateway: name, labels: &[], namespace: "istio-system", home: &shop.namespace };
        found.insert(("gateway", kind, port), attributed(golden, &caller, (kind, port), places)?);
    }
    Ok(found)
}

/// What goes to a subset goes to one that the proxy knows.
fn subsets_are_known(golden: &Golden, dump: &Dump, places: &[Place]) -> Result<()> {
    let mut clusters = places.iter().flat_map(|place| place.to.keys());
    let unknown = clusters
        .find(|name| name.split('|').nth(2).is_some_and(|subset| !subset.is_empty()) && !dump.has(name));
    expect(unknown.is_none(), || format!("{}: Envoy has no cluster {unknown:?}", golden.name))
}
