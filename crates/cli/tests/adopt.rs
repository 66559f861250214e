//! Looking at what runs without Teal.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::run::run;
use support::server::Server;
use teal_cli::exit::Exit;

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "shop/web:1", "envFrom": [
                {"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "password"}},
            ]}]},
        }},
    })
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.0.0.7", "selector": {"app": "web"}, "ports": [{"port": 80}]}})
}

fn settings() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"greeting": "hello"}})
}

fn budget() -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}})
}

fn server(deployment: Value, service: Value) -> Server {
    Server::default()
        .has("deployments", deployment)
        .has("services", service)
        .has("configmaps", settings())
        .has("poddisruptionbudgets", budget())
}

fn applied_by(manager: &str, mut object: Value, fields: &Value) -> Value {
    object["metadata"]["managedFields"] = json!([{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}}]);
    object
}

#[tokio::test]
async fn a_rollout_is_printed_that_takes_over_what_runs_and_nothing_is_written() {
    let server = server(deployment(), service());
    let ran = run(&server, "adopt web --dry-run").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    let rollout: Value = serde_yaml::from_str(&ran.out).expect("YAML");
    assert_eq!((&rollout["kind"], &rollout["metadata"]["name"]), (&json!("Rollout"), &json!("web")));
    assert_eq!(rollout["spec"]["traffic"], json!({"services": [{"name": "web"}]}));
    let manifests = rollout["spec"]["release"]["manifests"].as_array().expect("manifests");
    let kinds: Vec<&str> = manifests.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["Deployment", "Service", "PodDisruptionBudget", "ConfigMap"]);
    assert_eq!(manifests[0]["spec"]["template"]["metadata"]["labels"]["app"], "web-teal");
    assert_eq!(manifests[1]["spec"], json!({"selector": {"app": "web-teal"}, "ports": [{"port": 80}]}));
    for line in [
        "Nothing was written",
        "copies of Deployment web, PodDisruptionBudget web, ConfigMap settings",
        "app: web-teal in place of app: web",
        "Secret password stay as they are",
        "2. consent: kubectl -n shop label service web teal.dev/rollout=web",
        "3. put Deployment web to rest half a minute later: kubectl -n shop scale deployment/web --replicas=0",
    ] {
        assert!(ran.err.contains(line), "{line:?} is missing: {}", ran.err);
    }
    let writes: Vec<String> =
        server.requests().into_iter().filter(|request| !request.starts_with("GET")).collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].contains("/rollouts?") && writes[0].contains("dryRun=All"), "{writes:?}");
    assert!(
        !server.requests().iter().any(|request| request.contains("/secrets")),
        "nobody's values are read"
    );
}

#[tokio::test]
async fn who_would_turn_it_back_is_named_with_what_to_change() {
    let flux = "kustomize-controller";
    let server = server(
        applied_by(flux, deployment(), &json!({"f:replicas": {}})),
        applied_by(flux, service(), &json!({"f:selector": {}})),
    );
    let ran = run(&server, "adopt web --dry-run --service web --virtual-service shop").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    for line in [
        "3. Service web: spec.selector is applied by kustomize-controller: take spec.selector out",
        "4. Deployment web: spec.replicas is applied by kustomize-controller: write spec.replicas: 0",
        "teal.dev/replicas: \"3\"",
    ] {
        assert!(ran.err.contains(line), "{line:?} is missing: {}", ran.err);
    }
    assert!(!ran.err.contains("scale deployment/web"), "{}", ran.err);
    assert!(ran.out.contains("virtualServices:\n    - name: shop\n"), "{}", ran.out);
}

#[tokio::test]
async fn all_that_is_in_the_way_is_told_at_once() {
    let mut deployment = deployment();
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 80, "hostPort": 80}]);
    let policy = json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "callers"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    let mut paused = deployment.clone();
    paused["spec"]["paused"] = json!(true);
    for (deployment, says) in [
        (deployment, &["AuthorizationPolicy callers: spec.selector.matchLabels.app", "app: web-teal"][..]),
        (paused, &["Deployment web: spec.paused"]),
    ] {
        let server = server(deployment, service()).has("authorizationpolicies", policy.clone());
        let ran = run(&server, "adopt web --dry-run").await;
        assert_eq!((ran.exit(), ran.out.as_str()), (Exit::Failed, ""));
        for word in says {
            assert!(ran.error().contains(word), "{word:?} is missing: {}", ran.error());
        }
        assert!(server.requests().iter().all(|request| request.starts_with("GET")));
    }
}

#[tokio::test]
async fn a_service_without_a_workload_and_a_name_that_is_taken_say_what_to_do() {
    let mut cache = deployment();
    cache["spec"]["template"]["metadata"]["labels"]["app"] = json!("cache");
    let ran = run(&server(cache, service()), "adopt web --dry-run").await;
    assert_eq!(ran.exit(), Exit::Failed);
    assert!(ran.error().contains("--workload") && ran.error().contains("Service web"), "{}", ran.error());
    let ran = run(&server(deployment(), service()), "adopt web --dry-run --workload sts/web").await;
    assert!(ran.error().contains("StatefulSet web: metadata.name"), "{}", ran.error());
    let taken = server(deployment(), service()).refuses(409, "AlreadyExists", "exists");
    let ran = run(&taken, "adopt web --dry-run").await;
    assert!(
        ran.error().contains("there is a Rollout shop/web already") && ran.out.is_empty(),
        "{}",
        ran.error()
    );
    let refused = server(deployment(), service()).refuses(422, "Invalid", "spec.traffic: no");
    let ran = run(&refused, "adopt web --dry-run").await;
    assert!(ran.error().contains("spec.traffic: no") && ran.out.is_empty(), "{}", ran.error());
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_told_or_ends_it() {
    let ran = run(&server(deployment(), service()).forbids("/sidecars"), "adopt web --dry-run").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    assert!(ran.err.contains("whether a Sidecar has to change isn't known"), "{}", ran.err);
    let ran = run(&server(deployment(), service()).forbids("/networkpolicies"), "adopt web --dry-run").await;
    assert_eq!(ran.exit(), Exit::Failed);
    assert!(
        ran.error().contains("listing networkpolicies of namespace shop: not allowed"),
        "{}",
        ran.error()
    );
}
