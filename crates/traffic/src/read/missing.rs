//! What is said where no destination is one of the Services: the usual mistakes have their own remedy.

use super::Reader;
use crate::object::list;
use crate::{Destination, Refusal};

impl Reader<'_> {
    pub(super) fn no_live(&self, index: usize, destinations: &[Destination]) -> Refusal {
        let hosts: Vec<&str> = destinations.iter().map(|destination| destination.host.as_str()).collect();
        self.no_destination(self.field(index), &hosts)
    }

    pub(super) fn nothing(&self) -> Refusal {
        let delegates = self.http.iter().filter_map(|route| route.pointer("/delegate/name")?.as_str());
        let delegates: Vec<&str> = delegates.collect();
        let entries = self.http.iter().flat_map(|route| list(route, "/route"));
        let hosts: Vec<&str> =
            entries.filter_map(|entry| entry.pointer("/destination/host")?.as_str()).collect();
        match self.no_destination("spec.http".into(), &hosts) {
            Refusal::NoDestination { object, field, wanted, found, .. } if !delegates.is_empty() => {
                let remedy = format!(
                    "its routes are in the VirtualServices it delegates to ({}), name those in \
                     spec.traffic.virtualServices",
                    delegates.join(", ")
                );
                Refusal::NoDestination { object, field, wanted, found, remedy }
            }
            other => other,
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
        let remedy = match (partial, short) {
            (Some(host), _) => {
                format!("Istio takes {host} literally because of its dot, write the full name")
            }
            (None, Some(host)) => {
                format!("{host} there means {}, write the full name", self.scope.mesh.expand(host, namespace))
            }
            (None, None) if self.tcp_or_tls => {
                "its tcp or tls routes are not supported, add an http route".to_owned()
            }
            (None, None) => "correct the destination, or spec.traffic.services of the Rollout".to_owned(),
        };
        Refusal::NoDestination {
            object: self.object.boxed(),
            field,
            wanted: words(wanted.iter().map(String::as_str), "none"),
            found: words(hosts.iter().copied(), "no host"),
            remedy,
        }
    }
}

/// A list in words, each thing once.
pub(super) fn words<'a>(things: impl Iterator<Item = &'a str>, none: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for thing in things {
        if !seen.contains(&thing) {
            seen.push(thing);
        }
    }
    if seen.is_empty() { none.to_owned() } else { seen.join(", ") }
}
