//! An application under load, watched: what most stories begin and end with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use teal_api::Action;
use teal_load::{Load, Record, SessionTarget};

use super::runner::say;
use crate::error::{Error, Result, expect};
use crate::observe::{Journal, Observer, SessionKeeper};
use crate::world::{NAME, Shop, Tailoring, World};

/// What a healthy cluster needs for any one thing, many times over.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a way back may take until live has all.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long is looked back to say what users get now.
const LATELY: Duration = Duration::from_millis(500);

/// Who uses the application all the while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    /// Clients that keep their connection.
    pub(super) keep_alive: usize,
    /// Clients that open a connection for each request.
    pub(super) per_request: usize,
    /// Requests a second over all of them.
    pub(super) rate: u32,
}

/// Enough to see a failure that lasts for some milliseconds, and so few that the stories that are told at once don't fill a small
/// machine: then requests wait for a processor until their time is over, which says nothing of Teal. The order of writes is told
/// with many more, alone.
const USUAL: Crowd = Crowd { keep_alive: 10, per_request: 10, rate: 120 };

/// The application under load.
pub(super) struct Play<'a> {
    pub(super) shop: Shop<'a>,
    pub(super) observer: Arc<Observer>,
    /// The VirtualService's spec as its owner wrote it.
    pub(super) owners: Value,
    load: Load,
    sessions: SessionKeeper,
}

impl<'a> Play<'a> {
    /// Installs version `v1` in a namespace and puts load on it.
    pub(super) async fn open(world: &'a World, namespace: &str, tailoring: Tailoring) -> Result<Self> {
        Self::open_to(USUAL, world, namespace, tailoring).await
    }

    /// The same with another crowd.
    pub(super) async fn open_to(
        crowd: Crowd,
        world: &'a World,
        namespace: &str,
        tailoring: Tailoring,
    ) -> Result<Self> {
        Self::come(crowd, Shop::open(world, namespace, tailoring).await?, false).await
    }

    /// The same with sessions of raw TCP beside the others. The gateway has one port for them, so of the stories that are told
    /// at once only one may open like this.
    pub(super) async fn open_with_tcp(
        world: &'a World,
        namespace: &str,
        tailoring: Tailoring,
    ) -> Result<Self> {
        let shop = Shop::open(world, namespace, tailoring).await?;
        shop.apply_examples(&["tcp.yaml"]).await?;
        Self::come(USUAL, shop, true).await
    }

    /// The same without anybody who stays connected, for a story that brings its own.
    pub(super) async fn open_without_sessions(
        world: &'a World,
        namespace: &str,
        tailoring: Tailoring,
    ) -> Result<Self> {
        let shop = Shop::open(world, namespace, tailoring).await?;
        Self::come_with(USUAL, shop, SessionTarget::default()).await
    }

    /// The same where the namespace and what its owners wrote are there already.
    pub(super) async fn on(shop: Shop<'a>) -> Result<Self> {
        Self::come(USUAL, shop, false).await
    }

    /// That with another crowd.
    pub(super) async fn with(crowd: Crowd, shop: Shop<'a>) -> Result<Self> {
        Self::come(crowd, shop, false).await
    }

    async fn come(crowd: Crowd, shop: Shop<'a>, with_tcp: bool) -> Result<Self> {
        let without_tcp = if with_tcp { shop.without_raw_tcp().await? } else { None };
        without_tcp.iter().for_each(|why| say(&format!("{}: {why}", shop.namespace)));
        let target = shop.sessions(with_tcp && without_tcp.is_none())?;
        Self::come_with(crowd, shop, target).await
    }

    async fn come_with(crowd: Crowd, shop: Shop<'a>, target: SessionTarget) -> Result<Self> {
        let (world, namespace) = (shop.world, shop.namespace.as_str());
        let owners = shop.virtual_service().await?;
        let observer = Arc::new(shop.observe(Some(world.diary().of(namespace))));
        shop.install(&observer, "v1").await?;
        let load = shop.load()?.clients(crowd.keep_alive, crowd.per_request).rate(crowd.rate);
        let load = Load::start(load)?;
        let sessions = SessionKeeper::start(observer.clone(), target).await?;
        Ok(Self { shop, observer, owners, load, sessions })
    }

    /// The revision that serves.
    pub(super) fn live(&self) -> String {
        self.observer.look(|journal| journal.live().unwrap_or_default().to_owned())
    }

    /// Releases a version and gives the revision that it is tried as.
    pub(super) async fn candidate(&self, version: &str) -> Result<String> {
        let before = self
            .observer
            .look(|journal| (journal.live().map(str::to_owned), journal.candidate().map(str::to_owned)));
        self.shop.release(version).await?;
        let candidate = |journal: &Journal| {
            let candidate = Some(journal.candidate().filter(|_| journal.is_current())?.to_owned());
            if candidate == before.0 || candidate == before.1 { None } else { candidate }
        };
        self.observer.until(&format!("{version} as candidate"), PATIENCE, candidate).await
    }

    /// Releases a version and waits until it has 10 %, observed.
    pub(super) async fn to_10(&self, version: &str) -> Result<String> {
        let candidate = self.candidate(version).await?;
        self.share(&candidate, 10).await?;
        Ok(candidate)
    }

    /// Waits until a revision is given this share.
    pub(super) async fn share(&self, revision: &str, percent: u32) -> Result<()> {
        let what = format!("{percent} % for {revision}");
        self.observer
            .until(&what, PATIENCE, |journal| (journal.share(revision) == percent).then_some(()))
            .await
    }

    /// Waits for the question and says yes.
    pub(super) async fn approve(&self) -> Result<()> {
        self.gate().await?;
        self.shop.decide(Action::Approve, None).await.map(drop)
    }

    /// Waits until people are asked.
    pub(super) async fn gate(&self) -> Result<()> {
        let open = |journal: &Journal| journal.status()?.gate.as_ref().map(|_| ());
        self.observer.until("a question to people", PATIENCE, open).await
    }

    /// Waits until a revision is live and has everything, and the VirtualService is its owner's.
    pub(super) async fn promoted(&self, revision: &str) -> Result<()> {
        let done = |journal: &Journal| {
            let all = journal.live() == Some(revision) && journal.share(revision) == 100;
            (all && self.is_owners(journal)).then_some(())
        };
        self.observer.until(&format!("promotion of {revision}"), PATIENCE, done).await
    }

    /// Waits until live is this revision alone, the VirtualService its owner's and the other revision without traffic.
    pub(super) async fn back_at(&self, live: &str, other: &str) -> Result<()> {
        let back = |journal: &Journal| {
            let shares = journal.share(live) == 100 && journal.share(other) == 0;
            (shares && journal.live() == Some(live) && self.is_owners(journal)).then_some(())
        };
        self.observer.until(&format!("traffic back at {live}"), PATIENCE, back).await
    }

    /// That, and what goes back lost its share within a second of the word that it does (I5). The history of objects knows times
    /// by whole seconds; watches tell both within milliseconds.
    pub(super) async fn back_at_once(&self, live: &str, other: &str) -> Result<()> {
        self.back_at(live, other).await?;
        let kept = self.observer.look(|journal| journal.kept_after_return(other));
        expect(kept.is_some_and(|kept| kept <= AT_ONCE), || {
            format!(
                "{other} was seen to keep its share for {kept:?} after going back was told, not {AT_ONCE:?}"
            )
        })
    }

    /// Waits until the spec as it stands is live in this revision and nothing moves.
    pub(super) async fn rests_at(&self, revision: &str) -> Result<()> {
        let rests = |journal: &Journal| {
            let alone = journal.live() == Some(revision) && journal.candidate().is_none();
            let done = journal.is_current() && journal.phase() == "Complete" && self.is_owners(journal);
            (alone && done && journal.share(revision) == 100).then_some(())
        };
        self.observer.until(&format!("rest at {revision}"), PATIENCE, rests).await
    }

    /// Waits until another revision than these is tried.
    pub(super) async fn another_than(&self, before: &[&str]) -> Result<String> {
        let another = |journal: &Journal| {
            let candidate = journal.candidate().filter(|candidate| !before.contains(candidate))?;
            Some(candidate.to_owned())
        };
        self.observer.until("another revision as candidate", PATIENCE, another).await
    }

    /// What users got so far.
    pub(super) fn record(&self) -> &Record {
        self.load.record()
    }

    /// Waits until users get answers of this version alone.
    pub(super) async fn answered_by(&self, version: &str) -> Result<()> {
        let alone = async || {
            let now = Instant::now();
            let lately = self.record().tally(now.checked_sub(LATELY).unwrap_or(now), now);
            let all = lately.requests();
            if all > 0 && lately.answers(version) == all { Ok(()) } else { Err(format!("{lately:?}")) }
        };
        Ok(teal_testbed::until(format!("answers of {version} alone"), PATIENCE, alone).await?)
    }

    /// Ends load and sessions without judging them, for stories that end with the application.
    pub(super) async fn leave(self) -> Result<()> {
        self.sessions.stop();
        self.load.stop().await?;
        self.shop.close().await
    }

    pub(super) fn is_owners(&self, journal: &Journal) -> bool {
        journal.virtual_service.as_ref() == Some(&self.owners)
    }

    /// Waits until no pod of this revision is left.
    pub(super) async fn gone(&self, revision: &str) -> Result<()> {
        let gone =
            |journal: &Journal| journal.pods.values().all(|pod| pod.revision != revision).then_some(());
        self.observer.until(&format!("the end of {revision}"), PATIENCE, gone).await
    }

    /// Waits until the Rollout is in a phase.
    pub(super) async fn phase(&self, word: &str) -> Result<()> {
        let there = |journal: &Journal| (journal.phase() == word && journal.is_current()).then_some(());
        self.observer.until(&format!("phase {word}"), PATIENCE, there).await
    }

    /// Waits until the message of the status has these words, and gives it.
    pub(super) async fn says(&self, words: &str) -> Result<String> {
        let said = |journal: &Journal| {
            let message = journal.status()?.message.as_deref().filter(|message| message.contains(words));
            message.map(str::to_owned)
        };
        self.observer.until(&format!("a message with {words:?}"), PATIENCE, said).await
    }

    /// Waits until a condition has this status and reason, and gives its message.
    pub(super) async fn condition(&self, kind: &str, status: &str, reason: &str) -> Result<String> {
        let there = |journal: &Journal| {
            let found = journal.status()?.conditions.iter().find(|one| one.type_ == kind)?;
            (found.status == status && found.reason == reason).then(|| found.message.clone())
        };
        self.observer.until(&format!("condition {kind}={status} {reason}"), PATIENCE, there).await
    }

    /// Waits until it is known what became of a Decision, and gives that.
    pub(super) async fn ruled(&self, decision: &str) -> Result<String> {
        let ruled = |journal: &Journal| journal.ruling(decision).map(str::to_owned);
        self.observer.until(&format!("a word on Decision {decision}"), PATIENCE, ruled).await
    }

    /// Waits until an attempt at a revision ended like this, and gives the reason that is told.
    pub(super) async fn outcome(&self, revision: &str, outcome: &str) -> Result<String> {
        let ended = |journal: &Journal| {
            let mut entries = journal.status()?.history.iter();
            let entry = entries.find(|entry| entry.revision == revision && entry.outcome == outcome)?;
            Some(entry.reason.clone().unwrap_or_default())
        };
        self.observer.until(&format!("{revision} as {outcome}"), PATIENCE, ended).await
    }

    /// The color of a revision that has pods.
    pub(super) fn color(&self, revision: &str) -> String {
        let of = |journal: &Journal| {
            let mut pods = journal.pods.values().filter(|pod| pod.revision == revision);
            pods.next().map(|pod| pod.color.clone()).unwrap_or_default()
        };
        self.observer.look(of)
    }

    /// Fails if a revision was given another sequence of shares than this.
    pub(super) fn shares_were(&self, revision: &str, wanted: &[u32]) -> Result<()> {
        let shares = self.observer.look(|journal| journal.shares_of(revision));
        expect(shares == wanted, || format!("{revision} was given {shares:?}, not {wanted:?}"))
    }

    /// Fails if a revision was given other shares than those of its steps, one after the other. Between them it may have had none,
    /// where its owner had applied the routes, and then the same one again.
    pub(super) fn steps_were(&self, revision: &str, wanted: &[u32]) -> Result<()> {
        let shares = self.observer.look(|journal| journal.shares_of(revision));
        let mut steps: Vec<u32> = shares.iter().copied().filter(|share| *share > 0).collect();
        steps.dedup();
        expect(steps == wanted, || format!("{revision} was given {shares:?}, not {wanted:?}"))
    }

    /// What Envoy counts of requests to live that it could not send or that were answered by an error.
    pub(super) async fn refused_by_live(&self) -> Result<Vec<String>> {
        let Some(admin) = &self.shop.world.cluster.envoy_admin else { return Ok(Vec::new()) };
        let url = format!(
            "{admin}/stats?usedonly&filter=upstream_(rq_5xx|cx_connect_fail|rq_timeout|cx_none_healthy)"
        );
        let live = format!("||{NAME}.{}.svc", self.shop.namespace);
        let answer = reqwest::Client::new().get(&url).send().await;
        let text = async { answer?.error_for_status()?.text().await }.await;
        let text = text.map_err(|source| Error::Http { url, source })?;
        Ok(text.lines().filter(|line| line.contains(&live)).map(str::to_owned).collect())
    }

    /// Ends load and sessions: no request may have failed but those that this version answered itself, and no session may
    /// have been cut.
    pub(super) async fn end(self, may_fail: Option<&str>) -> Result<()> {
        self.end_but(may_fail.map_or(Exempt::Nothing, |version| Exempt::AnswersOf { version })).await
    }

    /// The same, with more that may have failed.
    pub(super) async fn end_but(self, exempt: Exempt<'_>) -> Result<()> {
        self.sessions.stop();
        let (cut, refused) = (self.sessions.cut(), self.sessions.refused());
        let record = self.load.stop().await?;
        let failures = record.failures(record.start(), Instant::now());
        let unexpected = failures.iter().filter(|failure| !exempt.covers(failure.version.as_deref()));
        let unexpected: Vec<String> = unexpected.map(|failure| failure.why.to_string()).collect();
        let total = record.total();
        expect(total.requests() > 0, || "no request came to an end".into())?;
        let first = unexpected.first().cloned().unwrap_or_default();
        expect(unexpected.is_empty(), || {
            format!("{} of {} requests failed: {first}", unexpected.len(), total.requests())
        })?;
        let cut = cut.iter().filter(|report| !exempt.covers_session(&report.version));
        let sessions: Vec<String> =
            cut.map(|report| format!("{} on {} ({})", report.kind, report.version, report.label)).collect();
        expect(sessions.is_empty(), || format!("sessions were cut: {}", sessions.join(", ")))?;
        let all = matches!(exempt, Exempt::AllButLive { .. }) || refused.is_empty();
        expect(all, || format!("sessions could not be opened: {}", refused.join(", ")))?;
        self.shop.close().await
    }
}

/// What may have failed in a story.
#[derive(Clone, Copy)]
pub(super) enum Exempt<'v> {
    Nothing,
    /// Requests that this version answered.
    AnswersOf {
        version: &'v str,
    },
    /// Everything of a candidate that goes down, also what nobody answered; that none of it was live's is for Envoy to say.
    AllButLive {
        candidate: &'v str,
    },
}

impl Exempt<'_> {
    fn covers(self, version: Option<&str>) -> bool {
        match self {
            Self::Nothing => false,
            Self::AnswersOf { version: exempt } => version == Some(exempt),
            Self::AllButLive { candidate } => version.is_none_or(|version| version == candidate),
        }
    }

    fn covers_session(self, version: &str) -> bool {
        matches!(self, Self::AllButLive { candidate } if version == candidate)
    }
}
