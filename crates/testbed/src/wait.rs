//! Waiting for something to become true, with a bound.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(20);

/// Tries until an attempt succeeds. An attempt that fails says why, and the last
/// reason is in the error when the time is over.
pub async fn until<T>(
    what: impl Into<String>,
    within: Duration,
    mut attempt: impl AsyncFnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut last = String::from("no attempt ended");
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            // An attempt that fails at once never meets the timeout, so the time is looked at here too.
            Ok(Err(reason)) if Instant::now() < deadline => last = reason,
            Ok(Err(last)) => return Err(Error::Timeout { what: what.into(), within, last }),
            Err(_) => return Err(Error::Timeout { what: what.into(), within, last }),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_reason_is_told() {
        let error = until::<()>("a miracle", Duration::from_millis(50), async || Err("not yet".into())).await;
        assert_eq!(error.unwrap_err().to_string(), "a miracle not seen within 0.1 s: not yet");
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_ends_in_time() {
        let error =
            until::<()>("an answer", Duration::from_millis(50), async || std::future::pending().await).await;
        assert!(matches!(error, Err(Error::Timeout { .. })));
    }

    #[tokio::test]
    async fn the_value_of_the_first_success_is_given() {
        let mut count = 0;
        let counted = until("three", Duration::from_secs(5), async || {
            count += 1;
            if count == 3 { Ok(count) } else { Err(count.to_string()) }
        });
        assert_eq!(counted.await.unwrap(), 3);
    }
}
