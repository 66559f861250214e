//! With a real Helm: the one that beds are made of, or one on the path.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up must fail")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use support::{CHART, File, Shelf, archive, base64, packed, sha256};
use teal_chart::{
    Capabilities, Chart, ChartError, Charts, Limits, Place, Rendered, Request, Settings, Source, texts_of,
};
use teal_plan::Color;
use teal_release::ObjectKey;
use teal_release::chart::{
    BothColors, Rendering, ServiceMapping, Side, Stage, role_pairs, values_of_text, varying,
};

/// Names the program to be run.
const HELM: &str = "TEAL_TEST_HELM";

const CONFIG: File<'_> = (
    "templates/config.yaml",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {{ .Values.data | default dict | toJson }}\n",
);

/// A server on loopback, and charts fetched from it.
struct World {
    shelf: Shelf,
    host: String,
    charts: Charts,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let shelf = Shelf::default();
        let host = shelf.open().await;
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::var_os(HELM).unwrap_or_else(|| "helm".into()).into();
        let charts = Charts::new(Settings {
            program,
            folder: folder.path().join("charts"),
            limits,
            at_once: 2,
            fetched_at_once: 2,
            plain_hosts: BTreeSet::from([host.clone()]),
            authorities: None,
        });
        Self { shelf, host, charts: charts.unwrap(), folder }
    }

    fn archive_source(&self) -> Source {
        let place = Place::Archive(format!("http://{}/web.tgz", self.host));
        Source { place, version: "1.8.2".into(), digest: None }
    }

    fn repository_source(&self) -> Source {
        let place = Place::Repository { url: format!("http://{}/repo", self.host), name: "web".into() };
        Source { place, ..self.archive_source() }
    }

    fn oci_source(&self) -> Source {
        Source { place: Place::Oci(format!("oci://{}/charts/web", self.host)), ..self.archive_source() }
    }

    /// A chart of these files.
    async fn chart(&self, files: &[File<'_>]) -> std::sync::Arc<Chart> {
        let archive = archive(files);
        // A version that is there isn't fetched again, so each chart has a place of its own.
        let path = format!("{}.tgz", sha256(&archive).replace(':', "-"));
        self.shelf.put(&path, 200, "application/gzip", archive);
        let place = Place::Archive(format!("http://{}/{path}", self.host));
        self.charts.fetch("shop", &Source { place, ..self.archive_source() }).await.unwrap()
    }

    async fn rendered(&self, chart: &Chart, request: &Request) -> std::sync::Arc<Rendered> {
        self.charts.render(chart, request).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What a chart of these files fails with.
    async fn failure(&self, files: &[File<'_>], values: &Value) -> ChartError {
        let chart = self.chart(files).await;
        self.charts.render(&chart, &request("web-blue", values)).await.unwrap_err()
    }

    /// No call leaves anything behind.
    fn homes(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("charts/homes")).unwrap().count()
    }
}

fn request(release: &str, values: &Value) -> Request {
    Request {
        release: release.to_owned(),
        namespace: "shop".into(),
        upgrade: false,
        values: values.as_object().unwrap().clone(),
        hidden: BTreeSet::new(),
        capabilities: Capabilities {
            kube_version: "1.33.2".into(),
            api_versions: BTreeSet::from(["example.com/v1".to_owned(), "example.com/v1/Thing".to_owned()]),
        },
    }
}

fn read(rendered: &Rendered) -> Rendering {
    Rendering::read(rendered.text(), "shop")
        .unwrap_or_else(|refusals| panic!("{refusals:?}\n{}", rendered.text()))
}

fn data(rendering: &Rendering, name: &str) -> Value {
    let found = rendering.find(&ObjectKey::new("", "ConfigMap", name)).unwrap();
    found.object.get("/data").cloned().unwrap()
}

#[track_caller]
fn told(error: &ChartError, words: &[&str]) {
    let message = error.to_string();
    words.iter().for_each(|word| assert!(message.contains(word), "{word}: {message}"));
    assert!(message.len() < 1500 && !message.contains("/homes") && !message.contains("helm-"), "{message}");
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_chart_comes_from_a_registry_a_repository_and_an_archive() {
    let world = World::new().await;
    let archive = archive(&[CHART, CONFIG]);
    let manifest = world.shelf.put_oci("charts/web", "1.8.2", &archive);
    let index = json!({"apiVersion": "v1", "entries": {"web": [
        {"name": "web", "version": "1.9.0", "urls": ["web-1.9.0.tgz"], "apiVersion": "v2"},
        {"name": "web", "version": "1.8.2", "urls": ["web-1.8.2.tgz"], "apiVersion": "v2"},
    ]}});
    world.shelf.put("repo/index.yaml", 200, "text/yaml", index.to_string());
    world.shelf.put("repo/web-1.8.2.tgz", 200, "application/gzip", archive.clone());
    world.shelf.put("web.tgz", 200, "application/gzip", archive.clone());
    for (source, digest) in [
        (world.oci_source(), manifest),
        (world.repository_source(), sha256(&archive)),
        (world.archive_source(), sha256(&archive)),
    ] {
        let chart = world.charts.fetch("shop", &source).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (chart.name.as_str(), chart.version.as_str(), chart.digest.as_str()),
            ("web", "1.8.2", digest.as_str())
        );
        let asked = world.shelf.asked().len();
        let pinned = Source { digest: Some(digest), ..source.clone() };
        assert_eq!(world.charts.fetch("shop", &pinned).await.unwrap(), chart);
        assert_eq!(world.shelf.asked().len(), asked, "what is there isn't fetched again");
        let other = Source { digest: Some(sha256(b"other")), ..source };
        let error = world.charts.fetch("shop", &other).await.unwrap_err();
        assert!(matches!(error, ChartError::WrongDigest { .. }) && error.is_lasting(), "{error}");
        told(&error, &[&sha256(b"other"), &chart.digest]);
        let rendered = world.rendered(&chart, &request("web-blue", &json!({"data": {"a": "1"}}))).await;
        assert_eq!(data(&read(&rendered), "web-blue"), json!({"a": "1"}));
    }
    assert_eq!(world.homes(), 0);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn what_is_not_there_not_reachable_or_not_given_is_told_apart() {
    let world = World::new().await;
    let shelf = &world.shelf;
    shelf.put_oci("charts/web", "1.0.0", &archive(&[CHART]));
    shelf.put("repo/index.yaml", 200, "text/yaml", json!({"apiVersion": "v1", "entries": {"web": [{"name": "web", "version": "1.9.0", "urls": ["x.tgz"], "apiVersion": "v2"}]}}).to_string());
    for source in [world.oci_source(), world.repository_source(), world.archive_source()] {
        let error = world.charts.fetch("shop", &source).await.unwrap_err();
        assert!(matches!(error, ChartError::NotFound { .. }), "{error}");
        told(&error, &["web", "1.8.2", "correct its name or version"]);
    }
    let other = |path: &str, name: &str| Place::Repository {
        url: format!("http://{}/{path}", world.host),
        name: name.into(),
    };
    let place = other("repo", "other");
    let error = world.charts.fetch("shop", &Source { place, ..world.archive_source() }).await.unwrap_err();
    assert!(matches!(error, ChartError::NotFound { .. }), "{error}");
    shelf.put("web.tgz", 401, "text/plain", "who are you?");
    let error = world.charts.fetch("shop", &world.archive_source()).await.unwrap_err();
    assert!(matches!(error, ChartError::Denied { .. }), "{error}");
    shelf.put("web.tgz", 503, "text/plain", "later");
    let error = world.charts.fetch("shop", &world.archive_source()).await.unwrap_err();
    assert!(matches!(error, ChartError::Unreachable { .. }) && !error.is_lasting(), "{error}");
    let asked = shelf.asked().len();
    let again = world.charts.fetch("other", &world.archive_source()).await.unwrap_err();
    assert_eq!((again.to_string(), shelf.asked().len()), (error.to_string(), asked), "it rests for all");
    for (place, kind) in [
        (Place::Archive("https://nobody.invalid/web.tgz".into()), "nobody.invalid"),
        (Place::Oci("oci://nobody.invalid/charts/web".into()), "nobody.invalid"),
        (Place::Repository { url: "https://nobody.invalid".into(), name: "web".into() }, "nobody.invalid"),
    ] {
        let error =
            world.charts.fetch("shop", &Source { place, ..world.archive_source() }).await.unwrap_err();
        assert!(matches!(error, ChartError::Unreachable { .. }), "{error}");
        told(&error, &["can't be reached", kind]);
    }
    assert_eq!(world.homes(), 0);
}

/// An index, a registry and a redirect may name any address.
#[tokio::test]
#[ignore = "needs helm"]
async fn what_an_address_leads_to_is_held_as_the_address_itself() {
    let world = World::new().await;
    let index = |url: &str| json!({"apiVersion": "v1", "entries": {"web": [{"name": "web", "version": "1.8.2", "urls": [url], "apiVersion": "v2"}]}});
    // Go asks such addresses past the proxy.
    let beside = Shelf::default();
    let host = beside.open().await;
    let own = format!("{host}, which is an address of the machine itself");
    let [plainly, by_tls] = ["http", "https"].map(|scheme| format!("{scheme}://{host}/x.tgz"));
    for (url, says) in [
        (plainly.as_str(), own.as_str()),
        (by_tls.as_str(), own.as_str()),
        ("http://charts.example.com/x.tgz", "charts.example.com/x.tgz, which is asked without TLS"),
        ("https://169.254.169.254/x.tgz", "169.254.169.254), which is an address of the machine itself"),
    ] {
        world.shelf.put("repo/index.yaml", 200, "text/yaml", index(url).to_string());
        let error = world.charts.fetch("shop", &world.repository_source()).await.unwrap_err();
        assert!(matches!(error, ChartError::BadAddress { .. }) && error.is_lasting(), "{error}");
        told(&error, &["web 1.8.2", says, "--charts-plain-host"]);
        world.shelf.put("web.tgz", 302, url, "");
        let error = world.charts.fetch("shop", &world.archive_source()).await.unwrap_err();
        told(&error, &["web.tgz", says]);
    }
    assert_eq!(beside.asked(), [] as [&str; 0], "what listens beside the operator hears nothing");
    assert_eq!(world.homes(), 0);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn what_is_fetched_is_held_against_what_was_asked_for() {
    let world = World::new().await;
    let fetched = async |body: Vec<u8>| {
        world.shelf.put("web.tgz", 200, "application/gzip", body);
        world.charts.fetch("shop", &world.archive_source()).await.unwrap_err()
    };
    let error = fetched(archive(&[("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.8.3\n")])).await;
    assert!(matches!(error, ChartError::OtherChart { .. }), "{error}");
    told(&error, &["chart web 1.8.3", "1.8.2"]);
    let error = fetched(b"<html>".to_vec()).await;
    assert!(matches!(error, ChartError::BadArchive { .. }), "{error}");
    told(&error, &["web.tgz", "no archive made by gzip and tar"]);
    let zeros = vec![0_u8; 60 << 20];
    let error = fetched(packed(&[("web/Chart.yaml".into(), CHART.1.into()), ("web/x".into(), zeros)])).await;
    told(&error, &["unpacks to more than 50 MiB"]);
    let error = fetched(vec![7_u8; 30 << 20]).await;
    told(&error, &["more than 20 MiB"]);
    let index = json!({"apiVersion": "v1", "entries": {"web": [{"name": "web", "version": "1.8.2", "urls": ["x.tgz"], "apiVersion": "v2"}]}});
    world.shelf.put("repo/index.yaml", 200, "text/yaml", index.to_string());
    world.shelf.put(
        "repo/x.tgz",
        200,
        "application/gzip",
        archive(&[("Chart.yaml", "apiVersion: v2\nname: other\nversion: 1.8.2\n")]),
    );
    let error = world.charts.fetch("shop", &world.repository_source()).await.unwrap_err();
    told(&error, &["chart other 1.8.2"]);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_server_that_says_nothing_is_left_after_the_time_that_it_has() {
    let world = World::with(Limits { time: Duration::from_secs(2), ..Limits::default() }).await;
    let place = Place::Archive(format!("http://{}/hangs.tgz", world.host));
    let begun = Instant::now();
    let error = world.charts.fetch("shop", &Source { place, ..world.archive_source() }).await.unwrap_err();
    assert!(matches!(error, ChartError::TooLong { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    told(&error, &["ended after 2 s"]);
    assert_eq!(world.homes(), 0);
}

const SHOP: &[File<'_>] = &[
    CHART,
    ("values.yaml", "image: {tag: one, pull: Always}\nstage: ''\n"),
    (
        "crds/thing.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n",
    ),
    ("charts/cache/Chart.yaml", "apiVersion: v2\nname: cache\nversion: 0.1.0\n"),
    ("charts/cache/values.yaml", "size: 1\n"),
    (
        "charts/cache/templates/c.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-cache}\ndata: {size: {{ .Values.size | quote }}}\n",
    ),
    (
        "templates/_names.tpl",
        "{{- define \"labels\" }}{app: shop, app.kubernetes.io/instance: {{ .Release.Name }}}{{ end -}}",
    ),
    (
        "templates/account.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shop, labels: {{ include \"labels\" . }}}\n",
    ),
    (
        "templates/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ .Release.Name }}}\nspec:\n  selector: {matchLabels: {{ include \"labels\" . }}}\n  template:\n    metadata: {labels: {{ include \"labels\" . }}}\n    spec:\n      volumes: [{name: v, configMap: {name: x, defaultMode: 0644}}]\n      containers: [{name: web, image: \"web:{{ .Values.image.tag }}\", imagePullPolicy: {{ .Values.image.pull | default \"none\" }}}]\n---\napiVersion: v1\nkind: Service\nmetadata: {name: {{ .Release.Name }}}\nspec: {selector: {{ include \"labels\" . }}, ports: [{port: 80}]}\n",
    ),
    (
        "templates/info.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-info}\ndata: {kube: {{ .Capabilities.KubeVersion.Version }}, has: {{ .Capabilities.APIVersions.Has \"example.com/v1/Thing\" | quote }}, lacks: {{ .Capabilities.APIVersions.Has \"example.com/v2\" | quote }}, upgrade: {{ .Release.IsUpgrade | quote }}, namespace: {{ .Release.Namespace }}}\n",
    ),
    (
        "templates/hook.yaml",
        "{{ range $i, $name := list \"z-first\" \"b\" \"a\" }}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ $name }}, annotations: {helm.sh/hook: \"pre-install,pre-upgrade\", helm.sh/hook-weight: \"{{ $i | min 1 }}\"}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: i}]}}}\n{{ end }}",
    ),
    (
        "templates/tests/smoke.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}-smoke, annotations: {helm.sh/hook: test}}\nspec: {restartPolicy: Never, containers: [{name: s, image: i}]}\n",
    ),
    ("templates/NOTES.txt", "Thank you\n"),
];

#[tokio::test]
#[ignore = "needs helm"]
async fn a_chart_with_hooks_and_a_chart_inside_becomes_two_colors() {
    let world = World::new().await;
    let chart = world.chart(SHOP).await;
    let values = json!({"image": {"tag": "two", "pull": null}, "cache": {"size": 0.5}});
    let [blue, green] = ["shop-blue", "shop-green"].map(|release| request(release, &values));
    let (blue, green) =
        (read(&*world.rendered(&chart, &blue).await), read(&*world.rendered(&chart, &green).await));
    assert_eq!(data(&blue, "shop-blue-cache"), json!({"size": "0.5"}));
    let info =
        json!({"kube": "v1.33.2", "has": "true", "lacks": "false", "upgrade": "false", "namespace": "shop"});
    assert_eq!(data(&green, "shop-green-info"), info);
    let web = &green.find(&ObjectKey::deployment("shop-green")).unwrap().object;
    assert_eq!(web.text("/spec/template/spec/containers/0/image"), "web:two");
    assert_eq!(
        web.text("/spec/template/spec/containers/0/imagePullPolicy"),
        "none",
        "a null takes a default away"
    );
    assert_eq!(web.get("/spec/template/spec/volumes/0/configMap/defaultMode"), Some(&json!(420)));
    let hooks: Vec<&str> =
        green.hooks_at(Stage::Upgrade, Side::Before).map(|hook| hook.key.name.as_str()).collect();
    assert_eq!(hooks, ["z-first", "a", "b"]);
    assert_eq!(green.tests().count(), 1);
    assert_eq!(green.definitions.len(), 1);
    let common = BothColors { blue: ("shop-blue", &blue), green: ("shop-green", &green) }.common().unwrap();
    assert_eq!(common.keys, BTreeSet::from([ObjectKey::new("", "ServiceAccount", "shop")]));
    let mapping = ServiceMapping { name: "web".into(), from: Some("shop-$(color)".into()) };
    let pairs = role_pairs(&[mapping], &green, &common, Color::Green).unwrap();
    assert_eq!(pairs[0].workloads, [ObjectKey::deployment("shop-green")]);
    let upgrade = Request { upgrade: true, ..request("shop-green", &values) };
    assert_eq!(data(&read(&*world.rendered(&chart, &upgrade).await), "shop-green-info")["upgrade"], "true");
}

/// The text that Helm reads and the text that is read here must mean the same.
#[tokio::test]
#[ignore = "needs helm"]
async fn yaml_means_to_helm_what_it_means_here() {
    let world = World::new().await;
    let values = "a: 0644\nb: '0644'\nc: yes\nd: Off\ne: 0x1F\nf: 1_000\ng: 08\nh: 1e3\ni: .5\nj: 2024-01-02\nk: ~\nl: 0o17\nm: 0b11\nn1: -0644\no: [y, n, on]\ny: key\n1: x\nbase: &x {p: 1, q: 2}\nused: {<<: *x, q: 3}\nlong: 12345678901234567890\ntext: |\n  a\n   b\nfold: >-\n  a\n  b\nplus: +12\nv: 1.8.2\nquoted: \"\\u00e9\"\nempty:\nnot: !!str 12\n";
    let show = (
        "templates/show.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: show}\ndata: {all: {{ .Values | toJson | quote }}}\n",
    );
    let chart = world.chart(&[CHART, ("values.yaml", values), show]).await;
    let rendered = world.rendered(&chart, &request("web-blue", &json!({}))).await;
    let shown = data(&read(&rendered), "show");
    let helms: Map<String, Value> = serde_json::from_str(shown["all"].as_str().unwrap()).unwrap();
    let mut ours = values_of_text(values, "here").unwrap();
    // Helm leaves out what is null, and adds its own.
    ours.retain(|_, value| !value.is_null());
    let plain = |value: &Value| value.as_f64().map_or_else(|| value.clone(), Value::from);
    for (name, value) in &ours {
        assert_eq!(helms.get(name).map(plain), Some(plain(value)), "{name}");
    }
    assert_eq!(helms.keys().filter(|name| *name != "global").count(), ours.len(), "{helms:?}");
}

/// Every word of up to three of the signs that numbers, truths and nothing are written with.
#[tokio::test]
#[ignore = "needs helm"]
async fn each_short_word_means_to_helm_what_it_means_here() {
    let world = World::new().await;
    let signs =
        ["0", "1", "7", "8", "x", "o", "b", "e", "y", "n", "N", "O", "f", "_", ".", "+", "-", "~", ":"];
    let mut words = vec![String::new()];
    let mut from = 0;
    for _ in 0..3 {
        let longer: Vec<String> =
            words[from..].iter().flat_map(|word| signs.map(|sign| format!("{word}{sign}"))).collect();
        from = words.len();
        words.extend(longer);
    }
    // Those are signs of YAML's own.
    words.retain(|word| word != "-" && word != "---" && !word.ends_with(':'));
    let lines: Vec<String> = words.iter().enumerate().map(|(i, word)| format!("k{i}: {word}\n")).collect();
    let values = lines.concat();
    let show = (
        "templates/show.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: show}\ndata: {all: {{ .Values | toJson | quote }}}\n",
    );
    let chart = world.chart(&[CHART, ("values.yaml", &values), show]).await;
    let rendered = world.rendered(&chart, &request("web-blue", &json!({}))).await;
    let shown = data(&read(&rendered), "show");
    let helms: Map<String, Value> = serde_json::from_str(shown["all"].as_str().unwrap()).unwrap();
    let ours = values_of_text(&values, "here").unwrap();
    let plain = |value: &Value| value.as_f64().map_or_else(|| value.clone(), Value::from);
    let unlike: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(i, word)| (word, &ours[&format!("k{i}")], helms.get(&format!("k{i}"))))
        .filter(|(_, ours, helms)| helms.map_or(!ours.is_null(), |helms| plain(helms) != plain(ours)))
        .map(|(word, ours, helms)| format!("{word}: {ours} here, {helms:?} to Helm"))
        .collect();
    assert!(
        words.len() > 6000 && unlike.is_empty(),
        "{} of {}: {:#?}",
        unlike.len(),
        words.len(),
        &unlike[..unlike.len().min(40)]
    );
}

#[tokio::test]
#[ignore = "needs helm"]
async fn values_reach_the_templates_as_they_are() {
    let world = World::new().await;
    let show = (
        "templates/show.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: show}\ndata: {all: {{ .Values | toJson | b64enc }}}\n",
    );
    let chart = world.chart(&[CHART, show]).await;
    let signs: Map<String, Value> = (0..0x3000)
        .chain(0xfe00..=0xffff)
        .chain(0x1_f5ff..0x1_f602)
        .filter_map(char::from_u32)
        .map(|sign| (format!("s{:x}", u32::from(sign)), format!("a{sign}b\n{sign} c").into()))
        .collect();
    let words = json!({"a": "yes", "b": "0644", "c": "", "d": "~", "e": "# x", "f": "{{ x }}", "g": "\\ \" '", "h": "x".repeat(5000)});
    let others = json!({"i": -5, "j": 1.5, "k": [], "l": {}, "m": [{"n": true}], "<<": "x", "y": "key", "1": "key", &"k".repeat(900): 1});
    let values = json!({"signs": signs, "words": words, "others": others});
    let rendered = world.rendered(&chart, &request("web-blue", &values)).await;
    let shown = data(&read(&rendered), "show");
    let seen: Value = serde_json::from_slice(&base64(shown["all"].as_str().unwrap())).unwrap();
    for part in ["signs", "words", "others"] {
        for (name, value) in values[part].as_object().unwrap() {
            assert_eq!(seen[part].get(name), Some(value), "{part} {name}");
        }
    }
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_rendering_is_made_once_and_what_is_random_is_told() {
    let world = World::new().await;
    let secret = (
        "templates/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Release.Name }}}\nstringData: {password: {{ randAlphaNum 20 }}}\n",
    );
    let chart = world.chart(&[CHART, CONFIG, secret]).await;
    let asked = request("web-blue", &json!({}));
    let first = world.rendered(&chart, &asked).await;
    let again = Rendering::read(first.again().unwrap(), "shop").unwrap();
    let random = varying(&read(&first), &again);
    assert_eq!(random, BTreeSet::from([ObjectKey::new("", "Secret", "web-blue")]));
    assert_eq!(world.rendered(&chart, &asked).await, first, "it is kept");
    assert!(!format!("{first:?}").contains("password"), "{first:?}");
    let other = world.rendered(&chart, &request("web-green", &json!({}))).await;
    assert_ne!(other, first);
    let plain = world.chart(&[CHART, CONFIG]).await;
    assert_eq!(world.rendered(&plain, &asked).await.again(), None);
}

/// Nothing answers at the cluster's address, and Helm doesn't even ask.
#[tokio::test]
#[ignore = "needs helm"]
async fn a_template_finds_nothing_in_the_cluster_on_the_net_and_in_the_environment() {
    let world = World::new().await;
    world.shelf.put("schema.json", 200, "application/json", "{}");
    let show = (
        "templates/show.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: show}\ndata:\n  lookup: {{ lookup \"v1\" \"Namespace\" \"\" \"\" | toJson | quote }}\n  host: {{ getHostByName \"localhost\" | quote }}\n  file: {{ .Files.Get \"/etc/passwd\" | quote }}\n  up: {{ .Files.Get \"../../etc/passwd\" | quote }}\n",
    );
    let schema = format!("{{\"$ref\": \"http://{}/schema.json\"}}", world.host);
    let chart = world.chart(&[CHART, show, ("values.schema.json", &schema)]).await;
    assert_eq!(chart.lookups.len(), 1);
    assert_eq!(chart.foreign_schemas.len(), 1);
    let shown = data(&read(&*world.rendered(&chart, &request("web-blue", &json!({}))).await), "show");
    assert_eq!(shown, json!({"lookup": "{}", "host": "", "file": "", "up": ""}));
    assert_eq!(world.shelf.asked().len(), 1, "the chart's archive alone");
    let error = world.failure(&[CHART, ("templates/a.yaml", "a: {{ env \"HOME\" }}\n")], &json!({})).await;
    told(&error, &["function \"env\" not defined"]);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_chart_that_is_wrong_says_so_in_helms_words_and_how_to_mend_it() {
    let world = World::new().await;
    let none = json!({});
    let error = world.failure(&[CHART, ("templates/a.yaml", "a: {{ .Values.x.y.z }}\n")], &none).await;
    assert!(matches!(error, ChartError::Template { .. }) && error.is_lasting(), "{error}");
    told(
        &error,
        &["Chart web 1.8.2", "web/templates/a.yaml:1", "correct the template, or the values it reads"],
    );
    let error = world.failure(&[CHART, ("templates/a.yaml", "a: {{ if }}\n")], &none).await;
    told(&error, &["parse error", "a.yaml:1"]);
    let error = world.failure(&[CHART, ("templates/a.yaml", "a: 1\nb: - c\n")], &none).await;
    told(&error, &["YAML parse error on web/templates/a.yaml", "line 2"]);
    let error = world
        .failure(&[CHART, ("templates/a.yaml", "{{ required \"image.tag is needed\" .Values.tag }}")], &none)
        .await;
    told(&error, &["image.tag is needed"]);
    let chart = (
        "Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.8.2\ndependencies: [{name: cache, version: 1.0.0, repository: https://e.com}]\n",
    );
    told(&world.failure(&[chart, CONFIG], &none).await, &["missing in charts/ directory: cache"]);
    let chart = ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.8.2\nkubeVersion: '>=1.90.0'\n");
    told(&world.failure(&[chart, CONFIG], &none).await, &["kubeVersion: >=1.90.0", "1.33.2"]);
    let schema = ("values.schema.json", r#"{"properties": {"size": {"type": "integer"}}}"#);
    let error = world.failure(&[CHART, CONFIG, schema], &json!({"size": "big"})).await;
    assert!(matches!(error, ChartError::Values { .. }), "{error}");
    told(&error, &["size", "got string, want integer", "valuesFrom"]);
    let looped = ("templates/a.tpl", "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}");
    told(&world.failure(&[CHART, looped], &none).await, &["nested"]);
    assert_eq!(world.homes(), 0);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_message_holds_nothing_of_a_secret() {
    let world = World::new().await;
    let chart = world
        .chart(&[CHART, ("templates/a.yaml", "{{ fail (printf \"bad password %s\" .Values.password) }}")])
        .await;
    let values = json!({"password": "hunter22"});
    let hidden = texts_of(values.as_object().unwrap());
    let error =
        world.charts.render(&chart, &Request { hidden, ..request("web-blue", &values) }).await.unwrap_err();
    told(&error, &["bad password [hidden]"]);
    assert!(
        !error.to_string().contains("hunter22") && !format!("{error:?}").contains("hunter22"),
        "{error:?}"
    );
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_template_without_end_is_ended() {
    let limits = Limits { memory: 256 << 20, output: 1 << 20, ..Limits::default() };
    let world = World::with(Limits { time: Duration::from_secs(5), ..limits }).await;
    let spin = "{{ range $i := until 100000 }}{{ range $j := until 100000 }}{{ if eq $j -1 }}x{{ end }}{{ end }}{{ end }}";
    let error = world.failure(&[CHART, ("templates/a.yaml", spin)], &json!({})).await;
    assert!(matches!(error, ChartError::TooLong { .. }), "{error}");
    told(&error, &["Chart web 1.8.2", "loop"]);
    assert_eq!(world.homes(), 0);
    let world = World::with(limits).await;
    let large = "a: {{ repeat 3000000 \"x\" }}\n";
    let error = world.failure(&[CHART, ("templates/a.yaml", large)], &json!({})).await;
    assert!(matches!(error, ChartError::TooMuchOutput { .. }), "{error}");
    told(&error, &["renders to more than 1024 KiB"]);
    let greedy = "{{ $x := repeat 100000000 \"x\" }}{{ $y := repeat 7 $x }}a: {{ len $y }}\n";
    let error = world.failure(&[CHART, ("templates/a.yaml", greedy)], &json!({})).await;
    assert!(matches!(error, ChartError::TooMuchMemory { .. }), "{error}");
    told(&error, &["needs more than 256 MiB"]);
    assert_eq!(world.homes(), 0);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn what_is_no_name_never_becomes_an_argument() {
    let world = World::new().await;
    let other = Place::Archive("http://127.0.0.1:1/web.tgz".into());
    for source in [
        Source { version: "--help".into(), ..world.archive_source() },
        Source { place: other, ..world.archive_source() },
    ] {
        let error = world.charts.fetch("shop", &source).await.unwrap_err();
        assert!(matches!(error, ChartError::BadSource { .. }), "{error}");
    }
    let chart = world.chart(&[CHART, CONFIG]).await;
    let base = request("web-blue", &json!({}));
    let versions =
        |version: &str| Capabilities { kube_version: version.into(), api_versions: BTreeSet::new() };
    for bad in [
        Request { release: "--help".into(), ..base.clone() },
        Request { release: "Web".into(), ..base.clone() },
        Request { release: "a".repeat(54), ..base.clone() },
        Request { namespace: "-x".into(), ..base.clone() },
        Request { namespace: "a=b".into(), ..base.clone() },
        Request { capabilities: versions(""), ..base.clone() },
        Request { capabilities: versions("1.33 --x"), ..base.clone() },
    ] {
        let error = world.charts.render(&chart, &bad).await.unwrap_err();
        assert!(matches!(error, ChartError::BadRequest { .. }), "{error}");
    }
}
