//! What was found: violations, and how much was looked at.

use std::collections::BTreeMap;
use std::fmt;

use teal_testbed::history::Key;

/// The invariants that a history can be held against, by their ids in the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Weights of a managed route are not negative and sum to 100.
    I1,
    /// No share is raised to a revision without enough endpoints.
    I2,
    /// The old color is untouched while it has a share or is kept.
    I3,
    /// Epochs never go back.
    I4,
    /// After going back the candidate's share never rises, and live soon has all.
    I5,
    /// Steps go up by one.
    I8,
    /// Idle means silent.
    I9,
    /// Foreign bytes are unchanged.
    I11,
    /// Writes stay in the namespace.
    I12,
    /// A share never overshoots its step, and no step is left before its time.
    I14,
    /// No pod goes within the drain of its last share.
    I15,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I8,
        Self::I9,
        Self::I11,
        Self::I12,
        Self::I14,
        Self::I15,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::I1 => "weights sum to 100",
            Self::I2 => "no share without endpoints",
            Self::I3 => "the old color is untouched",
            Self::I4 => "epochs never go back",
            Self::I5 => "going back is final and fast",
            Self::I8 => "steps go up by one",
            Self::I9 => "idle means silent",
            Self::I11 => "foreign bytes are unchanged",
            Self::I12 => "writes stay in the namespace",
            Self::I14 => "no share above its step",
            Self::I15 => "no pod goes before its drain",
        }
    }
}

/// An invariant that didn't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The revision in which it broke.
    pub revision: u64,
    /// The object that was written.
    pub object: String,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at revision {}: {}: {}", self.invariant, self.revision, self.object, self.detail)
    }
}

/// How much was looked at for one invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// What was judged.
    pub judged: u64,
    /// What could not be decided from the history.
    pub undecided: u64,
    /// What didn't hold.
    pub violations: u64,
}

/// What a history says. Displays as one line per invariant, and one per violation.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many versions there are.
    pub versions: usize,
    /// By invariant.
    pub counts: BTreeMap<Invariant, Count>,
    /// In the order of the history.
    pub violations: Vec<Violation>,
}

impl Summary {
    /// Whether every invariant held.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// Invariants of which nothing was judged: a history that shows none of what they are about proves nothing. `but` are
    /// those that this history can't show.
    pub fn unjudged(&self, but: &[Invariant]) -> Vec<Invariant> {
        let blind = |invariant: &Invariant| !but.contains(invariant) && self.count(*invariant).judged == 0;
        Invariant::ALL.into_iter().filter(blind).collect()
    }

    /// The counts of one invariant.
    pub fn count(&self, invariant: Invariant) -> Count {
        self.counts.get(&invariant).copied().unwrap_or_default()
    }

    /// Adds the findings of another history, for the sum over a suite.
    pub fn add(&mut self, other: &Self) {
        self.versions += other.versions;
        for (invariant, count) in &other.counts {
            let sum = self.counts.entry(*invariant).or_default();
            sum.judged += count.judged;
            sum.undecided += count.undecided;
            sum.violations += count.violations;
        }
        self.violations.extend(other.violations.iter().cloned());
    }

    pub(super) fn judged(&mut self, invariant: Invariant) {
        self.counts.entry(invariant).or_default().judged += 1;
    }

    pub(super) fn undecided(&mut self, invariant: Invariant) {
        self.counts.entry(invariant).or_default().undecided += 1;
    }

    /// Takes note of a violation; what is violated was also judged.
    pub(super) fn violated(
        &mut self,
        invariant: Invariant,
        revision: u64,
        key: &Key,
        detail: impl Into<String>,
    ) {
        self.judged(invariant);
        self.counts.entry(invariant).or_default().violations += 1;
        let object = object(key);
        self.violations.push(Violation { invariant, revision, object, detail: detail.into() });
    }

    /// Judged as good, or violated for the reason given.
    pub(super) fn judge(&mut self, invariant: Invariant, revision: u64, key: &Key, problem: Option<String>) {
        match problem {
            Some(detail) => self.violated(invariant, revision, key, detail),
            None => self.judged(invariant),
        }
    }
}

/// Each line is marked, so that the summary of `cargo xtask test` takes it over.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "history: {} versions", self.versions)?;
        for invariant in Invariant::ALL {
            let Count { judged, undecided, violations } = self.count(invariant);
            let (id, title) = (format!("{invariant:?}"), invariant.title());
            writeln!(
                f,
                "history: {id:4} {title:30} judged {judged:6}  undecided {undecided:5}  violations {violations:3}"
            )?;
        }
        self.violations.iter().try_for_each(|violation| writeln!(f, "history: {violation}"))
    }
}

/// How an object is named in messages.
pub(super) fn object(key: &Key) -> String {
    let Key { resource, namespace, name, .. } = key;
    if namespace.is_empty() { format!("{resource} {name}") } else { format!("{resource} {namespace}/{name}") }
}
