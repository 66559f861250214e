//! The names that Teal writes on objects or expects there: selectors, policies, dashboards and runbooks must agree on
//! them for years. The pure rooms `teal-release` and `teal-traffic`, which know nothing of this one, repeat those that they
//! write; `teal-cluster`, which sees all three, holds them against these.

/// API group of `Rollout` and `Decision`.
pub const GROUP: &str = "teal.dev";
/// Served and stored version of both kinds.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of both kinds.
pub const API_VERSION: &str = "teal.dev/v1alpha1";
/// Plural resource name of `Rollout` with its group: always written in full, because another project's
/// `rollouts` may be installed beside it.
pub const ROLLOUTS: &str = "rollouts.teal.dev";
/// Plural resource name of `Decision` with its group.
pub const DECISIONS: &str = "decisions.teal.dev";
/// Who tells Events, in their `reportingController`.
pub const REPORTING_CONTROLLER: &str = "teal.dev/operator";

/// By what open connections are known among all that metrics are asked: no check can have this name.
pub const DRAIN: &str = "traffic.drain";

/// The two roles that a color can have.
pub mod role {
    /// The color that serves.
    pub const LIVE: &str = "live";
    /// The color that is tried.
    pub const CANDIDATE: &str = "candidate";
}

/// Labels.
pub mod label {
    /// With what all of them begin.
    pub const PREFIX: &str = "teal.dev/";
    /// Name of the Rollout an object belongs to. Part of the selectors of its pods.
    pub const ROLLOUT: &str = "teal.dev/rollout";
    /// Uid of that Rollout: a Rollout of the same name made later does not inherit the objects.
    pub const ROLLOUT_UID: &str = "teal.dev/rollout-uid";
    /// `blue` or `green`. Part of the selectors of pods.
    pub const COLOR: &str = "teal.dev/color";
    /// The revision id (`r7-3f9c2a1b`) on pods and objects; role Services select by it, Deployments do not,
    /// because their selectors can't change.
    pub const REVISION: &str = "teal.dev/revision";
    /// On a Job that is a gate: the step that it is of.
    pub const STEP: &str = "teal.dev/step";
    /// `live` or `candidate` on role Services. `EndpointSlices` inherit it, so they can be watched by it.
    pub const ROLE: &str = "teal.dev/role";
    /// Which operator looks after an object. An operator acts only on objects whose value equals its own;
    /// absent and empty are the same.
    pub const INSTANCE: &str = "teal.dev/instance";
    /// What Istio's telemetry shows as the revision of a workload; carries the revision id.
    pub const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
    /// The common label for the tool that wrote an object.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// Value of [`MANAGED_BY`].
    pub const MANAGED_BY_TEAL: &str = "teal";
}

/// Annotations.
pub mod annotation {
    /// On a manifest: overrides the fate of its kind; `Own`, `Shared` or `LiveOnly`.
    pub const FATE: &str = "teal.dev/fate";
    /// On a Job of a release: when it runs; `before` or `after-retire`.
    pub const RUN: &str = "teal.dev/run";
    /// On a traffic Service, in the release or in the cluster: how it is turned to another revision: `AtOnce`, or
    /// `Overlap` by way of both; where nothing is written, `Overlap` for one that is reached from outside, else `AtOnce`.
    pub const SWITCH: &str = "teal.dev/switch";
    /// On a traffic Service, in the release or in the cluster: for how long it selects both revisions before it is turned,
    /// like `90s`; 30 seconds where nothing is written.
    pub const OVERLAP: &str = "teal.dev/overlap";
    /// On objects of a color: the versioned hash (`v1:…`) of the release they were made from. An annotation,
    /// because a label can't hold a colon. Together with the labels it lets a lost status be rebuilt.
    pub const HASH: &str = "teal.dev/hash";
    /// On every object of a release: a digest of what was applied, so that a changed wish is seen without comparing fields.
    pub const CONTENT: &str = "teal.dev/content";
    /// On an `HorizontalPodAutoscaler` or `ScaledObject`: the `minReplicas` its owner wrote, while Teal holds it higher.
    pub const OWNER_MIN_REPLICAS: &str = "teal.dev/owner-min-replicas";
    /// Beside it, where the maximum had to be raised along: the `maxReplicas` its owner wrote.
    pub const OWNER_MAX_REPLICAS: &str = "teal.dev/owner-max-replicas";
    /// On a held `ScaledObject`: the `idleReplicaCount` its owner wrote.
    pub const OWNER_IDLE_REPLICAS: &str = "teal.dev/owner-idle-replicas";
    /// On a workload that is at 0 because its color is not live: the replicas its owner wrote.
    pub const OWNER_REPLICAS: &str = "teal.dev/owner-replicas";
    /// On the same: how many it had when it was laid to rest, with which the other color's wakes.
    pub const AWAKE_REPLICAS: &str = "teal.dev/awake-replicas";
    /// On a `CronJob` that is suspended because its color is not live: the `suspend` its owner wrote.
    pub const OWNER_SUSPEND: &str = "teal.dev/owner-suspend";
    /// Prefix of the epoch annotations; the rest of the key is the Rollout's uid, since several Rollouts may
    /// share one `VirtualService`. See [`epoch`].
    pub const EPOCH_PREFIX: &str = "epoch.teal.dev/";

    /// Prefix of the annotations on a `VirtualService` that say how its owner wrote it; the Rollout's uid follows.
    pub const SAVED_PREFIX: &str = "saved.teal.dev/";
    /// On the copy of a `DestinationRule` for the candidate: the rule it was made from, as `namespace/name`.
    pub const COPIED_FROM: &str = "teal.dev/copied-from";

    /// Key of the epoch that one Rollout writes on a shared object.
    pub fn epoch(rollout_uid: &str) -> String {
        format!("{EPOCH_PREFIX}{rollout_uid}")
    }
}

/// Finalizers.
pub mod finalizer {
    /// On a Rollout, only while a `VirtualService` differs from what its owner wrote.
    pub const TRAFFIC: &str = "teal.dev/traffic";
}

/// Field managers, one per purpose, so that `kubectl get --show-managed-fields` says why a field was written.
pub mod manager {
    /// Objects of a release.
    pub const RELEASE: &str = "teal/release";
    /// Selectors of role Services.
    pub const ROLES: &str = "teal/roles";
    /// Routes of a `VirtualService`, and the `DestinationRule` made for the candidate.
    pub const TRAFFIC: &str = "teal/traffic";
    /// Status of Rollouts and Decisions.
    pub const STATUS: &str = "teal/status";
    /// Events.
    pub const EVENTS: &str = "teal/events";
    /// `ControllerRevisions`.
    pub const REVISIONS: &str = "teal/revisions";
    /// The leader lease.
    pub const LEASE: &str = "teal/lease";
    /// What a person asked for by way of a front end (`kubectl teal`, page, Slack).
    pub const PERSON: &str = "teal/person";
    /// Prefix of all of them: who is ours.
    pub const PREFIX: &str = "teal/";
}

/// Placeholders that queries may use, written `$(name)`.
pub mod placeholder {
    /// The candidate's color.
    pub const COLOR: &str = "color";
    /// The live color.
    pub const LIVE_COLOR: &str = "liveColor";
    /// The candidate's revision id.
    pub const REVISION: &str = "revision";
    /// `live` or `candidate`: the role that is measured.
    pub const ROLE: &str = "role";
    /// The live role Service.
    pub const SERVICE: &str = "service";
    /// The candidate's role Service.
    pub const CANDIDATE_SERVICE: &str = "candidateService";
    /// The namespace of the Rollout.
    pub const NAMESPACE: &str = "namespace";
    /// The name of the Rollout.
    pub const ROLLOUT: &str = "rollout";
    /// All of them.
    pub const ALL: [&str; 8] =
        [COLOR, LIVE_COLOR, REVISION, ROLE, SERVICE, CANDIDATE_SERVICE, NAMESPACE, ROLLOUT];
}

/// Sizes that objects and names may have.
pub mod limit {
    /// Characters of a Rollout's name: it becomes part of labels and object names.
    pub const ROLLOUT_NAME: u32 = 50;
    /// Characters of any name that must be a DNS label.
    pub const DNS_LABEL: u32 = 63;
    /// Characters of any object's name.
    pub const DNS_SUBDOMAIN: u32 = 253;
    /// Objects of one release.
    pub const MANIFESTS: u32 = 64;
    /// Objects that values of one chart come from.
    pub const VALUES_FROM: u32 = 16;
    /// Services and `VirtualServices` of one Rollout.
    pub const TRAFFIC_OBJECTS: u32 = 16;
    /// Routes named of one `VirtualService`.
    pub const ROUTES: u32 = 50;
    /// Names of one tls route.
    pub const SNI_HOSTS: u32 = 16;
    /// Headers, or labels of callers, of a preview.
    pub const PREVIEW_HEADERS: u32 = 8;
    /// Cookies of a preview: each order in which they may stand is written out.
    pub const PREVIEW_COOKIES: u32 = 2;
    /// Characters of the value of a header or cookie of a preview.
    pub const PREVIEW_VALUE: u32 = 256;
    /// Steps of one Rollout.
    pub const STEPS: u32 = 20;
    /// Characters of a step's name.
    pub const STEP_NAME: u32 = 32;
    /// Jobs of one step.
    pub const STEP_JOBS: u32 = 8;
    /// Checks and guards of one Rollout.
    pub const CHECKS: u32 = 32;
    /// Characters of a query.
    pub const QUERY: u32 = 4096;
    /// Characters of a duration.
    pub const DURATION: u32 = 16;
    /// Windows of one Rollout.
    pub const WINDOWS: u32 = 16;
    /// Characters of the schedule of a window.
    pub const SCHEDULE: u32 = 64;
    /// Characters of a threshold.
    pub const THRESHOLD: u32 = 32;
    /// Persons that one step may ask for.
    pub const APPROVALS: u32 = 20;
    /// Characters of a person's reason.
    pub const REASON: u32 = 1024;
    /// Characters of `status.waitingFor`.
    pub const WAITING_FOR: usize = 256;
    /// Entries of `status.history` and of `status.rejected`.
    pub const HISTORY: usize = 10;
    /// `ControllerRevisions` kept per Rollout.
    pub const KEPT_REVISIONS: usize = 10;
}

/// Suffix of the candidate's role Service.
pub const CANDIDATE_SUFFIX: &str = "-candidate";

/// Name of the Service that selects the candidate, or live where there is none.
pub fn candidate_service(service: &str) -> String {
    format!("{service}{CANDIDATE_SUFFIX}")
}

/// Name of an object in one color: `web` in blue is `web-blue`.
pub fn colored(name: &str, color: &str) -> String {
    format!("{name}-{color}")
}

/// Cuts a sentence to what a field may hold, marking the cut. Limits of texts in status are kept here and not in
/// the schema: a status write must never be refused because a foreign error message was long.
pub fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_cut_at_characters() {
        assert_eq!(shortened("überall", 7), "überall");
        assert_eq!(shortened("überall", 4), "übe…");
    }

    #[test]
    fn epoch_key_names_the_rollout() {
        assert_eq!(annotation::epoch("1-2"), "epoch.teal.dev/1-2");
    }
}
