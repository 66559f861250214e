//! What is written to and read from: a terminal, a pipe, or a test.

use std::io::{BufRead, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::render::{Clock, Paint};

/// Where answers go and questions are asked.
pub struct Terminal<'a> {
    /// Answers.
    pub out: &'a mut dyn Write,
    /// Notes beside them.
    pub err: &'a mut dyn Write,
    /// Where a person answers, if one is there.
    pub person: Option<&'a mut dyn BufRead>,
    /// Colors, or none.
    pub paint: Paint,
    /// Now.
    pub now: fn() -> Timestamp,
    /// The zone in which times are shown.
    pub zone: TimeZone,
}

impl Terminal<'_> {
    /// The moment, for rendering.
    pub fn clock(&self) -> Clock {
        Clock { now: (self.now)(), zone: self.zone.clone() }
    }

    /// Asks yes or no. Nothing if nobody is there to answer.
    pub fn confirm(&mut self, question: &str) -> std::io::Result<Option<bool>> {
        let Some(person) = self.person.as_deref_mut() else { return Ok(None) };
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        person.read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
    }
}

/// Colors only for a terminal that can show them and a person who wants them (no-color.org).
pub fn paint() -> Paint {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb { Paint::Colors } else { Paint::Plain }
}
