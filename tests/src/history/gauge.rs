//! Numbers over time: how many endpoints served at some version and a while before.

use std::collections::HashMap;
use std::hash::Hash;

use super::clock::Moment;

/// Each key's values, with the index of the version that set them.
#[derive(Debug)]
pub(super) struct Gauge<K>(HashMap<K, Vec<(usize, u32)>>);

impl<K> Default for Gauge<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// How old a reading may be when it is acted on: a read, a decision and a write on a slow machine.
const AGE_MS: i64 = 5_000;

impl<K: Hash + Eq> Gauge<K> {
    /// Sets a value from a version on.
    pub(super) fn set(&mut self, key: K, index: usize, value: u32) {
        let values = self.0.entry(key).or_default();
        if values.last().is_none_or(|(_, last)| *last != value) {
            values.push((index, value));
        }
    }

    /// The values that may have been read by the writer of version `now`, newest first. Never empty.
    pub(super) fn readable(&self, key: &K, now: usize, moments: &[Moment]) -> Vec<u32> {
        let values = self.0.get(key).map_or(&[][..], Vec::as_slice);
        let mut readable = Vec::new();
        for (index, value) in values.iter().rev().filter(|(index, _)| *index <= now) {
            readable.push(*value);
            let age = moments.get(now).zip(moments.get(*index));
            let age = age.and_then(|(now, set)| now.at_least_after(*set));
            // What was there before this value was gone too long ago.
            if age.is_some_and(|age| age > AGE_MS) {
                return readable;
            }
        }
        readable.push(0);
        readable
    }
}
