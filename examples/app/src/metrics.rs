//! What `/metrics` tells.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What a connection is used for.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "label values are written as the variants are named")]
pub enum Kind {
    /// HTTP/1.1 or HTTP/2, until it becomes a WebSocket.
    http,
    /// A WebSocket session.
    websocket,
    /// A gRPC stream, inside an `http` connection.
    grpc,
    /// A raw TCP session.
    tcp,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    code: u16,
    version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Open {
    kind: Kind,
}

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ok: Counter,
    errors: Counter,
    duration: Histogram,
    open: Family<Open, Gauge>,
}

impl Metrics {
    /// All metrics at zero: both codes and all kinds exist from the start, so that a rate over them is never without data.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        let requests = Family::<Answered, Counter>::default();
        let open = Family::<Open, Gauge>::default();
        let label = [("version".into(), version.to_owned().into())];
        let duration = Histogram::new(BOUNDS);
        registry.register("http_requests", "Requests answered, by code and version", requests.clone());
        registry.register("connections_open", "Connections and sessions open now, by kind", open.clone());
        registry.sub_registry_with_labels(label.into_iter()).register_with_unit(
            "http_request_duration",
            "Time from request to answer",
            Unit::Seconds,
            duration.clone(),
        );
        for kind in [Kind::http, Kind::websocket, Kind::grpc, Kind::tcp] {
            drop(open.get_or_create(&Open { kind }));
        }
        let counter = |code| requests.get_or_create(&Answered { code, version: version.to_owned() }).clone();
        let (ok, errors) = (counter(200), counter(500));
        Self { registry, ok, errors, duration, open }
    }

    /// Counts one answer to a user's request.
    pub fn answered(&self, error: bool, after: Duration) {
        if error { &self.errors } else { &self.ok }.inc();
        self.duration.observe(after.as_secs_f64());
    }

    /// The gauge of open connections of one kind.
    pub fn open(&self, kind: Kind) -> Gauge {
        self.open.get_or_create(&Open { kind }).clone()
    }

    /// Everything as `OpenMetrics` text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
