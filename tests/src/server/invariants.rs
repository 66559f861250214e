//! The history of the bed, held against the invariants.
//!
//! A deletion carries no writer, and tests of bad input write what only Teal may write, in its own annotations and status. So
//! the namespaces of tests are judged that do neither; they are known by what their names begin with.

use std::collections::BTreeSet;
use std::time::Duration;

use teal_testbed::Cluster;
use teal_testbed::history::{self as etcd, Version};

use super::say;
use crate::error::{Error, Result};
use crate::history::{History, Invariant, Options, Summary, check};

/// How long a color stays after its last share, as the tests of `cluster` configure Teal.
const DRAIN: Duration = Duration::from_secs(1);

/// The tests of `cluster` that are judged, by the names they give their benches. `repair` is not: two tests of that name
/// delete what serves with their own hands, and a deletion carries no writer.
const JUDGED: [&str; 39] = [
    "life",
    "rollback",
    "owner",
    "lost",
    "delete",
    "owned",
    "person",
    "newer",
    "cancel",
    "selector",
    "epoch",
    "off",
    "restart",
    "traffic",
    "gone",
    "plain",
    "work",
    "scaler",
    "job",
    "rule",
    "sidecar",
    "all",
    "lap-nodeport",
    "lap-loadbalancer",
    "lapback",
    "lostgone",
    "anew",
    "notours",
    "own-words",
    "follows",
    "restsize",
    "tensize",
    "fewer",
    "rejectsize",
    "shared",
    "sharedgone",
    "jobretry",
    "joblate",
    "again",
];

/// What these tests can't show: none of them waits for a span in which nothing happens.
const NEVER_SHOWN: [Invariant; 1] = [Invariant::I9];

/// Reads every version of every object from etcd and says what was found. Returns whether all invariants held. With `all`,
/// every test has run, and each name has to be there.
pub(super) async fn hold(cluster: &Cluster, all: bool) -> Result<bool> {
    let Some(address) = cluster.etcd.as_deref() else { return Ok(true) };
    let (versions, seen) = judged(etcd::read(address).await?);
    if let Some(gone) = JUDGED.iter().find(|name| all && !seen.contains(*name)) {
        return Err(Error::Unmet(format!("no test has a namespace {gone}-…: was it renamed?")));
    }
    // Tests stop Teal in the middle and take away what it needs, so the bound on going back isn't held.
    let options = Options { drain: DRAIN, healthy: false, ..Options::default() };
    let summary = check(&History::new(versions), &options);
    say(&format!("history: of {} tests on an API server", seen.len()));
    // Marked so that the summary of `cargo xtask test` takes them over.
    let lines = summary.to_string();
    lines.lines().for_each(|line| say(&format!("history: {}", line.trim_start_matches("history: "))));
    if all {
        shown(&summary)?;
    }
    Ok(summary.holds())
}

/// Refuses a whole run that shows nothing of an invariant: then the checker, or what it reads, is broken.
fn shown(summary: &Summary) -> Result<()> {
    let unjudged = summary.unjudged(&NEVER_SHOWN);
    if unjudged.is_empty() {
        return Ok(());
    }
    Err(Error::Unmet(format!("nothing was judged for {unjudged:?}: the history shows too little")))
}

/// The versions of objects in the namespaces that are judged and of those without one, and which names are there.
fn judged(versions: Vec<Version>) -> (Vec<Version>, BTreeSet<&'static str>) {
    let mut seen = BTreeSet::new();
    let judged = |version: &Version| {
        let name = JUDGED.into_iter().find(|name| is_of(&version.key.namespace, name));
        seen.extend(name);
        name.is_some() || version.key.namespace.is_empty()
    };
    (versions.into_iter().filter(judged).collect(), seen)
}

/// Benches add eight digits to their names.
fn is_of(namespace: &str, name: &str) -> bool {
    let digits = namespace.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| digits.len() == 8 && digits.chars().all(|one| one.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use teal_testbed::history::Key;

    use super::*;

    #[test]
    fn a_whole_run_with_an_empty_history_is_refused() {
        let empty = check(&History::default(), &Options::default());
        assert!(empty.holds(), "there is nothing to violate");
        let refused = shown(&empty).unwrap_err().to_string();
        assert!(refused.contains("I1,") && refused.contains("I15"), "{refused}");
        assert!(!refused.contains("I9"), "{refused}");
    }

    #[test]
    fn only_namespaces_of_the_tests_that_are_named_are_judged() {
        let version = |namespace: &str| {
            let key = Key {
                group: String::new(),
                resource: "pods".into(),
                namespace: namespace.into(),
                name: "a".into(),
            };
            Version { revision: 1, key, value: None }
        };
        let all = ["life-0a1b2c3d", "life-0a1b2c3d", "lifetime-0a1b2c3d", "life-x", "default", ""];
        let (versions, seen) = judged(all.into_iter().map(version).collect());
        assert_eq!(versions.len(), 3, "{versions:?}");
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["life"]);
    }
}
