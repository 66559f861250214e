//! `Rollout.spec`. The doc comments of these types are what `kubectl explain` shows.
//!
//! Everything with a default is optional and has none in the schema: a default that the server writes would change
//! stored objects when it changes. The defaults are filled in by [`crate::defaults`].
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, Guard};
use super::release::Release;
use super::status::RolloutStatus;
use super::step::Step;
use super::traffic::Traffic;
use super::window::Window;
use crate::duration::{DurationText, at_least_a_second};
use crate::names::limit;
use crate::schema::{ATOMIC, MAP, dns_label, rules, rules_at, word};

/// What is wanted. Only release is hashed: a change there starts a rollout, a change of anything else does not.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "teal.dev",
    version = "v1alpha1",
    kind = "Rollout",
    namespaced,
    status = "RolloutStatus",
    shortname = "tro",
    category = "teal",
    derive = "PartialEq",
    doc = "Ships a release beside the one that serves: brings it up in the other color, gives it traffic step by step \
           while checks and people agree, makes it live, keeps the former one for going back, then removes it.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.step.name"),
    printcolumn(
        name = "Weight",
        type_ = "integer",
        json_path = ".status.traffic.candidateWeight",
        description = "Percent of requests that reach the candidate, as observed."
    ),
    printcolumn(name = "Waiting-for", type_ = "string", json_path = ".status.waitingFor"),
    printcolumn(name = "Live", type_ = "string", json_path = ".status.live.revision"),
    printcolumn(name = "Candidate", type_ = "string", json_path = ".status.candidate.revision"),
    printcolumn(
        name = "Color",
        type_ = "string",
        json_path = ".status.live.color",
        description = "The color that serves.",
        priority = 1
    ),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules_at(&[
    (
        ".steps",
        "!has(self.steps) || self.steps.all(s, !has(s.checks) || s.checks.all(c, has(self.checks) && \
         self.checks.exists(d, d.name == c)))",
        "a step names a check that spec.checks does not have: define it there or take the name out",
    ),
    (
        ".traffic.services",
        "has(self.release.chart) || self.traffic.services.all(s, !has(s.from))",
        "from is for charts: the Services of manifests have the names that are written there, so leave it out",
    ),
    (
        ".guards",
        "!has(self.guards) || self.guards.all(g, has(self.checks) && self.checks.exists(d, d.name == g.check))",
        "a guard names a check that spec.checks does not have: define it there or take the guard out",
    ),
    (
        ".steps",
        "!has(self.steps) || has(self.traffic.virtualServices) || self.steps.all(s, s.weight == 0 || s.weight == 100)",
        "weights between 0 and 100 need a mesh: name the VirtualService in traffic.virtualServices, or use only 0 \
         and 100",
    ),
    (
        ".steps",
        "!has(self.steps) || has(self.traffic.virtualServices) || self.steps.all(s, !has(s.mirror))",
        "copies are made by a mesh: name the VirtualService in traffic.virtualServices, or take mirror out of the steps",
    ),
    (
        ".steps",
        "!has(self.steps) || self.steps.all(s, s.weight == 100 || has(s.hold) || has(s.minPodAge) || has(s.approval) || \
         (has(s.jobs) && s.jobs.size() > 0) || (has(s.checks) ? s.checks.size() > 0 : s.weight > 0 && has(self.checks) && self.checks.size() > 0))",
        "a step below 100 needs hold, minPodAge, jobs, approval or checks, else it is over at once: add one, or write hold: 0s \
         if that is meant",
    ),
])))]
pub struct RolloutSpec {
    /// What is released: all objects of one version. Its content is the revision; changing anything here starts a
    /// rollout, except replicas, autoscalers and disruption budgets, which reach live at once.
    pub release: Release,

    /// Which Services and routes lead to the release. A change while a rollout is under way counts from its end on, and a
    /// Service that live doesn't have yet from the promotion of a release that has it.
    pub traffic: Traffic,

    /// How traffic moves, 1 to 20 steps. Weights never go down and only the last is 100. Default: canary with weight
    /// 10 and hold 10m, then full with weight 100 and hold 5m; without virtualServices a single step switch with
    /// weight 100. A step is known by its name, so steps can be edited during a rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::STEPS),
        extend(
            "x-kubernetes-list-type" = MAP,
            "x-kubernetes-list-map-keys" = ["name"],
            "x-kubernetes-validations" = rules(&[
                ("self.size() > 0", "list at least one step, or leave steps out for the default ones"),
                (
                    "self.size() == 0 || self[self.size() - 1].weight == 100",
                    "the last step must have weight 100: add a step such as {name: full, weight: 100}",
                ),
                (
                    "self.map(s, s.weight).isSorted()",
                    "weights must not go down from one step to the next: put the steps in the order of their weights",
                ),
                (
                    "self.filter(s, s.weight == 100).size() <= 1",
                    "only the last step may have weight 100: give the others less, or put their gates into one step",
                ),
            ])
        )
    )]
    pub steps: Option<Vec<Step>>,

    /// Questions to metrics, up to 32, that steps and guards use by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::CHECKS),
        extend("x-kubernetes-list-type" = MAP, "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub checks: Option<Vec<Check>>,

    /// Checks that are judged the whole time from the first weight on, in every phase, also while people are waited
    /// for. A guard that fails takes the release back, whatever onFailure says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::CHECKS),
        extend("x-kubernetes-list-type" = MAP, "x-kubernetes-list-map-keys" = ["check"])
    )]
    pub guards: Option<Vec<Guard>>,

    /// How long the candidate may take to become ready, and also each wait of the machine for what it wrote. Hold,
    /// checks and people are not counted; an edit counts at once. At least 1s. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = at_least_a_second()))]
    pub progress_deadline: Option<DurationText>,

    /// How long colors stay that no longer serve. An edit counts at once, also for one that is kept already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,

    /// What happens when a check fails or a deadline is over. Rollback: traffic goes back to live. Hold: the weight
    /// stays and a person is waited for; after a deadline it also goes on by itself once what it waited for is there. Guards
    /// always roll back. Default: Rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<OnFailure>")]
    pub on_failure: Option<OnFailure>,

    /// How much Teal does. Active: everything. Paused: nothing moves forward, while guards and going back still work, and a
    /// release that is kept still goes when its time is over. HandsOff: nothing is written at all, and no deadline runs;
    /// status says what would be done. Default: Active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<Mode>")]
    pub mode: Option<Mode>,

    /// What happens to the objects of the release when this Rollout is deleted. KeepLive: what serves goes on
    /// serving, without Teal. DeleteAll: everything is removed with it. Default: KeepLive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<OnDelete>")]
    pub on_delete: Option<OnDelete>,

    /// With which other Rollouts of the namespace this one moves: those whose group has the same name, and the same steps. Those
    /// of them that have something new bring it up, and none gets the next weight before the gates of all are met; when one goes
    /// back, all do. One that begins while others are under way waits until they have ended. Default: it moves alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,

    /// What the condition Ready, and with it helm --wait, Flux and Argo CD, waits for. OnComplete: until the release
    /// has all traffic. OnWaiting: until it has, or until a person is asked. OnServing: until live serves, or until a
    /// person is asked. Default: OnWaiting. A pipeline that must know the end waits for the condition Promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word::<Readiness>")]
    pub readiness: Option<Readiness>,

    /// Times in which nothing moves forward, up to 16: no rollout starts and no weight is raised. Guards and going back work as
    /// ever. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limit::WINDOWS), extend("x-kubernetes-list-type" = ATOMIC))]
    pub windows: Option<Vec<Window>>,

    /// No rollout starts before this time; one that is under way goes on, and so does going back. Example:
    /// 2026-12-01T02:00:00+09:00. Default: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limit::TIME), extend("format" = "date-time"))]
    pub start_at: Option<String>,
}

/// With which other Rollouts this one moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Name of the group, such as checkout. Rollouts of one namespace that write the same name belong together.
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = dns_label())
    )]
    pub name: String,

    /// The place in the order in which members get the weight of a step, -1000 to 1000: lower ones first, each once the weight
    /// of those before it was observed; equal ones at the same time. When they go back it is the other way round, but none waits
    /// for another then. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1000, max = 1000))]
    pub order: Option<i32>,
}

/// How long colors stay that no longer serve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keep {
    /// How long the former live color stays untouched after promotion; going back takes one moment until then.
    /// Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<DurationText>,

    /// How long a candidate stays without traffic after it was taken back, to be looked at. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<DurationText>,
}

/// What happens when a check fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// Traffic goes back to live.
    #[default]
    Rollback,
    /// The weight stays and a person is waited for.
    Hold,
}

/// How much Teal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Everything.
    #[default]
    Active,
    /// Nothing moves forward.
    Paused,
    /// Nothing is written.
    HandsOff,
}

/// What happens to the objects of the release when the Rollout is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    /// What serves goes on serving.
    #[default]
    KeepLive,
    /// Everything is removed.
    DeleteAll,
}

/// What the condition Ready waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Readiness {
    /// Until the release has all traffic.
    OnComplete,
    /// Until then, or until a person is asked.
    #[default]
    OnWaiting,
    /// Until live serves, or until a person is asked.
    OnServing,
}
