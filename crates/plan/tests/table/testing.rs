//! Jobs that are gates: recorded before they are made, made once for each try, and what their end leads to.

use teal_plan::record::{Cause, JobEnd, JobState, Phase, StepJob, StepRecord};
use teal_plan::report::report;
use teal_plan::settings::{Mode, OnFailure};
use teal_plan::snapshot::{Action, Form, StepJobSeen, Stops};
use teal_plan::{Decision, Effect, Snapshot, Span, Time, Why};

use crate::decisions::decision;
use crate::fixture::*;

const TIMEOUT: Span = Span::seconds(300);
const OBJECT: &str = "canary-smoke-0a1b2c3d-green";

fn wanted(name: &str) -> teal_plan::settings::StepJob {
    teal_plan::settings::StepJob { name: name.to_owned(), timeout: TIMEOUT, spec: 1 }
}

/// At 10 % for a minute, and only the Job of the step is waited for; it is recorded so.
fn testing(state: JobState, since: Option<Time>) -> Snapshot {
    let mut s = reached("canary", 10, Time(NOW.0 - 60_000));
    s.settings.steps[0].jobs = vec![wanted("smoke")];
    step(&mut s).jobs = vec![StepJob { name: "smoke".to_owned(), state, after: 7, spec: Some(1), since }];
    s.world.step_jobs = vec![seen(false, None)];
    s
}

fn seen(there: bool, ended: Option<bool>) -> StepJobSeen {
    let (name, object) = ("smoke".to_owned(), OBJECT.to_owned());
    let missing_since = (!there).then_some(LONG_AGO);
    StepJobSeen { name, after: 7, object, there, missing_since, refused_since: None, ended, trouble: None }
}

fn step(s: &mut Snapshot) -> &mut StepRecord {
    match &mut s.record.phase {
        Phase::Step(place) => place,
        other => panic!("{other:?}"),
    }
}

fn place(s: &Snapshot) -> StepRecord {
    match committed(s).0.phase {
        Phase::Step(place) => place,
        other => panic!("{other:?}"),
    }
}

fn states(place: &StepRecord) -> Vec<(&str, JobState)> {
    place.jobs.iter().map(|job| (job.name.as_str(), job.state)).collect()
}

const MAKES: [Effect; 1] = [Effect::RunStepJobs(teal_plan::Slot {
    color: teal_plan::Color::Green,
    revision: teal_plan::Revision { counter: 2, hash: 0x0202_0202 },
})];

#[test]
fn rule_15_jobs_of_a_step_are_recorded_with_the_commit_that_it_was_reached_and_made_from_then_on() {
    let mut s = testing(JobState::Due, None);
    let old = step(&mut s);
    (old.reached, old.jobs) = (None, Vec::new());
    s.world.step_jobs.clear();
    assert_eq!(effects(&before_the_weight(&s)), [Effect::RaiseWeight(10)], "none is made before");
    let (record, _) = committed(&s);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!((place.reached, states(place)), (Some(NOW), vec![("smoke", JobState::Due)]));
    assert_eq!(place.jobs[0].after, record.epoch, "its object's name says of which try it is");
    s.record = record;
    s.world.step_jobs = vec![StepJobSeen { after: s.record.epoch, ..seen(false, None) }];
    assert_eq!(effects(&s), MAKES);
}

fn before_the_weight(s: &Snapshot) -> Snapshot {
    let mut s = s.clone();
    s.world.routes = routes(Form::Entered(0));
    s
}

#[test]
fn rule_15_that_a_job_of_a_step_was_there_and_that_it_ended_well_are_each_committed_once() {
    let mut s = testing(JobState::Due, None);
    assert_eq!(effects(&s), MAKES, "a crash between the record and the Job leaves it due");
    s.world.step_jobs = vec![seen(true, None)];
    let begun = place(&s);
    assert_eq!(states(&begun), [("smoke", JobState::Begun)]);
    assert_eq!(begun.jobs[0].since, Some(NOW));
    *step(&mut s) = begun;
    let plan = checked(&s);
    assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, Some(NOW + TIMEOUT)));
    s.world.step_jobs = vec![seen(true, Some(true))];
    let done = place(&s);
    assert_eq!((done.step.as_str(), states(&done)), ("canary", vec![("smoke", JobState::Done)]));
    *step(&mut s) = done;
    s.world.step_jobs.clear();
    assert_eq!(place(&s).step, "full", "whatever became of its object");
}

#[test]
fn a_step_is_not_over_while_its_job_runs_and_its_message_says_where_the_logs_are() {
    let mut s = testing(JobState::Begun, Some(NOW));
    s.settings.steps[0].hold = Span(0);
    let pod = "pod canary-smoke-x: container smoke is in ErrImagePull";
    s.world.step_jobs = vec![StepJobSeen { trouble: Some(pod.to_owned()), ..seen(true, None) }];
    let told = report(&s, &checked(&s));
    assert_eq!((told.phase, told.waiting_for.as_deref()), ("Checking", Some("jobs (smoke)")));
    let says = format!("waits until Job {OBJECT} (kubectl logs job/{OBJECT}; {pod}) ends well");
    assert!(told.message.contains(&says), "{}", told.message);
}

#[test]
fn a_job_of_a_step_that_did_not_end_well_counts_as_a_failed_check() {
    let later = Time(NOW.0 - TIMEOUT.0);
    for (what, state, since, there, ended, end) in [
        ("failed", JobState::Begun, NOW, true, Some(false), JobEnd::Failed),
        ("failed before it was seen to run", JobState::Due, NOW, true, Some(false), JobEnd::Failed),
        ("runs too long", JobState::Begun, later, true, None, JobEnd::Late { timeout: TIMEOUT }),
        ("was ended for that", JobState::Begun, later, true, Some(false), JobEnd::Late { timeout: TIMEOUT }),
        ("was deleted", JobState::Begun, NOW, false, None, JobEnd::Gone),
    ] {
        let mut s = testing(state, (state == JobState::Begun).then_some(since));
        s.world.step_jobs = vec![seen(there, ended)];
        let (record, _) = committed(&s);
        let Phase::Returning { cause: Cause::Check { check, job, .. }, .. } = &record.phase else {
            panic!("{what}: {:?}", record.phase);
        };
        assert_eq!((check.as_str(), *job), (OBJECT, Some(end)), "{what}");
        assert!(record.wanted.is_some_and(|wanted| wanted.rejected), "{what}");
    }
    let mut s = testing(JobState::Begun, Some(later));
    s.world.step_jobs = vec![seen(true, Some(true))];
    assert_eq!(states(&place(&s)), [("smoke", JobState::Done)], "what ended well did so in time");
}

#[test]
fn why_it_went_back_is_told_with_where_the_logs_are() {
    let told = |end: JobEnd| {
        teal_plan::report::cause(&Cause::Check {
            check: OBJECT.to_owned(),
            detail: String::new(),
            job: Some(end),
        })
    };
    assert_eq!(told(JobEnd::Failed), format!("Job {OBJECT} failed (kubectl logs job/{OBJECT})"));
    let late = told(JobEnd::Late { timeout: TIMEOUT });
    assert_eq!(
        late,
        format!("Job {OBJECT} did not end within its timeout of 300 s (kubectl logs job/{OBJECT})")
    );
    assert!(told(JobEnd::Gone).contains("is gone before it was seen to end"));
}

/// As a check's: the record says it, for a Job may be deleted and a person must decide all the same.
#[test]
fn a_job_that_failed_holds_the_step_where_the_spec_says_so_and_a_retry_runs_all_of_them_anew() {
    let mut s = testing(JobState::Begun, Some(NOW));
    s.settings.on_failure = OnFailure::Hold;
    s.settings.steps[0].jobs.insert(0, wanted("load"));
    let load =
        StepJob { name: "load".to_owned(), state: JobState::Done, after: 7, spec: None, since: Some(NOW) };
    step(&mut s).jobs.insert(0, load);
    s.world.step_jobs = vec![seen(true, Some(false))];
    let plan = checked(&s);
    let told = report(&s, &plan);
    assert_eq!(told.waiting_for, Some(format!("decision (job {OBJECT})")));
    let stalled =
        told.conditions.iter().find(|condition| condition.kind == "Stalled").expect("a person must act");
    assert_eq!(stalled.reason, "JobFailed");
    assert!(stalled.message.contains("decide (Retry, Skip, Rollback)"), "{}", stalled.message);
    *step(&mut s) = place(&s);
    s.world.step_jobs = vec![seen(false, None)];
    for now in [NOW, NOW + TIMEOUT] {
        s.now = now;
        let plan = checked(&s);
        assert_eq!(plan.decision, Decision::Rest, "it stays so");
        assert!(plan.wake_at.is_none_or(|at| at > now), "{:?}", plan.wake_at);
    }
    s.decisions = vec![decision(Action::Retry, "ana")];
    let anew = place(&s);
    assert_eq!((anew.reached, anew.jobs, anew.held), (None, Vec::new(), None));
}

#[test]
fn nothing_is_made_in_a_pause_nor_while_something_is_in_the_way_of_a_rollout() {
    let mut paused = testing(JobState::Due, None);
    paused.settings.mode = Mode::Paused;
    paused.record.paused = Some(teal_plan::record::Pause::Spec);
    assert_eq!(effects(&paused), []);
    paused.world.step_jobs = vec![seen(true, Some(false))];
    assert!(matches!(committed(&paused).0.phase, Phase::Returning { .. }), "going back works");
    let mut blocked = testing(JobState::Due, None);
    blocked.world.obstacles = vec![obstacle(Stops::Rollout)];
    assert_eq!(effects(&blocked), []);
}

#[test]
fn a_job_that_an_edit_adds_is_recorded_before_it_is_made_and_one_that_it_takes_out_is_waited_for_no_more() {
    let mut s = testing(JobState::Begun, Some(NOW));
    s.world.step_jobs = vec![seen(true, None)];
    s.settings.steps[0].jobs.push(wanted("load"));
    assert_eq!(states(&place(&s)), [("smoke", JobState::Begun), ("load", JobState::Due)]);
    s.settings.steps[0].jobs.clear();
    s.settings.steps[0].hold = Span(0);
    assert_eq!(place(&s).step, "full");
}

/// Another weight means other gates; the same weight that comes back means the same attempt.
#[test]
fn a_weight_that_is_lost_and_comes_back_runs_no_job_again() {
    let mut s = testing(JobState::Done, Some(NOW));
    let lost = step(&mut s);
    (lost.reached, lost.lost) = (None, Some(LONG_AGO));
    assert_eq!(states(&place(&s)), [("smoke", JobState::Done)]);
}

#[test]
fn a_last_step_with_a_job_is_no_bare_one() {
    let mut s = testing(JobState::Done, Some(NOW));
    s.settings.steps[0].hold = Span(0);
    s.settings.steps[1].hold = Span(0);
    assert!(matches!(committed(&s).0.phase, Phase::Promoting { .. }));
    s.settings.steps[1].jobs = vec![wanted("load")];
    assert_eq!(place(&s).step, "full");
}

#[test]
fn people_are_asked_once_the_jobs_of_the_step_have_ended_well() {
    let mut s = testing(JobState::Begun, Some(NOW));
    s.settings.steps[0].hold = Span(0);
    s.settings.steps[0].approvals = Some(1);
    s.world.step_jobs = vec![seen(true, None)];
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest);
    assert!(matches!(plan.why[..], [Why::Testing { .. }]), "{:?}", plan.why);
    step(&mut s).jobs[0].state = JobState::Done;
    assert!(place(&s).gate.is_some());
}

/// A cache may lag behind the record, and a good release is not sent back for that.
#[test]
fn a_job_that_is_not_seen_for_a_moment_is_not_gone_yet() {
    let mut s = testing(JobState::Begun, Some(NOW));
    s.world.step_jobs[0].missing_since = Some(NOW);
    let plan = checked(&s);
    assert_eq!((&plan.decision, plan.wake_at), (&Decision::Rest, Some(NOW + s.settings.endpoint_grace)));
    s.now = NOW + s.settings.endpoint_grace;
    assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
}

#[test]
fn a_job_that_can_not_be_made_holds_a_step_no_longer_than_the_machine_may_take() {
    let mut s = testing(JobState::Due, None);
    s.world.step_jobs[0].refused_since = Some(NOW);
    let late = NOW + s.settings.progress_deadline;
    assert_eq!((effects(&s), checked(&s).wake_at), (MAKES.to_vec(), Some(late)));
    s.now = late;
    let Phase::Returning { cause, .. } = committed(&s).0.phase else { panic!("it goes back") };
    let told = teal_plan::report::cause(&cause);
    assert_eq!(told, format!("Job {OBJECT} could not be made within spec.progressDeadline"));
    // Nobody tries while something else holds the step, and that is no fault of the Job.
    let mut paused = s.clone();
    paused.settings.mode = Mode::Paused;
    paused.record.paused = Some(teal_plan::record::Pause::Spec);
    assert_eq!(checked(&paused).decision, Decision::Rest);
    let mut blocked = s.clone();
    blocked.world.obstacles = vec![obstacle(Stops::Rollout)];
    assert_eq!(checked(&blocked).decision, Decision::Rest);
    s.world.step_jobs[0].refused_since = None;
    assert_eq!(effects(&s), MAKES, "however long it has been due");
}

#[test]
fn a_job_that_an_edit_makes_another_one_of_runs_as_that() {
    let mut s = testing(JobState::Done, Some(NOW));
    let terms = s.settings.steps[0].terms();
    s.settings.steps[0].jobs[0].spec = 2;
    assert_ne!(s.settings.steps[0].terms(), terms, "people are asked anew");
    let anew = place(&s);
    assert_eq!(states(&anew), [("smoke", JobState::Due)]);
    assert!(anew.jobs[0].after > 7, "under a name of its own");
    let mut old = testing(JobState::Done, Some(NOW));
    step(&mut old).jobs[0].spec = None;
    old.settings.steps[0].jobs[0].spec = 2;
    assert_eq!(place(&old).step, "full", "what an earlier version recorded is what it was");
}

#[test]
fn jobs_of_a_step_that_is_over_are_ended_whichever_way_it_went_on() {
    let mut s = reached("canary", 10, NOW);
    s.world.left_step_jobs = vec![OBJECT.to_owned()];
    assert!(effects(&s).contains(&Effect::EndStepJobs));
    s.world.left_step_jobs.clear();
    assert!(!effects(&s).contains(&Effect::EndStepJobs));
    s.settings.mode = Mode::HandsOff;
    s.world.left_step_jobs = vec![OBJECT.to_owned()];
    assert!(!matches!(checked(&s).decision, Decision::Act(_)), "hands off means that nothing is written");
}

/// The version before these Jobs knew `Check` with two fields, and no cause that it doesn't know may make a record unreadable.
#[test]
fn a_version_that_does_not_know_jobs_reads_their_failure_as_that_of_a_check() {
    let mut s = testing(JobState::Begun, Some(NOW));
    s.world.step_jobs = vec![seen(true, Some(false))];
    let phase = serde_json::to_value(committed(&s).0.phase).unwrap();
    let cause = phase["cause"]["Check"].as_object().expect("a cause that was known before");
    assert_eq!((cause["check"].as_str(), cause["detail"].as_str()), (Some(OBJECT), Some("the Job failed")));
    let old = serde_json::json!({"Check": {"check": "errors", "detail": "2 %"}});
    let read: Cause = serde_json::from_value(old).unwrap();
    assert!(matches!(read, Cause::Check { job: None, .. }));
}
