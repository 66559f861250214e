//! Metrics that give no usable answer: a candidate that nobody could judge gets no request, nothing is promoted on such an
//! answer, why there is none is said with check, field and remedy, and it goes on by itself when mended. And a usable answer
//! outside of what is allowed, which leads back.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bench::case::Case;
use crate::bench::history::{History, Version};
use crate::bench::{Bench, objects};
use crate::prometheus::{Reply, Stand, asking};

const QUERY: &str = r#"sum(rate(requests_total{color="$(color)",code=~"5.."}[1m]))"#;

/// What is told of a source that is slow: the source, the field and what to do.
const SLOW: [&str; 3] = [
    "source default gave no answer within 500 ms",
    "spec.checks[errors].source",
    "make the query cheaper, or raise the source's timeout",
];

/// The same of an answer with too many series.
const fn several(answer: &str) -> [&str; 3] {
    [answer, "spec.checks[errors].query", "aggregate it, for example with sum()"]
}

/// Version 2 with 10 % that a check must pass before it goes on; nobody is asked.
fn checked(check: &Value) -> Value {
    let mut errors = json!({
        "name": "errors", "query": QUERY, "threshold": {"max": "1%"}, "interval": "1s", "delay": "1s", "passes": 2,
    });
    for (field, value) in check.as_object().into_iter().flatten() {
        errors[field] = value.clone();
    }
    let mut rollout = objects::rollout("2");
    rollout["spec"]["checks"] = json!([errors]);
    rollout["spec"]["steps"] = json!([
        {"name": "canary", "weight": 10, "checks": ["errors"]},
        {"name": "full", "weight": 100, "checks": []},
    ]);
    rollout
}

async fn at_rest(name: &str, url: &str) -> Bench {
    let bench = Bench::start_with(name, asking(url)).await;
    bench.apply_route().await;
    bench.apply(&objects::rollout("1")).await;
    bench.phase("Complete").await;
    bench
}

/// A source whose answers can't be used, and then can. It is asked before the first weight, so routes stay as they are.
async fn before_any_weight(name: &str, reply: Reply, reason: &'static str, names: [&str; 3]) {
    let stand = Stand::new(reply);
    let bench = at_rest(name, &stand.listen().await).await;
    let [object, field, remedy] = names;
    let case = Case::refused(reason, object, field, remedy).once_made();
    let mend = async || {
        assert_eq!(bench.condition("MetricsBlind").await.1, reason);
        stand.tell(Reply::value("0"));
    };
    bench.bad(case, async || bench.apply(&checked(&json!({}))).await, mend).await;
    assert_eq!(bench.condition("MetricsBlind").await.0, "", "it is gone with its cause");
    bench.end().await;
}

/// A source that turns bad once the candidate has its 10 %, which it keeps meanwhile.
async fn at_ten(name: &str, bad: Reply, reason: &'static str, names: [&str; 3]) {
    let stand = Stand::new(Reply::value("0"));
    let bench = at_rest(name, &stand.listen().await).await;
    let case = Case::told("MetricsBlind", "True", reason, names).held_at(10);
    let spoil = async || {
        // More good answers than there can be before it turns.
        bench.apply(&checked(&json!({"passes": 8}))).await;
        bench.until("10 %", async || bench.weights().await == ten()).await;
        stand.tell(bad);
    };
    let mend = async || {
        assert_eq!(bench.weights().await, ten(), "neither on nor back");
        stand.tell(Reply::value("0"));
    };
    bench.bad(case, spoil, mend).await;
    assert_eq!(bench.condition("MetricsBlind").await.0, "", "it is gone with its cause");
    bench.end().await;
}

/// That there is no data is no surprise while nobody has sent the candidate anything; at 10 % it is.
async fn without_data(name: &str, reply: Reply) {
    let stand = Stand::new(reply);
    let bench = at_rest(name, &stand.listen().await).await;
    let names = ["the query has no data", "spec.checks[errors].query", "noData: Zero"];
    let case = Case::told("MetricsBlind", "True", "NoData", names).held_at(10);
    let mend = async || {
        assert_eq!(bench.weights().await, ten(), "neither on nor back");
        stand.tell(Reply::value("0"));
    };
    bench.bad(case, async || bench.apply(&checked(&json!({}))).await, mend).await;
    assert_eq!(bench.condition("MetricsBlind").await.0, "", "it is gone with its cause");
    bench.end().await;
}

fn ten() -> [(String, i64); 2] {
    [("web".into(), 90), ("web-candidate".into(), 10)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn promql_that_the_source_refuses() {
    let stand = Stand::new(Reply::parse_error("1:5: parse error: unexpected end of input"));
    let bench = at_rest("promql", &stand.listen().await).await;
    let case = Case::refused(
        "QueryInvalid",
        "source default",
        "spec.checks[errors].query",
        "parse error: unexpected end of input: correct it",
    )
    .once_made();
    let spoil = async || bench.apply(&checked(&json!({"query": "sum("}))).await;
    let mend = async || {
        stand.tell(Reply::value("0"));
        bench.apply(&checked(&json!({}))).await;
    };
    bench.bad(case, spoil, mend).await;
    assert!(stand.asked().iter().any(|query| query == "sum("));
    assert!(stand.asked().iter().any(|query| query.contains(r#"color="green""#)));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn prometheus_that_cannot_be_reached() {
    // A port that was free a moment ago and that nobody listens at.
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = reserved.local_addr().expect("an address");
    drop(reserved);
    let bench = at_rest("unreachable", &format!("http://{address}")).await;
    let case = Case::refused(
        "SourceUnavailable",
        "source default can't be reached",
        "spec.checks[errors].source",
        "mend the server",
    )
    .once_made();
    let stand = Stand::new(Reply::value("0"));
    let mend = async || drop(stand.listen_at(TcpListener::bind(address).await.expect("the port")));
    bench.bad(case, async || bench.apply(&checked(&json!({}))).await, mend).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn prometheus_that_is_too_slow() {
    let reply = Reply::value("0").after(Duration::from_secs(2));
    before_any_weight("slow", reply, "SourceSlow", SLOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_answer_of_several_series() {
    let reply = Reply::series(&["0", "0", "0"]);
    before_any_weight("series", reply, "SeveralSeries", several("the query answers 3 series and not one"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_empty_answer() {
    without_data("empty", Reply::series(&[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_answer_that_is_no_number() {
    without_data("nan", Reply::value("NaN")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn prometheus_that_turns_slow_at_ten() {
    let reply = Reply::value("0").after(Duration::from_secs(2));
    at_ten("slowten", reply, "SourceSlow", SLOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_answer_that_becomes_several_series_at_ten() {
    let reply = Reply::series(&["0", "0"]);
    at_ten("seriesten", reply, "SeveralSeries", several("the query answers 2 series and not one")).await;
}

/// What a later step or a guard will ask must have an answer too before anybody is sent anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn promql_of_a_guard_that_the_source_refuses() {
    let stand = Stand::new(Reply::value("0"));
    stand.refuses("max(", "parse error: unclosed left parenthesis");
    let bench = at_rest("guardql", &stand.listen().await).await;
    let guarded = |query: &str| {
        let mut rollout = checked(&json!({}));
        let mut late = rollout["spec"]["checks"][0].clone();
        late["name"] = json!("late");
        late["query"] = json!(query);
        rollout["spec"]["checks"].as_array_mut().expect("checks").push(late);
        rollout["spec"]["guards"] = json!([{"check": "late"}]);
        rollout
    };
    let case = Case::refused(
        "QueryInvalid",
        "source default refuses the query",
        "spec.checks[late].query",
        "unclosed left parenthesis: correct it",
    )
    .once_made();
    let spoil = async || bench.apply(&guarded("max(")).await;
    bench.bad(case, spoil, async || bench.apply(&guarded("max(up)")).await).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_source_that_is_not_configured() {
    let stand = Stand::new(Reply::value("0"));
    let bench = at_rest("source", &stand.listen().await).await;
    let case = Case::refused(
        "SourceNotFound",
        "thanos is not in the operator's configuration (it has: default)",
        "spec.checks[errors].source",
        "correct the name, or add the source there",
    );
    let spoil = async || bench.apply(&checked(&json!({"source": "thanos"}))).await;
    bench.bad(case, spoil, async || bench.apply(&checked(&json!({}))).await).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_placeholder_that_does_not_exist() {
    let stand = Stand::new(Reply::value("0"));
    let bench = at_rest("placeholder", &stand.listen().await).await;
    let mut rollout = checked(&json!({"query": "up{color=\"$(colour)\"}"}));
    let (field, message) = ("spec.checks[0].query: Invalid value", "does not exist: use $(color)");
    bench.refused_by_the_server("rollouts", &rollout, field, message).await;
    rollout["spec"]["checks"][0]["query"] = json!("up{color=\"$(color\"}");
    bench.refused_by_the_server("rollouts", &rollout, field, message).await;
    bench.apply(&checked(&json!({}))).await;
    bench.completes("web").await;
    bench.end().await;
}

/// A revision is no number and no name, so outside of quotes it would be read as a subtraction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_placeholder_where_its_value_cannot_stand() {
    let stand = Stand::new(Reply::value("0"));
    let bench = at_rest("unquoted", &stand.listen().await).await;
    let case = Case::refused(
        "QueryInvalid",
        "of $(revision)",
        "spec.checks[errors].query",
        "put the placeholder into a label value between double quotes",
    )
    .once_made();
    let spoil = async || bench.apply(&checked(&json!({"query": "up == $(revision)"}))).await;
    bench.bad(case, spoil, async || bench.apply(&checked(&json!({}))).await).await;
    bench.end().await;
}

/// Where there was no usable answer for the limit, a person is waited for: what comes back later decides nothing.
async fn at_its_limit(name: &str, reply: Reply) {
    let stand = Stand::new(Reply::value("0"));
    let bench = at_rest(name, &stand.listen().await).await;
    let case = Case::told(
        "Stalled",
        "True",
        "ChecksBlind",
        ["check errors", "spec.checks[errors].query", "then decide (Retry, Skip, Rollback)"],
    );
    let spoil = async || {
        bench.apply(&checked(&json!({"blindLimit": "3s", "passes": 8}))).await;
        bench.until("10 %", async || bench.weights().await == ten()).await;
        stand.tell(reply);
    };
    let mend = async || {
        stand.tell(Reply::value("0"));
        bench.until("good answers", async || bench.status("/checks/0/value").await == "0").await;
        assert_eq!(bench.weights().await, ten());
        assert_eq!(bench.condition("Stalled").await.1, "ChecksBlind", "still up to a person");
        bench.decide("Retry").await;
    };
    bench.bad(case.held_at(10), spoil, mend).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn the_limit_of_errors_means_waiting_for_a_decision() {
    at_its_limit("errorlimit", Reply::parse_error("too many samples")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn the_limit_of_no_data_means_waiting_for_a_decision() {
    at_its_limit("datalimit", Reply::series(&[])).await;
}

/// The step's check is answered outside of its threshold as soon as the candidate has its weight: all goes back to live, and
/// both the status and its history say which check it was, with the number and what is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_value_outside_of_its_threshold_leads_back() {
    let stand = Stand::new(Reply::value("0"));
    let bench = at_rest("outside", &stand.listen().await).await;
    let (live, routes) = (bench.status("/live/revision").await, bench.route_spec().await);
    let history = History::begin(bench.api("virtualservices")).await;
    // More good answers than there can be before it turns.
    bench.apply(&checked(&json!({"passes": 8}))).await;
    bench.until("10 %", async || bench.weights().await == ten()).await;
    let candidate = bench.status("/candidate/revision").await;
    stand.tell(Reply::value("0.2"));
    bench.phase("RolledBack").await;
    assert_eq!(bench.status("/live/revision").await, live);
    assert_eq!(bench.selected("web").await, live);
    assert_eq!(bench.selected("web-candidate").await, live);
    bench.until("the owner's routes", async || bench.route_spec().await == routes).await;
    let weights: Vec<i64> = history.all().await.iter().map(Version::candidates_weight).collect();
    let raised = weights.iter().position(|weight| *weight == 10).expect("10 % in the history");
    assert!(weights.iter().all(|weight| *weight <= 10), "{weights:?}");
    assert!(
        weights.iter().skip(raised).skip_while(|weight| **weight == 10).all(|weight| *weight == 0),
        "{weights:?}"
    );
    assert_eq!(bench.status("/rejected/0").await, candidate);
    assert_eq!(bench.status("/history/0/outcome").await, "RolledBack");
    for said in [bench.status("/history/0/reason").await, bench.status("/message").await] {
        let names = ["errors", "0.2", "1%"];
        assert!(names.iter().all(|name| said.contains(name)), "{names:?} in {said:?}");
    }
    // It stays where it is, also once the numbers are good again: that takes another version or a person.
    stand.tell(Reply::value("0"));
    bench.quiet().await;
    assert_eq!(bench.status("/phase").await, "RolledBack");
    bench.end().await;
}
