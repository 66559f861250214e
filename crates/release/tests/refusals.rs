//! Bad input: each message names object, field and remedy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{context, fixture};
use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::{Naming, RefusalReason, render};

/// Manifests that are refused, and what of the message matters.
struct Case {
    manifests: Vec<Value>,
    services: Vec<String>,
    reason: RefusalReason,
    object: &'static str,
    field: &'static str,
    remedy: &'static str,
}

/// The simple release with one thing changed.
fn web(change: impl FnOnce(&mut Value)) -> Vec<Value> {
    let mut manifests = Value::from(fixture("web"));
    change(&mut manifests);
    manifests.as_array().unwrap().clone()
}

/// The simple release with one manifest more.
fn web_and(manifest: Value) -> Vec<Value> {
    let mut manifests = fixture("web");
    manifests.push(manifest);
    manifests
}

#[track_caller]
fn refused(manifests: Vec<Value>, object: &'static str, field: &'static str, remedy: &'static str) {
    let services = vec!["web".to_owned()];
    refused_as(&Case { manifests, services, reason: RefusalReason::ReleaseInvalid, object, field, remedy });
}

#[track_caller]
fn refused_as(case: &Case) {
    for (color, live) in [(Color::Blue, false), (Color::Green, true)] {
        let mut context = context(&case.manifests, case.services.clone(), color);
        context.live = live;
        let refusals = render(&case.manifests, &context).unwrap_err();
        let fitting =
            refusals.iter().find(|refusal| refusal.object == case.object && refusal.field == case.field);
        let refusal =
            fitting.unwrap_or_else(|| panic!("no refusal of {} {}: {refusals:#?}", case.object, case.field));
        assert_eq!(refusal.reason, case.reason);
        assert!(refusal.remedy.contains(case.remedy), "{refusal}");
        let message = refusal.to_string();
        assert!(
            message.contains(case.object) && message.contains(case.field) && message.contains(case.remedy)
        );
        assert_eq!(refusals.len(), 1, "one fault, one refusal: {refusals:#?}");
    }
}

#[track_caller]
fn unsupported(api_version: &str, kind: &str, remedy: &'static str) {
    let object: &'static str = Box::leak(format!("{kind} x").into_boxed_str());
    refused_as(&Case {
        manifests: web_and(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}})),
        services: vec!["web".into()],
        reason: RefusalReason::UnsupportedKind,
        object,
        field: "kind",
        remedy,
    });
}

/// A kept release is read from an object that others may write, too.
#[test]
fn of_far_too_many_manifests_only_so_many_are_compared_with_each_other() {
    let mut manifests = fixture("web");
    for at in 0..15_000 {
        let (name, labels) = (format!("m{at}"), json!({"app": format!("m{at}")}));
        manifests.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": "none"}, "ports": [{"port": 80}]}}));
        manifests.push(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "m", "image": "m:1"}]}}}}));
    }
    let refusals = render(&manifests, &context(&[], vec!["web".into()], Color::Blue)).unwrap_err();
    let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let expected = "Release: spec.release.manifests has 30002 objects: list between 1 and 64, a workload and its Service at least";
    assert_eq!(said, [expected]);
}

#[test]
fn manifests_without_any() {
    let context = context(&[], vec![], Color::Blue);
    let refusals = render(&[], &context).unwrap_err();
    assert_eq!(
        refusals[0].to_string(),
        "Release: spec.release.manifests has 0 objects: list between 1 and 64, a workload and its Service at least"
    );
}

#[test]
fn kinds_without_a_fate() {
    unsupported("v1", "Secret", "keep the Secret outside");
    unsupported("v1", "Namespace", "beside the Rollout");
    unsupported("rbac.authorization.k8s.io/v1", "ClusterRole", "beside the Rollout");
    unsupported("teal.dev/v1alpha1", "Rollout", "beside this Rollout");
    unsupported("teal.dev/v1alpha1", "Decision", "beside this Rollout");
    unsupported("networking.istio.io/v1", "VirtualService", "name it in spec.traffic.virtualServices");
    unsupported("networking.istio.io/v1", "DestinationRule", "Teal makes it hold for the candidate");
    unsupported("apps/v1", "DaemonSet", "write a Deployment");
    unsupported("v1", "Pod", "write a Deployment");
    unsupported("v1", "List", "write its items");
    unsupported("example.com/v1", "Deployment", "beside the Rollout");
}

#[test]
fn an_object_twice() {
    let again = fixture("web").remove(1);
    refused(web_and(again), "Service web", "metadata.name", "take one out");
}

#[test]
fn an_object_without_a_name() {
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}});
    refused(web_and(nameless), "manifests[2] (ConfigMap )", "metadata.name", "write it");
    refused(web_and(json!("text")), "Release", "manifests[2]", "write a Kubernetes object");
}

/// Group and version become part of an address: this one listed every ConfigMap of the cluster.
#[test]
fn an_api_version_that_leads_elsewhere() {
    for version in ["/v1/configmaps?x=", "v1/../../secrets", "apps/v1/namespaces", "v1#"] {
        let manifest = json!({"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "x"}});
        refused(web_and(manifest), "ConfigMap x", "apiVersion", "write it like v1 or apps/v1");
    }
}

#[test]
fn a_name_that_leads_elsewhere() {
    for name in ["../../secrets/x", "x?y", "x%2fy", "x#y", "..", "a..b"] {
        let mut manifests = fixture("web");
        manifests.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}));
        let context = context(&manifests, vec!["web".to_owned()], Color::Blue);
        let refusals = render(&manifests, &context).unwrap_err();
        let refusal = refusals.first().unwrap();
        assert_eq!((refusal.field.as_str(), refusal.problem.as_str()), ("metadata.name", "is no DNS name"));
    }
}

#[test]
fn another_namespace() {
    let manifests = web(|m| m[0]["metadata"]["namespace"] = "elsewhere".into());
    refused(manifests, "Deployment web", "metadata.namespace", "leave it out");
}

#[test]
fn owners_and_reserved_names() {
    let manifests = web(|m| m[0]["metadata"]["ownerReferences"] = json!([{"kind": "X"}]));
    refused(manifests, "Deployment web", "metadata.ownerReferences", "leave it out");
    let manifests =
        web(|m| m[0]["spec"]["template"]["metadata"]["labels"]["teal.dev/revision"] = "r9-00000000".into());
    refused(manifests, "Deployment web", "spec.template.metadata.labels[teal.dev/revision]", "leave it out");
    let manifests = web(|m| m[1]["metadata"]["annotations"] = json!({"epoch.teal.dev/x": "99999999999"}));
    refused(manifests, "Service web", "metadata.annotations[epoch.teal.dev/x]", "leave it out");
}

#[test]
fn rule_17_names_that_get_too_long() {
    for (kind, longest) in
        [("StatefulSet", 46), ("CronJob", 46), ("Deployment", 230), ("Job", 57), ("Service", 57)]
    {
        let named = |length: usize| {
            let name = "n".repeat(length);
            let template =
                json!({"metadata": {"labels": {"a": "n"}}, "spec": {"containers": [{"name": "c"}]}});
            match kind {
                "CronJob" => json!({"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": name},
                    "spec": {"jobTemplate": {"spec": {"template": template}}}}),
                "Job" => {
                    json!({"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": name}, "spec": {"template": template}})
                }
                "Service" => json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name},
                    "spec": {"selector": {"app": "web"}, "ports": [{"port": 1}]}}),
                _ => json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
                    "spec": {"selector": {"matchLabels": {"a": "n"}}, "template": template}}),
            }
        };
        let fits = web_and(named(longest));
        assert!(render(&fits, &context(&fits, vec!["web".into()], Color::Green)).is_ok(), "{kind}");
        let object: &'static str = Box::leak(format!("{kind} {}", "n".repeat(longest + 1)).into_boxed_str());
        let remedy: &'static str = Box::leak(format!("shorten it to at most {longest}").into_boxed_str());
        refused(web_and(named(longest + 1)), object, "metadata.name", remedy);
    }
}

#[test]
fn a_traffic_service_whose_candidate_has_no_room() {
    let name: &'static str = Box::leak("s".repeat(54).into_boxed_str());
    refused_as(&Case {
        manifests: web(|m| m[1]["metadata"]["name"] = name.into()),
        services: vec![name.into()],
        reason: RefusalReason::ReleaseInvalid,
        object: Box::leak(format!("Service {name}").into_boxed_str()),
        field: "metadata.name",
        remedy: "at most 53",
    });
}

#[test]
fn a_traffic_service_that_is_missing() {
    refused_as(&Case {
        manifests: fixture("web"),
        services: vec!["web".into(), "api".into()],
        reason: RefusalReason::ServiceNotFound,
        object: "Service api",
        field: "spec.traffic.services",
        remedy: "add its manifest",
    });
}

#[test]
fn a_traffic_service_that_selects_nothing() {
    for change in [json!({"app": "wep"}), json!({}), Value::Null] {
        refused_as(&Case {
            manifests: web(|m| m[1]["spec"]["selector"] = change),
            services: vec!["web".into()],
            reason: RefusalReason::ServiceNotFound,
            object: "Service web",
            field: "spec.selector",
            remedy: "select labels that a pod template of the release has",
        });
    }
}

#[test]
fn a_traffic_service_over_pods_that_rest() {
    for fate in ["LiveOnly", "Shared"] {
        refused_as(&Case {
            manifests: web(|m| m[0]["metadata"]["annotations"] = json!({"teal.dev/fate": fate})),
            services: vec!["web".into()],
            reason: RefusalReason::ServiceNotFound,
            object: "Service web",
            field: "spec.selector",
            remedy: "take the annotation teal.dev/fate off Deployment web",
        });
    }
}

/// A candidate has no pods of what works in live alone, so it could never have as many as live.
#[test]
fn a_traffic_service_over_pods_of_which_some_rest() {
    let mut worker = web(|m| m[0]["metadata"]["name"] = "worker".into()).remove(0);
    worker["metadata"]["annotations"] = json!({"teal.dev/fate": "LiveOnly"});
    refused_as(&Case {
        manifests: web_and(worker),
        services: vec!["web".into()],
        reason: RefusalReason::ServiceNotFound,
        object: "Service web",
        field: "spec.selector",
        remedy: "give the two unlike labels",
    });
}

#[test]
fn a_traffic_service_of_a_wrong_type() {
    let unsupported = |manifests, field, remedy| {
        refused_as(&Case {
            manifests,
            services: vec!["web".into()],
            reason: RefusalReason::ServiceUnsupported,
            object: "Service web",
            field,
            remedy,
        });
    };
    unsupported(web(|m| m[1]["spec"]["type"] = "ExternalName".into()), "spec.type", "use ClusterIP");
    unsupported(web(|m| m[1]["spec"]["clusterIP"] = "None".into()), "spec.clusterIP", "leave it out");
    unsupported(web(|m| m[1]["spec"]["ports"] = json!([])), "spec.ports", "list the port");
    let shared = web(|m| m[1]["metadata"]["annotations"] = json!({"teal.dev/fate": "Shared"}));
    unsupported(shared, "metadata.annotations[teal.dev/fate]", "leave the annotation out");
}

#[test]
fn an_inner_service_with_an_address_of_its_own() {
    let inner = |spec: Value| {
        let mut manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "inner"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 1}]}});
        manifest["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        web_and(manifest)
    };
    refused(
        inner(json!({"clusterIP": "10.0.0.9"})),
        "Service inner",
        "spec.clusterIP",
        "teal.dev/fate: Shared",
    );
    let ports = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30001}]});
    refused(inner(ports), "Service inner", "spec.ports[0].nodePort", "leave it out");
}

#[test]
fn rule_12_a_shared_service_over_the_pods_of_a_color() {
    let shared = |labels: Value| {
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "metrics", "annotations": {"teal.dev/fate": "Shared"}},
            "spec": {"selector": labels, "ports": [{"port": 1}]}})
    };
    let of_web = web(|_| {})[0]["spec"]["template"]["metadata"]["labels"].clone();
    refused(
        web_and(shared(of_web.clone())),
        "Service metrics",
        "spec.selector",
        "name the Service in spec.traffic.services",
    );
    for fate in ["LiveOnly", "Shared"] {
        let mut worker = web(|m| m[0]["metadata"]["name"] = "worker".into()).remove(0);
        worker["metadata"]["annotations"] = json!({"teal.dev/fate": fate});
        for labels in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
            *worker.pointer_mut(labels).unwrap() = json!({"app": "worker"});
        }
        let mut manifests = web_and(worker);
        manifests.push(shared(json!({"app": "worker"})));
        let found = teal_release::refusals(&manifests, &["web".to_owned()], "shop", &Naming::Behind);
        assert!(found.is_empty(), "{fate}: {found:?}");
    }
}

#[test]
fn rule_17_ports_of_the_node() {
    let manifests =
        web(|m| m[0]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostPort"] = 80.into());
    refused(
        manifests,
        "Deployment web",
        "spec.template.spec.containers[0].ports[0].hostPort",
        "use a Service",
    );
    let manifests = web(|m| m[0]["spec"]["template"]["spec"]["hostNetwork"] = true.into());
    refused(manifests, "Deployment web", "spec.template.spec.hostNetwork", "use a Service");
}

#[test]
fn rule_17_a_stateful_set_with_disks() {
    let mut set = fixture("stateful").remove(3);
    set["metadata"]["annotations"] = Value::Null;
    refused(web_and(set.clone()), "StatefulSet redis", "spec.volumeClaimTemplates", "Shared to keep one");
    for fate in ["Own", "Shared"] {
        set["metadata"]["annotations"] = json!({"teal.dev/fate": fate});
        let manifests = web_and(set.clone());
        assert!(render(&manifests, &context(&manifests, vec!["web".into()], Color::Blue)).is_ok(), "{fate}");
    }
}

#[test]
fn rule_17_selectors_that_can_not_work() {
    let manifests = web(|m| m[0]["spec"]["selector"]["matchLabels"]["tier"] = "x".into());
    refused(manifests, "Deployment web", "spec.selector", "give both the same labels");
    let manifests = web(|m| {
        let label = "service.istio.io/canonical-revision";
        m[0]["spec"]["selector"]["matchLabels"][label] = "v1".into();
        m[0]["spec"]["template"]["metadata"]["labels"][label] = "v1".into();
    });
    refused(manifests, "Deployment web", "spec.selector", "select by another label");
    let template = json!({"spec": {"containers": [{"name": "c"}]}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"template": template, "selector": {"matchLabels": {"a": "b"}}}});
    refused(web_and(job), "Job j", "spec.selector", "leave it out");
}

#[test]
fn a_service_over_own_and_shared_pods() {
    let mut manifests = web(|m| m[0]["metadata"]["name"] = "kept".into());
    manifests[0]["metadata"]["annotations"] = json!({"teal.dev/fate": "Shared"});
    manifests.push(fixture("web").remove(0));
    refused(manifests, "Service web", "spec.selector", "give the two unlike labels");
}

#[test]
fn words_that_annotations_do_not_have() {
    let fate = |word: &str| web(|m| m[0]["metadata"]["annotations"] = json!({"teal.dev/fate": word}));
    refused_as(&Case {
        // The Deployment is not read, so nothing is behind the Service; that would be told twice.
        manifests: fate("Common"),
        services: vec![],
        reason: RefusalReason::ReleaseInvalid,
        object: "Deployment web",
        field: "metadata.annotations[teal.dev/fate]",
        remedy: "write Own or LiveOnly or Shared",
    });
    let template = json!({"spec": {"containers": [{"name": "c"}]}});
    let job = |word: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "j", "annotations": {"teal.dev/run": word}}, "spec": {"template": template}})
    };
    refused(
        web_and(job("later")),
        "Job j",
        "metadata.annotations[teal.dev/run]",
        "write before, which it also means without, or after-retire",
    );
    let manifests = web(|m| m[1]["metadata"]["annotations"] = json!({"teal.dev/run": "before"}));
    refused(manifests, "Service web", "metadata.annotations[teal.dev/run]", "leave it out");
}

#[test]
fn references_that_can_not_follow() {
    let mut manifests = fixture("stateful");
    manifests[3]["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "c"}}]);
    manifests.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}));
    refused_as(&Case {
        manifests,
        services: vec!["game".into()],
        reason: RefusalReason::ReleaseInvalid,
        object: "StatefulSet redis",
        field: "spec.template.spec.containers[0].envFrom[0].configMapRef.name",
        remedy: "annotate ConfigMap c with teal.dev/fate: Shared",
    });
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}}});
    refused(web_and(scaler), "HorizontalPodAutoscaler h", "spec.scaleTargetRef.name", "add its manifest");
}

#[test]
fn names_that_meet_in_some_color() {
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "annotations": {"teal.dev/fate": "Shared"}},
            "spec": {"type": "ExternalName", "externalName": "x.example.com"}})
    };
    refused(
        web_and(service("web-candidate")),
        "Service web-candidate",
        "metadata.name",
        "rename one of the two",
    );
    let map = |name: &str, fate: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "annotations": {"teal.dev/fate": fate}}});
    let mut manifests = web_and(map("c", "Own"));
    manifests.push(map("c-green", "Shared"));
    refused(manifests, "ConfigMap c-green", "metadata.name", "rename one of the two");
}

#[test]
fn shapes_that_can_not_be_read() {
    let manifests = web(|m| m[0]["metadata"]["labels"] = "app=web".into());
    refused(manifests, "Deployment web", "metadata.labels", "write a map");
    let manifests = web(|m| m[0]["spec"]["template"]["spec"]["containers"] = Value::Null);
    refused(manifests, "Deployment web", "spec.template.spec.containers", "list the containers");
    let color = json!([{"name": "TEAL_COLOR", "value": "red"}]);
    let manifests = web(|m| m[0]["spec"]["template"]["spec"]["containers"][0]["env"] = color);
    refused(manifests, "Deployment web", "spec.template.spec.containers[0].env[TEAL_COLOR]", "leave it out");
}
