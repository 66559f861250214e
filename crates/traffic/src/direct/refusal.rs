//! Why weights were not divided by hand. Each message names the object, the field and the remedy.

use thiserror::Error;

use crate::ObjectName;

/// Everything that [`crate::divide`] and [`crate::held`] refuse.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DirectRefusal {
    /// A named route is not there.
    #[error(
        "{object} has no http route named {route} in spec.http (it has: {known}): correct --route, or name the route in the \
             VirtualService"
    )]
    RouteNotFound {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The name looked for.
        route: String,
        /// The names that exist.
        known: String,
    },
    /// Two routes bear the selected name.
    #[error(
        "{object}: spec.http[{first}] and spec.http[{second}] are both named {route}: give each its own name"
    )]
    RouteAmbiguous {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The name they share.
        route: String,
        /// Position of the first.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// No route names any of the destinations.
    #[error("{object}: spec.http has no route to any of {wanted} (it names: {found}): {remedy}")]
    Nowhere {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The destinations asked for.
        wanted: String,
        /// Those that are there.
        found: String,
        /// What to change.
        remedy: &'static str,
    },
    /// A route has no such destination.
    #[error(
        "{object}: {field}.route has no destination {destination} (it has: {known}): correct --weight, name the routes that are \
             meant with --route, or add the destination to the route at weight 0 first"
    )]
    NotInRoute {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// The destination asked for.
        destination: String,
        /// Those that are there.
        known: String,
    },
    /// One destination stands twice in one route.
    #[error(
        "{object}: {field}.route names {destination} twice (entries {first} and {second}), so it is not clear which is meant: \
             join them, or give each a route of its own"
    )]
    TwoDestinations {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// The destination.
        destination: String,
        /// Position of the first.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// One destination was given two weights.
    #[error("{object}: {first} and {second} are about the same destination: give it one --weight")]
    AskedTwice {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// As it was asked first.
        first: String,
        /// And then.
        second: String,
    },
    /// Weights that aren't percent.
    #[error(
        "{object}: the weights in {field}.route would sum to {sum} ({each}): make them sum to 100 by --weight of \
             every destination that is to change; the others keep theirs"
    )]
    NotHundred {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// Their sum.
        sum: i64,
        /// Each of them.
        each: String,
    },
    /// The route answers by itself or sends elsewhere.
    #[error(
        "{object}: {field} has {what} and forwards to no Service: name a route that has destinations{hint}"
    )]
    NotForwarding {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// `redirect`, `directResponse` or `delegate`.
        what: &'static str,
        /// Where to look instead; may be empty.
        hint: String,
    },
    /// More routes than one request can write.
    #[error(
        "{object}: {routes} routes in spec.http are more than one request to the API server can change: name fewer with --route"
    )]
    TooManyRoutes {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// How many.
        routes: usize,
    },
    /// A field of the wrong shape.
    #[error("{object}: {field} must be {expected}: correct it in the VirtualService")]
    Malformed {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The field.
        field: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A Rollout divides these weights.
    #[error(
        "{object} is managed by Rollout {}/{rollout} (spec.traffic.virtualServices): change its weights by a Decision, \
             with kubectl teal approve, skip or rollback {rollout} -n {}; or take it out of the Rollout", object.namespace, object.namespace
    )]
    Managed {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// Name of the Rollout.
        rollout: String,
    },
    /// A Rollout that can't be seen has entered.
    #[error(
        "{object} is managed by a Rollout right now (metadata.annotations[{annotation}]): change its weights by a Decision, with \
             kubectl teal approve, skip or rollback; kubectl teal get -n {} names the Rollout", object.namespace
    )]
    Entered {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The key of the record.
        annotation: String,
    },
    /// A Rollout that is gone had entered.
    #[error(
        "{object}: metadata.annotations[{annotation}] was left by a Rollout that is gone from namespace {}, and its candidate may \
             still stand in spec.http: make a Rollout of the same Services anew and use a Decision, or apply your own spec.http \
             and remove the annotation", object.namespace
    )]
    LeftBehind {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The key of the record.
        annotation: String,
    },
    /// A Rollout has been here, and nobody can tell whether it still is there.
    #[error(
        "{object} was managed by a Rollout (metadata.annotations[{annotation}]), which may still be there: change its weights by a \
             Decision, or, if that Rollout is gone, allow this account to list rollouts.teal.dev in namespace {}", object.namespace
    )]
    Touched {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The key of the epoch.
        annotation: String,
    },
}

impl DirectRefusal {
    /// Whether it is because of a Rollout.
    pub const fn is_held(&self) -> bool {
        matches!(
            self,
            Self::Managed { .. } | Self::Entered { .. } | Self::LeftBehind { .. } | Self::Touched { .. }
        )
    }
}
