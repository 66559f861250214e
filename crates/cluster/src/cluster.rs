//! The whole room, wired up: watches, queue, checks, Events and lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::charts::{Charts, Discovery};
use crate::checks::{Measuring, Poker};
use crate::config::Config;
use crate::events::Events;
use crate::execute::Tools;
use crate::lease::{Holder, Leadership, LeaseConfig};
use crate::metrics::{Counter, Figures, Watching};
use crate::queue;
use crate::reconcile::Reconciler;
use crate::stores::{Named, Poke, Pokes, Stores, Watches};

/// A running operator's inside. It ends when its token is cancelled.
pub struct Cluster {
    access: Arc<Access>,
    stores: Arc<Stores>,
    watching: Arc<Watching>,
    events: Counter,
    leadership: Leadership,
    tasks: JoinSet<()>,
}

/// What can be asked of a running one from other tasks.
#[derive(Clone)]
pub struct Probe {
    access: Arc<Access>,
    stores: Arc<Stores>,
    watching: Arc<Watching>,
    events: Counter,
    leadership: Leadership,
}

impl Cluster {
    /// Starts everything. Without a lease this process acts alone, at once.
    pub fn start(
        client: Client,
        config: Config,
        measuring: impl FnOnce(Poker) -> Arc<dyn Measuring>,
        lease: Option<LeaseConfig>,
        stop: &CancellationToken,
    ) -> Self {
        let access = Arc::new(Access::new(client, config.request_timeout));
        let stores = Arc::new(Stores::new());
        let (pokes, looks) = Pokes::new();
        let mut tasks = JoinSet::new();
        let identity = lease.as_ref().map_or_else(|| "teal".to_owned(), |lease| lease.identity.clone());
        let leadership = lead(&access, &stores, lease, &mut tasks, stop);
        let watches = Arc::new(Watches {
            access: Arc::clone(&access),
            stores: Arc::clone(&stores),
            pokes: pokes.clone(),
            namespace: config.namespace.clone(),
            instance: config.instance.clone(),
            stop: config.stop.clone(),
        });
        spawn_until(&mut tasks, stop, watches.run());
        let checks = measuring(Poker(pokes.clone()));
        if let Some(Charts(charts)) = &config.charts {
            charts.listen(Poker(pokes.clone()), Discovery(Arc::clone(&access)));
        }
        let written = Counter::default();
        let (events, tell) = Events::start(Arc::clone(&access), identity, written.clone());
        spawn_until(&mut tasks, stop, tell);
        let watching = Arc::<Watching>::default();
        let concurrency = config.concurrency;
        let reconciler = Arc::new(Reconciler {
            tools: Tools {
                access: Arc::clone(&access),
                stores: Arc::clone(&stores),
                config: Arc::new(config),
            },
            pokes: pokes.clone(),
            checks,
            events,
            leadership: leadership.clone(),
            watching: Arc::clone(&watching),
            memories: Mutex::new(HashMap::new()),
            nodes: crate::room::Nodes::default(),
            named: Named::new(access.client(), pokes.clone()),
        });
        spawn_until(&mut tasks, stop, follow(Arc::clone(&reconciler), pokes, Arc::clone(&watching)));
        let warm = Arc::clone(&stores);
        spawn_until(&mut tasks, stop, async move {
            // A look at half a list would take what isn't listed yet for gone.
            while !warm.is_ready() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            queue::run(reconciler, looks, concurrency).await;
        });
        Self { access, stores, watching, events: written, leadership, tasks }
    }

    /// For health, readiness and metrics.
    pub fn probe(&self) -> Probe {
        Probe {
            access: Arc::clone(&self.access),
            stores: Arc::clone(&self.stores),
            watching: Arc::clone(&self.watching),
            events: self.events.clone(),
            leadership: self.leadership.clone(),
        }
    }

    /// Resolves when all tasks have ended, which they do when the token is cancelled.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Probe {
    /// Whether every cache is warm: a standby is ready as well.
    pub fn is_ready(&self) -> bool {
        self.stores.is_ready()
    }

    /// All figures at this moment. Of Rollouts there are some only where this process looks at them: whoever lost the lease
    /// would show what was so then.
    pub fn figures(&self) -> Figures {
        let leads = self.leadership.is_leader();
        let known = self.watching.read();
        let (rollouts, unreadable) = if leads { (known.rollouts, known.unreadable) } else { (Vec::new(), 0) };
        let (requests, events) = (self.access.requests(), self.events.get());
        Figures { rollouts, unreadable, requests, events, leads, ..known }
    }
}

fn lead(
    access: &Arc<Access>,
    stores: &Arc<Stores>,
    lease: Option<LeaseConfig>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Leadership {
    let Some(config) = lease else { return Leadership::always() };
    let stores = Arc::clone(stores);
    let (holder, leadership) = Holder::new(Arc::clone(access), config, move || stores.is_ready());
    tasks.spawn(holder.run(stop.clone()));
    leadership
}

/// Whoever begins to lead looks at everything, with eyes as new as those of a process that was just started, and shows nothing from
/// an earlier time.
async fn follow(reconciler: Arc<Reconciler>, pokes: Pokes, watching: Arc<Watching>) {
    let mut leadership = reconciler.leadership.clone();
    loop {
        leadership.changed().await;
        reconciler.let_go();
        watching.clear();
        if leadership.is_leader() {
            pokes.poke(Poke::All);
        }
    }
}

fn spawn_until(
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
    run: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = run => {}
            () = stop.cancelled() => {}
        }
    });
}
