//! The calls of Helm, and what its complaints mean.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::archive::{ArchiveFault, LARGEST_ARCHIVE};
use crate::charts::{Chart, Limits, Request};
use crate::child::{Bounds, Call, Ended, Unended, argument, run};
use crate::error::ChartError;
use crate::hidden;
use crate::source::{Place, Source};

/// The longest message that is passed on.
const LONGEST_MESSAGE: usize = 1000;
/// Where nobody listens: templates have nothing to ask for on the net.
const NOWHERE: &str = "http://127.0.0.1:1";
/// For Go's own memory, beside the heap that `GOMEMLIMIT` counts.
const SPARE_MEMORY: u64 = 64 << 20;
/// What Go reserves of addresses at its start and doesn't use. With some less Helm doesn't start; what it does start with changes
/// from one size to the next.
const RESERVED_ADDRESSES: u64 = 1400 << 20;

/// Helm as a program that is run, each time in a home of its own.
#[derive(Debug)]
pub(crate) struct Helm {
    program: PathBuf,
    homes: PathBuf,
    limits: Limits,
    plain_hosts: BTreeSet<String>,
    network: Vec<(&'static str, OsString)>,
}

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) archive: Vec<u8>,
    /// Of an OCI chart.
    pub(crate) manifest_digest: Option<String>,
}

impl Helm {
    pub(crate) fn new(
        program: PathBuf,
        homes: PathBuf,
        limits: Limits,
        plain_hosts: BTreeSet<String>,
        network: Vec<(&'static str, OsString)>,
    ) -> Self {
        Self { program, homes, limits, plain_hosts, network }
    }

    /// Fetches an archive.
    pub(crate) async fn pull(&self, source: &Source) -> Result<Pulled, ChartError> {
        source.check(&self.plain_hosts)?;
        let home = self.home()?;
        let folder = home.path().join("pulled");
        make(&folder)?;
        let mut arguments: Vec<OsString> = vec!["pull".into(), argument("--destination=", &folder)];
        arguments.push(format!("--version={}", source.version).into());
        if matches!(source.place, Place::Oci(_)) && source.is_plain(&self.plain_hosts) {
            arguments.push("--plain-http".into());
        }
        if let Place::Repository { url, .. } = &source.place {
            arguments.push(format!("--repo={url}").into());
        }
        let (Place::Oci(what) | Place::Archive(what) | Place::Repository { name: what, .. }) = &source.place;
        arguments.extend(["--".into(), what.into()]);
        let call = self.call(&home, arguments, &self.network, Vec::new());
        let ended = self.run(call, &source.to_string(), "see to what is between here and its server").await?;
        if !ended.status.success() {
            return Err(not_pulled(source, &message(&ended, &home)));
        }
        let said = format!("{}\n{}", String::from_utf8_lossy(&ended.output), ended.complaints);
        let digest = said.lines().find_map(|line| line.trim().strip_prefix("Digest: "));
        Ok(Pulled {
            archive: only_archive(&folder, source)?,
            manifest_digest: digest.map(|digest| digest.trim().to_owned()),
        })
    }

    /// Renders an archive that was looked at. Its templates can reach neither cluster nor net.
    pub(crate) async fn template(
        &self,
        chart: &Chart,
        archive: &Path,
        request: &Request,
    ) -> Result<String, ChartError> {
        let home = self.home()?;
        let mut arguments: Vec<OsString> =
            ["template", "--include-crds", "--dry-run=client", "--values=-"].map(OsString::from).to_vec();
        arguments.push(format!("--namespace={}", request.namespace).into());
        arguments.push(format!("--kube-version={}", request.capabilities.kube_version).into());
        let versions = request.capabilities.api_versions.iter();
        arguments.extend(versions.map(|version| format!("--api-versions={version}").into()));
        if request.upgrade {
            arguments.push("--is-upgrade".into());
        }
        if !chart.foreign_schemas.is_empty() {
            arguments.push("--skip-schema-validation".into());
        }
        arguments.extend(["--".into(), request.release.as_str().into(), archive.into()]);
        let nowhere =
            ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, NOWHERE.into()));
        let values = serde_json::Value::Object(request.values.clone()).to_string().into_bytes();
        let call = self.call(&home, arguments, &nowhere, values);
        let ended = self.run(call, &chart.to_string(), "look for a loop in its templates").await?;
        if !ended.status.success() {
            let message = hidden::without(&message(&ended, &home), &request.hidden);
            return Err(not_rendered(chart, message));
        }
        let refused = |_| not_rendered(chart, "what it prints is no text".to_owned());
        String::from_utf8(ended.output).map_err(refused)
    }

    async fn run(&self, call: Call, chart: &str, remedy: &'static str) -> Result<Ended, ChartError> {
        let Limits { time, memory, output } = self.limits;
        let addresses = memory + RESERVED_ADDRESSES;
        let bounds = Bounds { time, memory, addresses, output, file: LARGEST_ARCHIVE + (64 << 10) };
        let chart = chart.to_owned();
        match run(call, bounds).await {
            Ok(ended) if took_all_memory(&ended) => Err(ChartError::TooMuchMemory { chart, limit: memory }),
            Ok(ended) if ended.status.signal() == Some(Signal::XCPU.as_raw()) => {
                Err(ChartError::TooLong { chart, after: time, remedy })
            }
            Ok(ended) => Ok(ended),
            Err(Unended::TooLong) => Err(ChartError::TooLong { chart, after: time, remedy }),
            Err(Unended::TooMuchOutput) => Err(ChartError::TooMuchOutput { chart, limit: output }),
            Err(Unended::Start(source)) => Err(ChartError::Helm { program: self.program.clone(), source }),
        }
    }

    /// A folder that goes with the call.
    fn home(&self) -> Result<TempDir, ChartError> {
        let made = tempfile::Builder::new().prefix("helm-").tempdir_in(&self.homes);
        made.map_err(|source| ChartError::Folder {
            action: "make a folder in",
            path: self.homes.clone(),
            source,
        })
    }

    fn call(
        &self,
        home: &TempDir,
        arguments: Vec<OsString>,
        network: &[(&'static str, OsString)],
        input: Vec<u8>,
    ) -> Call {
        let at = |name: &str| home.path().join(name).into_os_string();
        let memory = self.limits.memory.saturating_sub(SPARE_MEMORY);
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("HOME", at("")),
            ("TMPDIR", at("")),
            ("HELM_CACHE_HOME", at("cache")),
            ("HELM_CONFIG_HOME", at("config")),
            ("HELM_DATA_HOME", at("data")),
            // There is none, and there is never one.
            ("HELM_PLUGINS", at("plugins")),
            ("KUBECONFIG", at("kubeconfig")),
            ("GOMEMLIMIT", memory.to_string().into()),
            ("GOMAXPROCS", "2".into()),
        ];
        environment.extend(network.iter().cloned());
        Call { program: self.program.clone(), arguments, environment, folder: home.path().to_owned(), input }
    }
}

fn make(folder: &Path) -> Result<(), ChartError> {
    fs::create_dir(folder).map_err(|source| ChartError::Folder {
        action: "make",
        path: folder.to_owned(),
        source,
    })
}

fn only_archive(folder: &Path, source: &Source) -> Result<Vec<u8>, ChartError> {
    let failed = |action| move |source| ChartError::Folder { action, path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed("list"))?;
    let files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    match files.as_slice() {
        [file] => fs::read(file).map_err(failed("read a file of")),
        _ => Err(ChartError::Fetch {
            source_name: source.to_string(),
            message: format!("Helm left {} files instead of one archive", files.len()),
        }),
    }
}

/// What Helm says, without its own words around it, the paths of its home, and more than fits a condition.
fn message(ended: &Ended, home: &TempDir) -> String {
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
    shortened(&text)
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

fn took_all_memory(ended: &Ended) -> bool {
    let told = ["out of memory", "cannot allocate memory", "failed to create new OS thread"];
    !ended.status.success() && told.iter().any(|words| ended.complaints.contains(words))
}

fn not_pulled(source: &Source, message: &str) -> ChartError {
    let (source_name, said) = (source.to_string(), without_names(source, message));
    let message = message.to_owned();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
    let status = |of: fn(u16) -> bool| {
        let numbers = said.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() == 3);
        numbers.filter_map(|word| word.parse().ok()).any(of)
    };
    if status(|code| code == 401 || code == 403) || says(&["unauthorized", "denied", "forbidden"]) {
        ChartError::Denied { source_name, message }
    } else if says(&["file too large"]) {
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

fn not_rendered(chart: &Chart, message: String) -> ChartError {
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
            ("write /pulled/x.tgz: file too large", "too large"),
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
