//! One destination and its weight, as a command line has them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Weighted, spelled};

/// `web=90`, or `web+v2=10` for a subset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The host, in any spelling that means the same host in the `VirtualService`.
    pub host: String,
    /// The subset; a destination without one is meant where this is empty.
    pub subset: Option<String>,
    /// Percent, 0 to 100.
    pub weight: u8,
}

impl Share {
    /// Without its weight.
    pub fn destination(&self) -> String {
        spelled(&self.host, self.subset.as_deref())
    }
}

/// What is wrong with the text of a share.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShareError {
    /// It has not the form.
    #[error("write HOST=WEIGHT, such as web=90, or HOST+SUBSET=WEIGHT, such as web+v2=10")]
    Form,
    /// The weight is none.
    #[error("{0:?} is no weight: write a whole number from 0 to 100")]
    Weight(String),
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (destination, weight) = text.rsplit_once('=').ok_or(ShareError::Form)?;
        let (host, subset) = match destination.split_once('+') {
            Some((host, subset)) => (host, Some(subset)),
            None => (destination, None),
        };
        let is_name = |name: &str| {
            !name.is_empty() && !name.chars().any(|one| one.is_whitespace() || matches!(one, '=' | '+' | ','))
        };
        if !is_name(host) || !subset.is_none_or(is_name) {
            return Err(ShareError::Form);
        }
        // `parse` would take a sign.
        let digits = !weight.is_empty() && weight.bytes().all(|byte| byte.is_ascii_digit());
        let number = weight.parse().ok().filter(|weight: &u8| digits && *weight <= 100);
        let weight = number.ok_or_else(|| ShareError::Weight(weight.to_owned()))?;
        Ok(Self { host: host.to_owned(), subset: subset.map(str::to_owned), weight })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.destination(), self.weight)
    }
}

impl fmt::Display for Weighted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", spelled(&self.host, self.subset.as_deref()), self.weight)
    }
}
