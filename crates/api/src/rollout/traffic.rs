//! `spec.traffic`: which Services and routes lead to the release.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown by kubectl explain, where backticks are noise"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Preview;
use crate::duration::{DurationText, at_least_a_second};
use crate::names::limit;
use crate::schema::{ATOMIC, MAP, rules, source};

/// Services and routes of a Rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.preview) || has(self.virtualServices)",
    "a preview is a route of a VirtualService: name one in virtualServices, or take preview out",
)])))]
pub struct Traffic {
    /// The Services by which callers reach the release, 1 to 16. Each keeps its name and always selects the live
    /// color; beside it Teal makes one with -candidate behind the name, which selects the candidate.
    #[schemars(
        length(max = limit::TRAFFIC_OBJECTS),
        extend(
            "x-kubernetes-list-type" = MAP,
            "x-kubernetes-list-map-keys" = ["name"],
            "x-kubernetes-validations" = rules(&[("self.size() > 0", "name at least one Service")])
        )
    )]
    pub services: Vec<TrafficService>,

    /// The Istio VirtualServices whose weights move traffic, up to 16, in the Rollout's namespace. Leave it out for
    /// plain blue-green without a mesh: then weight 100 switches the Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::TRAFFIC_OBJECTS),
        extend(
            "x-kubernetes-list-type" = ATOMIC,
            "x-kubernetes-validations" = rules(&[
                ("self.size() > 0", "name a VirtualService, or leave virtualServices out for plain blue-green"),
                (
                    "self.all(v, self.exists_one(o, o.name == v.name))",
                    "a VirtualService is named twice: put all its routes under one entry",
                ),
            ])
        )
    )]
    pub virtual_services: Option<Vec<VirtualServiceReference>>,

    /// Awaits connections that outlive the weight that let them in, such as WebSockets, streams and sessions of games, before a
    /// color without traffic is removed. Default: it is removed 30 seconds after its last request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Box<Drain>>,

    /// Who is led to the candidate because they ask for it, whatever weight it has: requests that bear all of this. From when the
    /// candidate is ready, so also in a step of weight 0, until it is promoted or goes back, each managed http route has another one
    /// above it for them, which leads to the candidate and is otherwise the same. Such requests are no part of a step's weight.
    /// Default: nobody may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Box<Preview>>,
}

/// Which open connections of a color are awaited before it is removed, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "has(self.query)",
    "say in query how many connections are open: PromQL that gives one number for $(color)",
)])))]
pub struct Drain {
    /// How long they are awaited at most, from when the color would have been removed without this: after keep.previous or
    /// keep.failed, or 30 seconds after its last request where another revision takes its place. Then it is removed, whatever is
    /// open. Default: 30m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = at_least_a_second()))]
    pub timeout: Option<DurationText>,

    /// How many connections are open: PromQL that gives one number; once it is 0, the color is removed. No answer, or one without
    /// data, is no 0. Placeholders, which speak of the color that goes: $(color), $(revision), $(service), $(candidateService),
    /// $(namespace), $(rollout); $(liveColor) is the other one. Example:
    /// sum(connections_open{kind=~"websocket|grpc",teal_dev_revision="$(revision)"}).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = limit::QUERY),
        extend("x-kubernetes-validations" = rules(&[
            (
                "self.matches('^([^$]|[$]+[^$(]|[$]+[(](color|liveColor|revision|service|candidateService|namespace|rollout)[)])*\
                 [$]*$')",
                "the query has a placeholder that does not exist here: use $(color), $(liveColor), $(revision), $(service), \
                 $(candidateService), $(namespace) or $(rollout)",
            ),
            (
                "self.contains('$(color)') || self.contains('$(revision)')",
                "the query asks for both colors, so the new one's connections would keep the old one: select by $(color) or \
                 $(revision)",
            ),
        ]))
    )]
    pub query: Option<String>,

    /// Which metrics source is asked: a name that the operator's configuration has, never a URL. Default: default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = source())
    )]
    pub source: Option<String>,
}

/// One Service of the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficService {
    /// Name of the Service, at most 53 characters, such as web. It is one of release.manifests; where the release is a chart, it is
    /// made beside the chart's own.
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = rules(&[
            (
                "self.size() <= 53",
                "a traffic Service's name may have 53 characters, because -candidate is put behind it: shorten it",
            ),
            (
                "self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "write a Service's name: lower case letters, digits and dashes, a letter first",
            ),
        ]))
    )]
    pub name: String,

    /// Where the release is a chart: what the chart calls this Service in a color, with $(color) in place of the color.
    /// Default: name-$(color).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = limit::DNS_LABEL),
        extend("x-kubernetes-validations" = rules(&[(
            "self.contains('$(color)')",
            "write $(color) in place of the color, such as web-$(color): each color has a Service of its own",
        )]))
    )]
    pub from: Option<String>,
}

/// One VirtualService.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VirtualServiceReference {
    /// Name of the VirtualService in the Rollout's namespace.
    #[schemars(
        length(min = 1, max = limit::DNS_SUBDOMAIN),
        extend("x-kubernetes-validations" = rules(&[(
            "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
            "write a VirtualService's name: lower case letters, digits, dashes and dots",
        )]))
    )]
    pub name: String,

    /// The routes that are managed, 1 to 50. Default: every http route that has one of services as a destination; tls and tcp
    /// routes are managed only where they are named here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::ROUTES),
        extend(
            "x-kubernetes-list-type" = ATOMIC,
            "x-kubernetes-validations" = rules(&[
                (
                    "self.size() > 0",
                    "name a route, or leave routes out for every http route that leads to one of services",
                ),
                (
                    "self.all(r, !has(r.name) || self.exists_one(o, has(o.name) && o.name == r.name))",
                    "a route is named twice: keep one of them",
                ),
            ])
        )
    )]
    pub routes: Option<Vec<Route>>,
}

/// Routes of a VirtualService: exactly one of name, tls and tcp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "[has(self.name), has(self.tls), has(self.tcp)].exists_one(x, x)",
    "say which route by exactly one of name (an http route), tls and tcp: give each a line of its own",
)])))]
pub struct Route {
    /// Name of an http route: spec.http[].name in the VirtualService.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limit::DNS_SUBDOMAIN))]
    pub name: Option<String>,

    /// The tls routes that have a match with this port and these sniHosts, and lead to one of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRoute>,

    /// The tcp routes that have a match with this port, and lead to one of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpRoute>,
}

/// What a match of a tls route has: spec.tls[].match[] in the VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRoute {
    /// Its port. Default: whichever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,

    /// Names that are all among its sniHosts, up to 16. Default: whichever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = limit::SNI_HOSTS),
        inner(length(min = 1, max = limit::DNS_SUBDOMAIN)),
        extend("x-kubernetes-list-type" = ATOMIC)
    )]
    pub sni_hosts: Option<Vec<String>>,
}

/// What a match of a tcp route has: spec.tcp[].match[] in the VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpRoute {
    /// Its port. Default: whichever it has, also none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
}
