//! Looks and ends of the whole room, on an API server in memory. What a real one refuses or changes is seen in `tests/server`.

mod anew;
mod ending;
mod going;
mod gone;
mod kept;
mod looks;
mod met;
mod orphans;
mod server;
mod shared;
mod unread;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::access::Access;
use crate::checks::Unmeasured;
use crate::config::Config;
use crate::events::Events;
use crate::execute::Tools;
use crate::lease::Leadership;
use crate::metrics::{Counter, Watching};
use crate::reconcile::Reconciler;
use crate::stores::{Pokes, Stores};

use server::Server;
use teal_plan::Span;

/// How long a request may take.
const REQUEST_TIMEOUT: Span = Span::seconds(1);

/// One that always leads, on these caches and this server.
fn reconciler(server: &Server, stores: Stores, pokes: Pokes, config: Config) -> Reconciler {
    let timeout = Duration::from_millis(u64::try_from(REQUEST_TIMEOUT.0).expect("a duration"));
    let access = Arc::new(Access::new(server.client(), timeout));
    let (events, _) = Events::start(Arc::clone(&access), "teal".into(), Counter::default());
    Reconciler {
        tools: Tools { access, stores: Arc::new(stores), config: Arc::new(config) },
        pokes,
        checks: Arc::new(Unmeasured),
        events,
        leadership: Leadership::always(),
        watching: Arc::new(Watching::default()),
        memories: Mutex::new(HashMap::new()),
        nodes: crate::room::Nodes::default(),
    }
}
