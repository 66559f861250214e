//! Every version of what works for live alone: it wakes in live, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use teal_testbed::history::Version;

/// Holds the CronJobs and the workers of a namespace against the live color of their Rollout, version by version: each wakes only
/// while its color is live, never are two CronJobs awake, and both colors of each were awake at some time (`both`), or one.
pub(super) fn judge(versions: &[Version], namespace: &str, both: bool) -> Result<(), String> {
    let mut live: Option<String> = None;
    let mut awake: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let mut ever: BTreeSet<(&str, &str)> = BTreeSet::new();
    for version in versions.iter().filter(|one| one.key.namespace == namespace) {
        let (resource, name) = (version.key.resource.as_str(), version.key.name.as_str());
        if resource == "rollouts" {
            let color = version.value.as_ref().and_then(|value| value.pointer("/status/live/color"));
            live = color.and_then(Value::as_str).map(str::to_owned).or(live);
            continue;
        }
        let Some(wakes) = works(resource, name, version.value.as_ref()) else { continue };
        let slept = awake.insert((resource, name), wakes) != Some(true);
        if !wakes {
            continue;
        }
        ever.insert((resource, name));
        // The first version is installed before anything is live.
        let right = live.as_ref().is_none_or(|color| name.ends_with(color.as_str()));
        if slept && !right {
            return Err(format!("{name} wakes in revision {} while {live:?} is live", version.revision));
        }
        let now: Vec<&str> =
            awake.iter().filter(|(key, on)| **on && key.0 == "cronjobs").map(|(key, _)| key.1).collect();
        if now.len() > 1 {
            return Err(format!("both are awake in revision {}: {now:?}", version.revision));
        }
    }
    let wanted = if both { 4 } else { 2 };
    if ever.len() == wanted { Ok(()) } else { Err(format!("only these were ever awake: {ever:?}")) }
}

/// Whether an object works; nothing of what isn't meant here.
fn works(resource: &str, name: &str, value: Option<&Value>) -> Option<bool> {
    match resource {
        "cronjobs" => Some(value.is_some_and(|value| value["spec"]["suspend"] == json!(false))),
        "deployments" if name.starts_with("worker-") => {
            Some(value.is_some_and(|value| value["spec"]["replicas"] != json!(0)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use teal_testbed::history::Key;

    use super::*;

    fn version(revision: u64, resource: &str, name: &str, value: Value) -> Version {
        let key = Key {
            group: String::new(),
            resource: resource.into(),
            namespace: "work".into(),
            name: name.into(),
        };
        Version { revision, key, value: Some(value) }
    }

    fn live(revision: u64, color: &str) -> Version {
        version(revision, "rollouts", "web", json!({"status": {"live": {"color": color}}}))
    }

    fn cron(revision: u64, name: &str, suspend: bool) -> Version {
        version(revision, "cronjobs", name, json!({"spec": {"suspend": suspend}}))
    }

    fn worker(revision: u64, name: &str, replicas: u64) -> Version {
        version(revision, "deployments", name, json!({"spec": {"replicas": replicas}}))
    }

    fn good() -> Vec<Version> {
        vec![
            cron(1, "report-blue", false),
            worker(2, "worker-blue", 1),
            live(3, "blue"),
            cron(4, "report-green", true),
            worker(5, "worker-green", 0),
            live(6, "green"),
            cron(7, "report-blue", true),
            worker(8, "worker-green", 1),
            cron(9, "report-green", false),
            worker(10, "worker-blue", 0),
        ]
    }

    #[test]
    fn live_works_and_the_other_color_sleeps() {
        assert_eq!(judge(&good(), "work", true), Ok(()));
        assert_eq!(judge(&good()[..5], "work", false), Ok(()));
        assert!(judge(&good()[..5], "work", true).unwrap_err().contains("only these"));
    }

    #[test]
    fn what_wakes_before_its_color_is_live_is_found() {
        for (at, early) in [(4, worker(5, "worker-green", 1)), (4, cron(5, "report-green", false))] {
            let mut history = good();
            history[at] = early;
            assert!(judge(&history, "work", true).unwrap_err().contains("wakes in revision 5"));
        }
    }

    #[test]
    fn two_cron_jobs_that_are_awake_at_once_are_found() {
        let mut history = good();
        history.remove(6);
        assert!(judge(&history, "work", true).unwrap_err().contains("both are awake in revision 9"));
    }
}
