//! What the user asked for, with every default filled in.

use crate::words::{ContentHash, Span, Time};

/// Whether the operator may act.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Mode {
    /// The machine goes on by itself.
    #[default]
    Active,
    /// Nothing moves forward; guards and going back work.
    Paused,
    /// Nothing is written but the status.
    HandsOff,
}

/// Something beside mode and people that keeps a Rollout from moving forward. Guards and going back work under it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Halt {
    /// What it is.
    pub by: HaltedBy,
    /// When it ends by itself, where that is known.
    pub until: Option<Time>,
}

/// What keeps a Rollout from moving forward.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HaltedBy {
    /// A window of the spec in which nothing moves forward.
    Window {
        /// How the spec has it, such as `0 18 * * FRI for 62h`.
        window: String,
        /// When it ends, for people; none of windows that go on and on.
        ends: Option<String>,
    },
    /// The switch that stops all Rollouts.
    Switch {
        /// The object whose being there is the switch.
        object: String,
        /// What somebody wrote there about why; empty where nobody did.
        reason: String,
    },
    /// `spec.startAt` has not come.
    StartAt {
        /// That time, for people.
        at: String,
    },
}

/// What a failed check or a missed deadline leads to. Guards always lead back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OnFailure {
    /// Go back to live at once.
    #[default]
    Rollback,
    /// Stay where it is and wait for a person.
    Hold,
}

/// How long a guard runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Until {
    /// Until the candidate has become live.
    #[default]
    Promoted,
    /// Until the old color is retired.
    Retired,
}

/// What Ready means while people are waited for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Readiness {
    /// Ready only when the release is complete.
    OnComplete,
    /// Ready also while a person is asked.
    #[default]
    OnWaiting,
    /// Ready as long as live serves.
    OnServing,
}

/// A weight for the candidate and the gates that end it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// How the step is known; edits keep the place by it.
    pub name: String,
    /// Percent of the traffic for the candidate.
    pub weight: u8,
    /// Percent of requests that are copied to the candidate, whose answers nobody gets; none where none are.
    pub mirror: Option<u8>,
    /// Time at the observed weight.
    pub hold: Span,
    /// How long every ready pod of the candidate must have been ready.
    pub min_pod_age: Span,
    /// Checks that must pass.
    pub checks: Vec<String>,
    /// Distinct persons who must approve; none where nobody is asked.
    pub approvals: Option<u32>,
    /// Jobs that must end well.
    pub jobs: Vec<StepJob>,
}

/// A Job that is a gate.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StepJob {
    /// How it is known in its step.
    pub name: String,
    /// How long it may run.
    pub timeout: Span,
    /// A digest of what it does: another one is another Job, which must end well itself.
    pub spec: u32,
}

impl Step {
    /// A digest of the gates (FNV-1a): tells an edited step from the one that was committed.
    pub fn terms(&self) -> u32 {
        let text = format!("{:?} {:?} {:?}", self.hold, self.checks, self.approvals);
        // What isn't asked for says nothing, so that a question stays open when an operator comes that knows of more gates.
        let age = (self.min_pod_age.0 > 0).then(|| format!(" age {:?}", self.min_pod_age));
        let jobs = (!self.jobs.is_empty()).then(|| format!(" jobs {:?}", self.jobs));
        let mirror = self.mirror.map(|percent| format!(" mirror {percent}"));
        let text = [Some(text), age, jobs, mirror].into_iter().flatten().collect::<String>();
        text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

/// A check that runs the whole time and leads back when it fails.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Guard {
    /// The check's name.
    pub check: String,
    /// How long it runs.
    pub until: Until,
}

/// With whom this Rollout moves.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Group {
    /// The others name the same.
    pub name: String,
    /// How long who begins is waited for, after whoever began last.
    pub gather: Span,
}

/// A Rollout's spec as the planner needs it, and the operator's timings.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Settings {
    /// `metadata.generation` that these settings come from.
    pub generation: i64,
    /// The content that is wanted; none where the release can't be used (see the obstacles of the snapshot).
    pub wanted: Option<ContentHash>,
    /// Jobs of that content that run before its workloads, by their names without color.
    pub jobs: Vec<String>,
    /// Those that run after the former release was retired.
    pub later: Vec<String>,
    /// When the spec will have been left alone for long enough to ask people about it, where it is changed again and again.
    pub still_at: Option<Time>,
    /// Whether the operator may act.
    pub mode: Mode,
    /// What keeps it from moving forward besides its mode.
    pub halt: Option<Halt>,
    /// When the next such thing begins by the clock, so that it is told then.
    pub halts_at: Option<Time>,
    /// What keeps a rollout from starting, though one that is under way goes on.
    pub start: Option<Halt>,
    /// At least one; weights ascend; the last is 100.
    pub steps: Vec<Step>,
    /// Checks that run the whole time.
    pub guards: Vec<Guard>,
    /// What a failed check leads to.
    pub on_failure: OnFailure,
    /// What a check that stays blind for its limit leads to, by check name; `Hold` where absent.
    pub on_blind: Vec<(String, OnFailure)>,
    /// What Ready means while people think.
    pub readiness: Readiness,
    /// Bound on each wait of the machine; never counts people, holds or checks.
    pub progress_deadline: Span,
    /// How long the old color stays after promotion.
    pub keep_previous: Span,
    /// How long a failed candidate stays to be looked at.
    pub keep_failed: Span,
    /// Whether VirtualServices are managed; without them weight 100 is the switch of the Service.
    pub routed: bool,
    /// How long proxies may lag behind what the API server has.
    pub propagation: Span,
    /// How long a color stays after its last traffic.
    pub drain: Span,
    /// How much longer it stays at most while metrics say that connections to it are open; none where nobody asks them.
    pub connections: Option<Span>,
    /// How long too few endpoints are borne before going back.
    pub endpoint_grace: Span,
    /// The group whose members move together; none where it moves alone.
    pub group: Option<Group>,
}

impl Settings {
    /// The step of that name, with its place.
    pub fn step(&self, name: &str) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.name == name)
    }

    /// What to do when the check stays blind.
    pub fn on_blind(&self, check: &str) -> OnFailure {
        self.on_blind.iter().find(|(name, _)| name == check).map_or(OnFailure::Hold, |(_, then)| *then)
    }
}

/// The weight of the step before the one of this name, of steps in their order; 0 before the first.
pub fn former_weight<'a>(steps: impl IntoIterator<Item = (&'a str, u8)>, step: &str) -> u8 {
    let before = steps.into_iter().take_while(|(name, _)| *name != step).last();
    before.map_or(0, |(_, weight)| weight)
}
