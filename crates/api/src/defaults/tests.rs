use serde_json::{Value, json};

use super::*;
use crate::rollout::{GuardUntil, Mode, NoData, OnBlind, OnDelete, OnFailure, Readiness, RolloutSpec};

fn spec(parts: &Value) -> RolloutSpec {
    let mut spec = json!({
        "release": {"manifests": []},
        "traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]},
    });
    for (key, value) in parts.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).expect("a spec")
}

fn with_errors(parts: &Value) -> RolloutSpec {
    let mut parts = parts.clone();
    parts["checks"] = json!([{"name": "errors", "query": "x", "threshold": {"max": "1%"}}]);
    spec(&parts)
}

#[test]
fn release_and_traffic_are_enough() {
    let filled = filled(&spec(&json!({}))).expect("complete");
    let steps: Vec<(&str, u32, u64)> =
        filled.steps.iter().map(|step| (step.name.as_str(), step.weight, step.hold_ms)).collect();
    assert_eq!(steps, [("canary", 10, 600_000), ("full", 100, 300_000)]);
    assert_eq!((filled.keep_previous_ms, filled.keep_failed_ms), (3_600_000, 600_000));
    assert_eq!(filled.progress_deadline_ms, 600_000);
    assert_eq!((filled.on_failure, filled.mode), (OnFailure::Rollback, Mode::Active));
    assert_eq!((filled.on_delete, filled.readiness), (OnDelete::KeepLive, Readiness::OnWaiting));
    assert!(filled.judged_by_time_only() && filled.has_mesh());
}

#[test]
fn without_a_mesh_the_services_are_switched() {
    let filled = filled(&spec(&json!({"traffic": {"services": [{"name": "web"}]}}))).expect("complete");
    let steps: Vec<(&str, u32)> = filled.steps.iter().map(|step| (step.name.as_str(), step.weight)).collect();
    assert_eq!(steps, [("switch", 100)]);
    assert!(!filled.has_mesh());
}

#[test]
fn a_check_gets_every_default() {
    let filled = filled(&with_errors(&json!({"guards": [{"check": "errors"}]}))).expect("complete");
    let check = filled.check("errors").expect("defined");
    assert_eq!((check.min, check.max, check.limit.as_str()), (None, Some(0.01), "max 1%"));
    assert_eq!((check.interval_ms, check.delay_ms, check.blind_limit_ms), (15_000, 30_000, 300_000));
    assert_eq!((check.passes, check.failures, check.source.as_str()), (3, 1, "default"));
    assert_eq!((check.no_data, check.on_blind), (NoData::Wait, OnBlind::Hold));
    assert_eq!(filled.guards[0].until, GuardUntil::Retired);
    assert!(filled.steps.iter().all(|step| step.checks == ["errors"]), "left out means all of them");
    assert!(!filled.judged_by_time_only());
}

#[test]
fn what_is_written_wins() {
    let filled = filled(&with_errors(&json!({
        "steps": [
            {"name": "look", "weight": 0, "approval": {}},
            {"name": "canary", "weight": 5, "hold": "1h30m", "checks": []},
            {"name": "full", "weight": 100, "approval": {"count": 2}},
        ],
        "keep": {"previous": "2h", "failed": "0s"},
        "progressDeadline": "90s",
        "onFailure": "Hold", "mode": "Paused", "onDelete": "DeleteAll", "readiness": "OnServing",
    })))
    .expect("complete");
    assert_eq!(filled.steps[0].checks, Vec::<String>::new(), "no traffic, nothing to measure");
    assert_eq!(filled.steps[0].approval, Some(FilledApproval { count: 1 }));
    assert_eq!((filled.steps[1].hold_ms, filled.steps[1].checks.len()), (5_400_000, 0));
    assert_eq!(filled.steps[2].approval, Some(FilledApproval { count: 2 }));
    assert_eq!(filled.steps[2].checks, ["errors"]);
    assert_eq!((filled.keep_previous_ms, filled.keep_failed_ms), (7_200_000, 0));
    assert_eq!((filled.progress_deadline_ms, filled.on_failure), (90_000, OnFailure::Hold));
    assert_eq!((filled.mode, filled.on_delete), (Mode::Paused, OnDelete::DeleteAll));
    assert_eq!(filled.readiness, Readiness::OnServing);
}

#[test]
fn what_can_not_be_used_is_named_with_the_remedy() {
    let step = |name: &str, weight: u32| json!({"name": name, "weight": weight, "hold": "0s"});
    let check = |parts: &Value| {
        let mut check = json!({"name": "e", "query": "x", "threshold": {"max": 1}});
        for (key, value) in parts.as_object().expect("an object") {
            check[key] = value.clone();
        }
        json!({"checks": [check]})
    };
    let no_mesh = json!({"services": [{"name": "web"}]});
    let rows = [
        (json!({"progressDeadline": "ten"}), "spec.progressDeadline: \"ten\" is no duration"),
        (json!({"progressDeadline": "0s"}), "spec.progressDeadline: 0s is too short"),
        (json!({"keep": {"failed": "1d"}}), "spec.keep.failed"),
        (json!({"traffic": {"services": []}}), "spec.traffic.services is missing: name at least one"),
        (json!({"steps": []}), "no step is there"),
        (json!({"steps": [step("a", 10)]}), "the last step a has weight 10"),
        (
            json!({"steps": [step("a", 100), step("b", 100)]}),
            "step a has weight 100, and only the last step b",
        ),
        (json!({"steps": [step("a", 50), step("b", 10), step("c", 100)]}), "go down from a (50) to b (10)"),
        (json!({"steps": [step("a", 10), step("b", 100)], "traffic": no_mesh}), "needs a mesh"),
        (
            json!({"steps": [{"name": "a", "weight": 100, "checks": ["e"]}]}),
            "spec.steps[a].checks names the check \"e\"",
        ),
        (json!({"steps": [{"name": "a", "weight": 100, "hold": "x"}]}), "spec.steps[a].hold"),
        (json!({"guards": [{"check": "e"}]}), "spec.guards names the check \"e\""),
        (check(&json!({"query": null})), "spec.checks[e].query is missing"),
        (check(&json!({"threshold": {}})), "spec.checks[e].threshold is missing: give min, max or both"),
        (check(&json!({"threshold": {"min": "1 %"}})), "spec.checks[e].threshold.min: \"1 %\" is no limit"),
        (check(&json!({"threshold": {"min": "2%", "max": "1%"}})), "min 2% is above max 1%"),
        (check(&json!({"interval": "500ms"})), "spec.checks[e].interval: 500ms is too short"),
        (check(&json!({"delay": "x"})), "spec.checks[e].delay"),
        (check(&json!({"blindLimit": "x"})), "spec.checks[e].blindLimit"),
    ];
    for (parts, part) in rows {
        let message = filled(&spec(&parts)).expect_err(part).to_string();
        assert!(message.contains(part), "{message}\n  lacks {part}");
    }
}

#[test]
fn fields_of_a_newer_version_are_passed_over() {
    let spec = spec(&json!({"sizing": {"candidate": "Full"}, "steps": [
        {"name": "full", "weight": 100, "mirror": {"percent": 20}},
    ]}));
    assert_eq!(filled(&spec).expect("complete").steps.len(), 1);
}

#[test]
fn of_what_can_not_be_used_the_rest_still_watches_and_leads_back() {
    let check =
        |name: &str, max: &str| json!({"name": name, "query": "x", "threshold": {"min": "1%", "max": max}});
    let spec = spec(&json!({
        "checks": [check("good", "2%"), check("bad", "0%")],
        "guards": [{"check": "bad"}, {"check": "good"}],
        "steps": [{"name": "a", "weight": 10, "hold": "x"}, {"name": "b", "weight": 100}],
        "progressDeadline": "ten",
        "keep": {"failed": "5m", "previous": "1d"},
        "onFailure": "Hold",
    }));
    filled(&spec).expect_err("several things are wrong");
    let salvaged = salvaged(&spec, Some(("a", 10)));
    assert_eq!(salvaged.virtual_services.len(), 1);
    assert_eq!(salvaged.checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(salvaged.guards.iter().map(|guard| guard.check.as_str()).collect::<Vec<_>>(), ["good"]);
    let steps: Vec<_> = salvaged.steps.iter().map(|step| (step.name.as_str(), step.weight)).collect();
    assert_eq!(steps, [("a", 10)], "where it is, and nowhere to go on to");
    assert_eq!((salvaged.progress_deadline_ms, salvaged.keep_failed_ms), (PROGRESS_DEADLINE_MS, 300_000));
    assert_eq!((salvaged.keep_previous_ms, salvaged.on_failure), (KEEP_PREVIOUS_MS, OnFailure::Hold));
}

#[test]
fn what_can_be_used_is_salvaged_whole() {
    let spec = spec(&json!({}));
    assert_eq!(salvaged(&spec, None), filled(&spec).expect("complete"));
}

#[test]
fn a_step_has_the_age_that_is_written_and_none_by_default() {
    let steps = |first: &Value| {
        let spec = spec(&json!({"steps": [first, {"name": "full", "weight": 100}]}));
        filled(&spec).map(|filled| filled.steps.iter().map(|step| step.min_pod_age_ms).collect::<Vec<_>>())
    };
    assert_eq!(steps(&json!({"name": "warm", "weight": 0, "minPodAge": "2m"})), Ok(vec![120_000, 0]));
    let refused =
        steps(&json!({"name": "warm", "weight": 0, "minPodAge": "2 minutes"})).expect_err("no duration");
    let said = refused.to_string();
    assert!(said.contains("spec.steps[warm].minPodAge") && said.contains("1h30m"), "{said}");
}

/// A smoke test as people write it.
fn smoke() -> Value {
    let container = json!({"name": "smoke", "image": "shop/smoke:1"});
    json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}})
}

fn tested(job: &Value) -> Result<Vec<FilledJob>, SpecError> {
    let first = json!({"name": "try", "weight": 0, "jobs": [job]});
    let spec = spec(&json!({"steps": [first, {"name": "full", "weight": 100}]}));
    filled(&spec).map(|filled| filled.steps[0].jobs.clone())
}

#[test]
fn a_job_may_run_for_its_timeout_or_for_ten_minutes() {
    let timeout = |job| tested(&job).map(|jobs| jobs[0].timeout_ms);
    assert_eq!(timeout(json!({"name": "smoke", "spec": smoke()})), Ok(600_000));
    assert_eq!(timeout(json!({"name": "smoke", "spec": smoke(), "timeout": "90s"})), Ok(90_000));
    let digest = |spec: Value| tested(&json!({"name": "smoke", "spec": spec})).map(|jobs| jobs[0].digest);
    let mut edited = smoke();
    edited["backoffLimit"] = json!(3);
    assert_ne!(digest(edited), digest(smoke()), "an edit shows");
    let judged = spec(&json!({"steps": [
        {"name": "full", "weight": 100, "jobs": [{"name": "smoke", "spec": smoke()}]},
    ]}));
    assert!(!filled(&judged).expect("complete").judged_by_time_only());
}

#[test]
fn a_job_that_can_be_no_gate_is_refused_with_what_to_write() {
    for (pointer, value, field, remedy) in [
        ("/template/spec/containers", json!([]), "spec.template.spec.containers", "at least one container"),
        ("/template/spec/containers", Value::Null, "spec.template.spec.containers", "at least one container"),
        ("/template/spec/restartPolicy", Value::Null, "spec.template.spec.restartPolicy", "write Never"),
        ("/template/spec/restartPolicy", json!("Always"), "spec.template.spec.restartPolicy", "write Never"),
        ("/selector", json!({"matchLabels": {"app": "web"}}), "spec.selector", "leave it out"),
        ("/manualSelector", json!(true), "spec.selector", "leave it out"),
        ("/suspend", json!(true), "spec.suspend", "leave it out"),
    ] {
        let mut spec = smoke();
        match spec.pointer_mut(pointer) {
            Some(field) => *field = value.clone(),
            None => spec[pointer.trim_start_matches('/')] = value.clone(),
        }
        let said = tested(&json!({"name": "smoke", "spec": spec})).expect_err(pointer).to_string();
        assert!(said.starts_with(&format!("spec.steps[try].jobs[smoke].{field} ")), "{said}");
        assert!(said.contains(remedy), "{said}");
    }
    let said = tested(&json!({"name": "smoke", "spec": smoke(), "timeout": "10ms"})).expect_err("too short");
    assert!(said.to_string().contains("spec.steps[try].jobs[smoke].timeout"), "{said}");
}

#[test]
fn open_connections_are_awaited_where_the_spec_says_so_and_for_half_an_hour_at_most() {
    let of = |drain: Value| {
        let traffic = json!({"services": [{"name": "web"}], "drain": drain});
        spec(
            &json!({"traffic": traffic, "checks": [{"name": "errors", "query": "x", "threshold": {"max": "1%"}}]}),
        )
    };
    assert_eq!(filled(&spec(&json!({}))).expect("complete").drain, None);
    let filled_in = filled(&of(json!({"query": "open{c=\"$(color)\"}"}))).expect("complete");
    let drain = filled_in.drain.as_ref().expect("given");
    assert_eq!(drain.timeout_ms, 1_800_000);
    let asked = filled_in.check(crate::names::DRAIN).expect("asked as checks are");
    assert_eq!((asked.max, asked.passes, asked.failures, asked.delay_ms), (Some(0.0), 1, u32::MAX, 0));
    assert_eq!((asked.no_data, asked.source.as_str()), (NoData::Wait, "default"));
    assert!(filled_in.steps.iter().all(|step| step.checks == ["errors"]), "it gates no step");

    let error = |drain: Value| filled(&of(drain)).expect_err("can't be used").to_string();
    assert!(error(json!({"timeout": "1m"})).starts_with("spec.traffic.drain.query is missing: write PromQL"));
    assert!(
        error(json!({"timeout": "0s", "query": "x"}))
            .starts_with("spec.traffic.drain.timeout: 0s is too short")
    );
    let kept =
        salvaged(&of(json!({"timeout": "long", "query": "x"})), None).drain.expect("of what can be read");
    assert_eq!(kept.timeout_ms, 1_800_000, "nothing is cut because of a word");
    assert_eq!(salvaged(&of(json!({"timeout": "1m"})), None).drain, None);
}
