//! From the model's world to the planner's snapshot, for either writer.

use teal_plan::record::{JobState, Phase, Record};
use teal_plan::settings::{Halt, HaltedBy, Mode};
use teal_plan::snapshot::{
    Action, Beside, CheckSeen, ColorSeen, DecisionSeen, Foreign, Form, Found, JobSeen, Objects, Obstacle,
    Overlap, RoutesSeen, ServiceSeen, Standing, Stops, World as Seen,
};
use teal_plan::{Color, Slot, Snapshot, Span, Time};

use crate::fault::Fault;
use crate::gate_jobs;
use crate::lingering;
use crate::model::{CHECK, GUARD, JOBS, NOW, Shape, TICK, content, settings};
use crate::world::{
    Caches, Hand, InFlight, LEFT, PROPAGATED, Pods, Routes, Selects, Stored, Truth, Weight, Weights, World,
    Write,
};

/// Who plans.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Writer {
    /// Its caches lag.
    A,
    /// Its caches are fresh.
    B,
}

pub(crate) fn snapshot(world: &World, writer: Writer, fault: Option<Fault>) -> Snapshot {
    let fresh;
    let caches = match writer {
        Writer::A => &world.caches,
        Writer::B => {
            fresh = Caches {
                routes: world.truth.routes,
                live: world.truth.live,
                candidate: world.truth.candidate,
                ..Caches::fresh(&world.truth)
            };
            &fresh
        }
    };
    let truth = &world.truth;
    let mut settings = settings(truth.wanted, &world.budget.shape);
    settings.mode = mode(truth.mode, fault);
    if world.budget.shape.switched && settings.mode == Mode::Paused {
        settings.mode = Mode::Active;
        settings.halt = Some(stopped());
    }
    match fault {
        Some(Fault::NoPropagation) => settings.propagation = Span(0),
        Some(Fault::NoDrain) => settings.drain = Span(0),
        Some(Fault::NoDeadline) => settings.progress_deadline = Span(1_000 * TICK),
        _ => {}
    }
    if fault == Some(Fault::NoDrain) {
        settings.keep_failed = Span(0);
        settings.keep_previous = Span(0);
    }
    let mut snapshot = Snapshot {
        now: NOW,
        // Ages are the world's here, so a new process has no waits to begin anew.
        watched_since: Time(0),
        nonce: unused_nonce(world),
        settings,
        record: record(&caches.record, fault),
        deleting: truth.deleting,
        world: seen(world, caches, fault),
        decisions: decisions(truth, fault),
        checks: vec![(GUARD.to_owned(), guard(truth))],
    };
    if world.budget.shape.lingers {
        snapshot.checks.push(lingering::counted(truth, fault));
    }
    let here = teal_plan::evidence(&snapshot).map(|(step, since)| (step.name.clone(), since));
    snapshot.checks.push((CHECK.to_owned(), check(truth, here, fault)));
    snapshot
}

/// By the switch of the whole cluster.
const fn stopped() -> Halt {
    Halt { by: HaltedBy::Switch { object: String::new(), reason: String::new() }, until: None }
}

const fn mode(mode: Mode, fault: Option<Fault>) -> Mode {
    match (mode, fault) {
        (Mode::HandsOff, Some(Fault::HandsOn)) | (Mode::Paused, Some(Fault::PauseUnheard)) => Mode::Active,
        (mode, _) => mode,
    }
}

fn record(cached: &Record, fault: Option<Fault>) -> Record {
    let mut record = cached.clone();
    if fault == Some(Fault::KeepCutShort) {
        record.kept_until = record.kept_until.map(|_| NOW);
    }
    if let (Some(Fault::TestRunAgain), Phase::Step(place)) = (fault, &mut record.phase) {
        let begun = place.jobs.iter_mut().filter(|job| job.state == JobState::Begun);
        begun.for_each(|job| job.state = JobState::Due);
    }
    record
}

/// A nonce that is nowhere in the world, so that an old approval never fits a new question.
fn unused_nonce(world: &World) -> String {
    let late = match &world.in_flight {
        Some(InFlight { write: Write::Commit(record), .. }) => Some(&**record),
        Some(_) | None => None,
    };
    let records = [&world.truth.record, &world.caches.record].into_iter().chain(late);
    let asked: Vec<&str> = records
        .filter_map(|record| match &record.phase {
            Phase::Step(place) => place.gate.as_ref().map(|gate| gate.nonce.as_str()),
            _ => None,
        })
        .chain(world.truth.approval.as_ref().map(|(nonce, _)| nonce.as_str()))
        .chain(world.truth.act.as_ref().and_then(|act| act.nonce.as_deref()))
        .collect();
    let free = ["#a", "#b", "#c", "#d", "#e", "#f"].into_iter().find(|nonce| !asked.contains(nonce));
    free.unwrap_or("#z").to_owned()
}

fn seen(world: &World, caches: &Caches, fault: Option<Fault>) -> Seen {
    let truth = &world.truth;
    let stale = caches.unseen.iter().any(|unseen| *unseen);
    let [blue, green] = caches.slots;
    let stamped = fault == Some(Fault::NoStamp);
    let unmanaged = truth.mangled || caches.routes.uneven();
    Seen {
        stale,
        abandoned: fault == Some(Fault::LetGoAtOnce),
        finalizer: truth.finalizer,
        policies: Some(Time(0)),
        blue: color(Color::Blue, blue, caches, fault),
        green: color(Color::Green, green, caches, fault),
        sizes: Vec::new(),
        live_service: service(caches.live.map(Selects::slot), [blue, green], stamped),
        candidate_service: service(caches.candidate, [blue, green], stamped),
        overlap: overlap(world, caches, fault),
        routes: RoutesSeen {
            form: form(&caches.routes, unmanaged, fault),
            since: ago(caches.routes.iter().map(|route| route.age).min().unwrap_or(PROPAGATED)),
            epoch: if stamped { u64::MAX } else { lowest_epoch(&caches.routes) },
            foreign: foreign(truth, fault),
            beside: beside(caches, unmanaged, &world.budget.shape),
        },
        // Live was recorded as a candidate, and nobody takes that away here.
        recorded: truth.recorded || caches.record.candidate.is_none(),
        jobs: jobs(caches),
        group: None,
        left_step_jobs: Vec::new(),
        step_jobs: gate_jobs::seen(caches, fault),
        obstacles: obstacles(world, unmanaged),
        found: found(caches),
        highest_epoch: caches.routes.highest_epoch().max(caches.live.epoch).max(caches.candidate.epoch),
        highest_counter: caches.slots.iter().flatten().map(|pods| pods.revision.counter).max().unwrap_or(0),
    }
}

/// Who wrote the routes, as far as it is told from what Teal wrote.
fn foreign(truth: &Truth, fault: Option<Fault>) -> Option<Foreign> {
    let Hand { before, raised, lowered } = truth.foreign?;
    let adopted = raised && fault == Some(Fault::RaiseAdopted);
    (!adopted).then(|| Foreign { manager: "hand".to_owned(), before, raised, lowered, recent: 1 })
}

fn jobs(caches: &Caches) -> Vec<JobSeen> {
    let there = JOBS.iter().zip(caches.tasks).filter_map(|(name, task)| Some((name, task?)));
    let seen = there.map(|(name, task)| JobSeen {
        works: true,
        name: (*name).to_owned(),
        revision: task.slot.revision,
        epoch: task.epoch,
        ended: task.ended,
        going: false,
    });
    seen.collect()
}

/// What serves, if the record doesn't say.
fn found(caches: &Caches) -> Found {
    let [blue, green] = caches.slots;
    let there = [(Color::Blue, blue), (Color::Green, green)];
    let there = there.into_iter().filter_map(|(color, pods)| Some(Slot { color, revision: pods?.revision }));
    // Of two that are selected, as in an overlap, the older one.
    let selected = there.filter(|slot| caches.live.value.reaches(*slot));
    let Some(slot) = selected.min_by_key(|slot| slot.revision.counter) else { return Found::Nothing };
    let of = |number: &u8| content(*number).revision(slot.revision.counter) == slot.revision;
    (1..=4).find(of).map_or(Found::Nothing, |number| Found::Release { slot, hash: content(number) })
}

fn obstacles(world: &World, unmanaged: bool) -> Vec<Obstacle> {
    let unlisted = world.budget.shape.jumps.then(|| obstacle("UnmanagedRoutes", Stops::Nothing));
    let unmanaged = unmanaged.then(|| obstacle("RouteUnsupported", Stops::Rollout));
    unlisted.into_iter().chain(unmanaged).collect()
}

/// As `cluster::observe` puts several VirtualServices together.
fn form(routes: &Routes, unmanaged: bool, fault: Option<Fault>) -> Form {
    let one = fault == Some(Fault::OneForAll);
    let nothing = usize::from(unmanaged && fault == Some(Fault::UnmanagedIsNothing));
    let weights = || {
        let none = std::iter::repeat_n(None, nothing);
        let each = routes.iter().take(if one { 1 } else { 2 }).skip(nothing);
        none.chain(each.map(|route| route.value.weight()))
    };
    let owner = unmanaged || weights().any(|weight| weight.is_none());
    let (lowest, highest) = (weights().flatten().min(), weights().flatten().max());
    match (weights().next(), highest) {
        (None, _) => Form::Unrouted,
        (Some(_), None) if unmanaged => Form::Broken,
        (Some(_), None) => Form::Owner,
        (Some(_), Some(weight)) if !owner && lowest == Some(weight) => Form::Entered(weight),
        (Some(_), Some(highest)) => Form::Mixed { highest, owner },
    }
}

/// As `cluster::observe` puts them together: of what can't be managed it is said only whether any are there.
fn beside(caches: &Caches, unmanaged: bool, shape: &Shape) -> Beside {
    let mirrored = shape.mirrored && mirrors(&caches.record.phase);
    let fits = |value: Weights| value.preview == shape.previewed && value.mirror == mirrored;
    Beside {
        any: caches.routes.beside().contains(&true),
        fits: unmanaged || caches.routes.iter().all(|route| fits(route.value)),
    }
}

/// Whether the step that this says has copies, where any has.
pub(crate) fn mirrors(phase: &Phase) -> bool {
    matches!(phase, Phase::Step(place) if place.weight < 100)
}

fn lowest_epoch(routes: &Routes) -> u64 {
    routes.iter().map(|route| route.epoch).min().unwrap_or(0)
}

fn obstacle(reason: &str, stops: Stops) -> Obstacle {
    Obstacle { reason: reason.to_owned(), message: String::new(), stops }
}

fn ago(age: u8) -> Time {
    Time(NOW.0 - i64::from(age) * TICK)
}

fn service(role: Stored<Option<Slot>>, slots: [Option<Pods>; 2], stamped: bool) -> ServiceSeen {
    let settled = role.value.is_some_and(|slot| {
        let [blue, green] = slots;
        let pods = if slot.color == Color::Blue { blue } else { green };
        pods.is_some_and(|pods| pods.revision == slot.revision)
    });
    let epoch = if stamped { u64::MAX } else { role.epoch };
    let since = ago(role.age);
    ServiceSeen { points: role.value, settled, since, turned: since, epoch, selects_others: false }
}

/// It lasts a tick, as everything that proxies are given time for.
fn overlap(world: &World, caches: &Caches, fault: Option<Fault>) -> Option<Overlap> {
    if !world.budget.shape.overlaps || fault == Some(Fault::OverlapSkipped) {
        return None;
    }
    let selected = caches.live.value == Selects::Both;
    let age = if fault == Some(Fault::OverlapCutShort) { LEFT } else { caches.live.age };
    let joined = caches.record.candidate.is_some_and(|candidate| {
        let [blue, green] = caches.slots;
        let pods = if candidate.slot.color == Color::Blue { blue } else { green };
        pods.is_some_and(|pods| pods.revision == candidate.slot.revision)
    });
    Some(Overlap { lasts: Span(TICK), selected, since: (selected && joined).then(|| ago(age)) })
}

fn color(color: Color, pods: Option<Pods>, caches: &Caches, fault: Option<Fault>) -> ColorSeen {
    let Some(pods) = pods else {
        let tasks = caches.tasks.iter().flatten().map(|task| task.slot);
        let job = tasks.chain(caches.test.map(|test| test.slot)).find(|slot| slot.color == color);
        let objects = match (job, expected(&caches.record, color)) {
            (None, _) => Objects::Absent,
            (Some(slot), Some(revision)) if revision != slot.revision => Objects::Leftover,
            (Some(slot), _) => Objects::Present { slot, in_sync: false },
        };
        return ColorSeen {
            objects,
            serving: vec![0],
            available: false,
            works: matches!(objects, Objects::Present { in_sync: false, .. }),
            trouble: None,
            short_since: None,
            ticks: Vec::new(),
            youngest: None,
        };
    };
    let slot = Slot { color, revision: pods.revision };
    let blind = fault == Some(Fault::BackToTheDead) && pods.down;
    let ready = pods.ready || blind || fault == Some(Fault::ReadyAtOnce);
    let expected = expected(&caches.record, color);
    ColorSeen {
        objects: match expected {
            Some(revision) if revision != pods.revision => Objects::Leftover,
            _ => Objects::Present { slot, in_sync: true },
        },
        serving: vec![u32::from(ready)],
        available: ready,
        works: false,
        trouble: pods.broken.then(|| "crash loop".to_owned()),
        short_since: (!ready).then_some(Time(NOW.0 - TICK)),
        ticks: Vec::new(),
        youngest: None,
    }
}

/// The revision that the record has in a color.
fn expected(record: &Record, color: Color) -> Option<teal_plan::Revision> {
    [record.live, record.candidate, record.previous]
        .iter()
        .flatten()
        .find(|release| release.slot.color == color)
        .map(|release| release.slot.revision)
}

fn guard(truth: &Truth) -> CheckSeen {
    // The guard's verdict is of the candidate: at rest there is none to fail.
    let failing = truth.guard_fails && matches!(truth.record.phase, Phase::Step(_) | Phase::Promoting { .. });
    CheckSeen {
        standing: if failing { Standing::Fail } else { Standing::Pending },
        place: None,
        detail: String::new(),
        trouble: None,
        good: !failing,
        answered: true,
    }
}

/// As long as it has said nothing of the place that is asked about, it has passed elsewhere.
fn check(truth: &Truth, here: Option<(String, Time)>, fault: Option<Fault>) -> CheckSeen {
    let (standing, place) = match (truth.check, fault) {
        (Standing::Pending, Some(Fault::SilencePasses)) => (Standing::Pass, here),
        (Standing::Pending, _) => (Standing::Pass, None),
        (Standing::Blind, Some(Fault::BlindPasses)) => (Standing::Pass, here),
        (standing, _) => (standing, here),
    };
    CheckSeen { standing, place, detail: String::new(), trouble: None, good: true, answered: true }
}

fn decisions(truth: &Truth, fault: Option<Fault>) -> Vec<DecisionSeen> {
    let decision = |name: &str, number: u8, action, revision: Option<String>| DecisionSeen {
        name: name.to_owned(),
        uid: format!("{name} {number} {revision:?}"),
        made: NOW,
        same_rollout: true,
        action,
        revision,
        step: None,
        nonce: None,
        evidence: None,
        user: "ana".to_owned(),
        via: "cli".to_owned(),
        reason: String::new(),
    };
    let mut decisions = Vec::new();
    if let Some((revision, false)) = truth.rollback {
        decisions.push(decision("rollback", 0, Action::Rollback, Some(revision.to_string())));
    }
    if let Some((nonce, false)) = &truth.approval
        && let Some(candidate) = truth.record.candidate
    {
        let open = match &truth.record.phase {
            Phase::Step(place) => place.gate.as_ref().map(|gate| gate.nonce.clone()),
            _ => None,
        };
        let any = open.filter(|_| fault == Some(Fault::AnyNonce));
        let revision = candidate.slot.revision.to_string();
        decisions.push(DecisionSeen {
            uid: format!("approve {revision} {nonce}"),
            step: Some("canary".to_owned()),
            nonce: any.or(Some(nonce.clone())),
            ..decision("approve", 0, Action::Approve, Some(revision))
        });
    }
    if let Some(act) = truth.act.as_ref().filter(|act| !act.answered) {
        let revision = act.revision.map(|revision| revision.to_string());
        decisions.push(DecisionSeen {
            step: act.step.clone(),
            nonce: act.nonce.clone(),
            ..decision("act", act.number, act.action, revision)
        });
    }
    decisions
}

/// Percent of requests that reach each of blue and green, by content of routes and roles. Requests to nothing count for none.
pub(crate) fn shares(weight: Weight, live: [Option<Slot>; 2], candidate: Option<Slot>) -> [(Slot, u8); 3] {
    let weight = weight.unwrap_or(0);
    let nowhere = Slot { color: Color::Blue, revision: content(0).revision(0) };
    let rest = 100 - weight;
    let [first, second] = match live {
        [Some(one), Some(other)] => [(one, rest - rest / 2), (other, rest / 2)],
        [one, other] => [(one.or(other).unwrap_or(nowhere), rest), (nowhere, 0)],
    };
    [first, second, (candidate.unwrap_or(nowhere), weight)]
}
