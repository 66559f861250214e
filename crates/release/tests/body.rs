//! A chart in both colors: what stands in one and what in both, what leads to it, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use teal_plan::Color;
use teal_release::chart::{Body, BothColors, Manifests, Rendering, ServiceMapping, Stage, for_color};
use teal_release::names::uncolored;
use teal_release::{
    Context, FindingKind, Kept, ObjectKey, Refusal, Rendered, from_store, hash, render, store,
};

/// What Helm prints of a chart with two workloads, configuration, an autoscaler and a Job before all of it.
const WEB: &str = r#"---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, labels: {app.kubernetes.io/instance: web-COLOR}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web-COLOR-settings}
data: {color: COLOR}
---
apiVersion: v1
kind: Service
metadata: {name: web-COLOR, labels: {app: web, instance: web-COLOR}}
spec: {selector: {app: web, instance: web-COLOR}, clusterIP: "", ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-COLOR-api}
spec: {selector: {app: api, instance: web-COLOR}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-COLOR}
spec:
  replicas: 2
  selector: {matchLabels: {app: web, instance: web-COLOR}}
  template:
    metadata: {labels: {app: web, instance: web-COLOR}, annotations: {checksum/config: of-COLOR}}
    spec:
      serviceAccountName: web
      volumes: [{name: settings, configMap: {name: web-COLOR-settings}}]
      containers: [{name: web, image: "web:1", env: [{name: API, value: "http://web-COLOR-api:80"}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-COLOR-api, annotations: {teal.dev/fate: Own}}
spec:
  selector: {matchLabels: {app: api, instance: web-COLOR}}
  template:
    metadata: {labels: {app: api, instance: web-COLOR}}
    spec: {containers: [{name: api, image: "api:1"}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web-COLOR}
spec: {minReplicas: 2, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web-COLOR}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: web-COLOR-migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "1"}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: "web:1"}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-COLOR-test, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: t, image: "curl:1"}]}
"#;

fn body_of(text: &str) -> Result<Body, Vec<Refusal>> {
    let of = |color: &str| Rendering::read(&text.replace("COLOR", color), "shop");
    let (blue, green) = (of("blue")?, of("green")?);
    Body::of(BothColors { blue: ("web-blue", &blue), green: ("web-green", &green) }, Stage::Upgrade, 0)
}

fn body() -> Body {
    body_of(WEB).unwrap_or_else(|refusals| panic!("{}", told(&refusals)))
}

fn told(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The chart with one more document.
fn with(document: &str) -> String {
    format!("{WEB}---\n{document}\n")
}

fn web() -> Vec<ServiceMapping> {
    vec![ServiceMapping { name: "web".into(), from: None }]
}

fn context(manifests: &Manifests, color: Color) -> Context {
    let context = common::context(&[], vec!["web".into()], color);
    Context { rollout: "web".into(), namespace: "shop".into(), naming: manifests.naming.clone(), ..context }
}

fn rendered(color: Color) -> Rendered {
    let manifests = body().manifests(color, &web()).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
    let context = context(&manifests, color);
    render(&manifests.objects, &context).unwrap_or_else(|refusals| panic!("{}", told(&refusals)))
}

fn names(objects: &[teal_release::Object]) -> Vec<String> {
    objects.iter().map(|object| object.key().to_string()).collect()
}

#[test]
fn objects_of_a_color_have_the_names_that_the_chart_gave_them_and_what_is_alike_is_shared() {
    for color in [Color::Blue, Color::Green] {
        let rendered = rendered(color);
        assert_eq!(names(&rendered.shared), ["ServiceAccount web"]);
        assert_eq!(rendered.shared[0].label("app.kubernetes.io/instance"), None, "it is that of both");
        assert_eq!(
            names(&rendered.own),
            [
                format!("ConfigMap web-{color}-settings"),
                format!("Service web-{color}"),
                format!("Service web-{color}-api"),
                format!("Deployment web-{color}"),
                format!("Deployment web-{color}-api"),
            ]
        );
        assert_eq!(names(&rendered.in_place), [format!("HorizontalPodAutoscaler web-{color}")]);
        let job = &rendered.jobs[0].object;
        assert_eq!((rendered.jobs.len(), job.key().name), (1, format!("web-{color}-migrate")));
        assert!(job.annotation("helm.sh/hook").is_none(), "it is no hook any more");
        let deployment = rendered.own[3].to_value();
        let at = |pointer: &str| deployment.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/spec/selector/matchLabels/teal.dev~1color"), json!(color.as_str()));
        assert_eq!(at("/spec/template/metadata/annotations/checksum~1config"), json!(format!("of-{color}")));
        let settings = at("/spec/template/spec/volumes/0/configMap/name");
        assert_eq!(settings, json!(format!("web-{color}-settings")));
        assert!(rendered.findings.is_empty(), "{:?}", rendered.findings);
    }
}

#[test]
fn workloads_are_known_by_one_key_in_both_colors_and_a_candidate_has_lives_size() {
    let manifests = body().manifests(Color::Green, &web()).unwrap();
    let mut context = context(&manifests, Color::Green);
    context.replicas.insert(ObjectKey::deployment("web-api"), 7);
    let rendered = render(&manifests.objects, &context).unwrap();
    let keys: Vec<&str> = rendered.workloads.iter().map(|workload| workload.key.name.as_str()).collect();
    assert_eq!(keys, ["web", "web-api"]);
    assert_eq!(rendered.workloads[1].colored_name, "web-green-api");
    assert_eq!(rendered.own[4].get("/spec/replicas"), Some(&json!(7)));
}

#[test]
fn a_color_is_taken_out_of_names_wherever_a_chart_puts_it() {
    for (name, neutral) in [
        ("web-blue", "web"),
        ("web-blue-api", "web-api"),
        ("blue-web", "web"),
        ("a-blue-b-blue-c", "a-blue-b-c"),
        ("bluebird", "bluebird"),
        ("blue", "blue"),
        ("web-green", "web-green"),
    ] {
        assert_eq!(uncolored(name, Color::Blue), neutral, "{name}");
    }
}

#[test]
fn a_role_says_what_both_colors_say_and_leads_to_one() {
    let of = |color| {
        let mut rendered = rendered(color);
        assert_eq!(rendered.role_services.len(), 1);
        rendered.role_services.remove(0)
    };
    let (blue, green) = (of(Color::Blue), of(Color::Green));
    assert_eq!((blue.name.as_str(), blue.candidate_name.as_str()), ("web", "web-candidate"));
    assert_eq!(blue.template, green.template, "there is no form of one color");
    assert_eq!(blue.template.label("app"), Some("web"));
    assert_eq!(blue.template.label("instance"), None);
    assert_eq!(Value::from_iter(blue.original_selector.clone()), json!({"app": "web"}));
    assert_eq!(blue.selector.get("teal.dev/color").map(String::as_str), Some("blue"));
    assert_eq!(blue.both(), green.both(), "for a time it leads to both");
}

#[test]
fn a_role_is_led_by_the_service_that_is_named_or_was_named_when_it_was_kept() {
    let from = |from: &str| vec![ServiceMapping { name: "web".into(), from: Some(from.into()) }];
    let names = ["web".to_owned()];
    let body = body();
    assert_eq!(body.mapped(&names, &from("web-$(color)-api")), from("web-$(color)-api"));
    let kept = body.clone().with_services(from("web-$(color)-api"));
    assert_eq!(kept.mapped(&names, &from("gone-$(color)")), from("web-$(color)-api"));
    assert_eq!(kept.mapped(&names, &web()), from("web-$(color)-api"), "another one is for revisions to come");
    assert_eq!(body.mapped(&names, &[]), web());
    let refusals = body.manifests(Color::Blue, &from("gone-$(color)")).unwrap_err();
    assert!(told(&refusals).contains("gone-blue, which is no Service of the chart"), "{}", told(&refusals));
}

#[test]
fn pods_that_only_labels_of_a_color_tell_apart_have_no_role() {
    let text = WEB.replace("app: api, instance: web-COLOR", "app: web, instance: api-COLOR");
    let body = body_of(&text).unwrap();
    let refusals = body.manifests(Color::Blue, &web()).unwrap_err();
    assert!(told(&refusals).contains("labels that differ between the colors"), "{}", told(&refusals));
}

#[test]
fn what_would_reach_live_or_go_with_a_color_is_refused_with_what_to_do() {
    let meta = |name: &str, more: &str| format!("metadata: {{name: {name}{more}}}");
    let object = |kind: &str, metadata: &str| format!("apiVersion: v1\nkind: {kind}\n{metadata}");
    let note = |note: &str| format!(", annotations: {{{note}}}");
    let hook = |name: &str, notes: &str, kind: &str| {
        let version = if kind == "Job" { "batch/v1" } else { "v1" };
        let spec = "spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: i}]}}}";
        format!("apiVersion: {version}\nkind: {kind}\n{}\n{spec}", meta(name, &note(notes)))
    };
    let cases = [
        (
            object("ConfigMap", &meta("settings", "")),
            "ConfigMap settings: metadata.name is the same in both colors",
            "{{ .Release.Name }}",
        ),
        (
            object("ConfigMap", &meta("web-COLOR-x", &note("teal.dev/fate: Shared"))),
            "its name is that of one color",
            "take the annotation off",
        ),
        (
            object("ConfigMap", &meta("web-COLOR-x", &note("helm.sh/resource-policy: keep"))),
            "is keep, but the object is of one color",
            "one name for both colors",
        ),
        (
            object("PersistentVolumeClaim", &meta("web-COLOR-data", "")),
            "an empty disk of its own",
            "teal.dev/fate: Own",
        ),
        (
            object("Secret", &meta("web-COLOR-key", "")),
            "Secret is none of the kinds",
            "apply it beside the Rollout",
        ),
        (object("Namespace", &meta("other", "")), "cluster-scoped", "switch it off in the chart's values"),
        (
            object("ConfigMap", &format!("{}\ndata: {{a: COLOR}}", meta("clash", ""))),
            "ConfigMap clash: data.a differs between blue and green",
            "name the object by the release",
        ),
        (
            hook("web-COLOR-late", "helm.sh/hook: post-install", "Job"),
            "after the release's objects",
            "pre-install,pre-upgrade",
        ),
        (
            hook("web-COLOR-two", "helm.sh/hook: pre-upgrade", "Job"),
            "after another Job",
            "give them one weight",
        ),
        (
            hook("web-COLOR-cm", "helm.sh/hook: pre-install", "ConfigMap"),
            "makes a hook of what is no Job",
            "leave the annotation out",
        ),
        (
            hook("migrate", "helm.sh/hook: pre-upgrade, helm.sh/hook-weight: \"1\"", "Job"),
            "Job migrate: metadata.name has no counterpart",
            "name it by the release",
        ),
    ];
    for (document, problem, remedy) in &cases {
        let refusals = body_of(&with(document)).expect_err(document);
        let told = told(&refusals);
        assert_eq!(refusals.len(), 1, "{document}: {told}");
        assert!(told.contains(problem) && told.contains(remedy), "{document}: {told}");
        assert!(!told.contains("serviceAccountName"), "there is no such field: {told}");
    }
}

#[test]
fn what_may_be_one_for_both_by_the_charts_own_word_is() {
    let document =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, annotations: {teal.dev/fate: Shared}}";
    let shared = body_of(&with(document)).unwrap().shared();
    let kinds: BTreeSet<&str> = shared.iter().map(|key| key.kind.as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["ConfigMap", "ServiceAccount"]));
}

#[test]
fn more_than_is_kept_with_a_revision_is_refused() {
    let document = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web-COLOR-big}}\ndata: {{a: {}}}",
        "x".repeat(600_000)
    );
    let refusals = body_of(&with(&document)).unwrap_err();
    assert!(told(&refusals).contains("at most 1024 KiB"), "{}", told(&refusals));
}

#[test]
fn a_chart_is_kept_with_its_objects_and_its_hash_is_that_of_the_spec() {
    let release =
        json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2", "values": {"a": null}}});
    let kept = Kept {
        hash: hash(&release),
        services: vec!["web".into()],
        release: release.clone(),
        body: Some(body()),
    };
    let back = from_store(&store(&kept).unwrap()).unwrap();
    assert_eq!(back, kept);
    assert!(back.check(kept.hash.revision(3)).is_ok());
    let other = json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2", "values": {}}});
    assert_ne!(hash(&release), hash(&other), "a null takes a default away");
    let listed = Kept { body: None, ..kept };
    assert!(store(&listed).unwrap().get("body").is_none(), "of manifests nothing more is kept");
}

#[test]
fn values_may_speak_of_the_color_and_not_of_what_has_no_number_yet() {
    let values = |text: &str| json!({"shard": text}).as_object().unwrap().clone();
    assert_eq!(for_color(&values("x-$(color)"), Color::Green).unwrap(), values("x-green"));
    let refused = for_color(&values("$(revision)"), Color::Green).unwrap_err();
    assert!(refused.to_string().contains("write $(color)"), "{refused}");
}

/// A load balancer, ports of nodes and names in the DNS are the role's: with one of each in each color, callers would come to a candidate
/// by its own.
#[test]
fn a_service_that_is_reached_from_outside_is_so_by_its_role_alone() {
    let notes = "annotations: {external-dns.alpha.kubernetes.io/hostname: web.example.com, \
                 service.beta.kubernetes.io/aws-load-balancer-type: nlb, team: shop}";
    let outside = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: out-COLOR, {notes}}}\nspec:\n  type: LoadBalancer\n  externalTrafficPolicy: Local\n  \
         loadBalancerIP: 192.0.2.7\n  loadBalancerClass: internal\n  selector: {{app: web}}\n  ports: [{{port: 80, nodePort: 30080}}]\n"
    );
    let body = body_of(&format!("{WEB}{outside}")).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
    let mapping = vec![ServiceMapping { name: "web".into(), from: Some("out-$(color)".into()) }];
    let manifests =
        body.manifests(Color::Green, &mapping).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
    let context = context(&manifests, Color::Green);
    let rendered =
        render(&manifests.objects, &context).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
    let inner = rendered.own.iter().find(|object| object.key().name == "out-green").unwrap().to_value();
    assert_eq!(inner["metadata"]["annotations"]["team"], "shop");
    let text = inner.to_string();
    for word in ["LoadBalancer", "example.com", "aws", "30080", "Local", "192.0.2.7", "internal"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert_eq!(
        (&inner["spec"]["type"], &inner["spec"]["ports"][0]["port"]),
        (&json!("ClusterIP"), &json!(80))
    );
    let role = rendered.role_services[0].template.to_value();
    assert_eq!(role["spec"]["type"], "LoadBalancer");
    for word in ["web.example.com", "nlb", "30080", "Local", "192.0.2.7"] {
        assert!(role.to_string().contains(word), "{word}: {role}");
    }
}

/// Without a word its callers would stay away.
#[test]
fn a_service_that_is_reached_from_outside_and_has_no_role_is_told() {
    let found = |meta: &str, spec: &str, from: Option<&str>| {
        let outside = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: out-COLOR{meta}}}\nspec: {{selector: {{app: web}}, ports: [{{port: 80}}]{spec}}}\n"
        );
        let body =
            body_of(&format!("{WEB}{outside}")).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
        let mut mapping = web();
        mapping.extend(from.map(|from| ServiceMapping { name: "out".into(), from: Some(from.into()) }));
        let manifests = body.manifests(Color::Green, &mapping);
        manifests.unwrap_or_else(|refusals| panic!("{}", told(&refusals))).findings
    };
    let dns = ", annotations: {external-dns.alpha.kubernetes.io/hostname: a.example.com}";
    for (meta, spec, says) in [
        ("", ", type: LoadBalancer", "has the type LoadBalancer"),
        ("", ", type: NodePort", "has the type NodePort"),
        ("", ", externalIPs: [192.0.2.7]", "has externalIPs"),
        (dns, "", "has the annotation external-dns.alpha.kubernetes.io/hostname"),
    ] {
        let [finding] = found(meta, spec, None).try_into().expect("one");
        assert_eq!(finding.kind, FindingKind::ServiceInsideOnly);
        for word in ["Service out-green", says, "{name: out, from: out-$(color)}"] {
            assert!(finding.message.contains(word), "{word}: {}", finding.message);
        }
        assert_eq!(found(meta, spec, Some("out-$(color)")), [], "its role is reached so");
    }
    assert_eq!(found(", annotations: {team: shop}", ", type: ClusterIP", None), []);
}

/// It would lead callers to a candidate from its first pod on.
#[test]
fn a_service_of_both_colors_that_selects_their_pods_is_refused() {
    let both = "apiVersion: v1\nkind: Service\nmetadata: {name: all}\nspec: {selector: {app: web}, ports: [{port: 80}]}";
    let body = body_of(&with(both)).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
    let manifests =
        body.manifests(Color::Blue, &web()).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
    let refusals = render(&manifests.objects, &context(&manifests, Color::Blue)).unwrap_err();
    for word in ["Service all", "requests before any step", "{{ .Release.Name }}", "from with $(color)"] {
        assert!(told(&refusals).contains(word), "{word}: {}", told(&refusals));
    }
}

/// They are kept together in one object.
#[test]
fn values_count_to_what_is_kept() {
    let of = |color: &str| Rendering::read(&WEB.replace("COLOR", color), "shop").unwrap();
    let (blue, green) = (of("blue"), of("green"));
    let made = |beside| {
        let both = BothColors { blue: ("web-blue", &blue), green: ("web-green", &green) };
        Body::of(both, Stage::Upgrade, beside)
    };
    assert!(made(900 << 10).is_ok());
    let refusals = made(1 << 20).unwrap_err();
    assert!(told(&refusals).contains("has 1024 KiB of values"), "{}", told(&refusals));
}

/// They are never run.
#[test]
fn tests_of_a_chart_are_not_judged() {
    let note = "annotations: {helm.sh/hook: test}";
    for document in [
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: fixed, {note}}}\ndata: {{of: COLOR}}"),
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: forever, {note}}}\nspec: {{restartPolicy: Always}}"
        ),
        format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: tester, {note}}}\nspec: {{}}"),
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: tests, {note}}}"
        ),
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: away, namespace: other, {note}}}\nspec: {{restartPolicy: Never}}"
        ),
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web-COLOR-test, {note}}}\nspec: {{restartPolicy: Never}}"
        ),
    ] {
        let body = body_of(&with(&document)).unwrap_or_else(|refusals| panic!("{}", told(&refusals)));
        assert_eq!(body, self::body(), "{document}");
    }
    let run = "apiVersion: v1\nkind: Pod\nmetadata: {name: forever, annotations: {helm.sh/hook: \"test,pre-upgrade\"}}\nspec: {}";
    assert!(told(&body_of(&with(run)).unwrap_err()).contains("restartPolicy"), "this one runs");
}

/// As most charts do it: `trunc 63 | trimSuffix "-"`.
#[test]
fn names_that_are_cut_at_their_end_are_known_in_both_colors() {
    let cut = |name: String| name.chars().take(63).collect::<String>().trim_end_matches('-').to_owned();
    for length in 40..75 {
        for hyphen in 0..length {
            let mut rest: Vec<u8> = (0..length).map(|i| b'a' + u8::try_from(i % 26).unwrap()).collect();
            rest[hyphen] = b'-';
            let rest = String::from_utf8(rest).unwrap();
            let [blue, green] = [Color::Blue, Color::Green]
                .map(|color| uncolored(&cut(format!("web-{color}-{rest}")), color));
            assert_eq!(blue, green, "{rest}");
        }
    }
    let long = format!("{}-blue", "a".repeat(58));
    assert_eq!(uncolored(&long, Color::Blue), "a".repeat(58), "manifests are not cut");
}
