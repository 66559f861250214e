//! Everything that is there before the first version is shipped, and goes on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use teal_load::{Load, Record};
use tokio::task::JoinHandle;

use super::arguments::Arguments;
use super::screen::Screen;
use super::summary::Summary;
use crate::error::Result;
use crate::observe::{Event, Journal, Observer, SessionKeeper, Subscriber};
use crate::world::{Installation, Shop, World};

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
        screen.note("applying examples/shop: v1 …");
        let shop = Shop::open(world, NAMESPACE, |_| {}).await?;
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
    let tally = record.tally(now.checked_sub(span).unwrap_or(now), now);
    let shares = record.versions().into_iter().filter_map(|version| {
        let percent = 100.0 * tally.share(&version)?;
        (percent > 0.0).then(|| format!("{percent:.1} % {version}"))
    });
    let shares: Vec<String> = shares.collect();
    let (all, total) =
        (tally.requests() * 1000 / u64::try_from(span.as_millis()).unwrap_or(1000).max(1), record.total());
    format!(
        "users get {} of {all} requests/s; {} of {} failed so far",
        shares.join(" + "),
        total.failed(),
        total.requests()
    )
}
