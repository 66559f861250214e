//! The kinds on a real API server: every valid example is accepted, every invalid one is refused with the message that its
//! first line names, plain `kubectl apply` works, every field is explained, status is stored whole.
//!
//! `cargo xtask server` runs it: it needs `TEAL_TEST_KUBECONFIG`, a kubeconfig whose user may do everything, and `kubectl`
//! (or what `TEAL_TEST_KUBECTL` names). It leaves the definitions and removes the namespaces it made.
#![cfg(test)]

mod apply;
mod cluster;
mod examples;
mod explain;
#[path = "../support/mod.rs"]
mod support;
