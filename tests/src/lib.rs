//! End-to-end stories on a real cluster.
