//! Conditions as kstatus reads them.

use super::{Condition, View, sentences};
use crate::decide::{forestalled, towards_live};
use crate::outcome::Why;
use crate::record::{Cause, Outcome, Phase, StepRecord};
use crate::settings::{Mode, Readiness};
use crate::snapshot::{Form, NAMESPACE_TERMINATING, Stops};

pub(super) fn all(view: &View<'_>) -> Vec<Condition> {
    let state = State::of(view);
    let mut conditions = vec![
        ready(view, &state),
        accepted(view),
        available(view),
        promoted(view),
        awaiting(view),
        traffic_in_sync(view),
        rollback_available(view),
    ];
    conditions.extend(state.reconciling.clone());
    conditions.extend(state.stalled);
    conditions.extend(said(view));
    conditions.extend(blind(view));
    conditions
}

fn condition(kind: &'static str, status: bool, reason: &str, message: impl Into<String>) -> Condition {
    Condition {
        kind,
        status,
        reason: reason.to_owned(),
        message: super::bounded(message.into(), super::LONGEST),
    }
}

/// Whether the machine is at work, or a person must act.
struct State {
    reconciling: Option<Condition>,
    stalled: Option<Condition>,
    waiting_for_people: bool,
}

impl State {
    fn of(view: &View<'_>) -> Self {
        let stalled = stalled(view);
        let installed = !matches!(view.record.phase, Phase::New);
        let waiting_for_people = asks(view) || group_asks(view) || (installed && super::pause_holds(view));
        let at_work = stalled.is_none() && at_work(view);
        let waits_quietly = waiting_for_people && view.s.settings.readiness != Readiness::OnComplete;
        let reconciling = (at_work && !waits_quietly)
            .then(|| condition("Reconciling", true, reconciling_reason(view), super::message(view)));
        Self { reconciling, stalled, waiting_for_people }
    }
}

fn asks(view: &View<'_>) -> bool {
    matches!(&view.record.phase, Phase::Step(place) if place.asks())
}

fn at_work(view: &View<'_>) -> bool {
    match &view.record.phase {
        Phase::New => true,
        Phase::Installing { .. } | Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => true,
        Phase::Rest { .. } => view.record.blocked_since.is_some() || super::starts_soon(view),
    }
}

/// Each member of its group that is waited for waits for a person itself.
fn group_asks(view: &View<'_>) -> bool {
    view.why.iter().any(|why| matches!(why, Why::Together { people: true, .. }))
}

fn waits_for_group(why: &Why) -> bool {
    matches!(why, Why::Gathering { .. } | Why::Together { .. } | Why::Late { .. })
}

fn reconciling_reason(view: &View<'_>) -> &'static str {
    if view.why.iter().any(|why| matches!(why, Why::Obstacle { .. })) {
        return "WaitingForReference";
    }
    if view.why.iter().any(waits_for_group) {
        return "WaitingForGroup";
    }
    match &view.record.phase {
        Phase::New | Phase::Rest { .. } => "NewRevision",
        Phase::Step(place) if place.reached.is_some() && blind(view).is_some() => "MetricsBlind",
        Phase::Installing { .. } => "CandidateStarting",
        Phase::Promoting { .. } => "Promoting",
        Phase::Returning { .. } => "RollingBack",
        Phase::Step(place) if place.reached.is_some() => "GatesRunning",
        Phase::Step(_) if view.why.iter().any(|why| matches!(why, Why::Starting { .. })) => {
            "CandidateStarting"
        }
        Phase::Step(_) => "ShiftingTraffic",
    }
}

fn stalled(view: &View<'_>) -> Option<Condition> {
    let reason = if view.s.settings.mode == Mode::HandsOff {
        "HandsOff"
    } else if let Some(obstacle) = lasting_obstacle(view) {
        obstacle
    } else if let Some(reason) = held_by(view).or_else(|| no_way_back(view)) {
        reason
    } else {
        sent_back(view)?
    };
    Some(condition("Stalled", true, reason, super::message(view)))
}

/// What a person must decide on although nobody was asked.
fn held_by(view: &View<'_>) -> Option<&'static str> {
    view.why.iter().find_map(|why| match why {
        Why::HeldByCheck { blind: true, .. } | Why::Unseen { .. } => Some("ChecksBlind"),
        Why::HeldByCheck { blind: false, .. } => Some("CheckFailed"),
        Why::HeldByJob { .. } => Some("JobFailed"),
        Why::HeldByDeadline { .. } | Why::InstallLate => Some("DeadlineExceeded"),
        _ => None,
    })
}

/// Going back waits for a live that serves nobody, and has for longer than any wait of the machine may take.
fn no_way_back(view: &View<'_>) -> Option<&'static str> {
    let late = view.s.now >= crate::decide::back_late(&view.record.phase, &view.s.settings)?;
    let waits = view.why.iter().any(|why| matches!(why, Why::ReturnBlocked { .. }));
    (late && waits).then_some("DeadlineExceeded")
}

/// An obstacle that has been in the way for longer than the progress deadline, or that no waiting can mend.
fn lasting_obstacle(view: &View<'_>) -> Option<&'static str> {
    let since = view.record.blocked_since;
    let late = since.is_some_and(|since| view.s.now >= since + view.s.settings.progress_deadline);
    let Some(obstacle) = view.s.stopped(Stops::Rollout) else {
        let stays = view.why.iter().any(|why| matches!(why, Why::Stays { .. }));
        return (late && stays).then_some("ReferenceMissing");
    };
    let word = match obstacle.reason.as_str() {
        "ReleaseInvalid" | "UnsupportedKind" | "ServiceUnsupported" => "ReleaseInvalid",
        "NotPermitted" => "NotPermitted",
        "ReleaseUnsettled" => "ReleaseUnsettled",
        NAMESPACE_TERMINATING => NAMESPACE_TERMINATING,
        _ => "ReferenceMissing",
    };
    // What is only in the way of the next rollout stalls nothing while none is wanted.
    let invalid = word == "ReleaseInvalid" && (obstacle.stops == Stops::Everything || at_work(view));
    (invalid || late || word == NAMESPACE_TERMINATING).then_some(word)
}

fn sent_back(view: &View<'_>) -> Option<&'static str> {
    let Phase::Rest { outcome: Outcome::RolledBack(cause) } = &view.record.phase else { return None };
    if !super::rejected(view) {
        return None;
    }
    Some(match cause {
        Cause::Decision { rejected: true, .. } => "Rejected",
        Cause::Deadline { .. } => "DeadlineExceeded",
        Cause::ForeignWriter { .. } => "ForeignWriter",
        Cause::Decision { .. }
        | Cause::Check { .. }
        | Cause::Blind { .. }
        | Cause::Guard { .. }
        | Cause::TooFewEndpoints { .. }
        | Cause::ForeignHand
        | Cause::Cancelled
        | Cause::Superseded
        | Cause::Deleted => "RolledBack",
    })
}

fn ready(view: &View<'_>, state: &State) -> Condition {
    let message = super::message(view);
    if view.s.settings.readiness == Readiness::OnServing
        && live_serves(view)
        && view.s.settings.mode != Mode::HandsOff
    {
        return condition("Ready", true, "Serving", message);
    }
    if let Some(stalled) = &state.stalled {
        let back = matches!(view.record.phase, Phase::Rest { .. }) && sent_back(view).is_some();
        let reason = match stalled.reason.as_str() {
            "HandsOff" => "HandsOff",
            "RolledBack" | "Rejected" | "ForeignWriter" | "DeadlineExceeded" if back => "RolledBack",
            _ => "Blocked",
        };
        return condition("Ready", false, reason, message);
    }
    if state.waiting_for_people {
        let reason = if asks(view) || group_asks(view) { "AwaitingDecision" } else { "Paused" };
        return condition("Ready", view.s.settings.readiness != Readiness::OnComplete, reason, message);
    }
    match (&state.reconciling, &view.record.phase) {
        (None, Phase::Rest { .. }) => condition("Ready", true, "Promoted", message),
        _ => condition("Ready", false, "Progressing", message),
    }
}

fn accepted(view: &View<'_>) -> Condition {
    // What stops nothing else is in the way of something all the same, unless it is a warning of its own.
    let met = || view.s.world.obstacles.iter().find(|o| !WARNINGS.contains(&o.reason.as_str()));
    match view.s.stopped(Stops::Rollout).or_else(met) {
        Some(obstacle) => condition("Accepted", false, &obstacle.reason, obstacle.message.clone()),
        None => condition("Accepted", true, "Accepted", "spec and references hold"),
    }
}

/// Whether every traffic Service has an endpoint of live.
pub(super) fn live_serves(view: &View<'_>) -> bool {
    let live = view.record.live.map(|live| view.s.world.color(live.slot.color));
    live.is_some_and(|live| crate::decide::serves(&live.serving))
}

fn available(view: &View<'_>) -> Condition {
    let Some(live) = view.record.live else {
        return condition("Available", false, "NoReadyEndpoints", "nothing is installed yet");
    };
    let color = view.s.world.color(live.slot.color);
    let name = format!("{} ({})", live.slot.revision, live.slot.color);
    match (live_serves(view), color.available) {
        (true, true) => condition("Available", true, "LiveReady", format!("{name} serves")),
        (true, false) => condition(
            "Available",
            true,
            "LiveShort",
            format!("{name} serves, but not all its replicas are available"),
        ),
        (false, _) => {
            let trouble = color.trouble.clone().unwrap_or_else(|| "look at its pods".to_owned());
            condition(
                "Available",
                false,
                "NoReadyEndpoints",
                format!("{name} has no ready endpoint: {trouble}"),
            )
        }
    }
}

fn promoted(view: &View<'_>) -> Condition {
    let message = super::message(view);
    let live = view.record.live.map(|live| live.hash);
    let wanted_is_live = view.s.settings.wanted.is_some() && view.s.settings.wanted == live;
    match &view.record.phase {
        Phase::Rest { outcome } if wanted_is_live => {
            let reason = if *outcome == Outcome::Cancelled { "Cancelled" } else { "Promoted" };
            condition("Promoted", true, reason, message)
        }
        Phase::Rest { outcome: Outcome::RolledBack(_) } if super::rejected(view) => {
            condition("Promoted", false, "RolledBack", message)
        }
        Phase::New
        | Phase::Rest { .. }
        | Phase::Installing { .. }
        | Phase::Step(_)
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => condition("Promoted", false, "UnderWay", message),
    }
}

fn awaiting(view: &View<'_>) -> Condition {
    if asks(view) && super::takes_no_decision(view) {
        let message = "a question is open, but no Decision is taken now: see status.message";
        return condition("AwaitingDecision", false, "NoneOpen", message);
    }
    match &view.record.phase {
        Phase::Step(place) if place.asks() => {
            let message = format!(
                "step {} asks for approval: kubectl teal approve, or a Decision with step and nonce of status.gate",
                place.step
            );
            condition("AwaitingDecision", true, "GateOpen", message)
        }
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Step(_)
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => condition("AwaitingDecision", false, "NoneOpen", "nobody is asked"),
    }
}

/// What becomes of another hand's routes.
fn answer(view: &View<'_>) -> &'static str {
    let kept = |place: &StepRecord| {
        towards_live(view.s.world.routes.form, place.weight) && forestalled(view.s).is_none()
    };
    match &view.record.phase {
        _ if view.s.settings.mode == Mode::HandsOff => "nothing is written while spec.mode is HandsOff",
        Phase::Step(place) if super::paused(view) && kept(place) => {
            "that is kept while paused: resume gives the candidate its weight again, a rollback goes back"
        }
        _ => "Teal corrects them: leave the weights to Teal",
    }
}

fn traffic_in_sync(view: &View<'_>) -> Condition {
    let routes = &view.s.world.routes;
    if let Some(foreign) = &routes.foreign {
        let message = format!("{} wrote the routes; {}", foreign.manager, answer(view));
        return condition("TrafficInSync", false, "ForeignWriter", message);
    }
    let (synced, reason) = match (&view.record.phase, routes.form) {
        (_, Form::Broken) => (false, "Unobserved"),
        (Phase::Step(place), form) if view.s.settings.routed => {
            (form == Form::Entered(place.weight), "Shifting")
        }
        (Phase::Promoting { .. } | Phase::Returning { .. }, _) => (false, "Shifting"),
        (_, Form::Owner | Form::Unrouted) => (true, "InSync"),
        (_, Form::Entered(_) | Form::Mixed { .. }) => (false, "Shifting"),
    };
    let message =
        if synced { "routes and roles are as committed" } else { "routes and roles are on their way" };
    condition("TrafficInSync", synced, if synced { "InSync" } else { reason }, message)
}

/// Going back is one write while what would be gone back to can carry everything (rule 6).
fn rollback_available(view: &View<'_>) -> Condition {
    let record = view.record;
    let to = match &record.phase {
        Phase::Step(_) | Phase::Promoting { .. } => record.live,
        Phase::Rest { .. } => record.previous,
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => None,
    };
    let answer = |status, reason, message: String| condition("RollbackAvailable", status, reason, message);
    let Some(to) = to else {
        return match &record.phase {
            Phase::Rest { .. } => answer(false, "Retired", "no previous release is kept".to_owned()),
            _ => answer(false, "NotReady", "there is nothing to go back to".to_owned()),
        };
    };
    let serving = &view.s.world.color(to.slot.color).serving;
    let needed = crate::decide::back_needs(view.s, to.slot);
    let name = format!("{} ({})", to.slot.revision, to.slot.color);
    if crate::decide::dead(view.s, to.slot) {
        return answer(false, "NotReady", format!("{name} has no ready endpoint to go back to"));
    }
    if !crate::decide::enough(serving, &needed) {
        let (have, need) = (sentences::numbers(serving), sentences::numbers(&needed));
        let message = format!(
            "{name} has {have} ready endpoints and needs {need}: going back works, with what is there"
        );
        return answer(false, "NotReady", message);
    }
    match &record.phase {
        Phase::Rest { .. } => answer(true, "PreviousReady", format!("{name} is kept and ready")),
        _ => answer(true, "CandidateUnderTest", format!("{name} is ready to take all requests back")),
    }
}

/// Findings that have a condition of their own.
pub const WARNINGS: [&str; 20] = [
    "SelectorOverlap",
    "UnmanagedRoutes",
    "PolicyGap",
    "HostNotExported",
    "DestinationRuleUnsupported",
    "WorksInBothColors",
    "InnerCallToRole",
    "NameWithoutColor",
    "JobReceivesTraffic",
    "JobFailed",
    "RoleNamesColored",
    "ServiceInsideOnly",
    "JudgedByTimeOnly",
    "LiveRepaired",
    "MarksEdited",
    "WriteFails",
    "ServiceDiffers",
    "ServiceLeftBehind",
    "NodesShort",
    "ContentLost",
];

/// Findings that stop nothing but must be known, each as a condition of its own.
fn said(view: &View<'_>) -> Vec<Condition> {
    let found = |kind: &&str| view.s.world.obstacles.iter().find(|o| o.reason == **kind);
    WARNINGS
        .iter()
        .filter_map(|kind| {
            found(kind).map(|o| condition(kind, true, "Found", sentences::sentence(&Why::from(o))))
        })
        .collect()
}

/// Checks and guards whose last answer could not be used: told at once, and not only when their limit is reached.
fn blind(view: &View<'_>) -> Option<Condition> {
    let mut troubles = view.s.checks.iter().filter_map(|(_, seen)| seen.trouble.as_ref()).peekable();
    let reason = troubles.peek()?.reason.clone();
    let messages: Vec<&str> = troubles.map(|trouble| trouble.message.as_str()).take(3).collect();
    Some(condition("MetricsBlind", true, &reason, messages.join("; ")))
}
