//! The clock: one watch of etcd itself, over its HTTP gateway, with one thread that does nothing but note the monotonic time
//! at which each piece of the answer arrives. Both ends of every time measured are versions seen on this one stream, so the
//! API server's watch cache and this program's own requests and parsing are not in the figures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::{Value, json};
use teal_testbed::history::Key;
use tokio::sync::watch;

use super::ledger::{Fact, Ledger, Stamp};
use crate::error::{Error, Result};

/// What the output says about it.
pub(super) const DESCRIPTION: &str = "monotonic clock of one reader of one etcd watch stream; from the etcd version of the user's write \
                               to the etcd version of the VirtualService";

/// What is followed.
const PREFIXES: [&str; 3] =
    ["/registry/teal.dev/", "/registry/networking.istio.io/virtualservices/", "/registry/deployments/"];

/// Follows etcd and keeps the ledger.
pub(super) struct Clock {
    ledger: Arc<Mutex<Ledger>>,
    changed: watch::Receiver<u64>,
}

impl Clock {
    /// Starts to follow. What is followed ends with the program or with etcd.
    pub(super) fn start(etcd: &str) -> Result<Self> {
        let (pieces, arrived) = std::sync::mpsc::channel();
        let (tell, changed) = watch::channel(0);
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let url = format!("{etcd}/v3/watch");
        let failed = |source| Error::Local { action: "start a thread", source };
        std::thread::Builder::new()
            .name("clock".into())
            .spawn(move || note_arrivals(&url, &pieces))
            .map_err(failed)?;
        let kept = ledger.clone();
        let read = move || read_pieces(&arrived, &kept, &tell);
        std::thread::Builder::new().name("ledger".into()).spawn(read).map_err(failed)?;
        Ok(Self { ledger, changed })
    }

    /// Looks into the ledger.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&lock(&self.ledger))
    }

    /// Waits until something holds of the ledger, looking at each change once.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut find: impl FnMut(&Ledger) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let mut changed = self.changed.clone();
        let deadline = tokio::time::Instant::now() + within;
        loop {
            changed.mark_unchanged();
            let last = match self.look(|ledger| ledger.broken.clone().map_or_else(|| Ok(find(ledger)), Err)) {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(why)) => why,
                Err(broken) => {
                    return Err(Error::Unmet(format!("{what}: the watch of etcd ended: {broken}")));
                }
            };
            if !matches!(tokio::time::timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return Err(Error::Late { what: what.to_owned(), seconds: within.as_secs(), state: last });
            }
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // Whoever died while holding it had entered whole versions.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A piece of the stream with the instant at which it came, or why there are no more.
type Piece = std::result::Result<(Instant, Vec<u8>), String>;

fn note_arrivals(url: &str, pieces: &std::sync::mpsc::Sender<Piece>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            runtime.block_on(async { stream(url, pieces).await.err().map(|error| error.to_string()) })
        }
        Err(error) => Some(error.to_string()),
    };
    // Nobody listens any more when the program ends.
    pieces.send(Err(ended.unwrap_or_else(|| "etcd closed it".into()))).ok();
}

async fn stream(
    url: &str,
    pieces: &std::sync::mpsc::Sender<Piece>,
) -> std::result::Result<(), reqwest::Error> {
    // Several requests in one body make several watches that answer on one stream, in order.
    let body: String = PREFIXES.iter().map(|prefix| create_request(prefix).to_string()).collect();
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body);
    let mut answer = request.send().await?.error_for_status()?;
    while let Some(piece) = answer.chunk().await? {
        if pieces.send(Ok((Instant::now(), piece.to_vec()))).is_err() {
            break;
        }
    }
    Ok(())
}

fn create_request(prefix: &str) -> Value {
    let encode = |text: &str| json!(ByteString(text.as_bytes().to_owned()));
    let mut end = prefix.to_owned();
    // The first key behind all that begin so: '0' follows '/'.
    end.pop();
    end.push('0');
    json!({"create_request": {"key": encode(prefix), "range_end": encode(&end), "start_revision": "1"}})
}

fn read_pieces(
    arrived: &std::sync::mpsc::Receiver<Piece>,
    ledger: &Mutex<Ledger>,
    tell: &watch::Sender<u64>,
) {
    let mut buffer = Vec::new();
    let mut broken = None;
    while broken.is_none() {
        match arrived.recv() {
            Ok(Ok((at, piece))) => {
                buffer.extend_from_slice(&piece);
                // A line is there when its last piece is.
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    broken = broken.or(absorb(&line, at, ledger).err());
                }
            }
            Ok(Err(why)) => broken = Some(why),
            Err(_) => return,
        }
        tell.send_modify(|count| *count += 1);
    }
    lock(ledger).broken = broken;
    tell.send_modify(|count| *count += 1);
}

#[derive(Deserialize)]
struct Answer {
    result: Option<WatchResult>,
}

#[derive(Deserialize)]
struct WatchResult {
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    canceled: bool,
}

#[derive(Deserialize)]
struct Event {
    /// Absent for a put.
    #[serde(rename = "type", default)]
    kind: String,
    kv: Pair,
}

#[derive(Deserialize)]
struct Pair {
    key: ByteString,
    #[serde(default)]
    value: Option<ByteString>,
    mod_revision: String,
}

fn absorb(line: &[u8], at: Instant, ledger: &Mutex<Ledger>) -> std::result::Result<(), String> {
    let answer: Answer = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let result = answer.result.filter(|result| !result.canceled);
    let result = result.ok_or_else(|| String::from_utf8_lossy(line).into_owned())?;
    for event in result.events {
        let Some(key) = std::str::from_utf8(&event.kv.key.0).ok().and_then(Key::parse) else { continue };
        let revision = event.kv.mod_revision.parse().map_err(|error| format!("revision: {error}"))?;
        let value = event.kv.value.filter(|_| event.kind != "DELETE");
        let value: Option<Value> = match value {
            Some(value) => {
                Some(serde_json::from_slice(&value.0).map_err(|error| format!("{}: {error}", key.name))?)
            }
            None => None,
        };
        let fact = Fact::of(&key.resource, value.as_ref());
        lock(ledger).enter((key.resource, key.name), Stamp { revision, at, fact });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, value: Option<&str>) -> Vec<u8> {
        let encode = |text: &str| json!(ByteString(text.as_bytes().to_owned()));
        let mut pair = json!({"key": encode("/registry/teal.dev/rollouts/bench/a"), "mod_revision": "7"});
        if let Some(value) = value {
            pair["value"] = encode(value);
        }
        json!({"result": {"events": [{"type": kind, "kv": pair}]}}).to_string().into_bytes()
    }

    #[test]
    fn versions_are_entered_with_the_instant_of_their_arrival() {
        let (ledger, at) = (Mutex::default(), Instant::now());
        absorb(&line("PUT", Some(r#"{"status":{"phase":"Complete"}}"#)), at, &ledger).unwrap();
        assert_eq!(lock(&ledger).at("rollouts", "a", 7), Some(at));
        let complete = |fact: &Fact| fact.stands(|standing| standing.phase == "Complete");
        assert!(lock(&ledger).newest("rollouts", "a").is_some_and(complete));
        absorb(&line("DELETE", None), at, &ledger).unwrap();
        assert_eq!(lock(&ledger).newest("rollouts", "a"), Some(&Fact::Gone));
    }

    #[test]
    fn a_watch_that_etcd_ends_is_an_error() {
        let canceled = br#"{"result":{"canceled":true,"compact_revision":"9"}}"#;
        assert!(absorb(canceled, Instant::now(), &Mutex::default()).unwrap_err().contains("compact"));
        assert!(absorb(br#"{"error":{"message":"no"}}"#, Instant::now(), &Mutex::default()).is_err());
        assert!(absorb(&line("PUT", Some("k8s")), Instant::now(), &Mutex::default()).is_err(), "not JSON");
    }

    #[test]
    fn a_piece_that_ends_inside_a_line_waits_for_the_rest() {
        let (send, arrived) = std::sync::mpsc::channel();
        let (tell, changed) = watch::channel(0);
        let ledger = Mutex::default();
        let mut text = line("PUT", Some("{}"));
        text.push(b'\n');
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_millis(5));
        send.send(Ok((first, text[..10].to_vec()))).unwrap();
        send.send(Ok((second, text[10..].to_vec()))).unwrap();
        send.send(Err("over".into())).unwrap();
        read_pieces(&arrived, &ledger, &tell);
        assert_eq!(lock(&ledger).at("rollouts", "a", 7), Some(second));
        assert_eq!(lock(&ledger).broken.as_deref(), Some("over"));
        assert_eq!(*changed.borrow(), 4);
    }
}
