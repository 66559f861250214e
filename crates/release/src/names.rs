//! Labels, annotations and limits that this room writes or reads. `teal-api` documents the same words for users;
//! they are repeated here because this room must stay free of kube.

use teal_plan::Color;

/// Labels.
pub mod label {
    /// Name of the Rollout. Part of the selectors of pods.
    pub const ROLLOUT: &str = "teal.dev/rollout";
    /// Uid of the Rollout. On objects only: on pod templates, a Rollout restored from a backup would restart live.
    pub const ROLLOUT_UID: &str = "teal.dev/rollout-uid";
    /// `blue` or `green`. Part of the selectors of pods.
    pub const COLOR: &str = "teal.dev/color";
    /// The revision. Role Services select by it; Deployments don't, because their selectors can't change.
    pub const REVISION: &str = "teal.dev/revision";
    /// Which operator looks after the object; absent when empty.
    pub const INSTANCE: &str = "teal.dev/instance";
    /// On a Job that is a gate: its step.
    pub const STEP: &str = "teal.dev/step";
    /// What Istio's telemetry shows as the revision of a workload.
    pub const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
    /// What Istio's telemetry calls the service that pods are of, whatever their other labels say.
    pub(crate) const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
    /// How all of Teal's begin.
    pub(crate) const PREFIX: &str = "teal.dev/";
}

/// Annotations.
pub mod annotation {
    /// On a manifest: overrides the fate of its kind.
    pub const FATE: &str = "teal.dev/fate";
    /// On a Job: when it runs.
    pub const RUN: &str = "teal.dev/run";
    /// On a traffic Service: how it is turned to another revision.
    pub const SWITCH: &str = "teal.dev/switch";
    /// On a traffic Service: how long it selects both revisions before.
    pub const OVERLAP: &str = "teal.dev/overlap";
    /// On objects of a color: the versioned hash of the release they were made from.
    pub const HASH: &str = "teal.dev/hash";
    /// On every object written: a digest of what was written, so that a changed wish is seen without comparing fields.
    /// A workload's replicas are not part of it, unless it is held at 0: sizes have writers of their own.
    pub const CONTENT: &str = "teal.dev/content";
    /// On a workload held at 0: the replicas its owner wrote; empty where there were none.
    pub const OWNER_REPLICAS: &str = "teal.dev/owner-replicas";
    /// On a suspended `CronJob`: the `suspend` its owner wrote.
    pub const OWNER_SUSPEND: &str = "teal.dev/owner-suspend";
    /// On an autoscaler whose minimum is held: what its owner wrote; empty where there was nothing.
    pub const OWNER_MIN_REPLICAS: &str = "teal.dev/owner-min-replicas";
    /// On an autoscaler whose maximum had to be raised to the held minimum: what its owner wrote.
    pub const OWNER_MAX_REPLICAS: &str = "teal.dev/owner-max-replicas";
    /// On a held `ScaledObject`: the `idleReplicaCount` its owner wrote.
    pub const OWNER_IDLE_REPLICAS: &str = "teal.dev/owner-idle-replicas";
    /// On a workload that was adopted: how many its copies are to have where nothing sizes them. It has none itself at rest.
    pub const REPLICAS: &str = "teal.dev/replicas";
    /// On a traffic Service that was adopted: the selector that it had before, as JSON.
    pub const ADOPTED_SELECTOR: &str = "teal.dev/adopted-selector";
    /// What `kubectl apply` leaves behind; never carried over.
    pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    /// KEDA: holds the target at this size.
    pub const KEDA_PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";
}

/// The name that an object of a color has whatever the color: without the last of its words that is the color. Manifests have the color
/// behind their names, charts where they put it. Most charts cut names at 63 signs, where the longer color leaves one sign less of the rest.
pub fn uncolored(name: &str, color: Color) -> String {
    let words: Vec<&str> = name.split('-').collect();
    match words.iter().rposition(|word| *word == color.as_str()) {
        Some(place) if words.len() > 1 => {
            let others = words.iter().enumerate().filter(|(i, _)| *i != place).map(|(_, word)| *word);
            let mut stem = others.collect::<Vec<_>>().join("-");
            if name.len() == CUT && place + 1 < words.len() {
                let kept = stem.char_indices().nth(CUT - COLOR_ROOM).map_or(stem.len(), |(at, _)| at);
                stem.truncate(kept);
                stem.truncate(stem.trim_end_matches('-').len());
            }
            stem
        }
        _ => name.to_owned(),
    }
}

/// The length at which charts cut names.
const CUT: usize = 63;

/// Environment variable with the color, first in every container of a color, so that `$(TEAL_COLOR)` works in the
/// `env`, `command` and `args` that follow it (the kubelet expands it).
pub const COLOR_VARIABLE: &str = "TEAL_COLOR";

/// Suffix of the candidate's role Service.
pub const CANDIDATE_SUFFIX: &str = "-candidate";

/// Everything under this domain is Teal's to write.
pub(crate) const DOMAIN: &str = "teal.dev";
/// Room that `-green`, the longer suffix, takes in a name.
pub(crate) const COLOR_ROOM: usize = 6;
/// Objects of one release.
pub(crate) const MOST_MANIFESTS: usize = 64;
