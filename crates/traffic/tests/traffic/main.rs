//! Tests of the traffic room, in one binary: rules of the order of writes, goldens, properties and bad input.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like the test itself")]

mod connections;
mod destination_rules;
mod direct;
mod direct_properties;
mod findings;
mod golden;
mod goldens;
mod lives;
mod ownership;
mod properties;
mod refusals;
mod routes;
mod second_port;
mod services;
mod strays;
mod subsets;
mod support;
