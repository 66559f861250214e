//! Samples in, standing out: one row is a whole history.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up must fail")]

use proptest::prelude::*;
use teal_judge::{
    Check, CheckState, NoData, OnBlind, Outcome, Problem, ProblemKind, Sample, Standing, Verdict,
    judge_sample,
};

const OBSERVED: u64 = 1_700_000_000_000;
const SECOND: u64 = 1000;

fn check() -> Check {
    Check::new(serde_json::from_str(r#"{"max":"1%"}"#).unwrap())
}

/// `p` passes, `f` fails, `n` no data, `N` NaN, `e` error.
fn outcome(letter: char) -> Outcome {
    match letter {
        'p' => Outcome::from_value(0.01),
        'f' => Outcome::from_value(0.02),
        'n' => Outcome::NoData,
        'N' => Outcome::from_value(f64::NAN),
        'e' => Outcome::Error(Problem::new(ProblemKind::Unreachable, "source default can't be reached")),
        other => panic!("no outcome is called {other}"),
    }
}

/// One sample every 15 s, the first at the instant the weight was observed.
fn fold(check: &Check, letters: &str) -> CheckState {
    let mut state = CheckState::begin(OBSERVED);
    let mut at_ms = OBSERVED;
    for letter in letters.chars() {
        state.fold(check, Sample { at_ms, outcome: outcome(letter) });
        at_ms += 15 * SECOND;
    }
    state
}

#[test]
fn one_sample_alone() {
    let with = |no_data| Check { no_data, ..check() };
    let at_least_one =
        Check { no_data: NoData::Zero, ..Check::new(serde_json::from_str(r#"{"min":1}"#).unwrap()) };
    let rows = [
        (check(), 'p', Verdict::Pass),
        (check(), 'f', Verdict::Fail),
        (check(), 'n', Verdict::Inconclusive),
        (check(), 'N', Verdict::Inconclusive),
        (check(), 'e', Verdict::Error),
        (with(NoData::Zero), 'n', Verdict::Pass),
        (with(NoData::Zero), 'N', Verdict::Pass),
        (with(NoData::Zero), 'e', Verdict::Error),
        (at_least_one, 'n', Verdict::Fail),
        (with(NoData::Fail), 'n', Verdict::Fail),
        (with(NoData::Fail), 'e', Verdict::Error),
    ];
    for (check, letter, verdict) in rows {
        assert_eq!(judge_sample(&check, &outcome(letter)), verdict, "{letter} {:?}", check.no_data);
    }
}

#[test]
fn histories_and_what_they_amount_to() {
    use Standing::{Blind, Fail, Pass, Pending};
    let two_failures = Check { failures: 2, ..check() };
    let blind = Check { blind_limit_ms: 30 * SECOND, failures: 2, ..check() };
    let back = Check { on_blind: OnBlind::Rollback, ..blind.clone() };
    let must_have = Check { no_data: NoData::Fail, ..check() };
    let some = Check { no_data: NoData::Zero, ..Check::new(serde_json::from_str(r#"{"min":1}"#).unwrap()) };
    let careless = Check { passes: 0, failures: 0, delay_ms: 0, ..check() };
    let rows = [
        ("nothing seen", check(), "", Pending),
        ("the samples at 0 s and 15 s are before the delay", check(), "pppp", Pending),
        ("those at 30, 45 and 60 s count, the one at the delay itself too", check(), "ppppp", Pass),
        ("no data begins the row anew", check(), "ppppnpp", Pending),
        ("and then it must be whole", check(), "ppppnppp", Pass),
        ("an error begins the row anew", check(), "ppppepp", Pending),
        ("a pass is lost when the answers stop", check(), "pppppn", Pending),
        ("failures count before the delay", check(), "f", Fail),
        ("failing is final", check(), "pfpppppppp", Fail),
        ("one of two", two_failures.clone(), "ppf", Pending),
        ("two in a row", two_failures.clone(), "ppff", Fail),
        ("a good one between them, even before the delay", two_failures.clone(), "fpf", Pending),
        ("an unusable one between them is no way out", two_failures, "fef", Fail),
        ("no limit reached", blind.clone(), "ee", Pending),
        ("limit reached, errors and missing data alike", blind.clone(), "ene", Blind(OnBlind::Hold)),
        ("also after a pass", blind.clone(), "pppppeee", Blind(OnBlind::Hold)),
        ("as the check says", back, "eee", Blind(OnBlind::Rollback)),
        ("any usable answer ends it", blind.clone(), "eeef", Pending),
        ("and then the limit begins anew", blind.clone(), "eeepee", Pending),
        ("failing weighs more than being blind", blind, "ffeeee", Fail),
        ("no number yet is no failure before the delay", must_have.clone(), "nn", Pending),
        ("but it is from then on", must_have.clone(), "nnn", Fail),
        ("a bad number is one at any time", must_have, "nf", Fail),
        ("nor is it one by being taken for 0", some.clone(), "nn", Pending),
        ("until then", some, "nnn", Fail),
        ("zero passes doesn't mean none", careless.clone(), "", Pending),
        ("nor zero failures", careless.clone(), "p", Pass),
        ("one bad sample is a failure", careless, "f", Fail),
    ];
    for (why, check, letters, standing) in rows {
        assert_eq!(fold(&check, letters).standing(&check), standing, "{why}: {letters}");
    }
}

#[test]
fn samples_of_before_the_step_and_repeated_ones_are_dropped() {
    let check = check();
    let mut state = CheckState::begin(OBSERVED);
    state.fold(&check, Sample { at_ms: OBSERVED - 1, outcome: outcome('f') });
    assert_eq!(state, CheckState::begin(OBSERVED));
    let sample = Sample { at_ms: OBSERVED + 30 * SECOND, outcome: outcome('p') };
    for _ in 0..5 {
        state.fold(&check, sample.clone());
    }
    state.fold(&check, Sample { at_ms: OBSERVED + 29 * SECOND, outcome: outcome('f') });
    assert_eq!((state.passes(), state.samples(), state.standing(&check)), (1, 1, Standing::Pending));
}

/// The pods are the same, or have the name that the former try had: the window still shows that.
#[test]
fn what_is_tried_again_is_not_condemned_by_the_former_try() {
    let check = check();
    let mut state = CheckState::begin_again(OBSERVED);
    for (seconds, standing) in
        [(0, Standing::Pending), (15, Standing::Pending), (29, Standing::Pending), (30, Standing::Fail)]
    {
        state.fold(&check, Sample { at_ms: OBSERVED + seconds * SECOND, outcome: outcome('f') });
        assert_eq!(state.standing(&check), standing, "{seconds} s after its weight was observed");
    }
}

#[test]
fn an_absence_of_teal_is_no_blindness() {
    let check = check();
    let mut state = fold(&check, "pp");
    state.fold(&check, Sample { at_ms: OBSERVED + 3_600 * SECOND, outcome: outcome('e') });
    assert_eq!(state.standing(&check), Standing::Pending);
}

#[test]
fn a_state_is_small_and_survives_being_stored() {
    let check = Check { blind_limit_ms: u64::MAX, ..check() };
    let long = Outcome::Error(Problem::new(ProblemKind::QueryInvalid, "é\n".repeat(10_000)));
    let mut state = fold(&check, "pppeen");
    state.fold(&check, Sample { at_ms: OBSERVED + 1_000 * SECOND, outcome: long });
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.len() < 600, "{} bytes", text.len());
    assert!(!text.contains("\\n"), "{text}");
    assert_eq!(serde_json::from_str::<CheckState>(&text).unwrap(), state);
    assert_eq!(serde_json::from_str::<Check>(&serde_json::to_string(&check).unwrap()).unwrap(), check);
}

fn any_check() -> impl Strategy<Value = Check> {
    let no_data = prop_oneof![Just(NoData::Wait), Just(NoData::Zero), Just(NoData::Fail)];
    (0..6_u32, 0..4_u32, 0..100_u64, 0..200_u64, no_data, any::<bool>()).prop_map(
        |(passes, failures, delay, limit, no_data, back)| Check {
            passes,
            failures,
            delay_ms: delay * SECOND,
            blind_limit_ms: limit * SECOND,
            no_data,
            on_blind: if back { OnBlind::Rollback } else { OnBlind::Hold },
            ..check()
        },
    )
}

/// Gaps and letters, so that instants are neither even nor all after the step's begin.
fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let letter = prop_oneof![6 => Just('p'), 1 => Just('f'), 1 => Just('n'), 1 => Just('N'), 1 => Just('e')];
    (0..60_u64, proptest::collection::vec((1..40_u64, letter), 0..30)).prop_map(|(early, steps)| {
        let mut at_ms = OBSERVED - early * SECOND;
        let step = |(gap, letter)| {
            at_ms += gap * SECOND;
            Sample { at_ms, outcome: outcome(letter) }
        };
        steps.into_iter().map(step).collect()
    })
}

fn fold_all(check: &Check, samples: &[Sample]) -> CheckState {
    let mut state = CheckState::begin(OBSERVED);
    for sample in samples {
        state.fold(check, sample.clone());
    }
    state
}

proptest! {
    #[test]
    fn never_pass_without_enough_good_late_samples_at_the_end(check in any_check(), samples in any_samples()) {
        let needed = usize::try_from(check.passes.max(1)).unwrap();
        let good = |sample: &&Sample| {
            sample.at_ms >= OBSERVED + check.delay_ms && judge_sample(&check, &sample.outcome) == Verdict::Pass
        };
        let row = samples.iter().rev().take_while(good).count();
        if fold_all(&check, &samples).standing(&check) == Standing::Pass {
            prop_assert!(row >= needed, "{row} good samples, {needed} needed");
        }
    }

    #[test]
    fn fail_exactly_when_enough_bad_samples_came_without_a_good_one_between(
        check in any_check(), samples in any_samples()
    ) {
        let verdicts: Vec<_> = samples
            .iter()
            .filter(|sample| sample.at_ms >= OBSERVED)
            .filter(|sample| sample.outcome != Outcome::NoData || sample.at_ms >= OBSERVED + check.delay_ms || check.no_data == NoData::Zero)
            .map(|sample| judge_sample(&check, &sample.outcome))
            .filter(|verdict| verdict.is_usable())
            .collect();
        let longest = verdicts.split(|verdict| *verdict == Verdict::Pass).map(<[_]>::len).max().unwrap_or(0);
        let failed = longest >= usize::try_from(check.failures.max(1)).unwrap();
        prop_assert_eq!(fold_all(&check, &samples).standing(&check) == Standing::Fail, failed);
    }

    #[test]
    fn blind_never_passes(check in any_check(), samples in any_samples()) {
        let state = fold_all(&check, &samples);
        if state.blind_since_ms().is_some() {
            prop_assert_ne!(state.standing(&check), Standing::Pass);
        }
    }

    #[test]
    fn repeated_and_late_deliveries_change_nothing(check in any_check(), samples in any_samples()) {
        let mut noisy = CheckState::begin(OBSERVED);
        for index in 0..samples.len() {
            for sample in &samples[..=index] {
                noisy.fold(&check, sample.clone());
            }
        }
        prop_assert_eq!(noisy, fold_all(&check, &samples));
    }
}
