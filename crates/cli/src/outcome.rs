//! What became of a Decision.

use teal_api::Decision;
use teal_api::conditions::{DecisionConditionType, DecisionReason};

/// What became of a Decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it took effect, now or when the same person decided the same before.
    pub taken: bool,
    /// The operator's word for it.
    pub reason: String,
    /// The operator's sentence.
    pub message: String,
}

impl Outcome {
    /// Whether it counts for nothing, and the same may be decided again.
    pub fn is_refused(&self) -> bool {
        self.reason == DecisionReason::Refused.as_str()
    }
}

/// The outcome, once the operator has said it.
pub fn outcome(decision: &Decision) -> Option<Outcome> {
    let conditions = &decision.status.as_ref()?.conditions;
    let applied =
        conditions.iter().find(|condition| condition.type_ == DecisionConditionType::Applied.as_str())?;
    match applied.status.as_str() {
        "True" | "False" => Some(Outcome {
            taken: applied.status == "True" || applied.reason == DecisionReason::AlreadyCounted.as_str(),
            reason: applied.reason.clone(),
            message: applied.message.trim().trim_end_matches('.').to_owned(),
        }),
        _ => None,
    }
}
