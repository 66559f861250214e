//! The page of measurements: what the bench measures stands in it between marks and is written there by the bench itself, so
//! that nobody copies numbers.

use std::collections::BTreeMap;
use std::path::Path;

use super::profile::Profile;
use super::report::{Against, Phase, Report, line};
use super::statistics::{Figure, Latency, rounded};
use crate::error::{Error, Result};

/// The section of the usual measurement, and that of the comparison.
pub(super) const MEASURED: &str = "bench";
pub(super) const AGAINST_ROLLING: &str = "against-rolling";

/// Processes with a column of their own.
const SHOWN: [&str; 3] = ["kube-apiserver", "teal operator", "etcd"];
const OTHERS: &str = super::stage::OTHERS;

/// Whether a page has a place for a section; to be asked before minutes are spent on measuring.
pub(super) fn has_place(path: &Path, section: &str) -> Result<()> {
    with_section(path, section, "").map(drop)
}

/// Writes a section into its page.
pub(super) fn put(path: &Path, section: &str, text: &str) -> Result<()> {
    let page = with_section(path, section, text)?;
    std::fs::write(path, page).map_err(|error| wrong(path, error.to_string()))
}

fn wrong(path: &Path, why: String) -> Error {
    Error::File { path: path.to_owned(), why }
}

fn with_section(path: &Path, section: &str, text: &str) -> Result<String> {
    let page = std::fs::read_to_string(path).map_err(|error| wrong(path, error.to_string()))?;
    let (begin, end) = (mark(section, "begin"), mark(section, "end"));
    replaced(&page, &begin, &end, text).ok_or_else(|| {
        let why =
            format!("no place for the numbers: write the lines {begin} and {end} where they should stand");
        wrong(path, why)
    })
}

fn mark(section: &str, which: &str) -> String {
    format!("<!-- {section}: {which} -->")
}

fn replaced(page: &str, begin: &str, end: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{text}{end}{after}"))
}

/// All that is measured in a usual run.
pub(super) fn measured(report: &Report) -> String {
    let mut text = String::new();
    let setting = &report.setting;
    let origin = setting.origin.to_string();
    line(
        &mut text,
        &format!("{} Rollouts of {} pod(s) a color, {origin}.\n", setting.apps, setting.replicas),
    );
    latencies(&mut text, &report.latencies);
    figures(&mut text, &report.figures);
    let writes = |counts: &BTreeMap<String, f64>| {
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        counts.join(", ")
    };
    line(&mut text, &format!("Writes of a promoted update: {}.", writes(&report.per_promoted_update.writes)));
    line(&mut text, "### Where the time of one alone goes");
    line(&mut text, "");
    report.profiles.iter().for_each(|profile| self::profile(&mut text, profile));
    line(&mut text, "### Where the processors' time goes");
    line(&mut text, "");
    phases(&mut text, &report.phases);
    text
}

fn latencies(text: &mut String, rows: &[Latency]) {
    line(text, "| time, ms | samples | p50 | p99 | target |\n|---|---|---|---|---|");
    for row in rows {
        let target = match (row.target_p50_ms, row.target_p99_ms) {
            (Some(p50), Some(p99)) => format!("{} / {}", number(p50), number(p99)),
            (Some(p50), None) => number(p50),
            _ => String::new(),
        };
        let (p50, p99) =
            (row.p50_ms.map_or_else(String::new, number), row.p99_ms.map_or_else(String::new, number));
        let target = judged(&target, row.met);
        line(text, &format!("| {} | {} | {p50} | {p99} | {target} |", row.name, row.samples));
    }
    line(text, "");
}

fn figures(text: &mut String, rows: &[Figure]) {
    line(text, "| figure | unit | | target |\n|---|---|---|---|");
    for row in rows {
        let target = judged(&row.target.map_or_else(String::new, number), row.met);
        line(text, &format!("| {} | {} | {} | {target} |", row.name, row.unit, row.value));
    }
    line(text, "");
}

fn judged(target: &str, met: Option<bool>) -> String {
    match met {
        Some(true) => format!("{target}, met"),
        Some(false) => format!("{target}, **missed**"),
        None => target.to_owned(),
    }
}

fn profile(text: &mut String, profile: &Profile) {
    let shown = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), number);
    let (took, in_requests, between) =
        (shown(profile.took_ms), shown(profile.in_requests_ms), shown(profile.between_ms));
    line(
        text,
        &format!(
            "**{}**, medians of {}: {took} ms, of which the API server has a request of the operator's for {in_requests} ms, and none for {between} ms.",
            profile.name, profile.samples
        ),
    );
    line(text, "");
    line(text, "| after, ms | what | takes, ms | in samples |\n|---|---|---|---|");
    for row in &profile.rows {
        let takes = row.takes_ms.map_or_else(String::new, number);
        line(text, &format!("| {} | {} | {takes} | {} |", number(row.starts_ms), row.what, row.seen));
    }
    line(text, "");
}

fn phases(text: &mut String, phases: &[Phase]) {
    line(
        text,
        "CPU seconds by process, and the operator's memory (RSS) in MiB at the end of a phase and at the most in it.\n",
    );
    let shown = SHOWN.join(" | ");
    line(text, &format!("| phase | lasts, s | {shown} | other parts, bench | {OTHERS} | memory | most |"));
    line(text, &format!("|{}", "---|".repeat(SHOWN.len() + 6)));
    for phase in phases {
        let used = |name: &str| phase.cpu_seconds.get(name).copied().unwrap_or_default();
        let all: f64 = phase.cpu_seconds.values().sum();
        let rest = rounded(all - SHOWN.iter().map(|name| used(name)).sum::<f64>() - used(OTHERS));
        let shown: Vec<String> = SHOWN.iter().map(|name| used(name).to_string()).collect();
        let Phase { name, seconds, memory_mib, peak_memory_mib, .. } = phase;
        let shown = shown.join(" | ");
        line(
            text,
            &format!(
                "| {name} | {seconds} | {shown} | {rest} | {} | {memory_mib} | {peak_memory_mib} |",
                used(OTHERS)
            ),
        );
    }
}

/// The comparison with a rolling update.
pub(super) fn against_rolling(against: &Against) -> String {
    let mut text = String::new();
    let Against { pods, start_seconds, rolling_seconds, origin, .. } = against;
    line(&mut text, &format!("{pods} pods that take {start_seconds} s to start, {origin}."));
    line(&mut text, "");
    line(&mut text, "| | from the user's write, s | |\n|---|---|---|");
    line(&mut text, &format!("| rolling update, one at a time | {rolling_seconds} | |"));
    for (what, seconds, ratio) in [
        (
            "Teal, all traffic on the new pods",
            against.teal_seconds_to_all_traffic,
            against.ratio_to_all_traffic,
        ),
        (
            "Teal, complete: live turned, routes their owner's again",
            against.teal_seconds_to_complete,
            against.ratio_to_complete,
        ),
    ] {
        line(&mut text, &format!("| {what} | {seconds} | {ratio} times faster |"));
    }
    text
}

/// As fine as it means something: whole from a hundred on, else with one place.
fn number(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_the_former_one_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        let page = "# A\n<!-- bench: begin -->\nold\n<!-- bench: end -->\n\nB <!-- other: begin -->x<!-- other: end -->\n";
        std::fs::write(&path, page).unwrap();
        has_place(&path, MEASURED).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), page, "looking for a place changes nothing");
        put(&path, MEASURED, "new\n").unwrap();
        put(&path, MEASURED, "new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), page.replace("old", "new"));
        let refused = has_place(&path, AGAINST_ROLLING).unwrap_err().to_string();
        assert!(
            refused.contains("page.md") && refused.contains("<!-- against-rolling: begin -->"),
            "{refused}"
        );
    }

    #[test]
    fn the_page_has_a_place_for_both() {
        let page = crate::world::checkout().join("docs/reference/measurements.md");
        for section in [MEASURED, AGAINST_ROLLING] {
            has_place(&page, section).unwrap();
        }
    }

    #[test]
    fn rows_say_number_target_and_whether_it_is_met() {
        let text = measured(&report());
        for row in [
            "| approve, one at a time | 1 | 12 | 12 | 20 / 60, met |",
            "| approve, all at once | 1 | 301 | 301 | 300, **missed** |",
            "| entry | 0 |  |  |  |",
            "| writes | for each update | 14.5 | 16, met |",
            "| 5.8 | patch rollouts/status | 9.1 | 20 |",
            "| 23 | the effect is in etcd |  | 20 |",
            "| install | 3 | 0 | 0 | 1.5 | 0.25 | 0.5 | 20.5 | 31.25 |",
        ] {
            assert!(text.lines().any(|line| line == row), "{row} is missing in\n{text}");
        }
        for table in ["| time", "| figure", "| after", "| phase"] {
            assert!(
                text.contains(&format!("\n\n{table}")),
                "{table}: Markdown wants an empty line before a table"
            );
        }
        let columns = |line: &str| line.matches('|').count();
        let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("| phase")).take(3).collect();
        assert!(table.iter().all(|line| columns(line) == columns(table[0])), "{table:?}");
    }
}
