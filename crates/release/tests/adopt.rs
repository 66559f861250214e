//! What runs already, as manifests of a release.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::context;
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::adopt::{
    Adopted, Originals, Relabel, adopted, changes, named_by, said_by, without_new_defaults,
};
use teal_release::{Object, ObjectKey, hash, render};

/// A Deployment with all that belongs to it, as the server returns it.
fn running() -> Vec<Value> {
    let mut all: Vec<Value> = serde_yaml::from_str::<Value>(include_str!("fixtures/running.yaml"))
        .unwrap()
        .as_array()
        .unwrap()
        .clone();
    for object in &mut all {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for (name, value) in
            [("uid", "1"), ("resourceVersion", "7"), ("creationTimestamp", "2026-01-01T00:00:00Z")]
        {
            metadata.insert(name.into(), value.into());
        }
        metadata.insert("namespace".into(), "shop-ns".into());
    }
    all
}

fn web() -> ObjectKey {
    ObjectKey::deployment("web")
}

fn tried(workloads: &[ObjectKey], objects: &[Value]) -> Result<Adopted, Vec<String>> {
    let services = ["web".to_owned()];
    let originals = Originals { workloads, services: &services, namespace: "shop-ns", objects };
    adopted(&originals).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn release(objects: &[Value]) -> Adopted {
    tried(&[web()], objects).unwrap()
}

/// The one refusal of what runs, changed.
fn refused(change: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut objects = running();
    change(&mut objects);
    let refusals = tried(&[web()], &objects).unwrap_err();
    assert_eq!(refusals.len(), 1, "{refusals:#?}");
    refusals[0].clone()
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn change<'a>(objects: &'a mut [Value], kind: &str) -> &'a mut Value {
    objects.iter_mut().find(|object| object["kind"] == kind).unwrap()
}

/// Whether a plain selector or the plain part of a label selector means pods with these labels.
fn means(selector: &Value, pods: &Value) -> bool {
    let plain = selector.get("matchLabels").unwrap_or(selector).as_object().unwrap();
    plain.iter().all(|(name, value)| pods.get(name) == Some(value))
}

#[test]
fn nothing_that_is_written_for_the_originals_means_a_copy() {
    let originals = running();
    let adopted = release(&originals);
    for (color, live) in [(Color::Blue, true), (Color::Green, false)] {
        let mut context = context(&adopted.manifests, vec!["web".into()], color);
        context.live = live;
        let rendered = render(&adopted.manifests, &context).unwrap();
        let standing: Vec<Value> = rendered.standing().map(Object::to_value).collect();
        let copy = find(&standing, "Deployment", &format!("web-{color}"));
        let pods = &copy["spec"]["template"]["metadata"]["labels"];
        for (kind, name) in [("Deployment", "web"), ("Service", "web"), ("PodDisruptionBudget", "web")] {
            let selector = &find(&originals, kind, name)["spec"]["selector"];
            assert!(!means(selector, pods), "{kind} {name} means pods of {color}: {pods}");
        }
        // And what was made of them does.
        for kind in ["Deployment", "PodDisruptionBudget"] {
            let own = find(&standing, kind, &format!("web-{color}"));
            assert!(means(&own["spec"]["selector"], pods), "{own}");
        }
        let service = rendered.role_service_named("web");
        assert!(means(&json!(service.selector), pods), "{:?}", service.selector);
        let scaler = find(&standing, "HorizontalPodAutoscaler", &format!("web-{color}"));
        assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], format!("web-{color}"));
        let spread = &copy["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"];
        assert!(means(spread, pods), "pods of a color are spread among themselves: {spread}");
        let near = "/spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/labelSelector";
        assert_eq!(
            copy.pointer(near),
            Some(&json!({"matchLabels": {"app": "cache"}})),
            "others are still meant"
        );
    }
}

trait Roles {
    fn role_service_named(&self, name: &str) -> &teal_release::RoleService;
}

impl Roles for teal_release::Rendered {
    fn role_service_named(&self, name: &str) -> &teal_release::RoleService {
        self.role_services.iter().find(|service| service.name == name).unwrap()
    }
}

#[test]
fn one_label_changes_and_telemetry_still_knows_the_application() {
    let adopted = release(&running());
    let relabel = Relabel { workload: web(), key: "app".into(), from: "web".into(), to: "web-teal".into() };
    assert_eq!(adopted.relabels, [relabel]);
    let copy = find(&adopted.manifests, "Deployment", "web");
    assert_eq!(
        copy["spec"]["template"]["metadata"]["labels"],
        json!({"app": "web-teal", "tier": "front", "service.istio.io/canonical-name": "web"})
    );
}

#[test]
fn a_label_that_names_no_application_is_rather_changed() {
    let mut objects = running();
    for kind in ["Deployment", "Service", "PodDisruptionBudget"] {
        let object = change(&mut objects, kind);
        let at = if kind == "Service" { "/spec/selector" } else { "/spec/selector/matchLabels" };
        object.pointer_mut(at).unwrap()["component"] = json!("http");
    }
    change(&mut objects, "Deployment")["spec"]["template"]["metadata"]["labels"]["component"] = json!("http");
    let adopted = release(&objects);
    assert_eq!(
        (adopted.relabels[0].key.as_str(), adopted.relabels[0].to.as_str()),
        ("component", "http-teal")
    );
    let labels = &find(&adopted.manifests, "Deployment", "web")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["app"], "web");
    assert_eq!(labels.get("service.istio.io/canonical-name"), None, "it is called what it was called");
}

#[test]
fn what_is_named_is_copied_or_stays_for_both() {
    let adopted = release(&running());
    let mut kinds: Vec<String> = adopted
        .manifests
        .iter()
        .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]))
        .collect();
    kinds.sort();
    let expected = [
        "ConfigMap settings",
        "Deployment web",
        "HorizontalPodAutoscaler web",
        "PodDisruptionBudget web",
        "Service web",
    ];
    assert_eq!(kinds.iter().map(|text| text.replace('"', "")).collect::<Vec<_>>(), expected);
    let beside: Vec<String> = adopted.beside.iter().map(ToString::to_string).collect();
    assert_eq!(beside, ["PodDisruptionBudget front", "Secret password", "Secret pull", "ServiceAccount web"]);
    assert!(!kinds.iter().any(|kind| kind.contains("Secret")), "its values would be in the Rollout");
}

#[test]
fn names_are_found_wherever_a_pod_may_have_them() {
    let workload = json!({"kind": "StatefulSet", "spec": {"template": {"spec": {
        "imagePullSecrets": [{"name": "pull"}],
        "initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "a", "key": "k", "optional": true}}}]}],
        "containers": [{
            "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "s"}}],
            "env": [{"valueFrom": {"secretKeyRef": {"name": "t", "key": "k"}}}],
        }],
        "volumes": [
            {"configMap": {"name": "b", "optional": true}},
            {"secret": {"secretName": "u"}},
            {"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}, {"secret": {"name": "v"}}]}},
            {"csi": {"nodePublishSecretRef": {"name": "w"}}},
            {"persistentVolumeClaim": {"claimName": "disk"}},
        ],
    }}}});
    let found: Vec<String> = named_by(&workload)
        .iter()
        .map(|named| format!("{}{}", named.key, if named.optional { "?" } else { "" }))
        .collect();
    assert_eq!(
        found,
        [
            "ConfigMap a",
            "ConfigMap b?",
            "PersistentVolumeClaim disk",
            "Secret pull?",
            "Secret s",
            "Secret t",
            "Secret u",
            "Secret v",
            "Secret w"
        ]
    );
    let field = &named_by(&workload)[1].field;
    assert_eq!(field, "spec.template.spec.volumes[0].configMap.name");
}

type Change = fn(&mut Vec<Value>);

#[test]
fn a_size_is_no_content_and_config_is() {
    let told = |objects: &[Value]| hash(&json!({"manifests": release(objects).manifests}));
    let first = told(&running());
    let same: [(&str, Change); 6] = [
        ("replicas", |all| change(all, "Deployment")["spec"]["replicas"] = json!(0)),
        ("status", |all| change(all, "Deployment")["status"] = json!({"readyReplicas": 3})),
        ("autoscaler", |all| change(all, "HorizontalPodAutoscaler")["spec"]["maxReplicas"] = json!(90)),
        ("what the server counts", |all| change(all, "Deployment")["metadata"]["generation"] = json!(8)),
        ("Helm's labels", |all| {
            change(all, "Deployment")["metadata"]["labels"]["helm.sh/chart"] = json!("web-2");
        }),
        ("the turned Service", |all| {
            let service = change(all, "Service");
            let noted = service["spec"]["selector"].to_string();
            service["metadata"]["annotations"] = json!({"teal.dev/adopted-selector": noted});
            service["spec"]["selector"] =
                json!({"app": "web-teal", "teal.dev/rollout": "web", "teal.dev/color": "blue"});
        }),
    ];
    for (what, edit) in same {
        let mut objects = running();
        edit(&mut objects);
        assert_eq!(told(&objects), first, "{what}");
    }
    let other: [(&str, Change); 3] = [
        ("image", |all| {
            change(all, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] =
                json!("shop/web:2");
        }),
        ("restart", |all| {
            change(all, "Deployment")["spec"]["template"]["metadata"]["annotations"] =
                json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01"});
        }),
        ("config", |all| change(all, "ConfigMap")["data"]["greeting"] = json!("bye")),
    ];
    for (what, edit) in other {
        let mut objects = running();
        edit(&mut objects);
        assert_ne!(told(&objects), first, "{what}");
    }
}

#[test]
fn an_original_at_rest_still_says_the_size_of_its_copies() {
    let mut objects = running();
    let deployment = change(&mut objects, "Deployment");
    deployment["spec"]["replicas"] = json!(0);
    deployment["metadata"]["annotations"]["teal.dev/replicas"] = json!("5");
    let copy = release(&objects);
    assert_eq!(find(&copy.manifests, "Deployment", "web")["spec"]["replicas"], 5);
    assert_eq!(find(&copy.manifests, "Deployment", "web")["metadata"].get("annotations"), None);
}

#[test]
fn what_is_in_the_way_says_what_to_do() {
    let with = |field: &'static str, value: Value| {
        move |all: &mut Vec<Value>| *change(all, "Deployment").pointer_mut(field).unwrap() = value
    };
    let cases: Vec<(String, &[&str])> = vec![
        (
            refused(|all| {
                all.retain(|object| object["kind"] != "Deployment" || object["metadata"]["name"] != "web");
            }),
            &["Deployment web", "metadata.name", "no workload of this kind"],
        ),
        (
            refused(|all| all.retain(|object| object["kind"] != "Service")),
            &["Service web", "spec.traffic.services", "isn't there"],
        ),
        (
            refused(|all| {
                change(all, "Deployment")["metadata"]["ownerReferences"] =
                    json!([{"kind": "Canary", "name": "web"}]);
            }),
            &["metadata.ownerReferences", "Canary web makes it", "docs/adopting.md"],
        ),
        (
            refused(|all| change(all, "Deployment")["spec"]["paused"] = json!(true)),
            &["spec.paused", "resume it"],
        ),
        (
            refused(|all| change(all, "Deployment")["metadata"]["deletionTimestamp"] = json!("now")),
            &["metadata.deletionTimestamp", "being deleted"],
        ),
        (
            refused(with(
                "/spec/template/spec/containers/0/ports/0",
                json!({"containerPort": 80, "hostPort": 80}),
            )),
            &["ports[0].hostPort", "both colors would need"],
        ),
        (
            refused(|all| change(all, "HorizontalPodAutoscaler")["spec"]["minReplicas"] = json!(0)),
            &["HorizontalPodAutoscaler web: spec.minReplicas", "wake"],
        ),
        (
            refused(|all| {
                all.push(json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "q"},
            "spec": {"scaleTargetRef": {"name": "web"}}}));
            }),
            &["ScaledObject q", "wake"],
        ),
        (
            refused(|all| all.retain(|object| object["kind"] != "ConfigMap")),
            &["ConfigMap settings, which isn't there", "envFrom[0].configMapRef.name", "apply it"],
        ),
    ];
    held(&cases);
}

#[test]
fn what_shares_pods_labels_or_disks_says_what_to_do() {
    let cases: Vec<(String, &[&str])> = vec![
        (
            refused(|all| {
                all.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "inner"},
            "spec": {"selector": {"tier": "front"}, "ports": [{"port": 80}]}}));
            }),
            &["Service inner", "spec.traffic.services", "find nobody"],
        ),
        (
            refused(|all| change(all, "Service")["spec"]["selector"] = json!({"tier": "front"})),
            &["spec.selector.matchLabels", "Service web", "docs/adopting.md"],
        ),
        (
            refused(|all| {
                all.push(json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}));
            }),
            &["tells its pods from those of DaemonSet agent", "a label that no other workload has"],
        ),
        (
            refused(|all| {
                all.push(
                    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "other"},
            "spec": {"template": {"metadata": {"labels": {"app": "web-teal"}}}}}),
                );
            }),
            &["can't be told from Deployment other", "app: web-teal already"],
        ),
        (
            refused(|all| {
                change(all, "Deployment")["spec"]["template"]["spec"]["volumes"] =
                    json!([{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]);
            }),
            &["names claim disk", "teal.dev/fate: Shared"],
        ),
    ];
    held(&cases);
}

fn held(cases: &[(String, &[&str])]) {
    for (message, words) in cases {
        for word in *words {
            assert!(message.contains(word), "{word:?} is missing: {message}");
        }
    }
}

#[test]
fn a_claim_may_be_shared_by_its_owners_word() {
    let mut objects = running();
    change(&mut objects, "Deployment")["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]);
    objects.push(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk", "annotations": {"teal.dev/fate": "Shared"}}}));
    assert!(release(&objects).beside.contains(&ObjectKey::new("", "PersistentVolumeClaim", "disk")));
}

#[test]
fn copies_that_stand_already_are_in_nobodys_way() {
    let first = release(&running());
    let rendered =
        render(&first.manifests, &context(&first.manifests, vec!["web".into()], Color::Blue)).unwrap();
    let mut objects = running();
    objects.extend(rendered.standing().map(Object::to_value));
    let mut own = policy("own", &json!({"podSelector": {"matchLabels": {"app": "web"}}}));
    own["metadata"]["labels"] = json!({"teal.dev/rollout": "web"});
    objects.push(own);
    assert_eq!(release(&objects), first);
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec})
}

#[test]
fn a_policy_that_would_not_hold_for_copies_stops_it_until_one_does() {
    let for_pods = |app: &str| json!({"podSelector": {"matchLabels": {"app": app}}, "ingress": [{}]});
    let from = |apps: &[&str]| {
        let peers: Vec<Value> =
            apps.iter().map(|app| json!({"podSelector": {"matchLabels": {"app": app}}})).collect();
        json!({"podSelector": {"matchLabels": {"app": "database"}}, "ingress": [{"from": peers}]})
    };
    let listed = |apps: &[&str]| json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": apps}]}});
    for (spec, field) in [
        (for_pods("web"), "spec.podSelector.matchLabels.app"),
        (from(&["web"]), "spec.ingress[0].from[0].podSelector.matchLabels.app"),
        (listed(&["web", "shop"]), "spec.podSelector.matchExpressions[0].values"),
    ] {
        let message = refused(|all| all.push(policy("p", &spec)));
        for word in ["NetworkPolicy p", field, "app: web,", "app: web-teal", "apply a second NetworkPolicy"] {
            assert!(message.contains(word), "{word:?} is missing: {message}");
        }
    }
    for policies in [
        vec![policy("p", &for_pods("web")), policy("q", &for_pods("web-teal"))],
        vec![policy("p", &from(&["web", "web-teal"]))],
        vec![policy("p", &listed(&["web", "web-teal"]))],
        vec![policy("p", &for_pods("shop")), policy("q", &json!({"podSelector": {}}))],
    ] {
        let objects = [running(), policies].concat();
        assert!(tried(&[web()], &objects).is_ok(), "{objects:?}");
    }
}

#[test]
fn several_workloads_have_a_label_each_and_know_each_other_by_it() {
    let mut objects = running();
    let mut api = find(&objects, "Deployment", "web").clone();
    api["metadata"]["name"] = json!("api");
    api["spec"]["selector"]["matchLabels"]["app"] = json!("api");
    api["spec"]["template"]["metadata"]["labels"]["app"] = json!("api");
    api["spec"]["template"]["spec"]["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}},
    ]}});
    objects.push(api);
    let adopted = tried(&[web(), ObjectKey::deployment("api")], &objects).unwrap();
    let api = find(&adopted.manifests, "Deployment", "api");
    let terms = &api["spec"]["template"]["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(terms[0]["labelSelector"]["matchExpressions"][0]["values"], json!(["web-teal", "api-teal"]));
    let maps = adopted.manifests.iter().filter(|object| object["kind"] == "ConfigMap").count();
    assert_eq!(maps, 1, "what both name is there once");
}

fn written(metadata: &Value) -> Object {
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"selector": {"app": "web"}}});
    Object::from_value(&object).unwrap()
}

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "fieldsV1": {"f:spec": fields}})
}

#[test]
fn who_would_say_a_field_again_is_seen_on_the_object() {
    let selector = json!({"f:selector": {}, "f:ports": {".": {}}});
    let ports = json!({"f:ports": {".": {}}});
    let applied = |spec: &Value| {
        json!({"name": "web", "annotations":
            {"kubectl.kubernetes.io/last-applied-configuration": json!({"spec": spec}).to_string()}})
    };
    let fields = |entries: Vec<Value>| json!({"name": "web", "managedFields": entries});
    let mut status = entry("kubelet", "Apply", &selector.clone());
    status["subresource"] = json!("status");
    let mut helm = fields(vec![entry("helm", "Update", &selector.clone())]);
    helm["annotations"] = json!({"meta.helm.sh/release-name": "shop"});
    for (metadata, by) in [
        (applied(&json!({"selector": {"app": "web"}})), vec!["kubectl apply"]),
        (applied(&json!({"ports": []})), vec![]),
        (
            fields(vec![entry("kustomize-controller", "Apply", &selector.clone())]),
            vec!["kustomize-controller"],
        ),
        (fields(vec![entry("kustomize-controller", "Apply", &ports)]), vec![]),
        (helm, vec!["Helm release shop"]),
        (fields(vec![entry("kubectl-edit", "Update", &selector.clone())]), vec![]),
        (fields(vec![entry("teal/roles", "Apply", &selector)]), vec![]),
        (fields(vec![status]), vec![]),
        (json!({"name": "web"}), vec![]),
    ] {
        assert_eq!(said_by(&written(&metadata), &["spec", "selector"]), by, "{metadata}");
        let changes = changes(&written(&metadata));
        assert_eq!(changes.len(), usize::from(!by.is_empty()), "{metadata}");
        for change in changes {
            assert_eq!((change.object.as_str(), change.field), ("Service web", "spec.selector"));
            assert!(change.remedy.contains("take spec.selector out"), "{change:?}");
        }
    }
}

#[test]
fn a_size_that_git_says_is_changed_there_and_one_that_it_leaves_open_is_not() {
    let deployment = |replicas: u32, entries: Vec<Value>| {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "managedFields": entries},
            "spec": {"replicas": replicas, "template": {}}});
        Object::from_value(&object).unwrap()
    };
    let says = || vec![entry("argocd-controller", "Apply", &json!({"f:replicas": {}, "f:template": {}}))];
    let found = changes(&deployment(3, says()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].by, ["argocd-controller"]);
    for word in ["spec.replicas: 0", "teal.dev/replicas: \"3\""] {
        assert!(found[0].remedy.contains(word), "{word}: {:?}", found[0]);
    }
    assert_eq!(changes(&deployment(0, says())), [], "it rests, however often it is applied");
    let open = vec![entry("argocd-controller", "Apply", &json!({"f:template": {}}))];
    assert_eq!(changes(&deployment(3, open)), [], "an autoscaler's is in nobody's file");
}

#[test]
fn a_default_of_a_newer_api_server_is_no_change_and_a_written_field_is() {
    let before = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1", "policy": "Old"}]}}}});
    let fields = |of_container: Value| {
        json!([{"manager": "flux", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"web\"}": of_container}}}}}}])
    };
    let now = |owned: Value| {
        let mut now = before.clone();
        now["metadata"] = json!({"managedFields": fields(owned)});
        now["spec"]["fresh"] = json!(true);
        now["spec"]["template"]["spec"]["containers"][0]["stopSignal"] = json!("TERM");
        now
    };
    let container = |of: &Value| of["spec"]["template"]["spec"]["containers"][0].clone();
    let untouched = without_new_defaults(&now(json!({".": {}, "f:image": {}})), &before);
    assert_eq!(untouched["spec"], before["spec"], "nobody wrote what is new");
    let written = without_new_defaults(&now(json!({".": {}, "f:image": {}, "f:stopSignal": {}})), &before);
    assert_eq!(container(&written)["stopSignal"], "TERM");
    assert_eq!(written["spec"].get("fresh"), None);
    // What was a default before stays one, whoever owns it.
    assert_eq!(container(&written)["policy"], "Old");
    let mut another = now(json!({".": {}, "f:image": {}}));
    another["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    assert_eq!(container(&without_new_defaults(&another, &before))["image"], "web:2");
    let mut unowned = now(json!({}));
    unowned["metadata"] = json!({});
    assert_eq!(without_new_defaults(&unowned, &before)["spec"], unowned["spec"], "nothing can be told");
}
