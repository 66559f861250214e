//! Fetching and rendering, with what is kept of both.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::archive::{self, Checked};
use crate::cache::{Cache, Key};
use crate::error::ChartError;
use crate::helm::{Helm, Pulled};
use crate::rests::Rests;
use crate::source::{Place, Source};
use crate::turns::{Turn, Turns};

/// Charts whose archives are kept.
const MOST_CHARTS: usize = 64;

/// What Helm may use in each call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Until it is ended.
    pub time: Duration,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes that it may print.
    pub output: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory: 512 << 20, output: 8 << 20 }
    }
}

/// What the operator's configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Helm.
    pub program: PathBuf,
    /// A folder of its own, in the image an emptyDir.
    pub folder: PathBuf,
    /// For each call.
    pub limits: Limits,
    /// Charts that are rendered or read at one time: each takes its memory.
    pub at_once: usize,
    /// Charts that are fetched at one time, beside those: each takes its memory.
    pub fetched_at_once: usize,
    /// Hosts, with their port, that may be asked without TLS.
    pub plain_hosts: BTreeSet<String>,
    /// A file of certificate authorities, instead of the machine's.
    pub authorities: Option<PathBuf>,
}

/// What the cluster has, as far as charts ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// The API server's version, `1.33.2`.
    pub kube_version: String,
    /// The versions and kinds that it serves, `apps/v1` and `apps/v1/Deployment`.
    pub api_versions: BTreeSet<String>,
}

/// What a chart is rendered with.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the release, which is the color's.
    pub release: String,
    /// The Rollout's namespace.
    pub namespace: String,
    /// Whether another revision serves already.
    pub upgrade: bool,
    /// All values, merged and filled.
    pub values: Map<String, Value>,
    /// Texts that must not stand in messages: those of Secrets.
    pub hidden: BTreeSet<String>,
    /// What the cluster has.
    pub capabilities: Capabilities,
}

/// A chart that was fetched and looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What a revision is pinned to: of an OCI chart its manifest's digest, and else the archive's.
    pub digest: String,
    /// Files that describe the values by what lies elsewhere: the values aren't held against them.
    pub foreign_schemas: BTreeSet<String>,
    /// Templates that look into the cluster, where they find nothing.
    pub lookups: BTreeSet<String>,
    /// The archive's digest, by which it is kept.
    pub(crate) content: String,
}

#[cfg(test)]
impl Chart {
    pub(crate) fn looked_at(content: &str) -> Self {
        let [foreign_schemas, lookups] = [BTreeSet::new(), BTreeSet::new()];
        let [name, version, digest] = ["web", "1.8.2", "sha256:"].map(ToOwned::to_owned);
        Self { name, version, digest, foreign_schemas, lookups, content: content.to_owned() }
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chart {} {}", self.name, self.version)
    }
}

/// What came of a rendering. It may hold the values of Secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    text: String,
    again: Option<String>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("bytes", &self.size()).finish_non_exhaustive()
    }
}

impl Rendered {
    /// What Helm printed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it printed the second time, where that is something else: the chart is made of random or of the clock.
    pub fn again(&self) -> Option<&str> {
        self.again.as_deref()
    }

    pub(crate) fn size(&self) -> usize {
        self.text.len() + self.again.as_ref().map_or(0, String::len)
    }

    #[cfg(test)]
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), again: None }
    }
}

/// Fetches and renders charts.
#[derive(Debug)]
pub struct Charts {
    helm: Helm,
    archives: PathBuf,
    rendering: Turns,
    fetching: Turns,
    rests: Rests,
    fetched: Mutex<BTreeMap<String, Arc<Chart>>>,
    rendered: Cache,
}

impl Charts {
    /// Makes its folders; what an earlier program left in them goes.
    pub fn new(settings: Settings) -> Result<Self, ChartError> {
        let [archives, homes] = ["archives", "homes"].map(|name| settings.folder.join(name));
        for folder in [&archives, &homes] {
            renew(folder)?;
        }
        let authorities = settings.authorities.map(|file| ("SSL_CERT_FILE", file.into_os_string()));
        let network: Vec<(&'static str, OsString)> = authorities.into_iter().collect();
        let helm = Helm::new(settings.program, homes, settings.limits, settings.plain_hosts, network);
        let [rendering, fetching] = [settings.at_once, settings.fetched_at_once].map(Turns::new);
        let (rests, fetched, rendered) = (Rests::default(), Mutex::default(), Cache::default());
        Ok(Self { helm, archives, rendering, fetching, rests, fetched, rendered })
    }

    /// Fetches a chart, or gives what was fetched before: a version doesn't change. Where a digest is asked for that the one
    /// that is there doesn't have, it is fetched again.
    /// The namespace is that of whoever asks.
    pub async fn fetch(&self, namespace: &str, source: &Source) -> Result<Arc<Chart>, ChartError> {
        if let Some(chart) = self.known(source) {
            return Ok(chart);
        }
        self.rested(source)?;
        let turn = self.fetching.turn(namespace).await;
        // Whoever had the turn before may have fetched the same, or asked in vain.
        if let Some(chart) = self.known(source) {
            return Ok(chart);
        }
        self.rested(source)?;
        let pulled = self.helm.pull(source).await;
        let said = pulled.as_ref().err().filter(|error| error.is_of_the_place()).map(ToString::to_string);
        self.rests.asked(&source.place.to_string(), said, Instant::now());
        let chart = Arc::new(looked_at(source, pulled?, &self.archives, turn).await?);
        self.keep(place_of(source), &chart);
        Ok(chart)
    }

    /// Forgets a chart, so that it is fetched again: it may have been published anew.
    pub fn forget(&self, source: &Source) {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).remove(&place_of(source));
    }

    fn rested(&self, source: &Source) -> Result<(), ChartError> {
        let said = self.rests.of(&source.place.to_string(), Instant::now());
        said.map_or(Ok(()), |said| Err(ChartError::Resting { said }))
    }

    /// Renders a chart, or gives what was rendered before of the same.
    pub async fn render(&self, chart: &Chart, request: &Request) -> Result<Arc<Rendered>, ChartError> {
        self.render_each(chart, std::slice::from_ref(request)).await?.0.pop().ok_or_else(|| not_kept(chart))
    }

    /// Renders it for each of these. The turn that this took is to be held until what came of it was read, which takes memory, too.
    pub async fn render_each(
        &self,
        chart: &Chart,
        requests: &[Request],
    ) -> Result<(Vec<Arc<Rendered>>, Turn), ChartError> {
        requests.iter().try_for_each(Request::check)?;
        let namespace = requests.first().map_or("", |request| request.namespace.as_str());
        let turn = self.rendering.turn(namespace).await;
        let mut rendered = Vec::new();
        for request in requests {
            rendered.push(self.rendered_in_turn(chart, request).await?);
        }
        Ok((rendered, turn))
    }

    async fn rendered_in_turn(&self, chart: &Chart, request: &Request) -> Result<Arc<Rendered>, ChartError> {
        let key = Key::of(chart, request);
        if let Some(rendered) = self.rendered.get(key) {
            return Ok(rendered);
        }
        let archive = archive_file(&self.archives, chart);
        if !archive.is_file() {
            return Err(not_kept(chart));
        }
        let text = self.helm.template(chart, &archive, request).await?;
        // The second time tells what can't be repeated; it takes a tenth of a second, once.
        let again = self.helm.template(chart, &archive, request).await?;
        let rendered = Arc::new(Rendered { again: (again != text).then_some(again), text });
        self.rendered.put(key, rendered.clone());
        Ok(rendered)
    }

    fn known(&self, source: &Source) -> Option<Arc<Chart>> {
        let known =
            self.fetched.lock().unwrap_or_else(PoisonError::into_inner).get(&place_of(source)).cloned();
        let fits = |chart: &Arc<Chart>| source.digest.as_ref().is_none_or(|digest| *digest == chart.digest);
        known.filter(|chart| fits(chart) && archive_file(&self.archives, chart).is_file())
    }

    /// Over the limit the archives of all others go: they are fetched again when they are asked for.
    fn keep(&self, place: String, chart: &Arc<Chart>) {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if fetched.len() >= MOST_CHARTS {
            for other in
                std::mem::take(&mut *fetched).into_values().filter(|other| other.content != chart.content)
            {
                fs::remove_file(archive_file(&self.archives, &other)).ok();
            }
        }
        fetched.insert(place, chart.clone());
    }
}

impl Request {
    /// What becomes an argument of Helm.
    fn check(&self) -> Result<(), ChartError> {
        let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let name = |text: &str, most: usize| {
            !text.is_empty() && text.len() <= most && !text.starts_with('-') && text.bytes().all(label)
        };
        let version = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-/".contains(&byte))
        };
        let bad = |what, value: &str| Err(ChartError::BadRequest { what, value: value.to_owned() });
        if !name(&self.release, 53) {
            return bad("the release's name", &self.release);
        }
        if !name(&self.namespace, 63) {
            return bad("the namespace", &self.namespace);
        }
        let Capabilities { kube_version, api_versions } = &self.capabilities;
        match std::iter::once(kube_version).chain(api_versions).find(|text| !version(text)) {
            Some(text) => bad("the cluster's version or that of a kind", text),
            None => Ok(()),
        }
    }
}

fn not_kept(chart: &Chart) -> ChartError {
    let message = "its archive is not kept any more: it is fetched again".to_owned();
    ChartError::Fetch { source_name: chart.to_string(), message }
}

fn place_of(source: &Source) -> String {
    format!("{:?} {}", source.place, source.version)
}

fn archive_file(archives: &Path, chart: &Chart) -> PathBuf {
    archives.join(format!("{}.tgz", chart.content))
}

/// Holds an archive against what was asked for and keeps it. Unpacking takes a while, so it is done beside.
/// The turn stays with it, also where nobody waits for it any more: it can't be broken off, and takes memory until its end.
async fn looked_at(
    source: &Source,
    pulled: Pulled,
    archives: &Path,
    turn: Turn,
) -> Result<Chart, ChartError> {
    let (source, source_name, archives) = (source.clone(), source.to_string(), archives.to_owned());
    let looking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let (chart, archive) = held_against(&source, &pulled)?;
        write(&archive_file(&archives, &chart), &archive).map(|()| chart)
    });
    looking.await.unwrap_or_else(|error| {
        Err(ChartError::Fetch { source_name, message: format!("its archive can't be looked at: {error}") })
    })
}

fn held_against(source: &Source, pulled: &Pulled) -> Result<(Chart, Vec<u8>), ChartError> {
    let source_name = source.to_string();
    let content = format!("{:x}", Sha256::digest(&pulled.archive));
    let digest = match (&source.place, &pulled.manifest_digest) {
        (Place::Oci(_), Some(digest)) => digest.clone(),
        _ => format!("sha256:{content}"),
    };
    if let Some(wanted) = source.digest.as_ref().filter(|wanted| **wanted != digest) {
        return Err(ChartError::WrongDigest { source_name, wanted: wanted.clone(), found: digest });
    }
    let Checked { archive, name, version, foreign_schemas, lookups } = archive::check(&pulled.archive)
        .map_err(|fault| ChartError::BadArchive { source_name: source_name.clone(), fault })?;
    let plain = |version: &str| version.strip_prefix('v').unwrap_or(version).to_owned();
    let other_name = match &source.place {
        Place::Repository { name: wanted, .. } => *wanted != name,
        Place::Oci(_) | Place::Archive(_) => false,
    };
    if other_name || plain(&version) != plain(&source.version) {
        return Err(ChartError::OtherChart { source_name, found: format!("chart {name} {version}") });
    }
    Ok((Chart { name, version, digest, foreign_schemas, lookups, content }, archive))
}

fn renew(folder: &Path) -> Result<(), ChartError> {
    let failed = |action| move |source| ChartError::Folder { action, path: folder.to_owned(), source };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed("clear"))?;
    }
    fs::create_dir_all(folder).map_err(failed("make"))
}

/// Complete or not at all: it is renamed when it is.
fn write(path: &Path, content: &[u8]) -> Result<(), ChartError> {
    let failed = |action| move |source| ChartError::Folder { action, path: path.to_owned(), source };
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, content).map_err(failed("write"))?;
    fs::rename(&unfinished, path).map_err(failed("rename to"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_archives_are_kept_and_what_was_left_before_goes() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            program: "/surely/none".into(),
            folder: folder.path().to_owned(),
            limits: Limits::default(),
            at_once: 1,
            fetched_at_once: 1,
            plain_hosts: BTreeSet::new(),
            authorities: None,
        };
        let charts = Charts::new(settings.clone()).unwrap();
        let count = || fs::read_dir(folder.path().join("archives")).unwrap().count();
        let put = |name: &str| {
            let chart = Arc::new(Chart::looked_at(name));
            write(&archive_file(&charts.archives, &chart), b"x").unwrap();
            charts.keep(name.to_owned(), &chart);
        };
        (0..MOST_CHARTS).for_each(|i| put(&i.to_string()));
        assert_eq!(count(), MOST_CHARTS);
        put("one more");
        assert_eq!(count(), 1);
        Charts::new(settings).unwrap();
        assert_eq!(count(), 0);
    }
}
