//! Objects that Rollouts take values from. Each is watched by its name, and by its metadata alone, as long as somebody takes any: nothing of
//! what they hold is kept here, and nobody needs to see others of their kind. What is in one is read when it is needed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::core::ObjectMeta;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::wire::{Nothing, Wire};
use super::{ObjectId, Pokes};
use crate::kinds;

/// How long an edit rests before it is told: tools write a ConfigMap and, a moment later, the Rollout that goes with it. A look at the new
/// Rollout reads what the ConfigMap holds anyway.
const SETTLES: Duration = Duration::from_secs(2);

/// What the watch of one shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Shown {
    /// Nothing yet.
    #[default]
    Unlisted,
    /// There is none.
    Gone,
    /// It is there, at this version.
    At(u64),
}

impl Shown {
    /// Whether it is something else than was read, at this version or not at all.
    pub(crate) fn outdates(self, read: Option<u64>) -> bool {
        match self {
            Self::Unlisted => false,
            Self::Gone => read.is_some(),
            Self::At(version) => read.is_none_or(|read| version > read),
        }
    }
}

/// All that are watched.
pub(crate) struct Named {
    client: Client,
    pokes: Pokes,
    followed: Mutex<HashMap<ObjectId, Followed>>,
}

/// One that is, until it is dropped.
struct Followed {
    known: Arc<Known>,
    task: AbortHandle,
}

#[derive(Default)]
struct Known {
    by: Mutex<BTreeSet<ObjectId>>,
    shown: Mutex<Shown>,
}

impl Named {
    pub(crate) fn new(client: Client, pokes: Pokes) -> Self {
        Self { client, pokes, followed: Mutex::default() }
    }

    /// Has these ConfigMaps watched for a Rollout, and no others for it any more: what is shown of each.
    pub(crate) fn follow(&self, rollout: &ObjectId, objects: &[ObjectId]) -> Vec<Shown> {
        let mut followed = self.all();
        followed.retain(|id, one| objects.contains(id) || !one.known.is_let_go(rollout));
        let each = objects.iter().map(|id| {
            let one = followed.entry(id.clone()).or_insert_with(|| self.begin(id));
            locked(&one.known.by).insert(rollout.clone());
            *locked(&one.known.shown)
        });
        each.collect()
    }

    /// Forgets a Rollout.
    pub(crate) fn forget(&self, rollout: &ObjectId) {
        self.follow(rollout, &[]);
    }

    /// Forgets all.
    pub(crate) fn let_go(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ObjectId, Followed>> {
        locked(&self.followed)
    }

    fn begin(&self, id: &ObjectId) -> Followed {
        let known = Arc::<Known>::default();
        let (client, pokes, id) = (self.client.clone(), self.pokes.clone(), id.clone());
        let task = tokio::spawn(watch(client, pokes, id, Arc::clone(&known))).abort_handle();
        Followed { known, task }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Known {
    /// Whether nobody is left when this one goes.
    fn is_let_go(&self, rollout: &ObjectId) -> bool {
        let mut by = locked(&self.by);
        by.remove(rollout);
        by.is_empty()
    }

    fn show(&self, now: Shown, pokes: &Pokes) {
        let before = std::mem::replace(&mut *locked(&self.shown), now);
        if before != now {
            locked(&self.by).iter().for_each(|rollout| pokes.one(&rollout.namespace, &rollout.name));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(client: Client, pokes: Pokes, id: ObjectId, known: Arc<Known>) {
    let api: Api<Wire<Nothing>> = Api::namespaced_with(client, &id.namespace, &kinds::CONFIG_MAP.resource());
    let config = Config::default().fields(&format!("metadata.name={}", id.name));
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut listed = Shown::Gone;
    let mut settles: Option<(Shown, Instant)> = None;
    loop {
        let event = match settles {
            None => events.next().await,
            Some((shown, at)) => {
                let Ok(event) = timeout_at(at, events.next()).await else {
                    settles = None;
                    known.show(shown, &pokes);
                    continue;
                };
                event
            }
        };
        let now = match event {
            None => return,
            Some(Ok(Event::Init)) => {
                listed = Shown::Gone;
                continue;
            }
            Some(Ok(Event::InitApply(object))) => {
                listed = Shown::At(version(&object.metadata));
                continue;
            }
            Some(Ok(Event::InitDone)) => listed,
            Some(Ok(Event::Apply(object))) => Shown::At(version(&object.metadata)),
            Some(Ok(Event::Delete(_))) => Shown::Gone,
            Some(Err(error)) => {
                tracing::warn!(kind = "ConfigMap", object = %id, %error, "a watch begins anew");
                continue;
            }
        };
        let shown = *locked(&known.shown);
        if matches!(shown, Shown::At(_)) && now != shown {
            let at = settles.map_or_else(|| Instant::now() + SETTLES, |(_, at)| at);
            settles = Some((now, at));
        } else {
            settles = None;
            known.show(now, &pokes);
        }
    }
}

fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stores::Poke;
    use crate::tests::server::Server;

    #[test]
    fn what_is_shown_outdates_what_was_read_before_it_alone() {
        for (shown, read, outdates) in [
            (Shown::Unlisted, None, false),
            (Shown::Unlisted, Some(7), false),
            (Shown::Gone, None, false),
            (Shown::Gone, Some(7), true),
            (Shown::At(7), None, true),
            (Shown::At(7), Some(7), false),
            (Shown::At(7), Some(8), false),
            (Shown::At(8), Some(7), true),
        ] {
            assert_eq!(shown.outdates(read), outdates, "{shown:?} {read:?}");
        }
    }

    #[tokio::test]
    async fn one_is_watched_for_all_who_take_it_until_the_last_of_them_lets_go() {
        let server = Server::default();
        server.put("/api/v1/namespaces/shop/configmaps/web", json!({"data": {}}));
        let (pokes, mut wanted) = Pokes::new();
        let named = Named::new(server.client(), pokes);
        let id = |name: &str| ObjectId::new("shop", name);
        let (objects, all) = ([id("web")], [id("a"), id("b")]);
        assert_eq!(named.follow(&all[0], &objects), [Shown::Unlisted]);
        named.follow(&all[1], &objects);
        assert_eq!(named.all().len(), 1);
        for rollout in &all {
            assert_eq!(wanted.next().await, Some(Poke::One(rollout.clone())));
        }
        assert_eq!(named.follow(&all[0], &objects), [Shown::At(1_001)]);
        named.forget(&all[0]);
        assert_eq!(named.all().len(), 1);
        let task = named.all().values().next().map(|one| one.task.clone()).expect("a task");
        named.follow(&all[1], &[id("other")]);
        assert_eq!(named.all().keys().cloned().collect::<Vec<_>>(), [id("other")]);
        tokio::task::yield_now().await;
        assert!(task.is_finished());
    }
}
