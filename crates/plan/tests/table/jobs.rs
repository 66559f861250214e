//! Jobs run once per revision, and are recorded before they are made.

use teal_plan::record::{Cause, Job, JobState, Jobs, Outcome, Phase, Record};
use teal_plan::settings::Mode;
use teal_plan::snapshot::{Action, Form, JobSeen, Objects, Stops};
use teal_plan::{Color, Decision, Effect, Plan, Revision, Snapshot, Span, Why};

use crate::decisions::decision;
use crate::fixture::*;

fn jobs(revision: Revision, after: u64, each: &[(&str, JobState)]) -> Jobs {
    let job = |(name, state): &(&str, JobState)| Job { name: (*name).to_owned(), state: *state, after };
    Jobs { revision, each: each.iter().map(job).collect() }
}

fn there(name: &str, epoch: u64, ended: Option<bool>) -> JobSeen {
    JobSeen { name: name.to_owned(), revision: candidate().revision, epoch, ended, going: false, works: true }
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

/// Content 2 is live in green, nothing else is there, and it has a Job that comes after retirement.
fn alone(contract: JobState) -> Snapshot {
    let mut s = kept();
    s.record.previous = None;
    s.record.kept_until = None;
    s.world.blue = absent();
    s.settings.later = vec!["contract".to_owned()];
    s.record.later = vec![jobs(candidate().revision, 7, &[("contract", contract)])];
    s
}

fn later(record: &Record) -> Vec<(Revision, JobState)> {
    record.later.iter().flat_map(|jobs| jobs.each.iter().map(|job| (jobs.revision, job.state))).collect()
}

#[test]
fn rule_15_a_job_after_retirement_is_recorded_at_the_start_and_made_once_the_former_release_is_gone() {
    let runs = Effect::RunJobs(candidate());
    let mut s = at_rest();
    s.settings.wanted = Some(content(2));
    s.settings.later = vec!["contract".to_owned()];
    let (record, _) = committed(&s);
    let due = vec![jobs(candidate().revision, record.epoch, &[("contract", JobState::Due)])];
    assert_eq!((&record.later, &record.jobs), (&due, &None));
    let mut s = reached("canary", 10, NOW);
    s.record.later.clone_from(&due);
    assert!(!effects(&s).contains(&runs), "while it is tried");
    if let Phase::Step(place) = &mut s.record.phase {
        place.reached = None;
    }
    assert_eq!(committed(&s).0.later, due, "its workloads serve without it");
    let mut s = kept();
    s.record.later.clone_from(&due);
    assert_eq!(effects(&s), [], "while the former one is kept");
    s.now = s.record.kept_until.unwrap();
    let (record, _) = committed(&s);
    assert_eq!(record.later, due, "no write is its own");
    s.record = record;
    assert_eq!(effects(&s), [Effect::Vacate { color: Color::Blue, except: None }]);
    s.world.blue.objects = Objects::Leftover;
    assert!(!effects(&s).contains(&runs), "while a pod of it is left");
    s.world.blue = absent();
    assert_eq!(effects(&s), [runs]);
}

#[test]
fn rule_15_a_first_install_has_nothing_to_retire_so_its_jobs_run_once_it_is_complete() {
    let mut s = at_rest();
    s.record = Record::default();
    s.world.blue = absent();
    s.world.highest_counter = 0;
    s.settings.later = vec!["contract".to_owned()];
    let (record, _) = committed(&s);
    assert_eq!(later(&record), [(live().revision, JobState::Due)]);
    s.record = record;
    assert!(!effects(&s).contains(&Effect::RunJobs(live())), "while it is installed");
    s.world.blue = at_rest().world.blue;
    s.record = committed(&s).0;
    assert_eq!(effects(&s), [Effect::RunJobs(live())]);
}

#[test]
fn rule_15_what_becomes_of_a_job_after_retirement_is_committed_and_then_all_is_still() {
    let mut s = alone(JobState::Due);
    s.world.jobs = vec![there("contract", 8, None)];
    let (record, notices) = committed(&s);
    assert_eq!((later(&record), notices), (vec![(candidate().revision, JobState::Begun)], vec![]));
    s.record = record;
    let plan = checked(&s);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, None));
    let running = Why::Running { slot: candidate(), jobs: vec!["contract".to_owned()] };
    assert_eq!(plan.why, [running]);
    s.world.jobs = vec![there("contract", 8, Some(true))];
    s.record = committed(&s).0;
    assert_eq!(later(&s.record), [(candidate().revision, JobState::Done)]);
    s.world.jobs.clear();
    let plan = checked(&s);
    assert_eq!((plan.decision, plan.wake_at, plan.why), (Decision::Rest, None, vec![Why::AtRest]));
}

#[test]
fn rule_15_a_job_after_retirement_that_did_not_end_well_stops_nothing_and_runs_again_on_a_retry() {
    for ended in [vec![there("contract", 7, Some(false))], vec![]] {
        let mut s = alone(JobState::Begun);
        s.world.jobs = ended;
        assert_eq!(checked(&s).decision, Decision::Rest);
        s.settings.wanted = Some(content(3));
        assert!(matches!(committed(&s).0.phase, Phase::Step(_)), "a newer revision starts");
        s.settings.wanted = Some(content(2));
        let retry = decision(Action::Retry, "ana");
        s.decisions = vec![retry];
        let (record, _) = committed(&s);
        assert_eq!(later(&record), [(candidate().revision, JobState::Due)]);
        assert_eq!(record.phase, s.record.phase, "nothing else is tried again");
        s.record = record;
        s.decisions.clear();
        assert_eq!(effects(&s), [Effect::RunJobs(candidate())], "what is left of the first try goes first");
    }
    for state in [JobState::Due, JobState::Done] {
        let mut s = alone(state);
        s.settings.mode = Mode::Paused;
        s.decisions = vec![decision(Action::Retry, "ana")];
        assert!(!matches!(checked(&s).decision, Decision::Commit(_)), "{state:?}: there is nothing to retry");
    }
}

#[test]
fn rule_15_a_pause_holds_jobs_after_retirement() {
    let mut s = alone(JobState::Due);
    s.settings.mode = Mode::Paused;
    let plan = checked(&s);
    assert_eq!(plan.decision, Decision::Rest);
    assert!(matches!(plan.why[..], [Why::Paused { .. }]), "{:?}", plan.why);
}

#[test]
fn rule_15_a_revision_that_was_sent_back_after_promotion_runs_no_job_after_retirement() {
    let mut s = kept();
    s.record.later = vec![jobs(candidate().revision, 7, &[("contract", JobState::Due)])];
    s.decisions = vec![decision(Action::Rollback, "ana")];
    s.record = committed(&s).0;
    s.decisions.clear();
    s.world.live_service = points(live());
    s.world.candidate_service = points(live());
    s.world.live_service.epoch = s.record.epoch;
    s.world.candidate_service.epoch = s.record.epoch;
    s.world.routes.epoch = s.record.epoch;
    s.record = committed(&s).0;
    assert_eq!(s.record.live.unwrap().slot, live());
    s.now = s.record.kept_until.unwrap();
    s.record = committed(&s).0;
    s.world.green = absent();
    assert_eq!(effects(&s), []);
}

/// Whether the newer one replaces it is not known before.
#[test]
fn rule_15_jobs_after_retirement_wait_while_a_newer_revision_is_tried_and_run_if_it_is_sent_back() {
    let newer = slot(Color::Blue, 3);
    for (state, kept) in [(JobState::Due, true), (JobState::Begun, true), (JobState::Done, false)] {
        let mut s = alone(state);
        if state == JobState::Begun {
            s.world.jobs = vec![there("contract", 7, None)];
        }
        s.settings.wanted = Some(content(3));
        let (record, _) = committed(&s);
        let of_live = kept.then_some((candidate().revision, state));
        let expected: Vec<_> = of_live.into_iter().chain([(newer.revision, JobState::Due)]).collect();
        assert_eq!(later(&record), expected);
        let mut back = s.clone();
        back.record = record.clone();
        back.record.candidate = None;
        back.record.wanted.as_mut().unwrap().rejected = true;
        back.record.phase = s.record.phase.clone();
        let runs = [Effect::RunJobs(candidate())];
        assert_eq!(effects(&back), if state == JobState::Due { &runs[..] } else { &[] }, "sent back");
        let mut on = s.clone();
        on.record = record;
        on.record.live = on.record.candidate.take();
        on.record.phase = s.record.phase.clone();
        on.world.blue = present(newer);
        on.world.green = absent();
        on.world.live_service = points(newer);
        on.world.candidate_service = points(newer);
        assert_eq!(effects(&on), [Effect::RunJobs(newer)], "promoted, and the former one is gone");
    }
}

#[test]
fn rule_15_a_job_after_retirement_waits_in_silence_for_an_earlier_try_that_a_finalizer_holds_and_says_so() {
    let mut s = alone(JobState::Due);
    s.world.jobs = vec![there("contract", 6, Some(false))];
    assert_eq!(effects(&s), [Effect::RunJobs(candidate())], "what is left of it is deleted");
    s.world.jobs[0].going = true;
    let plan = checked(&s);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, None), "its going is seen");
    let jobs = vec!["contract".to_owned()];
    assert_eq!(plan.why, [Why::Going { slot: candidate(), jobs }]);
    let said = teal_plan::report::sentence(&plan.why[0]);
    assert!(said.contains("Job contract-green of r2-") && said.contains("metadata.finalizers"), "{said}");
    let other = Job { name: "other".into(), ..s.record.later[0].each[0].clone() };
    s.record.later[0].each.push(other);
    assert_eq!(effects(&s), [Effect::RunJobs(candidate())], "another one doesn't wait for it");
    s.world.jobs.clear();
    assert_eq!(effects(&s), [Effect::RunJobs(candidate())]);
}

/// A newer revision that can't begin keeps nothing of what is over.
#[test]
fn rule_15_jobs_after_retirement_run_while_a_newer_revision_is_blocked() {
    let mut s = alone(JobState::Due);
    s.settings.wanted = Some(content(3));
    s.world.obstacles = vec![obstacle(Stops::Rollout)];
    s.record.blocked_since = Some(NOW);
    assert_eq!(effects(&s), [Effect::RunJobs(candidate())]);
    s.world.jobs = vec![there("contract", 8, None)];
    let (record, _) = committed(&s);
    assert_eq!(later(&record), [(candidate().revision, JobState::Begun)]);
    s.record = record;
    let running = Why::Running { slot: candidate(), jobs: vec!["contract".to_owned()] };
    assert!(checked(&s).why.contains(&running));
}

#[test]
fn rule_15_no_plan_runs_jobs_after_retirement_beside_another_release() {
    let decision = Decision::Act(vec![Effect::RunJobs(candidate())]);
    let plan = Plan { decision, wake_at: None, why: Vec::new(), measure: Vec::new() };
    let broken = |s: &Snapshot| {
        teal_plan::lint::lint(s, &plan).into_iter().map(|found| found.invariant).collect::<Vec<_>>()
    };
    assert_eq!(broken(&alone(JobState::Due)), Vec::<&str>::new());
    let mut left = alone(JobState::Due);
    left.world.blue.objects = Objects::Leftover;
    let mut gone = kept();
    gone.world.blue = absent();
    gone.record.kept_until = None;
    gone.record.later = alone(JobState::Due).record.later;
    assert_eq!(effects(&gone), [], "going back is not given up yet, whoever took the former one away");
    for s in [left, gone, at_rest(), reached("canary", 10, NOW), promoting()] {
        assert_eq!(broken(&s), ["jobs"], "{:?}", s.record.phase);
    }
}

/// A route that can't be entered is tried again each minute, Job or not; its obstacle isn't over meanwhile.
#[test]
fn rule_15_a_job_that_runs_ends_no_obstacle_whose_write_is_still_to_be_done() {
    let mut s = with(JobState::Begun, JobState::Begun);
    s.world.finalizer = true;
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: false };
    s.world.jobs = vec![there("migrate", 7, None), there("seed", 7, Some(true))];
    s.record.blocked_since = Some(LONG_AGO);
    assert!(effects(&s).contains(&Effect::EnterRoutes));
}

/// Content 2 never served and is to be cleared for content 3, while one of its Jobs is as given.
fn superseded(ended: Option<bool>) -> Snapshot {
    let mut s = with(JobState::Begun, JobState::Done);
    s.record.phase = Phase::Rest { outcome: Outcome::Superseded };
    s.record.candidate = None;
    s.record.vacate_after = Some(NOW);
    s.settings.wanted = Some(content(3));
    s.world.green.objects = Objects::Present { slot: candidate(), in_sync: true };
    s.world.jobs = vec![there("migrate", 7, ended)];
    s
}

#[test]
fn rule_15_a_job_that_runs_is_not_taken_away_by_the_next_release_before_it_had_its_time() {
    let clears = [Effect::Vacate { color: Color::Green, except: None }];
    let mut s = superseded(None);
    let until = NOW + s.settings.progress_deadline;
    let plan = checked(&s);
    let told = Why::Finishing { color: Color::Green, jobs: vec!["migrate-green".to_owned()], until };
    assert!(plan.why.contains(&told), "{:?}", plan.why);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(until)));
    s.now = until;
    assert_eq!(effects(&s), clears, "one that hangs has had its time");
    assert_eq!(effects(&superseded(Some(false))), clears, "it failed");
    let mut s = superseded(None);
    s.world.jobs[0].going = true;
    assert_eq!(effects(&s), clears, "a person deleted it");
    let mut s = superseded(None);
    s.world.jobs[0].works = false;
    assert_eq!(effects(&s), clears, "its pod can't start, and the mend waits for it");
    let mut s = superseded(None);
    s.world.jobs[0].revision = live().revision;
    assert_eq!(effects(&s), clears, "what served is replaced");
}

/// The other color was told that it had begun, so nobody runs it again.
#[test]
fn what_a_cronjob_began_may_end_before_its_color_goes() {
    let mut s = kept();
    s.record.kept_until = Some(NOW);
    s.world.blue.ticks = vec!["report-blue-29384".to_owned()];
    let (record, _) = committed(&s);
    s.record = record;
    let until = NOW + s.settings.progress_deadline;
    let plan = checked(&s);
    let told = Why::Finishing { color: Color::Blue, jobs: s.world.blue.ticks.clone(), until };
    assert!(plan.why.contains(&told), "{:?}", plan.why);
    assert_eq!((plan.decision, plan.wake_at), (Decision::Rest, Some(until)));
    let clears = [Effect::Vacate { color: Color::Blue, except: None }];
    let mut late = s.clone();
    late.now = until;
    assert_eq!(effects(&late), clears, "it hangs");
    s.world.blue.ticks.clear();
    assert_eq!(effects(&s), clears);
}

#[test]
fn rule_15_that_a_job_ended_well_is_committed_before_it_goes_with_its_color() {
    for change in [
        (|_| ()) as fn(&mut Snapshot),
        |s| s.settings.mode = Mode::Paused,
        |s| {
            s.settings.wanted = Some(content(1));
        },
    ] {
        let mut s = superseded(Some(true));
        change(&mut s);
        let (record, _) = committed(&s);
        assert_eq!(states(&record), [("migrate", JobState::Done), ("seed", JobState::Done)]);
        s.record = record;
        s.record.paused = None;
        assert_eq!(effects(&s), [Effect::Vacate { color: Color::Green, except: None }]);
    }
}
