//! What was rendered of a chart for an earlier revision, where the same is wanted again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use teal_api::names::{annotation, label};
use teal_plan::{ContentHash, Revision};
use teal_release::Kept;
use teal_release::chart::{Body, BothColors, Rendering, ServiceMapping, Stage};

use super::server::{Manner, Server};
use super::values::{Asked, charting};
use super::{PATH, recall, served};
use crate::kinds;
use crate::observe::tests::charts;
use crate::reconcile::{Next, Reconciler};
use crate::stores::ObjectId;

/// A live release of manifests, and a chart wanted that was kept with an earlier revision, if of this Rollout.
fn kept(body: Body, of_this: bool) -> (Server, Reconciler, Arc<Asked>, Revision) {
    let hand = charts::wanted();
    let rollout = hand.rollout();
    let (server, mut reconciler) = served(hand);
    let asked = charting(&mut reconciler);
    let release = rollout.spec.release.raw().clone();
    let hash = teal_release::hash(&release);
    let revision = hash.revision(7);
    let data = Kept { hash, services: vec!["web".into()], release, body: Some(body) };
    let object = object(hash, revision, if of_this { rollout.metadata.uid.as_deref() } else { None }, &data);
    server.put(&path(revision), object);
    let stores = &reconciler.tools.stores;
    stores.offer(kinds::CONTROLLER_REVISION, &server.object(&path(revision)).expect("kept"));
    (server, reconciler, asked, revision)
}

fn path(revision: Revision) -> String {
    format!("/apis/apps/v1/namespaces/shop/controllerrevisions/web-{revision}")
}

fn object(hash: ContentHash, revision: Revision, uid: Option<&str>, kept: &Kept) -> Value {
    let uid = uid.unwrap_or("another");
    let labels =
        json!({label::ROLLOUT: "web", label::ROLLOUT_UID: uid, label::REVISION: revision.to_string()});
    let data = teal_release::store(kept).expect("data");
    json!({"metadata": {"name": format!("web-{revision}"), "namespace": "shop", "labels": labels,
        "annotations": {annotation::HASH: hash.to_string()}}, "data": data})
}

/// As it would be made for a first install, with a Job.
fn of_an_install() -> Body {
    let job = |color: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: web-{color}-fill, annotations: {{helm.sh/hook: pre-install}}}}\n\
             spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: 'c:1'}}]}}}}}}\n"
        )
    };
    let of = |color: &str| Rendering::read(&job(color), "shop").expect("a rendering");
    let (blue, green) = (of("blue"), of("green"));
    let both = BothColors { blue: ("web-blue", &blue), green: ("web-green", &green) };
    Body::of(both, Stage::Install, 0).expect("a body")
}

async fn look(reconciler: &Reconciler) -> Next {
    reconciler.reconcile(&ObjectId::new("shop", "web")).await
}

fn reads(server: &Server, revision: Revision) -> usize {
    server.requests().iter().filter(|request| **request == format!("GET {}", path(revision))).count()
}

fn candidate(server: &Server) -> Value {
    server.object(PATH).expect("a Rollout").pointer("/status/candidate/revision").cloned().unwrap_or_default()
}

#[tokio::test]
async fn it_is_what_comes_again_and_nobody_renders_anything() {
    let (server, reconciler, asked, revision) = kept(charts::body("kept"), true);
    for _ in 0..4 {
        look(&reconciler).await;
    }
    assert!(asked.taken().is_empty(), "{:?}", asked.taken());
    let began = candidate(&server);
    let hash = revision.to_string().split_once('-').expect("a hash").1.to_owned();
    assert_eq!(began, json!(format!("r8-{hash}")), "as a rollout of its own");
    let image = "/spec/template/spec/containers/0/image";
    let deployment = server.object("/apis/apps/v1/namespaces/shop/deployments/web-green").expect("made");
    assert_eq!(deployment.pointer(image), Some(&json!("web:kept")));
}

#[tokio::test]
async fn what_another_rollout_kept_and_jobs_of_a_first_install_do_not_come_again() {
    for (body, of_this) in [(charts::body("kept"), false), (of_an_install(), true)] {
        let (server, reconciler, asked, revision) = kept(body, of_this);
        look(&reconciler).await;
        assert_eq!(asked.taken().len(), 1, "it is rendered anew");
        look(&reconciler).await;
        assert_eq!(reads(&server, revision), usize::from(of_this), "and is not read at every look");
    }
}

#[tokio::test]
async fn while_it_can_not_be_read_nothing_is_rendered_in_its_place() {
    let (server, reconciler, asked, revision) = kept(charts::body("kept"), true);
    let end: &'static str = Box::leak(format!("web-{revision}").into_boxed_str());
    server.answers("GET", end, Manner::Refused(503));
    let Next::After(wait) = look(&reconciler).await else { panic!("nobody looks") };
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
    look(&reconciler).await;
    assert_eq!((asked.taken().len(), reads(&server, revision)), (0, 1));
    server.mend();
    recall(&reconciler, |memory| memory.before = None);
    look(&reconciler).await;
    assert!(asked.taken().is_empty());
    assert!(!candidate(&server).is_null());
}

#[test]
fn of_its_services_those_that_are_said_now_count_where_it_has_them() {
    let mapping = |from: &str| ServiceMapping { name: "web".into(), from: Some(from.into()) };
    let body = charts::body("1").with_services(vec![mapping("web-$(color)")]);
    let other = ServiceMapping { name: "other".into(), from: None };
    for (now, counts) in [
        (vec![mapping("gone-$(color)")], "web-$(color)"),
        (vec![other], "web-$(color)"),
        (vec![mapping("$(color)")], "web-$(color)"),
    ] {
        assert_eq!(body.clone().again(&now).services(), [mapping(counts)]);
    }
    let renamed = body.with_services(vec![mapping("gone-$(color)")]);
    assert_eq!(renamed.again(&[mapping("web-$(color)")]).services(), [mapping("web-$(color)")]);
}
