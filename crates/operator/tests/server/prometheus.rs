//! A stand-in for Prometheus on the loopback address, which answers as it is told, and Teal with the operator's own
//! checks asking it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::routing::post;
use axum::{Form, Router};
use teal_cluster::{Measuring, Poker};
use teal_measure::{Bounds, Measurer, SourceConfig, Sources};
use teal_operator::Checks;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::bench::setup::Setup;

/// How the stand-in answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    body: String,
    delay: Duration,
}

impl Reply {
    /// One series with this value.
    pub(crate) fn value(value: &str) -> Self {
        Self::series(&[value])
    }

    /// So many series with these values.
    pub(crate) fn series(values: &[&str]) -> Self {
        let series: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(index, value)| format!(r#"{{"metric":{{"pod":"web-{index}"}},"value":[1.5,"{value}"]}}"#))
            .collect();
        let result = series.join(",");
        Self {
            status: 200,
            body: format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#),
            delay: Duration::ZERO,
        }
    }

    /// As Prometheus refuses what is no PromQL.
    pub(crate) fn parse_error(text: &str) -> Self {
        let body = format!(r#"{{"status":"error","errorType":"bad_data","error":"{text}"}}"#);
        Self { status: 400, body, delay: Duration::ZERO }
    }

    /// The same, but later.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// The stand-in. It goes with the test's runtime.
#[derive(Clone)]
pub(crate) struct Stand {
    reply: Arc<Mutex<Reply>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Queries that are no PromQL, with what is said of them.
    refused: Arc<Mutex<Vec<(String, Reply)>>>,
}

impl Stand {
    pub(crate) fn new(reply: Reply) -> Self {
        Self { reply: Arc::new(Mutex::new(reply)), asked: Arc::default(), refused: Arc::default() }
    }

    /// Answers at an address that is free.
    pub(crate) async fn listen(&self) -> String {
        self.listen_at(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    /// Answers there.
    pub(crate) fn listen_at(&self, listener: TcpListener) -> String {
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/api/v1/query", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    pub(crate) fn tell(&self, reply: Reply) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// This query is refused, whatever else is told.
    pub(crate) fn refuses(&self, query: &str, error: &str) {
        let refused = (query.to_owned(), Reply::parse_error(error));
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(refused);
    }

    /// As it is told to answer this query.
    fn reply(&self, query: &str) -> Reply {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.iter().find(|(known, _)| query == known);
        refused.map_or_else(|| self.told(), |(_, reply)| reply.clone())
    }

    fn told(&self) -> Reply {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The queries so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(stand): State<Stand>, Form(form): Form<BTreeMap<String, String>>) -> Response<Body> {
    let query = form.get("query").cloned().unwrap_or_default();
    let reply = stand.reply(&query);
    stand.asked.lock().unwrap_or_else(PoisonError::into_inner).push(query);
    tokio::time::sleep(reply.delay).await;
    Response::builder().status(reply.status).body(Body::from(reply.body)).expect("a response")
}

/// Teal whose source `default` is at this address.
pub(crate) fn asking(url: &str) -> Setup {
    let config = SourceConfig {
        url: url.to_owned(),
        bearer_token_file: None,
        ca_file: None,
        timeout: Some("500ms".parse().expect("a duration")),
    };
    let sources = Sources::new(&BTreeMap::from([("default".to_owned(), config)])).expect("a source");
    let measurer = Arc::new(Measurer::new(sources, Bounds::default()));
    let measuring = move |poker: Poker, stop: &CancellationToken| {
        let checks = Arc::new(Checks::new(Arc::clone(&measurer), poker));
        tokio::spawn(Arc::clone(&checks).run(stop.clone()));
        checks as Arc<dyn Measuring>
    };
    Setup { measuring: Arc::new(measuring), ..Setup::default() }
}
