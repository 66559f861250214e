//! Who may do what when, held against the queue's log. Pure: moments and a log in, what is wrong out.

use std::collections::BTreeMap;

use super::queue::{Entry, Kind};

/// A tick may be made this long after it is due: the controller of CronJobs needs a moment, in which live may have changed.
const LATE: u64 = 3_000;

/// A span in which it is known who works. It begins where the one before it ends.
#[derive(Clone, Debug)]
struct Shift {
    phase: &'static str,
    workers: Vec<String>,
    from: u64,
    until: u64,
    /// Whether a tick must have been due in it.
    ticked: bool,
}

impl Shift {
    fn holds(&self, moment: u64) -> bool {
        (self.from..self.until).contains(&moment)
    }
}

/// All shifts, oldest first; moments are milliseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Roster {
    began: u64,
    shifts: Vec<Shift>,
}

impl Roster {
    pub(super) fn new(began: u64) -> Self {
        Self { began, shifts: Vec::new() }
    }

    /// The end of the last shift, where the next one begins.
    pub(super) fn from(&self) -> u64 {
        self.shifts.last().map_or(self.began, |last| last.until)
    }

    /// From the last shift on until now these worked.
    pub(super) fn add(&mut self, phase: &'static str, workers: &[&str], until: u64, ticked: bool) {
        let workers = workers.iter().map(|one| (*one).to_owned()).collect();
        self.shifts.push(Shift { phase, workers, from: self.from(), until, ticked });
    }

    /// What the last shift is known of holds until now.
    pub(super) fn extend(&mut self, until: u64) {
        self.shifts.iter_mut().next_back().into_iter().for_each(|last| last.until = until);
    }

    /// Everything was done once, by whom it was for, and something was done in each shift. `newest`: messages have the numbers
    /// from 1 to this one.
    pub(super) fn judge(&self, log: &[Entry], newest: u64) -> Result<(), String> {
        each_once(log, newest)?;
        log.iter().try_for_each(|entry| self.by_right(entry))?;
        self.shifts.iter().try_for_each(|shift| shift.was_worked(log))
    }

    fn by_right(&self, entry: &Entry) -> Result<(), String> {
        let (moment, Entry { kind, id, color, .. }) = (entry.moment(), entry);
        let late = if *kind == Kind::Tick { LATE } else { 0 };
        let in_it = |shift: &&Shift| shift.from <= moment + late && moment < shift.until;
        let known: Vec<&Shift> = self.shifts.iter().filter(in_it).collect();
        let Some(first) = known.first() else {
            return Err(format!("{kind:?} {id} was handled by {color} in no known phase"));
        };
        if known.iter().any(|shift| shift.workers.contains(color)) {
            return Ok(());
        }
        Err(format!(
            "{kind:?} {id} was handled by {color}, {}, when {:?} was live",
            first.phase, first.workers
        ))
    }
}

impl Shift {
    fn was_worked(&self, log: &[Entry]) -> Result<(), String> {
        let any = |kind| log.iter().any(|entry| entry.kind == kind && self.holds(entry.moment()));
        if !any(Kind::Message) {
            return Err(format!("no message was handled {}", self.phase));
        }
        if self.ticked && !any(Kind::Tick) {
            return Err(format!("no tick was due {}", self.phase));
        }
        Ok(())
    }
}

fn each_once(log: &[Entry], newest: u64) -> Result<(), String> {
    let mut times: BTreeMap<(Kind, u64), Vec<&str>> = BTreeMap::new();
    for entry in log {
        times.entry((entry.kind, entry.id)).or_default().push(&entry.color);
    }
    if let Some(((kind, id), by)) = times.iter().find(|(_, by)| by.len() > 1) {
        return Err(format!("{kind:?} {id} was handled more than once: {by:?}"));
    }
    if let Some(lost) = (1..=newest).find(|id| !times.contains_key(&(Kind::Message, *id))) {
        return Err(format!("message {lost} of {newest} was handled by nobody"));
    }
    let minutes: Vec<u64> = times.keys().filter(|(kind, _)| *kind == Kind::Tick).map(|(_, id)| *id).collect();
    let lost = minutes.windows(2).find(|pair| matches!(pair, [one, next] if *next != one + 1));
    lost.map_or(Ok(()), |lost| Err(format!("no tick between the minutes {lost:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn message(id: u64, color: &str, at_ms: u64) -> Entry {
        Entry { kind: Kind::Message, id, color: color.to_owned(), at_ms }
    }

    fn tick(id: u64, color: &str) -> Entry {
        Entry { kind: Kind::Tick, id, color: color.to_owned(), at_ms: id * MINUTE + 900 }
    }

    /// Blue until 100 s, green from 101 s on, either between.
    fn roster() -> Roster {
        let mut roster = Roster::new(0);
        roster.add("before", &["blue"], 90_000, true);
        roster.extend(100_000);
        roster.add("at the change-over", &["blue", "green"], 101_000, false);
        roster.add("after", &["green"], 200_000, true);
        roster
    }

    fn good() -> Vec<Entry> {
        vec![
            message(1, "blue", 50_000),
            tick(1, "blue"),
            message(2, "green", 100_500),
            message(3, "blue", 100_600),
            tick(2, "green"),
            message(4, "green", 150_000),
        ]
    }

    fn wrong(change: impl FnOnce(&mut Vec<Entry>)) -> String {
        let mut log = good();
        change(&mut log);
        roster().judge(&log, 4).unwrap_err()
    }

    #[test]
    fn each_by_live_and_at_the_change_over_by_either_is_right() {
        assert_eq!(roster().judge(&good(), 4), Ok(()));
    }

    #[test]
    fn what_was_handled_twice_or_by_nobody_is_found() {
        let twice = wrong(|log| log.push(message(2, "blue", 100_700)));
        assert!(twice.contains("Message 2 was handled more than once"), "{twice}");
        let twice = wrong(|log| log.push(tick(2, "blue")));
        assert!(twice.contains("Tick 2 was handled more than once"), "{twice}");
        let lost = wrong(|log| log.retain(|entry| entry.id != 3));
        assert!(lost.contains("message 3 of 4 was handled by nobody"), "{lost}");
        let lost = wrong(|log| log.push(tick(4, "green")));
        assert!(lost.contains("[2, 4]"), "{lost}");
    }

    #[test]
    fn what_the_other_color_handled_is_found() {
        for (one, other) in [(0, "green"), (1, "green"), (4, "blue"), (5, "blue")] {
            let found = wrong(|log| log[one].color = other.to_owned());
            assert!(found.contains(&format!("was handled by {other}, ")), "{found}");
        }
    }

    #[test]
    fn a_tick_that_live_had_no_time_for_is_the_next_ones() {
        let mut roster = Roster::new(0);
        roster.add("before", &["blue"], MINUTE + 1_000, true);
        roster.add("after", &["green"], 2 * MINUTE, false);
        let log = |color| vec![message(1, "blue", 1), message(2, "green", 70_000), tick(1, color)];
        assert_eq!(roster.judge(&log("blue"), 2), Ok(()));
        assert_eq!(roster.judge(&log("green"), 2), Ok(()));
    }

    #[test]
    fn a_phase_in_which_nothing_was_done_shows_nothing() {
        let found = wrong(|log| log.retain(|entry| entry.kind == Kind::Message));
        assert_eq!(found, "no tick was due before");
        let mut roster = roster();
        roster.add("at the end", &["green"], 300_000, false);
        assert_eq!(roster.judge(&good(), 4), Err("no message was handled at the end".to_owned()));
    }
}
