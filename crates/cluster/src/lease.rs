//! The leader lease: who acts, so that two don't do the same work. Safety never rests on it: every write has a
//! precondition of its own.
//!
//! As client-go does, the holder's clock is never read: a lease has lapsed when *this* process has seen no renewal for
//! its whole duration.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use serde_json::{Value, json};
use teal_api::names::manager;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Target};
use crate::error::{Class, Error};
use crate::json;

/// How the lease is used.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Where it lies.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who this process is.
    pub identity: String,
    /// How long it holds without renewal.
    pub duration: Duration,
    /// Time between renewals.
    pub renew: Duration,
}

/// Time between looks at whether the caches are warm, after which a free lease is taken at once.
const WARMS: Duration = Duration::from_millis(20);

/// The shortest time between a try that failed and the next one.
const AGAIN: Duration = Duration::from_secs(1);

/// What fails: it is said once, and once more when it works again.
#[derive(Default)]
struct Trouble {
    /// How often in a row.
    failures: u32,
    /// When the last of them was.
    at: Option<Instant>,
}

impl Trouble {
    fn fails(&mut self, what: &str, error: &dyn std::fmt::Display) {
        if self.failures == 0 {
            tracing::warn!(%error, "the lease can't be {what}");
        } else {
            tracing::debug!(%error, "the lease still can't be {what}");
        }
        (self.failures, self.at) = (self.failures.saturating_add(1), Some(Instant::now()));
    }

    fn works(&mut self, what: &str) {
        if std::mem::take(self).failures > 0 {
            tracing::info!("the lease can be {what} again");
        }
    }

    /// Time until the next try, which comes sooner where less is left until it is too late.
    fn pause(&self, most: Duration, left: Duration) -> Duration {
        let Some(at) = self.at else { return Duration::ZERO };
        let doubled = AGAIN.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        doubled.min(most).min(left / 2).max(AGAIN).saturating_sub(at.elapsed())
    }
}

/// A lease as it was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Observed {
    holder: String,
}

/// What to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    /// Take it: nobody has it, or it has lapsed.
    Acquire,
    /// It is ours: keep it.
    Renew,
    /// Another one has it.
    Wait,
    /// It was ours and could not be renewed in time: stop acting.
    Yield,
}

/// Decides by what was seen and since when by this process's own clock.
fn decide(
    observed: Option<&Observed>,
    identity: &str,
    unchanged_for: Duration,
    duration: Duration,
    leads: bool,
) -> Move {
    match observed {
        None => Move::Acquire,
        Some(lease) if lease.holder == identity => {
            if leads && unchanged_for >= duration {
                Move::Yield
            } else {
                Move::Renew
            }
        }
        Some(lease) if lease.holder.is_empty() || unchanged_for >= duration => Move::Acquire,
        Some(_) if leads => Move::Yield,
        Some(_) => Move::Wait,
    }
}

/// Whether this process leads.
#[derive(Clone)]
pub(crate) struct Leadership(watch::Receiver<bool>);

impl Leadership {
    /// For a process that is alone by configuration.
    pub(crate) fn always() -> Self {
        let (keep, leads) = watch::channel(true);
        // The value stays readable without its sender.
        drop(keep);
        Self(leads)
    }

    pub(crate) fn is_leader(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it changes.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The loop that holds the lease. Others' renewals come by a watch, so that standing by costs no requests and a lease
/// that is let go is taken at once.
pub(crate) struct Holder {
    access: Arc<Access>,
    config: LeaseConfig,
    /// Whether this process could act at once. One that can't must not keep those away that can.
    warm: Box<dyn Fn() -> bool + Send + Sync>,
    /// It would take the lease, and isn't warm yet.
    cold: bool,
    leads: watch::Sender<bool>,
    /// As it was seen last.
    there: Option<Value>,
    /// Whether it was looked for at all.
    known: bool,
    since: Instant,
    /// What writing it met.
    writes: Trouble,
    /// What watching it met.
    watches: Trouble,
}

impl Holder {
    pub(crate) fn new(
        access: Arc<Access>,
        config: LeaseConfig,
        warm: impl Fn() -> bool + Send + Sync + 'static,
    ) -> (Self, Leadership) {
        let (leads, reader) = watch::channel(false);
        let warm = Box::new(warm);
        let (there, known, since) = (None, false, Instant::now());
        let (writes, watches) = (Trouble::default(), Trouble::default());
        let this = Self { access, config, warm, cold: false, leads, there, known, since, writes, watches };
        (this, Leadership(reader))
    }

    /// Holds or waits until told to stop, then lets go so that the next one need not wait.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.access.client(), &self.config.namespace, &resource());
        let mut changes = watch_object(api, &self.config.name).default_backoff().boxed();
        loop {
            tokio::select! {
                Some(change) = changes.next() => self.see(change),
                () = tokio::time::sleep(self.pause()) => {}
                () = stop.cancelled() => break,
            }
            if self.known
                && let Err(error) = self.turn().await
            {
                self.writes.fails("written", &error);
                self.yield_when_late();
            }
        }
        self.vacate().await;
    }

    /// Time to the next renewal, or to the moment at which another's lease has lapsed; after a failure, to the next try, or to
    /// the moment at which ours has.
    fn pause(&self) -> Duration {
        if self.cold {
            return WARMS;
        }
        let leads = *self.leads.borrow();
        let since = self.since.elapsed();
        let left = if leads { self.config.renew } else { self.config.duration }.saturating_sub(since);
        let next = match self.waits() {
            Duration::ZERO => left,
            again if leads => again.min(self.left()),
            again => again,
        };
        next.max(Duration::from_millis(100))
    }

    /// Time until the lease may be written again.
    fn waits(&self) -> Duration {
        let left = if *self.leads.borrow() { self.left() } else { self.config.duration };
        self.writes.pause(self.config.renew, left)
    }

    /// Time until the lease has lapsed.
    fn left(&self) -> Duration {
        self.config.duration.saturating_sub(self.since.elapsed())
    }

    fn see(&mut self, change: Result<Option<DynamicObject>, watcher::Error>) {
        let change = match change {
            Ok(change) => change,
            Err(error) => return self.watches.fails("watched", &error),
        };
        self.watches.works("watched");
        let there = change.and_then(|object| serde_json::to_value(object).ok());
        // News of our own writes come late.
        let version = |lease: &Option<Value>| lease.as_ref().map_or(0, json::version);
        if there.is_some() && version(&there) <= version(&self.there) {
            self.known = true;
            return;
        }
        self.take(there);
    }

    fn take(&mut self, there: Option<Value>) {
        (self.there, self.known, self.since) = (there, true, Instant::now());
    }

    async fn turn(&mut self) -> Result<(), Error> {
        let observed = self
            .there
            .as_ref()
            .map(|lease| Observed { holder: json::text(lease, "/spec/holderIdentity").to_owned() });
        let leads = *self.leads.borrow();
        let since = self.since.elapsed();
        let next = decide(observed.as_ref(), &self.config.identity, since, self.config.duration, leads);
        self.cold = !leads && matches!(next, Move::Acquire | Move::Renew) && !(self.warm)();
        match next {
            Move::Renew if leads && since < self.config.renew => {}
            Move::Acquire | Move::Renew if self.cold || !self.waits().is_zero() => {}
            Move::Acquire | Move::Renew => self.hold().await?,
            Move::Wait => {}
            Move::Yield => self.set(false),
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<Value>, Error> {
        let resource = resource();
        self.access.get(self.target(&resource)).await
    }

    fn target<'a>(&'a self, resource: &'a kube::core::ApiResource) -> Target<'a> {
        Target { resource, namespace: &self.config.namespace, name: &self.config.name }
    }

    /// Writes ourselves in, on the very version that was read: of two who try, one fails.
    async fn hold(&mut self) -> Result<(), Error> {
        let now = jiff::Timestamp::now();
        let now = format!("{now:.6}");
        let resource = resource();
        let mut lease = self.there.clone().unwrap_or_else(|| {
            json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.config.name, "namespace": self.config.namespace},
                "spec": {},
            })
        });
        let is_new = lease.pointer("/metadata/uid").is_none();
        if json::text(&lease, "/spec/holderIdentity") != self.config.identity {
            let transitions = lease.pointer("/spec/leaseTransitions").and_then(Value::as_i64).unwrap_or(0);
            lease["spec"]["acquireTime"] = json!(now);
            lease["spec"]["leaseTransitions"] = json!(transitions + i64::from(!is_new));
        }
        lease["spec"]["holderIdentity"] = json!(self.config.identity);
        lease["spec"]["leaseDurationSeconds"] = json!(self.config.duration.as_secs().max(1));
        lease["spec"]["renewTime"] = json!(now);
        let target = self.target(&resource);
        let written = if is_new {
            self.access.create(target, manager::LEASE, &lease).await
        } else {
            self.access.replace(target, manager::LEASE, &lease).await
        };
        match written {
            Ok(answer) => {
                self.writes.works("written");
                self.take(Some(answer));
            }
            Err(error) if error.class() == Class::Conflict => {
                // Somebody was faster; what they wrote counts from now.
                let there = self.read().await?;
                if is_new && there.is_none() {
                    // Nobody was: there is no namespace to make it in.
                    return Err(error);
                }
                self.writes.works("written");
                self.take(there);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.set(true);
        Ok(())
    }

    /// Without an answer for the whole duration somebody else may lead by now.
    fn yield_when_late(&self) {
        if *self.leads.borrow() && self.since.elapsed() >= self.config.duration {
            self.set(false);
        }
    }

    fn set(&self, leads: bool) {
        let changed = self.leads.send_if_modified(|now| std::mem::replace(now, leads) != leads);
        if changed {
            tracing::info!(leads, lease = %self.config.name, identity = %self.config.identity, "leadership");
        }
    }

    async fn vacate(&mut self) {
        if !*self.leads.borrow() {
            return;
        }
        self.set(false);
        let Ok(Some(mut lease)) = self.read().await else { return };
        if json::text(&lease, "/spec/holderIdentity") != self.config.identity {
            return;
        }
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        let resource = resource();
        if let Err(error) = self.access.replace(self.target(&resource), manager::LEASE, &lease).await {
            tracing::debug!(%error, "the lease could not be let go");
        }
    }
}

fn resource() -> kube::core::ApiResource {
    kube::core::ApiResource::erase::<k8s_openapi::api::coordination::v1::Lease>(&())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves() {
        let lease = |holder: &str| Some(Observed { holder: holder.into() });
        let seconds = Duration::from_secs;
        for (what, observed, unchanged, leads, expected) in [
            ("there is none", None, 0, false, Move::Acquire),
            ("it is let go", lease(""), 0, false, Move::Acquire),
            ("another holds it", lease("b"), 3, false, Move::Wait),
            ("another's has lapsed", lease("b"), 15, false, Move::Acquire),
            ("it is ours", lease("a"), 3, true, Move::Renew),
            ("ours from before a restart", lease("a"), 20, false, Move::Renew),
            ("another took it", lease("b"), 0, true, Move::Yield),
            ("ours was not renewed in time", lease("a"), 15, true, Move::Yield),
        ] {
            let found = decide(observed.as_ref(), "a", seconds(unchanged), seconds(15), leads);
            assert_eq!(found, expected, "{what}");
        }
    }
}
