//! Where the time of a single write of a user's goes: the operator's requests as the API server's audit log has them, laid
//! beside the versions in etcd. What lies between them is the operator's own work, watches, and waits that are meant.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use teal_testbed::audit::Request;

use super::apps::PREFIX;
use super::statistics::{median, milliseconds, percentile, rounded};

/// How long before its version stood in etcd a user's own request may have come.
const OWN_REQUEST: Duration = Duration::from_secs(1);

/// A write of a user's with nothing else under way for the same application.
#[derive(Clone, Debug)]
pub(super) struct Single {
    /// The application.
    pub(super) app: String,
    /// The resource that the user wrote.
    pub(super) resource: &'static str,
    /// When its version stood in etcd.
    pub(super) begun: Timestamp,
    /// How long after that the effect stood there.
    pub(super) took: Duration,
    /// What stood there on the way, and how long after the beginning.
    pub(super) marks: Vec<(&'static str, Duration)>,
}

/// The time of many such writes, of each part the median.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Profile {
    /// What was measured.
    pub(super) name: &'static str,
    /// How often.
    pub(super) samples: usize,
    /// From version to version in etcd.
    pub(super) took_ms: Option<f64>,
    /// Of that with a request of the operator's at the API server.
    pub(super) in_requests_ms: Option<f64>,
    /// Of that with none.
    pub(super) between_ms: Option<f64>,
    /// What was seen, in order.
    pub(super) rows: Vec<Row>,
}

/// A request, or a version in etcd.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// When it begins, counted from the version of the user's write in etcd.
    pub(super) starts_ms: f64,
    /// What it is.
    pub(super) what: String,
    /// How long the API server has to do with it; absent for what is only seen.
    pub(super) takes_ms: Option<f64>,
    /// In how many samples it is.
    pub(super) seen: usize,
}

/// One of them in one sample.
struct Piece {
    what: String,
    starts_ms: f64,
    takes_ms: Option<f64>,
    is_operators: bool,
}

/// A request with its times read.
struct Timed<'a> {
    came: Timestamp,
    answered: Timestamp,
    request: &'a Request,
}

/// Lays the requests of the operator and of the person beside the single writes.
pub(super) fn profile(
    name: &'static str,
    singles: &[Single],
    requests: &[Request],
    operator: &str,
    person: &str,
) -> Profile {
    let mut timed: Vec<Timed<'_>> = requests.iter().filter_map(timed).collect();
    timed.sort_unstable_by_key(|one| one.came);
    let pieces: Vec<Vec<Piece>> =
        singles.iter().map(|single| pieces(single, &timed, operator, person)).collect();
    let in_requests: Vec<f64> =
        singles.iter().zip(&pieces).map(|(single, pieces)| covered(pieces, ms(single.took))).collect();
    let between: Vec<f64> = singles
        .iter()
        .zip(&in_requests)
        .map(|(single, covered)| rounded(ms(single.took) - covered))
        .collect();
    let took: Vec<Duration> = singles.iter().map(|single| single.took).collect();
    Profile {
        name,
        samples: singles.len(),
        took_ms: percentile(&took, 50).map(milliseconds),
        in_requests_ms: median(&in_requests),
        between_ms: median(&between),
        rows: rows(&pieces),
    }
}

fn timed(request: &Request) -> Option<Timed<'_>> {
    let came = request.request_received_timestamp.parse().ok()?;
    Some(Timed { came, answered: request.stage_timestamp.parse().ok()?, request })
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn since(begun: Timestamp, at: Timestamp) -> f64 {
    (at - begun).total(jiff::Unit::Millisecond).unwrap_or_default()
}

/// Everything of one sample, in order of time.
fn pieces(single: &Single, timed: &[Timed<'_>], operator: &str, person: &str) -> Vec<Piece> {
    let ended = ms(single.took);
    let window = timed.partition_point(|one| since(single.begun, one.came) < -ms(OWN_REQUEST));
    let window = timed.iter().skip(window).take_while(|one| since(single.begun, one.came) <= ended);
    let mut pieces: Vec<Piece> = window
        .filter_map(|one| {
            let starts_ms = since(single.begun, one.came);
            let takes_ms = since(one.came, one.answered);
            let is_operators = one.request.user.username == operator;
            let belongs = if is_operators {
                starts_ms >= 0.0 && is_of(one.request, &single.app)
            } else {
                // Of the person's requests the one whose version begins the time.
                one.request.user.username == person && begins(one.request, single, starts_ms, takes_ms)
            };
            let who = if is_operators { "" } else { "the person's " };
            let what = format!("{who}{}", label(one.request));
            belongs.then_some(Piece { what, starts_ms, takes_ms: Some(takes_ms), is_operators })
        })
        .collect();
    let marks = single.marks.iter().map(|(what, after)| (*what, *after));
    let marks = marks.chain([("the effect is in etcd", single.took)]).map(|(what, after)| Piece {
        what: what.to_owned(),
        starts_ms: ms(after),
        takes_ms: None,
        is_operators: false,
    });
    pieces.extend(marks);
    pieces.sort_by(|one, other| one.starts_ms.total_cmp(&other.starts_ms));
    numbered(&mut pieces);
    pieces
}

fn begins(request: &Request, single: &Single, starts_ms: f64, takes_ms: f64) -> bool {
    // Its version stands in etcd before it is answered, give or take what the watch needs.
    let is_write = !matches!(request.verb.as_str(), "get" | "list" | "watch");
    let resource = request.object_ref.as_ref().map(|reference| reference.resource.as_str());
    is_write && resource == Some(single.resource) && starts_ms <= 0.0 && starts_ms + takes_ms >= -1.0
}

fn is_of(request: &Request, app: &str) -> bool {
    let (name, resource) =
        request.object_ref.as_ref().map_or(("", ""), |reference| (&*reference.name, &*reference.resource));
    // A list has no name but may select by one; what names no application at all is asked for the one at work.
    let names = |part: &str| name.contains(part) || request.uri.contains(part);
    (names(app) || !names(PREFIX)) && request.verb != "watch" && resource != "leases"
}

/// Its verb and resource, which of two Services, and the answer if it is an error.
fn label(request: &Request) -> String {
    let name = request.object_ref.as_ref().map_or("", |reference| reference.name.as_str());
    let role = if name.ends_with("-candidate") { " of the candidate" } else { "" };
    let code = request.response_status.as_ref().map(|status| status.code).filter(|code| *code >= 400);
    let code = code.map(|code| format!(": {code}")).unwrap_or_default();
    format!("{} {}{role}{code}", request.verb, request.key().resource)
}

/// Tells apart what is asked several times.
fn numbered(pieces: &mut [Piece]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for piece in pieces {
        let count = counts.entry(piece.what.clone()).or_default();
        *count += 1;
        if *count > 1 {
            piece.what = format!("{} ({count})", piece.what);
        }
    }
}

/// Milliseconds up to the end in which at least one request of the operator's is under way.
fn covered(pieces: &[Piece], ended: f64) -> f64 {
    let (mut covered, mut until) = (0.0, 0.0_f64);
    for piece in pieces.iter().filter(|piece| piece.is_operators) {
        let end = (piece.starts_ms + piece.takes_ms.unwrap_or_default()).min(ended);
        covered += (end - piece.starts_ms.max(until)).max(0.0);
        until = until.max(end);
    }
    rounded(covered)
}

fn rows(samples: &[Vec<Piece>]) -> Vec<Row> {
    let mut by_what: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for piece in samples.iter().flatten() {
        let (starts, takes) = by_what.entry(&piece.what).or_default();
        starts.push(piece.starts_ms);
        takes.extend(piece.takes_ms);
    }
    let mut rows: Vec<Row> = by_what
        .into_iter()
        .map(|(what, (starts, takes))| Row {
            starts_ms: median(&starts).unwrap_or_default(),
            what: what.to_owned(),
            takes_ms: median(&takes),
            seen: starts.len(),
        })
        .collect();
    rows.sort_by(|one, other| one.starts_ms.total_cmp(&other.starts_ms));
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const BEGUN: &str = "2026-11-26T12:00:01.000000Z";

    fn request(user: &str, verb: &str, resource: &str, name: &str, came: f64, takes: f64) -> Request {
        let begun: Timestamp = BEGUN.parse().unwrap();
        let at = |ms: f64| {
            let at = begun + jiff::SignedDuration::from_secs_f64(ms / 1000.0);
            at.to_string()
        };
        let code = if verb == "create" { 409 } else { 200 };
        let value: Value = json!({
            "verb": verb, "requestURI": format!("/x/{name}"), "user": {"username": user},
            "objectRef": {"resource": resource, "name": name}, "responseStatus": {"code": code},
            "requestReceivedTimestamp": at(came), "stageTimestamp": at(came + takes),
        });
        serde_json::from_value(value).unwrap()
    }

    fn single(took: u64) -> Single {
        Single {
            app: "app-00001".into(),
            resource: "decisions",
            begun: BEGUN.parse().unwrap(),
            took: Duration::from_millis(took),
            marks: vec![("half way", Duration::from_millis(9))],
        }
    }

    fn example() -> Profile {
        let requests = [
            request("me", "patch", "decisions", "d-1", -2.0, 3.0),
            request("me", "patch", "decisions", "of an earlier one", -300.0, 3.0),
            request("teal", "patch", "rollouts", "app-00001", 4.0, 6.0),
            request("teal", "list", "resourcequotas", "", 5.0, 1.0),
            request("teal", "update", "leases", "teal", 5.0, 1.0),
            request("teal", "get", "virtualservices", "app-00001", 12.0, 2.0),
            request("teal", "list", "endpointslices", "app-00001-candidate", 13.0, 3.0),
            request("teal", "patch", "rollouts", "app-00002", 13.0, 3.0),
            request("teal", "watch", "rollouts", "app-00001", 13.0, 3.0),
            request("scheduler", "patch", "pods", "app-00001", 13.0, 3.0),
            request("teal", "patch", "rollouts", "app-00001", 18.0, 6.0),
            request("teal", "patch", "decisions", "app-00001", 30.0, 6.0),
        ];
        profile("approve", &[single(20)], &requests, "teal", "me")
    }

    #[test]
    fn each_request_of_the_operators_stands_where_it_began() {
        let profile = example();
        let rows: Vec<(f64, &str, Option<f64>)> =
            profile.rows.iter().map(|row| (row.starts_ms, row.what.as_str(), row.takes_ms)).collect();
        let expected = [
            (-2.0, "the person's patch decisions", Some(3.0)),
            (4.0, "patch rollouts", Some(6.0)),
            (5.0, "list resourcequotas", Some(1.0)),
            (9.0, "half way", None),
            (12.0, "get virtualservices", Some(2.0)),
            (13.0, "list endpointslices of the candidate", Some(3.0)),
            (18.0, "patch rollouts (2)", Some(6.0)),
            (20.0, "the effect is in etcd", None),
        ];
        assert_eq!(rows, expected, "neither others' requests nor those after the effect");
    }

    #[test]
    fn requests_at_the_same_time_count_once_and_only_until_the_effect() {
        let profile = example();
        assert_eq!(profile.in_requests_ms, Some(6.0 + 4.0 + 2.0));
        assert_eq!((profile.took_ms, profile.between_ms), (Some(20.0), Some(8.0)));
    }

    #[test]
    fn parts_are_medians_and_say_in_how_many_samples_they_are() {
        let later = |seconds: i64| Single {
            begun: single(0).begun + jiff::SignedDuration::from_secs(seconds),
            marks: Vec::new(),
            ..single(20)
        };
        let requests = [
            request("teal", "patch", "rollouts", "app-00001", 4.0, 6.0),
            request("teal", "patch", "rollouts", "app-00001", 10_006.0, 8.0),
            request("teal", "patch", "rollouts", "app-00001", 20_005.0, 7.0),
            request("teal", "create", "services", "app-00001", 20_015.0, 7.0),
        ];
        let singles = [later(0), later(10), later(20)];
        let profile = profile("approve", &singles, &requests, "teal", "me");
        let row = |what: &str| profile.rows.iter().find(|row| row.what == what).cloned().unwrap();
        let patch = row("patch rollouts");
        assert_eq!((patch.starts_ms, patch.takes_ms, patch.seen), (5.0, Some(7.0), 3));
        assert_eq!(row("create services: 409").seen, 1, "an error is named with its code");
        assert_eq!(profile.samples, 3);
    }
}
