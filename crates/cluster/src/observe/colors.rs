//! What stands in a color and how much of it serves.

use std::collections::BTreeSet;
use std::sync::Arc;

use teal_api::names::label;
use teal_plan::snapshot::{ColorSeen, Objects, Youngest};
use teal_plan::{Color, Phase, Record, Slot, Span, Time};
use teal_release::Fate;
use teal_traffic::RoleService;

use super::{Facts, Renderings, answers_for, jobs, ports};
use crate::execute::{inner, is_dropped, unknown};
use crate::kinds;
use crate::memory::Memory;
use crate::rendering::{Piece, Rendering};
use crate::stores::{JsonView, ObjectView, PodView};

pub(super) fn see(
    facts: &Facts<'_>,
    renderings: &Renderings,
    color: Color,
    weight: u8,
    memory: &mut Memory,
) -> ColorSeen {
    let asked = facts.asked(color).map(|release| release.slot).or_else(|| pointed(facts, color));
    let rendering = renderings.color(color).map(AsRef::as_ref);
    let serving = asked.map_or_else(|| vec![0; facts.services.len()], |slot| serving(facts, rendering, slot));
    let available = rendering.is_some_and(|rendering| available(facts, rendering));
    let short = is_short(facts, color, weight, &serving);
    let fact = match color {
        Color::Blue => "blue short",
        Color::Green => "green short",
    };
    let going = lingers(facts, color, asked, memory);
    let trouble = if leaves(facts, color, asked) {
        going
    } else {
        asked.and_then(|slot| trouble(facts, rendering, (slot, &serving), memory)).or(going)
    };
    // Not so where it couldn't be read: it is known in a moment.
    let lost = rendering.is_none() && asked.is_some_and(|slot| memory.lost.contains(&slot.revision));
    let strays = asked.is_some_and(|slot| lost && out_of_role(facts, slot));
    ColorSeen {
        objects: match objects(facts, rendering, color, asked) {
            Objects::Present { slot, in_sync } => Objects::Present { slot, in_sync: in_sync && !strays },
            objects => objects,
        },
        serving,
        available,
        works: asked.is_some_and(|slot| match rendering {
            Some(rendering) => works(facts, rendering, slot),
            None => strays && !facts.is_live(slot),
        }),
        trouble,
        short_since: memory.sightings.since_true(fact, short, facts.now),
        ticks: ticks(facts, color),
        youngest: asked.and_then(|slot| youngest(facts, slot)),
    }
}

/// The pod that got ready last, where a step asks. Whoever doesn't say since when it is ready has only just become so.
fn youngest(facts: &Facts<'_>, slot: Slot) -> Option<Youngest> {
    facts.filled.steps.iter().find(|step| step.min_pod_age_ms > 0)?;
    let counts = |pod: &&Arc<PodView>| {
        pod.slot() == Some(slot) && pod.ready && pod.terminating.is_none() && !jobs::is_of_job(pod)
    };
    let since = |pod: &PodView| pod.turned.unwrap_or(facts.now);
    let pods = facts.pods.iter().filter(counts);
    let last = pods.max_by(|one, other| (since(one), &other.id.name).cmp(&(since(other), &one.id.name)))?;
    Some(Youngest { pod: last.id.name.clone(), since: since(last) })
}

/// Jobs that no release has and of which a pod works: CronJobs made them.
fn ticks(facts: &Facts<'_>, color: Color) -> Vec<String> {
    let pods = facts.pods.iter().filter(|pod| pod.color == Some(color));
    let is_released = |name: &str| {
        let job = facts.object(kinds::JOB.group, kinds::JOB.kind, name);
        job.is_some_and(|view| !view.derived)
    };
    let names: BTreeSet<&str> = pods.filter_map(|pod| jobs::working_for(pod)).collect();
    names.into_iter().filter(|name| !is_released(name)).map(ToOwned::to_owned).collect()
}

/// With a lost record: the slot that the live role selects.
fn pointed(facts: &Facts<'_>, color: Color) -> Option<Slot> {
    let service = facts.services.first()?;
    let view = facts.stores.services.get(&facts.names.namespace, &service.name)?;
    view.points(&facts.names.name).filter(|slot| slot.color == color)
}

fn objects(facts: &Facts<'_>, rendering: Option<&Rendering>, color: Color, asked: Option<Slot>) -> Objects {
    let mut there = false;
    let objects = facts.objects.iter().filter(|view| view.color == Some(color) && !holds_data(view));
    for view in objects {
        // What another controller made and takes away in the slot is its own affair.
        if view.slot() != asked || (view.deleting && !view.derived) {
            return Objects::Leftover;
        }
        there = true;
    }
    // Pods of Jobs that ended do no more work.
    for pod in facts.pods.iter().filter(|pod| pod.color == Some(color) && !pod.ended) {
        if pod.slot() != asked {
            return Objects::Leftover;
        }
        there = true;
    }
    match asked {
        Some(slot) if there => Objects::Present { slot, in_sync: in_sync(facts, rendering, slot) },
        Some(_) | None => Objects::Absent,
    }
}

/// A claim of a color outlives each revision in it, for nobody but its owner deletes data; and of those that a `StatefulSet` makes the
/// controller writes no revision.
fn holds_data(view: &ObjectView) -> bool {
    view.kind.kind == "PersistentVolumeClaim"
}

/// Where the content is lost nothing can be compared, and nothing could be repaired.
fn in_sync(facts: &Facts<'_>, rendering: Option<&Rendering>, slot: Slot) -> bool {
    let Some(rendering) = rendering else { return true };
    if facts.objects.iter().any(|view| is_dropped(rendering, view, slot)) {
        return false;
    }
    // Of what live shares and the spec wants otherwise the form stands, but none that is gone.
    let rests = facts.is_live(slot) && matches!(facts.record.phase, Phase::Rest { .. });
    let is_own = |piece: &&Piece| {
        let answers = || answers_for(&facts.record, facts.hash, slot, piece);
        !piece.shared || answers() || (rests && is_gone(facts, piece))
    };
    let pieces = rendering.pieces.iter().filter(is_own);
    let sent_back = is_sent_back(&facts.record, slot);
    pieces.into_iter().all(|piece| {
        if piece.kind == kinds::SERVICE {
            return service_in_sync(facts, piece, sent_back);
        }
        match facts.object(piece.kind.group, piece.kind.kind, &piece.name) {
            Some(view) => piece.is_in_sync(Some(&view), &facts.names.uid),
            None => sent_back,
        }
    })
}

/// Whether of a release whose content is lost something works that should rest, or rests that should work.
fn out_of_role(facts: &Facts<'_>, slot: Slot) -> bool {
    facts.objects.iter().any(|view| unknown::is_out_of_role(view, slot, facts.is_live(slot)))
}

/// Whether nothing of this Rollout has its name.
fn is_gone(facts: &Facts<'_>, piece: &Piece) -> bool {
    if piece.kind == kinds::SERVICE {
        return own_service(facts, piece).is_none();
    }
    facts.object(piece.kind.group, piece.kind.kind, &piece.name).is_none()
}

/// Whether a slot holds what was sent back. It may never have been whole, and is only kept to be looked at: what isn't there of it
/// is neither made nor missed.
pub(crate) fn is_sent_back(record: &Record, slot: Slot) -> bool {
    let returns = matches!(record.phase, Phase::Returning { .. } | Phase::Rest { .. });
    returns && record.candidate.is_some_and(|candidate| candidate.slot == slot)
}

/// Whether something works by itself although its color isn't live: what should be held at rest is there in another form, or
/// beside it its former autoscaler, which would wake it. What was refused its name, or its kind, isn't there.
fn works(facts: &Facts<'_>, rendering: &Rendering, slot: Slot) -> bool {
    if facts.is_live(slot) {
        return false;
    }
    let resting: Vec<&Piece> = rendering.pieces.iter().filter(|piece| piece.live_only).collect();
    let is_awake = |piece: &&Piece| {
        let view = facts.object(piece.kind.group, piece.kind.kind, &piece.name);
        view.is_some_and(|view| !piece.is_in_sync(Some(&view), &facts.names.uid))
    };
    let wakes =
        |view: &Arc<ObjectView>| view.kind.kind == "ScaledObject" && is_dropped(rendering, view, slot);
    resting.iter().any(is_awake) || (!resting.is_empty() && facts.objects.iter().any(wakes))
}

/// Inner Services lie in the cache of all Services.
fn service_in_sync(facts: &Facts<'_>, piece: &Piece, sent_back: bool) -> bool {
    own_service(facts, piece).map_or(sent_back, |view| inner::is_in_sync(&view, piece, &facts.names.uid))
}

fn own_service(facts: &Facts<'_>, piece: &Piece) -> Option<Arc<JsonView>> {
    let view = facts.stores.services.get(&facts.names.namespace, &piece.name)?;
    (view.rollout() == Some(facts.names.name.as_str())).then_some(view)
}

/// Per traffic Service: from EndpointSlices where a role selects the slot, else by readiness, since without a selector
/// there is no slice.
pub(super) fn serving(facts: &Facts<'_>, rendering: Option<&Rendering>, slot: Slot) -> Vec<u32> {
    let namespace = &facts.names.namespace;
    let services = facts.services.iter();
    services
        .map(|service| {
            let roles = [&service.name, &service.candidate];
            let selected = roles.iter().any(|name| {
                let view = facts.stores.services.get(namespace, name);
                view.is_some_and(|view| view.points(&facts.names.name) == Some(slot))
            });
            if !selected {
                return u32::try_from(ready(facts, rendering, slot, service)).unwrap_or(u32::MAX);
            }
            let (mut reached, mut as_of_live) = (Vec::new(), 0);
            for name in roles {
                let wanted = ports::Wanted::of(facts, service, name, slot);
                let slices = facts.stores.slices.group(namespace, name);
                as_of_live = wanted.as_of_live(facts, &slices, slot).max(as_of_live);
                reached.extend(slices.into_iter().filter(|slice| wanted.lacks(slice).is_none()));
            }
            let count = ports::serving(facts, reached.iter(), slot).len().max(as_of_live);
            u32::try_from(count).unwrap_or(u32::MAX)
        })
        .collect()
}

/// Ready pods of the slot that the Service will select by its owner's selector. Where the content of the slot is lost the
/// Service is turned as it stands, so what it selects now beside Teal's labels counts.
fn ready(facts: &Facts<'_>, rendering: Option<&Rendering>, slot: Slot, service: &RoleService) -> usize {
    let pods =
        facts.pods.iter().filter(|pod| pod.slot() == Some(slot) && pod.ready && pod.terminating.is_none());
    if let Some(rendering) = rendering {
        let Some(service) = rendering.role_service(&service.name) else { return 0 };
        return pods.filter(|pod| pod.matches(service.original_selector.iter())).count();
    }
    let Some(view) = facts.stores.services.get(&facts.names.namespace, &service.name) else { return 0 };
    let selects = |pod: &PodView| {
        view.selector()
            .filter(|(name, _)| !name.starts_with(label::PREFIX))
            .all(|(name, value)| pod.has_label(name, value))
    };
    pods.filter(|pod| selects(pod)).count()
}

/// Every workload that should run does so with all the replicas that it started with.
fn available(facts: &Facts<'_>, rendering: &Rendering) -> bool {
    let own = rendering.workloads.iter().filter(|workload| workload.fate != Fate::Shared);
    own.into_iter().all(|workload| {
        let view = workload_view(facts, &workload.key.kind, &workload.colored_name);
        let state = view.as_ref().and_then(|view| view.state.clone());
        state.is_some_and(|state| state.is_complete(workload.start_replicas))
    })
}

pub(super) fn workload_view(facts: &Facts<'_>, kind: &str, name: &str) -> Option<Arc<ObjectView>> {
    facts.object("apps", kind, name)
}

/// Nothing is to stay in it.
fn leaves(facts: &Facts<'_>, color: Color, asked: Option<Slot>) -> bool {
    let live = facts.record.live.is_some_and(|live| live.slot.color == color);
    asked.is_none() || (facts.rollout.metadata.deletion_timestamp.is_some() && !live)
}

/// How long objects, and pods whose grace is over, may take to go before it is told.
const LINGERS: Span = Span::seconds(60);

/// What has been going for long and stays: all else waits for it, and nothing here can make it go.
fn lingers(facts: &Facts<'_>, color: Color, asked: Option<Slot>, memory: &mut Memory) -> Option<String> {
    let fact = match color {
        Color::Blue => "blue goes",
        Color::Green => "green goes",
    };
    let going = going(facts, color).or_else(|| stray(facts, color, asked));
    let tells = memory.sightings.since(fact, &going, facts.now) + LINGERS;
    let ahead = going.iter().map(|_| tells).chain(graces(facts, color)).filter(|at| facts.now < *at);
    memory.lingering(fact, ahead.min());
    going.filter(|_| facts.now >= tells)
}

/// When the pods that are being deleted should be gone.
fn graces(facts: &Facts<'_>, color: Color) -> impl Iterator<Item = Time> {
    let pods = facts.pods.iter().filter(move |pod| pod.color == Some(color) && !pod.ended);
    pods.filter_map(|pod| pod.terminating)
}

/// The first object that is being deleted or pod that should be gone, the same one at each look.
fn going(facts: &Facts<'_>, color: Color) -> Option<String> {
    let objects =
        facts.objects.iter().filter(|view| view.color == Some(color) && view.deleting && !view.derived);
    let object = objects.map(|view| (view.kind.kind, &view.id.name)).min();
    if let Some((kind, name)) = object {
        return Some(format!("{kind} {name} is being deleted and stays: see its metadata.finalizers"));
    }
    let pods = facts.pods.iter().filter(|pod| pod.color == Some(color) && !pod.ended);
    let overdue = pods.filter(|pod| pod.terminating.is_some_and(|due| due <= facts.now));
    let name = overdue.map(|pod| &pod.id.name).min()?;
    Some(format!("pod {name} is being deleted and stays: see its node and its metadata.finalizers"))
}

/// The first pod of another revision than stands in the color, of which nothing is left there that would take it along.
fn stray(facts: &Facts<'_>, color: Color, asked: Option<Slot>) -> Option<String> {
    let goes = |view: &Arc<ObjectView>| {
        view.color == Some(color) && view.slot() != asked && !view.derived && !holds_data(view)
    };
    if facts.objects.iter().any(goes) {
        return None;
    }
    let stays = |pod: &&Arc<PodView>| {
        pod.color == Some(color) && pod.slot() != asked && pod.terminating.is_none() && !pod.ended
    };
    let name = facts.pods.iter().filter(stays).map(|pod| &pod.id.name).min()?;
    Some(format!(
        "pod {name} is left in {color} and nothing of Teal's makes it: see its metadata.ownerReferences and labels, and \
         delete what makes it, or the pod itself"
    ))
}

fn trouble(
    facts: &Facts<'_>,
    rendering: Option<&Rendering>,
    (slot, serving): (Slot, &[u32]),
    memory: &Memory,
) -> Option<String> {
    let mut pods = facts.pods.iter().filter(|pod| pod.slot() == Some(slot));
    let of_pod = pods.find_map(|pod| Some(format!("pod {}: {}", pod.id.name, pod.trouble.as_ref()?)));
    let own = facts.objects.iter().filter(|view| view.slot() == Some(slot) && !view.derived && !view.of_step);
    let mut jobs = own.filter(|view| view.ended == Some(false));
    let of_job = jobs.next().map(|view| {
        format!("Job {} failed: look at its pods; once that is mended, Retry runs it again", view.id.name)
    });
    of_pod
        .or(of_job)
        .or_else(|| jobs::lost(facts, slot))
        .or_else(|| ports::trouble(facts, slot))
        .or_else(|| refused(facts, rendering, slot, memory))
        .or_else(|| {
            rendering
                .filter(|_| serving.contains(&0))
                .and_then(|rendering| scaled_to_nothing(facts, rendering))
        })
        .or_else(|| slow(facts, slot))
}

/// Whose pods the API server refuses: a workload's, or those of a Job that comes before them.
fn refused(facts: &Facts<'_>, rendering: Option<&Rendering>, slot: Slot, memory: &Memory) -> Option<String> {
    let workloads = rendering.into_iter().flat_map(|rendering| &rendering.workloads);
    let workloads = workloads.filter_map(|w| workload_view(facts, &w.key.kind, &w.colored_name));
    let of_release = |view: &&Arc<ObjectView>| view.kind == kinds::JOB && !view.of_step;
    let jobs = facts.objects.iter().filter(|view| view.slot() == Some(slot)).filter(of_release);
    workloads.chain(jobs.cloned()).find_map(|view| {
        let failure = memory.refusals.failure(&view)?;
        Some(format!("{} {}: {failure}", view.kind.kind, view.id.name))
    })
}

/// A pod that isn't ready, in nobody's words: a volume that can't be mounted leaves no trace in its status. Told once half of the
/// time is over, since until then it may just take its time.
fn slow(facts: &Facts<'_>, slot: Slot) -> Option<String> {
    let deadline = match &facts.record.phase {
        Phase::Step(place) if place.reached.is_none() => place.deadline,
        Phase::Installing { deadline } | Phase::Promoting { deadline } => *deadline,
        Phase::Rest { .. } => facts.now,
        Phase::New | Phase::Step(_) | Phase::Returning { .. } => return None,
    };
    let half = i64::try_from(facts.filled.progress_deadline_ms / 2).unwrap_or(i64::MAX);
    if facts.now + Span(half) < deadline {
        return None;
    }
    let comes = |pod: &&Arc<PodView>| {
        pod.slot() == Some(slot) && !pod.ready && pod.terminating.is_none() && !pod.ended
    };
    let name = facts.pods.iter().filter(comes).map(|pod| &pod.id.name).min()?;
    Some(format!("pod {name} isn't ready: see kubectl describe pod {name} -n {}", facts.names.namespace))
}

/// A workload behind a traffic Service that was told to have no pods. Its autoscaler says so in the same field.
fn scaled_to_nothing(facts: &Facts<'_>, rendering: &Rendering) -> Option<String> {
    let asked = rendering.workloads.iter().filter(|workload| !workload.traffic_services.is_empty());
    asked.into_iter().find_map(|workload| {
        let (kind, name) = (&workload.key.kind, &workload.colored_name);
        let view = workload_view(facts, kind, name)?;
        (view.state.as_ref()?.replicas == 0).then(|| format!("{kind} {name}: spec.replicas is 0"))
    })
}

/// Fewer endpoints than the share of this color needs: ceil(share × live's endpoints at the start), at least one.
fn is_short(facts: &Facts<'_>, color: Color, weight: u8, serving: &[u32]) -> bool {
    let record = &facts.record;
    let is_candidate = record.candidate.is_some_and(|candidate| candidate.slot.color == color);
    let share = match (is_candidate, &record.phase) {
        (true, Phase::Promoting { .. }) => 100,
        (true, _) => weight,
        (false, _) => 100 - weight.min(100),
    };
    if share == 0 {
        return false;
    }
    let needed = teal_plan::needed(share, &record.baseline, serving.len());
    serving.iter().zip(needed).any(|(have, needed)| *have < needed)
}
