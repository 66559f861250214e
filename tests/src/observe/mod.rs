//! Watching a rollout from outside: objects as the API server tells them, answers as users get them, counters as Envoy has
//! them. Nothing here asks the operator.

mod envoy;
mod event;
mod feed;
#[cfg(test)]
pub(crate) mod fixture;
mod gateway;
mod journal;
mod observer;
mod routes;
mod sessions;
mod window;

pub use envoy::{Counters, Upstream};
pub use event::Event;
pub use feed::{Kind, Seen};
pub use gateway::{Gateway, gateway_knows};
pub use journal::{Journal, PodSeen, Return, Share, VerdictChange};
pub use observer::{Observer, Subscriber};
pub use routes::{RouteShare, of_virtual_service};
pub use sessions::SessionKeeper;
pub use window::{Counted, Window, followed};
