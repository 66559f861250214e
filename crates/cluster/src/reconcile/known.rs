//! What is remembered of each Rollout, and what is asked for it outside of looks.

use std::sync::{Arc, PoisonError};

use teal_api::Rollout;
use teal_plan::record::Release;
use teal_plan::{ContentHash, Record};
use tokio::sync::Mutex as AsyncMutex;

use super::Reconciler;
use crate::charts::{self, Charts};
use crate::memory::Memory;
use crate::stores::{ObjectId, ObjectView, RolloutView};

impl Reconciler {
    pub(super) fn memory(&self, id: &ObjectId, uid: &str) -> Arc<AsyncMutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = memories.entry(id.clone()).or_default();
        // A Rollout of the same name made anew inherits nothing.
        if entry.0 != uid {
            // Nor does anyone else ask for an end of what is asked of metrics for the former one.
            self.ask_nothing(&entry.0);
            *entry = (uid.to_owned(), Arc::default());
        }
        Arc::clone(&entry.1)
    }

    /// Forgets what was seen of all of them, and asks nothing more for them: while another leads, what was seen last goes
    /// stale, and time that nobody watched proves nothing.
    pub(crate) fn let_go(&self) {
        let memories = std::mem::take(&mut *self.memories.lock().unwrap_or_else(PoisonError::into_inner));
        memories.values().for_each(|(uid, _)| self.ask_nothing(uid));
        self.named.let_go();
    }

    /// Of whom anything is remembered or told, whether they are still there or not.
    pub(crate) fn known(&self) -> Vec<ObjectId> {
        let memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<ObjectId> = memories.keys().cloned().collect();
        known.extend(self.watching.known());
        known
    }

    pub(super) fn forget(&self, id: &ObjectId) {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((uid, _)) = memories.remove(id) {
            self.ask_nothing(&uid);
            self.named.forget(id);
        }
        // Of one that could not be read nothing is remembered, and yet it is counted.
        self.watching.forget(id);
    }

    /// Neither of metrics nor of charts.
    pub(super) fn ask_nothing(&self, uid: &str) {
        self.checks.forget(uid);
        self.ask_no_charts(uid);
    }

    pub(super) fn ask_no_charts(&self, uid: &str) {
        if let Some(Charts(charts)) = &self.tools.config.charts {
            charts.forget(uid);
        }
    }

    /// Whether what is kept of a release is needed: where the spec is something else, and of a chart also where the spec is it, as soon as
    /// anything was made of it.
    pub(super) fn needs_kept(
        &self,
        (view, record): (&RolloutView, &Record),
        rollout: &Rollout,
        release: &Release,
        hash: ContentHash,
    ) -> bool {
        let is_chart = || rollout.spec.release.raw().get("chart").is_some();
        let made = || !charts::is_unmade(record, release, self.is_made(view, release));
        release.hash != hash || (is_chart() && made())
    }

    /// Whether anything of a release was kept or made for this very Rollout.
    pub(super) fn is_made(&self, view: &RolloutView, release: &Release) -> bool {
        let RolloutView { id, uid, .. } = view;
        let is_of = |object: &Arc<ObjectView>| object.rollout_uid == *uid;
        let kept = self.tools.stores.revisions.group(&id.namespace, &id.name);
        let is_kept = |kept: &Arc<ObjectView>| is_of(kept) && kept.revision == Some(release.slot.revision);
        let objects = || self.tools.stores.objects_of(&id.namespace, &id.name);
        kept.iter().any(is_kept)
            || objects().iter().any(|object| is_of(object) && object.slot() == Some(release.slot))
    }
}
