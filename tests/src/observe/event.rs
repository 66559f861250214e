//! What is told about a rollout, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Something that happened. As JSON, its key is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A VirtualService got other weights or destinations.
    Weight {
        /// Its name.
        virtual_service: String,
        /// The candidate's weight, the highest where routes differ; 0 where it isn't named.
        candidate_weight: u32,
        /// Whether the candidate is named at all.
        candidate_named: bool,
        /// Whose weight it is: what the candidate's Service selects, live's revision where nothing is tried. Nothing where the
        /// candidate isn't named.
        revision: Option<String>,
        /// The share that each revision is given now: weights times what the role Services select.
        shares: BTreeMap<String, u32>,
        /// The candidate's weight by route.
        routes: BTreeMap<String, u32>,
        /// The version it is in.
        resource_version: String,
    },
    /// A role Service selects another revision.
    Repointed {
        /// Its name.
        service: String,
        /// The revision; nothing if it selects whatever has the labels.
        revision: Option<String>,
        /// The share that each revision is given now.
        shares: BTreeMap<String, u32>,
    },
    /// The Rollout is somewhere else, or says something else.
    Phase {
        /// Where.
        phase: String,
        /// At which step.
        step: Option<String>,
        /// In one sentence.
        message: String,
        /// What is waited for.
        waiting_for: Option<String>,
    },
    /// A check says something else.
    Verdict {
        /// Of which candidate.
        revision: Option<String>,
        /// At which step.
        step: Option<String>,
        /// Which check.
        check: String,
        /// Pass, Fail, Inconclusive or Error.
        verdict: String,
        /// The number.
        value: Option<String>,
        /// What is allowed.
        limit: Option<String>,
    },
    /// A person decided, or it was said what became of it.
    Decision {
        /// The name of the object.
        name: String,
        /// What is to be done.
        action: String,
        /// About which revision.
        revision: Option<String>,
        /// At which step.
        step: Option<String>,
        /// Who.
        by: String,
        /// What became of it, once that is known.
        outcome: Option<String>,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight { virtual_service, candidate_weight, candidate_named, .. } if *candidate_named => {
                write!(f, "weight    VirtualService {virtual_service}: candidate {candidate_weight} %")
            }
            Self::Weight { virtual_service, .. } => {
                write!(f, "weight    VirtualService {virtual_service}: live alone")
            }
            Self::Repointed { service, revision, .. } => {
                write!(f, "service   {service} selects {}", revision.as_deref().unwrap_or("all revisions"))
            }
            Self::Phase { phase, message, .. } => write!(f, "phase     {phase}: {message}"),
            Self::Verdict { check, verdict, value, limit, .. } => {
                write!(f, "verdict   {check}: {verdict}")?;
                value.iter().try_for_each(|value| write!(f, ", {value}"))?;
                limit.iter().try_for_each(|limit| write!(f, " ({limit})"))
            }
            Self::Decision { action, by, outcome, step, .. } => {
                write!(f, "decision  {action} by {by}")?;
                step.iter().try_for_each(|step| write!(f, " at {step}"))?;
                outcome.iter().try_for_each(|outcome| write!(f, ": {outcome}"))
            }
        }
    }
}
