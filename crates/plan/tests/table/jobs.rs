//! Jobs run once per revision, and are recorded before they are made.

use teal_plan::record::{Cause, Job, JobState, Jobs, Outcome, Phase, Record};
use teal_plan::snapshot::{Action, Form, JobSeen, Objects};
use teal_plan::{Decision, Effect, Revision, Snapshot, Span};

use crate::decisions::decision;
use crate::fixture::*;

fn jobs(revision: Revision, after: u64, each: &[(&str, JobState)]) -> Jobs {
    let job = |(name, state): &(&str, JobState)| Job { name: (*name).to_owned(), state: *state, after };
    Jobs { revision, each: each.iter().map(job).collect() }
}

fn there(name: &str, epoch: u64, ended: Option<bool>) -> JobSeen {
    JobSeen { name: name.to_owned(), revision: candidate().revision, epoch, ended }
}

fn states(record: &Record) -> Vec<(&str, JobState)> {
    let each = record.jobs.iter().flat_map(|jobs| &jobs.each);
    each.map(|job| (job.name.as_str(), job.state)).collect()
}

/// Content 2 is tried, with two Jobs in this state.
fn with(migrate: JobState, seed: JobState) -> Snapshot {
    let mut s = trying("canary", 10);
    s.settings.jobs = vec!["migrate".to_owned(), "seed".to_owned()];
    s.record.jobs = Some(jobs(candidate().revision, 7, &[("migrate", migrate), ("seed", seed)]));
    s
}

fn applies(s: &Snapshot) -> bool {
    effects(s).contains(&Effect::ApplyRelease { slot: candidate(), active: false })
}

#[test]
fn rule_15_jobs_are_recorded_in_the_commit_that_starts_their_revision() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.settings.jobs = vec!["migrate".to_owned()];
    let (record, _) = committed(&s);
    let due = jobs(candidate().revision, record.epoch, &[("migrate", JobState::Due)]);
    assert_eq!(record.jobs, Some(due));
    s.record = record;
    assert!(applies(&s), "no further commit stands before it");
    s.settings.jobs.clear();
    s.record = at_rest().record;
    assert_eq!(committed(&s).0.jobs, None, "without Jobs nothing is recorded");
}

#[test]
fn rule_15_jobs_of_a_first_install_are_recorded_too() {
    let mut s = at_rest();
    s.record = Record::default();
    s.world.blue = absent();
    s.world.highest_counter = 0;
    s.settings.jobs = vec!["migrate".to_owned()];
    let (record, _) = committed(&s);
    assert_eq!(record.jobs, Some(jobs(live().revision, record.epoch, &[("migrate", JobState::Due)])));
}

#[test]
fn rule_15_a_record_from_before_there_were_any_learns_of_them_before_anything_is_made() {
    let mut s = trying("canary", 10);
    s.settings.jobs = vec!["migrate".to_owned()];
    assert_eq!(committed(&s).0.jobs, Some(jobs(candidate().revision, 0, &[("migrate", JobState::Due)])));
    s.settings.wanted = None;
    assert!(applies(&s), "of a spec that can't be used nothing is learned");
}

#[test]
fn rule_15_that_a_job_was_there_is_committed_once() {
    let mut s = with(JobState::Due, JobState::Due);
    assert!(applies(&s), "a crash between the record and the Job leaves it due");
    s.world.jobs = vec![there("migrate", 7, None), there("seed", 7, Some(true))];
    let (record, notices) = committed(&s);
    assert_eq!(states(&record), [("migrate", JobState::Begun), ("seed", JobState::Done)]);
    assert_eq!(notices, []);
    s.record = record;
    assert!(applies(&s), "and no more than once");
    s.world.jobs.clear();
    assert!(applies(&s), "also when they are gone");
}

#[test]
fn rule_15_a_job_of_another_revision_or_try_is_not_taken_for_it() {
    let mut s = with(JobState::Due, JobState::Due);
    s.world.jobs = vec![JobSeen { revision: live().revision, ..there("migrate", 9, Some(true)) }];
    assert!(applies(&s));
    s.world.jobs = vec![there("migrate", 6, Some(true))];
    assert!(applies(&s));
}

#[test]
fn rule_15_how_jobs_ended_rides_along_with_what_is_committed_anyway() {
    let mut s = with(JobState::Begun, JobState::Begun);
    s.world.jobs = vec![there("migrate", 7, Some(true)), there("seed", 7, Some(false))];
    assert!(applies(&s), "it is no commit of its own");
    s.now = DEADLINE + Span(1);
    let (record, _) = committed(&s);
    assert!(matches!(record.phase, Phase::Returning { cause: Cause::Deadline { .. }, .. }));
    assert_eq!(states(&record), [("migrate", JobState::Done), ("seed", JobState::Begun)]);
}

#[test]
fn rule_15_where_the_workloads_serve_all_jobs_are_done() {
    let mut s = with(JobState::Begun, JobState::Begun);
    let at = reached("canary", 10, LONG_AGO);
    s.world = at.world;
    assert_eq!(states(&committed(&s).0), [("migrate", JobState::Done), ("seed", JobState::Done)]);
}

#[test]
fn rule_15_a_retry_of_a_revision_runs_again_what_did_not_end_well() {
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.settings.jobs = vec!["migrate".to_owned(), "seed".to_owned()];
    let each = [("migrate", JobState::Done), ("seed", JobState::Begun)];
    s.record.jobs = Some(jobs(candidate().revision, 5, &each));
    s.record.wanted = Some(teal_plan::record::Wanted {
        hash: content(2),
        revision: candidate().revision,
        rejected: true,
        attempts: 1,
    });
    s.record.phase = Phase::Rest { outcome: Outcome::Cancelled };
    s.decisions = vec![decision(Action::Retry, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    let (record, _) = committed(&s);
    assert_eq!(states(&record), [("migrate", JobState::Done), ("seed", JobState::Due)]);
    assert_eq!(
        record.jobs.map(|jobs| jobs.each[1].after),
        Some(record.epoch),
        "not what is left of the last"
    );
}

#[test]
fn rule_15_a_retry_within_a_step_leaves_what_runs_or_ended_well_alone() {
    for (ended, expected, why) in [
        (Some(None), JobState::Begun, "it still runs"),
        (Some(Some(true)), JobState::Done, "it ended well"),
        (Some(Some(false)), JobState::Due, "it failed"),
        (None, JobState::Due, "it is gone, and nobody saw its end"),
    ] {
        let mut s = with(JobState::Begun, JobState::Done);
        s.world.jobs = ended.into_iter().map(|ended| there("migrate", 7, ended)).collect();
        s.decisions = vec![decision(Action::Retry, "ana")];
        let (record, _) = committed(&s);
        assert_eq!(states(&record), [("migrate", expected), ("seed", JobState::Done)], "{why}");
        s.record = record;
        s.decisions.clear();
        assert!(applies(&s), "the failed one is no news: {why}");
    }
}

/// Nothing else could run it again: there is nothing to go back to.
#[test]
fn rule_15_a_retry_of_a_first_install_runs_failed_jobs_again() {
    let mut s = at_rest();
    s.record.phase = Phase::Installing { deadline: LONG_AGO };
    s.world.blue.available = false;
    s.settings.jobs = vec!["migrate".to_owned()];
    s.record.jobs = Some(jobs(live().revision, 3, &[("migrate", JobState::Begun)]));
    let mut retry = decision(Action::Retry, "ana");
    retry.revision = Some(live().revision.to_string());
    s.decisions = vec![retry];
    let seen = |ended| JobSeen { revision: live().revision, ..there("migrate", 3, ended) };
    s.world.jobs = vec![seen(None)];
    assert!(!matches!(checked(&s).decision, Decision::Commit(_)), "while it runs there is nothing to retry");
    s.world.jobs = vec![seen(Some(false))];
    let (record, _) = committed(&s);
    assert_eq!(states(&record), [("migrate", JobState::Due)]);
    assert_eq!(record.phase, Phase::Installing { deadline: DEADLINE });
}

#[test]
fn rule_15_no_way_back_makes_a_job_due() {
    let mut s = with(JobState::Begun, JobState::Due);
    s.decisions = vec![decision(Action::Rollback, "ana")];
    let (record, _) = committed(&s);
    assert_eq!(states(&record), [("migrate", JobState::Begun), ("seed", JobState::Due)]);
    s.record = record;
    s.decisions.clear();
    assert!(!applies(&s));
    // Its ConfigMap is there, and the Deployment that was to come after the Jobs is not.
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    assert!(!applies(&s), "workloads whose Jobs are not done are not started on the way back");
    s.record.jobs = Some(jobs(candidate().revision, 7, &[("migrate", JobState::Done)]));
    assert!(applies(&s), "those that ran are put to rest");
}

#[test]
fn rule_15_a_job_that_hangs_has_its_deadline_also_after_an_obstacle() {
    let mut s = with(JobState::Begun, JobState::Begun);
    s.world.finalizer = true;
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    s.world.routes = routes(Form::Entered(0));
    s.world.jobs = vec![there("migrate", 7, None), there("seed", 7, Some(true))];
    s.record.blocked_since = Some(LONG_AGO);
    s.now = DEADLINE + Span::seconds(60);
    let (record, _) = committed(&s);
    assert_eq!(record.blocked_since, None);
    let Phase::Step(place) = &record.phase else { panic!("{:?}", record.phase) };
    assert_eq!(place.deadline, s.now + s.settings.progress_deadline);
}
