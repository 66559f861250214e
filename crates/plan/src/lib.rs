//! The decision: what to do next with a Rollout. Pure: no clock, no I/O, no kube.
