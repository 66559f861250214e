//! Reading and editing Istio's objects as JSON: `VirtualService`, `DestinationRule`, and what else touches the traffic
//! of a rollout. Pure: no client, no clock, no waiting.
//!
//! During a rollout the managed routes of a `VirtualService` name a second destination, `web-candidate`, beside
//! `web`. The order of the edits is fixed: [`enter`] at weight 0, wait, [`set_weight`] step by step, [`lower`] or
//! `set_weight` 0, wait, [`leave`]. What stands in the way is a [`Refusal`] that names object, field and remedy.
//!
//! Objects come from an API server, which sorts the keys of every map; the order of keys is therefore not kept.

mod beside;
mod callers;
mod crowd;
mod destination_rule;
mod direct;
mod draft;
mod enter;
mod epoch;
mod finding;
mod kind;
mod leave;
mod letters;
mod likeness;
mod mesh;
mod mirror;
mod moved;
mod object;
mod order;
mod ownership;
mod preview;
mod read;
mod refusal;
mod rival;
mod route;
mod saved;
mod second_port;
mod service;
mod subset;
mod weigh;

pub use beside::{Beside, beside};
pub use callers::{
    DATAPLANE_MODE, Exports, USE_WAYPOINT, delegates, gateway_namespaces, holds_in_mesh, is_delegate,
};
pub use destination_rule::{
    COPIED_FROM, applicable, candidate_rules, copy_for_candidate, is_outdated, refresh,
};
pub use direct::{
    DirectRefusal, Divided, RouteWeights, Share, ShareError, Weighted, Wish, divide, held, weights,
};
pub use enter::enter;
pub use epoch::{EPOCH_LEAD, EPOCH_LIMIT, EPOCH_PREFIX, Stamp, believed, epoch_of, read_epoch};
pub use finding::{
    Condition, Finding, Listed, hosts_not_exported, policy_gaps, selector_overlaps, unmanaged_routes,
};
pub use json_patch::Patch;
pub use kind::{RouteKind, RouteSelector, TlsSelector};
pub use leave::{Restoration, leave};
pub use letters::as_go_writes;
pub use likeness::{candidate_service, follow_live, unlike};
pub use mesh::{Mesh, RoleService, covers};
pub use mirror::mirror_problem;
pub use object::ObjectName;
pub use ownership::{RouteOwner, give_back, http_owners, restorer};
pub use preview::{PREVIEW_PREFIX, Preview, preview_problem, preview_problem_of_root};
pub use read::{RouteSet, Scope, leads_to, left_alone, made_out, read};
pub use refusal::Refusal;
pub use rival::shared_routes;
pub use route::{Destination, Form, Pair, Role, Route};
pub use saved::{SAVED_PREFIX, Saved, SavedRoute, SavedWeight, record_fits};
pub use second_port::{gets_second_port, second_port};
pub use service::{
    Direction, SWITCH, Switch, is_local, is_reached_late, overlap_problem, port_changes, repoint,
    service_problem, switch,
};
pub use subset::{Subset, subset_problem, subsets_named};
pub use weigh::{lower, lower_to, set_weight};
