//! What a program that reads `cargo xtask demo --json` counts on.

use serde_json::{Map, Value};

/// What a demo tells among other things, each by the key that is its name.
const TOLD: [&str; 3] = ["weight", "verdict", "decision"];

/// The key of the last line.
const LAST: &str = "summary";

/// Refuses an output that isn't one JSON object per line, lacks one of the things that are told, or doesn't end with the summary.
pub(super) fn demo(lines: &[String]) -> Result<(), String> {
    let objects = lines.iter().map(|line| object(line)).collect::<Result<Vec<_>, _>>()?;
    if let Some(missing) = TOLD.iter().find(|key| !objects.iter().any(|object| object.contains_key(**key))) {
        return Err(format!("no line of {} tells a {missing}", objects.len()));
    }
    let summaries = objects.iter().filter(|object| object.contains_key(LAST)).count();
    if summaries == 1 && objects.last().is_some_and(|object| object.contains_key(LAST)) {
        return Ok(());
    }
    Err(format!("of {} lines {summaries} have a {LAST}, which the last one alone should have", objects.len()))
}

fn object(line: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(line).map_err(|error| format!("this line is no JSON object ({error}): {line}"))
}

#[cfg(test)]
mod tests {
    use super::demo;

    const GOOD: [&str; 5] = [
        r#"{"at_ms":1,"weight":{"candidate_weight":10}}"#,
        r#"{"at_ms":2,"phase":{"phase":"Checking"}}"#,
        r#"{"at_ms":3,"verdict":{"verdict":"Pass"}}"#,
        r#"{"at_ms":4,"decision":{"action":"Approve"}}"#,
        r#"{"at_ms":5,"summary":{"unmet":[]}}"#,
    ];

    fn heard(lines: &[&str]) -> Result<(), String> {
        demo(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_for_each_thing_that_happens_and_last_the_summary_is_as_promised() {
        assert_eq!(heard(&GOOD), Ok(()));
    }

    #[test]
    fn each_thing_that_is_told_is_missed_by_its_name() {
        for (left_out, word) in [(0, "weight"), (2, "verdict"), (3, "decision"), (4, "summary")] {
            let mut lines = GOOD.to_vec();
            lines.remove(left_out);
            let refused = heard(&lines).unwrap_err();
            assert!(refused.contains(word), "{word}: {refused}");
        }
        assert!(heard(&[]).is_err(), "nothing at all");
    }

    #[test]
    fn a_summary_is_there_once_and_nothing_comes_after_it() {
        let [weight, phase, verdict, decision, summary] = GOOD;
        assert!(heard(&[weight, verdict, decision, summary, phase]).is_err());
        assert!(heard(&[weight, verdict, decision, summary, summary]).is_err());
    }

    #[test]
    fn a_line_for_people_among_the_json_is_shown() {
        for line in ["releasing v2, a good version …", "[1]", "", r#"{"at_ms":1"#] {
            let refused = heard(&[&GOOD[..4], &[line], &GOOD[4..]].concat()).unwrap_err();
            assert!(refused.contains(line) && refused.contains("JSON"), "{line}: {refused}");
        }
    }
}
