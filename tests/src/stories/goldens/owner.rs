//! The VirtualServices of the goldens as their owners write them, but for where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kube::api::PostParams;
use serde::Deserialize;
use serde_json::{Value, json};
use teal_traffic::{Mesh, RoleService, RouteKind, RouteSelector, Subset};

use super::{DOMAIN, GATEWAYS, HTTP_PORTS, INSIDE, TCP_PORTS};
use crate::error::{Error, Result};
use crate::world::gateway_ports::{GOLDEN_TCP, GOLDEN_TLS, REQUESTS};
use crate::world::{Shop, checkout};

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
const PORTS: [u16; 7] = [80, 81, GOLDEN_TLS, 8080, 8443, GOLDEN_TCP, 9090];
/// Ports for connections that the goldens name, and those that are theirs here.
const WRITTEN: [(u16, u16); 2] = [(9000, GOLDEN_TCP), (443, GOLDEN_TLS)];

/// One of them in the cluster.
pub(super) struct Golden {
    pub(super) name: String,
    /// Address of the Service that stands for it in the mesh.
    pub(super) address: String,
    pub(super) services: Vec<RoleService>,
    pub(super) routes: Option<Vec<RouteSelector>>,
    /// Those that hold for the candidate.
    pub(super) subsets: Vec<Subset>,
    /// The spec as it was stored.
    pub(super) owners: Value,
    /// As it is now.
    pub(super) now: Value,
}

fn folder() -> PathBuf {
    checkout().join("crates/traffic/tests/goldens")
}

/// All goldens.
#[derive(Default)]
pub(super) struct Names {
    /// Those that Teal edits.
    pub(super) edited: Vec<String>,
    /// Those that it refuses, and so never edits.
    pub(super) refused: Vec<String>,
}

pub(super) fn names() -> Result<Names> {
    let failed =
        |path: &PathBuf, error: std::io::Error| Error::File { path: path.clone(), why: error.to_string() };
    let mut names = Names::default();
    for entry in std::fs::read_dir(folder()).map_err(|error| failed(&folder(), error))? {
        let path = entry.map_err(|error| failed(&folder(), error))?.path();
        let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "yaml"))
        else {
            continue;
        };
        let diff = path.with_extension("diff");
        let told = std::fs::read_to_string(&diff).map_err(|error| failed(&diff, error))?;
        let says = |title: &str| told.lines().any(|line| line.starts_with(title));
        let list = match (says("# leave"), says("# refused")) {
            (true, false) => &mut names.edited,
            (false, true) => &mut names.refused,
            _ => {
                return Err(Error::File {
                    path: diff,
                    why: "it tells neither of a life nor of a refusal".into(),
                });
            }
        };
        list.push(name.to_string_lossy().into_owned());
    }
    names.edited.sort();
    Ok(names)
}

/// The namespace, its gateways, and Services without pods.
pub(super) async fn prepare(shop: &Shop<'_>) -> Result<()> {
    let namespace = &shop.namespace;
    shop.world
        .cluster
        .apply_all(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})])
        .await?;
    let hosts = json!([format!("*.{DOMAIN}")]);
    let servers = [
        json!([{"port": {"number": REQUESTS, "name": "http", "protocol": "HTTP"}, "hosts": hosts},
            {"port": {"number": GOLDEN_TLS, "name": "tls", "protocol": "TLS"}, "tls": {"mode": "PASSTHROUGH"}, "hosts": hosts}]),
        json!([{"port": {"number": GOLDEN_TCP, "name": "tcp", "protocol": "TCP"}, "hosts": ["*"]}]),
    ];
    let gateway = |(name, servers): (&str, &Value)| {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": {"istio": "ingress"}, "servers": servers}})
    };
    let mut objects: Vec<Value> = GATEWAYS.into_iter().zip(&servers).map(gateway).collect();
    // A proxy beside a caller would wait for a certificate, which nobody gives.
    objects.push(json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "plain", "namespace": namespace}, "spec": {"mtls": {"mode": "DISABLE"}}}));
    objects.extend(SERVICES.map(|name| service(namespace, name, PORTS.iter().map(|port| ("http", *port)))));
    Ok(shop.world.cluster.apply_all(&objects).await?)
}

fn service<'a>(namespace: &str, name: &str, ports: impl Iterator<Item = (&'a str, u16)>) -> Value {
    let ports: Vec<Value> =
        ports.map(|(protocol, port)| json!({"name": format!("{protocol}-{port}"), "port": port})).collect();
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {"ports": ports}})
}

/// The Service that stands for one in the mesh; gives its address.
async fn stand(shop: &Shop<'_>, name: &str) -> Result<String> {
    let ports = HTTP_PORTS.map(|port| ("http", port)).into_iter();
    let ports = ports.chain(TCP_PORTS.map(|port| ("tcp", port))).chain([("tls", GOLDEN_TLS)]);
    shop.world.cluster.apply_all(&[service(&shop.namespace, name, ports)]).await?;
    let services: kube::Api<k8s_openapi::api::core::v1::Service> =
        kube::Api::namespaced(shop.world.client.clone(), &shop.namespace);
    let made = services.get(name).await.map_err(Error::api(format!("get Service {name}")))?;
    let address = made.spec.and_then(|spec| spec.cluster_ip);
    address.ok_or_else(|| Error::Unmet(format!("Service {name} has no address")))
}

/// Makes one as its owner would, but for namespace, hosts, gateways, ports for connections and who the callers are.
pub(super) async fn create(shop: &Shop<'_>, name: &str) -> Result<Golden> {
    let path = folder().join(name).with_extension("yaml");
    let failed = |why: String| Error::File { path: path.clone(), why };
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let text = at_home(&text, &shop.namespace, &host(shop, name));
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    let documents: Vec<Value> =
        documents.collect::<std::result::Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    let [header, object] = documents.as_slice() else {
        return Err(failed("two documents are wanted".into()));
    };
    let mut object = object.clone();
    let kept = |part: &str| object["metadata"].get(part).cloned().unwrap_or_else(|| json!({}));
    object["metadata"] = json!({"name": name, "namespace": shop.namespace, "labels": kept("labels"), "annotations": kept("annotations")});
    bind(&mut object["spec"], [host(shop, name), inside(&shop.namespace, name)]);
    let address = stand(shop, name).await?;
    let version =
        object["apiVersion"].as_str().and_then(|of| of.rsplit('/').next()).unwrap_or("v1").to_owned();
    let made: kube::core::DynamicObject =
        serde_json::from_value(object).map_err(|error| failed(error.to_string()))?;
    let api = shop.dynamic("networking.istio.io", &version, "VirtualService");
    let stored = api.create(&PostParams::default(), &made).await;
    let stored = stored.map_err(Error::api(format!("create VirtualService {name}")))?;
    let now = serde_json::to_value(&stored).map_err(|error| failed(error.to_string()))?;
    let services = header["services"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let services = services
        .filter_map(|name| Some(RoleService::new(&shop.namespace, name.split_once('/')?.1)))
        .collect();
    let routes = header["routes"].as_array().map(|routes| routes.iter().filter_map(selector).collect());
    let held = |name: &str| {
        let (service, name) = name.split_once('/')?;
        Some(Subset { service: service.to_owned(), name: name.to_owned(), problem: None })
    };
    let subsets = header["subsets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let subsets = subsets.filter_map(held).collect();
    let (name, owners) = (name.to_owned(), now["spec"].clone());
    Ok(Golden { name, address, services, routes, subsets, owners, now })
}

/// What the subsets that they name need: a DestinationRule for each host, and for a candidate the copy that Teal makes of live's.
pub(super) fn rules(namespace: &str, all: &[Golden]) -> Vec<Value> {
    let mesh = Mesh::default();
    let mut hosts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for golden in all {
        let mut named = Vec::new();
        subsets_in(&golden.owners, &mut named);
        for (host, subset) in named {
            let live = mesh.expand(host, namespace);
            let copied = golden
                .subsets
                .iter()
                .filter(|held| held.name == subset && mesh.service_host(&held.service, namespace) == live);
            let copies = copied.map(|held| teal_api::names::candidate_service(&held.service));
            let copies = copies.map(|candidate| mesh.service_host(&candidate, namespace));
            for host in copies.chain([live.clone()]) {
                hosts.entry(host).or_default().insert(subset);
            }
        }
    }
    let rule = |(host, subsets): (&String, &BTreeSet<&str>)| {
        let subsets: Vec<Value> =
            subsets.iter().map(|name| json!({"name": name, "labels": {"version": name}})).collect();
        json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": host.split('.').next(), "namespace": namespace}, "spec": {"host": host, "subsets": subsets}})
    };
    hosts.iter().map(rule).collect()
}

/// Every host beside a subset.
fn subsets_in<'v>(value: &'v Value, found: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str);
            let both = text("host").zip(text("subset").filter(|subset| !subset.is_empty()));
            found.extend(both);
            fields.values().for_each(|value| subsets_in(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| subsets_in(value, found)),
        _ => {}
    }
}

/// Names in it as they are here: of the namespace, of the caller, and of what TLS connections ask for; and the ports for connections.
fn at_home(text: &str, namespace: &str, host: &str) -> String {
    let (head, tls) = text.split_once("\n  tls:").map_or((text, None), |(head, tls)| (head, Some(tls)));
    let selectors = |text: &str| {
        text.replace("example.com]", &format!("{host}]")).replace("example.com,", &format!("{host},"))
    };
    let tls = tls.map(|tls| format!("\n  tls:{}", tls.replace("example.com", host))).unwrap_or_default();
    let head = match head.split_once("\n---") {
        Some((selected, rest)) if !tls.is_empty() => format!("{}\n---{rest}", selectors(selected)),
        _ => head.to_owned(),
    };
    let here = format!("{head}{tls}")
        .replace(".shop.svc", &format!(".{namespace}.svc"))
        .replace("app: game", "app: cart")
        .replace("sourceNamespace: checkout", &format!("sourceNamespace: {namespace}"));
    let ports = WRITTEN.iter().flat_map(|ports| ["port", "number"].map(|key| (key, ports)));
    ports.fold(here, |text, (key, (written, own))| {
        text.replace(&format!("{key}: {written}"), &format!("{key}: {own}"))
    })
}

/// Its callers are those of the gateway and of the Service that stands for it.
fn bind(spec: &mut Value, own: [String; 2]) {
    let mut hosts: Vec<Value> = own.into_iter().map(Value::from).collect();
    let mut gateways = vec![json!(GATEWAYS[0]), json!(INSIDE)];
    for kind in RouteKind::ALL {
        let gateway = if kind == RouteKind::Tcp { GATEWAYS[1] } else { GATEWAYS[0] };
        let routes = spec.get_mut(kind.as_str()).and_then(Value::as_array_mut).into_iter().flatten();
        for condition in routes.filter_map(|route| route.get_mut("match")?.as_array_mut()).flatten() {
            hosts.extend(condition["sniHosts"].as_array().into_iter().flatten().cloned());
            for name in condition.get_mut("gateways").and_then(Value::as_array_mut).into_iter().flatten() {
                if name != INSIDE {
                    *name = json!(gateway);
                    gateways.push(name.clone());
                }
            }
        }
    }
    hosts.sort_by_key(Value::to_string);
    hosts.dedup();
    gateways.sort_by_key(Value::to_string);
    gateways.dedup();
    spec["hosts"] = json!(hosts);
    spec["gateways"] = json!(gateways);
    spec.as_object_mut().and_then(|spec| spec.remove("exportTo"));
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

pub(super) fn host(shop: &Shop<'_>, name: &str) -> String {
    format!("{name}.{}.{DOMAIN}", shop.namespace)
}

/// The Service that stands for one.
pub(super) fn inside(namespace: &str, name: &str) -> String {
    Mesh::default().service_host(name, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goldens_that_teal_does_not_refuse_are_found() {
        let Names { edited, refused } = names().unwrap();
        assert!(edited.len() >= 40 && edited.iter().any(|name| name == "fifty-routes"), "{edited:?}");
        assert!(edited.iter().any(|name| name == "subset-of-both-versions"), "{edited:?}");
        assert!(refused.iter().any(|name| name == "weights-all-zero"), "{refused:?}");
    }

    #[test]
    fn each_subset_that_is_named_has_a_rule_and_that_of_a_candidate_a_copy() {
        let mut golden = Golden {
            name: "x".into(),
            address: String::new(),
            services: Vec::new(),
            routes: None,
            subsets: vec![Subset { service: "web".into(), name: "stable".into(), problem: None }],
            owners: json!({"tcp": [{"route": [{"destination": {"host": "web", "subset": "stable"}}]}],
                "http": [{"mirror": {"host": "web", "subset": "shadow"}, "route": [{"destination": {"host": "api", "subset": ""}}]}]}),
            now: Value::Null,
        };
        let told = |golden: &Golden| -> Vec<(Value, Value)> {
            let rules = rules("goldens", std::slice::from_ref(golden));
            rules
                .into_iter()
                .map(|rule| (rule["spec"]["host"].clone(), rule["spec"]["subsets"].clone()))
                .collect()
        };
        let subset = |name: &str| json!({"name": name, "labels": {"version": name}});
        let host = |name: &str| json!(format!("{name}.goldens.svc.cluster.local"));
        let live = (host("web"), json!([subset("shadow"), subset("stable")]));
        assert_eq!(told(&golden), [(host("web-candidate"), json!([subset("stable")])), live.clone()]);
        golden.subsets.clear();
        assert_eq!(told(&golden), [live]);
    }

    #[test]
    fn names_are_those_of_the_story() {
        let text = "services: [shop/web]\nroutes: [{tls: {port: 443, sniHosts: [shop.example.com]}}]\n---\nspec:\n  hosts: [a]\n  tls:\n  - match: [{sniHosts: [shop.example.com]}]";
        let here = at_home(text, "goldens", "x.goldens.golden.example");
        assert_eq!(here.matches("shop.x.goldens.golden.example").count(), 2, "{here}");
        assert!(here.contains(&format!("port: {GOLDEN_TLS}")), "{here}");
        let tcp = at_home(
            "- match: [{port: 9000}]\n  route: [{destination: {host: web, port: {number: 9000}}}]",
            "a",
            "b",
        );
        assert_eq!(tcp.matches(&format!(": {GOLDEN_TCP}}}")).count(), 2, "{tcp}");
        let mut spec = json!({"hosts": ["a"], "exportTo": ["b"], "gateways": ["front"],
            "tcp": [{"match": [{"gateways": ["front", "mesh"]}]}], "tls": [{"match": [{"sniHosts": ["x"]}]}]});
        bind(&mut spec, ["own".into(), "inside".into()]);
        let wanted = json!({"hosts": ["inside", "own", "x"], "gateways": ["golden", "golden-tcp", "mesh"],
            "tcp": [{"match": [{"gateways": ["golden-tcp", "mesh"]}]}], "tls": [{"match": [{"sniHosts": ["x"]}]}]});
        assert_eq!(spec, wanted);
    }
}
