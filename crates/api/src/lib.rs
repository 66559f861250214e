//! The types of the API: Rollout and Decision, names, conditions and reasons.
