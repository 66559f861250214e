//! The room against a real API server with its controllers. Pods are made ready by hand, so no node is needed.
//!
//! `cargo xtask server` runs it: it needs `TEAL_TEST_KUBECONFIG`, an account that may do everything, and the definitions of
//! Teal and Istio installed. One program with a module for each subject, so that it's linked once.

#![cfg(test)]

mod adopted;
mod alone;
mod bad_input;
mod bench;
mod connections;
mod gates;
mod grouped;
mod grown;
mod halted;
mod hands;
mod held;
mod in_place;
mod inner;
mod life;
mod mirrored;
mod previewed;
mod replaced;
mod resting;
mod runbook;
mod shared;
mod subsets;
mod work;
