//! Replaying the history: each version is shown to every check, with what it changed.

use std::rc::Rc;

use serde_json::Value;
use teal_api::names;
use teal_testbed::history::Key;

use super::aims::{Aims, aims_by};
use super::clock::{Moment, moments};
use super::rollout::Rollout;
use super::tally::Summary;
use super::world::World;
use super::writer::{Writer, writer};
use super::{History, Options};
use super::{back, drain, enough, epochs, foreign, kept, overlap, pace, quiet, steps, sums, tenancy};

/// One version and what it changed.
#[derive(Debug)]
pub(super) struct Change<'h> {
    /// Its place in the history.
    pub(super) index: usize,
    pub(super) revision: u64,
    pub(super) key: &'h Key,
    pub(super) before: Option<&'h Value>,
    pub(super) after: Option<&'h Value>,
    pub(super) writer: Writer,
    pub(super) moment: Moment,
    /// The Rollouts that it may concern, with their aims.
    pub(super) moved: Vec<Moved<'h>>,
}

/// A Rollout before and after a version.
#[derive(Debug, Clone)]
pub(super) struct Moved<'h> {
    /// As it was; nothing if it was not there.
    pub(super) before: Option<Rc<Rollout<'h>>>,
    /// As it is.
    pub(super) rollout: Rc<Rollout<'h>>,
    pub(super) aims_before: Rc<Aims>,
    pub(super) aims: Rc<Aims>,
}

impl<'h> Change<'h> {
    /// The record of the Rollout that this version is of, and the one before it.
    pub(super) fn own(&self) -> Option<&Moved<'h>> {
        if self.key.resource != "rollouts" {
            return None;
        }
        self.moved.iter().find(|moved| moved.rollout.name == self.key.name)
    }

    /// The Rollouts whose traffic this version may have moved: it is of a role Service or a listed route.
    pub(super) fn traffic<'a>(&'a self) -> impl Iterator<Item = &'a Moved<'h>> {
        let is_traffic = matches!(self.key.resource.as_str(), "services" | "virtualservices");
        self.moved.iter().filter(move |_| is_traffic)
    }

    /// Deleted, or marked for deletion, with this version; and what it was.
    pub(super) fn removed(&self) -> Option<&'h Value> {
        let before = self.before.filter(|before| !super::json::is_deleting(before))?;
        let gone = self.after.is_none_or(super::json::is_deleting);
        gone.then_some(before)
    }
}

/// One invariant, or a part of it.
pub(super) trait Check<'h> {
    /// Judges a version. The world is as it is after it.
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary);

    /// Judges what can be judged only at the end.
    fn finish(&mut self, _world: &World<'h>, _summary: &mut Summary) {}
}

pub(super) fn run(history: &History, options: &Options) -> Summary {
    let mut summary = Summary { versions: history.versions.len(), ..Summary::default() };
    let mut replay = Replay { world: World::new(moments(&history.versions)), options };
    let mut checks: Vec<Box<dyn Check<'_> + '_>> = vec![
        Box::new(sums::Sums::new(options)),
        Box::new(enough::Enough),
        Box::new(kept::Kept::default()),
        Box::new(epochs::Epochs),
        Box::new(back::Back::new(options)),
        Box::new(steps::Steps::default()),
        Box::new(quiet::Silence::new(options)),
        Box::new(foreign::Foreign::new(options)),
        Box::new(tenancy::Tenancy::new(options)),
        Box::new(pace::Pace),
        Box::new(overlap::Overlaps::default()),
        Box::new(drain::Drain::new(options)),
    ];
    for (index, version) in history.versions.iter().enumerate() {
        if version.key.resource == "rollouts" && version.key.group != names::GROUP {
            // Another project's kind of the same name.
            continue;
        }
        let change = replay.step(index, version.revision, &version.key, version.value.as_ref());
        for check in &mut checks {
            check.see(&change, &replay.world, &mut summary);
        }
    }
    for check in &mut checks {
        check.finish(&replay.world, &mut summary);
    }
    summary
}

struct Replay<'h, 'o> {
    world: World<'h>,
    options: &'o Options,
}

impl<'h> Replay<'h, '_> {
    fn step(&mut self, index: usize, revision: u64, key: &'h Key, after: Option<&'h Value>) -> Change<'h> {
        let former = self.world.rollouts.get(&(key.namespace.as_str(), key.name.as_str())).cloned();
        let before = self.world.apply(index, key, after);
        let moved = self.moved(key, former.as_ref());
        let writer = self.writer(index, revision, key, before, after);
        let moment = self.world.moments.get(index).copied().unwrap_or_default();
        Change { index, revision, key, before, after, writer, moment, moved }
    }

    fn moved(&mut self, key: &Key, former: Option<&Rc<Rollout<'h>>>) -> Vec<Moved<'h>> {
        let is_rollout = key.resource == "rollouts";
        if !is_rollout && !matches!(key.resource.as_str(), "services" | "virtualservices") {
            return Vec::new();
        }
        let here = self.world.rollouts.values().filter(|rollout| rollout.namespace == key.namespace);
        let concerned = here.filter(|rollout| {
            if is_rollout { rollout.name == key.name } else { aims_by(rollout, &key.resource, &key.name) }
        });
        let concerned: Vec<Rc<Rollout<'h>>> = concerned.cloned().collect();
        let mut moved = Vec::new();
        for rollout in concerned {
            let aims = Rc::new(Aims::of(&self.world, &rollout, &self.options.mesh));
            let aims_before = self.world.aims.insert(rollout.uid, Rc::clone(&aims)).unwrap_or_default();
            let before = if is_rollout { former.cloned() } else { Some(Rc::clone(&rollout)) };
            moved.push(Moved { before, rollout, aims_before, aims });
        }
        moved
    }

    fn writer(
        &self,
        index: usize,
        revision: u64,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Writer {
        let meddled =
            |meddling: &super::Meddling| meddling.object == *key && meddling.revisions.contains(&revision);
        if self.options.meddling.iter().any(meddled) {
            return Writer::Other;
        }
        let Some(after) = after else { return Writer::Unknown };
        let marked = super::json::is_deleting(after) && !before.is_some_and(super::json::is_deleting);
        if marked {
            // A request to delete leaves no entry.
            return Writer::Unknown;
        }
        let earliest = self.world.moments.get(index).and_then(|moment| moment.earliest);
        writer(before, after, earliest, &self.options.teal_managers)
    }
}
