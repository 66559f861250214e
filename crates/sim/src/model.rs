//! What kind of world is modelled, how much may go wrong in it, and the spec that its planner is given.

use teal_plan::settings::{Guard, Mode, OnFailure, Readiness, Settings, Step, StepJob, Until};
use teal_plan::snapshot::Action;
use teal_plan::{ContentHash, Span, Time};

use crate::world::DRAINED;

/// One step of the model's clock, in the planner's milliseconds.
pub const TICK: i64 = 1000;
/// The model's present never moves; what lies in the past or future is moved instead, so that states repeat.
pub const NOW: Time = Time(1_000_000);
/// Deadlines further away than this lie beyond the model's time and never come nearer.
pub const FAR: i64 = 100 * TICK;

/// How much may still go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Budget {
    /// New contents of the spec.
    pub contents: u8,
    /// Returns of the spec to the first content.
    pub cancels: u8,
    /// Pods of a candidate that break for good.
    pub breaks: u8,
    /// Pods of live that stop serving for a while.
    pub downs: u8,
    /// Guards that fail.
    pub guards: u8,
    /// Verdicts of the check that a step waits for.
    pub verdicts: u8,
    /// Rollbacks by a person.
    pub rollbacks: u8,
    /// Other Decisions, of the kinds that the shape has.
    pub acts: u8,
    /// Changes of the spec's mode.
    pub modes: u8,
    /// Changes by foreign hands.
    pub drifts: u8,
    /// Routes that were exported at the first weight and are applied again.
    pub exports: u8,
    /// Jobs that are taken away after it was committed that they are there.
    pub removals: u8,
    /// Losses of the status.
    pub losses: u8,
    /// Deletions of the Rollout.
    pub deletions: u8,
    /// Writes that stay in flight.
    pub delays: u8,
    /// Crashes of A.
    pub crashes: u8,
    /// Which kinds lag in A's caches: record, routes, roles, pods. The others are always fresh.
    pub lags: [bool; 4],
    /// What there is.
    pub shape: Shape,
}

/// What kind of world it is. Doesn't change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// VirtualServices: none is a world without a mesh, at most two.
    pub routes: u8,
    /// What ends the first step: a check, else a person.
    pub checked: bool,
    /// A failed check or a missed deadline waits for a person.
    pub holds: bool,
    /// The progress deadline lies within the model's time.
    pub hurried: bool,
    /// There are routes that nobody listed, so that the last step's check goes on after promotion.
    pub jumps: bool,
    /// The last step has no gate, so that it is the promotion itself.
    pub bare: bool,
    /// The live role passes through an overlap before it is turned.
    pub overlaps: bool,
    /// Releases have a Job that runs before their workloads and one that runs after retirement.
    pub jobs: bool,
    /// The first step has a Job as its only gate.
    pub tested: bool,
    /// Connections outlive their requests, and are awaited.
    pub lingers: bool,
    /// People may ask for the candidate, and the first step has weight 0 for them.
    pub previewed: bool,
    /// What the spec's mode would pause is stopped by the switch instead.
    pub switched: bool,
    /// The first step sends the candidate copies.
    pub mirrored: bool,
    /// The Decisions that people may take besides approvals and rollbacks.
    pub acts: &'static [Action],
}

impl Shape {
    /// One VirtualService, an approval, and nothing else.
    pub const PLAIN: Self = Self {
        routes: 1,
        checked: false,
        holds: false,
        hurried: false,
        jumps: false,
        bare: false,
        overlaps: false,
        jobs: false,
        tested: false,
        lingers: false,
        previewed: false,
        switched: false,
        mirrored: false,
        acts: &[],
    };
}

impl Budget {
    /// One new release, and nothing goes wrong.
    pub const NONE: Self = Self {
        contents: 1,
        cancels: 0,
        breaks: 0,
        downs: 0,
        guards: 0,
        verdicts: 0,
        rollbacks: 0,
        acts: 0,
        modes: 0,
        drifts: 0,
        exports: 0,
        removals: 0,
        losses: 0,
        deletions: 0,
        delays: 0,
        crashes: 0,
        lags: [false; 4],
        shape: Shape::PLAIN,
    };
}

/// The content with that number.
pub const fn content(number: u8) -> ContentHash {
    ContentHash { version: 1, digest: [number; 32] }
}

/// The check that steps wait for.
pub const CHECK: &str = "latency";
/// The Jobs: before workloads, and after retirement.
pub const JOBS: [&str; 2] = ["migrate", "contract"];
/// The Job that is a gate, and for how many ticks it may run.
pub const TEST: &str = "smoke";
/// See [`TEST`].
pub const TIMEOUT: i64 = 2;
/// How many of a hundred requests the first step copies, where it does.
const MIRROR: u8 = 20;
/// For how many ticks open connections are awaited.
pub const LINGER: i64 = 2;
/// The guard.
pub const GUARD: &str = "errors";

/// The steps and timings of the model.
pub fn settings(wanted: u8, shape: &Shape) -> Settings {
    let jobs = |name: &str| if shape.jobs { vec![name.to_owned()] } else { Vec::new() };
    let [before, after] = JOBS;
    let check = |has: bool| if has { vec![CHECK.to_owned()] } else { Vec::new() };
    let test = StepJob { name: TEST.to_owned(), timeout: Span(TIMEOUT * TICK), spec: 1 };
    let first = Step {
        name: "canary".to_owned(),
        weight: if shape.routes == 0 || shape.previewed { 0 } else { 10 },
        hold: Span(0),
        mirror: shape.mirrored.then_some(MIRROR),
        min_pod_age: Span(0),
        checks: check(shape.checked),
        approvals: (!shape.checked && !shape.tested).then_some(1),
        jobs: if shape.tested { vec![test] } else { Vec::new() },
    };
    let last = Step {
        name: "full".to_owned(),
        weight: 100,
        hold: Span(if shape.bare { 0 } else { TICK }),
        mirror: None,
        min_pod_age: Span(0),
        checks: check(shape.jumps),
        approvals: None,
        jobs: Vec::new(),
    };
    Settings {
        generation: i64::from(wanted),
        wanted: Some(content(wanted)),
        jobs: jobs(before),
        later: jobs(after),
        still_at: None,
        mode: Mode::Active,
        halt: None,
        halts_at: None,
        start: None,
        steps: vec![first, last],
        guards: vec![Guard { check: GUARD.to_owned(), until: Until::Promoted }],
        on_failure: if shape.holds { OnFailure::Hold } else { OnFailure::Rollback },
        on_blind: vec![(CHECK.to_owned(), if shape.holds { OnFailure::Hold } else { OnFailure::Rollback })],
        readiness: Readiness::OnWaiting,
        progress_deadline: Span(if shape.hurried { 4 } else { 1_000 } * TICK),
        keep_previous: Span(3 * TICK),
        keep_failed: Span(2 * TICK),
        routed: shape.routes > 0,
        propagation: Span(TICK),
        drain: Span(i64::from(DRAINED) * TICK),
        connections: shape.lingers.then_some(Span(LINGER * TICK)),
        endpoint_grace: Span(TICK),
        group: None,
    }
}
