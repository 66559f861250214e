//! Watches, stores, observing and carrying out effects in a cluster.
