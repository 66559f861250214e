//! Edits of how long things may take and stay: they count at once, from the same beginning.

use teal_plan::record::{Attempt, Cause, Lengths, Outcome, Phase, Watch};
use teal_plan::settings::Until;
use teal_plan::snapshot::{Objects, Standing, Stops};
use teal_plan::{Snapshot, Span, Time, Why};

use crate::fixture::*;

/// Its instants were made with the spec's lengths.
fn made(mut s: Snapshot) -> Snapshot {
    s.record.lengths = Some(Lengths {
        progress_deadline: s.settings.progress_deadline,
        keep_previous: s.settings.keep_previous,
        keep_failed: s.settings.keep_failed,
    });
    s
}

/// What was sent back, or promoted, so many seconds ago, and is kept.
const AGO: Time = Time(NOW.0 - 50_000);

fn promoted() -> Snapshot {
    let mut s = kept();
    s.record.live.as_mut().unwrap().since = AGO;
    s.record.kept_until = Some(AGO + s.settings.keep_previous);
    made(s)
}

fn sent_back() -> Snapshot {
    let mut s = at_rest();
    s.record.candidate = Some(release(candidate(), 2));
    s.record.kept_until = Some(AGO + s.settings.keep_failed);
    let outcome = Outcome::RolledBack(Cause::ForeignHand);
    s.record.history.push(Attempt {
        revision: candidate().revision,
        attempt: 1,
        outcome: outcome.clone(),
        started: LONG_AGO,
        finished: AGO,
        waited: None,
        decisions: Vec::new(),
    });
    s.record.phase = Phase::Rest { outcome };
    s.world.green = present(candidate());
    made(s)
}

#[test]
fn an_edited_keep_time_moves_when_what_is_kept_goes() {
    type Edit = fn(&mut Snapshot, i64);
    let previous: Edit = |s, seconds| s.settings.keep_previous = Span::seconds(seconds);
    let failed: Edit = |s, seconds| s.settings.keep_failed = Span::seconds(seconds);
    for (what, s, edit) in [("previous", promoted(), previous), ("failed", sent_back(), failed)] {
        assert_eq!(effects(&s), [], "{what}");
        // Longer, shorter, over already, and less than the drain.
        for (seconds, from_then) in [(7200, 7200), (60, 60), (40, 40), (0, 30)] {
            let mut s = s.clone();
            edit(&mut s, seconds);
            let until = AGO + Span::seconds(from_then);
            let (record, notices) = committed(&s);
            assert_eq!(record.kept_until, Some(until), "{what}: {seconds}");
            assert_eq!(
                (record.previous, record.candidate),
                (s.record.previous, s.record.candidate),
                "{what}: told first"
            );
            assert_eq!(
                (&record.phase, &record.history, notices.len()),
                (&s.record.phase, &s.record.history, 0),
                "{what}"
            );
            if NOW < until {
                assert!(checked(&s).why.contains(&Why::Keeping { until }), "{what}: {:?}", checked(&s).why);
            }
            s.record = record;
            s.now = until.max(NOW);
            let record = committed(&s).0;
            assert_eq!(
                (record.previous, record.candidate, record.kept_until),
                (None, None, None),
                "{what}: it goes"
            );
        }
    }
}

#[test]
fn rule_12_no_edited_keep_time_ends_before_callers_that_jumped_were_watched() {
    let mut s = promoted();
    let until = NOW + Span::seconds(500);
    s.record.watch = Some(Watch { step: "full".to_owned(), until, held: None });
    s.settings.keep_previous = Span::seconds(60);
    assert_eq!(committed(&s).0.kept_until, Some(until));
}

#[test]
fn only_the_length_that_something_was_made_with_moves_it() {
    let mut others = promoted();
    others.settings.keep_failed = Span::seconds(1);
    others.settings.progress_deadline = Span::seconds(1);
    let mut unknown = promoted();
    unknown.record.lengths = None;
    unknown.settings.keep_previous = Span::seconds(60);
    let mut unusable = promoted();
    (unusable.settings.keep_previous, unusable.settings.wanted) = (Span::seconds(60), None);
    unusable.world.obstacles = vec![obstacle(Stops::Everything)];
    unusable.record.blocked_since = Some(LONG_AGO);
    let mut there = made(reached("canary", 10, LONG_AGO));
    there.settings.steps[0].hold = Span::seconds(5_000);
    there.settings.progress_deadline = Span::seconds(1);
    for (what, s) in [
        ("other lengths were edited", others),
        ("made by an earlier version", unknown),
        ("a spec that can't be used says nothing of it", unusable),
        ("a weight that is there has no deadline", there),
    ] {
        assert_eq!(effects(&s), [], "{what}");
    }
}

#[test]
fn an_edited_progress_deadline_counts_from_the_beginning_of_the_wait() {
    let installing = {
        let mut s = at_rest();
        s.world.blue.available = false;
        s.record.phase = Phase::Installing { deadline: DEADLINE };
        s
    };
    let deadline = |phase: &Phase| match phase {
        Phase::Step(place) => place.deadline,
        Phase::Installing { deadline } | Phase::Promoting { deadline } => *deadline,
        other => panic!("{other:?}"),
    };
    let starting = {
        let mut s = trying("canary", 10);
        s.world.green.objects = Objects::Present { slot: candidate(), in_sync: true };
        s
    };
    for s in [installing, starting, promoting()].map(made) {
        let mut longer = s.clone();
        longer.settings.progress_deadline = Span::seconds(3600);
        let record = committed(&longer).0;
        assert_eq!(deadline(&record.phase), DEADLINE + Span::seconds(3000));
        if !matches!(record.phase, Phase::Installing { .. }) {
            let told = teal_plan::report::report(&longer, &checked(&longer)).deadline;
            assert_eq!(told, Some(deadline(&record.phase)), "as it is told");
        }
        longer.record = record;
        assert!(
            matches!(checked(&longer).decision, teal_plan::Decision::Act(_) | teal_plan::Decision::Rest),
            "once"
        );
    }
    let mut shorter = made(promoting());
    shorter.settings.progress_deadline = Span::seconds(60);
    shorter.now = NOW + Span::seconds(61);
    shorter.record = committed(&shorter).0;
    assert!(matches!(committed(&shorter).0.phase, Phase::Returning { cause: Cause::Deadline { .. }, .. }));
}

#[test]
fn what_leads_back_waits_for_no_edit() {
    for mut s in [promoted(), made(promoting())] {
        s.settings.keep_previous = Span::seconds(60);
        s.settings.progress_deadline = Span::seconds(60);
        s.settings.guards = vec![guard("payments", Until::Retired)];
        s.checks = vec![standing("payments", Standing::Fail)];
        assert!(matches!(committed(&s).0.phase, Phase::Returning { .. }));
    }
}

/// What a person decides in the same look is committed with it.
#[test]
fn an_edit_is_not_lost_beside_a_decision() {
    let mut s = made(promoting());
    s.settings.progress_deadline = Span::seconds(3600);
    s.decisions = vec![crate::decisions::decision(teal_plan::snapshot::Action::Pause, "ana")];
    let record = committed(&s).0;
    assert!(record.paused.is_some());
    assert_eq!(record.phase, Phase::Promoting { deadline: DEADLINE + Span::seconds(3000) });
}
