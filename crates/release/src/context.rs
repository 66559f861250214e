//! For whom a release is rendered.

use std::collections::{BTreeMap, BTreeSet};

use teal_plan::{Color, ContentHash, Slot};

use crate::fate::{Fate, fate_of};
use crate::names::uncolored;
use crate::object::{Object, ObjectKey};
use crate::refusal::Refusal;

/// How the objects of a color come by their names, and by that what becomes of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Naming {
    /// Manifests have one name for both colors, and the color is put behind it.
    #[default]
    Behind,
    /// A chart's objects have the names that the chart gave them in this color. These here are one object for both.
    Chart(BTreeSet<ObjectKey>),
}

impl Naming {
    /// The name that an object of a release has in a color.
    pub(crate) fn colored(&self, name: &str, color: Color) -> String {
        match self {
            Self::Behind => format!("{name}-{color}"),
            Self::Chart(_) => name.to_owned(),
        }
    }

    /// The key that an object has whatever its color.
    pub(crate) fn neutral(&self, key: &ObjectKey, color: Color) -> ObjectKey {
        match self {
            Self::Chart(shared) if !shared.contains(key) => {
                ObjectKey { name: uncolored(&key.name, color), ..key.clone() }
            }
            Self::Behind | Self::Chart(_) => key.clone(),
        }
    }

    /// What becomes of an object. In a chart the names decide what is one object for both colors, whatever its kind.
    pub(crate) fn fate(&self, object: &Object) -> Result<Fate, Refusal> {
        let usual = fate_of(object)?;
        Ok(match self {
            Self::Behind => usual,
            Self::Chart(shared) if shared.contains(&object.key()) => Fate::Shared,
            Self::Chart(_) if usual == Fate::Shared => Fate::Own,
            Self::Chart(_) => usual,
        })
    }

    pub(crate) const fn is_charts(&self) -> bool {
        matches!(self, Self::Chart(_))
    }
}

/// For whom and for which slot a release is rendered.
#[derive(Clone, Debug)]
pub struct Context {
    /// Name of the Rollout.
    pub rollout: String,
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Which operator looks after it; empty by default.
    pub instance: String,
    /// Names of `spec.traffic.services`.
    pub services: Vec<String>,
    /// Color and revision.
    pub slot: Slot,
    /// The hash of the release.
    pub hash: ContentHash,
    /// Whether the color is live now. If not, what is live only is held at 0 or suspended.
    pub live: bool,
    /// Sizes that count instead of the manifests' `replicas`, by uncolored key: a candidate is given live's size.
    pub replicas: BTreeMap<ObjectKey, u32>,
    /// Where names come from.
    pub naming: Naming,
}

impl Context {
    /// The name that an object has in this color.
    pub fn colored(&self, name: &str) -> String {
        self.naming.colored(name, self.slot.color)
    }

    /// The size that counts instead of what is written.
    pub(crate) fn size_of(&self, key: &ObjectKey) -> Option<u32> {
        self.replicas.get(&self.neutral(key)).copied()
    }

    /// A key as it is whatever the color.
    pub(crate) fn neutral(&self, key: &ObjectKey) -> ObjectKey {
        self.naming.neutral(key, self.slot.color)
    }
}
