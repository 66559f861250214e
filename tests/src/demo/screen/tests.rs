use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::*;
use crate::observe::fixture::{alone, promotion, service, weights};
use crate::observe::{Journal, Seen};

/// What was written, for whoever keeps a clone.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A screen, and what stands on it and beside it.
fn screen(json: bool, live: bool) -> (Screen, Paper, Paper) {
    let (out, beside) = (Paper::default(), Paper::default());
    (Screen::on(Box::new(out.clone()), Box::new(beside.clone()), json, live), out, beside)
}

/// The versions of a good rollout and of a bad one after it.
fn demo() -> Vec<Seen> {
    let bad = [
        weights(100, 0),
        service("web-candidate", "r3"),
        weights(90, 10),
        service("web-candidate", "r2"),
        weights(100, 0),
        alone(),
    ];
    promotion().into_iter().chain(bad).collect()
}

/// The journal after these versions, and the lines that were printed meanwhile.
fn played(versions: &[Seen]) -> (Journal, Vec<Value>) {
    let (screen, out, beside) = screen(true, false);
    let mut journal = Journal::new("web");
    for version in versions {
        journal.take(version).iter().for_each(|event| screen.event(version.at, event));
    }
    assert_eq!(beside.text(), "");
    let lines = out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (journal, lines)
}

/// The shares that a revision was given, one after another, by the lines alone.
fn shares_by_lines(lines: &[Value], revision: &str) -> Vec<u64> {
    let events = lines.iter().filter_map(|line| line.get("weight").or_else(|| line.get("repointed")));
    let mut shares: Vec<u64> = events.filter_map(|event| event["shares"][revision].as_u64()).collect();
    shares.dedup();
    shares
}

#[test]
fn the_lines_of_json_give_the_weights_of_the_summary() {
    let (journal, lines) = played(&demo());
    for (revision, given) in [("r2", vec![0, 10, 100]), ("r3", vec![0, 10, 0])] {
        let summary: Vec<u64> = journal.shares_of(revision).into_iter().map(u64::from).collect();
        // The second rollout takes from the first one's version what it gives to its own.
        let until = if revision == "r2" { 10 } else { lines.len() };
        assert_eq!(shares_by_lines(&lines[..until], revision), given, "{revision}: {lines:#?}");
        assert_eq!(shares_by_lines(&lines, revision), summary, "{revision}: {lines:#?}");
    }
}

#[test]
fn each_weight_that_is_written_is_a_line_with_the_revision_that_it_is_for() {
    let (_, lines) = played(&demo());
    let weights = lines.iter().filter_map(|line| line.get("weight"));
    let told: Vec<(u64, Option<&str>)> = weights
        .map(|weight| (weight["candidate_weight"].as_u64().unwrap(), weight["revision"].as_str()))
        .collect();
    let live_alone = (0, None);
    let wanted = [
        live_alone,
        // Until the candidate is ready its Service selects live.
        (0, Some("r1")),
        (10, Some("r2")),
        (100, Some("r2")),
        (0, Some("r2")),
        live_alone,
        (0, Some("r2")),
        (10, Some("r3")),
        (0, Some("r2")),
        live_alone,
    ];
    assert_eq!(told, wanted);
    assert!(lines.iter().all(|line| line["at_ms"].is_u64()));
}

/// Each kind of event as JSON, under its name.
fn one_of_each() -> Vec<Map<String, Value>> {
    let mut journal = Journal::new("web");
    let weight = journal.take(&weights(90, 10));
    let repointed = journal.take(&service("web", "r1"));
    let word = String::new;
    let others = [
        Event::Phase { phase: word(), step: None, message: word(), waiting_for: None },
        Event::Verdict {
            revision: None,
            step: None,
            check: word(),
            verdict: word(),
            value: None,
            limit: None,
        },
        Event::Decision {
            name: word(),
            action: word(),
            revision: None,
            step: None,
            by: word(),
            outcome: None,
        },
    ];
    let all = weight.into_iter().chain(repointed).chain(others);
    all.map(|event| serde_json::from_value(serde_json::to_value(event).unwrap()).unwrap()).collect()
}

#[test]
fn lines_of_json_have_the_fields_that_the_reference_names() {
    let page = include_str!("../../../../docs/reference/demo.md");
    let fields = |event: &Value| event.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (name, event) in one_of_each().iter().flat_map(Map::iter) {
        let row = page.lines().find(|row| row.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("the page has no row for {name}"));
        let named: Vec<&str> = row.split('`').skip(3).step_by(2).collect();
        for field in fields(event) {
            assert!(named.contains(&field.as_str()), "{field} of {name}: {row}");
        }
    }
    let summary = serde_json::to_value(Summary::default()).unwrap();
    for field in fields(&summary).into_iter().chain(fields(&summary["good"])).chain(fields(&summary["bad"])) {
        assert!(page.contains(&format!("`{field}`")), "{field} of the summary");
    }
}

#[test]
fn of_json_nothing_but_objects_is_printed() {
    let (screen, out, beside) = screen(true, false);
    screen.note("installing");
    screen.aside("count: 7");
    screen.show(&["Checking".into()]);
    screen.summary(&Summary::default());
    let (out, beside) = (out.text(), beside.text());
    let last: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(last["summary"]["good"]["retired"], false, "one line, and it is the summary");
    assert!(beside.starts_with("installing\ncount: 7\ndemo: []"), "{beside}");
}

#[test]
fn the_live_view_is_drawn_in_the_place_of_the_former_one() {
    let (screen, out, _) = screen(false, true);
    screen.show(&["at 0 %".into(), "users get v1".into()]);
    screen.show(&["at 10 %".into()]);
    assert_eq!(out.text(), "at 0 %\nusers get v1\n\x1b[2A\r\x1b[Jat 10 %\n");
}

#[test]
fn what_happens_is_told_above_the_live_view() {
    let (screen, out, _) = screen(false, true);
    screen.show(&["at 0 %".into()]);
    screen.note("releasing v2");
    screen.note("and on");
    assert_eq!(out.text(), "at 0 %\n\x1b[1A\r\x1b[Jreleasing v2\nand on\n", "taken away once");
}

#[test]
fn where_nothing_can_be_drawn_the_view_is_a_line_whenever_it_is_another_one() {
    let (screen, out, _) = screen(false, false);
    let first = ["at 0 %".to_owned(), "users get v1".to_owned()];
    screen.show(&first);
    screen.show(&first);
    screen.show(&["at 10 %".into()]);
    let out = out.text();
    let said: Vec<&str> = out.lines().map(|line| line.split_once(" s  ").unwrap().1).collect();
    assert_eq!(said, ["at 0 % | users get v1", "at 10 %"]);
    assert!(!out.contains('\x1b'), "{out:?}");
}

#[test]
fn anything_but_yes_is_no() {
    let rows = [
        ("y\n", true),
        ("Yes\n", true),
        ("  YES \r\n", true),
        ("n\n", false),
        ("\n", false),
        ("yesterday\n", false),
        ("no\ny\n", false),
        ("", false),
    ];
    for (answer, meant) in rows {
        let (screen, out, beside) = screen(false, false);
        assert_eq!(screen.ask("Give it all?", answer.as_bytes()), meant, "{answer:?}");
        assert_eq!((out.text().as_str(), beside.text().as_str()), ("", "Give it all? [y/N]\n"));
    }
    let broken = screen(false, false).0.ask("Give it all?", &b"\xff\n"[..]);
    assert!(!broken, "what can't be read is no");
}

/// Shows a view while its reader is asked.
struct Meanwhile<'a>(&'a Screen);

impl io::Read for Meanwhile<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.show(&["at 10 %".into()]);
        self.0.note("a verdict");
        (&b"y\n"[..]).read(bytes)
    }
}

#[test]
fn while_a_person_is_asked_no_view_gets_between_question_and_answer() {
    let (screen, out, beside) = screen(false, true);
    screen.show(&["at 10 %".into()]);
    assert!(screen.ask("Give it all?", io::BufReader::new(Meanwhile(&screen))));
    assert_eq!(out.text(), "at 10 %\n\x1b[1A\r\x1b[Ja verdict\n", "but what happens is told");
    assert_eq!(beside.text(), "Give it all? [y/N]\n");
    screen.show(&["at 100 %".into()]);
    assert!(out.text().ends_with("at 100 %\n"), "the view is back");
}
