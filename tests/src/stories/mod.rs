//! End-to-end stories: each in a namespace of its own, in one bed, with load through Envoy all the while.

mod alerts;
mod by_hand;
mod calm;
mod chart;
mod connections;
mod deletion;
mod edits;
mod exported;
mod figures;
mod goldens;
mod group;
mod held;
mod helm;
mod instruments;
mod interference;
mod leaders;
mod life;
mod lost;
mod mended;
mod mesh;
mod mirror;
mod order;
mod overlap;
mod overwriter;
mod page;
mod play;
mod preview;
mod removal;
mod runner;
mod sessions;
mod subsets;
mod teal_is_down;
mod theirs;
mod ways_back;
mod work;

use futures::future::LocalBoxFuture;

use crate::error::Result;
use crate::world::World;

pub use runner::main;

/// A story.
pub struct Story {
    /// Its name, also of its namespace.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Whether it tells of Teal, so that it must be installed.
    pub of_teal: bool,
    /// Whether it needs the bed to itself.
    pub alone: bool,
    /// Whether it is told only where all are asked for: another one tells nearly the same in less time.
    pub long: bool,
    /// Whether somebody types `kubectl teal` in it, so that it must be built.
    pub types: bool,
    /// Why it can't be told on somebody else's cluster, if so.
    pub bed: Option<&'static str>,
    tell: for<'a> fn(&'a World, &'a str) -> LocalBoxFuture<'a, Result<()>>,
}

/// A story that can be told beside others.
macro_rules! story {
    ($name:literal, $tell:path, $about:literal) => {
        Story {
            name: $name,
            about: $about,
            of_teal: true,
            alone: false,
            long: false,
            types: false,
            bed: None,
            tell: |world, namespace| Box::pin($tell(world, namespace)),
        }
    };
}

/// A story that needs the bed to itself.
macro_rules! alone {
    ($name:literal, $tell:path, $about:literal) => {
        Story { alone: true, ..story!($name, $tell, $about) }
    };
}

/// A story that is left to who asks for all.
macro_rules! long {
    ($story:expr) => {
        Story { long: true, ..$story }
    };
}

/// A story that only a bed can tell, and why.
macro_rules! in_bed {
    ($why:ident, $story:expr) => {
        Story { bed: Some($why), ..$story }
    };
}

const PODS: &str = "only a bed's pods can be reached by their addresses";
const NODES: &str = "only a bed's node is surely reached from here";
const RAW_TCP: &str = "only a bed's gateway is sure to pass raw TCP on";
const ETCD: &str = "only a bed's etcd can be read, and what it shows is in the history of objects";
const ENVOY: &str = "only a bed's Envoy can be asked what it has and counts";
const PROMETHEUS: &str =
    "only a bed is sure to have a Prometheus that sees the pods, and without one checks are left out";
const PROCESSES: &str =
    "only a bed's containers are processes of this machine, which can be killed and stopped";
const ISTIOD: &str = "only a bed's istiod can be started in another way";
const REGISTRY: &str = "only a bed has a registry of charts that its operator may ask without TLS";
const AGAIN: &str = "it tells of a bed as if it were such a cluster";
const DEFINITIONS: &str = "it deletes the definitions under all Rollouts of the cluster";

/// All of them, in the order in which they are told.
pub const STORIES: &[Story] = &[
    Story {
        of_teal: false,
        alone: true,
        bed: Some(ENVOY),
        ..story!(
            "goldens",
            goldens::loaded,
            "istiod takes every golden VirtualService; of each edit two Envoys have the weights and no more"
        )
    },
    Story {
        of_teal: false,
        alone: true,
        bed: Some(ENVOY),
        ..story!(
            "instruments",
            instruments::shares_and_sessions,
            "counted shares are Envoy's; a cut session is seen"
        )
    },
    Story {
        alone: true,
        bed: Some(ETCD),
        ..story!("silence", calm::silence, "nothing is written and no line logged where nothing happens")
    },
    in_bed!(
        PODS,
        story!(
            "work",
            work::once,
            "a queue's consumer and a CronJob work in the live color alone: each message and tick once"
        )
    ),
    story!(
        "install",
        life::install,
        "the first version goes straight to live; both roles select it; no byte of traffic moves"
    ),
    in_bed!(
        AGAIN,
        alone!(
            "theirs",
            theirs::told_by_options,
            "the story before by --kubeconfig, --gateway and --prometheus alone, as on somebody else's cluster"
        )
    ),
    story!(
        "canary",
        life::canary,
        "10 % (also at /metrics), an approval, 100 %, the old color kept, then gone; owner's bytes again"
    ),
    in_bed!(
        ENVOY,
        story!(
            "subsets",
            subsets::shifted,
            "two VirtualServices, one by a subset of a DestinationRule, move together, up and back, and lose no request"
        )
    ),
    story!(
        "subset-of-one",
        subsets::of_one_version,
        "a subset that means one version's pods: nothing is sent to the other, until it is mended"
    ),
    in_bed!(
        REGISTRY,
        story!(
            "chart",
            chart::to_100_and_back,
            "a Helm chart from a registry: 10 %, 100 %, and one taken back; its ConfigMap by the answers, its Jobs once a color"
        )
    ),
    story!(
        "preview",
        preview::asked_for,
        "a header reaches the candidate alone at weight 0, and nothing else does; after a way back and a promotion it says nothing"
    ),
    story!(
        "mirror",
        mirror::copied,
        "the candidate gets copies of requests at weight 0 and at 10 %, and live gives all answers that it should; then none any more"
    ),
    story!("supersede", life::supersede, "a newer version takes the place of one at 10 %"),
    story!("supersede-twice", edits::twice, "two versions overtake one; only the newest goes on"),
    story!("supersede-in-keep", edits::in_keep, "a newer version while the former one is kept"),
    story!("edited-steps", edits::steps, "steps are edited in the middle and keep their place"),
    story!("edited-traffic", edits::traffic, "a change of the routes waits for the rollout's end"),
    story!("cancel", life::cancel, "the spec returns to what is live"),
    story!("rollback-at-10", ways_back::at_10, "a person goes back in the middle of a step"),
    story!("rollback-in-keep", ways_back::in_keep, "a person goes back after promotion"),
    in_bed!(
        PROMETHEUS,
        story!(
            "checked",
            ways_back::checked,
            "a step's check lets a good version through, and sends a bad one back; nobody is asked"
        )
    ),
    in_bed!(PODS, story!("guard", ways_back::guard, "a guard fails while people are asked")),
    in_bed!(
        PODS,
        story!("crash-loop", mended::crash_loop, "the candidate's pods crash at 10 %; all goes back to live")
    ),
    in_bed!(
        PODS,
        story!(
            "pause",
            held::paused,
            "paused by spec and by Decision nothing goes forward; the ways back work"
        )
    ),
    in_bed!(
        ETCD,
        story!(
            "hands-off",
            held::hands_off,
            "with hands off nothing is written, and a person's hand is kept"
        )
    ),
    in_bed!(
        NODES,
        story!(
            "overlap",
            overlap::by_node_port,
            "a Service with node ports selects both versions for a time at promotion; no request is lost there"
        )
    ),
    Story {
        types: true,
        ..story!(
            "by-hand",
            by_hand::decided,
            "kubectl teal waits, approves and goes back, and ends with the codes that scripts rely on"
        )
    },
    Story {
        types: true,
        ..story!(
            "undo",
            by_hand::undone,
            "two versions later the first one comes back as a rollout of its own"
        )
    },
    in_bed!(
        REGISTRY,
        story!(
            "chart-values",
            chart::by_a_config_map,
            "a Helm chart whose version a ConfigMap says: each change of it goes by 10 % and 100 %, and one is taken back"
        )
    ),
    in_bed!(
        RAW_TCP,
        alone!(
            "connections",
            connections::shifted,
            "a tcp route has the weights of the http routes: connections reach the candidate by its share"
        )
    ),
    in_bed!(
        PROMETHEUS,
        alone!(
            "sessions",
            sessions::awaited,
            "200 WebSockets and gRPC streams outlive a rollout: their color stays until they have ended, or to its deadline"
        )
    ),
    in_bed!(
        PROMETHEUS,
        story!(
            "group",
            group::together,
            "three Rollouts go to 100 % together, in order; when one fails all are back, and no request failed"
        )
    ),
    story!("repaired", mended::repaired, "live is edited and deleted by hand, told and repaired"),
    in_bed!(
        ENVOY,
        story!("mesh-policies", mesh::policies, "TLS, hashing and ejection hold for the candidate")
    ),
    in_bed!(
        ETCD,
        story!(
            "hidden-host",
            mesh::hidden,
            "a Sidecar that hides the candidate is found before the first weight"
        )
    ),
    story!(
        "delete-at-10",
        interference::deleted_at_10,
        "the Rollout is deleted in the middle of a step; live serves on"
    ),
    story!("retry", ways_back::retried, "a version that a person rejected is tried again"),
    story!(
        "apply",
        interference::applied_at_every_phase,
        "the owner applies the VirtualService at every phase"
    ),
    story!("apply-helm", helm::at_every_phase, "the same by the real helm, in both of its ways"),
    story!("apply-forced", interference::forced_at_every_phase, "the same, server-side and by force"),
    story!(
        "apply-exported",
        interference::exported_at_10,
        "routes exported at 10 % are applied after promotion"
    ),
    story!(
        "overwriter",
        overwriter::overwriter,
        "another program keeps overwriting the weights: corrected five times, then live alone"
    ),
    Story {
        alone: true,
        ..story!(
            "operators-killed",
            interference::operators_killed,
            "all operators die at 10 %; who comes next goes on"
        )
    },
    story!(
        "delete-at-rest",
        deletion::at_rest,
        "the Rollout is deleted in the foreground and applied again; no pod notices"
    ),
    story!("delete-promoting", deletion::at_promotion, "the Rollout is deleted in the middle of a promotion"),
    story!("prune", deletion::pruned, "kubectl apply --prune takes the Rollout away at 10 %"),
    story!("delete-all", deletion::with_all, "onDelete: DeleteAll takes the release along"),
    story!(
        "status-lost",
        lost::on_the_way,
        "the status is removed during the first install, on the way to 10 % and there"
    ),
    story!(
        "status-lost-held",
        lost::held_and_back,
        "the status is removed while paused and while rolling back"
    ),
    story!("status-lost-turn", lost::at_the_turn, "the status is removed at 100 % and while promoting"),
    story!(
        "status-lost-rest",
        lost::at_rest,
        "the status is removed at rest, in keep time, after a rollback"
    ),
    story!("restored", lost::restored, "a backup without status and with old Decisions is played back"),
    story!(
        "export-everywhere",
        exported::everywhere,
        "routes exported at 10 % are applied after a rollback, while promoting, at rest"
    ),
    in_bed!(
        DEFINITIONS,
        alone!(
            "definitions",
            removal::of_definitions,
            "the definitions are deleted under two Rollouts and installed again"
        )
    ),
    alone!("uninstall", removal::of_all, "helm uninstall at 10 % and while promoting, then install"),
    alone!("runbook", teal_is_down::runbook, "the runbook's commands bring traffic back while Teal is down"),
    in_bed!(PROCESSES, alone!("leader-killed", leaders::one_is_killed, "the leader is killed at 10 %")),
    in_bed!(
        PROCESSES,
        alone!("leader-asleep", leaders::one_sleeps, "a leader wakes who has lost the lease without knowing")
    ),
    alone!("both-lead", leaders::both_lead, "two operators act at once, both without a lease"),
    in_bed!(ENVOY, alone!("order", order::by_default, "the order of writes at 5,000 requests a second")),
    in_bed!(
        ISTIOD,
        alone!(
            "order-hardest",
            order::filtered_among_many,
            "the same where proxies have only what routes name, and with 300 further VirtualServices"
        )
    ),
    in_bed!(ISTIOD, long!(alone!("order-filtered", order::filtered, "the same with the filter alone"))),
    in_bed!(
        ISTIOD,
        long!(alone!(
            "order-among-300",
            order::among_many,
            "the same with the filter as istiod has it, and the others"
        ))
    ),
];
