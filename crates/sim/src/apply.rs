//! What the API server does with a write: preconditions, the epoch fence, and what then is.

use teal_plan::record::{Phase, Record};
use teal_plan::snapshot::Standing;
use teal_plan::{Color, Effect, Slot};

use crate::edit;
use crate::fault::Fault;
use crate::gate_jobs;
use crate::world::{DRAINED, Pods, Selects, Stored, Task, Truth, Write};

/// The kinds that caches hold apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Record,
    Route(usize),
    Live,
    Candidate,
    Blue,
    Green,
    Other,
}

/// What a write touches.
pub(crate) fn kind(write: &Write) -> Kind {
    match write {
        Write::Commit(_) => Kind::Record,
        Write::Route(index, _) => Kind::Route(*index),
        Write::Job(..) | Write::Test(..) => Kind::Other,
        Write::Effect(effect) => match effect {
            Effect::EnterRoutes
            | Effect::RaiseWeight(_)
            | Effect::LowerWeight(_)
            | Effect::CutOff(_)
            | Effect::LeaveRoutes => Kind::Other,
            Effect::PointLive(_) | Effect::Overlap(_) => Kind::Live,
            Effect::PointCandidate(_) => Kind::Candidate,
            Effect::ApplyRelease { slot, .. } | Effect::RunJobs(slot) | Effect::RunStepJobs(slot) => {
                of_color(slot.color)
            }
            Effect::Vacate { color, .. } => of_color(*color),
            Effect::Finalizer(_)
            | Effect::EndStepJobs
            | Effect::RecordRevision(_)
            | Effect::Answer { .. } => Kind::Other,
        },
    }
}

const fn of_color(color: Color) -> Kind {
    match color {
        Color::Blue => Kind::Blue,
        Color::Green => Kind::Green,
    }
}

/// Does the write, or refuses it. True if anything changed.
pub(crate) fn land(
    truth: &mut Truth,
    write: &Write,
    epoch: u64,
    outdated: bool,
    fault: Option<Fault>,
) -> bool {
    let before = truth.clone();
    match write {
        Write::Commit(record) => commit(truth, record, epoch, fault),
        Write::Effect(effect) => do_effect(truth, effect, epoch, outdated, fault),
        Write::Route(index, effect) => do_route(truth, *index, effect, epoch, outdated, fault),
        Write::Job(which, slot) => make_job(truth, *which, *slot, epoch),
        Write::Test(slot, after) => gate_jobs::make(truth, *slot, *after),
    }
    *truth != before
}

fn commit(truth: &mut Truth, record: &Record, base: u64, fault: Option<Fault>) {
    if truth.gone() || (truth.record.epoch != base && fault != Some(Fault::NoCompareAndSet)) {
        return;
    }
    if truth.record.candidate.map(|c| c.slot) != record.candidate.map(|c| c.slot)
        && !matches!(record.phase, Phase::Rest { .. } | Phase::Returning { .. })
    {
        truth.recorded = false;
        truth.guard_fails = false;
    }
    // Evidence begins anew in each place.
    if place(&truth.record) != place(record) {
        truth.check = Standing::Pending;
    }
    truth.record = record.clone();
    gate_jobs::forget(truth);
}

/// Where the check is measured: at a step that was reached, or after a promotion that is watched.
pub(crate) fn place(record: &Record) -> Option<&str> {
    match &record.phase {
        Phase::Step(place) => place.reached.map(|_| place.step.as_str()),
        Phase::Rest { .. } => record.watch.as_ref().map(|_| "after"),
        Phase::New | Phase::Installing { .. } | Phase::Promoting { .. } | Phase::Returning { .. } => None,
    }
}

fn do_effect(truth: &mut Truth, effect: &Effect, epoch: u64, outdated: bool, fault: Option<Fault>) {
    let outdated = outdated && fault != Some(Fault::NoResourceVersion);
    match effect {
        // It stands in the Rollout, whose version has changed with every commit; and what goes takes no finalizer any more.
        Effect::Finalizer(set) if epoch == truth.record.epoch => truth.finalizer = *set && !truth.gone(),
        Effect::RecordRevision(_) => truth.recorded = true,
        Effect::ApplyRelease { slot, .. } => apply_release(truth, *slot, epoch, fault),
        Effect::PointLive(slot) if !outdated => {
            store(&mut truth.live, Selects::Slot(*slot), epoch, fault);
        }
        Effect::Overlap(_) if !outdated => store(&mut truth.live, Selects::Both, epoch, fault),
        Effect::PointCandidate(slot) if !outdated => store(&mut truth.candidate, Some(*slot), epoch, fault),
        Effect::Vacate { color, except } => vacate(truth, *color, *except, outdated, fault),
        Effect::Answer { decision, .. } => answer(truth, decision),
        // Made by writes of their own.
        Effect::RunJobs(_)
        | Effect::RunStepJobs(_)
        | Effect::EndStepJobs
        | Effect::Finalizer(_)
        | Effect::PointLive(_)
        | Effect::Overlap(_)
        | Effect::PointCandidate(_)
        | Effect::EnterRoutes
        | Effect::RaiseWeight(_)
        | Effect::LowerWeight(_)
        | Effect::CutOff(_)
        | Effect::LeaveRoutes => {}
    }
}

fn do_route(
    truth: &mut Truth,
    index: usize,
    effect: &Effect,
    epoch: u64,
    outdated: bool,
    fault: Option<Fault>,
) {
    let outdated = outdated && fault != Some(Fault::NoResourceVersion);
    let ground = edit::Ground {
        mangled: truth.mangled && index == 0,
        previewed: truth.previewed,
        mirrored: truth.mirrored,
    };
    let Some(route) = truth.routes.iter_mut().nth(index) else { return };
    // To zero is right whatever stands there; to anything else only from what was read.
    let to_zero = matches!(effect, Effect::LowerWeight(0) | Effect::CutOff(_));
    if outdated && !to_zero {
        return;
    }
    let Some(mut value) = edit::written(route.value, ground, effect) else { return };
    if fault == Some(Fault::LiveUnweighed) && matches!(effect, Effect::RaiseWeight(_)) {
        value.live = route.value.live;
    }
    if fault == Some(Fault::PreviewStays) && to_zero {
        value.preview = route.value.preview;
    }
    if fault == Some(Fault::MirrorStays) {
        value.mirror |= route.value.mirror;
    }
    let fenced = epoch < route.epoch;
    store(route, value, epoch, fault);
    // Other hands write the first one alone.
    if !fenced && index == 0 {
        truth.foreign = None;
    }
}

/// The fence: an object refuses an epoch below the one that it carries.
fn store<T: PartialEq + Copy>(object: &mut Stored<T>, value: T, epoch: u64, fault: Option<Fault>) {
    if epoch < object.epoch && fault != Some(Fault::NoEpochFence) {
        return;
    }
    if object.value != value {
        object.age = 0;
    }
    *object = Stored { value, epoch, age: object.age };
}

fn apply_release(truth: &mut Truth, slot: Slot, epoch: u64, fault: Option<Fault>) {
    let there = truth.slot_mut(slot.color);
    match there {
        Some(pods) if epoch < pods.epoch && fault != Some(Fault::NoEpochFence) => {}
        Some(pods) if pods.revision == slot.revision => pods.epoch = epoch,
        Some(_) | None => {
            *there = Some(Pods {
                revision: slot.revision,
                epoch,
                ready: false,
                broken: false,
                down: false,
                idle: DRAINED,
                open: false,
            });
        }
    }
}

/// Applied under a name that is always the same: one that is there stays what it is.
fn make_job(truth: &mut Truth, which: usize, slot: Slot, epoch: u64) {
    let (Some(there), Some(made)) = (truth.tasks.get_mut(which), truth.made.get_mut(which)) else { return };
    if there.is_none_or(|task| task.slot != slot) {
        *there = Some(Task { slot, epoch, ended: None });
        *made = Some(slot.revision);
    }
}

fn vacate(
    truth: &mut Truth,
    color: Color,
    except: Option<teal_plan::Revision>,
    outdated: bool,
    fault: Option<Fault>,
) {
    let refused = outdated && fault != Some(Fault::DeleteByName);
    for task in truth.tasks.iter_mut().filter(|_| !refused) {
        *task = task.filter(|task| task.slot.color != color || Some(task.slot.revision) == except);
    }
    if !refused {
        let stays = |slot: Slot| slot.color != color || Some(slot.revision) == except;
        truth.test = truth.test.filter(|test| stays(test.slot));
    }
    let there = truth.slot_mut(color);
    if !refused && there.is_some_and(|pods| Some(pods.revision) != except) {
        *there = None;
    }
}

fn answer(truth: &mut Truth, decision: &str) {
    let answered = match decision {
        "approve" => truth.approval.as_mut().map(|(_, answered)| answered),
        "rollback" => truth.rollback.as_mut().map(|(_, answered)| answered),
        _ => truth.act.as_mut().map(|act| &mut act.answered),
    };
    if let Some(answered) = answered {
        *answered = true;
    }
}

/// What a writer reads again right before it writes. False: it must look again first.
pub(crate) fn may_issue(truth: &Truth, write: &Write, epoch: u64, fault: Option<Fault>) -> bool {
    match write {
        Write::Route(index, Effect::RaiseWeight(_)) if fault != Some(Fault::NoFreshRead) => {
            let there = truth.routes.iter().nth(*index).map_or(0, |route| route.epoch);
            let fence = there <= epoch || fault == Some(Fault::NoEpochFence);
            fence && (candidate_ready(truth) || fault == Some(Fault::ReadyAtOnce))
        }
        Write::Route(_, Effect::CutOff(slot)) => truth.candidate.value != Some(*slot),
        Write::Effect(Effect::Vacate { color, .. }) => {
            truth.slot(*color).is_none_or(|pods| pods.epoch <= epoch || fault == Some(Fault::NoEpochFence))
        }
        Write::Route(..) | Write::Effect(_) | Write::Commit(_) | Write::Job(..) | Write::Test(..) => true,
    }
}

/// Whether the pods behind the candidate role serve.
pub(crate) fn candidate_ready(truth: &Truth) -> bool {
    truth.candidate.value.is_some_and(|slot| serves(truth, slot))
}

/// Whether a slot's pods are there and ready.
pub(crate) fn serves(truth: &Truth, slot: Slot) -> bool {
    truth.slot(slot.color).is_some_and(|pods| pods.revision == slot.revision && pods.ready)
}
