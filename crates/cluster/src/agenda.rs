//! Whose turn it is. One Rollout is never looked at twice at once, of several times to wake the earliest wins, and what a
//! person decided, or what goes back, never waits behind a hundred others that come up.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::reconcile::Next;
use crate::stores::ObjectId;

/// How much a look matters to somebody who waits for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    /// Its turn comes.
    Usual,
    /// A decision, or the way back: before all others.
    Urgent,
}

/// Looks that only urgent ones may add to those that run.
const RESERVED: usize = 8;
/// What an urgent look wants to see again so soon is part of the same errand, and as urgent.
const SAME_ERRAND: Duration = Duration::from_secs(1);

/// All who are to be looked at, now or later.
pub(crate) struct Agenda {
    limit: usize,
    running: usize,
    entries: HashMap<ObjectId, Entry>,
    /// Who is due, first come first served. A name whose entry says otherwise by now is passed over.
    urgent: VecDeque<ObjectId>,
    usual: VecDeque<ObjectId>,
    /// Who is due later, by time and a number that tells apart those of one time.
    alarms: BTreeMap<(Instant, u64), ObjectId>,
    count: u64,
}

#[derive(Default)]
struct Entry {
    /// The look that runs.
    running: Option<Urgency>,
    /// Wanted now; while a look runs, as soon as it has ended.
    due: Option<Urgency>,
    /// Wanted later.
    alarm: Option<((Instant, u64), Urgency)>,
}

impl Agenda {
    /// With so many looks at the same time.
    pub(crate) fn new(limit: u16) -> Self {
        Self {
            limit: usize::from(limit).max(1),
            running: 0,
            entries: HashMap::new(),
            urgent: VecDeque::new(),
            usual: VecDeque::new(),
            alarms: BTreeMap::new(),
            count: 0,
        }
    }

    /// Somebody should be looked at now.
    pub(crate) fn want(&mut self, id: ObjectId, urgency: Urgency) {
        let entry = self.entries.entry(id.clone()).or_default();
        if entry.due >= Some(urgency) {
            return;
        }
        entry.due = Some(urgency);
        if entry.running.is_none() {
            self.line_up(id, urgency);
        }
    }

    fn line_up(&mut self, id: ObjectId, urgency: Urgency) {
        match urgency {
            Urgency::Urgent => self.urgent.push_back(id),
            Urgency::Usual => self.usual.push_back(id),
        }
    }

    /// Who is looked at next, if there is room for another look.
    pub(crate) fn begin(&mut self) -> Option<ObjectId> {
        if self.running < self.limit + RESERVED
            && let Some(id) = self.take(Urgency::Urgent)
        {
            return Some(id);
        }
        if self.running < self.limit { self.take(Urgency::Usual) } else { None }
    }

    fn take(&mut self, urgency: Urgency) -> Option<ObjectId> {
        loop {
            let line = if urgency == Urgency::Urgent { &mut self.urgent } else { &mut self.usual };
            let id = line.pop_front()?;
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            // Whoever became urgent stands in both lines.
            if entry.running.is_some() || entry.due != Some(urgency) {
                continue;
            }
            entry.due = None;
            entry.running = Some(urgency);
            // The look says anew when it wants to be woken.
            if let Some((alarm, _)) = entry.alarm.take() {
                self.alarms.remove(&alarm);
            }
            self.running += 1;
            return Some(id);
        }
    }

    /// A look has ended and says when the next one should be.
    pub(crate) fn end(&mut self, id: ObjectId, next: Next, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(urgency) = entry.running.take() else { return };
        self.running -= 1;
        let due = entry.due.take();
        let (again, later) = match next {
            Next::Change => (None, None),
            Next::Urgent => (Some(Urgency::Urgent), None),
            Next::After(Duration::ZERO) => (Some(urgency), None),
            Next::After(after) => {
                let urgency = if after <= SAME_ERRAND { urgency } else { Urgency::Usual };
                (None, Some((now + after, urgency)))
            }
        };
        if let Some((at, urgency)) = later {
            self.count += 1;
            let alarm = (at, self.count);
            entry.alarm = Some((alarm, urgency));
            self.alarms.insert(alarm, id.clone());
        }
        match due.max(again) {
            Some(urgency) => self.want(id, urgency),
            None if later.is_none() => drop(self.entries.remove(&id)),
            None => {}
        }
    }

    /// When the first alarm is.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.alarms.first_key_value().map(|((at, _), _)| *at)
    }

    /// Lines up those whose time has come.
    pub(crate) fn ring(&mut self, now: Instant) {
        while let Some(first) = self.alarms.first_entry().filter(|first| first.key().0 <= now) {
            let id = first.remove();
            let alarm = self.entries.get_mut(&id).and_then(|entry| entry.alarm.take());
            self.want(id, alarm.map_or(Urgency::Usual, |(_, urgency)| urgency));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Urgency::{Urgent, Usual};
    use super::*;

    fn id(name: &str) -> ObjectId {
        ObjectId::new("shop", name)
    }

    fn agenda(limit: u16, usual: &[&str]) -> Agenda {
        let mut agenda = Agenda::new(limit);
        usual.iter().for_each(|name| agenda.want(id(name), Usual));
        agenda
    }

    fn begun(agenda: &mut Agenda) -> Vec<String> {
        std::iter::from_fn(|| agenda.begin()).map(|id| id.name).collect()
    }

    #[test]
    fn a_decision_does_not_wait_behind_those_that_come_up() {
        let mut agenda = agenda(2, &["a", "b", "c", "d"]);
        assert_eq!(begun(&mut agenda), ["a", "b"], "no more at the same time than there may be");
        agenda.want(id("d"), Urgent);
        assert_eq!(begun(&mut agenda), ["d"], "room is kept for what is urgent");
        let now = Instant::now();
        agenda.end(id("d"), Next::After(Duration::ZERO), now);
        assert_eq!(begun(&mut agenda), ["d"], "what follows it at once is as urgent");
        agenda.end(id("d"), Next::Change, now);
        agenda.end(id("a"), Next::Change, now);
        assert_eq!(begun(&mut agenda), ["c"], "it stood in both lines and was looked at once");
    }

    #[test]
    fn what_goes_back_comes_first() {
        let mut agenda = agenda(1, &["a", "b"]);
        assert_eq!(begun(&mut agenda), ["a"]);
        agenda.end(id("a"), Next::Urgent, Instant::now());
        assert_eq!(begun(&mut agenda), ["a"]);
    }

    #[test]
    fn nobody_is_looked_at_twice_at_once() {
        let mut agenda = agenda(5, &["a"]);
        assert_eq!(begun(&mut agenda), ["a"]);
        agenda.want(id("a"), Usual);
        agenda.want(id("a"), Urgent);
        assert!(begun(&mut agenda).is_empty());
        agenda.end(id("a"), Next::Change, Instant::now());
        assert_eq!(begun(&mut agenda), ["a"], "but again, once, when the look has ended");
        agenda.end(id("a"), Next::Change, Instant::now());
        assert!(begun(&mut agenda).is_empty());
        assert!(agenda.entries.is_empty(), "whoever rests takes no room");
    }

    #[test]
    fn an_earlier_look_makes_a_later_one_needless() {
        let mut agenda = agenda(5, &["a", "b"]);
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(begun(&mut agenda), ["a", "b"]);
        agenda.end(id("a"), Next::After(second * 5), now);
        agenda.end(id("b"), Next::After(second * 2), now);
        assert_eq!(agenda.alarm(), Some(now + second * 2));
        agenda.want(id("a"), Usual);
        agenda.ring(now + second * 2);
        assert_eq!(begun(&mut agenda), ["a", "b"]);
        agenda.end(id("a"), Next::Change, now);
        assert_eq!(agenda.alarm(), None, "the alarm went with the look");
    }

    #[test]
    fn an_urgent_errand_stays_urgent_over_a_short_wait_and_no_longer() {
        let (now, wait) = (Instant::now(), Duration::from_millis(20));
        for (after, first) in [(wait, "z"), (wait * 1000, "a")] {
            let mut agenda = agenda(1, &[]);
            agenda.want(id("z"), Urgent);
            assert_eq!(begun(&mut agenda), ["z"]);
            agenda.end(id("z"), Next::After(after), now);
            agenda.want(id("a"), Usual);
            agenda.ring(now + after);
            assert_eq!(agenda.begin(), Some(id(first)));
        }
    }
}
