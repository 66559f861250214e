//! More that a test's hands do: to pods, with Decisions, to the namespace.

use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::kubelet::TROUBLE;
use super::{Bench, OURS, api, config, object};

impl Bench {
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// From now on no container of that color runs, for this reason.
    pub(crate) async fn trouble(&self, color: &str, reason: &str) {
        for name in self.pods_of(color).await {
            self.merge_as("test", "pods", &name, json!({"metadata": {"annotations": {TROUBLE: reason}}}))
                .await;
        }
    }

    /// Lets pods of that color be scheduled that their template holds back. Says how many there are.
    pub(crate) async fn let_in(&self, color: &str) -> usize {
        let pods = self.pods_of(color).await;
        for name in &pods {
            self.merge_as("test", "pods", name, json!({"spec": {"schedulingGates": null}})).await;
        }
        pods.len()
    }

    /// Deletes one pod of that color.
    pub(crate) async fn lose_a_pod(&self, color: &str) {
        let name = self.pods_of(color).await.pop().expect("a pod");
        self.delete("pods", &name).await;
    }

    async fn pods_of(&self, color: &str) -> Vec<String> {
        let labels = ListParams::default().labels(&format!("teal.dev/color={color}"));
        let pods = self.api("pods").list(&labels).await.expect("a list").items;
        pods.into_iter().filter_map(|pod| pod.metadata.name).collect()
    }

    /// Makes a Decision by another person than the test's.
    pub(crate) async fn decide_as(&self, user: &str, mut spec: Value) {
        let mut config = config().await;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
        let client = Client::try_from(config).expect("a client");
        spec["decidedBy"] = json!({"user": user});
        let decision = json!({"apiVersion": "teal.dev/v1alpha1", "kind": "Decision",
            "metadata": {"generateName": "web-"}, "spec": spec});
        let decisions = api(&client, Some(&self.namespace), "teal.dev", "v1alpha1", "Decision", "decisions");
        decisions.create(&PostParams::default(), &object(decision)).await.expect("decided");
    }

    /// Decides on the revision that was sent back.
    pub(crate) async fn decide_on_rejected(&self, action: &str) {
        let mut rollout = self.value("rollouts", "web").await;
        rollout["status"]["candidate"] = json!({"revision": rollout["status"]["rejected"][0]});
        self.decide_on(&rollout, action).await;
    }

    /// Skips the gates of the step under way.
    pub(crate) async fn skip(&self) {
        let mut rollout = self.value("rollouts", "web").await;
        rollout["status"]["gate"] = json!({"step": rollout["status"]["step"]["name"]});
        self.decide_on(&rollout, "Skip").await;
    }

    /// Looks again and again for a while whether something stays so.
    pub(crate) async fn stays_for(&self, time: Duration, mut so: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            if !so().await {
                let rollout = self.value("rollouts", "web").await;
                panic!("not for {time:?}: {:#}", rollout["status"]);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A merge patch of a status.
    pub(crate) async fn merge_status(&self, plural: &str, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.api(plural).patch_status(name, &PatchParams::default(), &patch).await.expect("patched");
    }

    /// The namespace again after it was deleted, with somebody who makes pods ready.
    pub(crate) async fn make_namespace(&self) {
        let namespaces = api(&self.client, None, "", "v1", "Namespace", "namespaces");
        let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": {OURS: ""}}});
        namespaces.create(&PostParams::default(), &object(value)).await.expect("a namespace");
        let account = api(&self.client, Some(&self.namespace), "", "v1", "ServiceAccount", "serviceaccounts");
        self.until("the account that pods run as", async || {
            account.get_opt("default").await.expect("an answer").is_some()
        })
        .await;
    }
}
