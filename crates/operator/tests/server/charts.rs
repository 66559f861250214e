//! Releases that are charts, with a real Helm and a server of charts on loopback: the main job is done as with manifests, what was
//! rendered first is what counts, and a chart that can't be used is told with what to do while everything stays as it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use teal_chart::{Limits, Settings};
use teal_cluster::Charts;
use teal_operator::Renderer;

use crate::bench::setup::Setup;
use crate::bench::{Bench, objects};
use crate::support::{CHART, File, Shelf, archive, sha256};

/// Names the program to be run.
const HELM: &str = "TEAL_TEST_HELM";

const SETTINGS: File<'_> = (
    "templates/settings.yaml",
    r"apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {tag: {{ .Values.tag | quote }}, shard: {{ .Values.shard | quote }}}
",
);

const SERVICE: File<'_> = (
    "templates/service.yaml",
    r"apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {app: web, app.kubernetes.io/instance: {{ .Release.Name }}}
  ports: [{port: 80, targetPort: 8080}]
",
);

const DEPLOYMENT: File<'_> = (
    "templates/deployment.yaml",
    r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web, app.kubernetes.io/instance: {{ .Release.Name }}}}
  template:
    metadata:
      labels: {app: web, app.kubernetes.io/instance: {{ .Release.Name }}}
      annotations: {checksum/settings: {{ .Release.Name | sha256sum }}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: "shop/web:{{ .Values.tag }}"
        envFrom: [{configMapRef: {name: {{ .Release.Name }}-settings}}]
        ports: [{containerPort: 8080}]
"#,
);

const ACCOUNT: File<'_> =
    ("templates/account.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n");

const JOB: File<'_> = (
    "templates/migrate.yaml",
    r#"apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}-migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: "shop/web:{{ .Values.tag }}"}]}}}
"#,
);

const GOOD: [File<'_>; 5] = [CHART, SETTINGS, SERVICE, DEPLOYMENT, ACCOUNT];

/// A server of charts, and a Teal that may ask it.
pub(crate) struct Store {
    shelf: Shelf,
    host: String,
    _folder: tempfile::TempDir,
    pub(crate) setup: Setup,
}

impl Store {
    pub(crate) async fn open() -> Self {
        let shelf = Shelf::default();
        let host = shelf.open().await;
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            program: std::env::var_os(HELM).expect("the path of Helm in TEAL_TEST_HELM").into(),
            folder: folder.path().join("charts"),
            limits: Limits::default(),
            at_once: 1,
            fetched_at_once: 2,
            plain_hosts: BTreeSet::from([host.clone()]),
            authorities: None,
        };
        let charts = move || Charts(Arc::new(Renderer::new(settings.clone()).expect("a folder of charts")));
        let setup = Setup { charts: Some(Arc::new(charts)), ..Setup::default() };
        Self { shelf, host, _folder: folder, setup }
    }

    /// A chart of these files, at an address of its own, with values.
    fn chart(&self, files: &[File<'_>], values: &Value) -> Value {
        self.archived(archive(files), values)
    }

    fn archived(&self, archive: Vec<u8>, values: &Value) -> Value {
        let path = format!("{}.tgz", sha256(&archive).replace(':', "-"));
        self.shelf.put(&path, 200, "application/gzip", archive);
        json!({"url": format!("http://{}/{path}", self.host), "version": "1.8.2", "values": values})
    }

    /// A good one with these files beside, of version 1.
    fn with(&self, more: &[File<'_>]) -> Value {
        let files: Vec<File<'_>> = GOOD.iter().chain(more).copied().collect();
        self.chart(&files, &json!({"tag": "1", "shard": "$(color)"}))
    }

    pub(crate) fn good(&self, tag: &str) -> Value {
        self.chart(&GOOD, &json!({"tag": tag, "shard": "$(color)"}))
    }

    /// At rest after the first install.
    async fn installed(&self, name: &str) -> Bench {
        let bench = Bench::start_with(name, self.setup.clone()).await;
        bench.apply_route().await;
        bench.apply(&rollout(&self.good("1"))).await;
        bench.phase("Complete").await;
        bench
    }
}

pub(crate) fn rollout(chart: &Value) -> Value {
    let mut rollout = objects::rollout("1");
    rollout["spec"]["release"] = json!({"chart": chart});
    rollout
}

pub(crate) async fn settings(bench: &Bench, name: &str) -> (String, String) {
    let map = bench.value("configmaps", name).await;
    let text = |field: &str| map["data"][field].as_str().unwrap_or_default().to_owned();
    (text("tag"), text("shard"))
}

pub(crate) fn ten() -> [(String, i64); 2] {
    [("web".into(), 90), ("web-candidate".into(), 10)]
}

pub(crate) fn of(tag: &str, shard: &str) -> (String, String) {
    (tag.to_owned(), shard.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_chart_goes_by_10_to_100_and_another_one_back_with_the_configuration_of_each_color() {
    let store = Store::open().await;
    let bench = store.installed("chart-way").await;
    assert_eq!(bench.image("web-blue").await, "shop/web:1");
    assert_eq!(settings(&bench, "web-blue-settings").await, of("1", "blue"));
    assert_eq!(bench.exists("serviceaccounts", "web").await, Some(true));
    let first = bench.status("/live/revision").await;
    bench.apply(&rollout(&store.good("2"))).await;
    bench.phase("Waiting").await;
    assert_eq!(bench.weights().await, ten());
    assert_eq!(
        (bench.image("web-blue").await, bench.image("web-green").await),
        ("shop/web:1".into(), "shop/web:2".into())
    );
    assert_eq!(settings(&bench, "web-green-settings").await, of("2", "green"));
    let second = bench.selected("web-candidate").await;
    assert_eq!(bench.selected("web").await, first);
    assert_ne!(first, second);
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    assert_eq!(
        (bench.selected("web").await, bench.image("web-green").await),
        (second.clone(), "shop/web:2".into())
    );
    bench
        .until("the former color is gone", async || bench.value("deployments", "web-blue").await.is_null())
        .await;
    assert!(bench.value("configmaps", "web-blue-settings").await.is_null(), "with all that it had");
    bench.apply(&rollout(&store.good("3"))).await;
    bench.phase("Waiting").await;
    assert_eq!(settings(&bench, "web-blue-settings").await, of("3", "blue"));
    bench.decide("Reject").await;
    bench.until("back", async || bench.weights().await == [("web".to_owned(), 100)]).await;
    bench
        .until("the rejected color is gone", async || bench.value("deployments", "web-blue").await.is_null())
        .await;
    assert_eq!((bench.selected("web").await, bench.image("web-green").await), (second, "shop/web:2".into()));
    assert_eq!(settings(&bench, "web-green-settings").await, of("2", "green"));
    bench.end().await;
}

/// A restart asks no server of charts for what stands, not even in the middle of a rollout, and live is mended from what was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_was_rendered_first_counts_also_after_a_restart_without_the_server_of_charts() {
    let store = Store::open().await;
    let mut bench = store.installed("chart-kept").await;
    bench.apply(&rollout(&store.good("2"))).await;
    bench.phase("Waiting").await;
    let asked = store.shelf.asked().len();
    bench.pause_teal().await;
    bench.resume_teal();
    bench.set_image("web-blue", "shop/web:other").await;
    bench.until("live is mended", async || bench.image("web-blue").await == "shop/web:1").await;
    bench.set_image("web-green", "shop/web:other").await;
    bench.until("the candidate is mended", async || bench.image("web-green").await == "shop/web:2").await;
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    assert_eq!(bench.image("web-green").await, "shop/web:2");
    assert_eq!(store.shelf.asked().len(), asked, "nothing is fetched of what stands");
    bench.end().await;
}

/// A version may have been published anew since, and live would get that without a step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_stands_is_not_rendered_anew_where_what_was_kept_is_gone() {
    let store = Store::open().await;
    let mut bench = store.installed("chart-lost").await;
    let first = store.good("1");
    let kept = format!("web-{}", bench.status("/live/revision").await);
    bench.pause_teal().await;
    bench.delete("controllerrevisions", &kept).await;
    let changed = DEPLOYMENT.1.replace("shop/web:", "shop/other:");
    let files = [CHART, SETTINGS, SERVICE, (DEPLOYMENT.0, changed.as_str()), ACCOUNT];
    let path = first["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("an address").to_owned();
    store.shelf.put(&path, 200, "application/gzip", archive(&files));
    let asked = store.shelf.asked().len();
    bench.resume_teal();
    bench.until("told", async || bench.condition("ContentLost").await.0 == "True").await;
    let (_, _, message) = bench.condition("ContentLost").await;
    for word in [kept.as_str(), "not rendered anew", "spec.release.chart"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!((bench.image("web-blue").await, store.shelf.asked().len()), ("shop/web:1".into(), asked));
    assert_eq!(bench.exists("controllerrevisions", &kept).await, Some(false), "nobody knows what to keep");
    // As the condition says.
    bench.apply(&rollout(&store.good("2"))).await;
    bench.phase("Waiting").await;
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    assert_eq!(bench.image("web-green").await, "shop/web:2");
    bench.until("told no more", async || bench.condition("ContentLost").await.0.is_empty()).await;
    bench.end().await;
}

/// As `kubectl teal undo` asks for it, and whoever reverts a commit: what was there comes back, whatever the version holds by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn what_an_earlier_revision_was_rendered_to_comes_back_where_it_is_wanted_again() {
    let store = Store::open().await;
    let bench = store.installed("chart-undo").await;
    let (first, second) = (store.good("1"), store.good("2"));
    bench.apply(&rollout(&second)).await;
    bench.phase("Waiting").await;
    bench.decide("Approve").await;
    bench.phase("Complete").await;
    bench
        .until("the former color is gone", async || bench.value("deployments", "web-blue").await.is_null())
        .await;
    let changed = DEPLOYMENT.1.replace("shop/web:", "shop/other:");
    let files = [CHART, SETTINGS, SERVICE, (DEPLOYMENT.0, changed.as_str()), ACCOUNT];
    let path = first["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("an address").to_owned();
    store.shelf.put(&path, 200, "application/gzip", archive(&files));
    let asked = store.shelf.asked().len();
    bench.apply(&rollout(&first)).await;
    bench.phase("Waiting").await;
    assert_eq!(bench.image("web-blue").await, "shop/web:1");
    assert_eq!(settings(&bench, "web-blue-settings").await, of("1", "blue"));
    assert!(bench.status("/candidate/revision").await.starts_with("r3-"), "a rollout of its own");
    assert_eq!(store.shelf.asked().len(), asked, "nothing is fetched for it");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_job_before_an_upgrade_runs_once_before_the_workloads_of_its_color() {
    let store = Store::open().await;
    let bench = Bench::start_with("chart-job", store.setup.clone()).await;
    bench.apply_route().await;
    bench.apply(&rollout(&store.with(&[JOB]))).await;
    bench.until("a Job", async || bench.exists("jobs", "web-blue-migrate").await == Some(true)).await;
    assert!(bench.value("deployments", "web-blue").await.is_null(), "it comes before");
    bench.finish_job("web-blue-migrate").await;
    bench.phase("Complete").await;
    let job = bench.value("jobs", "web-blue-migrate").await;
    assert!(job.pointer("/metadata/annotations/helm.sh~1hook").is_none(), "{job}");
    let mut second = store.with(&[JOB]);
    second["values"]["tag"] = json!("2");
    bench.apply(&rollout(&second)).await;
    bench
        .until("a Job of green", async || bench.exists("jobs", "web-green-migrate").await == Some(true))
        .await;
    bench.finish_job("web-green-migrate").await;
    bench.phase("Waiting").await;
    let uid = job["metadata"]["uid"].clone();
    assert_eq!(
        bench.value("jobs", "web-blue-migrate").await["metadata"]["uid"],
        uid,
        "that of live is not run again"
    );
    bench.end().await;
}

/// Each is told with what to do; live, routes and Services stay as they are; and a good one goes on at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_chart_that_can_not_be_used_is_told_and_changes_nothing() {
    let store = Store::open().await;
    let bench = store.installed("chart-bad").await;
    let (routes, live) = (bench.route_spec().await, bench.selected("web").await);
    for (what, chart, reason, names) in bad(&store) {
        bench.apply(&rollout(&chart)).await;
        let told = async || {
            let (_, found, message) = bench.condition("Accepted").await;
            found == reason && names.iter().all(|name| message.contains(name))
        };
        bench.until(what, told).await;
        assert_eq!(
            (bench.route_spec().await, bench.selected("web").await),
            (routes.clone(), live.clone()),
            "{what}"
        );
        assert!(bench.value("deployments", "web-green").await.is_null(), "{what}");
        assert_eq!(bench.image("web-blue").await, "shop/web:1", "{what}");
    }
    bench.apply(&rollout(&store.good("2"))).await;
    bench.phase("Waiting").await;
    assert_eq!(bench.weights().await, ten());
    bench.end().await;
}

/// Name, chart, reason, and parts of the message.
type Bad = (&'static str, Value, &'static str, Vec<&'static str>);

fn bad(store: &Store) -> Vec<Bad> {
    let mut cases = vec![
        (
            "a version that is not there",
            json!({"url": format!("http://{}/gone.tgz", store.host), "version": "1.8.2"}),
            "ChartUnavailable",
            vec!["gone.tgz", "tried again by itself"],
        ),
        (
            "an archive that is none",
            store.archived(b"no archive".to_vec(), &json!({})),
            "ReleaseInvalid",
            vec![".tgz"],
        ),
        (
            "an address of the machine itself",
            json!({"url": "https://169.254.169.254/web.tgz", "version": "1.8.2"}),
            "ReleaseInvalid",
            vec!["169.254.169.254", "an address of the machine itself"],
        ),
        (
            "an address without TLS",
            json!({"url": "http://charts.example.com/web.tgz", "version": "1.8.2"}),
            "ReleaseInvalid",
            vec!["without TLS", "https://"],
        ),
    ];
    let mut other = store.good("1");
    other["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    cases.push((
        "another digest",
        other,
        "ReleaseInvalid",
        vec!["has the digest", "spec.release.chart.digest"],
    ));
    let mut later = store.good("1");
    later["version"] = json!("2.0.0");
    cases.push(("another version", later, "ReleaseInvalid", vec!["holds chart web 1.8.2"]));
    let mut numbered = store.good("1");
    numbered["values"]["shard"] = json!("$(revision)");
    cases.push(("a number that is not there yet", numbered, "ReleaseInvalid", vec!["write $(color)"]));
    let templates: [(&str, &str, &str, &[&str]); 7] = [
        (
            "a Service that selects both colors",
            "apiVersion: v1\nkind: Service\nmetadata: {name: all}\nspec: {selector: {app: web}, ports: [{port: 80}]}",
            "ReleaseInvalid",
            &["Service all", "requests before any step"],
        ),
        ("a template that fails", "{{ fail \"no luck\" }}", "ReleaseInvalid", &["no luck"]),
        ("no YAML", "a: [", "ReleaseInvalid", &["x.yaml"]),
        (
            "a Secret",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Release.Name }}}",
            "UnsupportedKind",
            &["Secret web-blue", "apply it beside the Rollout"],
        ),
        (
            "a clash",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\ndata: {of: {{ .Release.Name }}}",
            "ReleaseInvalid",
            &["ConfigMap fixed", "data.of", "differs between blue and green"],
        ),
        (
            "one object for both",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}",
            "ReleaseInvalid",
            &["ConfigMap fixed", "the same in both colors"],
        ),
        (
            "a hook after it",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ .Release.Name }}-late, annotations: {helm.sh/hook: post-install}}",
            "ReleaseInvalid",
            &["web-blue-late", "helm.sh/hook"],
        ),
    ];
    for (what, template, reason, names) in templates {
        cases.push((what, store.with(&[("templates/x.yaml", template)]), reason, names.to_vec()));
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn without_helm_a_chart_says_how_it_is_switched_on() {
    let bench = Bench::start("chart-off").await;
    bench.apply_route().await;
    bench.apply(&rollout(&json!({"url": "https://charts.example.com/web.tgz", "version": "1.8.2"}))).await;
    bench
        .refused(
            "ReleaseInvalid",
            &["spec.release.chart", "charts.enabled", "--helm", "spec.release.manifests"],
        )
        .await;
    bench.end().await;
}
