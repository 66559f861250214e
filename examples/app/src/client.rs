//! The modes that call others: worker, tick, get.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Method, Response};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::queue::{Message, Report};
use crate::{AppError, Settings};

/// Bound of every request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests to the queue or to any URL.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client,
}

impl Caller {
    /// A client with a bound on every request, deaf to proxy variables.
    pub fn new() -> Result<Self, AppError> {
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build().map_err(AppError::Client)?;
        Ok(Self { client })
    }

    async fn call(&self, method: Method, url: &str, query: &impl Serialize) -> Result<Response, AppError> {
        let verb = if method == Method::GET { "GET" } else { "POST" };
        let failed = |source| AppError::Request { verb, url: url.to_owned(), source };
        let answer = self.client.request(method, url).query(query).send().await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(AppError::Answer { verb, url: url.to_owned(), status: status.as_u16() })
    }

    /// The body of a successful answer.
    pub async fn get(&self, url: &str) -> Result<String, AppError> {
        let failed = |source| AppError::Request { verb: "GET", url: url.to_owned(), source };
        self.call(Method::GET, url, &()).await?.text().await.map_err(failed)
    }

    async fn take(&self, queue: &str) -> Result<Option<Message>, AppError> {
        let url = format!("{queue}/take");
        let answer = self.call(Method::POST, &url, &()).await?;
        if answer.status() == reqwest::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        answer.json().await.map(Some).map_err(|source| AppError::Request { verb: "POST", url, source })
    }
}

fn queue_url(settings: &Settings) -> Result<&str, AppError> {
    let missing = AppError::Missing { name: "QUEUE_URL", why: "worker and tick report to the queue there" };
    settings.queue_url.as_deref().ok_or(missing)
}

/// Takes messages one after another until `end`; a message that was taken is finished first.
pub async fn work(settings: &Settings, end: &CancellationToken) -> Result<(), AppError> {
    let (caller, queue) = (Caller::new()?, queue_url(settings)?);
    while !end.is_cancelled() {
        match caller.take(queue).await {
            Ok(Some(message)) => handle(settings, &caller, queue, &message).await,
            Ok(None) => pause(settings.poll_interval, end).await,
            Err(error) => {
                tracing::warn!(%error, "can't take");
                pause(settings.poll_interval, end).await;
            }
        }
    }
    Ok(())
}

/// Does the work of one message and acknowledges it once: if the answer is lost, the queue hands it out again.
async fn handle(settings: &Settings, caller: &Caller, queue: &str, message: &Message) {
    tokio::time::sleep(settings.work_time).await;
    let report = Report::by(&settings.identity, message.id);
    if let Err(error) = caller.call(Method::POST, &format!("{queue}/ack"), &report).await {
        tracing::warn!(%error, message.id, "can't acknowledge");
    }
}

async fn pause(time: Duration, end: &CancellationToken) {
    tokio::select! {
        () = end.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Reports one tick.
pub async fn tick(settings: &Settings) -> Result<(), AppError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let report = Report::by(&settings.identity, scheduled_minute(settings.job_name.as_deref(), now));
    let url = format!("{}/tick", queue_url(settings)?);
    Caller::new()?.call(Method::POST, &url, &report).await.map(drop)
}

/// Which tick this is: the minute at the end of the Job's name, where Kubernetes' `CronJob` controller writes the scheduled
/// time, so that a Job that starts late still names its own tick; else the minute it is.
fn scheduled_minute(job_name: Option<&str>, now: Duration) -> u64 {
    let named = job_name.and_then(|name| name.rsplit('-').next()).and_then(|end| end.parse().ok());
    named.unwrap_or(now.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_known_by_its_scheduled_minute() {
        let now = Duration::from_mins(2);
        for (name, minute) in
            [(Some("report-blue-29123456"), 29_123_456), (Some("report"), 2), (Some("a-b"), 2), (None, 2)]
        {
            assert_eq!(scheduled_minute(name, now), minute, "{name:?}");
        }
    }
}
