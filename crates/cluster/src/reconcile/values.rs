//! What a chart takes its values from, read before a look. The look's Rollout has them in its release.

use futures::future::join_all;
use teal_api::Rollout;
use teal_api::rollout::ValuesFrom;
use teal_plan::Time;
use teal_plan::snapshot::Stops;

use super::{Reconciler, again_at, now};
use crate::access::Target;
use crate::execute::Done;
use crate::kinds;
use crate::memory::Memory;
use crate::met::remember;
use crate::stores::ObjectId;
use crate::values::{self, Objects, Problem, Taken};

/// What is told of values that can't be read.
const READ: &str = "ReadValues";

/// What came of them.
pub(super) enum Values {
    /// They are in the release, or it takes none.
    There,
    /// They can't be had before somebody mends something.
    Refused(Vec<Problem>),
    /// They can't be read before this time.
    Unread(Time),
}

impl Values {
    pub(super) const fn unread(&self) -> Option<Time> {
        match self {
            Self::Unread(again) => Some(*again),
            Self::There | Self::Refused(_) => None,
        }
    }
}

impl Reconciler {
    /// Puts the values into the release that its chart takes from elsewhere. They are read where the spec is another one, or something
    /// changed that it names.
    pub(super) async fn valued(&self, id: &ObjectId, rollout: &mut Rollout, memory: &mut Memory) -> Values {
        let Some(from) = values::named(rollout) else {
            if memory.taken.is_some() {
                memory.take(None);
                self.named.forget(id);
            }
            return Values::There;
        };
        let objects = values::objects(&id.namespace, &from);
        let shown = self.named.follow(id, &objects);
        let known = memory.taken.as_ref().is_some_and(|taken| taken.holds(rollout, &from, &shown, now()));
        if !known && again_at(memory, READ).is_none_or(|again| now() >= again) {
            self.read(rollout, &from, objects, memory).await;
        }
        // What was read before still is what there is, as far as anybody knows.
        match memory.taken.as_ref().filter(|taken| taken.names(&from)).map(|taken| taken.put_into(rollout)) {
            Some(Ok(())) => Values::There,
            Some(Err(problems)) => Values::Refused(problems),
            None => Values::Unread(again_at(memory, READ).unwrap_or_else(now)),
        }
    }

    async fn read(
        &self,
        rollout: &Rollout,
        from: &[ValuesFrom],
        objects: Vec<ObjectId>,
        memory: &mut Memory,
    ) {
        let access = &self.tools.access;
        let resource = kinds::CONFIG_MAP.resource();
        let reads = objects.into_iter().map(async |id| {
            let target = Target { resource: &resource, namespace: &id.namespace, name: &id.name };
            let read = access.get(target).await;
            (id, read)
        });
        let objects: Objects = join_all(reads).await.into_iter().collect();
        let done = match Taken::of(rollout, from.to_vec(), objects, now()) {
            Ok(taken) => {
                memory.take(Some(taken));
                Ok(false)
            }
            Err(error) => {
                let class = error.class().as_str();
                self.watching.failed(class);
                tracing::warn!(%error, class, "values of a chart can't be read");
                Err(error)
            }
        };
        remember(memory, vec![Done::of(READ, done)], Stops::Rollout, now());
    }
}
