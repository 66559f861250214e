//! Bad input: what must hold while it is there, and after it was mended. One helper, so that no case forgets a part.

use std::time::{Duration, Instant};

use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use teal_cluster::Requests;

use super::Bench;
pub(crate) use super::case::Case;
use super::case::Told;
use super::history::{History, Version};

/// What is said is settled when nothing else has been said for so long.
const SETTLED: Duration = Duration::from_secs(3);

impl Bench {
    /// A case of bad input from its beginning to its end:
    ///
    /// 1. after `spoil`, the condition has the reason, for the present generation;
    /// 2. its message names object, field and remedy;
    /// 3. the history of the VirtualServices is as the case says, in every version that the API server had, not only
    ///    in the last;
    /// 4. the operator makes few requests until it has been said and nothing else has been said for three seconds: at most ten
    ///    where a look shows it, more where a candidate was made or had a weight by then (`Case::reaction`). From then on at
    ///    most three within 20 s, or ten within a whole minute where it tries again by itself. All that goes through the
    ///    operator's door is counted (reads, writes, Events), watches are not;
    /// 5. after `mend` the rollout completes, with every question answered by yes, and without a touch to the operator.
    pub(crate) async fn bad(&self, case: Case, spoil: impl AsyncFnOnce(), mend: impl AsyncFnOnce()) {
        let history = History::begin(self.api("virtualservices")).await;
        let before: Vec<Value> =
            history.all().await.iter().filter_map(|version| version.spec().cloned()).collect();
        // What a start asks is no answer to the case.
        self.until("all that Teal watches", async || self.probe.is_ready()).await;
        let asked = self.requests();
        spoil().await;
        self.is_told(&case).await;
        self.is_settled(&case).await;
        self.reacted(&asked, case.reason, case.reaction());
        self.is_calm(case.window).await;
        case.check(&history.all().await, &[before, self.written_routes()].concat());
        self.is_told(&case).await;
        mend().await;
        self.completes(&case.rollout).await;
    }

    /// Waits until it is told, and checks that the message names what it must.
    pub(crate) async fn is_told(&self, case: &Case) {
        let mut message = None;
        self.until(&format!("{:?} {}", case.told, case.reason), async || {
            message = match case.told {
                Told::Condition(kind, status) => self.said(case, kind, status).await,
                Told::Event => self.announced(case).await,
            };
            message.is_some()
        })
        .await;
        let message = message.unwrap_or_default();
        for name in &case.names {
            assert!(message.contains(name.as_str()), "{name:?} in {message:?}");
        }
    }

    /// The message of a condition that is as the case says, for the present generation.
    async fn said(&self, case: &Case, kind: &str, status: &str) -> Option<String> {
        let rollout = self.value("rollouts", &case.rollout).await;
        let found = condition(&rollout, kind);
        let fits = found["reason"] == case.reason
            && found["status"] == status
            && found["observedGeneration"] == rollout["metadata"]["generation"];
        fits.then(|| found["message"].as_str().unwrap_or_default().to_owned())
    }

    /// The note of an Event about the Rollout.
    async fn announced(&self, case: &Case) -> Option<String> {
        let events = self.api("events").list(&ListParams::default()).await.expect("a list").items;
        let about = |event: &Value| {
            event["reason"] == case.reason
                && event["regarding"]["kind"] == "Rollout"
                && event["regarding"]["name"] == case.rollout.as_str()
        };
        let mut found = events.iter().filter_map(|event| serde_json::to_value(event).ok()).filter(about);
        found.next().map(|event| event["note"].as_str().unwrap_or_default().to_owned())
    }

    async fn is_settled(&self, case: &Case) {
        let mut last = Value::Null;
        let mut since = Instant::now();
        self.until("a settled status", async || {
            let status = self.value("rollouts", &case.rollout).await["status"].clone();
            if status != last {
                (last, since) = (status, Instant::now());
            }
            since.elapsed() > SETTLED
        })
        .await;
    }

    /// Holds the requests since then against a limit.
    pub(crate) fn reacted(&self, before: &Requests, reason: &str, most: u64) {
        let made = self.difference(before);
        let count: u64 = made.iter().map(|(.., count)| count).sum();
        println!("{count} requests until {reason} was told: {made:?}");
        assert!(count <= most, "{count} requests until {reason} was told, and not {most}: {made:?}");
    }

    /// Counts requests for a while and holds them against a limit.
    pub(crate) async fn is_calm(&self, (window, most): (Duration, u64)) {
        let before = self.requests();
        tokio::time::sleep(window).await;
        let made = self.difference(&before);
        let count: u64 = made.iter().map(|(.., count)| count).sum();
        assert!(count <= most, "{count} requests in {window:?}: {made:?}");
    }

    /// Waits until all that a Rollout asks for has all traffic, and its routes are their owner's; says yes when asked.
    pub(crate) async fn completes(&self, rollout: &str) {
        let mut answered = Value::Null;
        self.until("completion", async || {
            let found = self.value("rollouts", rollout).await;
            let nonce = found.pointer("/status/gate/nonce").cloned().unwrap_or_default();
            if !nonce.is_null() && nonce != answered {
                self.decide_on(&found, "Approve").await;
                answered = nonce;
            }
            let promoted = condition(&found, "Promoted");
            promoted["status"] == "True"
                && promoted["observedGeneration"] == found["metadata"]["generation"]
                && condition(&found, "Accepted")["status"] == "True"
                && found.pointer("/status/phase") == Some(&json!("Complete"))
        })
        .await;
        let named = self.value("rollouts", rollout).await;
        let named = named.pointer("/spec/traffic/virtualServices").and_then(Value::as_array).cloned();
        for name in named.iter().flatten().filter_map(|entry| entry["name"].as_str()) {
            let route = self.value("virtualservices", name).await;
            assert!(!route["spec"].to_string().contains("-candidate"), "{:#}", route["spec"]);
        }
    }

    /// The API server refuses an object for this field with this message, which says what to do: what is stored stays, no
    /// route is written, and the operator, who never hears of it, asks nothing.
    pub(crate) async fn refused_by_the_server(
        &self,
        plural: &str,
        value: &Value,
        field: &str,
        message: &str,
    ) {
        let name = value["metadata"]["name"].as_str().expect("a name");
        let patch = Patch::Apply(value);
        self.stays(plural, name, [field, message], async || {
            let sent = self.api(plural).patch(name, &PatchParams::apply("user").force(), &patch).await;
            sent.map(drop)
        })
        .await;
    }

    /// The same for a status.
    pub(crate) async fn status_refused_by_the_server(&self, status: Value, field: &str, message: &str) {
        let patch = Patch::Merge(json!({"status": status}));
        self.stays("rollouts", "web", [field, message], async || {
            let sent = self.api("rollouts").patch_status("web", &PatchParams::default(), &patch).await;
            sent.map(drop)
        })
        .await;
    }

    async fn stays(
        &self,
        plural: &str,
        name: &str,
        names: [&str; 2],
        send: impl AsyncFnOnce() -> kube::Result<()>,
    ) {
        self.quiet().await;
        let asked = self.requests();
        let history = History::begin(self.api("virtualservices")).await;
        let before = self.value(plural, name).await;
        match send().await {
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.reason, "Invalid", "{status:?}");
                let object = format!("Rollout.teal.dev \"{name}\" is invalid");
                for name in names.into_iter().chain([object.as_str()]) {
                    assert!(status.message.contains(name), "{name:?} in {:?}", status.message);
                }
            }
            Err(error) => panic!("no answer of the API server: {error}"),
            Ok(()) => panic!("the API server took it"),
        }
        self.quiet().await;
        assert_eq!(self.difference(&asked), []);
        let versions: Vec<Version> = history.all().await;
        assert_eq!(versions.len(), 1, "{versions:#?}");
        assert_eq!(self.value(plural, name).await, before);
    }

    /// Writes into the status, as a hand that may do so.
    pub(crate) async fn write_status(&self, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.api("rollouts").patch_status("web", &PatchParams::default(), &patch).await.expect("written");
    }
}

/// A condition of a Rollout, or null.
pub(crate) fn condition(rollout: &Value, kind: &str) -> Value {
    let all = rollout.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter().flatten().find(|condition| condition["type"] == kind).cloned().unwrap_or_default()
}
