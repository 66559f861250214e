//! Bad input: nothing is touched, what is wrong is said with object, field and remedy, few requests are made, and it
//! goes on by itself when mended. `Bench::bad` holds all of that; here are the cases.
//!
//! `docs/reference/bad-input.md` lists the cases with the names of their tests, and a test of `list` holds it against
//! the tests that there are. Most of a case's time is a count of requests while nothing should happen, so many cases may
//! run at once: `--test-threads 12`.

mod around;
mod decisions;
mod definition;
mod list;
mod manifests;
mod marks;
mod neighbors;
mod pods;
mod routes;
mod services;
mod times;
mod without_istio;
mod world;
