//! The two rollouts.

use std::time::{Duration, Instant};

use teal_api::Action;

use super::stage::Stage;
use super::summary::{REQUESTS_AT_10, ShareAt10, Summary};
use crate::error::{Error, Result};
use crate::observe::{Journal, Window, followed};

/// Bounds of waits. Each is far above what a healthy cluster needs.
const ANSWERED: Duration = Duration::from_secs(30);
const AT_10: Duration = Duration::from_secs(90);
const GATE: Duration = Duration::from_secs(90);
const PROMOTED: Duration = Duration::from_secs(90);
const RETIRED: Duration = Duration::from_secs(120);
const VERDICT: Duration = Duration::from_secs(90);
const BACK: Duration = Duration::from_secs(30);

const GOOD: &str = "v2";
const BAD: &str = "v3";

/// Ships the good version, then the bad one.
pub(super) async fn all(stage: &Stage<'_>, summary: &mut Summary) -> Result<()> {
    stage.screen.note("releasing v2, a good version …");
    good(stage, summary).await?;
    let restored_once = stage.shop.virtual_service().await? == stage.owners;
    stage.screen.note("releasing v3, which answers every fifth request with an error …");
    bad(stage, summary).await?;
    summary.owners_bytes_restored = restored_once && stage.shop.virtual_service().await? == stage.owners;
    Ok(())
}

async fn good(stage: &Stage<'_>, summary: &mut Summary) -> Result<()> {
    let begun = Instant::now();
    let played = good_until_retired(stage, summary).await;
    summary.good.failed_requests = stage.record().tally(begun, Instant::now()).failed();
    summary.good.seconds = begun.elapsed().as_secs_f64();
    played
}

async fn good_until_retired(stage: &Stage<'_>, summary: &mut Summary) -> Result<()> {
    let observer = &stage.observer;
    let old =
        observer.look(|journal| journal.status().and_then(|status| status.live.as_ref()?.color.clone()));
    let old = old.ok_or_else(|| Error::Unmet("the first version has no color in status.live".into()))?;
    let candidate = release(stage, GOOD).await?;
    let played = good_steps(stage, summary, &candidate).await;
    summary.good.weights = observer.look(|journal| journal.shares_of(&candidate));
    played?;
    let alone = |journal: &Journal| {
        let gone = journal.pods.values().all(|pod| pod.color != old);
        let forgotten = journal.status().is_some_and(|status| status.previous.is_none());
        (gone && forgotten).then_some(())
    };
    observer.until("the end of the old color", RETIRED, alone).await?;
    let left = async || match stage.shop.objects_of(&old).await {
        Ok(left) if left.is_empty() => Ok(()),
        Ok(left) => Err(left.join(", ")),
        Err(error) => Err(error.to_string()),
    };
    teal_testbed::until("no object of the old color", ANSWERED, left).await?;
    summary.good.retired = true;
    summary.good.weights = observer.look(|journal| journal.shares_of(&candidate));
    Ok(())
}

async fn good_steps(stage: &Stage<'_>, summary: &mut Summary, candidate: &str) -> Result<()> {
    let observer = &stage.observer;
    observer
        .until("10 % for the candidate", AT_10, |journal| unless_rejected(journal, candidate, at_10))
        .await??;
    // From a weight's write to the last proxy's first use of it, shares are on the move.
    followed(stage.record(), GOOD, 10).await?;
    let upstreams = stage.shop.upstreams();
    let window = Window::open(&stage.world.cluster, &upstreams).await?;
    observer
        .until("a question to people", GATE, |journal| unless_rejected(journal, candidate, gate_open))
        .await??;
    enough_requests(stage, &window).await?;
    let approved = stage.yes || asked(stage, candidate).await?;
    let counted = window.close(&stage.world.cluster, &upstreams, stage.record(), GOOD).await?;
    summary.good.share_at_10 =
        ShareAt10 { requests: counted.requests, candidate_percent: counted.candidate_percent };
    summary.envoy_agrees_within_percent = counted.differs;
    if !approved {
        stage.shop.decide(Action::Reject, Some("said no in the demo")).await?;
        return Err(Error::Unmet("you said no to the good version, so it went back".into()));
    }
    stage.shop.decide(Action::Approve, None).await?;
    let promoted =
        |journal: &Journal| (journal.live() == Some(candidate) && !journal.is_split()).then_some(());
    observer.until("promotion", PROMOTED, |journal| unless_rejected(journal, candidate, promoted)).await??;
    Ok(())
}

/// Applies a version and gives the revision that it is tried as.
async fn release(stage: &Stage<'_>, version: &str) -> Result<String> {
    let before = stage.observer.look(|journal| journal.live().map(str::to_owned));
    stage.shop.release(version).await?;
    let candidate = |journal: &Journal| {
        let candidate = journal.candidate().filter(|_| journal.is_current())?;
        (Some(candidate) != before.as_deref()).then(|| candidate.to_owned())
    };
    stage.observer.until(&format!("{version} as candidate"), ANSWERED, candidate).await
}

async fn enough_requests(stage: &Stage<'_>, window: &Window) -> Result<()> {
    let counted = async || match window.requests(stage.record()) {
        requests if requests >= REQUESTS_AT_10 => Ok(()),
        requests => Err(format!("{requests} so far")),
    };
    Ok(teal_testbed::until(format!("{REQUESTS_AT_10} requests at 10 %"), GATE, counted).await?)
}

async fn asked(stage: &Stage<'_>, candidate: &str) -> Result<bool> {
    let (screen, question) =
        (stage.screen.clone(), format!("{GOOD} ({candidate}) has 10 % of the requests. Give it all?"));
    answered(move || screen.ask(&question, std::io::stdin().lock())).await
}

/// The answer of a question that may never be given. Ctrl-C gives the question up, and the runtime would wait for a blocking
/// task of its own until somebody types; a thread beside it ends with the process.
async fn answered(ask: impl FnOnce() -> bool + Send + 'static) -> Result<bool> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(ask()));
    answer.await.map_err(|error| Error::Unmet(format!("the question was not asked: {error}")))
}

fn at_10(journal: &Journal) -> Option<()> {
    (journal.candidate_weight() == Some(10)).then_some(())
}

fn gate_open(journal: &Journal) -> Option<()> {
    journal.status()?.gate.as_ref().map(|_| ())
}

/// Ends a wait at once where the candidate was sent back.
fn unless_rejected<T>(
    journal: &Journal,
    candidate: &str,
    find: impl Fn(&Journal) -> Option<T>,
) -> Option<Result<T>> {
    let rejected = journal.status().is_some_and(|status| status.rejected.iter().any(|one| one == candidate));
    if rejected {
        return Some(Err(Error::Unmet(format!("{candidate} was sent back: {}", journal.state()))));
    }
    find(journal).map(Ok)
}

async fn bad(stage: &Stage<'_>, summary: &mut Summary) -> Result<()> {
    let begun = Instant::now();
    let played = bad_until_back(stage, summary).await;
    let tally = stage.record().tally(begun, Instant::now());
    summary.bad.failed_requests_on_live = tally.failed() - tally.failed.get(BAD).copied().unwrap_or(0);
    played
}

async fn bad_until_back(stage: &Stage<'_>, summary: &mut Summary) -> Result<()> {
    let observer = &stage.observer;
    let live = observer.look(|journal| journal.live().map(str::to_owned));
    let candidate = release(stage, BAD).await?;
    let played = sent_back(stage, summary, &candidate, live.as_deref()).await;
    summary.bad.weights = observer.look(|journal| journal.shares_of(&candidate));
    played
}

async fn sent_back(
    stage: &Stage<'_>,
    summary: &mut Summary,
    candidate: &str,
    live: Option<&str>,
) -> Result<()> {
    let observer = &stage.observer;
    observer.until("10 % for the bad version", AT_10, at_10).await?;
    let failed = |journal: &Journal| journal.failed_verdict(candidate).map(|verdict| verdict.at);
    let verdict = observer.until("a failed check of the bad version", VERDICT, failed).await?;
    let taken = |journal: &Journal| {
        let mut changes = journal.shares.iter().filter(|share| share.revision == candidate);
        changes.next_back().filter(|share| share.percent == 0).map(|share| share.at)
    };
    let zero = observer.until("the bad version without traffic", BACK, taken).await?;
    summary.bad.ms_from_verdict_to_zero_weight = Some(millis(verdict, zero));
    let back = |journal: &Journal| {
        let rejected = journal.status()?.rejected.iter().any(|one| one == candidate);
        let restored = journal.virtual_service.as_ref() == Some(&stage.owners);
        (rejected && restored && journal.live() == live).then_some(())
    };
    observer.until("everything as it was before the bad version", BACK, back).await?;
    summary.bad.rolled_back = true;
    let last = stage.record().last_answer(BAD, verdict, Instant::now());
    summary.bad.ms_from_verdict_to_zero_traffic = Some(last.map_or(0, |last| millis(verdict, last)));
    Ok(())
}

fn millis(from: Instant, until: Instant) -> u64 {
    u64::try_from(until.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_interrupt_ends_the_demo_although_nobody_has_answered() {
        let (nobody, answer) = mpsc::channel::<bool>();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let (asking, asked) = tokio::sync::oneshot::channel();
            let question = answered(move || asking.send(()).is_ok() && answer.recv().unwrap_or_default());
            runtime.block_on(async {
                tokio::select! {
                    _ = question => unreachable!("nobody answers"),
                    // In the place of Ctrl-C, which comes after the question.
                    _ = asked => {}
                }
            });
            drop(runtime);
            ended.send(()).unwrap();
        });
        end.recv_timeout(Duration::from_secs(10)).expect("the runtime ends");
        drop(nobody);
    }

    #[test]
    fn an_answer_is_what_was_said() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert!(runtime.block_on(answered(|| true)).unwrap());
        assert!(!runtime.block_on(answered(|| false)).unwrap());
    }
}
