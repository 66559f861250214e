//! The queue of looks: kube's applier over a store of names, so that one Rollout is never looked at twice at once and of
//! several times to wake the earliest wins.

use std::sync::Arc;

use futures::channel::mpsc;
use futures::{Stream, StreamExt, stream};
use kube::api::ObjectMeta;
use kube::core::{PartialObjectMeta, PartialObjectMetaExt};
use kube::runtime::controller::{self, Action, Error as QueueError};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{applier, watcher};
use teal_api::Rollout;

use crate::reconcile::{Next, Reconciler};
use crate::stores::{ObjectId, Poke, Stores};

/// What is queued: a name. The Rollout itself is read from the cache when its turn comes.
type Name = PartialObjectMeta<Rollout>;

/// Runs looks until the pokes end.
pub(crate) async fn run(reconciler: Arc<Reconciler>, pokes: mpsc::UnboundedReceiver<Poke>, concurrency: u16) {
    let (names, mut writer) = reflector::store::<Name>();
    let stores = Arc::clone(&reconciler.tools.stores);
    // The applier asks its store whether an object is there; here every name that is poked is: whether there is a
    // Rollout behind it is found out by the look, which must also happen once after it is gone.
    writer.apply_watcher_event(&watcher::Event::Init);
    writer.apply_watcher_event(&watcher::Event::InitDone);
    let queue = pokes.flat_map(move |poke| {
        let ids = named(&stores, poke);
        for id in &ids {
            writer.apply_watcher_event(&watcher::Event::Apply(name(id)));
        }
        stream::iter(ids.into_iter().map(|id| Ok::<_, Never>(reference(&id))))
    });
    drive(reconciler, names, queue, concurrency).await;
}

/// Neither pokes nor looks fail for the queue.
#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

async fn drive(
    reconciler: Arc<Reconciler>,
    names: Store<Name>,
    queue: impl Stream<Item = Result<ObjectRef<Name>, Never>>,
    concurrency: u16,
) {
    let config = controller::Config::default().concurrency(concurrency);
    let look = |name: Arc<Name>, reconciler: Arc<Reconciler>| {
        Box::pin(async move {
            let id = ObjectId::new(
                name.metadata.namespace.as_deref().unwrap_or_default(),
                name.metadata.name.as_deref().unwrap_or_default(),
            );
            Ok::<_, Never>(action(reconciler.reconcile(&id).await))
        })
    };
    // Looks never fail for the queue: how long to wait after a failure is the look's own answer.
    let failed = |_: Arc<Name>, _: &Never, _: Arc<Reconciler>| Action::await_change();
    applier(look, failed, reconciler, names, queue, config)
        .for_each(async |result| match result {
            Ok(_) | Err(QueueError::ReconcilerFailed(..)) => {}
            Err(error) => tracing::debug!(%error, "queue"),
        })
        .await;
}

fn action(next: Next) -> Action {
    match next {
        Next::Change => Action::await_change(),
        Next::After(after) => Action::requeue(after),
    }
}

fn named(stores: &Stores, poke: Poke) -> Vec<ObjectId> {
    use crate::stores::View;
    match poke {
        Poke::One(id) => vec![id],
        Poke::Namespace(namespace) => {
            stores.rollouts.group(&namespace, "").iter().map(|view| view.id()).collect()
        }
        Poke::All => stores.rollouts.all().iter().map(|view| view.id()).collect(),
    }
}

fn reference(id: &ObjectId) -> ObjectRef<Name> {
    ObjectRef::new(&id.name).within(&id.namespace)
}

fn name(id: &ObjectId) -> Name {
    let metadata = ObjectMeta {
        name: Some(id.name.clone()),
        namespace: Some(id.namespace.clone()),
        ..ObjectMeta::default()
    };
    metadata.into_response_partial()
}
