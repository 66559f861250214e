//! Looks and ends of the whole room, on an API server in memory. What a real one refuses or changes is seen in `tests/server`.

mod anew;
mod awake;
mod before;
mod copies;
mod ending;
mod figures;
mod going;
mod gone;
mod inner;
mod kept;
mod left;
mod looks;
mod met;
mod orphans;
mod partly;
mod ports;
mod revisions;
pub(crate) mod server;
mod shared;
mod standby;
mod step_jobs;
mod strayed;
mod ticks;
mod unknown;
mod unread;
mod values;
mod weights;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::access::Access;
use crate::checks::Unmeasured;
use crate::config::Config;
use crate::events::Events;
use crate::execute::Tools;
use crate::lease::Leadership;
use crate::memory::Memory;
use crate::metrics::{Counter, Watching};
use crate::observe::tests::cluster::Hand;
use crate::reconcile::Reconciler;
use crate::stores::{Named, ObjectId, Pokes, Stores, View};

use server::Server;
use teal_plan::Span;

/// How long a request may take.
const REQUEST_TIMEOUT: Span = Span::seconds(1);

const SERVICES: &str = "/api/v1/namespaces/shop/services";
const ROUTE: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web";
const PATH: &str = "/apis/teal.dev/v1alpha1/namespaces/shop/rollouts/web";

/// One that always leads, on these caches and this server.
fn reconciler(server: &Server, stores: Stores, pokes: Pokes, config: Config) -> Reconciler {
    let timeout = Duration::from_millis(u64::try_from(REQUEST_TIMEOUT.0).expect("a duration"));
    let access = Arc::new(Access::new(server.client(), timeout));
    let (events, _) = Events::start(Arc::clone(&access), "teal".into(), Counter::default());
    let named = Named::new(access.client(), pokes.clone());
    Reconciler {
        named,
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

/// What was made by hand, in a server and in the caches of one that leads.
fn served(hand: Hand) -> (Server, Reconciler) {
    let (stores, pokes, rollout) = hand.into_parts();
    let server = Server::default();
    for service in stores.services.all() {
        server.put(&format!("{SERVICES}/{}", service.id().name), service.value());
        stores.offer(crate::kinds::SERVICE, &server.object(&path_of(&service.id().name)).unwrap());
    }
    let route = stores.virtual_services.get("shop", "web").expect("a route").value();
    server.put(ROUTE, route);
    stores.offer(crate::kinds::VIRTUAL_SERVICE, &server.object(ROUTE).unwrap());
    server.put(PATH, rollout);
    stores.offer_rollout(server.object(PATH).unwrap(), "");
    let reconciler = reconciler(&server, stores, pokes, Config::default());
    (server, reconciler)
}

fn path_of(service: &str) -> String {
    format!("{SERVICES}/{service}")
}

/// Changes what is remembered of the Rollout, or reads it.
fn recall<T>(reconciler: &Reconciler, recall: impl FnOnce(&mut Memory) -> T) -> T {
    let memories = reconciler.memories.lock().unwrap();
    let (_, memory) = memories.get(&ObjectId::new("shop", "web")).expect("it was looked at");
    recall(&mut memory.try_lock().expect("no look runs"))
}

fn patches(server: &Server) -> Vec<String> {
    server.requests().into_iter().filter(|request| request.starts_with("PATCH")).collect()
}
