//! Rules 12 and 13, Sidecars: what is found around the traffic, and what is not.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_traffic::{
    Condition, Exports, Finding, Listed, Mesh, RoleService, RouteSelector, Scope, delegates,
    gateway_namespaces, holds_in_mesh, hosts_not_exported, is_delegate, policy_gaps, selector_overlaps,
    shared_routes, unmanaged_routes,
};

use crate::support::yaml;

fn web() -> RoleService {
    RoleService::new("shop", "web")
}

fn sidecar(namespace: &str, hosts: &str) -> Value {
    yaml(&format!(
        "{{kind: Sidecar, metadata: {{name: default, namespace: {namespace}}}, spec: {{egress: [{{hosts: {hosts}}}]}}}}"
    ))
}

#[test]
fn a_sidecar_that_lets_only_web_through_is_found() {
    for (namespace, hosts, found) in [
        ("shop", "['./*']", false),
        ("shop", "['./web.shop.svc.cluster.local']", true),
        ("shop", "['./web.shop.svc.cluster.local', './web-candidate.shop.svc.cluster.local']", false),
        ("shop", "['*/*.shop.svc.cluster.local']", false),
        ("front", "['./*', 'shop/web.shop.svc.cluster.local']", true),
        ("front", "['./*']", false),
        ("front", "['shop/*']", false),
        ("front", "['~/*']", false),
        ("istio-system", "['./web.shop.svc.cluster.local']", true),
        ("front", "['*/web.shop.svc.cluster.local', 'shop/*']", false),
    ] {
        let findings = hosts_not_exported(&[sidecar(namespace, hosts)], &web(), &Mesh::default());
        assert_eq!(!findings.is_empty(), found, "{namespace} {hosts}");
    }
    let findings = hosts_not_exported(
        &[sidecar("front", "['shop/web.shop.svc.cluster.local']")],
        &web(),
        &Mesh::default(),
    );
    assert_eq!(findings[0].condition.as_str(), "HostNotExported");
    assert_eq!(
        findings[0].message,
        "Sidecar front/default: spec.egress[0].hosts lets its proxies reach web but not \
         web-candidate.shop.svc.cluster.local: add it"
    );
}

#[test]
fn rule_12_routes_that_name_web_but_are_not_listed_are_found() {
    let listed = yaml(
        "{kind: VirtualService, metadata: {name: web, namespace: shop}, spec: {
           http: [{name: primary, route: [{destination: {host: web}}]}, {name: beta, route: [{destination: {host: web}}]}],
           tcp: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}}",
    );
    let other = yaml(
        "{kind: VirtualService, metadata: {name: mesh, namespace: front}, spec: {http: [
           {route: [{destination: {host: web}}]}, {route: [{destination: {host: web.shop.svc.cluster.local}}]}]}}",
    );
    let entry = |routes: Option<&str>| Listed {
        namespace: "shop".into(),
        name: "web".into(),
        routes: routes.map(|name| vec![RouteSelector::named(name)]),
    };
    let objects = [listed, other];
    let fields = |entry: &Listed| -> Vec<String> {
        unmanaged_routes(&objects, &[web()], std::slice::from_ref(entry), &Mesh::default())
            .into_iter()
            .map(|finding| format!("{} {}", finding.object.name, finding.field))
            .collect()
    };
    assert_eq!(fields(&entry(None)), ["web spec.tcp[0]", "mesh spec.http[1]"]);
    assert_eq!(
        fields(&entry(Some("primary"))),
        ["web spec.http[1] (beta)", "web spec.tcp[0]", "mesh spec.http[1]"]
    );
}

#[test]
fn rule_12_of_a_route_in_another_namespace_is_said_that_it_must_move() {
    let route = yaml(
        "{kind: VirtualService, metadata: {name: mesh, namespace: front}, spec: {http: [
           {route: [{destination: {host: web.shop.svc.cluster.local}}]}]}}",
    );
    let found = unmanaged_routes(&[route], &[web()], &[], &Mesh::default());
    assert!(found[0].message.contains("so move the route there"), "{}", found[0].message);
}

#[test]
fn rule_9_callers_are_where_the_gateways_are_and_where_the_service_is_known() {
    let of = |gateways: &str| {
        let object =
            yaml(&format!("{{metadata: {{name: web, namespace: shop}}, spec: {{gateways: {gateways}}}}}"));
        (gateway_namespaces(&object), holds_in_mesh(&object))
    };
    for (gateways, namespaces, in_mesh) in [
        ("[]", vec![], true),
        ("[mesh]", vec![], true),
        ("[public, mesh]", vec!["shop"], true),
        ("[edge/public, ./own, edge/private]", vec!["edge", "shop"], false),
        ("[gw.edge.svc.cluster.local]", vec!["edge"], false),
        ("[gw.edge, gw.front.svc.corp.local, edge/gw.x]", vec!["edge", "front"], false),
    ] {
        let namespaces: Vec<String> = namespaces.into_iter().map(str::to_owned).collect();
        assert_eq!(of(gateways), (namespaces, in_mesh), "{gateways}");
    }
    for (to, known) in [("'*'", true), ("'., front'", true), ("'.'", false), ("'~'", false), ("back", false)]
    {
        let service = yaml(&format!(
            "{{metadata: {{name: web, namespace: shop, annotations: {{networking.istio.io/exportTo: {to}}}}}}}"
        ));
        assert_eq!(Exports::of_service(&service).reach("front"), known, "{to}");
    }
    assert!(Exports::of_service(&yaml("{metadata: {name: web, namespace: shop}}")).reach("front"));
}

#[test]
fn a_delegate_has_no_hosts_and_is_named_by_its_roots() {
    let root = yaml(
        "{metadata: {name: edge, namespace: front}, spec: {hosts: [x.example], http: [{delegate: {name: own}},
           {route: []}, {delegate: {name: web, namespace: shop}}]}}",
    );
    assert_eq!(delegates(&root).collect::<Vec<_>>(), [("front", "own"), ("shop", "web")]);
    assert!(!is_delegate(&root));
    assert!(is_delegate(&yaml("{metadata: {name: web, namespace: shop}, spec: {http: []}}")));
}

#[test]
fn a_delegate_says_whose_it_may_be() {
    for (to, root, expected) in [
        ("[]", "front", true),
        ("['*']", "front", true),
        ("[edge, front]", "front", true),
        ("[edge]", "front", false),
        ("['.']", "front", false),
        ("['.']", "shop", true),
        ("['~']", "shop", false),
    ] {
        let delegate = yaml(&format!(
            "{{metadata: {{name: web, namespace: shop}}, spec: {{exportTo: {to}, http: []}}}}"
        ));
        assert_eq!(Exports::of_delegate(&delegate).reach(root), expected, "{to} {root}");
    }
}

#[test]
fn rule_13_a_policy_attached_to_service_web_alone_is_found() {
    let policy = |name: &str, kind: &str, targets: &str, action: &str| {
        yaml(&format!(
            "{{kind: {kind}, metadata: {{name: {name}, namespace: shop}}, spec: {{targetRefs: {targets}, action: {action}}}}}"
        ))
    };
    let live = "[{kind: Service, group: '', name: web}]";
    let both = "[{kind: Service, name: web}, {kind: Service, name: web-candidate}]";
    let candidate = "[{kind: Service, group: core, name: web-candidate}]";
    let gaps = |policies: &[Value]| -> Vec<Finding> { policy_gaps(policies, &web()) };

    let alone = policy("only-staff", "AuthorizationPolicy", live, "DENY");
    let found = gaps(std::slice::from_ref(&alone));
    assert_eq!(found[0].condition, Condition::PolicyGap);
    assert!(found[0].message.starts_with("AuthorizationPolicy shop/only-staff: spec.targetRefs"));
    assert!(found[0].message.contains("add web-candidate there too"));

    assert_eq!(gaps(&[policy("a", "AuthorizationPolicy", both, "DENY")]), []);
    assert_eq!(gaps(&[alone.clone(), policy("b", "AuthorizationPolicy", candidate, "DENY")]), []);
    assert_eq!(gaps(&[alone.clone(), policy("b", "AuthorizationPolicy", candidate, "ALLOW")]).len(), 1);
    assert_eq!(gaps(&[alone, policy("b", "RequestAuthentication", candidate, "DENY")]).len(), 1);
    assert_eq!(gaps(&[policy("a", "AuthorizationPolicy", "[{kind: Gateway, name: web}]", "DENY")]), []);
    let single = yaml(
        "{kind: RequestAuthentication, metadata: {name: jwt, namespace: shop}, spec: {targetRef: {kind: Service, name: web}}}",
    );
    assert_eq!(gaps(&[single]).len(), 1);

    // Each with each, it would be a hundred million times.
    let of = |targets: &str, name: &str| {
        let mut policy = policy(name, "AuthorizationPolicy", targets, "DENY");
        policy["spec"]["rules"] = json!([{"from": name}]);
        policy
    };
    let pairs =
        (0..5_000).flat_map(|number| [of(live, &number.to_string()), of(candidate, &number.to_string())]);
    let mut many: Vec<Value> = pairs.collect();
    assert_eq!(gaps(&many), []);
    many.push(of(live, "another"));
    assert_eq!(gaps(&many).len(), 1);
}

#[test]
fn rule_12_another_service_that_selects_candidate_pods_is_found() {
    let pods: BTreeMap<String, String> = [("app", "web"), ("teal.dev/color", "green")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let object = |kind: &str, name: &str, spec: &str| {
        yaml(&format!("{{kind: {kind}, metadata: {{name: {name}, namespace: shop}}, spec: {spec}}}"))
    };
    let found = |object: &Value| {
        !selector_overlaps(std::slice::from_ref(object), "shop", &pods, &["web".into()]).is_empty()
    };
    for (kind, name, spec, expected) in [
        ("Service", "metrics", "{selector: {app: web}}", true),
        ("Service", "metrics", "{selector: {app: web, teal.dev/color: blue}}", false),
        ("Service", "metrics", "{selector: {}}", false),
        ("Service", "metrics", "{}", false),
        ("Service", "web", "{selector: {app: web}}", false),
        ("ServiceEntry", "vm", "{workloadSelector: {labels: {app: web}}}", true),
        ("ServiceEntry", "vm", "{workloadSelector: {labels: {app: vm}}}", false),
        ("ServiceEntry", "web", "{workloadSelector: {}}", true),
        ("ServiceEntry", "outside", "{hosts: [example.com]}", false),
    ] {
        assert_eq!(found(&object(kind, name, spec)), expected, "{kind} {name} {spec}");
    }
    let mut elsewhere = object("Service", "metrics", "{selector: {app: web}}");
    elsewhere["metadata"]["namespace"] = "other".into();
    assert!(!found(&elsewhere));
}

#[test]
fn a_route_of_two_rollouts_is_found_whatever_its_weights_are() {
    let virtual_service = yaml(
        "{kind: VirtualService, metadata: {name: shop, namespace: shop}, spec: {http: [
           {name: both, route: [{destination: {host: web}, weight: 60}, {destination: {host: api}, weight: 30}]},
           {name: web, route: [{destination: {host: web, subset: v1}}]},
           {route: [{destination: {host: api}}]}]}}",
    );
    let mesh = Mesh::default();
    let shared = |web: Option<&[RouteSelector]>, api: Option<&[RouteSelector]>| {
        let services = [[RoleService::new("shop", "web")], [RoleService::new("shop", "api")]];
        let [web, api] = [(&services[0], web), (&services[1], api)]
            .map(|(services, routes)| Scope::of(&mesh, services, routes));
        shared_routes(&virtual_service, &web, &api).unwrap()
    };
    let both = [RouteSelector::named("both")];
    let own = [RouteSelector::named("web")];
    assert_eq!(shared(None, None), ["spec.http[0] (both)"]);
    assert_eq!(shared(Some(&both), None), ["spec.http[0] (both)"]);
    assert_eq!(shared(Some(&own), None), [] as [&str; 0]);
    assert_eq!(shared(None, Some(&own)), [] as [&str; 0], "that route leads to none of its Services");
}
