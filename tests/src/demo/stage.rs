//! Everything that is there before the first version is shipped, and goes on meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use teal_load::{Load, Record, Tally};
use tokio::task::JoinHandle;

use super::arguments::Arguments;
use super::screen::Screen;
use super::summary::Summary;
use crate::error::Result;
use crate::observe::{Event, Journal, Observer, SessionKeeper, Subscriber};
use crate::world::{Installation, Shop, World, chart_address, charted};

/// The namespace, as it stands in the examples.
pub(super) const NAMESPACE: &str = "shop";
/// How often the live view is drawn, and how often it is said in plain lines.
const DRAWN_EVERY: Duration = Duration::from_millis(500);
const SAID_EVERY: Duration = Duration::from_secs(5);

/// The application under load, watched.
pub(super) struct Stage<'a> {
    /// The cluster.
    pub world: &'a World,
    /// The application.
    pub shop: Shop<'a>,
    /// What its objects say.
    pub observer: Arc<Observer>,
    /// The sessions that must not be cut.
    pub sessions: SessionKeeper,
    /// The VirtualService's spec as its owner wrote it.
    pub owners: Value,
    /// Where everything is said.
    pub screen: Arc<Screen>,
    /// Approve without asking.
    pub yes: bool,
    /// Why raw TCP is left out, where that is so.
    without_raw_tcp: Option<String>,
    load: Load,
    view: JoinHandle<()>,
}

impl<'a> Stage<'a> {
    /// Installs Teal and the first version, then starts load and sessions.
    pub(super) async fn set(world: &'a World, arguments: &Arguments, screen: &Arc<Screen>) -> Result<Self> {
        let how = Installation::default();
        screen
            .note(&format!("installing Teal by its chart (drain shortened to {} s) …", how.drain.as_secs()));
        world.install_teal(&how).await?;
        let shop = if arguments.chart {
            world.charts().await?;
            screen.note(&format!("applying a Rollout of the chart {}: v1 …", chart_address()));
            Shop::open(world, NAMESPACE, charted).await?
        } else {
            screen.note("applying examples/shop: v1 …");
            Shop::open(world, NAMESPACE, |_| {}).await?
        };
        shop.apply_examples(&["tcp.yaml"]).await?;
        let owners = shop.virtual_service().await?;
        let observer = Arc::new(shop.observe(Some(speak(screen))));
        shop.install(&observer, "v1").await?;
        let without_raw_tcp = shop.without_raw_tcp().await?;
        without_raw_tcp.iter().for_each(|why| screen.note(why));
        let load = Load::start(shop.load()?.rate(arguments.rate))?;
        let target = shop.sessions(without_raw_tcp.is_none())?;
        let sessions = SessionKeeper::start(observer.clone(), target).await?;
        let view = tokio::spawn(view(observer.clone(), load.record().clone(), screen.clone()));
        screen
            .note(&format!("20 keep-alive and 20 new-connection clients send {} requests/s", arguments.rate));
        let (screen, yes) = (screen.clone(), arguments.yes);
        Ok(Self { world, shop, observer, sessions, owners, screen, yes, without_raw_tcp, load, view })
    }

    /// What users got so far.
    pub(super) fn record(&self) -> &Record {
        self.load.record()
    }

    /// Ends load and sessions and notes what is known only then.
    pub(super) async fn strike(self, summary: &mut Summary) -> Result<()> {
        self.view.abort();
        self.sessions.stop();
        let (cut, all) = (self.sessions.cut(), self.sessions.reports());
        summary.cut_connections = cut.len();
        summary.sessions = all.len();
        summary.session_sets = all.iter().map(|report| &report.label).collect::<BTreeSet<_>>().len();
        summary.not_checked.extend(self.without_raw_tcp);
        summary.unmet.extend(self.sessions.refused().into_iter().map(|why| format!("no session: {why}")));
        for report in cut {
            let how = report.ended.map(|(_, how)| how).unwrap_or_default();
            self.screen
                .note(&format!("cut: {} on {}, opened {}: {how}", report.kind, report.version, report.label));
        }
        let record = self.load.stop().await?;
        let failures = record.failures(record.start(), Instant::now());
        for failure in failures.iter().filter(|failure| failure.version.as_deref() != Some("v3")).take(10) {
            let after = failure.at.saturating_duration_since(record.start()).as_millis();
            let version = failure.version.as_deref().unwrap_or("nobody");
            self.screen
                .note(&format!("failed after {after} ms of load, answered by {version}: {}", failure.why));
        }
        Ok(())
    }
}

fn speak(screen: &Arc<Screen>) -> Subscriber {
    let screen = screen.clone();
    Arc::new(move |at: Instant, event: &Event| screen.event(at, event))
}

async fn view(observer: Arc<Observer>, record: Record, screen: Arc<Screen>) {
    let every = if screen.is_live() { DRAWN_EVERY } else { SAID_EVERY };
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let mut lines = observer.look(place);
        lines.push(users(&record, every.max(Duration::from_secs(1))));
        screen.show(&lines);
    }
}

/// Where the rollout is, and why it waits.
fn place(journal: &Journal) -> Vec<String> {
    let status = journal.status().cloned().unwrap_or_default();
    let step = status
        .step
        .map_or(String::new(), |step| format!(", step {} ({} of {})", step.name, step.index, step.count));
    let weight =
        journal.candidate_weight().map_or(String::new(), |weight| format!(", candidate at {weight} %"));
    let waits = status.waiting_for.map_or(String::new(), |waits| format!(", waits for {waits}"));
    vec![format!("{}{step}{weight}{waits}", journal.phase())]
}

/// What users got of late.
fn users(record: &Record, span: Duration) -> String {
    let now = Instant::now();
    told(&record.tally(now.checked_sub(span).unwrap_or(now), now), &record.total(), span)
}

fn told(tally: &Tally, total: &Tally, span: Duration) -> String {
    let versions: BTreeSet<&String> = tally.ok.keys().chain(tally.failed.keys()).collect();
    let shares = versions.into_iter().filter(|version| !version.is_empty()).filter_map(|version| {
        let percent = 100.0 * tally.share(version)?;
        (percent > 0.0).then(|| format!("{percent:.1} % {version}"))
    });
    let shares: Vec<String> = shares.collect();
    let rate = tally.requests() * 1000 / u64::try_from(span.as_millis()).unwrap_or(1000).max(1);
    format!(
        "users get {} of {rate} requests/s; {} of {} failed so far",
        shares.join(" + "),
        total.failed(),
        total.requests()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::Kind;
    use crate::observe::fixture::{seen, weights};

    #[test]
    fn the_view_says_step_weight_and_why_it_waits() {
        let mut journal = Journal::new("web");
        assert_eq!(place(&journal), ["without status"]);
        let status = json!({
            "phase": "Waiting", "waitingFor": "approval",
            "step": {"name": "canary", "index": 1, "count": 2, "weight": 10},
        });
        let rollout = json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
            "spec": {"release": {}, "traffic": {"services": [{"name": "web"}]}}, "status": status,
        });
        journal.take(&seen(Kind::Rollout, rollout));
        journal.take(&weights(90, 10));
        let said = "Waiting, step canary (1 of 2), candidate at 10 %, waits for approval";
        assert_eq!(place(&journal), [said]);
    }

    #[test]
    fn the_view_says_what_share_users_really_got() {
        let counts = |live: u64, candidate: u64, failed: u64| Tally {
            ok: [("v1".to_owned(), live), ("v2".to_owned(), candidate)].into(),
            failed: [("v2".to_owned(), failed)].into(),
            complete: true,
        };
        let said = told(&counts(1800, 150, 50), &counts(9000, 900, 100), Duration::from_secs(2));
        assert_eq!(said, "users get 90.0 % v1 + 10.0 % v2 of 1000 requests/s; 100 of 10000 failed so far");
        let alone = told(&counts(500, 0, 0), &counts(500, 0, 0), Duration::from_secs(1));
        assert_eq!(alone, "users get 100.0 % v1 of 500 requests/s; 0 of 500 failed so far");
    }

    #[test]
    fn failures_that_nobody_answered_are_no_version() {
        let ok = [("v1".to_owned(), 75)].into();
        let tally = Tally { ok, failed: [(String::new(), 25)].into(), complete: true };
        let said = told(&tally, &tally, Duration::from_secs(1));
        assert_eq!(said, "users get 100.0 % v1 of 100 requests/s; 25 of 100 failed so far");
    }
}
