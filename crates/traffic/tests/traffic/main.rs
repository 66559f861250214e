//! Tests of the traffic room, in one binary: rules of the order of writes, goldens, properties and bad input.

mod destination_rules;
mod findings;
mod golden;
mod ownership;
mod properties;
mod refusals;
mod routes;
mod services;
mod support;
