//! Putting the operator together, and taking it down in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use teal_chart::Limits;
use teal_cluster::{Charts, Cluster, Config, LeaseConfig, StopSwitch};
use teal_measure::{Bounds, Measurer, SourceConfig, Sources};
use teal_plan::Span;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::Operator;
use crate::charts::Renderer;
use crate::checks::Checks;
use crate::connect;
use crate::error::Error;
use crate::serve::serve;

/// Runs until the process is told to end.
pub(crate) fn run(settings: Operator) -> Result<(), Error> {
    log(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Listen { address: settings.metrics_address, source })?;
    runtime.block_on(operate(settings))
}

fn log(filter: &str) -> Result<(), Error> {
    let filter =
        EnvFilter::try_new(filter).map_err(|source| Error::Log { filter: filter.to_owned(), source })?;
    lines(filter, std::io::stdout).init();
    Ok(())
}

/// One JSON object a line, with the span that it is written in.
fn lines<W>(filter: EnvFilter, out: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(out)
        .finish()
}

async fn operate(settings: Operator) -> Result<(), Error> {
    let client = connect::client(connect::config(settings.server.as_deref()).await?)?;
    let measurer = Arc::new(Measurer::new(sources(settings.sources.as_deref())?, Bounds::default()));
    let stop = CancellationToken::new();
    let mut measuring = tokio::task::JoinSet::new();
    let lease = lease(&settings);
    let charts = charts(&settings)?;
    let cluster = Cluster::start(
        client,
        Config { charts, ..config(&settings) },
        |poker| {
            let checks = Arc::new(Checks::new(measurer, poker));
            measuring.spawn(Arc::clone(&checks).run(stop.clone()));
            checks
        },
        lease,
        &stop,
    );
    let server = serve(settings.metrics_address, cluster.probe(), stop.clone()).await?;
    let server = tokio::spawn(server);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), instance = settings.instance, "started");
    told_to_end().await;
    tracing::info!("ends");
    stop.cancel();
    cluster.ended().await;
    while measuring.join_next().await.is_some() {}
    drop(server.await);
    Ok(())
}

fn sources(path: Option<&Path>) -> Result<Sources, Error> {
    let Some(path) = path else { return Ok(Sources::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::SourcesUnreadable { path: path.to_owned(), source })?;
    let configs: Option<BTreeMap<String, SourceConfig>> = serde_yaml::from_str(&text)
        .map_err(|source| Error::SourcesInvalid { path: path.to_owned(), source })?;
    Ok(Sources::usable(&configs.unwrap_or_default()))
}

/// None where the operator isn't told where Helm is.
fn charts(settings: &Operator) -> Result<Option<Charts>, Error> {
    let Some(program) = settings.helm.clone() else { return Ok(None) };
    if !program.is_file() {
        return Err(Error::NoHelm { path: program });
    }
    let limits = Limits { memory: settings.charts_memory << 20, ..Limits::default() };
    let renderer = Renderer::new(teal_chart::Settings {
        program,
        folder: settings.charts_folder.clone(),
        limits,
        at_once: usize::from(settings.charts_at_once),
        fetched_at_once: usize::from(settings.charts_fetched_at_once),
        plain_hosts: settings.charts_plain_host.iter().cloned().collect(),
        authorities: settings.charts_ca_file.clone(),
    })?;
    Ok(Some(Charts(Arc::new(renderer))))
}

fn config(settings: &Operator) -> Config {
    let span = |duration: std::time::Duration| Span(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
    let mut config = Config {
        instance: settings.instance.clone(),
        namespace: settings.namespace.clone(),
        propagation: span(settings.propagation),
        drain: span(settings.drain),
        endpoint_grace: span(settings.endpoint_grace),
        request_timeout: settings.request_timeout,
        concurrency: settings.concurrency,
        stop: stop_switch(settings),
        ..Config::default()
    };
    config.mesh.cluster_domain.clone_from(&settings.cluster_domain);
    config.mesh.root_namespace.clone_from(&settings.mesh_root_namespace);
    config
}

fn stop_switch(settings: &Operator) -> Option<StopSwitch> {
    let namespace = settings.stop_namespace.clone().or_else(|| settings.lease_namespace.clone())?;
    Some(StopSwitch { namespace, name: settings.stop_name.clone() })
}

fn lease(settings: &Operator) -> Option<LeaseConfig> {
    let namespace = settings.lease_namespace.clone()?;
    let by_time = || format!("teal-{}-{}", std::process::id(), jiff::Timestamp::now().as_microsecond());
    Some(LeaseConfig {
        namespace,
        name: settings.lease_name.clone(),
        identity: settings.identity.clone().unwrap_or_else(by_time),
        duration: settings.lease_duration,
        renew: settings.lease_renew,
    })
}

/// SIGTERM from the kubelet, or Ctrl-C.
async fn told_to_end() {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "SIGTERM can't be heard");
            return tokio::signal::ctrl_c().await.unwrap_or_default();
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_is_json_and_has_the_span_it_is_written_in() {
        let mut file = tempfile();
        let out = Arc::new(file.try_clone().unwrap());
        tracing::subscriber::with_default(lines(EnvFilter::new("info"), out), || {
            let span = tracing::info_span!("look", rollout = "shop/web", epoch = tracing::field::Empty);
            span.record("epoch", 7);
            span.in_scope(|| tracing::info!(phase = "Checking", "committed"));
            tracing::debug!("this is of no interest");
        });
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).expect("one line");
        assert_eq!(line["span"], json!({"name": "look", "rollout": "shop/web", "epoch": 7}));
        assert_eq!(line["fields"], json!({"message": "committed", "phase": "Checking"}));
        assert_eq!(line["level"], "INFO");
    }

    /// Open, and gone from its folder.
    fn tempfile() -> std::fs::File {
        let path = std::env::temp_dir().join(format!("teal-lines-{}", std::process::id()));
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }
}
