//! Rules 10 and 11: role Services.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_traffic::{
    Direction, RoleService, candidate_service, needs_overlap, port_changes, repoint, service_problem,
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
fn rule_11_services_reached_from_outside_need_an_overlap() {
    for (spec, expected) in [
        ("{type: ClusterIP}", false),
        ("{}", false),
        ("{type: LoadBalancer}", true),
        ("{type: NodePort}", true),
        ("{internalTrafficPolicy: Local}", true),
        ("{internalTrafficPolicy: Cluster}", false),
    ] {
        assert_eq!(needs_overlap(&service(spec)), expected, "{spec}");
    }
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
