//! Which pods Prometheus reads.
//!
//! Debian's Prometheus is built without its Kubernetes discovery, so the bed watches the
//! pods and writes a file of targets, which Prometheus re-reads at every change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};

use crate::error::{At, Result};

/// Pod labels that the samples get, with their names in Prometheus.
const LABELS: [(&str, &str); 4] = [
    ("app", "app"),
    ("teal.dev/color", "teal_dev_color"),
    ("teal.dev/rollout", "teal_dev_rollout"),
    ("teal.dev/revision", "teal_dev_revision"),
];

/// Keeps the file up to date until the task ends.
pub(super) async fn follow(client: kube::Client, file: PathBuf) {
    let pods: Api<Pod> = Api::all(client);
    let mut events = pin!(watcher(pods, watcher::Config::default()).default_backoff());
    let mut targets = BTreeMap::new();
    let mut written = Value::Null;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => absorb(&mut targets, event),
            // The watch goes on by itself; meanwhile the last targets stay.
            Err(error) => tracing::debug!(%error, "watch of pods"),
        }
        let now = json!(targets.values().collect::<Vec<_>>());
        if now != written && write(&file, &now).is_ok() {
            written = now;
        }
    }
}

fn absorb(targets: &mut BTreeMap<String, Value>, event: Event<Pod>) {
    match event {
        Event::Init => targets.clear(),
        Event::InitDone => {}
        Event::Delete(pod) => drop(targets.remove(&place(&pod))),
        Event::Apply(pod) | Event::InitApply(pod) => match target(&pod) {
            Some(target) => drop(targets.insert(place(&pod), target)),
            None => drop(targets.remove(&place(&pod))),
        },
    }
}

fn place(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any())
}

/// How to read a pod, if its annotations ask for it and it runs.
fn target(pod: &Pod) -> Option<Value> {
    let annotation = |name: &str| pod.annotations().get(&format!("prometheus.io/{name}"));
    annotation("scrape").filter(|value| *value == "true")?;
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Running"))?;
    let address = format!("{}:{}", status.pod_ip.as_ref()?, annotation("port")?);
    let mut labels =
        BTreeMap::from([("namespace", pod.namespace().unwrap_or_default()), ("pod", pod.name_any())]);
    if let Some(path) = annotation("path") {
        labels.insert("__metrics_path__", path.clone());
    }
    let given = LABELS.into_iter().filter_map(|(label, name)| Some((name, pod.labels().get(label)?.clone())));
    labels.extend(given);
    Some(json!({"targets": [address], "labels": labels}))
}

/// By rename, so that Prometheus never reads half a file.
pub(super) fn write(file: &Path, targets: &Value) -> Result<()> {
    let next = file.with_extension("next");
    std::fs::write(&next, targets.to_string()).at("write", &next)?;
    std::fs::rename(&next, file).at("rename", next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "web-1", "namespace": "shop",
                "labels": {"app": "web", "teal.dev/color": "blue", "other": "x"},
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/m"},
            },
            "status": {"phase": phase, "podIP": "10.244.0.7"},
        }))
        .unwrap()
    }

    #[test]
    fn a_running_pod_that_asks_for_it_is_read_with_its_labels() {
        let labels = json!({"namespace": "shop", "pod": "web-1", "app": "web", "teal_dev_color": "blue", "__metrics_path__": "/m"});
        assert_eq!(
            target(&pod("Running")).unwrap(),
            json!({"targets": ["10.244.0.7:8080"], "labels": labels})
        );
    }

    #[test]
    fn pods_that_do_not_run_or_do_not_ask_are_left_alone() {
        assert_eq!(target(&pod("Pending")), None);
        let mut silent = pod("Running");
        silent.metadata.annotations = None;
        assert_eq!(target(&silent), None);
    }

    #[test]
    fn a_pod_that_ends_or_is_deleted_is_no_target_any_more() {
        let mut targets = BTreeMap::new();
        absorb(&mut targets, Event::Apply(pod("Running")));
        assert_eq!(targets.len(), 1);
        absorb(&mut targets, Event::Apply(pod("Succeeded")));
        assert!(targets.is_empty());
        absorb(&mut targets, Event::InitApply(pod("Running")));
        absorb(&mut targets, Event::Delete(pod("Running")));
        assert!(targets.is_empty());
    }
}
