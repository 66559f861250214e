//! What was measured, as a table for people and as one JSON object for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::origin::Origin;
use super::profile::Profile;
use super::statistics::{Figure, Latency};
use super::tally::Shares;

/// Where the CPU time of a phase went. On a machine whose cores are all busy this says what a time was spent on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Phase {
    /// What was done.
    pub(super) name: &'static str,
    /// How long it took.
    pub(super) seconds: f64,
    /// CPU seconds by process.
    pub(super) cpu_seconds: BTreeMap<String, f64>,
    /// Memory of the operator (RSS) at its end.
    pub(super) memory_mib: f64,
    /// The most memory that the operator had meanwhile.
    pub(super) peak_memory_mib: f64,
}

/// How it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Setting {
    /// Rollouts.
    pub(super) apps: u32,
    /// Pods of each color.
    pub(super) replicas: u32,
    /// When, of what and on what.
    pub(super) origin: Origin,
    /// By what clock times are taken.
    pub(super) clock: &'static str,
    /// As whom the operator runs, and by what it is told from others in the audit log.
    pub(super) operator: String,
    /// How the routes' owner writes them.
    pub(super) routes: String,
    /// The timers that count.
    pub(super) timers: String,
}

/// The whole of a measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Report {
    /// How it was measured.
    pub(super) setting: Setting,
    /// How long things took.
    pub(super) latencies: Vec<Latency>,
    /// Counts, memory, CPU.
    pub(super) figures: Vec<Figure>,
    /// Requests of a promoted update, by verb and resource.
    pub(super) per_promoted_update: Shares,
    /// The same where the VirtualService's owner applies it server-side.
    pub(super) per_promoted_update_of_applied: Shares,
    /// Requests of an update that is rolled back.
    pub(super) per_rolled_back_update: Shares,
    /// Where the time of single updates, approvals and rollbacks went.
    pub(super) profiles: Vec<Profile>,
    /// Where the CPU time went.
    pub(super) phases: Vec<Phase>,
}

impl Report {
    /// Counts and memory that are beyond their targets. Times hang on the machine and are explained by a profile instead.
    pub(super) fn missed(&self) -> Option<String> {
        let missed = self.figures.iter().filter(|figure| figure.met == Some(false));
        let said: Vec<String> = missed
            .map(|Figure { name, value, unit, target, .. }| {
                format!("{name}: {value} {unit}, and not {}", number(*target))
            })
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let Setting { apps, replicas, origin, clock, operator, routes, timers } = &self.setting;
        let mut text = format!(
            "{apps} Rollouts of {replicas} pod(s) a color, {origin}\noperator: {operator}\nroutes: {routes}\ntimers: {timers}\ntimes: {clock}\n\n"
        );
        self.latency_rows(&mut text);
        self.figure_rows(&mut text);
        shares(&mut text, "requests for each promoted update", &self.per_promoted_update);
        let applied = "requests for each promoted update, its VirtualService applied server-side";
        shares(&mut text, applied, &self.per_promoted_update_of_applied);
        shares(&mut text, "requests for each update that is rolled back", &self.per_rolled_back_update);
        self.profiles.iter().for_each(|profile| profile_rows(&mut text, profile));
        self.phase_rows(&mut text);
        text
    }

    fn latency_rows(&self, text: &mut String) {
        let heading = ("time, ms", "n", "p50", "p99", "target", "");
        line(
            text,
            &format!(
                "{:<46} {:>5} {:>10} {:>10} {:>16}  {}",
                heading.0, heading.1, heading.2, heading.3, heading.4, heading.5
            ),
        );
        for row in &self.latencies {
            let target = match (row.target_p50_ms, row.target_p99_ms) {
                (Some(p50), Some(p99)) => format!("{p50} / {p99}"),
                (Some(p50), None) => p50.to_string(),
                _ => "–".into(),
            };
            let (p50, p99, met) = (number(row.p50_ms), number(row.p99_ms), verdict(row.met));
            line(
                text,
                &format!("{:<46} {:>5} {p50:>10} {p99:>10} {target:>16}  {met}", row.name, row.samples),
            );
        }
        line(text, "");
    }

    fn figure_rows(&self, text: &mut String) {
        line(text, &format!("{:<46} {:>16} {:>10} {:>16}", "figure", "", "", "target"));
        for row in &self.figures {
            let (target, met) =
                (row.target.map_or("–".into(), |target| target.to_string()), verdict(row.met));
            line(text, &format!("{:<46} {:>16} {:>10} {target:>16}  {met}", row.name, row.unit, row.value));
        }
        line(text, "");
    }

    fn phase_rows(&self, text: &mut String) {
        line(text, "CPU seconds by phase; memory of the operator at its end, and the most meanwhile");
        for phase in &self.phases {
            let mut used: Vec<(&String, &f64)> =
                phase.cpu_seconds.iter().filter(|(_, seconds)| **seconds >= 0.01).collect();
            used.sort_by(|one, other| other.1.total_cmp(one.1));
            let used: Vec<String> = used.iter().map(|(name, seconds)| format!("{name} {seconds}")).collect();
            let Phase { name, seconds, memory_mib, peak_memory_mib, .. } = phase;
            let memory = format!("{memory_mib} MiB, most {peak_memory_mib} MiB");
            line(text, &format!("  {name:<38} {seconds:>7} s: {}; {memory}", used.join(", ")));
        }
    }
}

fn profile_rows(text: &mut String, profile: &Profile) {
    let Profile { name, samples, took_ms, in_requests_ms, between_ms, rows } = profile;
    let (took, in_requests, between) = (number(*took_ms), number(*in_requests_ms), number(*between_ms));
    line(
        text,
        &format!("where the time of {name} goes: medians of {samples}, from the user's write in etcd"),
    );
    line(text, &format!("  {took} ms: {in_requests} in requests of the operator's, {between} between them"));
    line(text, &format!("  {:>10}  {:<46} {:>10} {:>8}", "starts, ms", "what", "takes, ms", "seen"));
    for row in rows {
        let (starts, takes) = (row.starts_ms, number(row.takes_ms));
        line(text, &format!("  {starts:>10}  {:<46} {takes:>10} {:>8}", row.what, row.seen));
    }
    line(text, "");
}

fn shares(text: &mut String, heading: &str, shares: &Shares) {
    line(text, heading);
    let Shares { writes, own_writes, events, reads, other, refused } = shares;
    for (kind, counts) in [
        ("writes", writes),
        ("writes of the release's own objects", own_writes),
        ("Events", events),
        ("reads", reads),
        ("reviews", other),
        ("of these answered with an error", refused),
    ] {
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        line(
            text,
            &format!("  {kind}: {}", if counts.is_empty() { "none".into() } else { counts.join(", ") }),
        );
    }
    line(text, "");
}

pub(super) fn line(text: &mut String, line: &str) {
    // Writing into a String can't fail.
    writeln!(text, "{}", line.trim_end_matches(' ')).ok();
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| value.to_string())
}

const fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    }
}

/// A rolling update against Teal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Against {
    /// Pods.
    pub(super) pods: u32,
    /// How long each takes to start.
    pub(super) start_seconds: u64,
    /// A rolling update one at a time, from the user's write until all pods are new and available.
    pub(super) rolling_seconds: f64,
    /// Teal over 10 % to 100 %, from the user's write until the weight of all requests is with the new pods.
    pub(super) teal_seconds_to_all_traffic: f64,
    /// Teal until the rollout is complete: routes their owner's again.
    pub(super) teal_seconds_to_complete: f64,
    /// How many times longer the rolling update takes than Teal to all traffic.
    pub(super) ratio_to_all_traffic: f64,
    /// How many times longer it takes than Teal until complete.
    pub(super) ratio_to_complete: f64,
    /// By what clock.
    pub(super) clock: &'static str,
    /// When, of what and on what.
    pub(super) origin: Origin,
}

impl Against {
    /// For people.
    pub(super) fn table(&self) -> String {
        format!(
            "{} pods that take {} s to start, from the user's write\n  rolling update, one at a time          {:>8} s\n  Teal, all traffic on the new pods      {:>8} s   {} times faster\n  Teal, complete                         {:>8} s   {} times faster\ntimes: {}\n{}\n",
            self.pods,
            self.start_seconds,
            self.rolling_seconds,
            self.teal_seconds_to_all_traffic,
            self.ratio_to_all_traffic,
            self.teal_seconds_to_complete,
            self.ratio_to_complete,
            self.clock,
            self.origin,
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::profile::Row;
    use super::*;

    pub(in super::super) fn report() -> Report {
        Report {
            latencies: vec![
                Latency::new("approve, one at a time", &[Duration::from_millis(12)], Some(20.0), Some(60.0)),
                Latency::new("approve, all at once", &[Duration::from_millis(301)], Some(300.0), None),
                Latency::new("entry", &[], None, None),
            ],
            figures: vec![Figure::new("writes", 14.5, "for each update", Some(16.0))],
            per_promoted_update: Shares {
                writes: [("patch services".to_owned(), 2.0)].into(),
                ..Shares::default()
            },
            profiles: vec![Profile {
                name: "approve, one at a time",
                samples: 20,
                took_ms: Some(23.0),
                in_requests_ms: Some(16.5),
                between_ms: Some(6.5),
                rows: vec![
                    Row {
                        starts_ms: 5.8,
                        what: "patch rollouts/status".into(),
                        takes_ms: Some(9.1),
                        seen: 20,
                    },
                    Row { starts_ms: 23.0, what: "the effect is in etcd".into(), takes_ms: None, seen: 20 },
                ],
            }],
            phases: vec![Phase {
                name: "install",
                seconds: 3.0,
                cpu_seconds: [
                    ("etcd".into(), 1.5),
                    ("kwok".into(), 0.25),
                    ("idle".into(), 0.0),
                    (super::super::stage::OTHERS.into(), 0.5),
                ]
                .into(),
                memory_mib: 20.5,
                peak_memory_mib: 31.25,
            }],
            ..Report::default()
        }
    }

    #[test]
    fn each_row_says_whether_its_target_is_met() {
        let table = report().table();
        let row = |word: &str| table.lines().find(|line| line.starts_with(word)).unwrap().to_owned();
        assert!(row("approve, one").ends_with("20 / 60  met"), "{table}");
        assert!(row("approve, all").ends_with("300  MISSED"), "{table}");
        assert!(row("entry").ends_with('–'), "{table}");
        assert!(row("writes").contains("14.5") && row("writes").ends_with("16  met"), "{table}");
        assert!(table.contains("23 ms: 16.5 in requests of the operator's, 6.5 between them"), "{table}");
        assert!(row("         5.8  patch rollouts/status").ends_with("9.1       20"), "{table}");
        assert!(table.contains("kwok 0.25; 20.5 MiB, most 31.25 MiB"), "{table}");
        assert!(
            table.contains("2 patch services") && table.contains("etcd 1.5") && !table.contains("idle"),
            "{table}"
        );
    }

    #[test]
    fn a_missed_count_or_memory_is_an_error_and_a_missed_time_is_not() {
        let mut report = report();
        assert_eq!(report.missed(), None, "a time is missed");
        report.figures.push(Figure::new("memory at rest", 30.5, "MiB", Some(30.0)));
        report.figures.push(Figure::new("memory, the most", 99.0, "MiB", None));
        assert_eq!(report.missed().as_deref(), Some("memory at rest: 30.5 MiB, and not 30"));
    }

    #[test]
    fn json_has_the_same_numbers() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["latencies"][1]["met"], false);
        assert_eq!(json["latencies"][2]["p50_ms"], serde_json::Value::Null);
        assert_eq!(json["figures"][0]["value"], 14.5);
        assert_eq!(json["per_promoted_update"]["writes"]["patch services"], 2.0);
        assert_eq!(json["profiles"][0]["rows"][0]["takes_ms"], 9.1);
        assert_eq!(json["phases"][0]["peak_memory_mib"], 31.25);
    }
}
