//! From the model's world to the planner's snapshot, for either writer.

use teal_plan::record::{Phase, Record};
use teal_plan::snapshot::{
    Action, CheckSeen, ColorSeen, DecisionSeen, Foreign, Form, Found, Objects, RoutesSeen, ServiceSeen,
    Standing, World as Seen,
};
use teal_plan::{Color, Slot, Snapshot, Span, Time};

use crate::fault::Fault;
use crate::world::{Caches, NOW, Pods, Stored, TICK, Truth, Weight, World, content, settings};

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
    let mut settings = settings(truth.wanted);
    match fault {
        Some(Fault::NoPropagation) => settings.propagation = Span(0),
        Some(Fault::NoDrain) => settings.drain = Span(0),
        _ => {}
    }
    if fault == Some(Fault::NoDrain) {
        settings.keep_failed = Span(0);
        settings.keep_previous = Span(0);
    }
    Snapshot {
        now: NOW,
        nonce: unused_nonce(world),
        settings,
        record: caches.record.clone(),
        deleting: false,
        world: seen(truth, caches, fault),
        decisions: decisions(truth),
        checks: vec![("errors".to_owned(), standing(truth))],
    }
}

/// A nonce that is nowhere in the world, so that an old approval never fits a new question.
fn unused_nonce(world: &World) -> String {
    let text = format!("{:?} {:?} {:?}", world.truth, world.caches.record, world.in_flight);
    ["#a", "#b", "#c", "#d", "#e"].iter().find(|nonce| !text.contains(**nonce)).unwrap_or(&"#z").to_string()
}

fn seen(truth: &Truth, caches: &Caches, fault: Option<Fault>) -> Seen {
    let stale = caches.unseen.iter().any(|unseen| *unseen);
    let [blue, green] = caches.slots;
    let stamped = fault == Some(Fault::NoStamp);
    Seen {
        stale,
        abandoned: false,
        finalizer: truth.finalizer,
        policies: true,
        blue: color(Color::Blue, blue, caches, fault),
        green: color(Color::Green, green, caches, fault),
        live_service: service(caches.live, [blue, green], stamped),
        candidate_service: service(caches.candidate, [blue, green], stamped),
        routes: RoutesSeen {
            form: caches.routes.value.map_or(Form::Owner, Form::Entered),
            since: ago(caches.routes.age),
            epoch: if stamped { u64::MAX } else { caches.routes.epoch },
            foreign: truth.foreign.map(|before| Foreign { manager: "hand".to_owned(), before, recent: 1 }),
        },
        recorded: truth.recorded,
        obstacles: Vec::new(),
        found: Found::Nothing,
        highest_epoch: caches.routes.epoch.max(caches.live.epoch).max(caches.candidate.epoch),
        highest_counter: 0,
    }
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
    ServiceSeen { points: role.value, settled, since: ago(role.age), epoch }
}

fn color(color: Color, pods: Option<Pods>, caches: &Caches, fault: Option<Fault>) -> ColorSeen {
    let Some(pods) = pods else {
        return ColorSeen {
            objects: Objects::Absent,
            serving: vec![0],
            available: false,
            trouble: None,
            short_since: None,
        };
    };
    let slot = Slot { color, revision: pods.revision };
    let ready = pods.ready || fault == Some(Fault::ReadyAtOnce);
    let expected = expected(&caches.record, color);
    ColorSeen {
        objects: match expected {
            Some(revision) if revision != pods.revision => Objects::Leftover,
            _ => Objects::Present { slot, in_sync: true },
        },
        serving: vec![u32::from(ready)],
        available: ready,
        trouble: pods.broken.then(|| "crash loop".to_owned()),
        short_since: (!ready).then_some(Time(NOW.0 - TICK)),
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

fn standing(truth: &Truth) -> CheckSeen {
    // The guard's verdict is of the candidate: at rest there is none to fail.
    let failing = truth.guard_fails && matches!(truth.record.phase, Phase::Step(_) | Phase::Promoting { .. });
    CheckSeen { standing: if failing { Standing::Fail } else { Standing::Pending }, detail: String::new() }
}

fn decisions(truth: &Truth) -> Vec<DecisionSeen> {
    let decision = |name: &str, action, revision: String, nonce: Option<String>| DecisionSeen {
        name: name.to_owned(),
        uid: format!("{name} {revision} {nonce:?}"),
        same_rollout: true,
        action,
        revision: Some(revision),
        step: nonce.as_ref().map(|_| "canary".to_owned()),
        nonce,
        user: "ana".to_owned(),
        via: "cli".to_owned(),
        reason: String::new(),
    };
    let mut decisions = Vec::new();
    if let Some((revision, false)) = truth.rollback {
        decisions.push(decision("rollback", Action::Rollback, revision.to_string(), None));
    }
    if let Some((nonce, false)) = &truth.approval
        && let Some(candidate) = truth.record.candidate
    {
        let revision = candidate.slot.revision.to_string();
        decisions.push(decision("approve", Action::Approve, revision, Some(nonce.clone())));
    }
    decisions
}

/// Percent of requests that reach each of blue and green, by content of routes and roles. Requests to nothing count for none.
pub(crate) fn shares(routes: Weight, live: Option<Slot>, candidate: Option<Slot>) -> [(Slot, u8); 2] {
    let weight = routes.unwrap_or(0);
    let nowhere = Slot { color: Color::Blue, revision: content(0).revision(0) };
    [(live.unwrap_or(nowhere), 100 - weight), (candidate.unwrap_or(nowhere), weight)]
}
