//! The VirtualServices of the traffic room's goldens, in a real istiod before, during and after each edit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kube::api::{Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde_json::{Value, json};
use teal_testbed::history::Key;
use teal_traffic::{Mesh, RoleService, RouteSelector, Scope, Stamp, enter, leave, set_weight};

use super::play::PATIENCE;
use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::history::Meddling;
use crate::world::{Shop, World, checkout, quick};

/// Where the hosts of all of them end, so that one gateway takes them.
const DOMAIN: &str = "golden.example";
/// Of so many at least the gateway must have a divided route: others are for callers that it isn't.
const SEEN: usize = 30;
/// Of so few the definitions, or istiod's word on what it is given, may refuse the owner's own form.
const REFUSED: usize = 10;
/// Services that they name beside others that nobody has.
const SERVICES: [&str; 10] = [
    "web",
    "web-candidate",
    "api",
    "api-candidate",
    "search",
    "search-candidate",
    "monolith",
    "web-legacy",
    "queue",
    "other",
];
const PORTS: [u16; 7] = [80, 81, 443, 8080, 8443, 9000, 9090];
/// What Istio makes of the only destination with weight, and of several not: how the route is called in traces, and where what is
/// said of a destination's headers stands.
const FOLLOWS: [&str; 5] = [
    "decorator",
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
];

/// How a server says that an object is not as it must be, itself or by a webhook.
const REFUSALS: [u16; 3] = [400, 403, 422];

/// One of them in the cluster.
struct Golden {
    name: String,
    services: Vec<RoleService>,
    routes: Option<Vec<RouteSelector>>,
    /// The spec as it was stored.
    owners: Value,
    /// As it is now.
    now: Value,
}

/// Envoy's routes of one host: each without what says where its requests go, and how these are divided.
type Routes = Vec<(Value, BTreeMap<String, u64>)>;

/// Envoy has the weights of each edit, and nothing else of its routes differs; in the end it has what it had.
pub(super) async fn loaded(world: &World, namespace: &str) -> Result<()> {
    let shop = Shop { world, namespace: namespace.to_owned(), tailoring: quick };
    prepare(&shop).await?;
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for name in names()? {
        match create(&shop, &name).await? {
            Ok(golden) => all.push(golden),
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    say(&format!("{namespace}: {} VirtualServices; refused in their owner's form: {refused:?}", all.len()));
    expect(refused.len() <= REFUSED, || format!("refused: {refused:?}"))?;
    let before = settled(&shop, &all, "owners").await?;
    let had: Vec<&str> = all
        .iter()
        .zip(&before)
        .filter(|(_, routes)| !routes.is_empty())
        .map(|(golden, _)| &*golden.name)
        .collect();
    expect(had.len() >= SEEN, || format!("the gateway has routes of {had:?} alone"))?;
    let mut divided = BTreeSet::new();
    for (epoch, percent) in [(1, None), (2, Some(10)), (3, Some(100)), (4, Some(0))] {
        for golden in &mut all {
            edit(&shop, golden, percent, &Stamp::new("golden", epoch, "teal/traffic")).await?;
        }
        let after = settled(&shop, &all, &format!("edit-{epoch}")).await?;
        for (golden, (before, after)) in all.iter().zip(before.iter().zip(&after)) {
            only_weights(golden, before, after)?;
            let names = |(_, hosts): &(Value, BTreeMap<String, u64>)| {
                hosts
                    .keys()
                    .any(|host| host.split('.').next().is_some_and(|first| first.ends_with("-candidate")))
            };
            if percent == Some(10) && after.iter().any(names) {
                divided.insert(golden.name.clone());
            }
        }
    }
    expect(divided.len() >= SEEN, || format!("the gateway divides only {divided:?}"))?;
    for golden in &mut all {
        give_back(&shop, golden).await?;
    }
    let end = settled(&shop, &all, "left").await?;
    for (golden, (before, end)) in all.iter().zip(before.iter().zip(&end)) {
        expect(before == end, || format!("{}: Envoy had {before:?}, and has {end:?}", golden.name))?;
    }
    say(&format!("{namespace}: Envoy divided {} of {}", divided.len(), all.len()));
    shop.close().await
}

fn folder() -> PathBuf {
    checkout().join("crates/traffic/tests/goldens")
}

/// Those that Teal doesn't refuse.
fn names() -> Result<Vec<String>> {
    let failed = |error: std::io::Error| Error::File { path: folder(), why: error.to_string() };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_life = path.extension().is_some_and(|end| end == "diff")
            && std::fs::read_to_string(&path).map_err(failed)?.contains("# leave")
            // Whether a subset is that of both versions, pods say, and there are none here.
            && !std::fs::read_to_string(path.with_extension("yaml")).map_err(failed)?.contains("\nsubsets:");
        names.extend(path.file_stem().filter(|_| is_life).map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// The namespace, its gateway, and Services without pods.
async fn prepare(shop: &Shop<'_>) -> Result<()> {
    let namespace = &shop.namespace;
    shop.world
        .cluster
        .apply_all(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})])
        .await?;
    let server =
        json!({"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [format!("*.{DOMAIN}")]});
    let mut objects = vec![json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"name": "golden", "namespace": namespace},
        "spec": {"selector": {"istio": "ingress"}, "servers": [server]}})];
    objects.extend(SERVICES.map(|name| {
        let ports: Vec<Value> = PORTS.iter().map(|port| json!({"name": format!("http-{port}"), "port": port})).collect();
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {"ports": ports}})
    }));
    Ok(shop.world.cluster.apply_all(&objects).await?)
}

/// Makes one as its owner would, but for namespace, host and gateway; or says why it is refused.
async fn create(shop: &Shop<'_>, name: &str) -> Result<std::result::Result<Golden, String>> {
    let (namespace, path) = (&shop.namespace, folder().join(name).with_extension("yaml"));
    let failed = |why: String| Error::File { path: path.clone(), why };
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let text = text.replace(".shop.svc", &format!(".{namespace}.svc"));
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    let documents: Vec<Value> =
        documents.collect::<std::result::Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    let [header, object] = documents.as_slice() else {
        return Err(failed("two documents are wanted".into()));
    };
    let mut object = object.clone();
    let kept = |part: &str| object["metadata"].get(part).cloned().unwrap_or_else(|| json!({}));
    object["metadata"] = json!({"name": name, "namespace": namespace, "labels": kept("labels"), "annotations": kept("annotations")});
    object["spec"]["hosts"] = json!([host(shop, name)]);
    object["spec"]["gateways"] = json!(["golden"]);
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("exportTo");
    }
    let version =
        object["apiVersion"].as_str().and_then(|of| of.rsplit('/').next()).unwrap_or("v1").to_owned();
    let made: kube::core::DynamicObject =
        serde_json::from_value(object).map_err(|error| failed(error.to_string()))?;
    let api = shop.dynamic("networking.istio.io", &version, "VirtualService");
    let stored = match api.create(&PostParams::default(), &made).await {
        Ok(stored) => stored,
        Err(kube::Error::Api(status)) if REFUSALS.contains(&status.code) => {
            return Ok(Err(status.message.clone()));
        }
        Err(error) => return Err(Error::api(format!("create VirtualService {name}"))(error)),
    };
    let now = serde_json::to_value(&stored).map_err(|error| failed(error.to_string()))?;
    let services = header["services"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let services = services.filter_map(|name| Some(RoleService::new(namespace, name.split_once('/')?.1)));
    let routes = header["routes"].as_array().map(|routes| routes.iter().filter_map(selector).collect());
    let owners = now["spec"].clone();
    Ok(Ok(Golden { name: name.to_owned(), services: services.collect(), routes, owners, now }))
}

/// A name, or `tcp` or `tls` as a Rollout says it.
fn selector(route: &Value) -> Option<RouteSelector> {
    let port = |of: &Value| of["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    if let Some(name) = route.as_str() {
        return Some(RouteSelector::named(name));
    }
    if let Some(tcp) = route.get("tcp") {
        return Some(RouteSelector::Tcp(port(tcp)));
    }
    let tls = route.get("tls")?;
    let hosts = tls["sniHosts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Some(RouteSelector::tls(port(tls), hosts.map(str::to_owned).collect()))
}

fn host(shop: &Shop<'_>, name: &str) -> String {
    format!("{name}.{}.{DOMAIN}", shop.namespace)
}

/// Enters, or gives the candidate this much.
async fn edit(shop: &Shop<'_>, golden: &mut Golden, percent: Option<u8>, stamp: &Stamp) -> Result<()> {
    let mesh = Mesh::default();
    let scope = Scope::of(&mesh, &golden.services, golden.routes.as_deref());
    let patch = match percent {
        None => enter(&golden.now, &scope, stamp),
        Some(percent) => set_weight(&golden.now, &scope, percent, stamp),
    };
    let patch = patch.map_err(|refusal| Error::Unmet(format!("{}: {refusal}", golden.name)))?;
    send(shop, golden, patch).await
}

async fn give_back(shop: &Shop<'_>, golden: &mut Golden) -> Result<()> {
    let mesh = Mesh::default();
    let scope = Scope::of(&mesh, &golden.services, golden.routes.as_deref());
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

/// Gives all routes that Envoy has, once it has what was written until now: istiod hears of VirtualServices in the order in which
/// they are written, and pushes all that it has heard of. So a last one is written for each stage, and waited for.
async fn settled(shop: &Shop<'_>, all: &[Golden], stage: &str) -> Result<Vec<Routes>> {
    let api = shop.dynamic("networking.istio.io", "v1", "VirtualService");
    let host = host(shop, &format!("stage-{stage}"));
    let last = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": format!("stage-{stage}"), "namespace": shop.namespace},
        "spec": {"hosts": [host], "gateways": ["golden"], "http": [{"route": [{"destination": {"host": "web"}}]}]}});
    let last = serde_json::from_value(last).map_err(|error| Error::Unmet(error.to_string()))?;
    api.create(&PostParams::default(), &last).await.map_err(Error::api(format!("create stage {stage}")))?;
    let reached = async || {
        let hosts = virtual_hosts(shop).await.map_err(|error| error.to_string())?;
        if hosts.iter().any(|one| is_of(one, &host)) { Ok(hosts) } else { Err(format!("nothing of {host}")) }
    };
    let hosts = teal_testbed::until(format!("stage {stage} in Envoy"), PATIENCE, reached).await?;
    let found: Vec<Routes> = all.iter().map(|golden| routes(shop, golden, &hosts)).collect();
    for (golden, routes) in all.iter().zip(&found) {
        follows(golden, routes, &shop.namespace)?;
    }
    Ok(found)
}

/// Envoy's routes are divided as those of its VirtualService, in their order: one of these may be several there, by its conditions,
/// or none, where it is for other callers.
fn follows(golden: &Golden, routes: &Routes, namespace: &str) -> Result<()> {
    let lists = lists(golden, namespace);
    let mut left = lists.iter().peekable();
    for (_, hosts) in routes.iter().filter(|(_, hosts)| !hosts.is_empty()) {
        while left.next_if(|list| *list != hosts).is_some() {}
        expect(left.peek().is_some(), || {
            format!("{}: Envoy divides {hosts:?} where its routes are {lists:?}", golden.name)
        })?;
    }
    Ok(())
}

/// How its http routes are divided, by full names; what has no weight is in no proxy.
fn lists(golden: &Golden, namespace: &str) -> Vec<BTreeMap<String, u64>> {
    let mesh = Mesh::default();
    let each = golden.now["spec"]["http"].as_array().into_iter().flatten().map(|route| {
        let entries = route["route"].as_array().map_or(&[][..], Vec::as_slice);
        let mut hosts = BTreeMap::new();
        for entry in entries {
            let written = entry["weight"].as_u64().filter(|weight| entries.len() > 1 || *weight > 0);
            let weight = written.unwrap_or(if entries.len() == 1 { 100 } else { 0 });
            let host = mesh.expand(entry["destination"]["host"].as_str().unwrap_or_default(), namespace);
            if weight > 0 {
                *hosts.entry(host).or_default() += weight;
            }
        }
        hosts
    });
    each.collect()
}

/// All hosts that Envoy has routes for.
async fn virtual_hosts(shop: &Shop<'_>) -> Result<Vec<Value>> {
    let admin = shop.world.cluster.envoy_admin.as_deref().unwrap_or_default();
    let url = format!("{admin}/config_dump?resource=dynamic_route_configs");
    let failed = |source| Error::Http { url: url.clone(), source };
    let answer = reqwest::Client::new().get(&url).send().await.map_err(failed)?;
    let dump: Value = answer.error_for_status().map_err(failed)?.json().await.map_err(failed)?;
    let configs = dump["configs"].as_array().into_iter().flatten();
    let hosts = configs.filter_map(|config| config["route_config"]["virtual_hosts"].as_array()).flatten();
    Ok(hosts.cloned().collect())
}

fn is_of(virtual_host: &Value, host: &str) -> bool {
    let domains = virtual_host["domains"].as_array().into_iter().flatten();
    domains.filter_map(Value::as_str).any(|domain| domain == host)
}

/// What Envoy has for one of them, in its order.
fn routes(shop: &Shop<'_>, golden: &Golden, hosts: &[Value]) -> Routes {
    let own = host(shop, &golden.name);
    let found = hosts.iter().find(|one| is_of(one, &own)).and_then(|found| found["routes"].as_array());
    found.into_iter().flatten().map(apart).collect()
}

/// A route without its destinations, and these.
fn apart(route: &Value) -> (Value, BTreeMap<String, u64>) {
    let mut rest = route.clone();
    if let Some(conditions) = rest.get_mut("match") {
        without_order(conditions);
    }
    let mut hosts = BTreeMap::new();
    let mut add = |cluster: Option<&str>, weight: u64| {
        let host = cluster.and_then(|name| name.trim_end_matches(';').split('|').nth(3));
        if let Some(host) = host.filter(|_| weight > 0) {
            *hosts.entry(host.to_owned()).or_default() += weight;
        }
    };
    add(route["route"]["cluster"].as_str(), 100);
    for one in route["route"]["weighted_clusters"]["clusters"].as_array().into_iter().flatten() {
        add(one["name"].as_str(), one["weight"].as_u64().unwrap_or(0));
    }
    if let Some(fields) = rest.as_object_mut() {
        fields.retain(|key, _| !FOLLOWS.contains(&key.as_str()));
    }
    if let Some(action) = rest.get_mut("route").and_then(Value::as_object_mut) {
        action.retain(|key, _| {
            !["cluster", "weighted_clusters", "host_rewrite_literal"].contains(&key.as_str())
        });
    }
    (rest, hosts)
}

/// Conditions for headers and parameters are maps in a `VirtualService`, which istiod makes lists of in any order.
fn without_order(conditions: &mut Value) {
    for list in ["headers", "query_parameters"] {
        if let Some(list) = conditions.get_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(|condition| condition["name"].as_str().map(str::to_owned));
        }
    }
}

/// The same routes in the same order, which differ in their destinations alone.
fn only_weights(golden: &Golden, before: &Routes, after: &Routes) -> Result<()> {
    let rest = |routes: &Routes| routes.iter().map(|(rest, _)| rest.clone()).collect::<Vec<_>>();
    let (was, is) = (rest(before), rest(after));
    expect(was == is, || {
        let first = was.iter().zip(&is).find(|(was, is)| was != is);
        format!(
            "{}: Envoy had {} routes and has {}; the first that differs: {first:?}",
            golden.name,
            was.len(),
            is.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_route_only_what_follows_from_its_weights_is_left_out() {
        let route = |action: Value| json!({"match": {"prefix": "/"}, "decorator": {"operation": "x"}, "route": action});
        let timeout = json!({"match": {"prefix": "/"}, "route": {"timeout": "0s"}});
        let sole = json!({"timeout": "0s", "cluster": "outbound|80||web.shop.svc.cluster.local;"});
        let divided = json!({"timeout": "0s", "weighted_clusters": {"clusters": [
            {"name": "outbound|80||web.shop.svc.cluster.local", "weight": 90},
            {"name": "outbound|80||web-candidate.shop.svc.cluster.local", "weight": 10}, {"name": "outbound|80||gone.x"},
        ]}});
        let of = |hosts: &[(&str, u64)]| -> BTreeMap<String, u64> {
            hosts.iter().map(|(name, weight)| (format!("{name}.shop.svc.cluster.local"), *weight)).collect()
        };
        assert_eq!(apart(&route(sole)), (timeout.clone(), of(&[("web", 100)])));
        assert_eq!(apart(&route(divided)), (timeout.clone(), of(&[("web", 90), ("web-candidate", 10)])));
        let other = route(json!({"timeout": "1s", "cluster": "outbound|80||web.shop.svc.cluster.local"}));
        assert_ne!(apart(&other).0, timeout, "a timeout is no weight");
    }

    #[test]
    fn the_goldens_that_teal_does_not_refuse_are_found() {
        let names = names().unwrap();
        assert!(names.len() >= 40 && names.iter().any(|name| name == "fifty-routes"), "{names:?}");
        assert!(!names.iter().any(|name| name == "weights-all-zero"), "{names:?}");
    }

    #[test]
    fn routes_are_divided_in_the_order_of_their_virtual_service() {
        let to = |host: &str| json!({"route": [{"destination": {"host": host}}]});
        let golden = golden(&json!([to("web"), to("api"), to("web")]));
        let routes = |hosts: &[&str]| -> Routes {
            let of = |host: &&str| BTreeMap::from([(format!("{host}.shop.svc.cluster.local"), 100)]);
            hosts.iter().map(|host| (Value::Null, of(host))).collect()
        };
        for good in [&["web", "web", "api", "web"][..], &["api"], &[], &["web", "web"]] {
            assert!(follows(&golden, &routes(good), "shop").is_ok(), "{good:?}");
        }
        for bad in [&["search"][..], &["web", "api", "web", "api"], &["api", "api", "web", "api"]] {
            assert!(follows(&golden, &routes(bad), "shop").is_err(), "{bad:?}");
        }
    }

    fn golden(http: &Value) -> Golden {
        Golden {
            name: "x".into(),
            services: Vec::new(),
            routes: None,
            owners: Value::Null,
            now: json!({"spec": {"http": http}}),
        }
    }

    #[test]
    fn weights_are_read_as_istio_reads_them() {
        let to = |host: &str, weight: Value| json!({"destination": {"host": host}, "weight": weight});
        let of =
            |host: &str, weight: u64| BTreeMap::from([(format!("{host}.shop.svc.cluster.local"), weight)]);
        let http = json!([
            {"route": [to("web", json!(0))]},
            {"route": [to("api", Value::Null), to("search", json!(100))]},
        ]);
        assert_eq!(lists(&golden(&http), "shop"), [of("web", 100), of("search", 100)]);
    }
}
