//! The calls of Helm, and what its complaints mean.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::archive::{ArchiveFault, LARGEST_ARCHIVE};
use crate::charts::{Chart, Limits, Request};
use crate::child::{Bounds, Call, Ended, Unended, argument, run};
use crate::complaint::{message, not_pulled, not_rendered, took_all_memory};
use crate::error::ChartError;
use crate::guard::{Guard, Met};
use crate::source::{Place, Source};

/// Where nobody listens: templates have nothing to ask for on the net.
const NOWHERE: &str = "http://127.0.0.1:1";
/// Bytes of a file that Helm may write: archives, and the index of a repository, which may be larger.
const LARGEST_FILE: u64 = 64 << 20;
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
        let guard = Guard::open().await.map_err(|error| ChartError::Fetch {
            source_name: source.to_string(),
            message: format!("no port can be opened for it: {error}"),
        })?;
        let network: Vec<_> =
            self.network.iter().cloned().chain(guard.environment(&self.plain_hosts)).collect();
        let ports = ports(guard.port(), &self.plain_hosts);
        let call = Call { ports, ..self.call(&home, arguments, &network, Vec::new()) };
        let ended = self.run(call, &source.to_string(), "see to what is between here and its server").await?;
        if !ended.status.success() {
            let source_name = source.to_string();
            return Err(match guard.met() {
                Some(Met::Refused(problem)) => ChartError::BadAddress { source_name, problem },
                Some(Met::Unreachable(message)) => ChartError::Unreachable { source_name, message },
                None => not_pulled(source, &message(&ended, &home, &BTreeSet::new())),
            });
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
        let call = self.call(&home, arguments, &nowhere, written(&request.values).into_bytes());
        let ended = self.run(call, &chart.to_string(), "look for a loop in its templates").await?;
        if !ended.status.success() {
            return Err(not_rendered(chart, message(&ended, &home, &request.hidden)));
        }
        let refused = |_| not_rendered(chart, "what it prints is no text".to_owned());
        String::from_utf8(ended.output).map_err(refused)
    }

    async fn run(&self, call: Call, chart: &str, remedy: &'static str) -> Result<Ended, ChartError> {
        let Limits { time, memory, output } = self.limits;
        let addresses = memory + RESERVED_ADDRESSES;
        let bounds = Bounds { time, memory, addresses, output, file: LARGEST_FILE };
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
            ("GOMEMLIMIT", memory.to_string().into()),
            ("GOMAXPROCS", "2".into()),
        ];
        environment.extend(network.iter().cloned());
        Call {
            program: self.program.clone(),
            arguments,
            environment,
            folder: home.path().to_owned(),
            input,
            ports: Vec::new(),
        }
    }
}

/// What Helm may reach while it fetches: the guard, and hosts that it asks directly.
fn ports(guard: u16, plain: &BTreeSet<String>) -> Vec<u16> {
    let of = |host: &String| host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let each = plain.iter().flat_map(|host| of(host).map_or_else(|| vec![80, 443], |port| vec![port]));
    std::iter::once(guard).chain(each).collect()
}

/// Values as JSON that is YAML as well, whose 1.1 doesn't print some signs and takes others for ends of lines.
fn written(values: &Map<String, Value>) -> String {
    let json = Value::Object(values.clone()).to_string();
    let unlike = |sign: char| {
        matches!(sign, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut text = String::with_capacity(json.len());
    for sign in json.chars() {
        if unlike(sign) {
            text.extend(format!("\\u{:04x}", u32::from(sign)).chars());
        } else {
            text.push(sign);
        }
    }
    text
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
        [file] if fs::metadata(file).is_ok_and(|file| file.len() > LARGEST_ARCHIVE) => {
            Err(ChartError::BadArchive { source_name: source.to_string(), fault: ArchiveFault::TooLarge })
        }
        [file] => fs::read(file).map_err(failed("read a file of")),
        _ => Err(ChartError::Fetch {
            source_name: source.to_string(),
            message: format!("Helm left {} files instead of one archive", files.len()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn helm_reaches_the_guard_and_what_it_asks_directly() {
        let plain = ["charts.local:8080", "charts.local", "[fd00::1]:5000"].map(ToOwned::to_owned);
        let mut found = ports(4000, &plain.into_iter().collect());
        found.sort_unstable();
        assert_eq!(found, [80, 443, 4000, 5000, 8080]);
        assert_eq!(ports(4000, &BTreeSet::new()), [4000]);
    }

    #[test]
    fn a_call_has_a_home_of_its_own_and_keeps_its_heap_below_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { time: Duration::from_secs(1), memory: 256 << 20, output: 1 };
        let helm = Helm::new("/helm".into(), folder.path().to_owned(), limits, BTreeSet::new(), Vec::new());
        let home = helm.home().unwrap();
        let call = helm.call(&home, Vec::new(), &[], Vec::new());
        let given = |name: &str| {
            let found = call.environment.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        assert_eq!(given("GOMEMLIMIT"), (192_u64 << 20).to_string());
        for name in
            ["HOME", "TMPDIR", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"]
        {
            assert!(Path::new(&given(name)).starts_with(folder.path()), "{name}");
        }
    }
}
