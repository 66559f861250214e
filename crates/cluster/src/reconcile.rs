//! One look at one Rollout: observe, plan, then either commit or act.

mod charts;
mod known;
mod members;
mod needs;
mod pace;
mod repairs;
mod settle;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use teal_api::names::manager;
use teal_api::rollout::CheckStatus;
use teal_api::{Rollout, RolloutStatus};
use teal_plan::snapshot::Stops;
use teal_plan::{Commit, Decision, Effect, Phase, Plan, Span, Time, Why, lint, plan, report};
use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument;

pub(crate) use self::charts::Before;
use self::pace::{earlier, is_errand, pause, turn_to_live, until};
use self::repairs::{due, note_whole, refused, stops};
use self::settle::must_look_up;
use self::values::Values;
use crate::access::Target;
use crate::checks::{Measurer, problems, questions};
use crate::error::{Class, Error};
use crate::events::Events;
use crate::evidence;
use crate::execute::{Done, Order, Tools, execute, keep, revision};
use crate::kinds;
use crate::lease::Leadership;
use crate::memory::{Memory, Room};
use crate::met::{before_any_weight, mended, noted, remember, remember_each};
use crate::metrics::{Watching, figures};
use crate::observe::{Scene, Seen, observe, traffic_told};
use crate::orphans;
use crate::room;
use crate::status::{self, Parts};
use crate::stores::{Named, ObjectId, Pokes, RolloutView};

/// Everything that looks share.
pub(crate) struct Reconciler {
    pub(crate) tools: Tools,
    pub(crate) pokes: Pokes,
    pub(crate) checks: Measurer,
    pub(crate) events: Events,
    pub(crate) leadership: Leadership,
    pub(crate) watching: Arc<Watching>,
    pub(crate) memories: Mutex<Memories>,
    pub(crate) nodes: room::Nodes,
    pub(crate) named: Named,
}

/// By name, with the uid of whom they are of.
type Memories = HashMap<ObjectId, (String, Arc<AsyncMutex<Memory>>)>;

/// When to look again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// When something changes.
    Change,
    /// At once and before all others: traffic goes back.
    Urgent,
    /// After this time, if nothing changes before.
    After(Duration),
}

/// How long a status must differ before it is written without a transition.
const PATIENCE: Span = Span::seconds(1);
/// The same after one that was written a short time ago: what flaps is told now and then.
const SELDOM: Span = Span::seconds(15);

/// The same for what is wrong while the machine is at work, most of which mends itself as pods start.
const TROUBLE: Span = Span::seconds(5);

/// What is told of contents that can't be read.
const READ: &str = "ReadRevision";

/// When what could not be read is tried again. A try may take longer than a look on the way back may.
fn again_at(memory: &Memory, what: &'static str) -> Option<Time> {
    let (failures, at) = memory.failing.get(&(what, None))?;
    let pause = pause(*failures, Class::Denied).as_millis();
    Some(*at + Span(i64::try_from(pause).unwrap_or(i64::MAX)))
}

/// The present in milliseconds. The only clock of this room.
pub(crate) fn now() -> Time {
    Time(jiff::Timestamp::now().as_millisecond())
}

impl Reconciler {
    /// Looks at one Rollout. Only the leader acts; the others keep warm caches.
    pub(crate) async fn reconcile(&self, id: &ObjectId) -> Next {
        let Some(view) = self.tools.stores.rollouts.get(&id.namespace, &id.name) else {
            self.forget(id);
            let leads = self.leadership.is_leader();
            return if leads { orphans::look(&self.tools, id).await } else { Next::Change };
        };
        if !self.leadership.is_leader() {
            return Next::Change;
        }
        let mut rollout = match view.rollout() {
            Ok(rollout) => rollout,
            Err(problem) => {
                if self.watching.unreadable(id, view.version) {
                    self.say_unreadable(&view, &problem).await;
                }
                return Next::Change;
            }
        };
        let memory = self.memory(id, &view.uid);
        let mut memory = memory.lock().await;
        let span = tracing::info_span!(
            "look",
            rollout = %id,
            revision = tracing::field::Empty,
            epoch = tracing::field::Empty
        );
        let looked = async {
            // A look begins with the Rollout as it is, not as it was before it was read anew.
            let settled = self.settle(&mut memory).await?;
            if settled {
                return Ok(None);
            }
            let values = self.valued(id, &mut rollout, &mut memory).await;
            let next = self.look(&view, &rollout, values, &mut memory).await?;
            let again = memory.taken.as_ref().and_then(|taken| taken.again);
            let before = memory.before.as_ref().and_then(|before| before.again);
            Ok(Some(earlier(earlier(next, until(again, now())), until(before, now()))))
        };
        let started = std::time::Instant::now();
        let result: Result<Option<Next>, Error> = looked.instrument(span).await;
        self.watching.reconciled(started.elapsed());
        if !self.leadership.is_leader() {
            // What a look under way took note of when leadership was lost already.
            self.ask_nothing(&view.uid);
            return Next::Change;
        }
        memory.failures = match &result {
            Ok(Some(_)) => 0,
            // What failed before may do so again.
            Ok(None) => memory.failures,
            Err(_) => memory.failures.saturating_add(1),
        };
        if let Err(error) = &result {
            let class = error.class();
            self.watching.failed(class.as_str());
            // A conflict is how two writers notice each other, and nothing to tell anyone about.
            if class == Class::Conflict {
                tracing::debug!(rollout = %id, %error, "looks again");
            } else {
                tracing::warn!(rollout = %id, %error, class = class.as_str(), "a look failed");
            }
            return Next::After(pause(memory.failures, class));
        }
        result.ok().flatten().unwrap_or(Next::After(Duration::ZERO))
    }

    async fn look(
        &self,
        view: &RolloutView,
        rollout: &Rollout,
        values: Values,
        memory: &mut Memory,
    ) -> Result<Next, Error> {
        let unread = values.unread().max(self.prepare(view, rollout, memory).await?);
        let chart = self.chart(view, rollout, (unread.is_some(), values), memory).await;
        let started = std::time::Instant::now();
        let now = now();
        let seen = observe(Scene {
            stores: &self.tools.stores,
            pokes: &self.pokes,
            config: &self.tools.config,
            rollout,
            memory,
            checks: self.checks.standing(&view.uid),
            now,
            nonce: nonce(),
            problems: problems(&self.checks, rollout),
            chart,
        });
        let span = tracing::Span::current();
        span.record("epoch", seen.snapshot.record.epoch);
        if let Some(release) = seen.snapshot.record.candidate.or(seen.snapshot.record.live) {
            span.record("revision", tracing::field::display(release.slot.revision));
        }
        let mut plan = plan(&seen.snapshot);
        if let Some(violation) = lint::lint(&seen.snapshot, &plan).into_iter().next() {
            return Err(Error::Refused { invariant: violation.invariant, detail: violation.detail });
        }
        self.checks.ask(questions(rollout, &seen, &plan.measure));
        let took = started.elapsed();
        let mut report = report::report(&seen.snapshot, &plan);
        let checks = self.checks.statuses(&view.uid);
        self.watching.looked(figures(view, &seen, &report, &checks), took);
        report.message.push_str(&traffic_told(seen.traffic_waits, &seen.later));
        if unread.is_some() && !turn_to_live(&mut plan, &seen.snapshot.record) {
            let said = self.say(rollout, &seen, &plan, &report, memory).await?;
            return Ok(earlier(said, until(unread, self::now())));
        }
        if plan.goes_forward(&seen.snapshot.record) {
            if let Err(error) = self.keep_up(rollout, &seen, true, memory).await {
                // What holds up the way forward is told while it does.
                drop(self.say(rollout, &seen, &plan, &report, memory).await);
                return Err(error);
            }
            return self.follow(view, rollout, &seen, &plan, report, memory).await;
        }
        let next = self.follow(view, rollout, &seen, &plan, report, memory).await;
        let at_once = matches!(next, Ok(Next::Urgent | Next::After(Duration::ZERO)));
        if is_errand(&plan.decision, &seen.snapshot.record.phase, at_once) {
            return next;
        }
        // What can't be kept up holds up the way forward alone: going back by the Services needs nothing of what a mesh
        // refuses, and goes before it. It has pauses of its own between its tries, and was told of where it failed.
        let kept = self.keep_up(rollout, &seen, false, memory).await;
        let told = if matches!(kept, Ok(true)) { Next::After(Duration::ZERO) } else { Next::Change };
        let again = memory.kept.map(|(_, at)| at);
        Ok(earlier(earlier(earlier(next?, told), until(again, self::now())), until(unread, self::now())))
    }

    /// Keeps up what holds beside what is planned, if it didn't fail a moment ago; but always before the next step forward. Whether
    /// something is to be told of it.
    pub(crate) async fn keep_up(
        &self,
        rollout: &Rollout,
        seen: &Seen,
        forward: bool,
        memory: &mut Memory,
    ) -> Result<bool, Error> {
        if seen.snapshot.ends().is_some() {
            return Ok(false);
        }
        if !forward && memory.kept.is_some_and(|(_, again)| now() < again) {
            return Ok(false);
        }
        let (done, ports) = keep::up(&self.tools, rollout, seen).await;
        // A try may take longer than the pause after it.
        let now = now();
        let told = note_ports(memory, &ports, now);
        let Some(error) = remember(memory, done, Stops::Rollout, now) else {
            memory.kept = None;
            return Ok(told);
        };
        let failures = memory.kept.map_or(0, |(failures, _)| failures).saturating_add(1);
        let pause = pause(failures, error.class());
        let pause = Span(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        memory.kept = Some((failures, now + pause));
        self.watching.failed(error.class().as_str());
        tracing::warn!(%error, class = error.class().as_str(), "what is kept up can't be written");
        Err(error)
    }

    /// Commits or acts as planned, or says why there is nothing to do.
    async fn follow(
        &self,
        view: &RolloutView,
        rollout: &Rollout,
        seen: &Seen,
        plan: &Plan,
        report: report::Report,
        memory: &mut Memory,
    ) -> Result<Next, Error> {
        let now = seen.snapshot.now;
        let ends = seen.snapshot.ends().is_some();
        note_whole(&seen.snapshot, memory);
        if !ends && let Some(next) = self.room(seen, plan, memory).await? {
            return Ok(next);
        }
        let next = match &plan.decision {
            Decision::Commit(commit) => self.commit(view, rollout, seen, &report, commit, memory).await,
            Decision::Act(effects) => self.act(rollout, seen, plan, &report, effects, memory).await,
            Decision::Rest => {
                let said = self.say(rollout, seen, plan, &report, memory).await?;
                let said = earlier(said, until(memory.forgets_at(), now));
                let said = earlier(said, until(memory.lingers_at(), now));
                let told = |room: &&Room| room.stops() || (room.shortage.is_some() && room.is_fresh(now));
                let again = memory.room.as_ref().filter(told);
                let again = again.map_or(Next::Change, |room| until(Some(room.again()), now));
                let again = earlier(again, until(memory.edits.settles(now), now));
                Ok(earlier(earlier(until(plan.wake_at, now), said), again))
            }
        }?;
        // Whatever else there is to do at once goes before a question.
        let at_once = matches!(next, Next::Urgent | Next::After(Duration::ZERO));
        Ok(if ends || at_once { next } else { earlier(next, self.refusals(seen, memory).await) })
    }

    /// Reads what a look needs and no cache has: contents of revisions, and whether the namespace stays. A content that can't
    /// be read now is told of and must not hold up the way back, which needs none: when it is to be tried again.
    async fn prepare(
        &self,
        view: &RolloutView,
        rollout: &Rollout,
        memory: &mut Memory,
    ) -> Result<Option<Time>, Error> {
        let held = rollout.metadata.finalizers.iter().flatten().next().is_some();
        memory.namespace_goes = match self.tools.stores.namespaces.goes(&view.id.namespace) {
            Some(goes) => goes,
            // Not to be held up by a finalizer is what it must be known for.
            None if rollout.metadata.deletion_timestamp.is_some() && held => {
                self.tools.namespace_goes(&view.id.namespace).await?
            }
            None => false,
        };
        if memory.namespace_goes {
            // What was kept goes too, and nothing is made from it any more.
            return Ok(None);
        }
        let hash = memory.hash(rollout);
        let record = rollout.status.as_ref().and_then(|status| status.commit.clone());
        let record: teal_plan::Record =
            record.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
        for release in record.releases() {
            let revision = release.slot.revision;
            let is_known = memory.contents.contains_key(&revision);
            if is_known || !self.needs_kept((view, &record), rollout, &release, hash) {
                continue;
            }
            if let Some(again) = again_at(memory, READ).filter(|again| now() < *again) {
                return Ok(Some(again));
            }
            let kept = revision::content(&self.tools, &view.id.namespace, &view.id.name, revision).await;
            match kept {
                Ok(kept) => memory.learn(revision, kept.as_ref()),
                Err(error @ Error::Kept { .. }) => {
                    memory.learn(revision, None);
                    tracing::warn!(%error, "a kept revision can't be used");
                }
                Err(error) => {
                    self.watching.failed(error.class().as_str());
                    tracing::warn!(%error, class = error.class().as_str(), "a kept revision can't be read");
                    let done = Done::of(READ, Err(error));
                    remember(memory, vec![done], Stops::Rollout, now());
                    return Ok(again_at(memory, READ));
                }
            }
        }
        remember(memory, vec![Done::of(READ, Ok(false))], Stops::Rollout, now());
        Ok(None)
    }

    async fn commit(
        &self,
        view: &RolloutView,
        rollout: &Rollout,
        seen: &Seen,
        report: &report::Report,
        commit: &Commit,
        memory: &mut Memory,
    ) -> Result<Next, Error> {
        let checks = self.checks.statuses(&seen.names.uid);
        let shown = render(rollout, seen, report, &commit.record, checks.clone())?;
        let status = match evidence::pinned(&commit.record, &seen.snapshot.nonce, &shown) {
            Some(record) => render(rollout, seen, report, &record, checks)?,
            None => shown,
        };
        tracing::info!(epoch = commit.record.epoch, phase = report.phase, says = report.message, "committed");
        let result = self.write(rollout, &status).await;
        if result.as_ref().is_err_and(must_look_up) {
            memory.unsure.push((kinds::ROLLOUT, view.id.clone()));
        }
        result?;
        memory.told_trouble = false;
        for (index, notice) in commit.notices.iter().enumerate() {
            self.events.tell(rollout, commit.record.epoch, index, notice, seen.snapshot.now);
        }
        let back = matches!(commit.record.phase, Phase::Returning { .. });
        if back {
            members::wake(&self.pokes, seen);
        }
        Ok(if back { Next::Urgent } else { Next::After(Duration::ZERO) })
    }

    async fn act(
        &self,
        rollout: &Rollout,
        seen: &Seen,
        plan: &Plan,
        report: &report::Report,
        effects: &[Effect],
        memory: &mut Memory,
    ) -> Result<Next, Error> {
        let (effects, rests) = due(effects, &seen.snapshot, memory);
        let effects = effects.as_slice();
        let was_whole = memory.whole == Some(seen.snapshot.settings.generation);
        let order = Order { shares: Arc::clone(&memory.shares), was_whole, ..Order::of(rollout, seen) };
        let done = execute(&self.tools, &order, effects).await;
        let written = std::mem::take(&mut *order.written.lock().unwrap_or_else(PoisonError::into_inner));
        refused(&done, written, &seen.snapshot, memory);
        if effects.iter().any(Effect::writes_routes) {
            memory.corrections.tried(seen.snapshot.now);
        }
        let changed = done.iter().any(|done| matches!(done.result, Ok(true)));
        let repaired = order.repaired.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !repaired.is_empty() {
            tracing::warn!(objects = repaired.join(", "), "live was edited by another hand and is repaired");
            let lately = memory.repaired(repaired, seen.snapshot.now);
            memory.noted.insert("Repaired", (mended(&lately), seen.snapshot.now));
        }
        let turned = order.turned.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = turned.first() {
            tracing::warn!(message, "a role was turned or deleted by another hand and is as it was");
            memory.noted.insert("Turned", (noted(message.clone()), seen.snapshot.now));
        }
        let ports = order.ports.into_inner().unwrap_or_else(PoisonError::into_inner);
        note_ports(memory, &ports, seen.snapshot.now);
        let stops = stops(&done, &seen.snapshot, before_any_weight(seen));
        let failed = remember_each(memory, done, &stops, seen.snapshot.now);
        if changed {
            // What was written is in the caches already, so the next look goes on from it.
            return failed.map_or(Ok(Next::After(Duration::ZERO)), Err);
        }
        let said = self.say(rollout, seen, plan, report, memory).await;
        if let Some(error) = failed {
            return Err(error);
        }
        let next = earlier(until(plan.wake_at, seen.snapshot.now), said?);
        let rests = rests.filter(|_| effects.is_empty());
        let again = rests.map_or(Next::After(Duration::from_secs(1)), |again| until(Some(again), now()));
        Ok(earlier(next, again))
    }

    /// Writes a status that says something else although nothing was decided, if it stays so for a moment: most such
    /// differences are followed by a transition, which says them too.
    async fn say(
        &self,
        rollout: &Rollout,
        seen: &Seen,
        plan: &Plan,
        report: &report::Report,
        memory: &mut Memory,
    ) -> Result<Next, Error> {
        let now = seen.snapshot.now;
        let checks = self.checks.statuses(&seen.names.uid);
        let new = render(rollout, seen, report, &seen.snapshot.record, checks)?;
        let old = rollout.status.as_ref();
        let in_motion = in_motion(&seen.snapshot.record.phase) && !report.trouble && !memory.told_trouble;
        let differs = status::says_more(old, &new, in_motion);
        let Some(since) = memory.sightings.since_true("status differs", differs, now) else {
            return Ok(Next::Change);
        };
        let unseen = old.and_then(|status| status.observed_generation) != new.observed_generation;
        let clears = plan.why.iter().any(|why| matches!(why, Why::Clearing(_)));
        let flaps = memory.said.is_some_and(|at| now - at < SELDOM);
        let patience = if clears || flaps {
            SELDOM
        } else if report.trouble {
            TROUBLE
        } else {
            PATIENCE
        };
        // What is being rendered mostly is there a moment later, and then there is more to be told at once.
        let soon = unseen && !seen.chart.is_pending() && !(flaps && memory.edits.are_many());
        let at =
            if soon && memory.said.is_none_or(|at| now - at >= PATIENCE) { now } else { since + patience };
        // A try counts too: of a spec that is edited all the time most writes come too late.
        let tried = memory.said.filter(|_| memory.edits.are_many());
        let at = tried.map_or(at, |tried| at.max(tried + SELDOM));
        if now < at {
            return Ok(until(Some(at), now));
        }
        if memory.edits.are_many() {
            memory.said = Some(now);
        }
        let result = self.write(rollout, &new).await;
        if result.as_ref().is_err_and(must_look_up) {
            memory.unsure.push((kinds::ROLLOUT, ObjectId::new(&seen.names.namespace, &seen.names.name)));
        }
        result?;
        memory.said = Some(now);
        memory.told_trouble = report.trouble;
        Ok(Next::Change)
    }

    /// The one thing that can be done for a Rollout that can't be read: say so on it. A failure is told in the log; the
    /// next version is another try.
    async fn say_unreadable(&self, view: &RolloutView, problem: &str) {
        let message = format!(
            "the spec can't be read: {problem}: correct the field, or apply it with this version's CRD"
        );
        let patch = serde_json::json!({"status": {"phase": "Blocked", "message": message, "conditions": [{
            "type": "Accepted", "status": "False", "reason": "SpecInvalid", "message": message,
            "lastTransitionTime": status::timestamp(now()),
        }]}});
        let resource = kinds::ROLLOUT.resource();
        let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
        match self.tools.access.tell(target, manager::STATUS, &patch).await {
            Ok(version) => self.watching.told_unreadable(&view.id, version),
            Err(error) => tracing::warn!(rollout = %view.id, %error, problem, "a Rollout can't be read"),
        }
    }

    /// Compare-and-set: the patch names the version that was read, so of two writers one learns that it is late.
    async fn write(&self, rollout: &Rollout, new: &RolloutStatus) -> Result<(), Error> {
        let metadata = &rollout.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        // A later version than was looked at makes no wrong patch: it is bound to the one that was, and refused.
        let stored = self.tools.stores.rollouts.get(namespace, name).map(|view| view.status());
        let patch = status::patch(&stored.unwrap_or_default(), new, metadata.resource_version.as_deref())?;
        let resource = kinds::ROLLOUT.resource();
        let target = Target { resource: &resource, namespace, name };
        let answer = self.tools.access.merge(target, manager::STATUS, true, &patch).await?;
        self.tools.stores.offer_rollout(answer, &self.tools.config.instance);
        Ok(())
    }
}

fn render(
    rollout: &Rollout,
    seen: &Seen,
    report: &report::Report,
    record: &teal_plan::Record,
    checks: Vec<CheckStatus>,
) -> Result<RolloutStatus, Error> {
    status::render(&Parts {
        snapshot: &seen.snapshot,
        record,
        report,
        routes: &seen.routes,
        traffic: &seen.traffic,
        summaries: &summaries(seen),
        namespace: &seen.names.namespace,
        checks,
        old: rollout.status.as_ref(),
    })
}

/// What the releases in the two colors are, in a few words.
fn summaries(seen: &Seen) -> Vec<(teal_plan::Color, String)> {
    let of = |color, rendering: &Option<Arc<crate::rendering::Rendering>>| {
        Some((color, rendering.as_ref()?.summary.clone()))
    };
    [of(teal_plan::Color::Blue, &seen.blue), of(teal_plan::Color::Green, &seen.green)]
        .into_iter()
        .flatten()
        .collect()
}

/// Takes note of what is to be told of ports that were written back, and whether there is anything.
fn note_ports(memory: &mut Memory, ports: &[String], now: Time) -> bool {
    let Some(message) = ports.first() else { return false };
    tracing::warn!(message, "ports of a role Service were changed by another hand and are written back");
    memory.noted.insert("Ports", (noted(message.clone()), now));
    true
}

/// While the machine goes through motions, its words change with each of them. At a weight it waits.
const fn in_motion(phase: &Phase) -> bool {
    match phase {
        Phase::Step(place) => place.reached.is_none(),
        Phase::Installing { .. } | Phase::Promoting { .. } | Phase::Returning { .. } => true,
        Phase::New | Phase::Rest { .. } => false,
    }
}

/// 128 random bits.
fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}
