//! What members of a group agreed on, as it is committed in each of their records. Nobody writes another's record: what one
//! may rely on is what the others have promised in theirs.

use serde::{Deserialize, Serialize};

use crate::record::{Phase, Record};
use crate::words::Revision;

/// What an attempt has agreed with others, and promised them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pact {
    /// The group's name when the attempt began: it counts until that ends.
    pub group: String,
    /// Which list this is: a later one is made only where an earlier one can't be agreed on any more.
    #[serde(default)]
    pub round: u32,
    /// Who goes together, this one among them, in order of their names. Empty until that is settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// A promise: all that comes before the first weight is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ready: bool,
    /// Promises: the steps, by their names, whose gates were all met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    /// The step whose gates a person skipped, until it is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Room is being made for an attempt: it begins once that is done, and who begins before waits for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins: bool,
    /// The others are waited for, so that no deadline runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// The member with which going back began, where it was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_back_by: Option<String>,
}

/// One attempt of one member.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The Rollout's name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What it tries.
    pub revision: Revision,
    /// The epoch under which that attempt began.
    pub started: u64,
}

impl Member {
    /// Whether its attempt is neither under way nor live any more, by what that Rollout has committed.
    pub fn went_back(&self, record: &Record) -> bool {
        let live = record.live.is_some_and(|live| live.slot.revision == self.revision);
        let under_way = matches!(record.phase, Phase::Step(_) | Phase::Promoting { .. });
        !live && (record.started != self.started || !under_way || record.group.is_none())
    }
}

impl Pact {
    /// Of an attempt that begins.
    pub fn new(group: &str) -> Self {
        Self { group: group.to_owned(), ..Self::default() }
    }

    /// Of one that begins as soon as there is room for it.
    pub fn announced(group: &str) -> Self {
        Self { begins: true, ..Self::new(group) }
    }

    /// Whether both have the same list.
    pub fn agrees(&self, other: &Self) -> bool {
        self.round == other.round && self.members == other.members
    }
}
