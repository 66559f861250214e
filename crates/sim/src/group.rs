//! Several members of a group, each a world of its own with the planner that ships, walked together. Of itself each sees what is
//! there; of the others it sees what they had committed at any earlier time. Whoever plans remembers nothing, so a crash between
//! two commits is the same as others acting between them. What one plan writes besides lands together here: that it may stop
//! in between, and land late, is walked for one Rollout alone.

mod check;

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use teal_plan::pact::{Member, Pact};
use teal_plan::record::{Phase, Record};
use teal_plan::settings::{Group as Named, Mode};
use teal_plan::snapshot::{GroupSeen, Sibling, Snapshot};
use teal_plan::{Decision, Effect, Span, lint, plan};

use self::check::{settled, written};
use crate::act::{Gather, Say, each, settle_ages};
use crate::apply::may_issue;
use crate::check::Broken;
use crate::events;
use crate::model::Budget;
use crate::view::{Writer, snapshot};
use crate::world::{Caches, Proxies, World, Write};

/// What is walked.
#[derive(Clone, Debug)]
pub struct Walked {
    /// For each member what may go wrong with it.
    pub members: Vec<Budget>,
    /// What is seen of others may be old.
    pub lags: bool,
    /// The orders of writes within a step.
    pub orders: Vec<i32>,
    /// It begins with new releases of all, each ready for its first weight and nothing agreed.
    pub prepared: bool,
    /// No more states than this.
    pub states: usize,
    /// Every how many states it is tried whether all settle once faults end.
    pub settle_every: usize,
}

/// A protection that is taken away on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GroupFault {
    /// What others promise isn't asked.
    Unheard,
    /// A list is left although all of its members have it.
    ListLeft,
    /// That another one went back isn't seen.
    BackUnseen,
    /// What others have committed isn't read anew before a raise.
    NoFreshRead,
    /// The order of writes isn't asked.
    Unordered,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// States that were visited.
    pub states: usize,
    /// Whether there was nothing left to visit.
    pub complete: bool,
    /// States in which all are live with what they tried together.
    pub promoted: usize,
    /// States in which one has followed another one back.
    pub followed: usize,
    /// States with lists that differ.
    pub conflicts: usize,
    /// The first invariant that was broken, with the way there.
    pub broken: Option<(Broken, Vec<String>)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    members: Vec<World>,
    /// What each has seen of each.
    seen: Vec<Vec<Record>>,
    /// With whom those who failed before they were live had gone.
    failed: Vec<Option<Vec<Member>>>,
}

struct Next {
    label: String,
    state: State,
    broken: Option<Broken>,
}

/// Walks the group from rest.
pub fn explore(walked: &Walked, fault: Option<GroupFault>) -> Found {
    let mut found = Found { complete: true, ..Found::default() };
    let mut known: HashMap<(u64, u64), usize> = HashMap::new();
    let mut parents: Vec<(usize, usize)> = Vec::new();
    let mut queue: VecDeque<(usize, State)> = VecDeque::new();
    let start = State::at_rest(walked);
    known.insert(fingerprint(&start), 0);
    parents.push((usize::MAX, 0));
    queue.push_back((0, start));
    while let Some((index, state)) = queue.pop_front() {
        if found.states >= walked.states {
            found.complete = false;
            break;
        }
        found.states += 1;
        found.tally(&state);
        let settled = if index.is_multiple_of(walked.settle_every) {
            settle(&state, walked, fault).err().map(|broken| (broken, None))
        } else {
            None
        };
        let next = if settled.is_some() { Vec::new() } else { successors(&state, walked, fault, false) };
        let failed = next.iter().enumerate().find_map(|(at, next)| Some((next.broken.clone()?, Some(at))));
        if let Some((broken, last)) = settled.or(failed) {
            found.broken = Some((broken, way(walked, fault, &parents, index, last)));
            found.complete = false;
            break;
        }
        for (place, Next { state, .. }) in next.into_iter().enumerate() {
            let new = parents.len();
            if *known.entry(fingerprint(&state)).or_insert(new) == new {
                parents.push((index, place));
                queue.push_back((new, state));
            }
        }
    }
    found
}

/// The way there is walked once more, for its labels.
fn way(
    walked: &Walked,
    fault: Option<GroupFault>,
    parents: &[(usize, usize)],
    index: usize,
    last: Option<usize>,
) -> Vec<String> {
    let mut places: Vec<usize> = last.into_iter().collect();
    let mut at = index;
    while let Some((parent, place)) = parents.get(at).filter(|(parent, _)| *parent != usize::MAX) {
        places.push(*place);
        at = *parent;
    }
    let mut state = State::at_rest(walked);
    let mut path = Vec::new();
    for place in places.into_iter().rev() {
        let Some(next) = successors(&state, walked, fault, true).into_iter().nth(place) else { break };
        path.push(next.label);
        state = next.state;
    }
    path
}

fn fingerprint(state: &State) -> (u64, u64) {
    let mut first = FxHasher::default();
    state.hash(&mut first);
    let mut second = std::hash::DefaultHasher::new();
    state.hash(&mut second);
    (first.finish(), second.finish())
}

impl Found {
    fn tally(&mut self, state: &State) {
        let records = || state.members.iter().map(|world| &world.truth.record);
        self.promoted += usize::from(records().all(|record| record.counter > 1 && is_live(record)));
        let back = |record: &Record| {
            record.group.as_ref().is_some_and(|pact| pact.sent_back_by.is_some())
                && matches!(record.phase, Phase::Rest { .. })
        };
        self.followed += usize::from(records().any(back));
        let lists: Vec<&Pact> = records()
            .filter_map(|record| record.group.as_ref())
            .filter(|pact| !pact.members.is_empty())
            .collect();
        let differ = |one: &Pact| lists.iter().any(|other| !one.agrees(other));
        self.conflicts += usize::from(lists.iter().any(|pact| differ(pact)));
    }
}

/// What its pact was made for is live.
fn is_live(record: &Record) -> bool {
    let (Some(pact), Some(live)) = (&record.group, record.live) else { return false };
    pact.members
        .iter()
        .any(|member| member.started == record.started && member.revision == live.slot.revision)
}

impl State {
    fn at_rest(walked: &Walked) -> Self {
        let members: Vec<World> = walked.members.iter().map(|budget| World::at_rest(*budget)).collect();
        let records: Vec<Record> = members.iter().map(|world| world.truth.record.clone()).collect();
        let seen = members.iter().map(|_| records.clone()).collect();
        let failed = members.iter().map(|_| None).collect();
        let mut state = Self { members, seen, failed };
        state.normalise(walked);
        if walked.prepared {
            state.prepare(walked);
        }
        state
    }

    /// Brings all up, as far as each goes by itself.
    fn prepare(&mut self, walked: &Walked) {
        for world in &mut self.members {
            (world.truth.wanted, world.budget.contents) = (2, 0);
        }
        let agrees = |write: &Write| matches!(write, Write::Commit(record) if record.group.as_ref().is_some_and(|pact| pact.ready));
        // More rounds than it takes.
        for _ in 0..30 {
            for own in 0..self.members.len() {
                let (writes, epoch, _) = planned(self, own, walked, None);
                for write in writes.into_iter().filter(|write| !agrees(write)) {
                    written(self, own, &write, epoch, walked);
                }
            }
            for world in &mut self.members {
                for pods in [&mut world.truth.blue, &mut world.truth.green].into_iter().flatten() {
                    pods.ready = true;
                }
                world.tick();
            }
            self.normalise(&Walked { lags: false, ..walked.clone() });
        }
    }

    /// Forgets what no rule looks at, so that states repeat.
    fn normalise(&mut self, walked: &Walked) {
        for world in &mut self.members {
            // Proxies and lagging caches are the business of the walks of one Rollout alone.
            world.proxies = Proxies {
                routes: world.truth.routes.weights(),
                beside: world.truth.routes.beside(),
                live: world.truth.behind_live(),
                candidate: world.truth.candidate.value,
            };
            settle_ages(world);
            world.forget();
            world.caches = Caches::fresh(&world.truth);
        }
        for reader in 0..self.members.len() {
            for (of, world) in self.members.iter().enumerate() {
                let (Some(row), record) = (self.seen.get_mut(reader), &world.truth.record) else { continue };
                let Some(seen) = row.get_mut(of) else { continue };
                // Of what it says of the past nothing but what a rule reads differs.
                if !walked.lags || of == reader || relevant(seen) == relevant(record) {
                    seen.clone_from(record);
                }
            }
        }
        for of in 0..self.members.len() {
            self.renumber(of);
        }
    }

    fn renumber(&mut self, of: usize) {
        let mut order: Vec<u64> = Vec::new();
        self.each_epoch(of, &mut |epoch| order.push(*epoch));
        order.sort_unstable();
        order.dedup();
        self.each_epoch(of, &mut |epoch| {
            let rank = order.binary_search(epoch).unwrap_or(0);
            *epoch = u64::try_from(rank).unwrap_or(0) + 1;
        });
    }

    /// Epochs of one member, wherever they stand.
    fn each_epoch(&mut self, of: usize, change: &mut dyn FnMut(&mut u64)) {
        let uid = uid(of);
        let listed = |pact: Option<&mut Pact>, change: &mut dyn FnMut(&mut u64)| {
            let members = pact.into_iter().flat_map(|pact| &mut pact.members);
            members.filter(|member| member.uid == uid).for_each(|member| change(&mut member.started));
        };
        for (index, world) in self.members.iter_mut().enumerate() {
            if index == of {
                world.each_epoch(change);
            }
            listed(world.truth.record.group.as_mut(), change);
            listed(world.caches.record.group.as_mut(), change);
        }
        for row in &mut self.seen {
            for (index, record) in row.iter_mut().enumerate() {
                if index == of {
                    change(&mut record.epoch);
                    change(&mut record.started);
                }
                listed(record.group.as_mut(), change);
            }
        }
        for member in self.failed.iter_mut().flatten().flatten().filter(|member| member.uid == uid) {
            change(&mut member.started);
        }
    }
}

/// What another member's rules read of a record, as a hash.
fn relevant(record: &Record) -> u64 {
    let mut hasher = FxHasher::default();
    (&record.group, record.started, record.live, record.candidate).hash(&mut hasher);
    std::mem::discriminant(&record.phase).hash(&mut hasher);
    match &record.phase {
        Phase::Step(place) => {
            (&place.step, place.reached.is_some() || place.lost.is_some()).hash(&mut hasher);
        }
        Phase::Returning { cause, .. } => cause.hash(&mut hasher),
        Phase::Rest { outcome } => outcome.hash(&mut hasher),
        Phase::New | Phase::Installing { .. } | Phase::Promoting { .. } => {}
    }
    hasher.finish()
}

fn uid(member: usize) -> String {
    format!("uid-{member}")
}

fn view(state: &State, own: usize, walked: &Walked, fault: Option<GroupFault>) -> Option<Snapshot> {
    let world = state.members.get(own)?;
    let mut s = snapshot(world, Writer::B, None);
    s.settings.group = Some(Named { name: "checkout".to_owned(), gather: Span(0) });
    let order = |member: usize| walked.orders.get(member).copied().unwrap_or(0);
    let others = state.seen.get(own)?.iter().enumerate();
    let others = others.filter(|(of, _)| *of != own);
    let siblings = others.filter_map(|(of, record)| {
        let truth = &state.members.get(of)?.truth;
        let mut record = record.clone();
        match (fault, &mut record.group) {
            (Some(GroupFault::Unheard), Some(pact)) => {
                pact.ready = true;
                pact.passed = vec!["canary".to_owned(), "full".to_owned()];
            }
            (Some(GroupFault::ListLeft), Some(pact)) if !pact.passed.is_empty() => pact.round += 1,
            _ => {}
        }
        let is_back = match &record.phase {
            Phase::Returning { .. } => true,
            Phase::Rest { outcome } => *outcome != teal_plan::record::Outcome::Promoted,
            _ => false,
        };
        if is_back && fault == Some(GroupFault::BackUnseen) {
            record.phase = Phase::Promoting { deadline: teal_plan::Time(0) };
        }
        Some(Sibling {
            name: format!("member-{of}"),
            uid: uid(of),
            order: if fault == Some(GroupFault::Unordered) { 0 } else { order(of) },
            record,
            mode: truth.mode,
            deleting: truth.deleting,
            waiting_for: None,
        })
    });
    let gone = |sibling: &Sibling| {
        (0..state.members.len())
            .any(|of| uid(of) == sibling.uid && state.members.get(of).is_some_and(|world| world.truth.gone()))
    };
    let siblings = siblings.filter(|sibling| !gone(sibling)).collect();
    let order = if fault == Some(GroupFault::Unordered) { 0 } else { order(own) };
    s.world.group = Some(GroupSeen { name: format!("member-{own}"), uid: uid(own), order, siblings });
    Some(s)
}

/// What one member would write now.
fn planned(
    state: &State,
    own: usize,
    walked: &Walked,
    fault: Option<GroupFault>,
) -> (Vec<Write>, u64, Option<Broken>) {
    let (Some(s), Some(world)) = (view(state, own, walked, fault), state.members.get(own)) else {
        return (Vec::new(), 0, None);
    };
    let plan = plan(&s);
    let wrong = lint::lint(&s, &plan).into_iter().next();
    let wrong =
        wrong.map(|wrong| Broken { invariant: wrong.invariant, detail: format!("lint: {}", wrong.detail) });
    let writes = match plan.decision {
        Decision::Rest => Vec::new(),
        Decision::Commit(commit) => vec![Write::Commit(Box::new(commit.record))],
        Decision::Act(effects) => {
            effects.into_iter().flat_map(|effect| each(world, &s, effect, None)).collect()
        }
    };
    let fresh = fault == Some(GroupFault::NoFreshRead) || may_raise(state, own);
    let writes = writes
        .into_iter()
        .filter(|write| may_issue(&world.truth, write, s.record.epoch, None) && (fresh || !raises(write)));
    (writes.collect(), s.record.epoch, wrong)
}

fn raises(write: &Write) -> bool {
    matches!(write, Write::Route(_, Effect::RaiseWeight(_)))
}

/// What is read anew before a raise: that no other one has gone back.
fn may_raise(state: &State, own: usize) -> bool {
    state.partners(own).all(|other| !other.is_some_and(|(member, record)| member.went_back(record)))
}

impl State {
    /// The other members of its list, as they are; none for one that is gone.
    fn partners(&self, own: usize) -> impl Iterator<Item = Option<(&Member, &Record)>> {
        let pact = self.members.get(own).and_then(|world| world.truth.record.group.as_ref());
        let members =
            pact.into_iter().flat_map(|pact| &pact.members).filter(move |member| member.uid != uid(own));
        members.map(|member| {
            let of = (0..self.members.len()).find(|of| uid(*of) == member.uid)?;
            let world = self.members.get(of).filter(|world| !world.truth.gone())?;
            Some((member, &world.truth.record))
        })
    }
}

fn successors(state: &State, walked: &Walked, fault: Option<GroupFault>, say: bool) -> Vec<Next> {
    let mut out = Vec::new();
    for own in 0..state.members.len() {
        writes(state, own, walked, (fault, say), &mut out);
        happenings(state, own, say, &mut out);
        for of in (0..state.members.len()).filter(|of| *of != own && walked.lags) {
            let mut next = state.clone();
            if let (Some(world), Some(seen)) =
                (state.members.get(of), next.seen.get_mut(own).and_then(|row| row.get_mut(of)))
            {
                seen.clone_from(&world.truth.record);
            }
            out.push(Next { label: said(say, || format!("{own} sees {of}")), state: next, broken: None });
        }
    }
    let mut later = state.clone();
    later.members.iter_mut().for_each(World::tick);
    out.push(Next { label: said(say, || "time passes".to_owned()), state: later, broken: None });
    for next in &mut out {
        next.state.normalise(walked);
    }
    out.retain(|next| next.state != *state || next.broken.is_some());
    out
}

fn said(say: bool, label: impl FnOnce() -> String) -> String {
    if say { label() } else { String::new() }
}

fn writes(
    state: &State,
    own: usize,
    walked: &Walked,
    (fault, say): (Option<GroupFault>, bool),
    out: &mut Vec<Next>,
) {
    let (writes, epoch, wrong) = planned(state, own, walked, fault);
    if writes.is_empty() {
        return;
    }
    let mut next = state.clone();
    let mut broken = wrong;
    for write in &writes {
        broken = broken.or(written(&mut next, own, write, epoch, walked));
    }
    let label = said(say, || {
        let each: Vec<String> = writes.iter().map(brief).collect();
        format!("{own} writes {}", each.join(", "))
    });
    out.push(Next { label, state: next, broken });
}

fn brief(write: &Write) -> String {
    match write {
        Write::Commit(record) => format!("commit {} {:?} {:?}", record.epoch, record.phase, record.group),
        other => format!("{other:?}"),
    }
}

/// What happens to one member besides its writes. Its proxies follow at once, and time is the same for all.
fn happenings(state: &State, own: usize, say: bool, out: &mut Vec<Next>) {
    let Some(world) = state.members.get(own) else { return };
    let mut gather = Gather { world, say: Say(true), out: Vec::new(), waits: false };
    events::gather(&mut gather);
    for happening in gather.out {
        if happening.label == "time passes" || happening.label.starts_with("proxies") {
            continue;
        }
        let mut next = state.clone();
        if let Some(there) = next.members.get_mut(own) {
            *there = happening.world;
        }
        let label = said(say, || format!("{own}: {}", happening.label));
        out.push(Next { label, state: next, broken: None });
    }
}

/// Without further faults all come to rest: live together, or back together.
fn settle(state: &State, walked: &Walked, fault: Option<GroupFault>) -> Result<(), Broken> {
    const ROUNDS: usize = 250;
    const QUIET: usize = 8;
    let mut state = state.clone();
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        quiet = if calm_round(&mut state, walked, fault)? { quiet + 1 } else { 0 };
        if quiet >= QUIET {
            return settled(&state);
        }
    }
    let phases: Vec<&Phase> = state.members.iter().map(|world| &world.truth.record.phase).collect();
    Err(Broken { invariant: "settles", detail: format!("not within {ROUNDS} rounds: {phases:?}") })
}

fn calm_round(state: &mut State, walked: &Walked, fault: Option<GroupFault>) -> Result<bool, Broken> {
    let mut idle = true;
    for own in 0..state.members.len() {
        let records: Vec<Record> = state.members.iter().map(|world| world.truth.record.clone()).collect();
        if let Some(row) = state.seen.get_mut(own) {
            *row = records;
        }
        let (writes, epoch, wrong) = planned(state, own, walked, fault);
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        idle &= writes.is_empty();
        for write in writes {
            written(state, own, &write, epoch, walked).map_or(Ok(()), Err)?;
        }
    }
    for world in &mut state.members {
        let truth = &mut world.truth;
        for pods in [&mut truth.blue, &mut truth.green].into_iter().flatten() {
            (pods.ready, pods.down) = (!pods.broken, false);
        }
        // Whoever is asked agrees, and whoever kept his hands off lets go.
        if let Phase::Step(place) = &truth.record.phase
            && let Some(gate) = &place.gate
            && truth.approval.as_ref().is_none_or(|(nonce, _)| *nonce != gate.nonce)
        {
            truth.approval = Some((gate.nonce.clone(), false));
            idle = false;
        }
        if truth.mode != Mode::Active {
            (truth.mode, idle) = (Mode::Active, false);
        }
    }
    if idle {
        state.members.iter_mut().for_each(World::tick);
    }
    state.normalise(walked);
    Ok(idle)
}
