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

/// Where lines go to.
type Out = Box<dyn Write + Send>;

struct State {
    /// For whoever reads standard output.
    out: Out,
    /// For the person beside it.
    beside: Out,
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
        Self::on(Box::new(std::io::stdout()), Box::new(std::io::stderr()), json, live)
    }

    fn on(out: Out, beside: Out, json: bool, live: bool) -> Self {
        let state = State { out, beside, drawn: 0, asking: false, said: String::new() };
        Self { json, live, begun: Instant::now(), state: Mutex::new(state) }
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
            self.lock().print(&line);
        }
    }

    /// Says something to the person; never among the JSON.
    pub(super) fn note(&self, text: &str) {
        if self.json { self.lock().explain(text) } else { self.line(text) }
    }

    /// Says something to whoever counts: beside the JSON, and not in a person's way.
    pub(super) fn aside(&self, text: &str) {
        if self.json {
            self.lock().explain(text);
        }
    }

    fn line(&self, text: &str) {
        let mut state = self.lock();
        state.erase();
        state.print(text);
    }

    /// Shows how things stand: in place on a terminal; elsewhere as a line whenever it is another one.
    pub(super) fn show(&self, lines: &[String]) {
        let mut state = self.lock();
        if self.json || state.asking {
            return;
        }
        if self.live {
            state.erase();
            lines.iter().for_each(|line| state.print(line));
            state.drawn = lines.len();
            return;
        }
        let said = lines.join(" | ");
        if said != state.said {
            state.print(&format!("{:>7.1} s  {said}", self.begun.elapsed().as_secs_f64()));
            state.said = said;
        }
    }

    /// Asks whoever answers there; anything but yes is no.
    pub(super) fn ask(&self, question: &str, mut answers: impl BufRead) -> bool {
        {
            let mut state = self.lock();
            state.erase();
            state.asking = true;
            state.explain(&format!("{question} [y/N]"));
        }
        let mut answer = String::new();
        let read = answers.read_line(&mut answer).is_ok();
        self.lock().asking = false;
        read && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// Says how it all went.
    pub(super) fn summary(&self, summary: &Summary) {
        if self.json {
            // For the summary of `cargo xtask test`, which takes over lines with this mark.
            self.aside(&format!("demo: {}", in_short(summary)));
            let line = json!({"at_ms": self.begun.elapsed().as_millis(), "summary": summary});
            return self.lock().print(&line.to_string());
        }
        words(summary).iter().for_each(|line| self.line(line));
    }
}

impl State {
    /// Whoever reads may be gone; that is no error of the demo.
    fn print(&mut self, line: &str) {
        writeln!(self.out, "{line}").unwrap_or_default();
    }

    fn explain(&mut self, line: &str) {
        writeln!(self.beside, "{line}").unwrap_or_default();
    }

    /// Up to the first line of the view, where one stands, then clear to the end of the screen.
    fn erase(&mut self) {
        let drawn = std::mem::take(&mut self.drawn);
        if drawn > 0 {
            let up = format!("\x1b[{drawn}A\r\x1b[J");
            self.out.write_all(up.as_bytes()).and_then(|()| self.out.flush()).unwrap_or_default();
        }
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

#[cfg(test)]
mod tests;
