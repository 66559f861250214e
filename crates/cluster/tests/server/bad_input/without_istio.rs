//! Istio's kinds missing, and installed later.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use serde_json::Value;
use tokio::sync::RwLockWriteGuard;

use crate::bench::bad::Case;
use crate::bench::definitions::Istio;
use crate::bench::{self, Bench, objects};

/// Alone on the server, since it takes the definitions away and brings them back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn istio_that_is_installed_later() {
    let alone = bench::alone().await;
    let istio = Istio::connect().await;
    let definitions = istio.remove().await;
    // Whatever comes of it, the definitions come back: other tests need them.
    let result = AssertUnwindSafe(case(&istio, &definitions, &alone)).catch_unwind().await;
    istio.install(&definitions).await;
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

async fn case(istio: &Istio, definitions: &[Value], alone: &RwLockWriteGuard<'static, ()>) {
    let bench = Bench::start_alone("nomesh", alone).await;
    // Without a route nothing stands in the way of the first install.
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    let object = format!("names {}/web", bench.namespace());
    bench
        .bad(
            Case::refused("MeshNotInstalled", &object, "spec.traffic.virtualServices", "install Istio"),
            async || bench.apply(&objects::rollout("2")).await,
            async || {
                assert_eq!(bench.exists("deployments", "web-green").await, Some(false));
                istio.install(definitions).await;
                bench.apply_route().await;
            },
        )
        .await;
    bench.end().await;
}
