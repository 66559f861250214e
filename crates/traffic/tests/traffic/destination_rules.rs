//! Rule 9: what a `DestinationRule` gives to `web` holds for its candidate.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teal_traffic::{Mesh, RoleService, applicable, candidate_rules, is_outdated};

use crate::support::yaml;

const TLS: &str = "{tls: {mode: ISTIO_MUTUAL}, loadBalancer: {consistentHash: {httpHeaderName: x-user}}}";

fn rule(namespace: &str, name: &str, host: &str, more: &str) -> Value {
    yaml(&format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: {name}, namespace: {namespace}}},
          spec: {{host: '{host}', {more}}}}}"
    ))
}

fn policy(namespace: &str, name: &str, host: &str) -> Value {
    rule(namespace, name, host, &format!("trafficPolicy: {TLS}"))
}

fn copies(rules: &[Value], clients: &[&str]) -> Result<Vec<Value>, teal_traffic::Refusal> {
    let labels = BTreeMap::from([("teal.dev/rollout".to_owned(), "web".to_owned())]);
    let clients: Vec<String> = clients.iter().map(|client| (*client).to_owned()).collect();
    candidate_rules(rules, &RoleService::new("shop", "web"), &clients, &Mesh::default(), &labels)
}

fn picked(rules: &[Value], client: &str) -> Vec<String> {
    applicable(rules, "web.shop.svc.cluster.local", "shop", client, &Mesh::default())
        .iter()
        .map(|rule| rule["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn rule_9_the_copy_keeps_the_policy_and_replaces_the_host() {
    let rules = [rule(
        "shop",
        "web",
        "web",
        &format!("exportTo: ['.', gateways], trafficPolicy: {TLS}, subsets: [{{name: v1}}]"),
    )];
    let found = copies(&rules, &["gateways"]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0],
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "web-candidate", "namespace": "shop", "labels": {"teal.dev/rollout": "web"},
                         "annotations": {"teal.dev/copied-from": "shop/web"}},
            "spec": {"host": "web-candidate", "exportTo": [".", "gateways"], "trafficPolicy": yaml(TLS)},
        })
    );
    let mut changed = found[0].clone();
    changed["spec"]["trafficPolicy"]["tls"]["mode"] = json!("DISABLE");
    assert!(is_outdated(&changed, &found[0]) && !is_outdated(&found[0], &found[0]));
    assert_eq!(
        copies(&[rules[0].clone(), found[0].clone()], &[]).unwrap(),
        found,
        "our own copy is passed over"
    );
}

#[test]
fn rule_9_full_names_stay_full() {
    let found = copies(&[policy("shop", "web", "web.shop.svc.cluster.local")], &[]).unwrap();
    assert_eq!(found[0]["spec"]["host"], "web-candidate.shop.svc.cluster.local");
}

#[test]
fn rule_9_a_wildcard_that_covers_both_needs_no_copy() {
    for host in ["*.shop.svc.cluster.local", "*.local", "*"] {
        assert_eq!(copies(&[policy("shop", "all", host)], &[]).unwrap(), Vec::<Value>::new(), "{host}");
    }
}

#[test]
fn rule_9_exact_wins_over_wildcard_and_so_does_its_copy() {
    let rules = [
        rule("shop", "all", "*.local", "trafficPolicy: {tls: {mode: DISABLE}}"),
        policy("shop", "web", "web"),
    ];
    assert_eq!(picked(&rules, "shop"), ["web"]);
    let found = copies(&rules, &[]).unwrap();
    assert_eq!(found[0]["metadata"]["name"], "web-candidate");
    // An exact rule without a policy hides the wildcard from web, so the candidate needs one too.
    let rules = [rules[0].clone(), rule("shop", "web", "web", "subsets: []")];
    let found = copies(&rules, &[]).unwrap();
    assert_eq!(found[0]["spec"], json!({"host": "web-candidate"}));
    assert_eq!(copies(&rules[1..], &[]).unwrap(), Vec::<Value>::new());
}

#[test]
fn rule_9_lookup_goes_client_service_root() {
    let host = "web.shop.svc.cluster.local";
    let root = policy("istio-system", "root", host);
    let service = policy("shop", "service", "web");
    let client = policy("front", "client", host);
    assert_eq!(picked(&[root.clone(), service.clone(), client.clone()], "front"), ["client"]);
    assert_eq!(picked(&[root.clone(), service.clone(), client.clone()], "back"), ["service"]);
    assert_eq!(picked(&[root.clone(), client.clone()], "back"), ["root"]);
    let private = rule("shop", "private", "web", &format!("exportTo: ['.'], trafficPolicy: {TLS}"));
    assert_eq!(picked(&[root.clone(), private.clone()], "back"), ["root"]);
    assert_eq!(picked(&[root.clone(), private], "shop"), ["private"]);
    let narrow = rule("shop", "narrow", "web", &format!("exportTo: [front], trafficPolicy: {TLS}"));
    assert_eq!(picked(&[root.clone(), narrow], "back"), ["root"]);
    // A short name means the rule's own namespace.
    assert_eq!(picked(&[policy("front", "short", "web")], "front"), Vec::<String>::new());
    // For clients in the root namespace the Service's rule is not hidden by the one for everyone.
    assert_eq!(picked(&[root, service], "istio-system"), ["service"]);
}

#[test]
fn rule_9_a_rule_of_the_root_namespace_is_copied_beside_the_service() {
    let found = copies(&[policy("istio-system", "web", "web.shop.svc.cluster.local")], &["front"]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["metadata"]["namespace"], "shop");
    assert_eq!(found[0]["metadata"]["annotations"]["teal.dev/copied-from"], "istio-system/web");
}

#[test]
fn rule_9_what_can_not_be_copied_is_refused() {
    let client = policy("front", "web", "web.shop.svc.cluster.local");
    let refusal = copies(std::slice::from_ref(&client), &["front"]).unwrap_err();
    assert_eq!(refusal.reason(), "DestinationRuleUnsupported");
    let message = refusal.to_string();
    assert!(message.starts_with("DestinationRule front/web:"), "{message}");
    assert!(message.contains("move it to namespace shop with exportTo"), "{message}");
    let twin = policy("front", "web-c", "web-candidate.shop.svc.cluster.local");
    assert_eq!(copies(&[client, twin], &["front"]).unwrap(), Vec::<Value>::new(), "its owner made the copy");

    let other = rule("shop", "mine", "web-candidate", "trafficPolicy: {tls: {mode: DISABLE}}");
    let message = copies(&[policy("shop", "web", "web"), other.clone()], &[]).unwrap_err().to_string();
    assert!(message.starts_with("DestinationRule shop/mine:") && message.contains("remove it"), "{message}");
    assert!(copies(&[other], &[]).is_err());

    let private = rule("shop", "web", "web", &format!("exportTo: ['.'], trafficPolicy: {TLS}"));
    let root = policy("istio-system", "web", "web.shop.svc.cluster.local");
    let message = copies(&[private, root], &["front"]).unwrap_err().to_string();
    assert!(message.contains("rules of two namespaces"), "{message}");
}

#[test]
fn of_several_rules_for_one_host_the_oldest_policy_counts() {
    let mut old = policy("shop", "z-old", "web");
    old["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut young = rule("shop", "a-young", "web", "trafficPolicy: {tls: {mode: DISABLE}}");
    young["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
    let subsets = rule("shop", "subsets", "web", "subsets: [{name: v1}]");
    let found = copies(&[young, subsets, old], &[]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["metadata"]["name"], "z-old-candidate");
}
