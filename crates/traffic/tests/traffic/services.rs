//! Rules 10 and 11: role Services.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_traffic::{
    Direction, RoleService, Switch, candidate_service, follow_live, is_local, is_reached_late,
    overlap_problem, port_changes, repoint, service_problem, switch, unlike,
};

use crate::support::{apply, stamp, yaml};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn service(spec: &str) -> Value {
    yaml(&format!(
        "{{kind: Service, metadata: {{name: web, namespace: shop, uid: u1, resourceVersion: '5', annotations: {{}}}}, spec: {spec}}}"
    ))
}

#[test]
fn rule_10_the_candidates_service_copies_what_the_mesh_reads_and_no_more() {
    let live = yaml(
        "kind: Service
metadata:
  name: web
  namespace: shop
  labels: {app: web, istio.io/use-waypoint: shop-waypoint, istio.io/use-waypoint-namespace: infra, release: prometheus}
  annotations: {networking.istio.io/exportTo: 'shop,front', prometheus.io/scrape: 'true'}
spec:
  type: LoadBalancer
  clusterIP: 10.0.0.7
  loadBalancerClass: x
  loadBalancerIP: 192.0.2.7
  loadBalancerSourceRanges: [192.0.2.0/24]
  allocateLoadBalancerNodePorts: true
  externalIPs: [192.0.2.8]
  externalTrafficPolicy: Local
  healthCheckNodePort: 30999
  selector: {app: web}
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  trafficDistribution: PreferClose
  ports:
  - {name: http-main, port: 80, targetPort: http, appProtocol: http2, protocol: TCP, nodePort: 30080}
  - {name: grpc, port: 9090}",
    );
    let made = candidate_service(
        &live,
        &RoleService::new("shop", "web"),
        &labels(&[("teal.dev/rollout", "web"), ("teal.dev/revision", "r2-ab")]),
        &labels(&[("teal.dev/role", "candidate")]),
    )
    .unwrap();
    assert_eq!(
        made,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "web-candidate", "namespace": "shop",
                "labels": {"teal.dev/role": "candidate", "istio.io/use-waypoint": "shop-waypoint",
                           "istio.io/use-waypoint-namespace": "infra"},
                "annotations": {"networking.istio.io/exportTo": "shop,front"},
            },
            "spec": {
                "type": "ClusterIP",
                "selector": {"teal.dev/rollout": "web", "teal.dev/revision": "r2-ab"},
                "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
                "trafficDistribution": "PreferClose",
                "ports": [
                    {"name": "http-main", "port": 80, "targetPort": "http", "appProtocol": "http2", "protocol": "TCP"},
                    {"name": "grpc", "port": 9090},
                ],
            },
        })
    );
}

/// A live Service as the API server has it, and the candidate's made from it.
fn pair() -> (Value, Value) {
    let live = yaml(
        "kind: Service
metadata:
  name: web
  namespace: shop
  uid: u1
  resourceVersion: '5'
  labels: {app: web, istio.io/use-waypoint: shop}
  annotations: {networking.istio.io/exportTo: '.'}
spec:
  type: ClusterIP
  clusterIP: 10.0.0.7
  selector: {app: web}
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  internalTrafficPolicy: Cluster
  ipFamilies: [IPv4]
  ports: [{name: http, port: 80, protocol: TCP, appProtocol: http2}, {name: dns, port: 80, protocol: UDP}]",
    );
    let role = RoleService::new("shop", "web");
    let mut candidate = candidate_service(
        &live,
        &role,
        &labels(&[("app", "web")]),
        &labels(&[("teal.dev/role", "candidate")]),
    )
    .unwrap();
    candidate["metadata"]["resourceVersion"] = json!("9");
    candidate["spec"]["clusterIP"] = json!("10.0.0.8");
    (live, candidate)
}

#[test]
fn rule_10_the_candidates_service_follows_the_live_one() {
    let (live, candidate) = pair();
    assert_eq!(follow_live(&live, &candidate, &[]), Ok(None), "nothing differs");
    for (what, path, value) in [
        ("exported to all", "/metadata/annotations/networking.istio.io~1exportTo", json!("*")),
        ("another waypoint", "/metadata/labels/istio.io~1use-waypoint", json!("edge")),
        ("no affinity", "/spec/sessionAffinity", json!("None")),
        ("local alone", "/spec/internalTrafficPolicy", json!("Local")),
        ("another protocol", "/spec/ports/0/appProtocol", json!("grpc")),
    ] {
        let mut live = live.clone();
        *live.pointer_mut(path).unwrap() = value.clone();
        let patch = follow_live(&live, &candidate, &[]).unwrap().unwrap();
        let mut now = candidate.clone();
        apply(&mut now, &patch).unwrap();
        assert_eq!(now.pointer(path), Some(&value), "{what}");
        assert_eq!(now["spec"]["selector"], candidate["spec"]["selector"], "{what}");
        assert_eq!(follow_live(&live, &now, &[]), Ok(None), "{what}: and rests");
        assert!(apply(&mut now, &patch).is_err(), "{what}: another version");
    }
}

/// Without the first of them requests of gateways go past the waypoint, and past what is allowed there.
#[test]
fn rule_10_all_that_the_mesh_reads_beside_the_spec_goes_along_and_follows() {
    let (mut live, candidate) = pair();
    let role = RoleService::new("shop", "web");
    for (map, key) in [
        ("labels", "istio.io/ingress-use-waypoint"),
        ("labels", "istio.io/use-waypoint-canary"),
        ("labels", "istio.io/use-waypoint-canary-namespace"),
        ("annotations", "networking.istio.io/traffic-distribution"),
    ] {
        live["metadata"][map][key] = json!("true");
        let patch = follow_live(&live, &candidate, &[]).unwrap().unwrap();
        let mut now = candidate.clone();
        apply(&mut now, &patch).unwrap();
        assert_eq!(now["metadata"][map][key], "true", "{key}");
        let made = candidate_service(&live, &role, &labels(&[]), &labels(&[])).unwrap();
        assert_eq!(made["metadata"][map][key], "true", "{key}");
    }
}

#[test]
fn rule_10_what_live_no_longer_has_goes_from_the_candidate_too() {
    let (mut live, candidate) = pair();
    for (at, key) in [
        ("/metadata/annotations", "networking.istio.io/exportTo"),
        ("/metadata/labels", "istio.io/use-waypoint"),
        ("/spec", "sessionAffinityConfig"),
        ("/spec/ports/0", "appProtocol"),
    ] {
        live.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(key);
    }
    let mut now = candidate;
    now["metadata"]["annotations"]["epoch.teal.dev/uid-1"] = json!("4");
    let patch = follow_live(&live, &now, &[]).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    assert_eq!(now["metadata"]["annotations"], json!({"epoch.teal.dev/uid-1": "4"}));
    assert_eq!(now["metadata"]["labels"], json!({"teal.dev/role": "candidate"}));
    assert_eq!(now["spec"].get("sessionAffinityConfig"), None);
    assert_eq!(now["spec"]["ports"][0].get("appProtocol"), None);
}

#[test]
fn rule_10_what_a_revision_writes_of_its_ports_counts_more_than_what_live_says() {
    let (mut live, candidate) = pair();
    live["spec"]["ports"][0]["appProtocol"] = json!("http");
    let written = [json!({"name": "http", "port": 80, "appProtocol": "http2"})];
    assert_eq!(follow_live(&live, &candidate, &written), Ok(None));
}

#[test]
fn rule_11_of_a_release_s_service_what_the_cluster_has_not_is_listed() {
    let (live, _) = pair();
    let written =
        |metadata: &str, spec: &str| unlike(&live, &yaml(&format!("{{metadata: {metadata}, spec: {spec}}}")));
    let nothing: [&str; 0] = [];
    assert_eq!(
        written("{annotations: {teal.dev/hash: v1, epoch.teal.dev/x: '1'}}", "{ports: [], selector: {a: b}}"),
        nothing
    );
    assert_eq!(
        written("{labels: {app: other, helm.sh/chart: web-2}}", "{}"),
        nothing,
        "labels of a chart change with it"
    );
    assert_eq!(
        written("{}", "{publishNotReadyAddresses: false, type: ClusterIP, externalName: ''}"),
        nothing
    );
    assert_eq!(written("{}", "{sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}}"), nothing);
    assert_eq!(
        written(
            "{annotations: {networking.istio.io/exportTo: '*', owner: me}, labels: {istio.io/use-waypoint: edge}}",
            "{type: LoadBalancer, publishNotReadyAddresses: true, sessionAffinityConfig: {clientIP: {timeoutSeconds: 9}}}",
        ),
        [
            "metadata.annotations[networking.istio.io/exportTo]",
            "metadata.annotations[owner]",
            "metadata.labels[istio.io/use-waypoint]",
            "spec.publishNotReadyAddresses",
            "spec.sessionAffinityConfig",
            "spec.type",
        ]
    );
}

#[test]
fn rule_11_services_that_can_not_carry_roles_are_refused() {
    for (spec, field, says) in [
        (
            "{type: ExternalName, externalName: x.example.com}",
            "spec.type",
            "name the Service that selects them",
        ),
        ("{clusterIP: None, selector: {app: web}, ports: [{port: 80}]}", "spec.clusterIP", "headless"),
        ("{ports: [{port: 80}]}", "spec.selector", "give it the labels"),
        ("{selector: {}, ports: [{port: 80}]}", "spec.selector", "give it the labels"),
        ("{selector: {app: web}}", "spec.ports", "add the port"),
        ("{selector: {app: web}, ports: []}", "spec.ports", "add the port"),
    ] {
        let refusal = service_problem(&service(spec)).unwrap_err();
        assert_eq!(refusal.reason(), "ServiceUnsupported");
        let message = refusal.to_string();
        assert!(
            message.starts_with(&format!("Service shop/web: {field}: ")) && message.contains(says),
            "{message}"
        );
        let role = RoleService::new("shop", "web");
        assert!(candidate_service(&service(spec), &role, &labels(&[]), &labels(&[])).is_err());
    }
    assert_eq!(service_problem(&service("{selector: {app: web}, ports: [{port: 80}]}")), Ok(()));
}

#[test]
fn rule_11_a_removed_or_renumbered_port_is_refused() {
    let ports = |ports: &str| service(&format!("{{selector: {{app: web}}, ports: {ports}}}"));
    let old = ports("[{name: http, port: 80, targetPort: 8080}, {name: grpc, port: 9090}]");
    for (new, says) in [
        ("[{name: http, port: 81}, {name: grpc, port: 9090}]", "port http changes from 80 to 81"),
        ("[{name: http, port: 80}]", "port grpc is removed"),
        ("[{name: web, port: 80}, {name: grpc, port: 9090}]", "port http is renamed to port web"),
        (
            "[{name: http, port: 80, protocol: UDP}, {name: grpc, port: 9090}]",
            "port http changes from TCP to UDP",
        ),
    ] {
        let refusal = port_changes(&old, &ports(new)).unwrap_err();
        assert_eq!(refusal.reason(), "PortChanged");
        assert!(refusal.to_string().contains(says), "{refusal}");
    }
    for new in [
        "[{name: grpc, port: 9090, protocol: TCP}, {name: http, port: 80, targetPort: 9999}]",
        "[{name: http, port: 80}, {name: grpc, port: 9090}, {name: more, port: 7}]",
    ] {
        assert_eq!(port_changes(&old, &ports(new)), Ok(()));
    }
    assert!(port_changes(&ports("[{port: 80}]"), &ports("[{port: 81}]")).is_err());
}

#[test]
fn rule_11_services_whose_callers_learn_of_other_pods_late_are_known() {
    for (spec, late) in [
        ("{type: ClusterIP}", false),
        ("{}", false),
        ("{internalTrafficPolicy: Cluster, externalTrafficPolicy: Cluster}", false),
        ("{type: LoadBalancer}", true),
        ("{type: NodePort}", true),
        ("{internalTrafficPolicy: Local}", true),
        ("{externalTrafficPolicy: Local, externalIPs: [10.9.9.9]}", true),
    ] {
        assert_eq!(is_reached_late(&service(spec)), late, "{spec}");
    }
    assert_eq!(
        is_local(&service("{type: NodePort, externalTrafficPolicy: Local}")),
        Some("externalTrafficPolicy")
    );
    assert_eq!(is_local(&service("{internalTrafficPolicy: Local}")), Some("internalTrafficPolicy"));
    assert_eq!(is_local(&service("{type: NodePort}")), None);
}

#[test]
fn rule_11_an_owner_may_say_how_a_service_is_turned() {
    let noted =
        |note: &str| yaml(&format!("{{metadata: {{name: web, namespace: shop, annotations: {note}}}}}"));
    assert_eq!(switch(&noted("{teal.dev/switch: AtOnce}")), Ok(Some(Switch::AtOnce)));
    assert_eq!(switch(&noted("{teal.dev/switch: Overlap}")), Ok(Some(Switch::Overlap)));
    assert_eq!(switch(&noted("{}")), Ok(None));
    let refusal = switch(&noted("{teal.dev/switch: atonce}")).unwrap_err();
    assert_eq!(refusal.reason(), "ObjectMalformed");
    let says = "Service shop/web: metadata.annotations[teal.dev/switch] must be Overlap or AtOnce";
    assert!(refusal.to_string().starts_with(says), "{refusal}");
}

#[test]
fn rule_11_what_one_selector_and_one_port_can_not_do_for_both_revisions_is_refused() {
    let ports = |ports: &str| service(&format!("{{selector: {{app: web}}, ports: {ports}}}"));
    let (web, shop) = (labels(&[("app", "web")]), labels(&[("app", "shop")]));
    let problem = |next: &BTreeMap<String, String>, old: &str, new: &str| {
        let there = ports(old)["spec"]["ports"].as_array().cloned().unwrap_or_default();
        overlap_problem((&web, next), &there, &ports(new))
    };
    for (next, old, new, says) in [
        (
            &shop,
            "[{port: 80}]",
            "[{port: 80}]",
            "spec.selector: is another one than that of the live revision",
        ),
        (
            &web,
            "[{name: http, port: 80, targetPort: 8080}]",
            "[{name: http, port: 80, targetPort: 9090}]",
            "spec.ports: port http changes its targetPort from 8080 to 9090",
        ),
        (
            &web,
            "[{port: 80}]",
            "[{port: 80, targetPort: http}]",
            "port 80 changes its targetPort from 80 to http",
        ),
    ] {
        let refusal = problem(next, old, new).unwrap_err();
        assert_eq!(refusal.reason(), "ServiceUnsupported");
        let message = refusal.to_string();
        assert!(message.starts_with("Service shop/web: ") && message.contains(says), "{message}");
        assert!(message.ends_with("by the annotation teal.dev/switch: AtOnce on the Service"), "{message}");
    }
    for (old, new) in [
        ("[{port: 80, targetPort: 80, protocol: TCP}]", "[{port: 80}]"),
        (
            "[{name: http, port: 80, targetPort: http}]",
            "[{name: http, port: 80, targetPort: http}, {name: b, port: 81}]",
        ),
    ] {
        assert_eq!(problem(&web, old, new), Ok(()));
    }
}

/// Each with each, it would be four hundred million times.
#[test]
fn of_very_many_ports_each_is_compared_with_its_like() {
    let of = |numbers: &mut dyn Iterator<Item = u32>, more: &Value| {
        let port = |number: u32| {
            let mut port = json!({"port": number, "targetPort": number, "nodePort": 30_000 + number});
            port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            port
        };
        let mut service = service("{selector: {app: web}}");
        service["spec"]["ports"] = numbers.map(port).collect();
        service
    };
    let there = of(&mut (1..=20_000).rev(), &json!({"protocol": "TCP"}));
    let same = of(&mut (1..=20_000), &json!({"appProtocol": "http"}));
    let ports = same["spec"]["ports"].as_array().unwrap();
    let web = labels(&[("app", "web")]);
    assert_eq!(port_changes(&there, &same), Ok(()));
    assert_eq!(overlap_problem((&web, &web), ports, &there), Ok(()));
    assert_eq!(unlike(&there, &same), [""; 0]);
    assert_eq!(follow_live(&there, &there, &[]), Ok(None));
    let mut now = there.clone();
    apply(&mut now, &follow_live(&there, &there, ports).unwrap().unwrap()).unwrap();
    assert!(now["spec"]["ports"].as_array().unwrap().iter().all(|port| port["appProtocol"] == "http"));
    let fewer = of(&mut (2..=20_000), &json!({}));
    let message = port_changes(&same, &fewer).unwrap_err().to_string();
    assert!(message.contains("port 1 is removed"), "{message}");
}

#[test]
fn rule_11_a_node_port_that_the_cluster_has_not_is_listed() {
    let ports = |ports: &str| service(&format!("{{selector: {{app: web}}, ports: {ports}}}"));
    let there = ports("[{name: http, port: 80, nodePort: 30080}, {name: more, port: 81, nodePort: 30081}]");
    let nothing: [&str; 0] = [];
    for same in ["[{port: 80, nodePort: 30080}]", "[{port: 80}]", "[{port: 82, nodePort: 30082}]"] {
        assert_eq!(unlike(&there, &ports(same)), nothing, "{same}");
    }
    assert_eq!(unlike(&there, &ports("[{port: 81, nodePort: 30099}]")), ["spec.ports[81].nodePort"]);
}

#[test]
fn rule_1_a_selector_write_has_the_guards_of_a_weight() {
    let live = service("{selector: {app: web, stray: x}, ports: [{port: 80}]}");
    let wanted = labels(&[("teal.dev/rollout", "web"), ("teal.dev/revision", "r2-ab")]);
    let forward = repoint(&live, &wanted, Direction::Forward, &stamp(4)).unwrap().unwrap();
    let mut now = live.clone();
    apply(&mut now, &forward).unwrap();
    assert_eq!(now["spec"]["selector"], json!(wanted), "the whole selector, stray keys too");
    assert_eq!(now["metadata"]["annotations"]["epoch.teal.dev/uid-1"], "4");
    assert_eq!(repoint(&now, &wanted, Direction::Forward, &stamp(9)).unwrap(), None);
    assert!(apply(&mut now, &forward).is_err(), "another version");
    assert!(repoint(&now, &labels(&[("a", "b")]), Direction::Forward, &stamp(3)).is_err(), "older epoch");

    let back = repoint(&now, &labels(&[("a", "b")]), Direction::Back, &stamp(3)).unwrap().unwrap();
    now["metadata"]["resourceVersion"] = json!("77");
    apply(&mut now, &back).unwrap();
    assert_eq!(now["spec"]["selector"], json!({"a": "b"}));
    assert_eq!(now["metadata"]["annotations"]["epoch.teal.dev/uid-1"], "4", "never lower");
    let mut recreated = now.clone();
    recreated["metadata"]["uid"] = json!("u2");
    assert!(apply(&mut recreated, &back).is_err());
}
