//! What the demo says: to a person at a terminal, as plain lines, or as JSON.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use super::summary::Summary;
use crate::observe::Event;

/// Where everything is said.
pub(super) struct Screen {
    json: bool,
    live: bool,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lines of the live view that stand on the terminal.
    drawn: usize,
    /// While a person is asked nothing is drawn.
    asking: bool,
    /// The last live view that was said in plain lines.
    said: String,
}

/// A line of JSON: the time, and what happened under its name.
#[derive(Serialize)]
struct Line<'a> {
    at_ms: u128,
    #[serde(flatten)]
    event: &'a Event,
}

impl Screen {
    /// A screen on standard output.
    pub(super) fn new(json: bool) -> Self {
        let live = !json && std::io::stdout().is_terminal();
        Self { json, live, begun: Instant::now(), state: Mutex::default() }
    }

    /// Whether what is shown can be drawn in place.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what happened.
    pub(super) fn event(&self, at: Instant, event: &Event) {
        let after = at.saturating_duration_since(self.begun);
        if !self.json {
            return self.line(&format!("{:>7.1} s  {event}", after.as_secs_f64()));
        }
        if let Ok(line) = serde_json::to_string(&Line { at_ms: after.as_millis(), event }) {
            print(&line);
        }
    }

    /// Says something to the person; never among the JSON.
    pub(super) fn note(&self, text: &str) {
        if self.json { explain(text) } else { self.line(text) }
    }

    /// Says something to whoever counts: beside the JSON, and not in a person's way.
    pub(super) fn aside(&self, text: &str) {
        if self.json {
            explain(text);
        }
    }

    fn line(&self, text: &str) {
        let mut state = self.lock();
        self.erase(&mut state);
        print(text);
    }

    /// Shows how things stand: in place on a terminal; elsewhere as a line whenever it is another one.
    pub(super) fn show(&self, lines: &[String]) {
        let mut state = self.lock();
        if self.json || state.asking {
            return;
        }
        if self.live {
            self.erase(&mut state);
            lines.iter().for_each(|line| print(line));
            state.drawn = lines.len();
            return;
        }
        let said = lines.join(" | ");
        if said != state.said {
            print(&format!("{:>7.1} s  {said}", self.begun.elapsed().as_secs_f64()));
            state.said = said;
        }
    }

    fn erase(&self, state: &mut State) {
        if self.live && state.drawn > 0 {
            // Up to the first line of the view, then clear to the end of the screen.
            let up = format!("\x1b[{}A\r\x1b[J", std::mem::take(&mut state.drawn));
            let mut out = std::io::stdout();
            // A terminal that is gone is no error of the demo.
            out.write_all(up.as_bytes()).and_then(|()| out.flush()).unwrap_or_default();
        }
    }

    /// Asks on the terminal; anything but yes is no.
    pub(super) fn ask(&self, question: &str) -> bool {
        {
            let mut state = self.lock();
            self.erase(&mut state);
            state.asking = true;
        }
        explain(&format!("{question} [y/N]"));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer).is_ok();
        self.lock().asking = false;
        read && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// Says how it all went.
    pub(super) fn summary(&self, summary: &Summary) {
        if self.json {
            // For the summary of `cargo xtask test`, which takes over lines with this mark.
            self.aside(&format!("demo: {}", in_short(summary)));
            return print(
                &json!({"at_ms": self.begun.elapsed().as_millis(), "summary": summary}).to_string(),
            );
        }
        words(summary).iter().for_each(|line| self.line(line));
    }
}

fn in_short(summary: &Summary) -> String {
    let (good, bad, share) = (&summary.good, &summary.bad, &summary.good.share_at_10);
    let ms = |time: Option<u64>| time.map_or("never".to_owned(), |ms| format!("{ms} ms"));
    format!(
        "{:?}, {:.1} % of {} requests, {} failed; {:?} {} after the verdict, {} failed; {} of {} sessions cut",
        good.weights,
        share.candidate_percent,
        share.requests,
        good.failed_requests,
        bad.weights,
        ms(bad.ms_from_verdict_to_zero_weight),
        bad.failed_requests_on_live,
        summary.cut_connections,
        summary.sessions
    )
}

fn words(summary: &Summary) -> Vec<String> {
    let (good, bad, share) = (&summary.good, &summary.bad, &summary.good.share_at_10);
    let ms = |time: Option<u64>| time.map_or("never".to_owned(), |ms| format!("after {ms} ms"));
    let mut lines = vec![
        String::new(),
        format!(
            "good version: shares {:?}, {} failed requests, {:.0} s",
            good.weights, good.failed_requests, good.seconds
        ),
        format!(
            "  at 10 % users got {:.2} % from it, of {} requests",
            share.candidate_percent, share.requests
        ),
        format!("  the old color is {}", if good.retired { "gone" } else { "still there" }),
        format!("bad version: shares {:?}, rolled back: {}", bad.weights, bad.rolled_back),
        format!("  weight taken {} of the verdict", ms(bad.ms_from_verdict_to_zero_weight)),
        format!("  its last answer came {} of the verdict", ms(bad.ms_from_verdict_to_zero_traffic)),
        format!("  {} requests failed on the live color", bad.failed_requests_on_live),
        format!("{} of {} long-lived sessions were cut", summary.cut_connections, summary.sessions),
    ];
    lines.extend(summary.not_checked.iter().map(|what| format!("not checked: {what}")));
    lines.extend(summary.unmet.iter().map(|unmet| format!("NOT AS PROMISED: {unmet}")));
    if summary.unmet.is_empty() {
        lines.push("all as promised".into());
    }
    lines
}

/// For whoever reads standard output; one that is closed is no error of the demo.
fn print(line: &str) {
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
}

/// For the person beside it.
fn explain(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}
