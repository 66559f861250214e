//! What only a story knows of the history that it made, for the history checker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::history::{Meddling, Quiet};

/// Spans that were quiet, and what stories did with their own hands. Clones are the same notes.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    quiet: Vec<Quiet>,
    meddling: Vec<Meddling>,
}

impl Notes {
    /// In this span Teal had nothing to do.
    pub fn quiet(&self, span: Quiet) {
        self.lock().quiet.push(span);
    }

    /// This was no doing of Teal's.
    pub fn meddling(&self, hand: Meddling) {
        self.lock().meddling.push(hand);
    }

    /// All spans, and all that hands did.
    pub fn all(&self) -> (Vec<Quiet>, Vec<Meddling>) {
        let known = self.lock();
        (known.quiet.clone(), known.meddling.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
