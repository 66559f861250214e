//! What a step's output says about itself.

use std::collections::BTreeSet;

/// What marks a line for the summary: `count: 12 rooms`, `explorer: 123456 states in all`.
const MARKS: [&str; 5] = ["count: ", "explorer: ", "faults: ", "history: ", "demo: "];

/// Tests counted from the result lines of test programs, and lines marked for the summary.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were left out by an `#[ignore]`.
    pub ignored: u64,
    /// Why they were left out.
    pub reasons: BTreeSet<String>,
    /// What the step wants to see in the summary, in its own words.
    pub notes: Vec<String>,
}

impl Counts {
    /// Takes in one line of output.
    pub(super) fn read(&mut self, line: &str) {
        let line = line.trim();
        if MARKS.iter().any(|mark| line.starts_with(mark)) {
            let note = line.trim_start_matches(MARKS[0]).to_owned();
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        } else if let Some(results) = line.strip_prefix("test result: ") {
            self.add_results(results);
        } else if let Some((test, reason)) = line.split_once(" ... ignored, ")
            && test.starts_with("test ")
        {
            self.reasons.insert(reason.to_owned());
        }
    }

    /// Reads `ok. 3 passed; 0 failed; 1 ignored; …`.
    fn add_results(&mut self, results: &str) {
        let results = results.split_once(". ").map_or("", |(_, counts)| counts);
        for result in results.split(';') {
            let mut words = result.split_whitespace();
            let (number, word) = (words.next().and_then(|number| number.parse::<u64>().ok()), words.next());
            match (number, word) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                (Some(number), Some("ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    fn read(output: &str) -> Counts {
        let mut counts = Counts::default();
        output.lines().for_each(|line| counts.read(line));
        counts
    }

    #[test]
    fn result_lines_of_several_programs_add_up() {
        let counts = read(
            "running 3 tests\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             \n\
             test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s\n",
        );
        assert_eq!((counts.passed, counts.failed, counts.ignored), (7, 2, 1));
    }

    #[test]
    fn marked_lines_are_kept_once_in_their_order() {
        let counts = read("explorer: 9 states\nother\n  count: 10 rooms\nexplorer: 9 states\n");
        assert_eq!(counts.notes, ["explorer: 9 states", "10 rooms"]);
    }

    #[test]
    fn tests_that_are_left_out_say_why() {
        let counts = read(
            "test a::b ... ignored, needs an API server\n\
             test a::c ... ignored, needs an API server\n\
             test a::d ... ok\n\
             they say ... ignored, whatever\n\
             test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        );
        assert_eq!((counts.passed, counts.ignored), (1, 2));
        assert_eq!(counts.reasons.into_iter().collect::<Vec<_>>(), ["needs an API server"]);
    }

    #[test]
    fn other_output_counts_nothing() {
        assert_eq!(
            read("test a::b ... ok\n12 passed; 3 failed\nthe test result: ok. 5 passed"),
            Counts::default()
        );
    }
}
