//! What became of each session. Pure but for its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::SessionKind;
use super::connect::Pipe;

/// One session as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionReport {
    /// Counted from 0 in the order of opening.
    pub id: usize,
    /// Its protocol.
    pub kind: SessionKind,
    /// What it was opened for.
    pub label: String,
    /// The version it landed on.
    pub version: String,
    /// The color it landed on.
    pub color: String,
    /// When it was open.
    pub opened: Instant,
    /// Echoes so far, beyond the first.
    pub echoes: u64,
    /// When it was ended by anything but this side, and how.
    pub ended: Option<(Instant, String)>,
    /// Whether this side ended it.
    pub left: bool,
    /// Whether it was cut: `ended` without its color being retired by then.
    pub cut: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: Vec<Session>,
    /// Colors, each with the moment of its retirement.
    retired: Vec<(String, Instant)>,
}

#[derive(Debug)]
struct Session {
    report: SessionReport,
    leave: CancellationToken,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, id: usize, act: impl FnOnce(&mut SessionReport)) {
        if let Some(session) = self.lock().sessions.get_mut(id) {
            act(&mut session.report);
        }
    }

    pub(crate) fn opened(
        &self,
        kind: SessionKind,
        label: &str,
        pipe: &Pipe,
        leave: CancellationToken,
    ) -> SessionReport {
        let sessions = &mut self.lock().sessions;
        let report = SessionReport {
            id: sessions.len(),
            kind,
            label: label.to_owned(),
            version: pipe.version.clone(),
            color: pipe.color.clone(),
            opened: Instant::now(),
            echoes: 0,
            ended: None,
            left: false,
            cut: false,
        };
        sessions.push(Session { report: report.clone(), leave });
        report
    }

    pub(crate) fn echoed(&self, id: usize) {
        self.with(id, |report| report.echoes += 1);
    }

    pub(crate) fn ended(&self, id: usize, why: &str) {
        self.with(id, |report| report.ended = Some((Instant::now(), why.to_owned())));
    }

    pub(crate) fn left(&self, id: usize) {
        self.with(id, |report| report.left = true);
    }

    pub(crate) fn retire(&self, color: &str, from: Instant) {
        self.lock().retired.push((color.to_owned(), from));
    }

    pub(crate) fn leave(&self, version: &str) {
        for session in self.lock().sessions.iter().filter(|session| session.report.version == version) {
            session.leave.cancel();
        }
    }

    pub(crate) fn reports(&self) -> Vec<SessionReport> {
        let inner = self.lock();
        let judged = |session: &Session| {
            let report = session.report.clone();
            SessionReport { cut: cut(&report, &inner.retired), ..report }
        };
        inner.sessions.iter().map(judged).collect()
    }
}

fn cut(report: &SessionReport, retired: &[(String, Instant)]) -> bool {
    let Some((ended, _)) = &report.ended else { return false };
    !retired.iter().any(|(color, from)| *color == report.color && report.opened <= *from && from <= ended)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_retirement_exempts_its_own_sessions_from_then_on() {
        let zero = Instant::now();
        let at = |second| zero + Duration::from_secs(second);
        let report = |ended: Option<u64>| SessionReport {
            id: 0,
            kind: SessionKind::Tcp,
            label: String::new(),
            version: "v1".into(),
            color: "blue".into(),
            opened: at(10),
            echoes: 0,
            ended: ended.map(|second| (at(second), "closed".into())),
            left: false,
            cut: false,
        };
        let color = |name: &str, second| vec![(name.to_owned(), at(second))];
        for (ended, retired, expected) in [
            (None, vec![], false),
            (Some(20), vec![], true),
            (Some(20), color("blue", 20), false),
            (Some(20), color("blue", 21), true),
            (Some(20), color("blue", 9), true),
            (Some(20), color("blue", 15), false),
            (Some(20), color("green", 15), true),
        ] {
            assert_eq!(cut(&report(ended), &retired), expected, "{ended:?} {retired:?}");
        }
    }
}
