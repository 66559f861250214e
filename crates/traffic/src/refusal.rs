//! Why something was not read or not written. Each message names the object, the field and the remedy.

use thiserror::Error;

use crate::ObjectName;

/// Everything this crate refuses. [`Refusal::reason`] is the word for conditions; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A named route is not there.
    #[error(
        "{object} has no http route named {route} in spec.http (it has: {known}): correct the name in \
             spec.traffic.virtualServices, or name the route"
    )]
    RouteNotFound {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The name looked for.
        route: String,
        /// The names that exist.
        known: String,
    },
    /// No tls or tcp route has the conditions that are asked for.
    #[error(
        "{object} has no {kind} route that is meant by {{{wanted}}} in spec.{kind} (it has: {known}): correct it in \
             spec.traffic.virtualServices[].routes, or the match of the route"
    )]
    RouteUnmatched {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// `tls` or `tcp`.
        kind: &'static str,
        /// As the Rollout says it.
        wanted: String,
        /// The routes that exist, said in the same way.
        known: String,
    },
    /// No route, or not this route, leads to one of the Services.
    #[error(
        "{object}: {field} has no destination that is one of the Services of this Rollout ({wanted}); it names \
             {found}: {remedy}"
    )]
    NoDestination {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route, or `spec.http` as a whole.
        field: String,
        /// The hosts that would have matched.
        wanted: String,
        /// The hosts that are there.
        found: String,
        /// What to change.
        remedy: String,
    },
    /// A candidate has taken live's place in a route.
    #[error(
        "{object}: {field} names {candidate} without {live}, so that all of its requests reach the candidate: they are \
             led to {live} again; put {live} back beside {candidate}, or take {candidate} out"
    )]
    LiveTakenOut {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// The live Service.
        live: String,
        /// The candidate's.
        candidate: String,
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
    /// The route answers by itself or sends elsewhere: there is no destination to weigh.
    #[error(
        "{object}: {field} has {what} and forwards to no Service: name a route that has destinations{hint}"
    )]
    NotForwarding {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// `redirect`, `directResponse` or `delegate`.
        what: String,
        /// Where to look instead; may be empty.
        hint: String,
    },
    /// One Service stands twice in one route.
    #[error(
        "{object}: {field}.route names {host} twice (entries {first} and {second}), so it is not clear which \
             share belongs to the release: {remedy}"
    )]
    TwoDestinations {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// The host.
        host: String,
        /// Position of the first.
        first: usize,
        /// Position of the second.
        second: usize,
        /// What to change.
        remedy: &'static str,
    },
    /// A subset that is not for both versions alike.
    #[error("{object}: {field}.destination.subset is {subset}; {problem}")]
    Subset {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The destination.
        field: String,
        /// The subset's name.
        subset: String,
        /// Why, and what to do.
        problem: String,
    },
    /// Weights that aren't percent.
    #[error(
        "{object}: the weights in {field}.route sum to {sum}: make them sum to 100 (a sole destination may leave \
             its weight out)"
    )]
    WeightsNotHundred {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// Their sum.
        sum: i64,
    },
    /// More routes than one request can write.
    #[error(
        "{object}: {routes} of its routes lead to the Services of this Rollout, more than one request to the \
             API server can change: name those that are to be moved in steps in \
             spec.traffic.virtualServices[].routes, or divide it into several VirtualServices"
    )]
    TooManyRoutes {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// How many.
        routes: usize,
    },
    /// What is to be remembered of the routes has no room.
    #[error(
        "{object}: metadata.annotations would come to {bytes} bytes with what is noted there of its routes during a \
             rollout, and the API server takes 262144: take out \
             metadata.annotations[kubectl.kubernetes.io/last-applied-configuration] (kubectl apply --server-side makes \
             none), or name fewer routes in spec.traffic.virtualServices[].routes"
    )]
    RecordTooLarge {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// How large all annotations would be.
        bytes: usize,
    },
    /// A field of the wrong shape.
    #[error("{object}: {field} must be {expected}: correct it, the rollout goes on by itself")]
    Malformed {
        /// The object.
        object: Box<ObjectName>,
        /// The field.
        field: String,
        /// What should be there.
        expected: String,
    },
    /// Weights were asked for on a route that doesn't have the candidate yet.
    #[error(
        "{object}: {field} doesn't name {candidate} yet: enter it at weight 0 and wait before any weight"
    )]
    NotEntered {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// The candidate's host.
        candidate: String,
    },
    /// The candidate was to be taken out while it has weight.
    #[error("{object}: {field} still gives {weight} to {candidate}: set 0 and wait before taking it out")]
    CandidateHasWeight {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
        /// The candidate's host.
        candidate: String,
        /// Its weight.
        weight: i64,
    },
    /// The candidate was to be taken out while a route of a preview or a mirror leads to it.
    #[error(
        "{object}: {field} still leads to the candidate by a preview or a mirror: take that out and wait before"
    )]
    StillBeside {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route.
        field: String,
    },
    /// Of a header both what a route says and what a preview says can't be asked for.
    #[error(
        "{object}: {field} says by a regular expression, or of other cookies, what header {header} must be, and \
             spec.traffic.preview asks for it too, which can't be said at once: choose another header in spec.traffic.preview"
    )]
    PreviewUnclear {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route's conditions.
        field: String,
        /// The header.
        header: String,
    },
    /// A condition names gateways, and a preview asks for labels of the caller.
    #[error(
        "{object}: {field} names gateways, and then Istio doesn't read labels of callers, for which spec.traffic.preview.sourceLabels \
             asks: everybody would be led to the candidate. Name headers or cookies there instead, or the gateways in spec.gateways \
             of the VirtualService"
    )]
    PreviewByCallers {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route's conditions.
        field: String,
    },
    /// The cookies of a preview, in each order, are more than Istio takes.
    #[error(
        "{object}: {field} can't ask for the cookies of spec.traffic.preview: in each order they are longer than the 1024 characters \
             that Istio takes. Shorten their values, or name one"
    )]
    PreviewCookiesLong {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The route's conditions.
        field: String,
    },
    /// A route has a mirror in the form that allows of no others.
    #[error(
        "{object}: {field} is its owner's, and Istio takes no mirrors beside it, by which mirror in spec.steps leads to the \
             candidate: write it as an entry of mirrors ({{destination, percentage}}), or take mirror out of spec.steps"
    )]
    MirrorTaken {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The mirror.
        field: String,
    },
    /// A mirror of the owner's leads to the candidate.
    #[error(
        "{object}: {field} leads to the candidate already, and would stay when a step with mirror is over, so that live gets \
             requests twice: take it out, or take mirror out of spec.steps"
    )]
    MirrorsCandidate {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// The mirror.
        field: String,
    },
    /// Someone with a newer epoch has written.
    #[error(
        "{object}: annotation {annotation} is {found}, newer than this writer's {own}: read again and claim"
    )]
    StaleEpoch {
        /// The object.
        object: Box<ObjectName>,
        /// The annotation's key.
        annotation: String,
        /// What it holds.
        found: i64,
        /// What was to be written.
        own: i64,
    },
    /// A Service that can't carry roles.
    #[error("{object}: {field}: {problem}")]
    ServiceUnsupported {
        /// The Service.
        object: Box<ObjectName>,
        /// The field.
        field: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A port that callers may be using goes away.
    #[error(
        "{object}: {problem}: callers would get errors at once. Keep the port and add the new one beside it, once each \
             destination of a VirtualService that leads here names its port (port.number)"
    )]
    PortChanged {
        /// The Service.
        object: Box<ObjectName>,
        /// Which port, and what became of it.
        problem: String,
    },
    /// A destination means the only port of a Service that is to get another one.
    #[error(
        "{object}: {field} is missing, and {service} gets a second port by spec.release: from then on Istio would take the \
             number of the Gateway's port for it, so that requests get 503 where the Service has none of that number: write \
             port: {{number: {number}}} to the destination first"
    )]
    PortNotNamed {
        /// The VirtualService.
        object: Box<ObjectName>,
        /// What the destination lacks.
        field: String,
        /// The Service.
        service: Box<ObjectName>,
        /// Its only port.
        number: i64,
    },
    /// What a `DestinationRule` gives to `web` can't be given to the candidate.
    #[error("{object}: {problem}")]
    DestinationRuleUnsupported {
        /// The rule.
        object: Box<ObjectName>,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

impl Refusal {
    /// The reason for a condition: `CamelCase`, stable.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RouteNotFound { .. }
            | Self::RouteUnmatched { .. }
            | Self::NoDestination { .. }
            | Self::LiveTakenOut { .. } => "RouteNotFound",
            Self::RouteAmbiguous { .. }
            | Self::NotForwarding { .. }
            | Self::TooManyRoutes { .. }
            | Self::RecordTooLarge { .. }
            | Self::PortNotNamed { .. }
            | Self::TwoDestinations { .. }
            | Self::PreviewUnclear { .. }
            | Self::PreviewByCallers { .. }
            | Self::PreviewCookiesLong { .. }
            | Self::MirrorTaken { .. }
            | Self::MirrorsCandidate { .. }
            | Self::Subset { .. } => "RouteUnsupported",
            Self::WeightsNotHundred { .. } => "WeightsInvalid",
            Self::Malformed { .. } => "ObjectMalformed",
            Self::NotEntered { .. } => "RouteNotEntered",
            Self::CandidateHasWeight { .. } | Self::StillBeside { .. } => "CandidateHasWeight",
            Self::StaleEpoch { .. } => "StaleEpoch",
            Self::ServiceUnsupported { .. } => "ServiceUnsupported",
            Self::PortChanged { .. } => "PortChanged",
            Self::DestinationRuleUnsupported { .. } => "DestinationRuleUnsupported",
        }
    }
}
