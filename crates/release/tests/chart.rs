//! What Helm prints of a chart, read for one color and compared between both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::chart::{
    BothColors, Common, DeletePolicy, Hook, HookWork, Rendering, Rights, ServiceMapping, Side, Stage,
    before_promotion, refusals, rights, role_pairs, varying,
};
use teal_release::{Object, ObjectKey, Refusal, RefusalReason};

/// What Helm prints of a shop: everything carries the release's name but the account, the policy and the claim.
fn shop(color: &str) -> String {
    SHOP.replace("COLOR", color)
}

const SHOP: &str = r#"---
# Source: shop/crds/things.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: others.example.com}
---
# Source: shop/templates/account.yaml
apiVersion: v1
kind: ServiceAccount
metadata: {name: shop, labels: {app.kubernetes.io/instance: shop-COLOR, app: shop}}
---
# Source: shop/templates/config.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: shop-COLOR}
data: {mode: "0644"}
---
# Source: shop/templates/service.yaml
apiVersion: v1
kind: Service
metadata: {name: shop-COLOR}
spec: {selector: {app: shop, release: shop-COLOR}, ports: [{port: 80}]}
---
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-COLOR, annotations: {helm.sh/resource-policy: keep}}
spec:
  selector: {matchLabels: {app: shop, release: shop-COLOR}}
  template:
    metadata: {labels: {app: shop, release: shop-COLOR}}
    spec:
      volumes: [{name: v, configMap: {name: shop-COLOR, defaultMode: 0644}}]
      containers: [{name: main, image: shop:1}]
---
# Source: shop/templates/tests/smoke.yaml
apiVersion: v1
kind: Pod
metadata:
  name: shop-COLOR-smoke
  labels: {app: smoke}
  annotations: {helm.sh/hook: test-success, helm.sh/hook-delete-policy: "hook-succeeded, before-hook-creation"}
spec: {restartPolicy: Never, containers: [{name: smoke, image: curl}]}
---
# Source: shop/templates/hooks.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: aa-late, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "5"}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: i}]}}}
---
# Source: shop/templates/hooks.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: b-early, annotations: {helm.sh/hook: "Pre-Upgrade , pre-install", helm.sh/hook-weight: "-5"}}
---
# Source: shop/templates/hooks.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: a-early, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "-5"}}
---
# Source: shop/templates/hooks.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: warm, annotations: {helm.sh/hook: post-install}}
---
# Source: shop/templates/hooks.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: warmer, annotations: {helm.sh/hook: post-upgrade}}
---
# Source: shop/templates/hooks.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: goodbye, annotations: {helm.sh/hook: "pre-delete,post-rollback"}}
"#;

fn read(text: &str) -> Rendering {
    Rendering::read(text, "shop-ns").unwrap_or_else(|refusals| panic!("{}", told(&refusals)))
}

fn told(refusals: &[Refusal]) -> String {
    let told: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    told.join("\n")
}

#[track_caller]
fn unread(text: &str, words: &[&str]) {
    let refusals = Rendering::read(text, "shop-ns").unwrap_err();
    let told = told(&refusals);
    assert_eq!(refusals.len(), 1, "{told}");
    words.iter().for_each(|word| assert!(told.contains(word), "{word}: {told}"));
}

fn names<'h>(hooks: impl Iterator<Item = &'h Hook>) -> Vec<&'h str> {
    hooks.map(|hook| hook.key.name.as_str()).collect()
}

/// A document as Helm prints it.
fn document(template: &str, object: &Value) -> String {
    format!("---\n# Source: shop/templates/{template}\n{object}\n")
}

fn config(name: &str, data: &Value) -> String {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    document("config.yaml", &object)
}

#[test]
fn objects_keep_helms_order_and_words_of_yaml_their_meaning_to_helm() {
    let rendering = read(&shop("blue"));
    let keys: Vec<String> = rendering.objects.iter().map(|object| object.key.to_string()).collect();
    assert_eq!(
        keys,
        ["ServiceAccount shop", "ConfigMap shop-blue", "Service shop-blue", "Deployment shop-blue"]
    );
    let defined: Vec<&str> = rendering.definitions.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(defined, ["things.example.com", "others.example.com"], "Helm notes the file once");
    let deployment = rendering.find(&ObjectKey::deployment("shop-blue")).unwrap();
    assert_eq!(
        deployment.object.get("/spec/template/spec/volumes/0/configMap/defaultMode"),
        Some(&json!(420))
    );
    assert_eq!(rendering.objects[1].object.text("/data/mode"), "0644");
    assert_eq!(deployment.origin.to_string(), "document 6 (shop/templates/deployment.yaml)");
    assert_eq!(rendering.objects.iter().filter(|object| object.keep).count(), 1);
    assert!(deployment.keep);
}

#[test]
fn hooks_stand_in_order_of_weight_and_name_for_the_stage_they_are_for() {
    let rendering = read(&shop("blue"));
    let at = |stage, side| names(rendering.hooks_at(stage, side));
    assert_eq!(at(Stage::Install, Side::Before), ["a-early", "b-early", "aa-late"]);
    assert_eq!(at(Stage::Upgrade, Side::Before), ["b-early", "aa-late"]);
    assert_eq!(at(Stage::Install, Side::After), ["warm"]);
    assert_eq!(at(Stage::Upgrade, Side::After), ["warmer"]);
    assert_eq!(names(rendering.tests()), ["shop-blue-smoke"]);
    assert_eq!(names(rendering.never_made()), ["goodbye", "shop-blue-smoke"]);
}

#[test]
fn a_hook_is_run_as_a_job_and_what_jobs_use_is_made() {
    let rendering = read(&shop("blue"));
    let test = rendering.tests().next().unwrap();
    let HookWork::Run(job) = test.work().unwrap() else { panic!("a test has an end") };
    assert_eq!((job.text("/apiVersion"), job.text("/kind")), ("batch/v1", "Job"));
    assert_eq!(job.get("/spec/backoffLimit"), Some(&json!(0)));
    assert_eq!(job.text("/spec/template/metadata/labels/app"), "smoke");
    assert_eq!(job.text("/spec/template/spec/restartPolicy"), "Never");
    assert_eq!(test.delete, BTreeSet::from([DeletePolicy::BeforeHookCreation, DeletePolicy::HookSucceeded]));
    let works: Vec<HookWork> =
        rendering.hooks_at(Stage::Install, Side::Before).map(|hook| hook.work().unwrap()).collect();
    assert!(matches!(works.as_slice(), [HookWork::Make(_), HookWork::Run(_), HookWork::Run(_)]));
    let late = rendering.hooks_at(Stage::Install, Side::Before).last().unwrap();
    assert_eq!(late.delete, BTreeSet::from([DeletePolicy::BeforeHookCreation]), "Helm's default");
}

#[test]
fn a_hook_that_can_have_no_end_or_no_occasion_is_refused() {
    let hook = |api_version: &str, kind: &str, event: &str| {
        let metadata = json!({"name": "h", "annotations": {"helm.sh/hook": event}});
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {}});
        config("c", &json!({})) + &document("h.yaml", &object)
    };
    unread(
        &hook("apps/v1", "Deployment", "pre-install"),
        &["Deployment h", "makes a hook of what stays", "write a Job"],
    );
    unread(&hook("v1", "Pod", "post-install"), &["Pod h", "spec.restartPolicy", "write Never"]);
    unread(&hook("batch/v1", "Job", "pre-instal"), &["helm.sh/hook", "\"pre-instal\"", "Helm doesn't know"]);
}

#[test]
fn a_document_that_is_wrong_is_named_with_its_template_and_line() {
    let good = config("c", &json!({}));
    unread(
        &(good.clone() + "---\n# Source: shop/templates/bad.yaml\na: 1\nb: [\n"),
        &["document 2 (shop/templates/bad.yaml)", "line ", "is no YAML", "correct the template"],
    );
    unread(
        &(good.clone() + "---\n# Source: shop/templates/bad.yaml\na: 1\nb: 2\na: 3\n"),
        &["line 3", "second entry \"a\""],
    );
    unread(&(good.clone() + "---\njust words\n"), &["document 2 (shop/templates/config.yaml)", "is no map"]);
    unread(
        &(good.clone() + &document("x.yaml", &json!({"kind": "ConfigMap", "metadata": {"name": "x"}}))),
        &["document 2 (shop/templates/x.yaml): apiVersion is missing"],
    );
    unread(
        &(good.clone()
            + &document(
                "x.yaml",
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}),
            )),
        &["metadata.name is missing"],
    );
    unread(
        &(good.clone()
            + &document(
                "x.yaml",
                &json!({"apiVersion": "v1/x/y", "kind": "ConfigMap", "metadata": {"name": "x"}}),
            )),
        &["ConfigMap x: apiVersion"],
    );
    unread(
        &(good.clone()
            + &document(
                "x.yaml",
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {"on": true}}}),
            )),
        &["metadata.labels", "quote numbers"],
    );
    unread(
        &(good.clone()
            + &document(
                "x.yaml",
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "other"}}),
            )),
        &["\"other\"", "\"shop-ns\""],
    );
    unread(
        &(good.clone() + &document("x.yaml", &json!({"apiVersion": "v1", "kind": "List", "items": [3]}))),
        &["items[0]"],
    );
    unread(
        &(good.clone() + &config("c", &json!({"b": "1"}))),
        &[
            "ConfigMap c: metadata.name is made by document 1 (shop/templates/config.yaml) and again by document 2",
        ],
    );
    unread("---\n# Source: shop/templates/none.yaml\n# nothing\n", &["makes no object"]);
    let many = (0..257).fold(String::new(), |mut text, i| {
        write!(text, "{}", config(&format!("c{i}"), &json!({}))).unwrap();
        text
    });
    unread(&many, &["makes 257 objects", "at most 256"]);
}

/// Only the folder beside the templates is Helm's own for them.
#[test]
fn a_definition_among_the_templates_is_an_object_like_any_other() {
    let object = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}});
    let rendering = read(&document("crds/x.yaml", &object));
    assert!(rendering.definitions.is_empty());
    assert!(told(&refusals(&rendering, &BTreeSet::new(), true)).contains("cluster-scoped"));
}

#[test]
fn a_list_is_its_items() {
    let item = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [item("a"), item("b")]});
    assert_eq!(read(&document("list.yaml", &list)).objects.len(), 2);
}

fn both(blue: &Rendering, green: &Rendering) -> Result<Common, Vec<Refusal>> {
    BothColors { blue: ("shop-blue", blue), green: ("shop-green", green) }.common()
}

#[test]
fn what_comes_out_the_same_for_both_colors_is_shared_and_the_rest_is_each_colors_own() {
    let (blue, green) = (read(&shop("blue")), read(&shop("green")));
    let common = both(&blue, &green).unwrap();
    assert_eq!(common.keys, BTreeSet::from([ObjectKey::new("", "ServiceAccount", "shop")]));
    assert_eq!(common.own(&green).count(), 3);
    let shared = common.shared(&green).next().unwrap();
    assert_eq!(
        shared.object.label("app.kubernetes.io/instance"),
        Some("shop-green"),
        "nothing is taken off it"
    );
    assert_eq!(common.shared_workloads().count(), 0);
}

#[test]
fn a_clash_of_unlike_objects_of_one_name_is_named_with_its_field_and_without_its_value() {
    let rendering = |secret: &str, list: &Value| {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "fixed"},
            "stringData": {"password": secret}});
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "list"}, "data": {"x": list}});
        read(&(document("secret.yaml", &object) + &document("list.yaml", &other)))
    };
    let blue = rendering("hunter2", &json!([1, {"a": 1}]));
    let clashes = both(&blue, &rendering("hunter3", &json!([1, {"a": 2}]))).unwrap_err();
    let told = told(&clashes);
    assert!(told.contains("Secret fixed: stringData.password differs between blue and green"), "{told}");
    assert!(told.contains("ConfigMap list: data.x[1].a differs"), "{told}");
    assert!(told.contains("shop/templates/secret.yaml") && told.contains(".Release.Name"), "{told}");
    assert!(!told.contains("hunter"), "{told}");
    let clashes = both(&blue, &rendering("hunter2", &json!([1]))).unwrap_err();
    assert_eq!(clashes.len(), 1);
    assert_eq!(clashes[0].field, "data.x");
}

/// A label says who it is. The same word in a selector decides whom it means.
#[test]
fn the_releases_name_is_looked_past_on_own_labels_and_nowhere_else() {
    let service = |labels: &Value, selector: &Value| {
        let metadata = json!({"name": "fixed", "labels": labels});
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector}});
        read(&document("service.yaml", &object))
    };
    let label = |text: &str| json!({"release": text});
    let common = both(&service(&label("shop-blue"), &json!({})), &service(&label("shop-green"), &json!({})));
    assert_eq!(common.unwrap().keys.len(), 1);
    for (blue, green, field) in [
        (
            service(&json!({}), &label("shop-blue")),
            service(&json!({}), &label("shop-green")),
            "spec.selector.release",
        ),
        (
            service(&label("x-shop-blue"), &json!({})),
            service(&label("x-shop-green"), &json!({})),
            "metadata.labels.release",
        ),
        (
            service(&label("shop-green"), &json!({})),
            service(&label("shop-blue"), &json!({})),
            "metadata.labels.release",
        ),
        (
            service(&json!({"part": "shop-blue"}), &json!({})),
            service(&json!({"part": "shop-green"}), &json!({})),
            "metadata.labels.part",
        ),
    ] {
        assert_eq!(both(&blue, &green).unwrap_err()[0].field, field);
    }
}

#[test]
fn a_workload_that_both_colors_share_is_told() {
    let text = shop("blue")
        .replace("name: shop-blue, annotations", "name: fixed, annotations")
        .replace("shop-blue}}", "r}}");
    let rendering = |color: &str| {
        read(
            &text
                .replace("shop-blue", &format!("shop-{color}"))
                .replace("configMap: {name: shop-", "configMap: {name: x")
                .replace(&format!("xshop-{color}"), "x")
                .replace(&format!("x{color}"), "x"),
        )
    };
    let common = both(&rendering("blue"), &rendering("green")).unwrap();
    let shared: Vec<&ObjectKey> = common.shared_workloads().collect();
    assert_eq!(shared, [&ObjectKey::deployment("fixed")]);
}

#[test]
fn until_promotion_shared_objects_are_lives_and_those_that_only_the_candidate_has() {
    let live = read(&(config("a", &json!({"v": "1"})) + &config("b", &json!({"v": "1"}))));
    let candidate = read(&(config("b", &json!({"v": "2"})) + &config("c", &json!({"v": "2"}))));
    let [live, candidate] = [&live, &candidate].map(|r| r.objects.iter().collect::<Vec<_>>());
    let applied = before_promotion(&live, &candidate);
    let seen: Vec<_> = applied.iter().map(|o| (o.key.name.as_str(), o.object.text("/data/v"))).collect();
    assert_eq!(seen, [("a", "1"), ("b", "1"), ("c", "2")]);
}

#[test]
fn what_differs_from_one_time_to_the_next_is_found() {
    let first = read(&(config("a", &json!({"v": "1"})) + &config("b", &json!({"v": "x"}))));
    let second = read(
        &(config("a", &json!({"v": "1"})) + &config("b", &json!({"v": "y"})) + &config("c", &json!({}))),
    );
    let names: Vec<String> = varying(&first, &second).into_iter().map(|key| key.name).collect();
    assert_eq!(names, ["b", "c"]);
    assert!(varying(&first, &first).is_empty());
}

fn mapping(name: &str, from: Option<&str>) -> ServiceMapping {
    ServiceMapping { name: name.to_owned(), from: from.map(ToOwned::to_owned) }
}

fn pairs_of(
    text: impl Fn(&str) -> String,
    mappings: &[ServiceMapping],
) -> Result<Vec<teal_release::chart::RolePair>, Vec<Refusal>> {
    let (blue, green) = (read(&text("blue")), read(&text("green")));
    let common = both(&blue, &green).unwrap();
    role_pairs(mappings, &green, &common, Color::Green)
}

#[test]
fn a_role_leads_to_the_service_of_its_color_and_to_what_that_selects() {
    for mapping in [mapping("web", Some("shop-$(color)")), mapping("shop", None)] {
        let pairs = pairs_of(shop, std::slice::from_ref(&mapping)).unwrap();
        let [pair] = pairs.as_slice() else { panic!("{pairs:?}") };
        assert_eq!(
            (pair.live.as_str(), pair.candidate.as_str()),
            (mapping.name.as_str(), format!("{}-candidate", mapping.name).as_str())
        );
        assert_eq!(pair.from, ObjectKey::new("", "Service", "shop-green"));
        assert_eq!(pair.workloads, [ObjectKey::deployment("shop-green")]);
    }
}

/// What Helm prints for a color.
type Text = Box<dyn Fn(&str) -> String>;

#[test]
fn a_role_that_leads_nowhere_or_to_the_wrong_service_is_refused() {
    let plain = |color: &str| shop(color);
    let with = |find: &'static str, put: &'static str| {
        move |color: &str| SHOP.replace(find, put).replace("COLOR", color)
    };
    let more = |extra: &'static str| move |color: &str| shop(color) + extra;
    let from = |from: &str| mapping("web", Some(from));
    let fixed = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {}\n";
    let other = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web-candidate}\nspec: {}\n";
    let cases: Vec<(Text, Vec<ServiceMapping>, &str)> = vec![
        (
            Box::new(plain),
            vec![from("shop-$(color)-x")],
            "leads to shop-green-x, which is no Service of the chart: it makes shop-green",
        ),
        (Box::new(plain), vec![from("shop")], "write it with $(color)"),
        (
            Box::new(plain),
            vec![from("shop-$(color)"), mapping("shop", None)],
            "leads to the same Service as web",
        ),
        (
            Box::new(more(fixed)),
            vec![from("shop-$(color)")],
            "is to have the role Service web, and the chart makes Service web itself",
        ),
        (
            Box::new(more(other)),
            vec![from("shop-$(color)")],
            "is to have the role Service web-candidate, and the chart makes Service web-candidate itself",
        ),
        (
            Box::new(with("selector: {app: shop, release: shop-COLOR}, ", "selector: {app: other}, ")),
            vec![from("shop-$(color)")],
            "selects no pods of this release",
        ),
        (
            Box::new(with("ports: [{port: 80}]", "ports: [{port: 80}], clusterIP: None")),
            vec![from("shop-$(color)")],
            "headless",
        ),
        (
            Box::new(with("ports: [{port: 80}]", "type: ExternalName")),
            vec![from("shop-$(color)")],
            "ExternalName",
        ),
        (Box::new(with(", ports: [{port: 80}]", "")), vec![from("shop-$(color)")], "spec.ports"),
    ];
    for (text, mappings, words) in cases {
        let refusals = pairs_of(text, &mappings).unwrap_err();
        let told = told(&refusals);
        assert!(told.contains(words) && refusals.len() == 1, "{words}: {told}");
    }
}

#[test]
fn a_role_needs_a_service_and_a_workload_of_the_color_alone() {
    let fixed = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "shop"}}}}});
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]}})
    };
    let text = |color: &str| {
        document("d.yaml", &fixed)
            + &document("s.yaml", &service(&format!("s-{color}")))
            + &document("s.yaml", &service("s-xx"))
    };
    let refused = told(&pairs_of(text, &[mapping("web", Some("s-$(color)"))]).unwrap_err());
    assert!(refused.contains("selects Deployment shop, which both colors share"), "{refused}");
    let same = |color: &str| text(color).replace("s-xx", "s-green");
    let (blue, green) =
        (read(&same("blue")), read(&text("xx").replace("s-xx", "s-green").replacen("s-green", "s-blue", 1)));
    let common = both(&blue, &green).unwrap();
    let refused =
        told(&role_pairs(&[mapping("web", Some("s-$(color)"))], &green, &common, Color::Green).unwrap_err());
    assert!(refused.contains("leads to Service s-green, which both colors have"), "{refused}");
}

#[test]
fn each_kind_is_applied_with_rights_that_fit_it_or_refused() {
    let object = |api_version: &str, kind: &str, name: &str| {
        Object::from_value(&json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}))
            .unwrap()
    };
    let routed = BTreeSet::from(["web".to_owned()]);
    for (api_version, kind, expected) in [
        ("apps/v1", "Deployment", Rights::Teal),
        ("v1", "ServiceAccount", Rights::Teal),
        ("autoscaling/v2", "HorizontalPodAutoscaler", Rights::Teal),
        ("v1", "Secret", Rights::Account),
        ("networking.k8s.io/v1", "Ingress", Rights::Account),
        ("example.com/v1", "Thing", Rights::Account),
        ("networking.istio.io/v1", "VirtualService", Rights::Account),
    ] {
        assert_eq!(rights(&object(api_version, kind, "x"), &routed), Ok(expected), "{kind}");
    }
    for (api_version, kind, words) in [
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "cluster-scoped"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "cluster-scoped"),
        ("teal.dev/v1alpha1", "Rollout", "Teal's own kind"),
        ("networking.istio.io/v1beta1", "VirtualService", "moves this Rollout's traffic"),
    ] {
        let refusal = rights(&object(api_version, kind, "web"), &routed).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::UnsupportedKind);
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
    let fate = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "annotations": {"teal.dev/fate": "Own"}}});
    let refusal = rights(&Object::from_value(&fate).unwrap(), &routed).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::ReleaseInvalid);
}

#[test]
fn without_an_account_what_needs_one_is_refused_and_hooks_count() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    let hook = |event: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": event, "annotations": {"helm.sh/hook": event}}});
    let text = shop("blue")
        + &document("s.yaml", &secret)
        + &document("h.yaml", &hook("pre-install"))
        + &document("h.yaml", &hook("pre-delete"));
    let rendering = read(&text);
    let found = told(&refusals(&rendering, &BTreeSet::new(), false));
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(found.contains("Secret s: kind") && found.contains("Secret pre-install: kind"), "{found}");
    assert!(found.contains("apply it beside the Rollout"), "{found}");
    assert!(refusals(&rendering, &BTreeSet::new(), true).is_empty());
}
