//! The nouns: colors, revisions, content hashes and instants.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// A length of time, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Time {
    type Output = Span;
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A slot for the objects of a release. The two alternate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// The slot that a first install takes.
    Blue,
    /// The other slot.
    Green,
}

impl Color {
    /// The other slot.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// As it stands in labels and names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not what it should be: a color, a revision or a hash that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} can't be read")]
pub struct Unreadable {
    what: &'static str,
    text: String,
}

impl FromStr for Color {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match text {
            "blue" => Ok(Self::Blue),
            "green" => Ok(Self::Green),
            _ => Err(Unreadable { what: "color", text: text.to_owned() }),
        }
    }
}

/// One version of a release: `r<counter>-<first 8 hex digits of the content hash>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Grows whenever the wanted content changes.
    pub counter: u32,
    /// The first four bytes of the content hash.
    pub hash: u32,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}-{:08x}", self.counter, self.hash)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Revision {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable { what: "revision", text: text.to_owned() };
        let (counter, hash) =
            text.strip_prefix('r').and_then(|t| t.split_once('-')).ok_or_else(unreadable)?;
        if hash.len() != 8 {
            return Err(unreadable());
        }
        Ok(Self {
            counter: counter.parse().map_err(|_| unreadable())?,
            hash: u32::from_str_radix(hash, 16).map_err(|_| unreadable())?,
        })
    }
}

/// The hash of a release's content, with the version of the recipe that made it: `v1:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash {
    /// The version of the recipe. An unknown one sets a new base line and never starts a rollout.
    pub version: u8,
    /// SHA-256 of the canonical content.
    pub digest: [u8; 32],
}

impl ContentHash {
    /// The revision of this content under a counter.
    pub fn revision(&self, counter: u32) -> Revision {
        let [a, b, c, d, ..] = self.digest;
        Revision { counter, hash: u32::from_be_bytes([a, b, c, d]) }
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}:", self.version)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable { what: "content hash", text: text.to_owned() };
        let (version, hex) = text.strip_prefix('v').and_then(|t| t.split_once(':')).ok_or_else(unreadable)?;
        let mut digest = [0_u8; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(unreadable());
        }
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| unreadable())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| unreadable())?;
        }
        Ok(Self { version: version.parse().map_err(|_| unreadable())?, digest })
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Revision, ContentHash);

/// A color and the revision in it: where a role Service points, what a release occupies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The color.
    pub color: Color,
    /// The revision in it.
    pub revision: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_and_hashes_survive_text() {
        let hash = ContentHash { version: 1, digest: [0x3f; 32] };
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
        assert_eq!(hash.revision(7).to_string(), "r7-3f3f3f3f");
        assert_eq!("r7-3f3f3f3f".parse::<Revision>().unwrap(), hash.revision(7));
    }

    #[test]
    fn what_is_not_a_revision_is_refused() {
        for text in ["", "r7", "7-3f3f3f3f", "r7-3f3f", "r-3f3f3f3f", "r7-zzzzzzzz", "rx-00000000"] {
            assert!(text.parse::<Revision>().is_err(), "{text}");
        }
    }
}
