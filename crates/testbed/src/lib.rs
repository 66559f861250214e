//! A whole single-node Kubernetes cluster with Istio in one process tree, for demo and tests.
//!
//! Nothing on the machine is used or changed: no container engine, no network, no running
//! cluster. A program that wants a bed calls [`enter`] first thing in `main`, and from there
//! on runs inside fresh network, process and mount namespaces; [`Bed::start`] then starts
//! the parts beside it.
//!
//! ```text
//!  the program, outside ─────────────── waits, forwards Ctrl-C, relays loopback ports
//!    │                 └─ the watcher ─ sees the program end (pipe), removes control groups, files
//!    └─ unshare ┌──────────── network, process and mount namespaces ────────────┐
//!               │ process 1 ─ prepares, reaps; its end is the end of all inside │
//!               │   └─ the program, inside: Bed, load clients, checks           │
//!               │        ├─ etcd ◄─ kube-apiserver ◄─ controllers, istiod, …    │
//!               │        ├─ containerd ─ shims ─ pods 10.244.0.0/16             │
//!               │        └─ Envoy 10.0.0.1:80 ─► pods ◄─ Prometheus :9090       │
//!               └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! Each arrow downwards is a leash: when the program outside dies, even by `kill -9`, the
//! kernel ends `unshare`, thus process 1, thus everything in its process namespace, and
//! mounts, addresses and packet filter rules go with their namespaces. Only control groups
//! and files are on the machine itself; the watcher removes them, and should it be killed
//! too, the next start does.
//!
//! Code inside reaches everything directly (API server 10.0.0.1:6443, Services, pods, the
//! gateway, Prometheus). From outside there are `teal-bed exec` and, where entered with
//! [`Enter::reachable_from_outside`], ports on the machine's loopback address.
//!
//! Files of a bed lie in `$TMPDIR/teal-bed-<process number>` and go with it; with
//! `TEAL_BED_KEEP_FILES=1` they stay, to look at logs after a failure.
//!
//! The parts are built from package registries once, into a cache: see [`parts`].

pub mod audit;
pub mod bed;
mod cgroup;
mod cluster;
mod enter;
mod error;
mod exec;
pub mod history;
pub mod image;
mod leash;
mod namespaces;
pub mod parts;
mod relay;
mod wait;

pub use bed::{Bed, Config, Istio, Profile, Sidecar};
pub use cluster::Cluster;
pub use enter::{Enter, enter, enter_with, is_inside, may_enter, run_folder};
pub use error::{Error, Result};
pub use exec::{exec, running};
pub use leash::leashed;
pub use namespaces::NODE_ADDRESS;
pub use wait::until;
