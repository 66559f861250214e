//! The operator's own checks with Teal against a real API server, and a stand-in for Prometheus.
//!
//! `cargo xtask server` runs it, as it runs that of the room `cluster`, whose bench it uses.

#![cfg(test)]

#[expect(dead_code, reason = "of the bench of the room cluster only a part is used here")]
#[path = "../../../cluster/tests/server/bench/mod.rs"]
mod bench;
mod charts;
mod drain;
mod metrics;
mod prometheus;
#[path = "../../../chart/tests/support/mod.rs"]
mod support;
mod traffic_job;
mod values;
