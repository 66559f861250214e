//! The samples of one check in one step, folded into a few numbers.

use serde::{Deserialize, Serialize};

use crate::{Check, OnBlind, Outcome, Sample, Verdict, judge_sample};

/// What a check has seen since its step's weight was observed.
///
/// Its size doesn't grow with the number of samples. A step that is entered again, or whose checks
/// are edited, begins with a new state; a guard has one state from the first weight on.
///
/// How samples count, and why:
/// - A sample that speaks of an instant before the weight was observed, or not after the last one
///   taken, is dropped: it belongs to another step, or was counted.
/// - A good sample counts as a pass only `delay` after the weight was observed. Queries look back
///   over a window, so an earlier one mostly shows the time before the step.
/// - A bad sample counts as a failure from the moment the weight was observed, without `delay`:
///   the delay is there so that nobody is promoted on old numbers, not to keep bad numbers in
///   front of users for longer.
/// - That there is no data yet is no failure before `delay`, also where `noData` says `Fail`: a rate
///   needs two scrapes, and nothing may have happened that could be measured.
/// - Of a content that is tried again a bad sample counts only `delay` after the weight was observed:
///   the window still shows what the former try did, and would condemn this one by it.
/// - Anything but a good sample begins the passes anew: they must be in a row.
/// - Only a good sample ends a row of failures. An unusable answer between two bad ones says
///   nothing, and a shaky metrics source must not shield a bad release.
/// - Failing is final for the state: later good samples don't take it back, so a verdict can't be
///   lost between two looks at it. Being blind ends with the first usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckState {
    observed_at_ms: u64,
    passes: u32,
    failures: u32,
    samples: u32,
    failed: bool,
    #[serde(default)]
    again: bool,
    #[serde(default)]
    good: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blind_since_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Sample>,
}

/// What the samples so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// Not enough is known.
    Pending,
    /// The last `passes` samples were good and late enough.
    Pass,
    /// `failures` bad samples came in a row.
    Fail,
    /// No usable answer for the blind limit. Never counts as a pass, whatever follows from it.
    Blind(OnBlind),
}

impl CheckState {
    /// The state at the moment a step's weight was observed.
    pub fn begin(observed_at_ms: u64) -> Self {
        Self {
            observed_at_ms,
            passes: 0,
            failures: 0,
            samples: 0,
            failed: false,
            again: false,
            good: false,
            blind_since_ms: None,
            last: None,
        }
    }

    /// The same for a content that was tried before.
    pub fn begin_again(observed_at_ms: u64) -> Self {
        Self { again: true, ..Self::begin(observed_at_ms) }
    }

    /// Takes one more sample into account. A sample that was taken already changes nothing.
    pub fn fold(&mut self, check: &Check, sample: Sample) {
        if !self.is_new(&sample) {
            return;
        }
        let at_ms = sample.at_ms;
        let late_enough = at_ms >= self.observed_at_ms.saturating_add(check.delay_ms);
        match judge_sample(check, &sample.outcome) {
            Verdict::Pass => {
                self.good = true;
                self.failures = 0;
                self.passes = if late_enough { self.passes.saturating_add(1) } else { 0 };
                self.blind_since_ms = None;
            }
            Verdict::Fail if !late_enough && sample.outcome == Outcome::NoData => {
                self.passes = 0;
                self.blind_since_ms.get_or_insert(at_ms);
            }
            Verdict::Fail if !late_enough && self.again => {
                self.passes = 0;
                self.blind_since_ms = None;
            }
            Verdict::Fail => {
                self.passes = 0;
                self.failures = self.failures.saturating_add(1);
                self.failed |= self.failures >= check.failures;
                self.blind_since_ms = None;
            }
            Verdict::Inconclusive | Verdict::Error => {
                self.passes = 0;
                self.blind_since_ms.get_or_insert(at_ms);
            }
        }
        self.samples = self.samples.saturating_add(1);
        self.last = Some(sample);
    }

    /// What the samples so far amount to.
    ///
    /// Blindness is measured between samples and not up to now: after Teal itself was away for
    /// longer than the limit, the first unanswered question must not count as a long silence.
    pub fn standing(&self, check: &Check) -> Standing {
        if self.failed {
            Standing::Fail
        } else if self.passes >= check.passes.max(1) {
            Standing::Pass
        } else if self.blind_for_ms().is_some_and(|blind| blind >= check.blind_limit_ms) {
            Standing::Blind(check.on_blind)
        } else {
            Standing::Pending
        }
    }

    /// Whether a sample would be taken into account.
    pub fn is_new(&self, sample: &Sample) -> bool {
        sample.at_ms >= self.observed_at_ms && self.last.as_ref().is_none_or(|last| sample.at_ms > last.at_ms)
    }

    /// When the step's weight was observed.
    pub fn observed_at_ms(&self) -> u64 {
        self.observed_at_ms
    }

    /// Whether any sample was good.
    pub fn is_proven(&self) -> bool {
        self.good
    }

    /// Good samples in a row, late enough to count.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Bad samples in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// All samples taken into account.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// The last sample taken into account.
    pub fn last(&self) -> Option<&Sample> {
        self.last.as_ref()
    }

    /// The instant of the first of the unusable answers that the state ends with.
    pub fn blind_since_ms(&self) -> Option<u64> {
        self.blind_since_ms
    }

    /// How long the unusable answers that the state ends with have lasted.
    pub fn blind_for_ms(&self) -> Option<u64> {
        let last = self.last.as_ref()?;
        self.blind_since_ms.map(|since| last.at_ms.saturating_sub(since))
    }
}
