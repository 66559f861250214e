//! Runs looks in the order of the agenda, each as a task of its own, so that all processors take part.

use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::agenda::{Agenda, Urgency};
use crate::orphans;
use crate::reconcile::{Next, Reconciler};
use crate::stores::{ObjectId, Poke, View};

/// Runs looks until the pokes end.
pub(crate) async fn run(
    reconciler: Arc<Reconciler>,
    mut pokes: mpsc::UnboundedReceiver<Poke>,
    concurrency: u16,
) {
    let mut agenda = Agenda::new(concurrency);
    let mut looks: JoinSet<(ObjectId, Next)> = JoinSet::new();
    loop {
        while let Some(id) = agenda.begin() {
            let reconciler = Arc::clone(&reconciler);
            looks.spawn(async move {
                let next = reconciler.reconcile(&id).await;
                (id, next)
            });
        }
        let alarm = agenda.alarm();
        tokio::select! {
            poke = pokes.next() => {
                let Some(poke) = poke else { return };
                take(&mut agenda, &reconciler, poke);
            }
            Some(ended) = looks.join_next() => match ended {
                Ok((id, next)) => agenda.end(id, next, Instant::now()),
                // A look that panicked is a fault of the program, and no reason to go on without it.
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                    return;
                }
            },
            () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {
                agenda.ring(Instant::now());
            }
        }
    }
}

/// Whom a poke concerns. Whether there is still a Rollout of a name is found out by the look, which must also happen once
/// after it is gone.
pub(crate) fn take(agenda: &mut Agenda, reconciler: &Reconciler, poke: Poke) {
    let stores = &reconciler.tools.stores;
    match poke {
        Poke::One(id) => agenda.want(id, Urgency::Usual),
        Poke::Urgent(id) => agenda.want(id, Urgency::Urgent),
        Poke::Namespace(namespace) => {
            let views = stores.rollouts.group(&namespace, "");
            views.iter().for_each(|view| agenda.want(view.id(), Urgency::Usual));
        }
        Poke::All => {
            stores.rollouts.all().iter().for_each(|view| agenda.want(view.id(), Urgency::Usual));
            orphans::all(stores).into_iter().for_each(|id| agenda.want(id, Urgency::Usual));
            // One that went while its watch was away is in no cache, and nothing else would make anyone forget it.
            reconciler.known().into_iter().for_each(|id| agenda.want(id, Urgency::Usual));
        }
    }
}
