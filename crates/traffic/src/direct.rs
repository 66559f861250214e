//! Dividing the weights of a `VirtualService` by hand, where no Rollout does: what a Job of a pipeline asks for.
//!
//! Only weights change, and only of destinations that stand in the route already: to add or remove one in the same write as its
//! weight is answered with errors for a moment (rule 3). The patch holds for the version that was read alone, because each change
//! gives more to somebody.

mod held;
mod reader;
mod refusal;
mod share;

use json_patch::Patch;
use serde::Serialize;
use serde_json::Value;

pub use held::held;
use reader::Reader;
pub use refusal::DirectRefusal;
pub use share::{Share, ShareError};

use crate::Mesh;
use crate::draft::{Draft, MOST_OPERATIONS};
use crate::object::{namespace, text};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Names of the http routes; empty for each that names one of the destinations.
    pub routes: Vec<String>,
    /// The destinations and their weights. What isn't named keeps its own.
    pub shares: Vec<Share>,
}

/// What one route gives to whom, as Istio takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteWeights {
    /// Its `name`.
    pub route: Option<String>,
    /// Position in `spec.http`.
    pub index: usize,
    /// All destinations in their order.
    pub destinations: Vec<Weighted>,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weighted {
    /// `destination.host` as written.
    pub host: String,
    /// `destination.subset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// Percent.
    pub weight: i64,
}

/// What follows from a [`Wish`].
#[derive(Debug, Clone, PartialEq)]
pub struct Divided {
    /// The request; nothing where everything is as wished already.
    pub patch: Option<Patch>,
    /// The routes as they were read.
    pub was: Vec<RouteWeights>,
    /// The same as they are wished.
    pub wished: Vec<RouteWeights>,
}

/// The weights of the named http routes, or of every one that forwards.
pub fn weights(virtual_service: &Value, routes: &[String]) -> Result<Vec<RouteWeights>, DirectRefusal> {
    let reader = Reader::new(virtual_service)?;
    let forwards = |index: &usize| reader.http.get(*index).is_some_and(|route| route.get("route").is_some());
    let selected = if routes.is_empty() {
        (0..reader.http.len()).filter(forwards).collect()
    } else {
        reader.named(routes)?
    };
    selected.into_iter().map(|index| reader.route(index)).collect()
}

/// Gives each named destination its weight, in every selected route.
pub fn divide(virtual_service: &Value, mesh: &Mesh, wish: &Wish) -> Result<Divided, DirectRefusal> {
    let reader = Reader::new(virtual_service)?;
    let namespace = namespace(virtual_service);
    let wanted: Vec<Wanted<'_>> =
        wish.shares.iter().map(|share| Wanted::new(share, mesh, namespace)).collect();
    reader.asked_once(&wanted)?;
    let selected =
        if wish.routes.is_empty() { reader.naming(mesh, &wanted)? } else { reader.named(&wish.routes)? };
    let (mut draft, mut was, mut wished) = (Draft::default(), Vec::new(), Vec::new());
    for index in selected {
        let before = reader.route(index)?;
        let after = reader.after(&before, mesh, &wanted)?;
        reader.write(&mut draft, &before, &after);
        was.push(before);
        wished.push(after);
    }
    if !draft.changes_nothing() {
        let expected = "as the API server sent it";
        draft
            .guard_version(virtual_service, &reader.object)
            .map_err(|_| reader.malformed("metadata.resourceVersion", expected))?;
    }
    if draft.len() > MOST_OPERATIONS {
        return Err(DirectRefusal::TooManyRoutes { object: reader.object.boxed(), routes: was.len() });
    }
    Ok(Divided { patch: draft.finish(), was, wished })
}

/// A share with the full name of its host.
struct Wanted<'a> {
    share: &'a Share,
    full: String,
}

impl<'a> Wanted<'a> {
    fn new(share: &'a Share, mesh: &Mesh, namespace: &str) -> Self {
        Self { share, full: mesh.expand(&share.host, namespace) }
    }

    fn is(&self, host: &str, subset: Option<&str>) -> bool {
        self.full == host && self.share.subset.as_deref() == subset
    }
}

fn subset(entry: &Value) -> Option<&str> {
    text(entry, "/destination/subset").filter(|subset| !subset.is_empty())
}

/// As it is named on the command line.
fn spelled(host: &str, subset: Option<&str>) -> String {
    subset.map_or_else(|| host.to_owned(), |subset| format!("{host}+{subset}"))
}

/// A list in words, each thing once.
fn words<'a>(things: impl Iterator<Item = &'a str>, none: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for thing in things {
        if !seen.contains(&thing) {
            seen.push(thing);
        }
    }
    if seen.is_empty() { none.to_owned() } else { seen.join(", ") }
}
