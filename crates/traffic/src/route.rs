//! What a managed route looks like once read.

use serde_json::Value;

use crate::{RoleService, RouteKind, RouteSelector};

/// Whom a destination serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The live Service of the pair at this position in [`Route::pairs`].
    Live(usize),
    /// Its companion for the candidate.
    Candidate(usize),
    /// A host that is no concern of the rollout. Its weight is never changed.
    Other,
}

/// One entry of a route's `route` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `destination.host` as written.
    pub host: String,
    /// `weight` as written; `None` if absent.
    pub written: Option<i64>,
    /// What Istio takes it for: an absent weight, or 0, is 100 for a sole destination, and an absent one is 0 otherwise.
    pub weight: i64,
    /// Whose it is.
    pub role: Role,
}

/// A Service in a route: its live destination and, once entered, the candidate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The Service.
    pub service: RoleService,
    /// Position of the live destination in the route's list.
    pub live: usize,
    /// Position of the candidate's destination, if it is there.
    pub candidate: Option<usize>,
}

/// Whether a route is as its owner wrote it or names the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// At least one pair has no destination for the candidate.
    Owner,
    /// Every pair has one. The weight is the largest share, in percent of the pair's own weight.
    Entered {
        /// 0 to 100.
        candidate_weight: u8,
    },
}

/// A managed route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The list that it stands in.
    pub kind: RouteKind,
    /// Position in that list.
    pub index: usize,
    /// `name`, if it has one; only http routes may.
    pub name: Option<String>,
    /// All destinations in their order.
    pub destinations: Vec<Destination>,
    /// The Services of the Rollout among them; never empty.
    pub pairs: Vec<Pair>,
}

impl Route {
    /// The route's place for messages: `spec.http[2] (primary)`.
    pub fn field(&self) -> String {
        self.kind.field(self.index, self.name.as_deref())
    }

    /// The route itself.
    pub(crate) fn of<'v>(&self, virtual_service: &'v Value) -> Option<&'v Value> {
        self.kind.routes(virtual_service).get(self.index)
    }

    /// What people know it by: its name, or for what connections it is; nothing where neither is written.
    pub fn title(&self, virtual_service: &Value) -> Option<String> {
        match self.kind {
            RouteKind::Http => self.name.clone(),
            RouteKind::Tls | RouteKind::Tcp => {
                Some(RouteSelector::of(self.kind, self.of(virtual_service)?)?.to_string())
            }
        }
    }

    /// Whether the candidate is named.
    pub fn form(&self) -> Form {
        if self.pairs.iter().any(|pair| pair.candidate.is_none()) {
            return Form::Owner;
        }
        let share = self.pairs.iter().map(|pair| self.share(pair)).max().unwrap_or(0);
        Form::Entered { candidate_weight: u8::try_from(share).unwrap_or(u8::MAX) }
    }

    /// Weight of a pair's live destination.
    pub(crate) fn live_weight(&self, pair: &Pair) -> i64 {
        self.destinations.get(pair.live).map_or(0, |live| live.weight)
    }

    /// Weight of a pair's candidate; 0 if it is not there.
    pub fn candidate_weight(&self, pair: &Pair) -> i64 {
        pair.candidate.and_then(|at| self.destinations.get(at)).map_or(0, |candidate| candidate.weight)
    }

    /// Sum of all weights.
    pub(crate) fn sum(&self) -> i64 {
        self.destinations.iter().map(|destination| destination.weight).fold(0, i64::saturating_add)
    }

    /// The weight that belongs to the pair, to be divided between live and candidate.
    ///
    /// If a foreign hand broke the sum it is what the others leave of 100, so that going back mends the route;
    /// with several pairs that can't be told, and each keeps what it has.
    pub(crate) fn total(&self, pair: &Pair) -> i64 {
        let own = self.live_weight(pair).saturating_add(self.candidate_weight(pair));
        let rest = 100_i64.saturating_sub(self.sum().saturating_sub(own));
        let mendable = self.pairs.len() == 1 && (0..=100).contains(&rest);
        if mendable { rest } else { own.max(0) }
    }

    /// The candidate's weight at a step of `percent`: that part of the pair's own weight, rounded down so that a step
    /// is never exceeded (invariant I14).
    pub(crate) fn candidate_at(&self, pair: &Pair, percent: u8) -> i64 {
        self.total(pair) * i64::from(percent.min(100)) / 100
    }

    /// The largest weight that belongs to one of its pairs: of a smaller part of it than 1 no request is led anywhere.
    pub fn largest(&self) -> i64 {
        self.pairs.iter().map(|pair| self.total(pair)).max().unwrap_or(0)
    }

    /// Whether every pair is divided as a step of `percent` divides it. A part that rounds away is no drift: 5 % of a
    /// weight of 50 is 2, which reads back as 4 %, and of a weight of 10 it is nothing at all.
    pub fn stands_at(&self, percent: u8) -> bool {
        self.pairs.iter().all(|pair| {
            let candidate = self.candidate_at(pair, percent);
            pair.candidate.is_some()
                && self.candidate_weight(pair) == candidate
                && self.live_weight(pair) == self.total(pair) - candidate
        })
    }

    /// The candidate's share of the pair's weight in percent, rounded up: what is said is never less than what is.
    pub(crate) fn share(&self, pair: &Pair) -> i64 {
        let own = self.live_weight(pair).saturating_add(self.candidate_weight(pair));
        let parts = self.candidate_weight(pair).saturating_mul(100);
        if own <= 0 { 0 } else { parts.saturating_add(own - 1) / own }
    }
}
