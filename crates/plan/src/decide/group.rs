//! Members of a group move together. No object is written by more than one of them: each promises in its own record what it has
//! done, and goes on once all others have promised the same. A promise stays true, so it doesn't matter how old it is when it is
//! read; a list of members that all of them have is never left again (decision 36).

use std::borrow::Cow;

use super::{Draft, Next};
use crate::outcome::{Effect, Plan, Why};
use crate::pact::{Member, Pact};
use crate::record::{Cause, Outcome, Phase, Record, StepRecord};
use crate::settings::Mode;
use crate::snapshot::{GroupSeen, Sibling, Snapshot, is_paused};
use crate::words::Time;

/// What holds a weight back.
pub(super) enum Hold {
    /// Something is promised, or noted, first.
    Commit(Box<Plan>),
    /// Others are waited for.
    Wait,
}

/// What stands between a step whose gates are met and the next one.
pub(super) enum Barrier {
    /// Others, of whom nothing is to be committed.
    Wait(Why),
    /// Nothing but this promise; or others, who wait for it.
    Promise(Pact, Option<Why>),
}

/// What became of another member's attempt.
enum Fate<'a> {
    /// It is under way.
    Going(&'a Sibling),
    /// It is live.
    Promoted,
    /// It went back, or another attempt has taken its place, or none; with why, where that is known.
    Back(&'a Sibling, Option<&'a Cause>),
    /// There is no such Rollout any more.
    Gone,
}

/// With an attempt.
pub(super) fn begin(s: &Snapshot) -> Option<Pact> {
    s.settings.group.as_ref().map(|group| Pact::new(&group.name))
}

/// Notes that an attempt begins as soon as there is room for it: clearing a slot takes as long as its pods do to end, and whoever is
/// sooner would go without it.
pub(super) fn announce(s: &Snapshot, record: &mut Record) {
    if let Some(group) = &s.settings.group {
        record.group = Some(Pact::announced(&group.name));
        // Nothing is in its way now, and what comes later is noted then.
        record.blocked_since = None;
    }
}

/// Whether that is to be noted yet.
pub(super) fn is_unannounced(s: &Snapshot) -> bool {
    let noted = |name: &str| s.record.group.as_ref().is_some_and(|pact| pact.begins && pact.group == name);
    s.settings.group.as_ref().is_some_and(|group| !noted(&group.name))
}

/// Whether that is noted.
pub(super) fn is_announced(record: &Record) -> bool {
    record.group.as_ref().is_some_and(|pact| pact.begins)
}

/// Takes the note back where something keeps the attempt from beginning: nobody waits for it then, and it is noted anew after that.
pub(super) fn keep_back(s: &Snapshot, why: &Why) -> Option<Plan> {
    is_announced(&s.record).then(|| {
        let mut draft = Draft::new(s);
        withdraw(&mut draft.record);
        draft.commit(vec![why.clone()])
    })
}

/// Takes the note back, for nothing begins any more.
pub(super) fn withdraw(record: &mut Record) {
    record.group.take_if(|pact| pact.begins);
}

/// The present attempt, as the others know it.
fn me(s: &Snapshot, seen: &GroupSeen) -> Option<Member> {
    let revision = s.record.candidate?.slot.revision;
    Some(Member { name: seen.name.clone(), uid: seen.uid.clone(), revision, started: s.record.started })
}

/// Those who had begun without this one: it neither joins them nor overtakes them.
pub(super) fn late(s: &Snapshot) -> Option<Why> {
    let seen = s.world.group.as_ref()?;
    let resting = matches!(s.record.phase, Phase::Rest { .. });
    let (name, me) = match (&s.record.group, &s.settings.group) {
        (Some(pact), _) if !resting => (&pact.group, me(s, seen)),
        (_, Some(group)) => (&group.name, None),
        _ => return None,
    };
    let without = |pact: &Pact| {
        pact.group == *name
            && !pact.members.is_empty()
            && me.as_ref().is_none_or(|me| !pact.members.contains(me))
    };
    let began = seen.siblings.iter().filter(|other| {
        other.record.phase.is_under_way() && other.record.group.as_ref().is_some_and(without)
    });
    let members: Vec<String> = began.map(|other| other.name.clone()).collect();
    (!members.is_empty()).then(|| Why::Late { group: name.clone(), members })
}

/// Members who are settling with whom they go, as this one is.
fn open<'a>(seen: &'a GroupSeen, pact: &'a Pact) -> impl Iterator<Item = (&'a Sibling, Time, Member)> {
    let joins = move |other: &'a Sibling| {
        let theirs = other.record.group.as_ref()?;
        let begun = matches!(other.record.phase, Phase::Step(_));
        let candidate = other.record.candidate.filter(|_| begun)?;
        let member = Member {
            name: other.name.clone(),
            uid: other.uid.clone(),
            revision: candidate.slot.revision,
            started: other.record.started,
        };
        (theirs.group == pact.group && theirs.members.is_empty()).then_some((other, candidate.since, member))
    };
    seen.siblings.iter().filter_map(joins)
}

/// Members that are about to begin, each with what is done before: room is being made for it, or it goes back in order to begin anew.
/// One that nothing lets begin isn't waited for.
fn beginning(seen: &GroupSeen, pact: &Pact) -> Vec<(String, String)> {
    let does = |other: &Sibling| {
        let theirs = other.record.group.as_ref().filter(|theirs| theirs.group == pact.group)?;
        let free = other.mode == Mode::Active && !other.deleting && !is_paused(other.mode, &other.record);
        match &other.record.phase {
            Phase::Rest { .. } if free && theirs.begins && other.record.blocked_since.is_none() => {
                Some("clears its former release".to_owned())
            }
            Phase::Returning { cause: Cause::Superseded, .. } if free => {
                Some("goes back, and begins anew".to_owned())
            }
            _ => None,
        }
    };
    seen.siblings.iter().filter_map(|other| Some((other.name.clone(), does(other)?))).collect()
}

/// The pact with its list: as it is, as another member made it, or made now. Else what that waits for.
fn settle(s: &Snapshot, pact: &Pact) -> Result<Pact, Why> {
    let Some((seen, me)) = s.world.group.as_ref().and_then(|seen| Some((seen, me(s, seen)?))) else {
        return Err(Why::CatchingUp);
    };
    if !pact.members.is_empty() {
        return Ok(revised(s, pact, &me).unwrap_or_else(|| pact.clone()));
    }
    let invites = seen.siblings.iter().filter(|other| matches!(other.record.phase, Phase::Step(_)));
    let invites = invites.filter_map(|other| other.record.group.as_ref());
    let invites = invites.filter(|theirs| theirs.group == pact.group && theirs.members.contains(&me));
    if let Some(theirs) = invites.max_by_key(|theirs| (theirs.round, &theirs.members)) {
        return Ok(Pact { round: theirs.round, members: theirs.members.clone(), ..pact.clone() });
    }
    if let Some(why) = late(s) {
        return Err(why);
    }
    let members = beginning(seen, pact);
    if !members.is_empty() {
        return Err(Why::Together { group: pact.group.clone(), members, people: false });
    }
    let began = open(seen, pact).map(|(_, since, _)| since).chain(s.record.candidate.map(|own| own.since));
    let last = began.max().unwrap_or(s.now);
    // Of an attempt that was begun by another spec nobody else is waited for.
    let gather = s.settings.group.as_ref().map(|group| group.gather).unwrap_or_default();
    if s.now < last + gather {
        return Err(Why::Gathering { group: pact.group.clone(), until: last + gather });
    }
    let mut members: Vec<Member> = open(seen, pact).map(|(_, _, member)| member).chain([me]).collect();
    members.sort();
    Ok(Pact { members, ..pact.clone() })
}

/// Of one that has no list yet, the one that another member has made for it: also where that has gone back since.
fn counted<'a>(s: &Snapshot, pact: &'a Pact) -> Cow<'a, Pact> {
    let invited = || {
        let seen = s.world.group.as_ref()?;
        let me = me(s, seen)?;
        let theirs = seen.siblings.iter().filter_map(|other| other.record.group.as_ref());
        theirs
            .filter(|theirs| theirs.members.contains(&me))
            .max_by_key(|theirs| (theirs.round, &theirs.members))
    };
    match invited().filter(|_| pact.members.is_empty()) {
        Some(theirs) => Cow::Owned(Pact { members: theirs.members.clone(), ..pact.clone() }),
        None => Cow::Borrowed(pact),
    }
}

/// Two made different lists at the same time, before either saw the other's. Nobody has relied on one that not all of its members
/// have, and from here none of them ever will have both: so a later round takes their place.
fn revised(s: &Snapshot, pact: &Pact, me: &Member) -> Option<Pact> {
    let theirs = partners(s, pact).into_iter().filter_map(|(member, fate)| match fate {
        Fate::Going(other) => Some((member, other.record.group.as_ref()?)),
        Fate::Promoted | Fate::Back(..) | Fate::Gone => None,
    });
    let conflicts = |(_, theirs): &(&Member, &Pact)| {
        !theirs.members.is_empty() && theirs.round >= pact.round && !theirs.agrees(pact)
    };
    let conflicts: Vec<(&Member, &Pact)> = theirs.filter(conflicts).collect();
    let later = conflicts.iter().map(|(_, theirs)| *theirs);
    let later = later.filter(|theirs| theirs.round > pact.round && theirs.members.contains(me));
    if let Some(theirs) = later.max_by_key(|theirs| (theirs.round, &theirs.members)) {
        return Some(Pact { round: theirs.round, members: theirs.members.clone(), ..pact.clone() });
    }
    let top = conflicts.iter().map(|(_, theirs)| theirs.round).max()?;
    let mut members = pact.members.clone();
    for (member, theirs) in &conflicts {
        if theirs.members.contains(me) {
            members.extend(theirs.members.iter().cloned());
        } else {
            members.retain(|other| other != *member);
        }
    }
    members.sort();
    members.dedup();
    Some(Pact { round: top + 1, members, ..pact.clone() })
}

/// The other members of the list, with what became of each.
fn partners<'a>(s: &'a Snapshot, pact: &'a Pact) -> Vec<(&'a Member, Fate<'a>)> {
    let Some(seen) = &s.world.group else { return Vec::new() };
    let others = pact.members.iter().filter(|member| member.uid != seen.uid);
    others.map(|member| (member, fate(seen, member))).collect()
}

fn fate<'a>(seen: &'a GroupSeen, member: &Member) -> Fate<'a> {
    let there = seen.siblings.iter().find(|other| other.uid == member.uid);
    let Some(other) = there else { return Fate::Gone };
    let record = &other.record;
    if record.live.is_some_and(|live| live.slot.revision == member.revision) {
        return Fate::Promoted;
    }
    if !member.went_back(record) {
        return Fate::Going(other);
    }
    match &record.phase {
        Phase::Returning { cause, .. } | Phase::Rest { outcome: Outcome::RolledBack(cause) }
            if record.started == member.started =>
        {
            Fate::Back(other, Some(cause))
        }
        // Another attempt has begun, the record is lost, or an operator that knows nothing of groups has taken it over.
        _ => Fate::Back(other, None),
    }
}

/// Whether one that is under way has done something.
type Done<'a> = &'a dyn Fn(&Sibling) -> bool;

/// The others that are not as far, in words; none where all are.
fn lacking(s: &Snapshot, pact: &Pact, done: Done<'_>) -> Option<Why> {
    let behind: Vec<&Sibling> = partners(s, pact)
        .into_iter()
        .filter_map(|(_, fate)| match fate {
            Fate::Going(other) => {
                let agrees = other.record.group.as_ref().is_some_and(|theirs| theirs.agrees(pact));
                (!agrees || !done(other)).then_some(other)
            }
            Fate::Promoted | Fate::Back(..) | Fate::Gone => None,
        })
        .collect();
    let people = behind.iter().all(|other| needs_people(other));
    let members: Vec<(String, String)> =
        behind.iter().map(|other| (other.name.clone(), state(other))).collect();
    (!members.is_empty()).then(|| Why::Together { group: pact.group.clone(), members, people })
}

fn needs_people(other: &Sibling) -> bool {
    let asked = matches!(&other.record.phase, Phase::Step(place) if place.asks() || place.held.is_some());
    asked || is_paused(other.mode, &other.record) || other.mode != Mode::Active
}

/// What keeps it, and what ends that.
fn state(other: &Sibling) -> String {
    let place = match &other.record.phase {
        Phase::Step(place) => Some(place),
        _ => None,
    };
    if other.deleting {
        return "is being deleted".to_owned();
    }
    match other.mode {
        Mode::HandsOff => return "its spec.mode is HandsOff: set it to Active".to_owned(),
        Mode::Paused => return "its spec.mode is Paused: set it to Active".to_owned(),
        Mode::Active => {}
    }
    if is_paused(other.mode, &other.record) {
        return "it is paused: resume it".to_owned();
    }
    match (place, &other.waiting_for) {
        (Some(StepRecord { held: Some(held), step, .. }), _) => {
            format!("step {step} waits for a decision on {}", held.check)
        }
        (Some(place), _) if place.asks() => format!("step {} waits for approval", place.step),
        (Some(StepRecord { step, .. }), Some(waits)) => format!("step {step} waits for {waits}"),
        (Some(StepRecord { step, .. }), None) => format!("is at step {step}"),
        (None, _) => "is on its way".to_owned(),
    }
}

/// Where it stands among the steps; behind all of them once it becomes live.
fn index(s: &Snapshot, record: &Record) -> Option<usize> {
    match &record.phase {
        Phase::Step(place) => s.settings.step(&place.step).map(|(index, _)| index),
        Phase::Promoting { .. } => Some(usize::MAX),
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } | Phase::Returning { .. } => None,
    }
}

/// Whether it has promised that the gates of that step are met, or has left it.
fn has_passed(s: &Snapshot, other: &Sibling, at: usize) -> bool {
    let promised = |name: &String| other.record.group.as_ref().is_some_and(|pact| pact.passed.contains(name));
    s.settings.steps.get(at).is_some_and(|step| promised(&step.name))
        || index(s, &other.record).is_some_and(|index| index > at)
}

/// Whether it has promised all that comes before the weight of that step.
fn may_see(s: &Snapshot, other: &Sibling, at: usize) -> bool {
    if let Some(before) = at.checked_sub(1) {
        return has_passed(s, other, before);
    }
    let ready = other.record.group.as_ref().is_some_and(|pact| pact.ready || !pact.passed.is_empty());
    ready || index(s, &other.record).is_some_and(|index| index > 0)
}

/// Whether that step's weight was there.
fn has_reached(s: &Snapshot, other: &Sibling, at: usize) -> bool {
    let here =
        matches!(&other.record.phase, Phase::Step(place) if place.reached.is_some() || place.lost.is_some());
    index(s, &other.record).is_some_and(|index| index > at || (index == at && here))
}

/// Whom the weight of a step waits for: all must have promised what comes before it, and those whose order is lower go first.
fn before_weight(s: &Snapshot, pact: &Pact, at: usize) -> Option<Why> {
    let order = s.world.group.as_ref().map_or(0, |seen| seen.order);
    let done = |other: &Sibling| may_see(s, other, at) && (other.order >= order || has_reached(s, other, at));
    lacking(s, pact, &done)
}

/// Whether a plan would bring the candidate to a new weight although others are not as far.
pub(crate) fn forestalls(s: &Snapshot, effect: &Effect) -> bool {
    let (Some(pact), Phase::Step(place)) = (&s.record.group, &s.record.phase) else { return false };
    let Some((at, _)) = s.settings.step(&place.step) else { return false };
    let unsettled = pact.members.is_empty() || !pact.ready;
    is_first(place) && effect.is_forward(&s.record) && (unsettled || before_weight(s, pact, at).is_some())
}

/// Its weight was never there: whatever another hand takes of one that was is given back at once.
const fn is_first(place: &StepRecord) -> bool {
    place.reached.is_none() && place.lost.is_none()
}

/// Holds the weight of a step back until all members may have it. What else is to be written is, meanwhile.
pub(super) fn hold(s: &Snapshot, place: &StepRecord, at: usize, next: &mut Next) -> Option<Hold> {
    let pact = s.record.group.as_ref()?;
    let forward = next.effects.iter().any(|effect| effect.is_forward(&s.record));
    if !forward || !is_first(place) {
        return pact.waiting.then(|| clock(s, place, false));
    }
    let waits = match settle(s, pact) {
        Ok(settled) => {
            let promise = Pact { ready: true, ..settled };
            let waits = before_weight(s, &promise, at);
            if promise != *pact {
                let mut draft = Draft::new(s);
                draft.record.group = Some(promise);
                next.why.extend(waits);
                return Some(Hold::Commit(Box::new(draft.commit(std::mem::take(&mut next.why)))));
            }
            waits
        }
        Err(why) => Some(why),
    };
    let Some(why) = waits else {
        return pact.waiting.then(|| clock(s, place, false));
    };
    // The time that is left must do for the rest of the way, whatever the others need.
    let half = Time(place.deadline.0.saturating_sub(s.settings.progress_deadline.0 / 2));
    if !pact.waiting && s.now >= half {
        return Some(clock(s, place, true));
    }
    if !pact.waiting {
        next.wake(half);
    }
    next.effects.retain(|effect| !effect.is_forward(&s.record));
    next.why.retain(|why| !matches!(why, Why::Shifting { .. }));
    wait(why, next);
    Some(Hold::Wait)
}

/// Notes that others are waited for, or no more: then the machine has its whole time again.
fn clock(s: &Snapshot, place: &StepRecord, waiting: bool) -> Hold {
    let mut draft = Draft::new(s);
    if let Some(pact) = &mut draft.record.group {
        pact.waiting = waiting;
    }
    let deadline = s.now + s.settings.progress_deadline;
    draft.record.phase = Phase::Step(StepRecord { deadline, ..place.clone() });
    Hold::Commit(Box::new(draft.commit(Vec::new())))
}

/// Says it, and looks again when its time is over.
pub(super) fn wait(why: Why, next: &mut Next) {
    if let Why::Gathering { until, .. } = &why {
        next.wake(*until);
    }
    next.say(why);
}

/// What a step whose gates are met has to promise, and whom it waits for then.
pub(super) fn barrier(s: &Snapshot, at: usize) -> Option<Barrier> {
    let pact = s.record.group.as_ref()?;
    let mut promise = match settle(s, pact) {
        Ok(settled) => settled,
        Err(why) => return Some(Barrier::Wait(why)),
    };
    if let Some(step) = s.settings.steps.get(at).filter(|step| !promise.passed.contains(&step.name)) {
        promise.passed.push(step.name.clone());
    }
    let waits = lacking(s, &promise, &|other| has_passed(s, other, at));
    Some(match waits {
        Some(why) if promise == *pact => Barrier::Wait(why),
        waits => Barrier::Promise(promise, waits),
    })
}

/// Puts the promise into what leaves a step. Whom it waits for, if it may not leave it yet.
pub(super) fn pass(draft: &mut Draft<'_>, at: usize) -> Option<Vec<Why>> {
    let skipped = draft.record.group.as_ref().and_then(|pact| pact.skipped.clone());
    match barrier(draft.s, at)? {
        Barrier::Wait(why) => Some(vec![why]),
        Barrier::Promise(promise, Some(why)) => {
            draft.record.group = Some(Pact { skipped, ..promise });
            Some(vec![why])
        }
        Barrier::Promise(promise, None) => {
            draft.record.group = Some(Pact { skipped: None, ..promise });
            None
        }
    }
}

/// A person skipped the gates of this step, and the others are waited for.
pub(super) fn is_skipped(s: &Snapshot, place: &StepRecord) -> bool {
    s.record.group.as_ref().is_some_and(|pact| pact.skipped.as_ref() == Some(&place.step))
}

/// The member with which going back began, and why, if one went back.
fn sender(s: &Snapshot) -> Option<(String, Cause)> {
    let pact = &counted(s, s.record.group.as_ref()?);
    let mut sent: Vec<(bool, String, Cause)> = partners(s, pact)
        .into_iter()
        .filter_map(|(member, fate)| match fate {
            Fate::Going(_) | Fate::Promoted => None,
            Fate::Gone => Some((false, member.name.clone(), Cause::Superseded)),
            Fate::Back(other, cause) => Some(blamed(pact, other, cause)),
        })
        .collect();
    // Who failed says more than who followed, and a failure more than a change of mind.
    sent.sort_by_key(|(follows, _, cause)| (!cause.rejects(), *follows));
    sent.into_iter().next().map(|(_, name, cause)| (name, cause))
}

fn blamed(pact: &Pact, other: &Sibling, cause: Option<&Cause>) -> (bool, String, Cause) {
    let by = other.record.group.as_ref().and_then(|theirs| theirs.sent_back_by.clone());
    let cause = match cause {
        Some(cause) if cause.rejects() && by.is_some() => cause.clone(),
        Some(cause) if cause.rejects() => Cause::Decision {
            user: format!("group {}", pact.group),
            rejected: false,
            reason: format!("{} went back: {}", other.name, crate::report::cause(cause)),
        },
        Some(_) | None => Cause::Superseded,
    };
    let follows = by.is_some();
    (follows, by.unwrap_or_else(|| other.name.clone()), cause)
}

/// What one member's going back means for this one: a failure takes all back, for as long as they can go back; any other end, as a
/// change of its spec, those that are not live yet, and they begin anew with it.
pub(super) fn sends_back(s: &Snapshot) -> Option<Cause> {
    let (_, cause) = sender(s)?;
    let tried = s.record.candidate.map(|candidate| candidate.slot);
    let follows = match &s.record.phase {
        Phase::Step(_) => true,
        Phase::Promoting { .. } => cause.rejects() || s.world.live_service.points != tried,
        Phase::Rest { .. } => cause.rejects() && is_of_group(s),
        Phase::New | Phase::Installing { .. } | Phase::Returning { .. } => false,
    };
    follows.then_some(cause)
}

/// The old release stays until all of the list are live: one of them may still lead all back.
pub(super) fn keeps(s: &Snapshot) -> Option<Why> {
    let pact = s.record.group.as_ref().filter(|_| is_of_group(s))?;
    lacking(s, pact, &|_| false)
}

/// Whether what is live came with the group.
fn is_of_group(s: &Snapshot) -> bool {
    let (Some(pact), Some(seen), Some(live)) = (&s.record.group, &s.world.group, s.record.live) else {
        return false;
    };
    pact.members.iter().any(|member| member.uid == seen.uid && member.revision == live.slot.revision)
}

/// Notes in a record that goes back who began that, where it was another member.
pub(super) fn blame(s: &Snapshot, record: &mut Record, cause: &Cause) {
    let own = s.settings.wanted.is_some() && s.settings.wanted != s.record.candidate.map(|own| own.hash);
    let sent = sender(s).filter(|(_, sent)| sent == cause && (cause.rejects() || !own));
    if let (Some(pact), Some((by, _))) = (&mut record.group, sent) {
        pact.sent_back_by = Some(by);
    }
}
