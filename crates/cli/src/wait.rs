//! Waits for something to become true of one object, by a watch and with a bound.

use std::time::Duration;

use futures::{Stream, StreamExt, pin_mut};
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt, watcher};

use crate::connect::Cluster;
use crate::error::CliError;
use crate::find::Stored;

/// How a wait ended.
#[derive(Debug)]
pub enum Waited<T> {
    /// It became true.
    Found(T),
    /// Not in time.
    TimedOut,
}

/// Calls `look` with each version of the object until it finds what it looks for. Interrupted watches go on with a
/// growing pause; what a watch can't mend (no right to it, no such kind) ends the wait.
pub async fn wait<K: Stored, T>(
    cluster: &Cluster,
    name: &str,
    bound: Duration,
    look: impl FnMut(&K) -> Result<Option<T>, CliError>,
) -> Result<Waited<T>, CliError> {
    let fields = format!("metadata.name={name}");
    let events = watcher(cluster.stored::<K>(), watcher::Config::default().fields(&fields)).default_backoff();
    let what = format!("{} {name}", K::kind(&()));
    match tokio::time::timeout(bound, follow(events, &what, look)).await {
        Ok(found) => found.map(Waited::Found),
        Err(_) => Ok(Waited::TimedOut),
    }
}

async fn follow<K: Stored, T>(
    events: impl Stream<Item = Result<watcher::Event<DynamicObject>, watcher::Error>>,
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
                if let Some(found) = look(&K::read(object)?)? {
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
