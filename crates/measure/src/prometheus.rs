//! Asking one source one question.

use std::{error::Error as _, io::ErrorKind, path::Path, time::Duration};

use percent_encoding::percent_decode_str;
use reqwest::{Response, header::HeaderValue};
use teal_judge::{Outcome, Problem, ProblemKind, format_duration};
use tokio::io::AsyncReadExt as _;

use crate::{Source, answer};

/// Largest answer that is read, in bytes. One number needs a few hundred.
pub const LARGEST_ANSWER: usize = 1024 * 1024;

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// Largest file that is taken for a token.
const LARGEST_TOKEN: u64 = 16 * 1024;

impl Source {
    /// Asks for the value of a PromQL expression at an instant (milliseconds since 1970).
    ///
    /// Every failure is an [`Outcome::Error`] with a sentence for people that holds neither the
    /// source's address nor its credentials nor the body of a strange answer.
    pub async fn query(&self, promql: &str, at_ms: u64) -> Outcome {
        let outcome = match tokio::time::timeout(self.timeout, self.ask(promql, at_ms)).await {
            Ok(outcome) => outcome.unwrap_or_else(Outcome::Error),
            Err(_) => Outcome::Error(self.problem(
                ProblemKind::Timeout,
                &format!("gave no answer within {}", format_duration(milliseconds(self.timeout))),
            )),
        };
        tracing::debug!(source = self.name, at_ms, ?outcome, "asked");
        outcome
    }

    async fn ask(&self, promql: &str, at_ms: u64) -> Result<Outcome, Problem> {
        let token = self.token().await?;
        let mut request = self.client.post(self.endpoint.clone()).form(&[
            ("query", promql),
            ("time", &format!("{}.{:03}", at_ms / 1000, at_ms % 1000)),
            ("timeout", &format!("{}ms", milliseconds(self.timeout))),
            // Thanos and VictoriaMetrics answer from what they reach unless told otherwise; half the errors look fine.
            ("partial_response", "false"),
            ("deny_partial_response", "1"),
        ]);
        if let Some(token) = &token {
            request = request.header(reqwest::header::AUTHORIZATION, self.authorization(token)?);
        }
        let response = request.send().await.map_err(|error| self.failure(&error))?;
        let status = response.status().as_u16();
        let body = self.body(response).await?;
        Ok(answer::read(&self.name, status, &body, |text| self.redact(text, token.as_deref())))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Problem> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(self.problem(
                    ProblemKind::TooLarge,
                    "answered with more than 1 MiB: aggregate the query to one number, or check the source's url",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn token(&self) -> Result<Option<String>, Problem> {
        let Some(path) = &self.bearer_token_file else { return Ok(None) };
        let token = read_token(path).await.map_err(|error| {
            let reason = match error.kind() {
                ErrorKind::NotFound => "doesn't exist",
                ErrorKind::PermissionDenied => "may not be read",
                ErrorKind::InvalidData => "is empty or isn't text",
                _ => "can't be read",
            };
            self.problem(ProblemKind::SourceMisconfigured, &format!("has a bearerTokenFile that {reason}"))
        })?;
        Ok(Some(token))
    }

    fn authorization(&self, token: &str) -> Result<HeaderValue, Problem> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            self.problem(
                ProblemKind::SourceMisconfigured,
                "has a bearerTokenFile whose content can't be sent",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A failure on the way. Only the innermost cause is told: the outer ones name the URL.
    fn failure(&self, error: &reqwest::Error) -> Problem {
        if error.is_timeout() {
            return self.problem(ProblemKind::Timeout, "could not be reached in time");
        }
        let mut cause = error.source();
        while let Some(inner) = cause.and_then(std::error::Error::source) {
            cause = Some(inner);
        }
        let reason = cause
            .map_or_else(|| "no reason is known".to_owned(), |cause| self.redact(&cause.to_string(), None));
        let what = if error.is_connect() { "can't be reached" } else { "broke off its answer" };
        self.problem(ProblemKind::Unreachable, &format!("{what}: {reason}"))
    }

    fn problem(&self, kind: ProblemKind, what: &str) -> Problem {
        Problem::new(kind, format!("source {} {what}", self.name))
    }

    /// A text of the other end, without what only Teal and the source may know.
    fn redact(&self, text: &str, token: Option<&str>) -> String {
        let user_info = [self.endpoint.password().unwrap_or_default(), self.endpoint.username()];
        let decoded = user_info.map(|part| percent_decode_str(part).decode_utf8_lossy());
        let secrets = token.into_iter().chain(user_info).chain(decoded.iter().map(AsRef::as_ref));
        secrets
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
    }
}

async fn read_token(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    tokio::fs::File::open(path).await?.take(LARGEST_TOKEN).read_to_string(&mut text).await?;
    let token = text.trim();
    if token.is_empty() { Err(ErrorKind::InvalidData.into()) } else { Ok(token.to_owned()) }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
