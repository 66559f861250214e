//! What may happen besides the writes of Teal: proxies follow, pods come and go, other hands and people act.

use teal_plan::record::{JobState, Phase, Record};
use teal_plan::settings::Mode;
use teal_plan::snapshot::{Action, Standing};
use teal_plan::{Color, Effect};

use crate::act::{Gather, outdate};
use crate::apply::{Kind, place};
use crate::gate_jobs;
use crate::jobs::recorded;
use crate::lingering;
use crate::model::Shape;
use crate::world::{Act, Hand, InFlight, Pods, Selects, Task, Truth, Weights, World, Write};

pub(crate) fn gather(gather: &mut Gather<'_>) {
    proxies(gather);
    pods(gather);
    jobs(gather);
    gate_jobs::gather(gather);
    lingering::gather(gather);
    hands(gather);
    numbers(gather);
    spec(gather);
    people(gather);
    if gather.world.budget.acts > 0 && gather.world.truth.act.as_ref().is_none_or(|act| act.answered) {
        decisions(gather);
    }
}

fn proxies(gather: &mut Gather<'_>) {
    for index in 0..gather.world.truth.routes.iter().count() {
        gather.push("proxies see a VirtualService", |w| {
            let (there, beside) = (w.truth.routes.weights(), w.truth.routes.beside());
            if let (Some(seen), Some(there)) = (w.proxies.routes.get_mut(index), there.get(index)) {
                *seen = *there;
            }
            if let (Some(seen), Some(there)) = (w.proxies.beside.get_mut(index), beside.get(index)) {
                *seen = *there;
            }
        });
    }
    gather.push("proxies see the live role's endpoints", |w| w.proxies.live = w.truth.behind_live());
    gather.push("proxies see the candidate role's endpoints", |w| {
        w.proxies.candidate = w.truth.candidate.value;
    });
    gather.push("time passes", World::tick);
}

fn pods(gather: &mut Gather<'_>) {
    let (truth, budget) = (&gather.world.truth, gather.world.budget);
    let live = truth.record.live.map(|live| live.slot.revision);
    for (color, pods) in [(Color::Blue, truth.blue), (Color::Green, truth.green)] {
        let Some(pods) = pods else { continue };
        if !pods.ready && !pods.broken {
            let change = |pods: &mut Pods| (pods.ready, pods.down) = (true, false);
            gather.push("pods get ready", |w| with_pods(w, color, change));
        }
        let is_live = live == Some(pods.revision);
        if budget.breaks > 0 && !pods.broken && !is_live {
            gather.push("pods break", |w| {
                w.budget.breaks -= 1;
                with_pods(w, color, |pods| (pods.ready, pods.broken) = (false, true));
            });
        }
        if budget.downs > 0 && pods.ready && is_live {
            gather.push("live's pods stop serving", |w| {
                w.budget.downs -= 1;
                with_pods(w, color, |pods| (pods.ready, pods.down) = (false, true));
            });
        }
    }
}

fn jobs(gather: &mut Gather<'_>) {
    let truth = &gather.world.truth;
    for (which, task) in truth.tasks.into_iter().enumerate() {
        let Some(task) = task else { continue };
        let change = |world: &mut World, to: Option<Task>| {
            if let Some(there) = world.truth.tasks.get_mut(which) {
                *there = to;
            }
        };
        if task.ended.is_none() {
            gather.push("a Job ends well", |w| change(w, Some(Task { ended: Some(true), ..task })));
            if gather.world.budget.breaks > 0 {
                gather.push("a Job fails", |w| {
                    w.budget.breaks -= 1;
                    change(w, Some(Task { ended: Some(false), ..task }));
                });
            }
        }
        let known = recorded(&truth.record, which, task.slot.revision);
        if gather.world.budget.removals > 0 && known.is_some_and(|state| state != JobState::Due) {
            gather.push("a Job is taken away", |w| {
                w.budget.removals -= 1;
                change(w, None);
            });
        }
    }
}

fn with_pods(world: &mut World, color: Color, change: impl FnOnce(&mut Pods)) {
    if let Some(pods) = world.truth.slot_mut(color) {
        change(pods);
    }
}

fn hands(gather: &mut Gather<'_>) {
    if gather.world.truth.mangled {
        gather.push("the owner mends the routes", |w| {
            w.truth.mangled = false;
            write_route(&mut w.truth, Weights::OWNERS, true);
            outdate(w, Kind::Route(0));
        });
    }
    if gather.world.budget.exports > 0 {
        gather.push("the owner applies the routes exported at 10", |w| {
            w.budget.exports -= 1;
            let Shape { previewed, mirrored, .. } = w.budget.shape;
            let exported = Weights { preview: previewed, mirror: mirrored, ..Weights::of(10) };
            write_route(&mut w.truth, exported, true);
            outdate(w, Kind::Route(0));
        });
    }
    if gather.world.budget.drifts == 0 {
        return;
    }
    let may_mangle = gather.world.truth.routes.iter().next().is_some() && !gather.world.truth.mangled;
    // What is on its way to be deleted can't be called back.
    let vacates =
        matches!(gather.world.in_flight, Some(InFlight { write: Write::Effect(Effect::Vacate { .. }), .. }));
    let may_widen = gather.world.truth.live.value != Selects::Both && !vacates;
    let mut hand = |label: &str, touched: Kind, change: &dyn Fn(&mut Truth)| {
        gather.push(label, |w| {
            w.budget.drifts -= 1;
            change(&mut w.truth);
            outdate(w, touched);
        });
    };
    let weight = |value, before| move |truth: &mut Truth| write_route(truth, value, before);
    hand("the owner re-applies the routes", Kind::Route(0), &weight(Weights::OWNERS, true));
    hand("another hand sets weight 50", Kind::Route(0), &weight(Weights::of(50), false));
    hand("another hand sets weight 0", Kind::Route(0), &weight(Weights::of(0), false));
    let uneven = Weights { live: 100, candidate: Some(60), preview: false, mirror: false };
    hand("another hand sets weights that sum to 160", Kind::Route(0), &weight(uneven, false));
    if may_mangle {
        hand("another hand sets weight 90 in a form that can't be managed", Kind::Route(0), &|truth| {
            truth.mangled = true;
            write_route(truth, Weights::of(90), false);
        });
    }
    hand("the owner re-applies the Service's selector", Kind::Live, &|t| {
        (t.live.value, t.live.age) = (Selects::Other, 0);
    });
    if may_widen {
        // A Service as in Git, applied without the key that Teal's selector added to it (rule 12).
        hand("another hand takes Teal's key from the Service's selector", Kind::Live, &|t| {
            (t.live.value, t.live.age) = (Selects::Both, 0);
        });
    }
    hand("another hand turns the candidate role elsewhere", Kind::Candidate, &|t| {
        (t.candidate.value, t.candidate.age) = (None, 0);
    });
}

fn write_route(truth: &mut Truth, value: Weights, before: bool) {
    let Some(route) = truth.routes.iter_mut().next() else { return };
    // What stood there was given by Teal, but where another hand had written already.
    let given = if truth.foreign.is_none() { route.value.weight() } else { None };
    let (now, given) = (value.weight().unwrap_or(0), given.unwrap_or(0));
    let (raised, lowered) = (now > given, now < given);
    (route.value, route.age) = (value, 0);
    truth.foreign = Some(Hand { before, raised, lowered });
}

/// What metrics say.
fn numbers(gather: &mut Gather<'_>) {
    let truth = &gather.world.truth;
    if gather.world.budget.guards > 0 && !truth.guard_fails && truth.record.candidate.is_some() {
        gather.push("the guard's check fails", |w| {
            w.budget.guards -= 1;
            w.truth.guard_fails = true;
        });
    }
    if gather.world.budget.verdicts == 0 || place(&truth.record).is_none() {
        return;
    }
    let mut say = |label: &str, standing| {
        gather.push(label, |w| {
            w.budget.verdicts -= 1;
            w.truth.check = standing;
        });
    };
    match truth.check {
        Standing::Pending => {
            say("the check passes", Standing::Pass);
            say("the check fails", Standing::Fail);
            say("the check has no answer any more", Standing::Blind);
        }
        Standing::Pass => say("the check fails", Standing::Fail),
        // After a restart evidence is gathered anew.
        Standing::Fail | Standing::Blind => say("the check passes", Standing::Pass),
    }
}

fn spec(gather: &mut Gather<'_>) {
    // What is on its way already, by a record that was right, can't be called back: a raise then, and a deletion.
    let on_its_way = matches!(
        gather.world.in_flight,
        Some(InFlight {
            write: Write::Effect(Effect::Vacate { .. }) | Write::Route(_, Effect::RaiseWeight(_)),
            ..
        })
    );
    if gather.world.budget.losses > 0 && !gather.world.truth.gone() && !on_its_way {
        gather.push("the status is lost", |w| {
            w.budget.losses -= 1;
            w.truth.record = Record::default();
            // It names a version that is no more; the model, which compares epochs instead, would meet the same one again.
            w.in_flight = w.in_flight.take().filter(|late| !matches!(late.write, Write::Commit(_)));
        });
    }
    let mode = gather.world.truth.mode;
    let others = [Mode::Active, Mode::Paused, Mode::HandsOff].into_iter().filter(|other| *other != mode);
    for other in others.filter(|_| gather.world.budget.modes > 0) {
        gather.push(&format!("the spec says {other:?}"), |w| {
            w.budget.modes -= 1;
            w.truth.mode = other;
        });
    }
    if gather.world.budget.deletions > 0 {
        gather.push("the Rollout is deleted", |w| {
            w.budget.deletions -= 1;
            w.truth.deleting = true;
        });
    }
    if gather.world.budget.contents > 0 {
        gather.push("the spec asks for new content", |w| {
            w.budget.contents -= 1;
            w.truth.wanted = 1 + (3 - w.budget.contents.min(2));
        });
    }
    if gather.world.budget.cancels > 0 && gather.world.truth.wanted != 1 {
        gather.push("the spec asks for the first content again", |w| {
            w.budget.cancels -= 1;
            w.truth.wanted = 1;
        });
    }
}

fn people(gather: &mut Gather<'_>) {
    let truth = &gather.world.truth;
    let record = &truth.record;
    let target = match &record.phase {
        Phase::Rest { .. } if record.previous.is_some() => record.live,
        Phase::Step(_) | Phase::Promoting { .. } => record.candidate,
        Phase::Rest { .. } | Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => None,
    };
    if let Some(target) = target.filter(|_| gather.world.budget.rollbacks > 0 && truth.rollback.is_none()) {
        gather.push("a person rolls back", |w| {
            w.budget.rollbacks -= 1;
            w.truth.rollback = Some((target.slot.revision, false));
        });
    }
    if let Phase::Step(place) = &record.phase
        && let Some(gate) = &place.gate
        && truth.approval.as_ref().is_none_or(|(nonce, _)| *nonce != gate.nonce)
    {
        let nonce = gate.nonce.clone();
        gather.push("a person approves", |w| w.truth.approval = Some((nonce, false)));
    }
}

fn decisions(gather: &mut Gather<'_>) {
    let budget = gather.world.budget;
    for action in budget.shape.acts {
        let Some(act) = decision(&gather.world.truth.record, *action, budget.acts) else { continue };
        gather.push(&format!("a person decides {action:?}"), |w| {
            w.budget.acts -= 1;
            w.truth.act = Some(act);
        });
    }
}

/// The Decision as a person would write it who looks at the status now; none where it makes no sense to anybody.
fn decision(record: &Record, action: Action, number: u8) -> Option<Act> {
    let candidate = record.candidate.map(|candidate| candidate.slot.revision);
    let step = match &record.phase {
        Phase::Step(place) => Some(place),
        _ => None,
    };
    let gate = step.and_then(|place| place.gate.as_ref());
    let (revision, step, nonce) = match action {
        Action::Pause => (None, None, None),
        Action::Resume => {
            record.paused.as_ref()?;
            (None, None, None)
        }
        Action::Reject => (candidate, Some(step?.step.clone()), Some(gate?.nonce.clone())),
        Action::Skip => (candidate, Some(step?.step.clone()), None),
        Action::Retry => (Some(record.wanted?.revision), None, None),
        Action::Retire => {
            let kept = record.previous.or(record.candidate).map(|kept| kept.slot.revision);
            let leaving = || record.leaving.filter(|leaving| !leaving.over)?.revision;
            (Some(kept.or_else(leaving)?), None, None)
        }
        Action::Approve | Action::Rollback => return None,
    };
    Some(Act { action, revision, step, nonce, number, answered: false })
}
