//! Ports of the gateway, and whose each is. Requests are told apart by their hosts, so all stories have theirs at one port. Connections
//! aren't: of all routes for connections at a port, whatever `Gateway` they are of, istiod makes one listener, where the first of
//! them answers. And a namespace that was closed has its routes for as long as it takes to go. So each who needs such a port has
//! one here.

/// For requests, of all.
pub const REQUESTS: u16 = 80;
/// For the application's sessions of raw TCP, which one story has at a time.
pub const SESSIONS: u16 = 9000;
/// For the tcp routes of the goldens.
pub const GOLDEN_TCP: u16 = 9010;
/// For their tls routes.
pub const GOLDEN_TLS: u16 = 443;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::world::manifests;

    #[test]
    fn each_port_is_one_purpose_alone() {
        let all = [REQUESTS, SESSIONS, GOLDEN_TCP, GOLDEN_TLS];
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn the_examples_have_the_ports_that_are_theirs_here() {
        for (file, port) in [("traffic.yaml", REQUESTS), ("tcp.yaml", SESSIONS)] {
            let objects = manifests::example(file).unwrap();
            let gateway = objects.iter().find(|object| object["kind"] == "Gateway").unwrap();
            assert_eq!(gateway["spec"]["servers"][0]["port"]["number"], port, "{file}");
        }
    }
}
