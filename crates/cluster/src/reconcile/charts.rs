//! What came of the chart that a Rollout wants.

use std::sync::Arc;

use teal_api::Rollout;
use teal_plan::record::Release;
use teal_plan::{ContentHash, Revision, Span, Time};
use teal_release::chart::{Body, ServiceMapping, Stage};

use super::{Reconciler, Values, now};
use crate::charts::{self, ChartSeen, Wanted};
use crate::execute::revision;
use crate::memory::Memory;
use crate::stores::{ObjectView, RolloutView};

/// Until it is read again where it couldn't be.
const AGAIN: Span = Span::seconds(5);

/// What was kept of an earlier revision with the content that is wanted.
pub(crate) struct Before {
    hash: ContentHash,
    body: Option<Arc<Body>>,
    /// When it is to be read, where it couldn't be.
    pub(crate) again: Option<Time>,
}

impl Before {
    /// Whether nothing else is to be read for this content.
    fn holds(&self, hash: ContentHash) -> bool {
        self.hash == hash && self.again.is_none_or(|again| now() < again)
    }
}

impl Reconciler {
    /// What came of the chart of a Rollout. While it can't be read what is kept of it, nothing is rendered in its place.
    pub(super) async fn chart(
        &self,
        view: &RolloutView,
        rollout: &Rollout,
        (unread, values): (bool, Values),
        memory: &mut Memory,
    ) -> ChartSeen {
        if let Values::Refused(problems) = values {
            self.ask_no_charts(&view.uid);
            return ChartSeen::Refused(problems);
        }
        if unread && rollout.spec.release.raw().get("chart").is_some() {
            return ChartSeen::Pending;
        }
        let hash = memory.hash(rollout);
        let is_made = |release: &Release| self.is_made(view, release);
        let wanted = match charts::wanted(rollout, hash, memory, is_made) {
            Ok(wanted) => wanted,
            Err(seen) => {
                memory.before = None;
                self.ask_no_charts(&view.uid);
                return seen;
            }
        };
        let led = charts::mappings(&rollout.spec.traffic);
        match self.before(view, (&wanted, &led), memory).await {
            Some(seen) => {
                self.ask_no_charts(&view.uid);
                seen
            }
            None => charts::rendered(self.tools.config.charts.as_ref(), wanted),
        }
    }

    /// What was rendered for an earlier revision of the same content is what comes again: a version may hold something else by now, and its
    /// server may be away.
    async fn before(
        &self,
        view: &RolloutView,
        (wanted, now_led): (&Wanted, &[ServiceMapping]),
        memory: &mut Memory,
    ) -> Option<ChartSeen> {
        if wanted.stage == Stage::Install {
            return None;
        }
        if !memory.before.as_ref().is_some_and(|before| before.holds(wanted.hash)) {
            let revision = self.kept_before(view, wanted)?;
            let read = revision::content(&self.tools, &wanted.namespace, &wanted.name, revision).await;
            let failed = read.as_ref().err().filter(|error| error.class() != crate::error::Class::Invalid);
            if let Some(error) = failed {
                let class = error.class().as_str();
                self.watching.failed(class);
                tracing::warn!(%error, class, "a kept revision can't be read");
            }
            let again = failed.map(|_| now() + AGAIN);
            let body = read.ok().flatten().and_then(|kept| kept.body).filter(Body::is_for_upgrade);
            memory.before = Some(Before { hash: wanted.hash, body: body.map(Arc::new), again });
        }
        let before = memory.before.as_ref()?;
        match &before.body {
            Some(body) => Some(ChartSeen::Ready(Arc::new(Body::clone(body).again(now_led)))),
            None => before.again.map(|_| ChartSeen::Pending),
        }
    }

    /// The last revision of this Rollout with that content of which something is kept.
    fn kept_before(&self, view: &RolloutView, wanted: &Wanted) -> Option<Revision> {
        let kept = self.tools.stores.revisions.group(&wanted.namespace, &wanted.name);
        let is_it = |kept: &&Arc<ObjectView>| {
            kept.hash == Some(wanted.hash) && kept.rollout_uid == view.uid && !kept.deleting
        };
        kept.iter().filter(is_it).filter_map(|kept| kept.revision).max_by_key(|revision| revision.counter)
    }
}
