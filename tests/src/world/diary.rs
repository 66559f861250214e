//! What happened in each namespace, for whoever looks for the cause of a failure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::observe::{Event, Subscriber};

/// Lines by namespace, with times from its first one. Clones are the same diary.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<BTreeMap<String, Pages>>>);

struct Pages {
    begun: Instant,
    lines: Vec<String>,
}

impl Diary {
    /// Who writes down the events of a namespace.
    pub fn of(&self, namespace: &str) -> Subscriber {
        let (diary, namespace) = (self.clone(), namespace.to_owned());
        Arc::new(move |at: Instant, event: &Event| diary.write(&namespace, at, &event.to_string()))
    }

    /// Writes a line.
    pub fn write(&self, namespace: &str, at: Instant, line: &str) {
        let mut all = self.lock();
        let pages = all.entry(namespace.to_owned()).or_insert_with(|| Pages { begun: at, lines: Vec::new() });
        let after = at.saturating_duration_since(pages.begun);
        pages.lines.push(format!("{:>7.2} s  {line}", after.as_secs_f64()));
    }

    /// The lines of a namespace.
    pub fn read(&self, namespace: &str) -> Vec<String> {
        self.lock().get(namespace).map(|pages| pages.lines.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Pages>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
