//! What the tests share: Rollouts written by hand, a moment, and a server.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "a module of tests has no outside")]

pub mod run;
pub mod server;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use teal_api::Rollout;
use teal_cli::render::Clock;

pub const LIVE: &str = "r6-5b1d9e02";
pub const CANDIDATE: &str = "r7-3f9c2a1b";
pub const EVIDENCE: &str = "sha256:5d41402abc4b2a76b9719d911017c592ae1bd4a9e5a4ff8a2b3c6a5d1b7c9e0f";
pub const NONCE: &str = "9f3c0000111122223333444455556666";

/// The moment at which everything is shown.
pub fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().expect("a time")
}

pub fn clock() -> Clock {
    Clock { now: now(), zone: TimeZone::UTC }
}

/// A Rollout with two steps, a check that guards too, and an approval.
pub fn rollout(status: &Value) -> Rollout {
    from(&object(status))
}

pub fn from(object: &Value) -> Rollout {
    serde_json::from_value(object.clone()).expect("a Rollout")
}

pub fn object(status: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "teal.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1", "generation": 3, "resourceVersion": "70",
            "creationTimestamp": "2026-02-20T12:00:00Z",
        },
        "spec": {
            "release": {"manifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}]},
            "traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]},
            "steps": [
                {"name": "canary", "weight": 10, "hold": "10m", "approval": {"count": 2}},
                {"name": "full", "weight": 100, "hold": "5m"},
            ],
            "checks": [{"name": "errors", "query": "errors", "threshold": {"max": "1%"}}],
            "guards": [{"check": "errors"}],
        },
    });
    if !status.is_null() {
        object["status"] = status.clone();
    }
    object
}

/// At 10 %, where the step asks for the age of pods, too.
pub fn ripening() -> Value {
    let mut status = checking();
    status["message"] = json!(format!(
        "10 % of requests reach {CANDIDATE} (green); step canary waits until every pod has been ready for 120 s (minPodAge): \
         web-green-5d9-x2x is the youngest"
    ));
    status["waitingFor"] = json!("pod age");
    let mut object = object(&status);
    object["spec"]["steps"][0]["minPodAge"] = json!("2m");
    object["spec"]["steps"][0]["hold"] = json!("2m");
    object
}

/// A condition that has been as it is for half an hour.
pub fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 3,
        "lastTransitionTime": "2026-03-02T11:30:00Z",
    })
}

/// Live alone, all well.
pub fn complete() -> Value {
    json!({
        "observedGeneration": 3,
        "phase": "Complete",
        "message": format!("{LIVE} (blue) serves all requests"),
        "live": live(),
        "traffic": {"candidateWeight": 0},
        "conditions": [
            condition("Ready", "True", "Promoted", "serves"),
            condition("Accepted", "True", "Accepted", "spec and references hold"),
            condition("Promoted", "True", "Promoted", "serves"),
        ],
    })
}

/// Live alone, and dead.
pub fn dead() -> Value {
    let mut status = complete();
    let trouble = format!("{LIVE} (blue) has no ready endpoint: Deployment web-blue: spec.replicas is 0");
    let fails =
        "ApplyRelease fails again and again and is tried on: the webhook vet.example.com does not answer";
    status["message"] = json!(format!("{LIVE} (blue) is live, but has no ready endpoint"));
    let conditions = status["conditions"].as_array_mut().expect("conditions");
    conditions.push(condition("Available", "False", "NoReadyEndpoints", &trouble));
    conditions.push(condition("WriteFails", "True", "Found", fails));
    status
}

pub fn live() -> Value {
    json!({"color": "blue", "revision": LIVE, "summary": "image web 1.8.1", "since": "2026-02-28T12:00:00Z"})
}

/// At 10 %, with hold and check running.
pub fn checking() -> Value {
    json!({
        "observedGeneration": 3,
        "phase": "Checking",
        "message": format!("10 % of requests reach {CANDIDATE} (green); step canary is held for its time"),
        "waitingFor": "hold",
        "live": live(),
        "candidate": {
            "color": "green", "revision": CANDIDATE, "hash": "v1:00", "attempt": 1,
            "since": "2026-03-02T11:50:00Z", "summary": "image web 1.8.2",
        },
        "step": {"name": "canary", "index": 1, "count": 2, "weight": 10, "reachedAt": "2026-03-02T11:57:00Z"},
        "traffic": {"candidateWeight": 10, "observedAt": "2026-03-02T11:57:00Z"},
        "checks": [{
            "name": "errors", "verdict": "Inconclusive", "value": "0.0012", "limit": "max 1%", "samples": 2,
            "since": "2026-03-02T11:57:30Z",
        }],
        "conditions": [
            condition("Ready", "False", "Progressing", "at work"),
            condition("Reconciling", "True", "GatesRunning", "at work"),
            condition("Promoted", "False", "UnderWay", "at work"),
        ],
    })
}

/// At 10 %, all but the approval there.
pub fn waiting() -> Value {
    let mut status = checking();
    status["phase"] = json!("Waiting");
    status["message"] =
        json!(format!("10 % of requests reach {CANDIDATE} (green); step canary waits for approval (1 of 2)"));
    status["waitingFor"] = json!("approval (1/2)");
    status["checks"][0]["verdict"] = json!("Pass");
    status["checks"][0]["samples"] = json!(8);
    status["gate"] = json!({
        "step": "canary", "nonce": NONCE, "evidence": EVIDENCE, "openedAt": "2026-03-02T11:40:00Z",
        "needs": [{"count": 2, "have": 1}],
        "votes": [{"decision": "web-approve-1", "user": "mina", "via": "web", "at": "2026-03-02T11:45:00Z"}],
    });
    status["conditions"] = json!([
        condition("Ready", "True", "AwaitingDecision", "asks"),
        condition("Promoted", "False", "UnderWay", "asks"),
        condition("AwaitingDecision", "True", "GateOpen", "step canary asks"),
        condition("PolicyGap", "True", "Found", "AuthorizationPolicy allow-web names Service web alone"),
    ]);
    status
}

/// Promoted, with blue kept.
pub fn kept() -> Value {
    let mut status = complete();
    status["live"] = json!({"color": "green", "revision": CANDIDATE, "since": "2026-03-02T11:40:00Z"});
    status["previous"] = json!({"color": "blue", "revision": LIVE, "keptUntil": "2026-03-02T12:40:00Z"});
    status["message"] =
        json!(format!("{CANDIDATE} (green) serves all requests; the other color is kept for its time"));
    status
}

/// Promoted, and open connections of blue are awaited.
pub fn draining() -> Value {
    let mut status = complete();
    status["live"] = json!({"color": "green", "revision": CANDIDATE, "since": "2026-03-02T11:40:00Z"});
    status["draining"] =
        json!({"color": "blue", "revision": LIVE, "open": "137", "until": "2026-03-02T12:30:00Z"});
    status["waitingFor"] = json!("connections (blue)");
    status["message"] = json!(format!(
        "{CANDIDATE} (green) serves all requests; awaits the open connections of {LIVE} (blue), which were 137: it goes once they \
         have ended, by 12:30:00 UTC (status.draining.until), or with a Decision Retire"
    ));
    status
}

/// Sent back by its guard.
pub fn rolled_back() -> Value {
    let mut status = complete();
    let message =
        format!("{LIVE} (blue) serves all requests after going back: guard errors failed (0.2, max 1%)");
    status["phase"] = json!("RolledBack");
    status["message"] = json!(message);
    status["candidate"] = json!({
        "color": "green", "revision": CANDIDATE, "hash": "v1:00", "attempt": 1, "since": "2026-03-02T11:50:00Z",
    });
    status["rejected"] = json!([CANDIDATE]);
    status["history"] = json!([{
        "revision": CANDIDATE, "attempt": 1, "outcome": "RolledBack", "reason": "guard errors failed (0.2, max 1%)",
        "finishedAt": "2026-03-02T11:58:00Z", "machineSeconds": 900, "humanSeconds": 215,
    }]);
    status["conditions"] = json!([
        condition("Ready", "False", "RolledBack", &message),
        condition("Stalled", "True", "RolledBack", &message),
        condition("Promoted", "False", "RolledBack", &message),
    ]);
    status
}

/// Held after a deadline: nobody was asked, yet a person must act.
pub fn held() -> Value {
    let mut status = checking();
    let message = "step full: spec.progressDeadline passed (pods): decide or mend the release";
    status["phase"] = json!("Waiting");
    status["waitingFor"] = json!("decision (deadline passed)");
    status["message"] = json!(message);
    status["conditions"] = json!([
        condition("Ready", "False", "Blocked", message),
        condition("Stalled", "True", "DeadlineExceeded", message),
        condition("Promoted", "False", "UnderWay", message),
    ]);
    status
}

/// Held after a deadline in the middle of promotion: no step is under way any more.
pub fn held_while_promoting() -> Value {
    let mut status = held();
    let message = format!(
        "{CANDIDATE} (green) becomes live; spec.progressDeadline passed (pods): decide (Retry, Rollback) or mend the release"
    );
    status["phase"] = json!("Promoting");
    status["step"] = Value::Null;
    status["traffic"]["candidateWeight"] = json!(100);
    status["candidate"]["deadline"] = json!("2026-03-02T11:55:00Z");
    status["message"] = json!(message);
    for condition in status["conditions"].as_array_mut().expect("conditions") {
        condition["message"] = json!(message);
    }
    status
}

/// Promoted, with blue kept for longer than its time: a check that goes on has failed.
pub fn kept_by_check() -> Value {
    let mut status = kept();
    let message = format!(
        "{CANDIDATE} (green) serves all requests; check errors failed (0.2, max 1%) and spec.onFailure is Hold: decide \
         (Rollback; or Retire, which lets the old release go)"
    );
    status["waitingFor"] = json!("decision (check errors)");
    status["message"] = json!(message);
    status["previous"]["keptUntil"] = json!("2026-03-02T11:50:00Z");
    status["conditions"] = json!([
        condition("Ready", "False", "Blocked", &message),
        condition("Stalled", "True", "CheckFailed", &message),
        condition("Promoted", "True", "Promoted", &message),
    ]);
    status
}

/// At rest, with a Job that failed after retirement.
pub fn job_failed() -> Value {
    let mut status = complete();
    let conditions = status["conditions"].as_array_mut().expect("conditions");
    conditions.push(condition("JobFailed", "True", "Found", "after retirement, Job contract-blue failed"));
    status
}

/// Its VirtualService is missing.
pub fn blocked(stalled: bool) -> Value {
    let message = "VirtualService shop/web does not exist: create it, or take it out of spec.traffic";
    let mut status = complete();
    status["phase"] = json!("Blocked");
    status["waitingFor"] = json!("VirtualServiceNotFound");
    status["message"] = json!(format!("{LIVE} (blue) serves all requests; {message}"));
    status["conditions"] = json!([
        condition("Accepted", "False", "VirtualServiceNotFound", message),
        condition("Promoted", "False", "UnderWay", message),
        if stalled {
            condition("Stalled", "True", "ReferenceMissing", message)
        } else {
            condition("Reconciling", "True", "WaitingForReference", message)
        },
    ]);
    status
}

/// Paused by a person at 10 %.
pub fn paused() -> Value {
    let mut status = checking();
    status["phase"] = json!("Paused");
    status["waitingFor"] = json!("resume");
    status["message"] =
        json!(format!("10 % of requests reach {CANDIDATE} (green); paused by mina: resume to go on"));
    status["commit"] = json!({"paused": {"Decision": {"user": "mina"}}});
    status
}

/// Paused by a person while live serves alone and nothing else is wanted.
pub fn paused_at_rest() -> Value {
    let mut status = complete();
    status["message"] = json!(format!("{LIVE} (blue) serves all requests; paused by mina: resume to go on"));
    status["commit"] = json!({"paused": {"Decision": {"user": "mina"}}});
    status
}

/// The same, and another release is wanted.
pub fn paused_before_the_start() -> Value {
    let mut status = paused_at_rest();
    status["phase"] = json!("Paused");
    status["waitingFor"] = json!("resume");
    status["conditions"] = json!([
        condition("Ready", "True", "Paused", "paused by mina: resume to go on"),
        condition("Accepted", "True", "Accepted", "spec and references hold"),
        condition("Promoted", "False", "UnderWay", "paused by mina: resume to go on"),
    ]);
    status
}

/// Another release is wanted, and the other color still holds what is left of an earlier one.
pub fn starting() -> Value {
    let mut status = complete();
    let message = format!("{LIVE} (blue) serves all requests; clears green first");
    status["message"] = json!(message);
    status["conditions"] = json!([
        condition("Ready", "False", "Progressing", &message),
        condition("Reconciling", "True", "NewRevision", &message),
        condition("Accepted", "True", "Accepted", "spec and references hold"),
        condition("Promoted", "False", "UnderWay", &message),
    ]);
    status
}

/// Promoted, with blue kept, and a newer release that can't be taken as it is written.
pub fn blocked_and_kept() -> Value {
    let message = "spec.release.manifests[0]: Deployment web: no kind of this name can be released";
    let mut status = kept();
    status["phase"] = json!("Blocked");
    status["waitingFor"] = json!("ReleaseInvalid");
    status["message"] = json!(format!("{CANDIDATE} (green) serves all requests; {message}"));
    status["conditions"] = json!([
        condition("Ready", "False", "Blocked", message),
        condition("Accepted", "False", "ReleaseInvalid", message),
        condition("Stalled", "True", "ReleaseInvalid", message),
        condition("Promoted", "False", "UnderWay", message),
    ]);
    status
}

/// At work on its way to a weight.
fn on_the_way(phase: &str, waiting_for: Option<&str>, reason: &str, message: &str) -> Value {
    let mut status = checking();
    status["phase"] = json!(phase);
    status["waitingFor"] = json!(waiting_for);
    status["message"] = json!(message);
    status["candidate"]["deadline"] = json!("2026-03-02T12:05:00Z");
    status["step"]["reachedAt"] = Value::Null;
    status["traffic"] = json!({"candidateWeight": 0});
    status["checks"] = json!([]);
    status["conditions"] = json!([
        condition("Ready", "False", "Progressing", message),
        condition("Reconciling", "True", reason, message),
        condition("Promoted", "False", "UnderWay", message),
    ]);
    status
}

/// The candidate's pods start.
pub fn preparing() -> Value {
    let message =
        format!("step canary: brings {CANDIDATE} (green) to 10 %; waits for the pods of {CANDIDATE} (green)");
    on_the_way("Preparing", Some("pods"), "CandidateStarting", &message)
}

/// One of its Jobs failed, which isn't run again by itself.
pub fn preparing_with_a_failed_job() -> Value {
    let message = format!(
        "step canary: brings {CANDIDATE} (green) to 10 %; the pods of {CANDIDATE} (green) don't get ready: Job \
         migrate-green failed: look at its pods; once that is mended, Retry runs it again: correct spec.release or \
         what its pods need"
    );
    on_the_way("Preparing", Some("pods"), "CandidateStarting", &message)
}

/// Something is in its way before the first weight, so no time counts.
pub fn preparing_without_a_deadline() -> Value {
    let mut status = preparing();
    let message = "VirtualService shop/web does not exist: create it, or take it out of spec.traffic";
    status["waitingFor"] = json!("VirtualServiceNotFound");
    status["message"] = json!(format!("step canary: brings {CANDIDATE} (green) to 10 %; {message}"));
    status["candidate"]["deadline"] = Value::Null;
    status
}

/// The weight is on its way.
pub fn shifting() -> Value {
    let message = format!("step canary: brings {CANDIDATE} (green) to 10 %");
    on_the_way("Shifting", None, "ShiftingTraffic", &message)
}

/// The live Services select both revisions before they are turned.
pub fn overlapping() -> Value {
    let message = format!(
        "{CANDIDATE} (green) becomes live; the live Services select both revisions for 30 s before they are turned, so \
         that what leads to them from outside learns of the new pods"
    );
    let mut status = on_the_way("Promoting", Some("overlap"), "Promoting", &message);
    status["commit"] = json!({"phase": {"name": "Promoting", "deadline": 1_772_453_310_000_i64}});
    status["step"] = Value::Null;
    status["traffic"] = json!({"candidateWeight": 100});
    status
}

/// A first release whose Job failed.
pub fn installing() -> Value {
    let message = format!(
        "installs {LIVE} (blue); the pods of {LIVE} (blue) don't get ready: Job migrate-blue failed: look at its pods; \
         once that is mended, Retry runs it again: correct spec.release or what its pods need"
    );
    let mut status = on_the_way("Installing", Some("pods"), "CandidateStarting", &message);
    status["candidate"] = Value::Null;
    status["step"] = Value::Null;
    status
}

/// On its way to live.
pub fn rolling_back() -> Value {
    let message = format!("goes back to {LIVE} (blue): guard errors failed (0.2, max 1%)");
    let mut status = on_the_way("RollingBack", None, "RollingBack", &message);
    status["commit"] = json!({"phase": {
        "name": "Returning", "cause": {"Guard": {"check": "errors", "detail": ""}}, "since": 1_772_452_740_000_i64,
    }});
    status["candidate"]["deadline"] = Value::Null;
    status["step"] = Value::Null;
    status["traffic"] = json!({"candidateWeight": 10});
    status
}

/// Nothing is written, in the middle of a step; so its time doesn't count.
pub fn hands_off() -> Value {
    let message = format!(
        "step canary: brings {CANDIDATE} (green) to 10 %; spec.mode is HandsOff: nothing is written; else it would raise \
         the candidate to 10 %"
    );
    let mut status = on_the_way("HandsOff", None, "ShiftingTraffic", &message);
    status["candidate"]["deadline"] = Value::Null;
    status["commit"] = json!({"paused": "Spec"});
    status["conditions"] = json!([
        condition("Ready", "False", "HandsOff", &message),
        condition("Stalled", "True", "HandsOff", &message),
        condition("Promoted", "False", "UnderWay", &message),
    ]);
    status
}

/// Its namespace is being deleted while a person is asked.
pub fn going_with_its_namespace() -> Value {
    let message = "Namespace shop is being deleted (metadata.deletionTimestamp): nothing is made in it any more; once it \
                   is gone, make the namespace anew and apply the Rollout there";
    let mut status = waiting();
    status["phase"] = json!("Blocked");
    status["waitingFor"] = json!("NamespaceTerminating");
    status["message"] = json!(format!("10 % of requests reach {CANDIDATE} (green); {message}"));
    status["conditions"] = json!([
        condition("Ready", "False", "Blocked", message),
        condition("Accepted", "False", "NamespaceTerminating", message),
        condition("Stalled", "True", "NamespaceTerminating", message),
        condition("Promoted", "False", "UnderWay", message),
    ]);
    status
}
