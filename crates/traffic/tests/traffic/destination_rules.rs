//! Rule 9: what a `DestinationRule` gives to `web` holds for its candidate.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use teal_traffic::{Mesh, RoleService, applicable, candidate_rules, is_outdated, refresh};

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
    candidate_rules(
        rules,
        &RoleService::new("shop", "web"),
        &clients,
        (&Mesh::default(), &BTreeSet::new()),
        &labels,
    )
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
fn rule_9_a_copy_is_refreshed_as_a_whole_in_the_version_that_was_seen_and_keeps_what_others_noted() {
    let wanted = copies(&[policy("shop", "web", "web")], &[]).unwrap().remove(0);
    let mut there = wanted.clone();
    there["metadata"]["uid"] = json!("1234");
    there["metadata"]["resourceVersion"] = json!("77");
    there["metadata"]["annotations"]["example.com/note"] = json!("ours");
    assert_eq!(refresh(&there, &wanted), Ok(None), "it is as it should be");
    there["spec"]["trafficPolicy"] =
        json!({"loadBalancer": {"simple": "LEAST_REQUEST"}, "connectionPool": {}});
    there["metadata"]["labels"]["teal.dev/rollout"] = json!("another");
    let patch = refresh(&there, &wanted).unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(&patch).unwrap(),
        json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": "77"},
            {"op": "test", "path": "/metadata/uid", "value": "1234"},
            {"op": "add", "path": "/spec", "value": wanted["spec"]},
            {"op": "add", "path": "/metadata/labels/teal.dev~1rollout", "value": "web"},
            {"op": "add", "path": "/metadata/annotations/teal.dev~1copied-from", "value": "shop/web"},
        ])
    );
    let mut refreshed = there.clone();
    json_patch::patch(&mut refreshed, &patch.0).unwrap();
    assert_eq!(refreshed["metadata"]["annotations"]["example.com/note"], "ours");
    assert_eq!(refresh(&refreshed, &wanted), Ok(None));
    there["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert!(refresh(&there, &wanted).is_err(), "it can't be said which one is meant");
}

/// The pods of a gateway may run where no `Gateway` lies, so that nothing but the rule tells of them.
#[test]
fn rule_9_whom_a_rule_is_exported_to_is_a_client() {
    for (home, to, copied) in [
        ("shop", "[edge]", true),
        ("istio-system", "[edge, '.']", false),
        ("istio-system", "[edge]", true),
        ("front", "[edge]", false),
        ("shop", "['~']", false),
    ] {
        let more = format!("exportTo: {to}, trafficPolicy: {TLS}");
        let found = copies(&[rule(home, "web", "web.shop.svc.cluster.local", &more)], &[]);
        let is_copied =
            found.as_ref().is_ok_and(|found| found.iter().any(|copy| copy["spec"]["exportTo"] == yaml(to)));
        assert_eq!(is_copied, copied, "{home} {to}: {found:?}");
        assert_eq!(
            found.is_err(),
            to == "[edge, '.']",
            "what is kept by its namespace can't be copied to another"
        );
    }
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

/// The `Gateway` lies beside the Service, so that nobody names the namespace in which its pods are.
#[test]
fn rule_9_what_the_root_namespace_keeps_to_itself_can_not_be_copied() {
    let full = "web.shop.svc.cluster.local";
    for private in ["exportTo: ['.']", "workloadSelector: {matchLabels: {istio: ingressgateway}}"] {
        let root = rule("istio-system", "gateway-tls", full, &format!("{private}, trafficPolicy: {TLS}"));
        assert_eq!(picked(std::slice::from_ref(&root), "istio-system"), ["gateway-tls"], "{private}");
        assert_eq!(picked(std::slice::from_ref(&root), "shop"), Vec::<String>::new(), "{private}");
        let message = copies(std::slice::from_ref(&root), &[]).unwrap_err().to_string();
        assert!(message.starts_with("DestinationRule istio-system/gateway-tls:"), "{message}");
        assert!(message.contains("or add an equal rule with spec.host web-candidate.shop.svc"), "{message}");
        let twin = rule(
            "istio-system",
            "gateway-tls-c",
            "web-candidate.shop.svc.cluster.local",
            &format!("{private}, trafficPolicy: {TLS}"),
        );
        assert_eq!(copies(&[root, twin], &[]).unwrap(), Vec::<Value>::new(), "{private}");
    }
    let named = rule("istio-system", "web", full, &format!("exportTo: [istio-system], trafficPolicy: {TLS}"));
    assert_eq!(copies(&[named], &[]).unwrap()[0]["spec"]["exportTo"], json!(["istio-system"]));
}

/// A rule for the host alone that only the root namespace sees, and one for all hosts of shop.
fn beside_a_wildcard(policy: &str) -> [Value; 2] {
    let own = format!("exportTo: [istio-system], trafficPolicy: {policy}");
    [
        rule("shop", "all", "*.shop.svc.cluster.local", "trafficPolicy: {tls: {mode: DISABLE}}"),
        rule("istio-system", "web", "web.shop.svc.cluster.local", &own),
    ]
}

/// The copy is exact, so that it hides the wildcard beside it from those to whom it isn't exported.
#[test]
fn rule_9_a_copy_that_would_hide_another_rule_is_refused() {
    let rules = beside_a_wildcard(TLS);
    assert_eq!(copies(&rules, &[]).unwrap().len(), 1);
    let message = copies(&rules, &["front"]).unwrap_err().to_string();
    assert!(message.starts_with("DestinationRule istio-system/web: callers in namespace front"), "{message}");
}

fn many(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

/// Each with each, it would be hours: whoever writes a VirtualService or a rule must not keep others waiting.
#[test]
fn rule_9_neither_gateways_nor_rules_of_other_hosts_are_looked_through_for_each_other() {
    let gateways = many("gateway", 50_000);
    let clients: Vec<&str> = gateways.iter().map(String::as_str).collect();
    let mut rules: Vec<Value> = many("other", 1_000).iter().map(|name| policy("shop", name, name)).collect();
    rules.push(rule("shop", "web", "web", &format!("exportTo: ['*', gateway-7], trafficPolicy: {TLS}")));
    assert_eq!(copies(&rules, &clients).unwrap().len(), 1);
    rules.push(policy("gateway-41", "own", "web.shop.svc.cluster.local"));
    let message = copies(&rules, &clients).unwrap_err().to_string();
    assert!(message.starts_with("DestinationRule gateway-41/own:"), "of whichever it is: {message}");
    // All that no rule names are treated alike, and asked for once.
    let rules = beside_a_wildcard("{}");
    let message = copies(&rules, &clients).unwrap_err().to_string();
    assert!(message.contains("callers in namespace gateway-0 would not be under"), "{message}");
}

#[test]
fn rule_9_more_rules_for_a_host_than_can_be_looked_through_are_refused() {
    let of = |count| -> Vec<Value> {
        many("rule", count)
            .iter()
            .map(|name| rule("shop", name, "web", &format!("exportTo: [{name}]")))
            .collect()
    };
    assert_eq!(copies(&of(100), &[]).unwrap(), Vec::<Value>::new());
    for count in [101, 5_000] {
        let refusal = copies(&of(count), &[]).unwrap_err();
        assert_eq!(refusal.reason(), "DestinationRuleUnsupported");
        let message = refusal.to_string();
        assert!(message.starts_with("DestinationRule shop/rule-"), "{message}");
        assert!(
            message.contains(&format!("spec.host: {count} rules cover web or web-candidate")),
            "{message}"
        );
        assert!(message.contains("remove those that nobody needs"), "{message}");
    }
}

#[test]
fn rule_9_more_namespaces_than_rules_may_tell_apart_are_refused() {
    let gateways = many("gateway", 50_000);
    let clients: Vec<&str> = gateways.iter().map(String::as_str).collect();
    for (named, refused) in [(90, false), (1_000, false), (20_000, true)] {
        let to = gateways[..named].join(", ");
        let rules = [
            policy("shop", "a", "*.shop.svc.cluster.local"),
            rule("shop", "web", "web", &format!("exportTo: [{to}]")),
        ];
        let found = copies(&rules, &clients);
        let Err(refusal) = found else {
            assert!(!refused, "{named}");
            continue;
        };
        let message = refusal.to_string();
        assert_eq!(message.contains("are not looked through"), refused, "{named}: {message}");
        if refused {
            let words = format!(
                "DestinationRule shop/web: spec.exportTo: the rules that cover web or web-candidate name {named} "
            );
            assert!(message.starts_with(&words), "{message}");
            assert!(message.contains("spec.gateways") && message.contains("name fewer"), "{message}");
        }
    }
}

const NAMESPACES: [&str; 3] = ["shop", "front", "istio-system"];

/// What istiod 1.31 gives to a client: policies by the workloads they are for, found as its source does it and not as
/// this crate does.
fn given(rules: &[Value], host: &str, client: &str) -> BTreeMap<String, Value> {
    let to = |rule: &Value| -> Vec<String> {
        if rule["spec"].get("workloadSelector").is_some() {
            return vec![".".into()];
        }
        serde_json::from_value(rule["spec"].get("exportTo").cloned().unwrap_or(json!([]))).unwrap()
    };
    let home = |rule: &Value| rule["metadata"]["namespace"].as_str().unwrap().to_owned();
    let private = |rule: &Value| to(rule) == ["."] || to(rule) == [home(rule)];
    let local = |rule: &Value| {
        let to = to(rule);
        to.is_empty() || to.iter().any(|to| to == "*" || to == "." || *to == home(rule))
    };
    let shown = |rule: &Value| {
        let to = to(rule);
        to.is_empty() || to.iter().any(|to| to == "*" || to == client || (to == "." && home(rule) == client))
    };
    let full = |rule: &Value| {
        let host = rule["spec"]["host"].as_str().unwrap();
        let short = !host.contains('.') && host != "*";
        if short { format!("{host}.{}.svc.cluster.local", home(rule)) } else { host.to_owned() }
    };
    let best = |pool: Vec<&Value>| -> Vec<Value> {
        let exact: Vec<Value> =
            pool.iter().filter(|rule| full(rule) == host).map(|rule| (*rule).clone()).collect();
        if !exact.is_empty() {
            return exact;
        }
        let matching = pool.iter().filter(|rule| {
            let pattern = full(rule);
            pattern.strip_prefix('*').is_some_and(|suffix| host.ends_with(suffix))
        });
        let longest = matching.clone().map(|rule| full(rule).len()).max();
        matching.filter(|rule| Some(full(rule).len()) == longest).map(|rule| (*rule).clone()).collect()
    };
    let of = |namespace: &str, which: &dyn Fn(&Value) -> bool| {
        best(rules.iter().filter(|rule| home(rule) == namespace && which(rule)).collect())
    };
    let exported = |namespace: &str| -> Vec<Value> {
        of(namespace, &|rule| !private(rule)).into_iter().filter(|rule| shown(rule)).collect()
    };
    let root = "istio-system";
    let own = if client == root { of(root, &private) } else { of(client, &local) };
    let found = [own, exported("shop"), exported(root)].into_iter().find(|found| !found.is_empty());
    let mut policies: BTreeMap<String, Value> = BTreeMap::new();
    for rule in found.unwrap_or_default() {
        let group = json!([rule["spec"].get("workloadSelector"), to(&rule)]).to_string();
        if let Some(policy) = rule["spec"].get("trafficPolicy") {
            policies.entry(group).or_insert_with(|| policy.clone());
        }
    }
    policies
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    let hosts = [
        "web",
        "web.shop.svc.cluster.local",
        "web-candidate.shop.svc.cluster.local",
        "*.local",
        "*.shop.svc.cluster.local",
    ];
    let exports = [
        "",
        "exportTo: ['*']",
        "exportTo: ['.']",
        "exportTo: [front]",
        "exportTo: [istio-system]",
        "exportTo: ['.', front]",
    ];
    let one = (
        select(NAMESPACES.to_vec()),
        select(hosts.to_vec()),
        select(exports.to_vec()),
        select(vec!["", "", "", "workloadSelector: {matchLabels: {istio: ingressgateway}}"]),
        select(vec!["", "trafficPolicy: {tls: {mode: DISABLE}}", "trafficPolicy: {tls: {mode: SIMPLE}}"]),
    );
    let one = one.prop_map(|(namespace, host, to, selector, policy)| {
        let parts: Vec<&str> = [to, selector, policy].into_iter().filter(|part| !part.is_empty()).collect();
        rule(namespace, "rule", host, &parts.join(", "))
    });
    proptest::collection::vec(one, 1..5).prop_map(|mut rules| {
        for (index, rule) in rules.iter_mut().enumerate() {
            rule["metadata"]["name"] = json!(format!("rule-{index}"));
            rule["metadata"]["creationTimestamp"] = json!(format!("2026-01-0{}T00:00:00Z", index + 1));
        }
        rules
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever rules there are, every client treats the candidate as it treats live, or it is refused.
    #[test]
    fn rule_9_every_client_treats_both_hosts_alike_or_it_is_refused(rules in rules(), front in any::<bool>()) {
        let clients: &[&str] = if front { &["front"] } else { &[] };
        if let Ok(copies) = copies(&rules, clients) {
            // What is made later is younger.
            let copies = copies.into_iter().map(|mut copy| {
                copy["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
                copy
            });
            let all: Vec<Value> = rules.iter().cloned().chain(copies).collect();
            for client in clients.iter().chain(&["shop", "istio-system"]) {
                let (live, candidate) = (
                    given(&all, "web.shop.svc.cluster.local", client),
                    given(&all, "web-candidate.shop.svc.cluster.local", client),
                );
                let of = |policies: BTreeMap<String, Value>| policies.into_values().collect::<Vec<_>>();
                prop_assert_eq!(of(live), of(candidate), "{}", client);
            }
        }
    }
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

/// Found by the property above: a rule that its callers don't see makes istiod look past the wildcard beside it, for live alone.
#[test]
fn rule_9_a_copy_of_a_wildcard_is_for_the_candidate_alone() {
    let mut rules = vec![
        rule("shop", "hidden", "web", "exportTo: [front]"),
        rule("shop", "all-of-shop", "*.shop.svc.cluster.local", "trafficPolicy: {tls: {mode: DISABLE}}"),
        rule("istio-system", "all", "*.shop.svc.cluster.local", "trafficPolicy: {tls: {mode: SIMPLE}}"),
    ];
    for (index, rule) in rules.iter_mut().enumerate() {
        rule["metadata"]["creationTimestamp"] = json!(format!("2026-01-0{}T00:00:00Z", index + 1));
    }
    // For the Service's own namespace the copy would come before the wildcard that it has for both.
    assert_eq!(copies(&rules, &[]).unwrap_err().reason(), "DestinationRuleUnsupported");
    let copy = teal_traffic::copy_for_candidate(
        &rules[2],
        &RoleService::new("shop", "web"),
        &BTreeMap::new(),
        &BTreeSet::new(),
    );
    assert_eq!(copy["spec"]["host"], "web-candidate");
}
