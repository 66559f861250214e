//! Reading a spec and filling in what it leaves out.

use jiff::Timestamp;
use serde_json::Value;

use super::filled::{
    Filled, FilledApproval, FilledCheck, FilledDrain, FilledGroup, FilledGuard, FilledJob, FilledStep,
    FilledVirtualService, FilledWindow, SpecError,
};
use super::{
    APPROVAL_COUNT, BLIND_LIMIT_MS, DELAY_MS, DRAIN_INTERVAL_MS, DRAIN_TIMEOUT_MS, DefaultStep, FAILURES,
    INTERVAL_MS, JOB_TIMEOUT_MS, KEEP_FAILED_MS, KEEP_PREVIOUS_MS, LEAST_MS, PASSES, PROGRESS_DEADLINE_MS,
    SOURCE, STEPS, STEPS_WITHOUT_MESH, TIME_ZONE,
};
use crate::duration::DurationText;
use crate::names::DRAIN;
use crate::rollout::{
    Check, Drain, Guard, NoData, OnBlind, RolloutSpec, Step, StepJob, Threshold, Traffic, Window,
};
use crate::threshold::Limit;

/// What holds of a spec that can't be used, until somebody corrects it: what is under way must be watched and led back all
/// the same. Checks that can't be read are left out, durations that can't be read have their defaults, and of steps that can't
/// be used only the one under way stays (its name and weight), without gates: whoever uses this must let nothing go forward.
pub fn salvaged(spec: &RolloutSpec, under_way: Option<(&str, u32)>) -> Filled {
    let virtual_services = virtual_services(&spec.traffic);
    let checks: Vec<FilledCheck> =
        spec.checks.iter().flatten().filter_map(|check| filled_check(check).ok()).collect();
    let known = |check: &str| checks.iter().any(|known| known.name == check);
    let of_known_checks = spec.guards.iter().flatten().filter(|guard| known(&guard.check));
    let guards = of_known_checks
        .map(|guard| FilledGuard { check: guard.check.clone(), until: guard.until.unwrap_or_default() });
    let keep = spec.keep.clone().unwrap_or_default();
    let or_default = |text: Option<&DurationText>, default: u64| millis("", text, default).unwrap_or(default);
    Filled {
        services: spec.traffic.services.iter().map(|service| service.name.clone()).collect(),
        steps: steps(spec, &checks, !virtual_services.is_empty()).unwrap_or_else(|_| alone(under_way)),
        virtual_services,
        drain: spec.traffic.drain.as_deref().and_then(salvaged_drain).map(Box::new),
        preview: spec.traffic.preview.clone(),
        guards: guards.collect(),
        progress_deadline_ms: or_default(spec.progress_deadline.as_ref(), PROGRESS_DEADLINE_MS).max(LEAST_MS),
        keep_previous_ms: or_default(keep.previous.as_ref(), KEEP_PREVIOUS_MS),
        keep_failed_ms: or_default(keep.failed.as_ref(), KEEP_FAILED_MS),
        on_failure: spec.on_failure.unwrap_or_default(),
        mode: spec.mode.unwrap_or_default(),
        on_delete: spec.on_delete.unwrap_or_default(),
        readiness: spec.readiness.unwrap_or_default(),
        group: group(spec),
        windows: spec.windows.iter().flatten().filter_map(|window| filled_window("", window).ok()).collect(),
        start_at: start_at(spec).ok().flatten(),
        checks,
    }
}

/// The step under way as the only one.
fn alone(under_way: Option<(&str, u32)>) -> Vec<FilledStep> {
    let step = |(name, weight): (&str, u32)| FilledStep {
        name: name.to_owned(),
        weight,
        mirror: None,
        hold_ms: 0,
        min_pod_age_ms: 0,
        checks: Vec::new(),
        approval: None,
        jobs: Vec::new(),
    };
    under_way.map(step).into_iter().collect()
}

/// The spec with every default in place, or the first thing that can't be used, by field and with the remedy.
pub fn filled(spec: &RolloutSpec) -> Result<Filled, SpecError> {
    let virtual_services = virtual_services(&spec.traffic);
    let checks =
        spec.checks.iter().flatten().map(filled_check).collect::<Result<Vec<FilledCheck>, SpecError>>()?;
    let steps = steps(spec, &checks, !virtual_services.is_empty())?;
    let guards = guards(spec, &checks)?;
    let keep = spec.keep.clone().unwrap_or_default();
    if spec.traffic.services.is_empty() {
        return Err(missing("spec.traffic.services", "name at least one Service"));
    }
    Ok(Filled {
        services: spec.traffic.services.iter().map(|service| service.name.clone()).collect(),
        virtual_services,
        drain: spec.traffic.drain.as_deref().map(filled_drain).transpose()?.map(Box::new),
        preview: spec.traffic.preview.clone(),
        steps,
        checks,
        guards,
        progress_deadline_ms: at_least_a_second(
            "spec.progressDeadline",
            spec.progress_deadline.as_ref(),
            PROGRESS_DEADLINE_MS,
        )?,
        keep_previous_ms: millis("spec.keep.previous", keep.previous.as_ref(), KEEP_PREVIOUS_MS)?,
        keep_failed_ms: millis("spec.keep.failed", keep.failed.as_ref(), KEEP_FAILED_MS)?,
        on_failure: spec.on_failure.unwrap_or_default(),
        mode: spec.mode.unwrap_or_default(),
        on_delete: spec.on_delete.unwrap_or_default(),
        readiness: spec.readiness.unwrap_or_default(),
        group: group(spec),
        windows: windows(spec)?,
        start_at: start_at(spec)?,
    })
}

/// The API server takes times that no calendar has.
fn start_at(spec: &RolloutSpec) -> Result<Option<Timestamp>, SpecError> {
    let read = |text: &String| text.parse().map_err(|_| SpecError::StartAt { text: text.clone() });
    spec.start_at.as_ref().map(read).transpose()
}

fn windows(spec: &RolloutSpec) -> Result<Vec<FilledWindow>, SpecError> {
    let windows = spec.windows.iter().flatten().enumerate();
    windows.map(|(place, window)| filled_window(&format!("spec.windows[{place}]"), window)).collect()
}

fn filled_window(field: &str, window: &Window) -> Result<FilledWindow, SpecError> {
    let duration = format!("{field}.duration");
    let filled = FilledWindow {
        schedule: window.schedule.clone(),
        duration: window.duration.0.clone(),
        duration_ms: at_least_a_second(&duration, Some(&window.duration), LEAST_MS)?,
        time_zone: window.time_zone.clone().unwrap_or_else(|| TIME_ZONE.to_owned()),
    };
    match filled.read() {
        Ok(_) => Ok(filled),
        Err(source) => Err(SpecError::Schedule { field: field.to_owned(), source }),
    }
}

fn group(spec: &RolloutSpec) -> Option<FilledGroup> {
    let group = spec.group.as_ref()?;
    Some(FilledGroup { name: group.name.clone(), order: group.order.unwrap_or_default() })
}

fn virtual_services(traffic: &Traffic) -> Vec<FilledVirtualService> {
    let references = traffic.virtual_services.iter().flatten();
    references
        .map(|reference| FilledVirtualService {
            name: reference.name.clone(),
            routes: reference.routes.clone(),
        })
        .collect()
}

fn steps(spec: &RolloutSpec, checks: &[FilledCheck], mesh: bool) -> Result<Vec<FilledStep>, SpecError> {
    let defaults: &[DefaultStep] = if mesh { &STEPS } else { &STEPS_WITHOUT_MESH };
    let steps: Vec<FilledStep> = match &spec.steps {
        Some(steps) => steps.iter().map(|step| filled_step(step, checks)).collect::<Result<_, _>>()?,
        None => defaults.iter().map(|step| default_step(*step, checks)).collect(),
    };
    match weight_problem(&steps, mesh) {
        Some(problem) => Err(SpecError::Weights { problem }),
        None => Ok(steps),
    }
}

/// The steps of a spec that has none, as names and weights.
pub fn default_steps(mesh: bool) -> Vec<(String, u32)> {
    let steps: &[DefaultStep] = if mesh { &STEPS } else { &STEPS_WITHOUT_MESH };
    steps.iter().map(|step| (step.name.to_owned(), step.weight)).collect()
}

fn default_step(step: DefaultStep, checks: &[FilledCheck]) -> FilledStep {
    FilledStep {
        name: step.name.to_owned(),
        weight: step.weight,
        mirror: None,
        hold_ms: step.hold_ms,
        min_pod_age_ms: 0,
        checks: all_names(checks),
        approval: None,
        jobs: Vec::new(),
    }
}

fn filled_step(step: &Step, checks: &[FilledCheck]) -> Result<FilledStep, SpecError> {
    let field = format!("spec.steps[{}]", step.name);
    let names = match &step.checks {
        Some(names) => names.clone(),
        // At weight 0 there is no traffic, hence nothing to measure unless it is asked for.
        None if step.weight == 0 => Vec::new(),
        None => all_names(checks),
    };
    for name in &names {
        known_check(&format!("{field}.checks"), name, checks)?;
    }
    Ok(FilledStep {
        name: step.name.clone(),
        weight: step.weight,
        mirror: mirror(step),
        hold_ms: millis(&format!("{field}.hold"), step.hold.as_ref(), 0)?,
        min_pod_age_ms: millis(&format!("{field}.minPodAge"), step.min_pod_age.as_ref(), 0)?,
        checks: names,
        approval: step
            .approval
            .as_ref()
            .map(|approval| FilledApproval { count: approval.count.unwrap_or(APPROVAL_COUNT) }),
        jobs: step.jobs.iter().flatten().map(|job| filled_job(&field, job)).collect::<Result<_, _>>()?,
    })
}

/// Where every request reaches the candidate there is nothing to copy.
fn mirror(step: &Step) -> Option<u8> {
    let percent = step.mirror.as_ref().filter(|_| step.weight < 100)?.percent.clamp(1, 100);
    u8::try_from(percent).ok()
}

fn filled_job(step: &str, job: &StepJob) -> Result<FilledJob, SpecError> {
    let field = format!("{step}.jobs[{}]", job.name);
    if let Some((place, problem, remedy)) = job_problem(&job.spec) {
        return Err(SpecError::Job { field: format!("{field}.spec.{place}"), problem, remedy });
    }
    let timeout_ms = at_least_a_second(&format!("{field}.timeout"), job.timeout.as_ref(), JOB_TIMEOUT_MS)?;
    Ok(FilledJob { name: job.name.clone(), timeout_ms, digest: digest(&job.spec.to_string()) })
}

fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What keeps a JobSpec from being a gate: where, what and what to write. All else the API server says when the Job is made.
fn job_problem(spec: &Value) -> Option<(&'static str, &'static str, &'static str)> {
    let at = |pointer: &str| spec.pointer(pointer).filter(|value| !value.is_null());
    let containers = at("/template/spec/containers").and_then(Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        let remedy = "write at least one container with name and image";
        return Some(("template.spec.containers", "is missing or empty", remedy));
    }
    let policy = at("/template/spec/restartPolicy").and_then(Value::as_str);
    if !matches!(policy, Some("Never" | "OnFailure")) {
        let problem = "is neither Never nor OnFailure, and a Job has no other";
        return Some(("template.spec.restartPolicy", problem, "write Never, or OnFailure"));
    }
    if at("/selector").is_some() || at("/manualSelector").is_some() {
        return Some((
            "selector",
            "would join the pods of several Jobs",
            "leave it out, the server makes one",
        ));
    }
    (at("/suspend") == Some(&Value::Bool(true))).then_some((
        "suspend",
        "is true, so the Job would never run",
        "leave it out",
    ))
}

fn weight_problem(steps: &[FilledStep], mesh: bool) -> Option<String> {
    let Some((last, others)) = steps.split_last() else {
        return Some("no step is there: add one with weight 100, or leave steps out".to_owned());
    };
    if last.weight != 100 {
        return Some(format!("the last step {} has weight {}: it must have 100", last.name, last.weight));
    }
    if let Some(early) = others.iter().find(|step| step.weight >= 100) {
        return Some(format!(
            "step {} has weight {}, and only the last step {} may have 100",
            early.name, early.weight, last.name
        ));
    }
    if let Some([before, after]) = steps.array_windows().find(|[before, after]| before.weight > after.weight)
    {
        return Some(format!(
            "weights go down from {} ({}) to {} ({}): put them in order",
            before.name, before.weight, after.name, after.weight
        ));
    }
    let between = others.iter().find(|step| !mesh && step.weight > 0)?;
    Some(format!(
        "step {} has weight {}, which needs a mesh: name the VirtualService in spec.traffic.virtualServices, or use \
         only 0 and 100",
        between.name, between.weight
    ))
}

fn guards(spec: &RolloutSpec, checks: &[FilledCheck]) -> Result<Vec<FilledGuard>, SpecError> {
    let fill = |guard: &Guard| {
        known_check("spec.guards", &guard.check, checks)?;
        Ok(FilledGuard { check: guard.check.clone(), until: guard.until.unwrap_or_default() })
    };
    spec.guards.iter().flatten().map(fill).collect()
}

fn filled_check(check: &Check) -> Result<FilledCheck, SpecError> {
    let field = format!("spec.checks[{}]", check.name);
    let in_check = |name: &str| format!("{field}.{name}");
    let query = check
        .query
        .clone()
        .ok_or_else(|| missing(&in_check("query"), "write PromQL that gives one number"))?;
    let threshold = check.threshold.clone().unwrap_or_default();
    let (min, max) = limits(&in_check("threshold"), &threshold)?;
    Ok(FilledCheck {
        name: check.name.clone(),
        query,
        source: check.source.clone().unwrap_or_else(|| SOURCE.to_owned()),
        min,
        max,
        limit: limit_text(&threshold),
        interval_ms: at_least_a_second(&in_check("interval"), check.interval.as_ref(), INTERVAL_MS)?,
        delay_ms: millis(&in_check("delay"), check.delay.as_ref(), DELAY_MS)?,
        passes: check.passes.unwrap_or(PASSES),
        failures: check.failures.unwrap_or(FAILURES),
        no_data: check.no_data.unwrap_or_default(),
        blind_limit_ms: millis(&in_check("blindLimit"), check.blind_limit.as_ref(), BLIND_LIMIT_MS)?,
        on_blind: check.on_blind.unwrap_or_default(),
    })
}

fn filled_drain(drain: &Drain) -> Result<FilledDrain, SpecError> {
    let remedy = "write PromQL that gives the number of open connections of $(color)";
    let query = drain.query.clone().ok_or_else(|| missing("spec.traffic.drain.query", remedy))?;
    let timeout = drain.timeout.as_ref();
    let timeout_ms = at_least_a_second("spec.traffic.drain.timeout", timeout, DRAIN_TIMEOUT_MS)?;
    Ok(FilledDrain { timeout_ms, connections: connections(query, drain.source.clone()) })
}

/// Of a spec that can't be used a timeout that can't be read is the default: nothing is cut before it.
fn salvaged_drain(drain: &Drain) -> Option<FilledDrain> {
    let readable = Drain { timeout: None, ..drain.clone() };
    filled_drain(drain).or_else(|_| filled_drain(&readable)).ok()
}

/// The number of open connections as a check. Once there is none, that is so: nothing opens another one. How many there are is
/// never a failure.
fn connections(query: String, source: Option<String>) -> FilledCheck {
    FilledCheck {
        name: DRAIN.to_owned(),
        query,
        source: source.unwrap_or_else(|| SOURCE.to_owned()),
        min: None,
        max: Some(0.0),
        limit: "max 0".to_owned(),
        interval_ms: DRAIN_INTERVAL_MS,
        delay_ms: 0,
        passes: 1,
        failures: u32::MAX,
        no_data: NoData::Wait,
        blind_limit_ms: BLIND_LIMIT_MS,
        on_blind: OnBlind::Hold,
    }
}

fn limits(field: &str, threshold: &Threshold) -> Result<(Option<f64>, Option<f64>), SpecError> {
    let read = |name: &str, limit: &Option<Limit>| {
        let read = limit.as_ref().map(Limit::base_units).transpose();
        read.map_err(|source| SpecError::Limit { field: format!("{field}.{name}"), source })
    };
    match (read("min", &threshold.min)?, read("max", &threshold.max)?) {
        (None, None) => Err(missing(field, "give min, max or both")),
        (Some(min), Some(max)) if min > max => Err(SpecError::NothingPasses {
            field: field.to_owned(),
            min: threshold.min.as_ref().map(ToString::to_string).unwrap_or_default(),
            max: threshold.max.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        limits => Ok(limits),
    }
}

/// The limits as people wrote them: `min 99%, max 1%`.
fn limit_text(threshold: &Threshold) -> String {
    let parts = [("min", &threshold.min), ("max", &threshold.max)];
    let written = parts.iter().filter_map(|(name, limit)| Some(format!("{name} {}", limit.as_ref()?)));
    written.collect::<Vec<String>>().join(", ")
}

fn all_names(checks: &[FilledCheck]) -> Vec<String> {
    checks.iter().map(|check| check.name.clone()).collect()
}

fn known_check(field: &str, name: &str, checks: &[FilledCheck]) -> Result<(), SpecError> {
    if checks.iter().any(|check| check.name == name) {
        Ok(())
    } else {
        Err(SpecError::UnknownCheck { field: field.to_owned(), check: name.to_owned() })
    }
}

fn millis(field: &str, text: Option<&DurationText>, default: u64) -> Result<u64, SpecError> {
    match text {
        None => Ok(default),
        Some(text) => text.millis().map_err(|source| SpecError::Duration { field: field.to_owned(), source }),
    }
}

fn at_least_a_second(field: &str, text: Option<&DurationText>, default: u64) -> Result<u64, SpecError> {
    match (millis(field, text, default)?, text) {
        (value, Some(text)) if value < LEAST_MS => {
            Err(SpecError::TooShort { field: field.to_owned(), text: text.0.clone() })
        }
        (value, _) => Ok(value),
    }
}

fn missing(field: &str, remedy: &'static str) -> SpecError {
    SpecError::Missing { field: field.to_owned(), remedy }
}
