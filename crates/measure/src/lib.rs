//! Prometheus queries to numbers.
