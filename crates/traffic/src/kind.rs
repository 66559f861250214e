//! The three lists of routes that a `VirtualService` has, and which route in them is meant.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::object::{list, text};

/// As many names as a tls route may be named by in a Rollout.
const MOST_SNI_HOSTS: usize = 16;

/// A list of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// `spec.http`: requests.
    Http,
    /// `spec.tls`: connections that are passed on encrypted, by the name that they ask for.
    Tls,
    /// `spec.tcp`: connections.
    Tcp,
}

impl RouteKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Tls, Self::Tcp];

    /// The key of the list in `spec`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    /// Its routes in a `VirtualService`; an absent list is empty.
    pub(crate) fn routes(self, virtual_service: &Value) -> &[Value] {
        let path = match self {
            Self::Http => "/spec/http",
            Self::Tls => "/spec/tls",
            Self::Tcp => "/spec/tcp",
        };
        list(virtual_service, path)
    }

    /// The place of a route for messages.
    pub(crate) fn field(self, index: usize, name: Option<&str>) -> String {
        match name {
            Some(name) => format!("spec.{}[{index}] ({name})", self.as_str()),
            None => format!("spec.{}[{index}]", self.as_str()),
        }
    }

    /// The name of a route; only http routes have one, and an empty one is none.
    pub(crate) fn name(self, route: &Value) -> Option<&str> {
        text(route, "/name").filter(|name| self == Self::Http && !name.is_empty())
    }
}

/// Which routes of a `VirtualService` are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteSelector {
    /// The http route of this name.
    Name(String),
    /// Tls routes with a condition for this port and these names, as far as they are given.
    Tls(Box<TlsSelector>),
    /// Tcp routes with a condition for this port, or all of them.
    Tcp(Option<u16>),
}

/// What a condition of a tls route must say.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsSelector {
    /// Its `port`.
    pub port: Option<u16>,
    /// Names that must be among its `sniHosts`.
    pub sni_hosts: Vec<String>,
}

impl RouteSelector {
    /// The http route of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// Tls routes for this port and these names.
    pub fn tls(port: Option<u16>, sni_hosts: Vec<String>) -> Self {
        Self::Tls(Box::new(TlsSelector { port, sni_hosts }))
    }

    /// Where the routes that it means stand.
    pub const fn kind(&self) -> RouteKind {
        match self {
            Self::Name(_) => RouteKind::Http,
            Self::Tls(_) => RouteKind::Tls,
            Self::Tcp(_) => RouteKind::Tcp,
        }
    }

    /// The narrowest that would mean this route; nothing for an http route without a name.
    pub(crate) fn of(kind: RouteKind, route: &Value) -> Option<Self> {
        let conditions = list(route, "/match");
        match kind {
            RouteKind::Http => kind.name(route).map(Self::named),
            RouteKind::Tls => {
                let first = conditions.first().unwrap_or(&Value::Null);
                let hosts = list(first, "/sniHosts").iter().filter_map(Value::as_str).take(MOST_SNI_HOSTS);
                Some(Self::tls(port(first), hosts.map(str::to_owned).collect()))
            }
            RouteKind::Tcp => Some(Self::Tcp(conditions.iter().find_map(port))),
        }
    }

    /// As a proposal to the owner of a route: what to write, and how much that means where it is more than the route.
    pub(crate) fn proposal(&self) -> String {
        match self {
            Self::Tcp(None) => {
                format!("{{{self}}} (each of its tcp routes that leads to a Service of the Rollout)")
            }
            _ => format!("{{{self}}}"),
        }
    }

    /// Whether a route of this kind is meant.
    pub(crate) fn means(&self, kind: RouteKind, route: &Value) -> bool {
        if kind != self.kind() {
            return false;
        }
        let any = |is: &dyn Fn(&Value) -> bool| list(route, "/match").iter().any(is);
        match self {
            Self::Name(name) => kind.name(route) == Some(name),
            Self::Tcp(None) => true,
            Self::Tcp(wanted) => any(&|condition| port(condition) == *wanted),
            Self::Tls(wanted) => any(&|condition| {
                let hosts = list(condition, "/sniHosts");
                let has = |name: &String| hosts.iter().any(|host| host == name.as_str());
                (wanted.port.is_none() || port(condition) == wanted.port) && wanted.sni_hosts.iter().all(has)
            }),
        }
    }
}

fn port(condition: &Value) -> Option<u16> {
    u16::try_from(condition.get("port")?.as_u64()?).ok()
}

/// As it is written in `spec.traffic.virtualServices[].routes`.
impl fmt::Display for RouteSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "name: {}", quoted(name)),
            Self::Tcp(Some(port)) => write!(f, "tcp: {{port: {port}}}"),
            Self::Tcp(None) => f.write_str("tcp: {}"),
            Self::Tls(tls) => {
                let names: Vec<Cow<'_, str>> = tls.sni_hosts.iter().map(|name| quoted(name)).collect();
                let hosts = (!names.is_empty()).then(|| format!("sniHosts: [{}]", names.join(", ")));
                let parts: Vec<String> =
                    tls.port.map(|port| format!("port: {port}")).into_iter().chain(hosts).collect();
                write!(f, "tls: {{{}}}", parts.join(", "))
            }
        }
    }
}

/// Text as YAML takes it for one: in quotes, unless it is made of what names are usually made of and can't be read as a number.
fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_' | '/'))
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_lowercase().as_str());
    if is_plain { Cow::Borrowed(text) } else { Cow::Owned(Value::from(text).to_string()) }
}
