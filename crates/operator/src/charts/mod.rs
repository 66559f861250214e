//! Charts between looks: each is fetched and rendered by a task of its own, and what came of it waits for the next look. Nothing of a
//! look waits for Helm or for a server of charts.

mod once;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use teal_chart::{ChartError, Settings};
use teal_cluster::{ChartSeen, Charting, Discovery, Poker, Wanted};
use tokio::task::AbortHandle;

use once::{Fault, Outcome};

/// Before the first of the further tries, which come after twice as long each, where a chart can't be had.
const AGAIN: Duration = Duration::from_secs(5);
/// The same where it can't be used.
const SLOWLY: Duration = Duration::from_mins(1);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_mins(5);
/// Behind what is tried again.
const TOLD: &str =
    "; it is tried again by itself, at most 5 minutes apart, and at once when spec.release.chart changes";

/// Renders charts for the operator.
pub struct Renderer(Arc<Inner>);

struct Inner {
    charts: teal_chart::Charts,
    discovery: OnceLock<Discovery>,
    poker: OnceLock<Poker>,
    known: Mutex<HashMap<String, Known>>,
}

/// What is known of one Rollout, by its uid.
struct Known {
    wanted: Wanted,
    seen: ChartSeen,
    task: AbortHandle,
}

impl Renderer {
    /// Makes the folders of charts anew.
    pub fn new(settings: Settings) -> Result<Self, ChartError> {
        let charts = teal_chart::Charts::new(settings)?;
        let (discovery, poker) = (OnceLock::new(), OnceLock::new());
        Ok(Self(Arc::new(Inner { charts, discovery, poker, known: Mutex::default() })))
    }
}

impl Charting for Renderer {
    fn listen(&self, poker: Poker, discovery: Discovery) {
        // There is one cluster to tell and to ask.
        drop(self.0.poker.set(poker));
        drop(self.0.discovery.set(discovery));
    }

    fn rendered(&self, wanted: Wanted) -> ChartSeen {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&wanted.uid).filter(|known| known.wanted == wanted) {
            return known.seen.clone();
        }
        let task = tokio::spawn(Arc::clone(&self.0).run(wanted.clone())).abort_handle();
        let before = known.insert(wanted.uid.clone(), Known { wanted, seen: ChartSeen::Pending, task });
        // What nobody wants any more takes nobody's turn.
        if let Some(before) = before {
            before.task.abort();
        }
        ChartSeen::Pending
    }

    fn forget(&self, uid: &str) {
        let gone = self.0.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(gone) = gone {
            gone.task.abort();
        }
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        let known = std::mem::take(&mut *self.0.known.lock().unwrap_or_else(PoisonError::into_inner));
        known.values().for_each(|known| known.task.abort());
    }
}

impl Inner {
    /// Until it is rendered, or can't be whatever others do.
    async fn run(self: Arc<Self>, wanted: Wanted) {
        let Some(discovery) = self.discovery.get() else { return };
        let mut before = Duration::ZERO;
        loop {
            let outcome = once::render(&self.charts, discovery, &wanted).await;
            let again = again(&outcome, before);
            let is_refused = matches!(outcome, Outcome::Refused(..));
            if !self.settle(&wanted, told(&wanted, outcome)) {
                return;
            }
            let Some(pause) = again else { return };
            tokio::time::sleep(pause).await;
            if is_refused {
                once::forget(&self.charts, &wanted);
            }
            before = pause;
        }
    }

    /// Takes note of what came of it; not where something else is wanted by now.
    fn settle(&self, wanted: &Wanted, seen: ChartSeen) -> bool {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.get_mut(&wanted.uid).filter(|known| known.wanted == *wanted) else {
            return false;
        };
        known.seen = seen;
        drop(all);
        if let Some(poker) = self.poker.get() {
            poker.poke(&wanted.namespace, &wanted.name);
        }
        true
    }
}

/// After how long it is tried again, by the pause before.
fn again(outcome: &Outcome, before: Duration) -> Option<Duration> {
    let first = match outcome {
        Outcome::Ready(..) | Outcome::Refused(_, Fault::Spec) => return None,
        Outcome::Refused(_, Fault::Chart) => SLOWLY,
        Outcome::Later(_) => AGAIN,
    };
    Some((before * 2).max(first).min(LONGEST))
}

/// In the log, and for the conditions.
fn told(wanted: &Wanted, outcome: Outcome) -> ChartSeen {
    let rollout = format!("{}/{}", wanted.namespace, wanted.name);
    match outcome {
        Outcome::Ready(body, varying) => {
            if varying.is_empty() {
                tracing::info!(rollout, "a chart was rendered");
            } else {
                let objects = varying.join(", ");
                tracing::warn!(
                    rollout,
                    objects,
                    "a chart comes out otherwise each time: what came first is kept"
                );
            }
            ChartSeen::Ready(body)
        }
        Outcome::Refused(mut problems, fault) => {
            if let Some((_, problem)) = problems.first_mut() {
                tracing::warn!(rollout, problem, "a chart can't be used");
                if fault == Fault::Chart {
                    problem.push_str(TOLD);
                }
            }
            ChartSeen::Refused(problems)
        }
        Outcome::Later(problem) => {
            tracing::warn!(rollout, problem, "a chart can't be had now");
            ChartSeen::Refused(vec![("ChartUnavailable", format!("{problem}{TOLD}"))])
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use teal_release::chart::Stage;

    use super::*;

    fn said(outcome: Outcome) -> String {
        let release = json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2"}});
        let hash = teal_release::hash(&release);
        let chart = serde_json::from_value(release["chart"].clone()).unwrap();
        let (uid, namespace, name) = ("1".to_owned(), "shop".to_owned(), "web".to_owned());
        match told(&Wanted { uid, namespace, name, hash, chart, stage: Stage::Install }, outcome) {
            ChartSeen::Refused(problems) => problems[0].1.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_others_may_mend_is_tried_again_and_says_so() {
        let refused = |fault| Outcome::Refused(vec![("ReleaseInvalid", "bad".to_owned())], fault);
        let seconds = |outcome: &Outcome, before: u64| {
            again(outcome, Duration::from_secs(before)).map(|pause| pause.as_secs())
        };
        let later = Outcome::Later("gone".to_owned());
        let row = [0, 5, 10, 160, 300].map(|before| seconds(&later, before));
        assert_eq!(row, [5, 10, 20, 300, 300].map(Some));
        let row = [0, 5, 60, 120, 300].map(|before| seconds(&refused(Fault::Chart), before));
        assert_eq!(row, [60, 60, 120, 240, 300].map(Some));
        assert_eq!(seconds(&refused(Fault::Spec), 0), None);
        for outcome in [later, refused(Fault::Chart)] {
            assert!(said(outcome).ends_with("at once when spec.release.chart changes"));
        }
        assert_eq!(said(refused(Fault::Spec)), "bad", "its remedy is what makes Teal try again");
    }
}
