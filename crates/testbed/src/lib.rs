//! A whole single-node Kubernetes cluster with Istio in one process tree, for demo and tests.
