//! How often a spec was changed lately: a start for each of many changes would only send one candidate after the other
//! away before anything was seen of it.

use teal_plan::{ContentHash, Span, Time};

/// How long a change counts.
const LATELY: Span = Span::seconds(30);
/// So many changes in that time are followed at once: a person who corrects a mistake, and then the correction.
const FEW: usize = 3;
/// How long content must have been still after more than that.
const STILL: Span = Span::seconds(5);

/// Changes of one spec, lately.
#[derive(Default)]
pub(crate) struct Edits {
    last: Option<(i64, ContentHash)>,
    /// When the generation changed.
    all: Vec<Time>,
    /// When the content of the release changed.
    contents: Vec<Time>,
}

impl Edits {
    /// Takes note of a spec as it is now.
    pub(crate) fn note(&mut self, generation: i64, content: ContentHash, now: Time) {
        for times in [&mut self.all, &mut self.contents] {
            times.retain(|at| now - *at < LATELY);
        }
        if let Some((before, was)) = self.last.replace((generation, content)) {
            if before != generation {
                self.all.push(now);
            }
            if was != content {
                self.contents.push(now);
            }
        }
    }

    /// When the content will have been still for long enough; nothing where it may be followed.
    pub(crate) fn settles(&self, now: Time) -> Option<Time> {
        let last = self.contents.last().filter(|_| self.contents.len() > FEW)?;
        Some(*last + STILL).filter(|at| now < *at)
    }

    /// When the spec as a whole will have been; nothing where it changes seldom.
    pub(crate) fn stills(&self, now: Time) -> Option<Time> {
        let last = self.all.last().filter(|_| self.are_many())?;
        Some(*last + STILL).filter(|at| now < *at)
    }

    /// Whether the spec changes so often that not each of its generations needs an answer of its own.
    pub(crate) const fn are_many(&self) -> bool {
        self.all.len() > FEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(number: u8) -> ContentHash {
        ContentHash { version: 1, digest: [number; 32] }
    }

    fn after(edits: u8) -> Edits {
        let mut these = Edits::default();
        for number in 0..=edits {
            these.note(i64::from(number), content(number), Time(i64::from(number) * 1_000));
        }
        these
    }

    #[test]
    fn a_few_changes_are_followed_at_once() {
        assert_eq!(after(0).settles(Time(0)), None, "the first sight is no change");
        assert_eq!(after(3).settles(Time(3_000)), None);
        assert!(!after(3).are_many());
    }

    #[test]
    fn many_must_come_to_rest() {
        let edits = after(4);
        assert!(edits.are_many());
        assert_eq!(edits.settles(Time(4_000)), Some(Time(9_000)));
        assert_eq!(edits.settles(Time(9_000)), None, "still for long enough");
    }

    #[test]
    fn old_changes_count_no_more() {
        let mut edits = after(4);
        edits.note(4, content(4), Time(40_000));
        assert!(!edits.are_many());
        edits.note(5, content(5), Time(41_000));
        assert_eq!(edits.settles(Time(41_000)), None);
    }

    #[test]
    fn steps_and_checks_are_no_content() {
        let mut edits = Edits::default();
        for generation in 0..9 {
            edits.note(generation, content(1), Time(generation));
        }
        assert!(edits.are_many());
        assert_eq!((edits.settles(Time(9)), edits.stills(Time(9))), (None, Some(Time(5_008))));
        assert_eq!(edits.stills(Time(5_008)), None);
    }
}
