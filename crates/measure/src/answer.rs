//! What Prometheus says, read into an [`Outcome`].

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use teal_judge::{Outcome, Problem, ProblemKind};

/// The frame of every answer of Prometheus' HTTP API.
#[derive(Deserialize)]
struct Frame {
    status: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    /// VictoriaMetrics says so where some of its storage is away.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Scalar(Point),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    value: Option<Point>,
}

/// An instant and a number, which comes as text because JSON has neither NaN nor infinity.
#[derive(Deserialize)]
struct Point(IgnoredAny, String);

/// Reads an answer. `status` is the HTTP status, `source` the name in messages; `redact` takes
/// secrets out of texts that come from the other end, which knows them.
pub(crate) fn read(source: &str, status: u16, body: &[u8], redact: impl Fn(&str) -> String) -> Outcome {
    let is_success = (200..300).contains(&status);
    let frame = match serde_json::from_slice::<Frame>(body) {
        Ok(frame) => frame,
        Err(_) if !is_success => return Outcome::Error(bad_status(source, status)),
        Err(_) => return Outcome::Error(garbled(source, body)),
    };
    match frame {
        Frame { is_partial: true, .. } => Outcome::Error(partial(source)),
        Frame { status: said, data: Some(data), .. } if is_success && said == "success" => {
            number(source, data).unwrap_or_else(Outcome::Error)
        }
        Frame { status: said, error_type, error, .. } if said == "error" => {
            Outcome::Error(refusal(source, status, &error_type, &redact(&error)))
        }
        _ if !is_success => Outcome::Error(bad_status(source, status)),
        _ => Outcome::Error(garbled(source, body)),
    }
}

fn number(source: &str, data: Data) -> Result<Outcome, Problem> {
    let invalid = |what: &str| Problem::new(ProblemKind::QueryInvalid, format!("the query answers {what}"));
    match data {
        Data::Scalar(point) => value(source, &point),
        Data::Vector(mut series) => match (series.pop(), series.len()) {
            (None, _) => Ok(Outcome::NoData),
            (Some(Series { value: Some(point) }), 0) => value(source, &point),
            (Some(Series { value: None }), 0) => {
                Err(invalid("a histogram and not a number: take a quantile or a rate of it"))
            }
            (Some(_), others) => Err(Problem::new(
                ProblemKind::SeveralSeries,
                format!(
                    "the query answers {} series and not one: aggregate it, for example with sum()",
                    others + 1
                ),
            )),
        },
        Data::Matrix(_) => Err(invalid("a range and not a number: put it into a function such as rate()")),
        Data::String(_) => Err(invalid("a text and not a number")),
    }
}

fn value(source: &str, Point(_, text): &Point) -> Result<Outcome, Problem> {
    text.parse().map(Outcome::from_value).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Problem::new(
            ProblemKind::Garbled,
            format!("source {source} answered {shown:?}, which is not a number"),
        )
    })
}

/// An error that Prometheus itself reports. Its text is about the query, so its author may see it.
fn refusal(source: &str, status: u16, error_type: &str, error: &str) -> Problem {
    match error_type {
        // `execution` is what a query meets that is well formed and can't be carried out, such as
        // series that match twice: it too is mended in the query.
        "bad_data" | "execution" => {
            Problem::new(ProblemKind::QueryInvalid, format!("source {source} refuses the query: {error}"))
        }
        "timeout" | "canceled" => {
            Problem::new(ProblemKind::Timeout, format!("source {source} gave up on the query: {error}"))
        }
        _ => bad_status(source, status),
    }
}

fn bad_status(source: &str, status: u16) -> Problem {
    let (kind, remedy) = match status {
        300..=399 => {
            (ProblemKind::BadStatus, "redirects are not followed: set the source's url to where it leads")
        }
        401 | 403 => (ProblemKind::Denied, "Teal is not let in: check the source's credentials"),
        404 | 405 => (ProblemKind::BadStatus, "no Prometheus API is there: check the source's url"),
        408 | 504 => (ProblemKind::Timeout, "it had no answer in time"),
        429 => (ProblemKind::BadStatus, "it is asked too much"),
        _ => (ProblemKind::BadStatus, "see the log of the source"),
    };
    Problem::new(kind, format!("source {source} answered HTTP status {status}: {remedy}"))
}

/// What is missing may be what would have failed.
fn partial(source: &str) -> Problem {
    let said =
        format!("source {source} answered from a part of its data alone: see which of its storage is away");
    Problem::new(ProblemKind::BadStatus, said)
}

/// The body is never quoted: it may come from anything, and the message is shown to anyone.
fn garbled(source: &str, body: &[u8]) -> Problem {
    let what = match serde_json::from_slice::<Value>(body) {
        Ok(_) => "JSON that isn't Prometheus'",
        Err(_) if body.is_empty() => "nothing",
        Err(_) => "something that isn't JSON",
    };
    Problem::new(ProblemKind::Garbled, format!("source {source} answered {what}: check the source's url"))
}
