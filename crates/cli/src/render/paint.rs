//! Colors, which only repeat what the words say.

use anstyle::{AnsiColor, Style};
use teal_api::conditions::{Phase, Verdict};

/// With colors or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// Colors of the terminal.
    Colors,
}

impl Paint {
    fn styled(self, text: &str, style: Style) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colors => format!("{style}{text}{style:#}"),
        }
    }

    /// What stands out.
    pub fn strong(self, text: &str) -> String {
        self.styled(text, Style::new().bold())
    }

    /// What is less important.
    pub fn faint(self, text: &str) -> String {
        self.styled(text, Style::new().dimmed())
    }

    /// A word or sentence about trouble.
    pub fn bad(self, text: &str) -> String {
        self.styled(text, AnsiColor::Red.on_default())
    }

    /// A phase, in the color of how it goes.
    pub fn phase(self, word: &str, text: &str) -> String {
        let color = match Phase::known(word) {
            Some(Phase::Complete) => AnsiColor::Green,
            Some(Phase::Waiting | Phase::Paused) => AnsiColor::Yellow,
            Some(Phase::RollingBack | Phase::RolledBack | Phase::Blocked | Phase::HandsOff) => AnsiColor::Red,
            _ => AnsiColor::Cyan,
        };
        self.styled(text, color.on_default())
    }

    /// A verdict.
    pub fn verdict(self, word: &str, text: &str) -> String {
        let color = match Verdict::known(word) {
            Some(Verdict::Pass) => AnsiColor::Green,
            Some(Verdict::Fail) => AnsiColor::Red,
            _ => AnsiColor::Yellow,
        };
        self.styled(text, color.on_default())
    }
}
