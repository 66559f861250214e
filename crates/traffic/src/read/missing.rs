//! What is said where no destination is one of the Services: the usual mistakes have their own remedy.

use std::collections::BTreeSet;

use super::{At, Reader, http};
use crate::object::{list, text};
use crate::{Destination, Refusal, RouteKind, RouteSelector};

impl Reader<'_> {
    pub(super) fn no_live(&self, at: At, destinations: &[Destination]) -> Refusal {
        let hosts: Vec<&str> = destinations.iter().map(|destination| destination.host.as_str()).collect();
        self.no_destination(self.field(at), &hosts)
    }

    pub(super) fn nothing(&self) -> Refusal {
        let entries = http(self.virtual_service).iter().flat_map(|route| list(route, "/route"));
        let hosts: Vec<&str> =
            entries.filter_map(|entry| entry.pointer("/destination/host")?.as_str()).collect();
        match (self.no_destination("spec.http".into(), &hosts), self.delegating()) {
            (Refusal::NoDestination { object, field, wanted, found, .. }, Some(remedy)) => {
                Refusal::NoDestination { object, field, wanted, found, remedy }
            }
            (other, _) => other,
        }
    }

    /// Where the routes are of one that has none of its own. A Rollout knows the VirtualServices of its own namespace.
    fn delegating(&self) -> Option<String> {
        let own = self.object.namespace.as_str();
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for route in http(self.virtual_service) {
            let Some(name) = text(route, "/delegate/name") else { continue };
            match text(route, "/delegate/namespace").filter(|of| !of.is_empty() && *of != own) {
                None => near.push(name.to_owned()),
                Some(of) => far.push(format!("{of}/{name}")),
            }
        }
        let said = |names: &[String]| words(names.iter().map(String::as_str), "none");
        let near_too = (!near.is_empty()).then(|| {
            format!(
                "its routes are in the VirtualServices it delegates to ({}), name those in \
                 spec.traffic.virtualServices",
                said(&near)
            )
        });
        let far_too = (!far.is_empty()).then(|| {
            format!(
                "it delegates to VirtualServices of another namespace ({}), and a Rollout manages routes of its own \
                 namespace alone: put the Rollout and its release there, or the delegate here",
                said(&far)
            )
        });
        let all: Vec<String> = near_too.into_iter().chain(far_too).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// What would name the first tcp or tls route that leads to one of the Services, where no route is named.
    fn unnamed(&self) -> Option<RouteSelector> {
        let mut all = [RouteKind::Tcp, RouteKind::Tls].into_iter().flat_map(|kind| self.of(kind));
        let first = all.find(|at| self.names_live(*at)).filter(|_| self.scope.routes.is_none());
        first.and_then(|at| RouteSelector::of(at.0, self.get(at)?))
    }

    pub(super) fn unmatched(&self, selector: &RouteSelector) -> Refusal {
        let kind = selector.kind();
        let there = self.of(kind).filter_map(|at| RouteSelector::of(kind, self.get(at)?));
        let there: Vec<String> = there.map(|known| format!("{{{known}}}")).collect();
        Refusal::RouteUnmatched {
            object: self.object.boxed(),
            kind: kind.as_str(),
            wanted: selector.to_string(),
            known: words(there.iter().map(String::as_str), "none"),
        }
    }

    fn no_destination(&self, field: String, hosts: &[&str]) -> Refusal {
        let namespace = &self.object.namespace;
        let wanted = self.scope.services.iter().map(|service| service.live_host(self.scope.mesh));
        let wanted: Vec<String> = wanted.collect();
        // `web.shop` looks like the Service but is taken literally by Istio; the most common way to get here.
        let partial = hosts.iter().find(|host| {
            host.contains('.') && wanted.iter().any(|full| full.starts_with(&format!("{host}.")))
        });
        let short = hosts.iter().find(|host| {
            !host.contains('.') && self.scope.services.iter().any(|service| service.name == **host)
        });
        let foreign = hosts.iter().find_map(|host| Some((*host, self.foreign_domain(host)?)));
        let remedy = match (partial, short) {
            _ if let Some((host, domain)) = foreign => format!(
                "{host} is of cluster domain {domain} and this operator's is {}: if {domain} is this cluster's, install \
                 the chart with mesh.clusterDomain={domain} (the operator's --cluster-domain), else write the full name",
                self.scope.mesh.cluster_domain
            ),
            (Some(host), _) => {
                format!("Istio takes {host} literally because of its dot, write the full name")
            }
            (None, Some(host)) => {
                format!("{host} there means {}, write the full name", self.scope.mesh.expand(host, namespace))
            }
            (None, None) => match self.unnamed() {
                Some(selector) => format!(
                    "its tcp and tls routes are moved only where they are named, add {} to \
                     spec.traffic.virtualServices[].routes",
                    selector.proposal()
                ),
                None => "correct the destination, or spec.traffic.services of the Rollout".to_owned(),
            },
        };
        Refusal::NoDestination {
            object: self.object.boxed(),
            field,
            wanted: words(wanted.iter().map(String::as_str), "none"),
            found: words(hosts.iter().copied(), "no host"),
            remedy,
        }
    }

    /// What stands in a full name of one of the Services where the cluster's domain should be.
    fn foreign_domain<'h>(&self, host: &'h str) -> Option<&'h str> {
        let of = |name: &str, namespace: &str| host.strip_prefix(&format!("{name}.{namespace}.svc."));
        let mut services = self.scope.services.iter();
        services.find_map(|service| of(&service.name, &service.namespace)).filter(|domain| {
            // The beginning of the domain is a name that isn't written out.
            !domain.is_empty() && !self.scope.mesh.cluster_domain.starts_with(&format!("{domain}."))
        })
    }
}

/// A list in words, each thing once.
pub(super) fn words<'a>(things: impl Iterator<Item = &'a str>, none: &str) -> String {
    let mut known = BTreeSet::new();
    let seen: Vec<&str> = things.filter(|thing| known.insert(*thing)).collect();
    if seen.is_empty() { none.to_owned() } else { seen.join(", ") }
}
