//! The history of the bed, held against the invariants.
//!
//! Every test has a namespace of its own and is judged by it, but for those that do what can't be told from a fault of Teal's: a
//! deletion carries no writer, and some write what only Teal may write. They are named here.

use std::collections::BTreeSet;
use std::time::Duration;

use teal_testbed::Cluster;
use teal_testbed::history::{self as etcd, Version};

use crate::error::{Error, Result};
use crate::history::{History, Invariant, NOT_CHECKED, Options, Summary, check};

/// How long a color stays after its last share, as the tests of `cluster` configure Teal.
const DRAIN: Duration = Duration::from_secs(1);

/// Tests that are not judged, by the names they give their benches, each with why. Every other one is, also one that is new.
const NOT_JUDGED: [(&str, &str); 2] = [
    (
        "repair",
        "two tests of that name delete what serves with their own hands, and a deletion carries no writer",
    ),
    (
        "alone",
        "another hand leaves a route whose weights don't sum to 100, which Teal leads home with other bytes than it had",
    ),
];

/// What these tests can't show: none of them waits for a span in which nothing happens.
const NEVER_SHOWN: [Invariant; 1] = [Invariant::I9];

/// Reads every version of every object from etcd and says what was found. Returns whether all invariants held. With `all`,
/// every test has run, and each name has to be there.
pub(super) async fn hold(cluster: &Cluster, all: bool, say: impl Fn(&str)) -> Result<bool> {
    let Some(address) = cluster.etcd.as_deref() else {
        say(NOT_CHECKED);
        return Ok(true);
    };
    let Judged { versions, tests, passed_over } = judged(etcd::read(address).await?);
    if let Some((gone, _)) = NOT_JUDGED.iter().find(|(name, _)| all && !passed_over.contains(*name)) {
        return Err(Error::Unmet(format!("no test has a namespace {gone}-…: was it renamed?")));
    }
    // Tests stop Teal in the middle and take away what it needs, so the bound on going back isn't held.
    let options = Options { drain: DRAIN, healthy: false, ..Options::default() };
    let summary = check(&History::new(versions), &options);
    say(&format!(
        "history: of {} tests on an API server; {} are not judged, for the reasons in invariants.rs",
        tests.len(),
        passed_over.len()
    ));
    summary.to_string().lines().for_each(&say);
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

/// What is held against the invariants.
struct Judged {
    /// Of the tests that are judged, and of objects without a namespace.
    versions: Vec<Version>,
    /// The names of these tests.
    tests: BTreeSet<String>,
    /// The names of those that are not.
    passed_over: BTreeSet<&'static str>,
}

fn judged(versions: Vec<Version>) -> Judged {
    let (mut tests, mut passed_over) = (BTreeSet::new(), BTreeSet::new());
    let judged = |version: &Version| {
        let Some(name) = test_of(&version.key.namespace) else { return version.key.namespace.is_empty() };
        let exempt = NOT_JUDGED.iter().find(|(exempt, _)| *exempt == name);
        passed_over.extend(exempt.map(|(name, _)| *name));
        if exempt.is_none() && !tests.contains(name) {
            tests.insert(name.to_owned());
        }
        exempt.is_none()
    };
    let versions = versions.into_iter().filter(judged).collect();
    Judged { versions, tests, passed_over }
}

/// The test that a namespace is of: benches add eight digits to their names.
fn test_of(namespace: &str) -> Option<&str> {
    let (name, digits) = namespace.rsplit_once('-')?;
    (digits.len() == 8 && digits.chars().all(|one| one.is_ascii_hexdigit())).then_some(name)
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

    #[tokio::test]
    async fn where_no_etcd_can_be_read_it_is_said_that_nothing_was_held() {
        let theirs = Cluster::existing("/w/config".as_ref(), None, None);
        let said = std::cell::RefCell::new(Vec::new());
        let held = hold(&theirs, true, |line| said.borrow_mut().push(line.to_owned())).await;
        assert!(held.unwrap(), "it is no failure");
        assert_eq!(said.into_inner(), ["history: NOT CHECKED: the etcd of this cluster can't be read"]);
    }

    fn of(namespaces: &[&str]) -> Judged {
        let version = |namespace: &&str| {
            let key = Key {
                group: String::new(),
                resource: "pods".into(),
                namespace: (*namespace).to_owned(),
                name: "a".into(),
            };
            Version { revision: 1, key, value: None }
        };
        judged(namespaces.iter().map(version).collect())
    }

    #[test]
    fn every_test_is_judged_also_one_that_nobody_named() {
        let found = of(&["life-0a1b2c3d", "life-0a1b2c3d", "brand-new-0a1b2c3d", "life-x", "default", ""]);
        assert_eq!(found.versions.len(), 4, "{:?}", found.versions);
        assert_eq!(found.tests.into_iter().collect::<Vec<_>>(), ["brand-new", "life"]);
        assert!(found.passed_over.is_empty());
    }

    #[test]
    fn what_is_not_judged_is_named_once_with_its_reason() {
        let names: BTreeSet<&str> = NOT_JUDGED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), NOT_JUDGED.len());
        assert!(NOT_JUDGED.iter().all(|(_, why)| why.contains(' ')));
        let namespaces: Vec<String> = names.iter().map(|name| format!("{name}-0a1b2c3d")).collect();
        let found = of(&namespaces.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(found.versions.is_empty() && found.tests.is_empty());
        assert_eq!(found.passed_over, names);
    }
}
