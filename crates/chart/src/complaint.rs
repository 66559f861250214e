//! What Helm says when it fails, and what it means.

use std::collections::BTreeSet;

use tempfile::TempDir;

use crate::archive::ArchiveFault;
use crate::charts::Chart;
use crate::child::Ended;
use crate::error::ChartError;
use crate::hidden;
use crate::source::{Place, Source};

/// The longest message that is passed on.
const LONGEST_MESSAGE: usize = 1000;

/// What Helm says, without its own words around it, the paths of its home, and more than fits a condition.
pub(crate) fn message(ended: &Ended, home: &TempDir, hidden: &BTreeSet<String>) -> String {
    let said: Vec<&str> = ended
        .complaints
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("level=") && !line.starts_with("Use --debug"))
        .collect();
    if said.is_empty() {
        return format!("it ended with {} and said nothing", ended.status);
    }
    let from = said.iter().position(|line| line.starts_with("Error:")).unwrap_or(0);
    let text = said.get(from..).unwrap_or_default().join("; ");
    let text = text.strip_prefix("Error: ").unwrap_or(&text);
    let folder = home.path().parent().unwrap_or_else(|| home.path());
    let text =
        text.replace(&home.path().display().to_string(), "").replace(&folder.display().to_string(), "");
    // Before it is cut: a part of a secret is one, too.
    shortened(&hidden::without(&text, hidden))
}

/// Where it is nested the cause stands at the end, and the template that was called at the beginning.
fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST_MESSAGE {
        return text.to_owned();
    }
    let begin: String = text.chars().take(LONGEST_MESSAGE / 3).collect();
    let end: String = text.chars().skip(count - LONGEST_MESSAGE / 3 * 2).collect();
    format!("{begin} … {end}")
}

pub(crate) fn took_all_memory(ended: &Ended) -> bool {
    let told = ["out of memory", "cannot allocate memory", "failed to create new OS thread"];
    !ended.status.success() && told.iter().any(|words| ended.complaints.contains(words))
}

pub(crate) fn not_pulled(source: &Source, message: &str) -> ChartError {
    let (source_name, said) = (source.to_string(), without_names(source, message));
    let message = message.to_owned();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
    let status = |of: fn(u16) -> bool| {
        let numbers = said.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() == 3);
        numbers.filter_map(|word| word.parse().ok()).any(of)
    };
    if let Some(address) = not_allowed(&message) {
        let problem = format!("it leads to {address}, which is an address of the machine itself");
        ChartError::BadAddress { source_name, problem }
    } else if status(|code| code == 401 || code == 403) || says(&["unauthorized", "denied", "forbidden"]) {
        ChartError::Denied { source_name, message }
    } else if says(&["file too large"]) && !matches!(source.place, Place::Repository { .. }) {
        ChartError::BadArchive { source_name, fault: ArchiveFault::TooLarge }
    } else if status(|code| code == 404)
        || says(&["not found", "no chart version found", "no chart name found"])
    {
        ChartError::NotFound { source_name, message }
    } else if status(|code| code == 429 || code >= 500) || says(&UNREACHABLE) || said.ends_with("eof") {
        ChartError::Unreachable { source_name, message }
    } else {
        ChartError::Fetch { source_name, message }
    }
}

/// The address that the kernel let nobody reach: Go asks all others through the guard.
fn not_allowed(message: &str) -> Option<&str> {
    let (before, _) = message.split_once(": connect: permission denied")?;
    before.rsplit_once("dial tcp ").map(|(_, address)| address)
}

/// How Go says that it didn't get through.
const UNREACHABLE: [&str; 9] = [
    "dial tcp",
    "no such host",
    "connection refused",
    "connection reset",
    "timeout",
    "unexpected eof",
    "unreachable",
    "tls:",
    "x509:",
];

/// What is judged: without what the user has named, which may be called 404 or denied.
fn without_names(source: &Source, message: &str) -> String {
    let host = source.host();
    let name = match &source.place {
        Place::Repository { name, .. } => name.as_str(),
        Place::Oci(url) | Place::Archive(url) => url.as_str(),
    };
    let is_name = |word: &&str| {
        let plain = word.trim_matches(['"', '\'', '`', ',', '.', ';', ':']);
        plain.contains("://") || plain.contains(host) || plain == name || plain == source.version
    };
    let words: Vec<&str> = message.split_whitespace().filter(|word| !is_name(word)).collect();
    words.join(" ").to_lowercase()
}

pub(crate) fn not_rendered(chart: &Chart, message: String) -> ChartError {
    let chart = chart.to_string();
    if message.contains("values don't meet the specifications of the schema") {
        ChartError::Values { chart, message }
    } else {
        ChartError::Template { chart, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(message: &str) -> &'static str {
        let place =
            Place::Repository { url: "http://h.example:403/denied/404".into(), name: "not-found".into() };
        let source = Source { place, version: "4.0.4".into(), digest: None };
        match not_pulled(&source, message) {
            ChartError::Denied { .. } => "denied",
            ChartError::NotFound { .. } => "not found",
            ChartError::Unreachable { .. } => "unreachable",
            ChartError::BadArchive { .. } => "too large",
            _ => "other",
        }
    }

    #[test]
    fn what_helm_says_is_judged_without_what_the_user_has_named() {
        for (message, meant) in [
            (
                "failed to fetch http://h.example:403/denied/404/x.tgz : 500 Internal Server Error",
                "unreachable",
            ),
            ("failed to fetch http://h.example:403/denied/404/x.tgz : 404 Not Found", "not found"),
            ("failed to fetch http://h.example:403/denied/404/x.tgz : 401 Unauthorized", "denied"),
            (
                "looks like \"http://h.example:403/denied/404\" is not a valid chart repository: 403 Forbidden",
                "denied",
            ),
            (
                "chart \"not-found\" version \"4.0.4\" not found in http://h.example:403/denied/404 repository",
                "not found",
            ),
            (
                "failed to perform \"FetchReference\" on source: h.example:403/denied:4.0.4: not found",
                "not found",
            ),
            ("Get \"http://h.example:403/x\": dial tcp: lookup h.example: no such host", "unreachable"),
            (
                "Get \"https://h.example/x\": tls: failed to verify certificate: x509: unknown authority",
                "unreachable",
            ),
            ("response status code 429: Too Many Requests", "unreachable"),
            ("write /cache/index.yaml: file too large", "other"),
            ("chart \"not-found\" 4.0.4 is odd", "other"),
        ] {
            assert_eq!(judged(message), meant, "{message}");
        }
    }

    #[test]
    fn of_a_long_message_the_beginning_and_the_end_are_told() {
        let long = shortened(&format!("begin {} end", "ü".repeat(5000)));
        assert!(long.starts_with("begin") && long.ends_with("end") && long.chars().count() <= 1003);
        assert_eq!(shortened("short"), "short");
    }
}
