//! Waits for something to become true of one object, by a watch and with a bound.

use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt, pin_mut};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use teal_api::Rollout;

use crate::error::CliError;
use crate::find::clean;

/// How a wait ended.
#[derive(Debug)]
pub enum Waited<T> {
    /// It became true.
    Found(T),
    /// Not in time.
    TimedOut,
}

/// What can be waited for.
pub trait Awaited:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + 'static
{
}
impl Awaited for Rollout {}
impl Awaited for teal_api::Decision {}

/// Calls `look` with each version of the object until it finds what it looks for. Interrupted watches go on with a
/// growing pause; what a watch can't mend (no right to it, no such kind) ends the wait.
pub async fn wait<K: Awaited, T>(
    api: Api<K>,
    name: &str,
    bound: Duration,
    look: impl FnMut(&K) -> Result<Option<T>, CliError>,
) -> Result<Waited<T>, CliError> {
    let fields = format!("metadata.name={name}");
    let events = watcher(api, watcher::Config::default().fields(&fields)).default_backoff();
    let what = format!("{} {name}", K::kind(&()));
    match tokio::time::timeout(bound, follow(events, &what, look)).await {
        Ok(found) => found.map(Waited::Found),
        Err(_) => Ok(Waited::TimedOut),
    }
}

async fn follow<K: Awaited, T>(
    events: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>>,
    what: &str,
    mut look: impl FnMut(&K) -> Result<Option<T>, CliError>,
) -> Result<T, CliError> {
    pin_mut!(events);
    let gone = || CliError::Deleted { what: what.to_owned() };
    let mut listed = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listed = false,
            Ok(watcher::Event::InitDone) if !listed => return Err(gone()),
            Ok(watcher::Event::InitDone) => {}
            Ok(watcher::Event::Delete(_)) => return Err(gone()),
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                listed = true;
                if let Some(found) = look(&clean(object))? {
                    return Ok(found);
                }
            }
            Err(error) => lasting(what, error)?,
        }
    }
    Err(gone())
}

/// An error for what will not get better by watching again.
fn lasting(what: &str, error: watcher::Error) -> Result<(), CliError> {
    let source = match error {
        watcher::Error::InitialListFailed(source)
        | watcher::Error::WatchStartFailed(source)
        | watcher::Error::WatchFailed(source) => source,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::NoResourceVersion => return Ok(()),
    };
    match &source {
        kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404) => {
            Err(CliError::of_request(format!("waiting for {what}"), source))
        }
        _ => Ok(()),
    }
}
