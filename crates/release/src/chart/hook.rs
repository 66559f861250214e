//! Helm's hooks: what a chart runs around its objects.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use super::read::Origin;
use crate::ObjectKey;
use crate::object::Object;
use crate::refusal::Refusal;

const HOOK: &str = "helm.sh/hook";
const WEIGHT: &str = "helm.sh/hook-weight";
const DELETE: &str = "helm.sh/hook-delete-policy";

/// An occasion that Helm runs hooks at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum HookEvent {
    /// Before the objects of a release that isn't there yet.
    PreInstall,
    /// After them.
    PostInstall,
    /// Before the objects of a release that replaces another.
    PreUpgrade,
    /// After them.
    PostUpgrade,
    /// When somebody asks whether the release works.
    Test,
    /// Around the removal of a release. Teal runs nothing then.
    Delete,
    /// Around a return. Teal runs nothing then: going back waits for nothing.
    Rollback,
}

/// When what a hook has made is removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum DeletePolicy {
    /// Before another of its name is made; what Helm does where nothing is said.
    BeforeHookCreation,
    /// Once it ended well.
    HookSucceeded,
    /// Once it failed.
    HookFailed,
}

/// Whether there was a release before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub enum Stage {
    /// Nothing of the Rollout serves yet.
    Install,
    /// Another revision does.
    Upgrade,
}

/// On which side of a color's objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub enum Side {
    /// Before they are applied.
    Before,
    /// Once they are ready.
    After,
}

impl Stage {
    /// The occasion by Helm's name.
    pub const fn event(self, side: Side) -> HookEvent {
        match (self, side) {
            (Self::Install, Side::Before) => HookEvent::PreInstall,
            (Self::Install, Side::After) => HookEvent::PostInstall,
            (Self::Upgrade, Side::Before) => HookEvent::PreUpgrade,
            (Self::Upgrade, Side::After) => HookEvent::PostUpgrade,
        }
    }
}

/// An object of a chart that is no part of what stands.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Hook {
    /// As the chart names it.
    pub key: ObjectKey,
    /// Where it comes from.
    pub origin: Origin,
    /// When it is made.
    pub events: BTreeSet<HookEvent>,
    /// Lower ones go before.
    pub weight: i64,
    /// When it is removed.
    pub delete: BTreeSet<DeletePolicy>,
    /// As the chart has it.
    pub object: Object,
}

/// What is done for a hook.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub enum HookWork {
    /// A Job whose end is waited for.
    Run(Object),
    /// An object that the Jobs use: made and not waited for.
    Make(Object),
}

impl Hook {
    /// The hook in a manifest, or nothing where it is none.
    pub(super) fn read(object: &Object, origin: &Origin) -> Option<Result<Self, Refusal>> {
        let words = object.annotation(HOOK)?;
        let key = object.key();
        Some(events(&key, words).and_then(|events| {
            let delete = policies(&key, object.annotation(DELETE).unwrap_or_default())?;
            let hook = Self {
                // As Helm: what is no number counts as nothing said.
                weight: object.annotation(WEIGHT).and_then(|text| text.parse().ok()).unwrap_or(0),
                origin: origin.clone(),
                events,
                delete,
                object: object.clone(),
                key,
            };
            // What is never made may be as it likes.
            if hook.is_never_made() { Ok(hook) } else { hook.work().map(|_| hook) }
        }))
    }

    /// Whether no occasion that Teal has makes it. A chart's tests are run by nobody but `helm test`.
    pub fn is_never_made(&self) -> bool {
        let never = [HookEvent::Delete, HookEvent::Rollback, HookEvent::Test];
        self.events.iter().all(|event| never.contains(event))
    }

    /// Helm's order: the weight, then the name.
    pub(super) fn place(&self) -> (i64, &str, &str) {
        (self.weight, &self.key.name, &self.key.kind)
    }

    /// What is to be done. A Pod is run by a Job, so that each hook is recorded, counted and waited for in the one way.
    pub fn work(&self) -> Result<HookWork, Refusal> {
        match (self.key.group.as_str(), self.key.kind.as_str()) {
            ("batch", "Job") => Ok(HookWork::Run(self.object.clone())),
            ("", "Pod") => self.pod_as_job().map(HookWork::Run),
            ("batch", "CronJob")
            | ("apps", _)
            | ("", "ReplicationController" | "Service" | "PersistentVolumeClaim") => Err(Refusal::invalid(
                &self.key,
                format!("metadata.annotations[{HOOK}]"),
                "makes a hook of what stays",
                "write a Job, or leave the annotation out so that it belongs to the release",
            )),
            _ => Ok(HookWork::Make(self.object.clone())),
        }
    }

    fn pod_as_job(&self) -> Result<Object, Refusal> {
        let spec = self.object.get("/spec").cloned().unwrap_or_default();
        if !matches!(spec["restartPolicy"].as_str(), Some("Never" | "OnFailure")) {
            return Err(Refusal::invalid(
                &self.key,
                "spec.restartPolicy",
                "lets the pod run for ever, so that the hook would have no end",
                "write Never",
            ));
        }
        let mut job = self.object.clone();
        let labels = job.get("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        job.set(&[], "apiVersion", "batch/v1".into());
        job.set(&[], "kind", "Job".into());
        job.remove(&[], "status");
        job.set(
            &[],
            "spec",
            json!({"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": spec}}),
        );
        Ok(job)
    }
}

fn events(key: &ObjectKey, words: &str) -> Result<BTreeSet<HookEvent>, Refusal> {
    listed(words).map(|word| event(&word).ok_or_else(|| unknown(key, HOOK, &word))).collect()
}

fn event(word: &str) -> Option<HookEvent> {
    Some(match word {
        "pre-install" => HookEvent::PreInstall,
        "post-install" => HookEvent::PostInstall,
        "pre-upgrade" => HookEvent::PreUpgrade,
        "post-upgrade" => HookEvent::PostUpgrade,
        "test" | "test-success" => HookEvent::Test,
        "pre-delete" | "post-delete" => HookEvent::Delete,
        "pre-rollback" | "post-rollback" => HookEvent::Rollback,
        _ => return None,
    })
}

fn policies(key: &ObjectKey, words: &str) -> Result<BTreeSet<DeletePolicy>, Refusal> {
    let policy = |word: &str| match word {
        "before-hook-creation" => Some(DeletePolicy::BeforeHookCreation),
        "hook-succeeded" => Some(DeletePolicy::HookSucceeded),
        "hook-failed" => Some(DeletePolicy::HookFailed),
        _ => None,
    };
    let mut policies: BTreeSet<DeletePolicy> = listed(words)
        .map(|word| policy(&word).ok_or_else(|| unknown(key, DELETE, &word)))
        .collect::<Result<_, _>>()?;
    if policies.is_empty() {
        policies.insert(DeletePolicy::BeforeHookCreation);
    }
    Ok(policies)
}

fn listed(words: &str) -> impl Iterator<Item = String> {
    words.split(',').map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty())
}

fn unknown(key: &ObjectKey, annotation: &str, word: &str) -> Refusal {
    Refusal::invalid(
        key,
        format!("metadata.annotations[{annotation}]"),
        format!("has {word:?}, which Helm doesn't know"),
        "write one of the words in Helm's documentation of chart hooks",
    )
}
