//! How the cluster room is told to work. Every timer takes its scale from here.

use std::time::Duration;

use teal_plan::Span;
use teal_traffic::Mesh;

use crate::charts::Charts;

/// Settings of one operator process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Only objects whose label `teal.dev/instance` equals this are looked after.
    pub instance: String,
    /// The only namespace that is looked at; all where absent.
    pub namespace: Option<String>,
    /// How long proxies may lag behind what the API server has.
    pub propagation: Span,
    /// How long a color stays after its last traffic.
    pub drain: Span,
    /// How long too few endpoints are borne before going back.
    pub endpoint_grace: Span,
    /// How long a member of a group waits for others that begin, after the one that began last.
    pub gather: Span,
    /// How long a Decision waits for its Rollout before it is told that there is none.
    pub decision_grace: Span,
    /// Bound on every single request, and on its wait for a turn before that.
    pub request_timeout: Duration,
    /// Rollouts that are worked on at the same time. What they need meanwhile stays with the process; more of them than keep the API
    /// server busy make nothing faster.
    pub concurrency: u16,
    /// Names of the mesh.
    pub mesh: Mesh,
    /// What stops all Rollouts by being there; nothing where absent.
    pub stop: Option<StopSwitch>,
    /// Who renders charts; nobody where they are switched off.
    pub charts: Option<Charts>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            instance: String::new(),
            namespace: None,
            propagation: Span::seconds(2),
            drain: Span::seconds(30),
            endpoint_grace: Span::seconds(10),
            gather: Span::seconds(10),
            decision_grace: Span::seconds(30),
            request_timeout: Duration::from_secs(5),
            concurrency: 20,
            mesh: Mesh::default(),
            stop: None,
            charts: None,
        }
    }
}

/// The ConfigMap that stops all Rollouts while it is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopSwitch {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
