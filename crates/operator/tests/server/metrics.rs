//! Metrics that give no usable answer: nothing is promoted on such an answer, why there is none is said with check, field
//! and remedy, and it goes on by itself when mended.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bench::case::Case;
use crate::bench::{Bench, objects};
use crate::prometheus::{Reply, Stand, asking};

const QUERY: &str = r#"sum(rate(requests_total{color="$(color)",code=~"5.."}[1m]))"#;

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

/// A source that answers so, and then well. The candidate stays at its 10 % meanwhile.
async fn a_bad_answer(name: &str, reply: Reply, reason: &'static str, field: &str, remedy: &str) {
    let stand = Stand::new(reply);
    let bench = at_rest(name, &stand.listen().await).await;
    let field = format!("spec.checks[errors].{field}");
    let case = Case::told("MetricsBlind", "True", reason, ["errors", &field, remedy]).never_above(10);
    bench
        .bad(case, async || bench.apply(&checked(&json!({}))).await, async || stand.tell(Reply::value("0")))
        .await;
    assert_eq!(bench.condition("MetricsBlind").await.0, "", "it is gone with its cause");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn promql_that_the_source_refuses() {
    let stand = Stand::new(Reply::parse_error("1:5: parse error: unexpected end of input"));
    let bench = at_rest("promql", &stand.listen().await).await;
    let case = Case::told(
        "MetricsBlind",
        "True",
        "QueryInvalid",
        ["source default", "spec.checks[errors].query", "parse error: unexpected end of input: correct it"],
    );
    let spoil = async || bench.apply(&checked(&json!({"query": "sum("}))).await;
    let mend = async || {
        stand.tell(Reply::value("0"));
        bench.apply(&checked(&json!({}))).await;
    };
    bench.bad(case.never_above(10), spoil, mend).await;
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
    let case = Case::told(
        "MetricsBlind",
        "True",
        "SourceUnavailable",
        ["source default can't be reached", "spec.checks[errors].source", "mend the server"],
    );
    let stand = Stand::new(Reply::value("0"));
    let mend = async || drop(stand.listen_at(TcpListener::bind(address).await.expect("the port")));
    bench.bad(case.never_above(10), async || bench.apply(&checked(&json!({}))).await, mend).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn prometheus_that_is_too_slow() {
    let reply = Reply::value("0").after(Duration::from_secs(2));
    a_bad_answer("slow", reply, "SourceSlow", "source", "make the query cheaper").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_empty_answer() {
    a_bad_answer("empty", Reply::series(&[]), "NoData", "query", "noData: Zero").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_answer_that_is_no_number() {
    a_bad_answer("nan", Reply::value("NaN"), "NoData", "query", "noData: Zero").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn an_answer_of_several_series() {
    let reply = Reply::series(&["0", "0", "0"]);
    a_bad_answer("series", reply, "SeveralSeries", "query", "aggregate it, for example with sum()").await;
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
    let case = Case::told(
        "MetricsBlind",
        "True",
        "QueryInvalid",
        [
            "of $(revision)",
            "spec.checks[errors].query",
            "put the placeholder into a label value between double quotes",
        ],
    );
    let spoil = async || bench.apply(&checked(&json!({"query": "up == $(revision)"}))).await;
    bench.bad(case.never_above(10), spoil, async || bench.apply(&checked(&json!({}))).await).await;
    bench.end().await;
}

/// Where there was no usable answer for the limit, a person is waited for: what comes back later decides nothing.
async fn at_its_limit(name: &str, reply: Reply) {
    let stand = Stand::new(reply);
    let bench = at_rest(name, &stand.listen().await).await;
    let case = Case::told(
        "Stalled",
        "True",
        "ChecksBlind",
        ["check errors", "spec.checks[errors].query", "then decide (Retry, Skip, Rollback)"],
    );
    let spoil = async || bench.apply(&checked(&json!({"blindLimit": "3s"}))).await;
    let mend = async || {
        stand.tell(Reply::value("0"));
        bench.until("good answers", async || bench.status("/checks/0/value").await == "0").await;
        assert_eq!(bench.weights().await, [("web".into(), 90), ("web-candidate".into(), 10)]);
        assert_eq!(bench.condition("Stalled").await.1, "ChecksBlind", "still up to a person");
        bench.decide("Retry").await;
    };
    bench.bad(case.never_above(10), spoil, mend).await;
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
