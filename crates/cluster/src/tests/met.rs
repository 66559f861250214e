use std::time::Duration;

use serde_json::{Value, json};
use teal_api::names::manager;
use teal_plan::snapshot::{Obstacle, Stops};
use teal_plan::{Color, Time};

use super::server::{Manner, Server};
use super::{patches, recall, served};
use crate::access::{Access, Target};
use crate::error::{Class, Error};
use crate::execute::Done;
use crate::kinds;
use crate::memory::Memory;
use crate::met::{remember, remember_each};
use crate::observe::tests::cluster::Hand;
use crate::reconcile::{Next, Reconciler, now};
use crate::stores::ObjectId;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web-blue";

fn timeout() -> Error {
    let after = Duration::from_secs(5);
    Error::Timeout { verb: "patch", kind: "VirtualService".into(), name: "shop/web".into(), after }
}

fn conflict() -> Error {
    Error::Changed { object: "VirtualService shop/web".into(), detail: "its version".into() }
}

/// What is told for the first generation, which was seen before.
fn told(memory: &mut Memory, at: i64) -> Vec<Obstacle> {
    memory.obstacles(1, Time(at))
}

#[test]
fn a_write_that_fails_for_the_third_time_is_told_until_it_succeeds() {
    let mut memory = Memory::default();
    told(&mut memory, 0);
    for (at, count) in [(0, 0), (1_000, 0), (2_000, 1)] {
        let done = vec![Done::of("RaiseWeight", Err(timeout()))];
        assert!(remember(&mut memory, done, Stops::Rollout, Time(at)).is_some());
        assert_eq!(told(&mut memory, at).len(), count, "{at}");
    }
    let obstacle = told(&mut memory, 2_000).remove(0);
    assert_eq!((obstacle.reason.as_str(), obstacle.stops), ("WriteFails", Stops::Nothing));
    assert!(obstacle.message.starts_with("RaiseWeight fails again and again"), "{}", obstacle.message);
    assert!(
        remember(&mut memory, vec![Done::of("RaiseWeight", Ok(true))], Stops::Rollout, Time(3_000)).is_none()
    );
    assert_eq!(told(&mut memory, 3_000), []);
    remember(&mut memory, vec![Done::of("RaiseWeight", Err(timeout()))], Stops::Rollout, Time(4_000));
    assert_eq!(told(&mut memory, 4_000), [], "counted anew");
}

#[test]
fn what_one_color_meets_is_told_whatever_becomes_of_the_other() {
    let taken = |color: &str| {
        Err(Error::NameTaken {
            object: format!("Deployment shop/web-{color}"),
            manager: "helm".into(),
            serves: false,
        })
    };
    let of = |color, result| Done { color: Some(color), ..Done::of("ApplyRelease", result) };
    let mut memory = Memory::default();
    told(&mut memory, 0);
    let both = vec![of(Color::Blue, taken("blue")), of(Color::Green, taken("green"))];
    remember_each(&mut memory, both, &[Stops::Nothing, Stops::Rollout], Time(0));
    let found = told(&mut memory, 0);
    let names: Vec<bool> = found.iter().map(|told| told.message.contains("web-green")).collect();
    assert_eq!(names, [true, false], "first what stops something: {found:?}");
    remember_each(&mut memory, vec![of(Color::Blue, Ok(true))], &[Stops::Nothing], Time(1));
    let found = told(&mut memory, 1);
    assert!(found.len() == 1 && found[0].message.contains("web-green"), "{found:?}");
}

#[test]
fn writers_that_notice_each_other_are_no_fault() {
    let mut memory = Memory::default();
    told(&mut memory, 0);
    for at in 0..10 {
        let done = vec![Done::of("LowerWeight", Err(conflict()))];
        assert!(remember(&mut memory, done, Stops::Rollout, Time(at)).is_some(), "it is tried again");
    }
    assert_eq!(told(&mut memory, 10), []);
}

#[test]
fn of_several_failures_one_that_is_no_conflict_sets_the_pause() {
    let done = vec![
        Done::of("PointLive", Err(conflict())),
        Done::of("PointCandidate", Err(timeout())),
        Done::of("LowerWeight", Err(conflict())),
    ];
    let failed = remember(&mut Memory::default(), done, Stops::Nothing, Time(0));
    assert!(matches!(failed, Some(Error::Timeout { .. })), "{failed:?}");
}

#[test]
fn what_is_refused_is_told_at_once_and_stops_what_it_is_in_the_way_of() {
    for stops in [Stops::Rollout, Stops::Nothing] {
        let mut memory = Memory::default();
        told(&mut memory, 0);
        let taken =
            Error::NameTaken { object: "Service shop/web".into(), manager: "helm".into(), serves: false };
        remember(&mut memory, vec![Done::of("PointLive", Err(taken))], stops, Time(0));
        let found = told(&mut memory, 0);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].reason.as_str(), found[0].stops), ("NameTaken", stops));
    }
}

/// Added in place to a release that is live, together with another size.
#[tokio::test]
async fn what_the_cluster_does_not_serve_is_told_and_holds_up_nothing_else_of_live() {
    let mut hand = Hand::new();
    hand.install();
    hand.manifest(
        json!({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
    );
    hand.spec("/release/manifests/0/spec/replicas", json!(5));
    let (server, reconciler) = served(hand);
    let there = reconciler.tools.stores.object("apps", "Deployment", "shop", "web-blue").unwrap();
    server.put(DEPLOYMENT, json!({"metadata": {"name": "web-blue", "namespace": "shop", "uid": there.uid}}));
    server.answers("PATCH", "/poddisruptionbudgets/web-blue", Manner::Unserved);
    let mut waited = Duration::ZERO;
    for _ in 0..10 {
        if let Next::After(wait) = reconciler.reconcile(&ObjectId::new("shop", "web")).await {
            waited = wait;
        }
        if waited >= Duration::from_secs(1) {
            break;
        }
    }
    assert!(waited >= Duration::from_secs(2), "few requests a minute: {waited:?} {:?}", patches(&server));
    let told = recall(&reconciler, |memory| memory.met[&("ApplyRelease", Some(Color::Blue))].0.clone());
    assert_eq!((told.reason.as_str(), told.stops), ("UnsupportedKind", Stops::Nothing));
    assert!(told.message.contains("apiVersion policy/v1beta1"), "{}", told.message);
    assert_eq!(server.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 5);
    // Whatever makes anyone look again soon.
    for _ in 0..3 {
        reconciler.reconcile(&ObjectId::new("shop", "web")).await;
    }
    let asked = server.requests().into_iter().filter(|asked| asked.contains("budgets")).count();
    assert_eq!(asked, 2, "a read and a write, once in half a minute");
}

/// As a RoleBinding is answered whose role isn't there: that says nothing of its kind.
#[tokio::test]
async fn where_one_lacks_what_it_refers_to_anothers_of_its_kind_is_asked_for() {
    const SAID: &str = "roles.rbac.authorization.k8s.io \"web\" not found";
    let server = Server::default();
    let access = Access::new(server.client(), Duration::from_secs(1));
    let kind = kinds::find("rbac.authorization.k8s.io", "RoleBinding").unwrap().resource();
    let of = |namespace: &'static str| Target { resource: &kind, namespace, name: "web" };
    let object = json!({"metadata": {"name": "web"}});
    for (manner, is_served) in [(Manner::Told(404, SAID), true), (Manner::Unserved, false)] {
        server.answers("PATCH", "/shop/rolebindings/web", manner);
        let refused = access.apply(of("shop"), manager::RELEASE, &object).await.unwrap_err();
        assert_eq!(refused.class(), Class::Invalid, "{refused}");
        assert_eq!(refused.said().ends_with(SAID), is_served, "{refused}");
        assert_eq!(access.check_served(of("other")).is_ok(), is_served, "{manner:?}");
        server.mend();
    }
}

const AUTOSCALER: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web-blue";

/// Live under an autoscaler in whose place the spec has another now, which is refused so: the server, and how to look.
async fn replaces(manner: Manner) -> (Server, Reconciler) {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let mut hand = Hand::new();
    hand.manifest(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 9}}));
    hand.install();
    hand.spec(
        "/release/manifests/2",
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicaCount": 3, "maxReplicaCount": 9, "triggers": []}}),
    );
    let (server, reconciler) = served(hand);
    server.answers("PATCH", "/scaledobjects/web-blue", manner);
    looks(&reconciler).await;
    (server, reconciler)
}

async fn looks(reconciler: &Reconciler) {
    for _ in 0..4 {
        reconciler.reconcile(&ObjectId::new("shop", "web")).await;
    }
}

/// How often it was deleted, and what it is replaced by was asked for.
fn asked(server: &Server) -> (usize, usize) {
    let requests = server.requests();
    let count = |what: &str| requests.iter().filter(|asked| asked.contains(what)).count();
    (count(&format!("DELETE {AUTOSCALER}")), count("scaledobjects/web-blue"))
}

#[tokio::test]
async fn an_autoscaler_stays_until_what_replaces_it_is_there() {
    let policy = "web is forbidden: ValidatingAdmissionPolicy 'frozen' with binding 'b' denied request: no";
    let webhook = "admission webhook \"validate.kyverno.svc-fail\" denied the request: no owner";
    let other = "admission webhook \"vscaledobject.kb.io\" denied the request: the scaledobject has a cpu trigger but no requests";
    let told = [policy, webhook, other].map(|words| Manner::Told(403, words));
    for manner in [Manner::Refused(403), Manner::Refused(422)].into_iter().chain(told) {
        let (server, reconciler) = replaces(manner).await;
        let (deleted, tried) = asked(&server);
        assert!(deleted == 0 && tried > 0, "{manner:?}: {:?}", server.requests());
        server.mend();
        // Its pause is over.
        recall(&reconciler, |memory| memory.refused.clear());
        looks(&reconciler).await;
        assert_eq!(asked(&server).0, 1, "{manner:?}: {:?}", server.requests());
    }
    let (server, _) = replaces(Manner::Unserved).await;
    assert_eq!(asked(&server).0, 0, "{:?}", server.requests());
}

/// KEDA takes no workload that another autoscaler has.
#[tokio::test]
async fn an_autoscaler_goes_where_a_webhook_refuses_what_replaces_it() {
    let said = "admission webhook \"vscaledobject.kb.io\" denied the request: the workload 'web-blue' of type \
                'apps/v1.Deployment' is already managed by the hpa 'web-blue'";
    let (server, _) = replaces(Manner::Told(403, said)).await;
    assert_eq!(asked(&server).0, 1, "{:?}", server.requests());
}

fn autoscaler(name: &str) -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 3, "maxReplicas": 9}})
}

/// Live under an autoscaler that has another name in the spec now, and a budget that has changed.
fn renamed() -> (Server, Reconciler) {
    let mut hand = Hand::new();
    hand.manifest(autoscaler("web"));
    hand.manifest(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": {
        "minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}));
    hand.install();
    hand.spec("/release/manifests/2", autoscaler("second"));
    hand.spec("/release/manifests/3/spec/minAvailable", json!(2));
    served(hand)
}

/// Two autoscalers of one workload hinder each other.
#[tokio::test]
async fn a_refused_budget_keeps_no_autoscaler() {
    let (server, reconciler) = renamed();
    server.answers("PATCH", "/poddisruptionbudgets/web-blue", Manner::Refused(422));
    looks(&reconciler).await;
    assert_eq!(asked(&server).0, 1, "{:?}", server.requests());
}

#[tokio::test]
async fn an_autoscaler_stays_where_a_webhook_of_whomever_refuses_its_new_name() {
    let (server, reconciler) = renamed();
    let said = "admission webhook \"validate.kyverno.svc-fail\" denied the request: no owner";
    server.answers("PATCH", "/horizontalpodautoscalers/second-blue", Manner::Told(403, said));
    looks(&reconciler).await;
    assert_eq!(asked(&server).0, 0, "{:?}", server.requests());
}

/// A Deployment of live that another hand edited, and whose repair a policy refuses.
fn edited() -> (Server, Reconciler) {
    let mut hand = Hand::new();
    hand.install();
    hand.take_field("web-blue", "/f:spec/f:template");
    let (server, reconciler) = served(hand);
    let there = reconciler.tools.stores.object("apps", "Deployment", "shop", "web-blue").unwrap();
    server.put(DEPLOYMENT, json!({"metadata": {"name": "web-blue", "namespace": "shop", "uid": there.uid}}));
    server.answers("PATCH", "/deployments/web-blue", Manner::Refused(403));
    (server, reconciler)
}

/// What a misspelt field is answered by: a status of the server's own failure, though nothing but the spec can mend it.
#[test]
fn a_manifest_that_does_not_fit_is_the_releases_fault() {
    let said = "failed to create typed patch object (shop/web-green; apps/v1, Kind=Deployment): .spec.replica: field not \
                declared in schema";
    let status = kube::core::Status::failure(said, "").with_code(500);
    let source = Box::new(kube::Error::Api(Box::new(status)));
    let error =
        Error::Request { verb: "apply", kind: "Deployment".into(), name: "shop/web-green".into(), source };
    assert!(!error.is_unsure(), "it is known that nothing was written");
    let mut memory = Memory::default();
    told(&mut memory, 0);
    remember(&mut memory, vec![Done::of("ApplyRelease", Err(error))], Stops::Rollout, Time(0));
    let found = told(&mut memory, 0);
    assert_eq!((found[0].reason.as_str(), found[0].stops), ("ReleaseInvalid", Stops::Rollout));
    assert!(
        found[0].message.contains(".spec.replica") && found[0].message.contains("correct"),
        "{}",
        found[0].message
    );
}

/// Each pod that comes and goes makes somebody look.
#[tokio::test]
async fn a_repair_that_is_refused_rests_through_whatever_makes_anyone_look() {
    let (server, reconciler) = edited();
    let id = ObjectId::new("shop", "web");
    let tried = || patches(&server).iter().filter(|asked| asked.ends_with("/deployments/web-blue")).count();
    let mut waited = Next::Change;
    for _ in 0..20 {
        waited = reconciler.reconcile(&id).await;
    }
    assert_eq!(tried(), 1, "{:?}", server.requests());
    assert!(matches!(waited, Next::After(wait) if wait <= Duration::from_secs(2)), "{waited:?}");
    let again = |generation: i64| recall(&reconciler, |memory| memory.rests(Color::Blue, generation, now()));
    let pause = again(1).expect("it rests") - now();
    assert!(pause <= teal_plan::Span::seconds(2), "{pause:?}");
    assert_eq!(again(2), None, "another spec is tried at once");
    server.mend();
    recall(&reconciler, |memory| memory.refused.clear());
    reconciler.reconcile(&id).await;
    assert_eq!(tried(), 2);
    recall(&reconciler, |memory| assert!(memory.refused.is_empty(), "{:?}", memory.refused));
}
