//! A stand-in for Prometheus on the loopback address, which records what it is asked.
#![allow(dead_code, reason = "each test file uses its part of this")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Form, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response},
    routing::post,
};
use teal_measure::{Source, SourceConfig, Sources};
use tokio::net::TcpListener;

/// One recorded request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The fields of the form.
    pub(crate) form: HashMap<String, String>,
    /// The headers.
    pub(crate) headers: HeaderMap,
}

/// How the stand-in answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delay: Duration,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
    }

    /// A successful answer with this `data`.
    pub(crate) fn data(data: &str) -> Self {
        Self::new(200, format!(r#"{{"status":"success","data":{data}}}"#))
    }

    /// One series with this value.
    pub(crate) fn value(value: &str) -> Self {
        Self::data(&format!(
            r#"{{"resultType":"vector","result":[{{"metric":{{}},"value":[1.5,"{value}"]}}]}}"#
        ))
    }
}

#[derive(Default)]
struct Record {
    asked: Vec<Asked>,
    open: usize,
    most_open: usize,
}

/// The stand-in; it goes with the test's runtime.
#[derive(Clone)]
pub(crate) struct Stand {
    pub(crate) url: String,
    reply: Reply,
    record: Arc<Mutex<Record>>,
}

impl Stand {
    /// Starts one that gives every question the same reply.
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stand = Self { url, reply, record: Arc::default() };
        let router = Router::new()
            .route("/api/v1/query", post(answer))
            .route("/prefix/api/v1/query", post(answer))
            .route("/elsewhere", post(answer).get(answer_to_get))
            .with_state(stand.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand
    }

    /// A source that leads here.
    pub(crate) fn source(&self) -> Source {
        Source::new("default", &config(&self.url)).unwrap()
    }

    /// Sources of these names, all leading here.
    pub(crate) fn sources(&self, names: &[&str]) -> Sources {
        let configs: BTreeMap<_, _> =
            names.iter().map(|name| ((*name).to_owned(), config(&self.url))).collect();
        Sources::new(&configs).unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.record.lock().unwrap().asked.clone()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, times: usize) {
        let asked = async {
            while self.asked().len() < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap();
    }

    /// The most questions that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.record.lock().unwrap().most_open
    }
}

pub(crate) fn config(url: &str) -> SourceConfig {
    SourceConfig { url: url.to_owned(), bearer_token_file: None, ca_file: None, timeout: None }
}

async fn answer(
    State(stand): State<Stand>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response<Body> {
    {
        let mut record = stand.record.lock().unwrap();
        record.asked.push(Asked { form, headers });
        record.open += 1;
        record.most_open = record.most_open.max(record.open);
    }
    tokio::time::sleep(stand.reply.delay).await;
    stand.record.lock().unwrap().open -= 1;
    let reply = stand.reply;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

async fn answer_to_get(state: State<Stand>, headers: HeaderMap) -> Response<Body> {
    answer(state, headers, Form(HashMap::new())).await
}
