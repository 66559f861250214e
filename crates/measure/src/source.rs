//! Sources of metrics, as the operator's configuration names them.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::SignedDuration;
use reqwest::{Certificate, Client, Url, redirect};
use serde::Deserialize;
use teal_judge::{Problem, ProblemKind};

/// One source, as it is configured.
///
/// Only who configures the operator can write one. Checks name it, so nobody who may create a
/// Rollout can make the operator send requests, or credentials, to an address of their choice.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceConfig {
    /// Address of a Prometheus-compatible server, up to where its API begins.
    pub url: String,
    /// File with a bearer token, read anew for every question, because mounted tokens are renewed.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// File with the only certificate authorities to trust (PEM). Without it, those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Longest time for one answer, such as `5s`. Default: 10 s.
    #[serde(default)]
    pub timeout: Option<SignedDuration>,
}

impl fmt::Debug for SourceConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        formatter.debug_struct("SourceConfig").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Why a source can't be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The address isn't one.
    #[error("source {name}: url {problem}")]
    Url {
        /// The source.
        name: String,
        /// What is wrong and what to write. Never the URL itself.
        problem: &'static str,
    },
    /// Two ways to log in.
    #[error("source {name}: user info in url and bearerTokenFile exclude each other: leave one out")]
    TwoCredentials {
        /// The source.
        name: String,
    },
    /// The time isn't one.
    #[error("source {name}: timeout must lie between 100ms and 5m")]
    Timeout {
        /// The source.
        name: String,
    },
    /// The file with certificates can't be read.
    #[error("source {name}: caFile {} can't be read", path.display())]
    CaUnreadable {
        /// The source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file with certificates has none.
    #[error("source {name}: caFile {} holds no PEM certificate", path.display())]
    CaEmpty {
        /// The source.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The client can't be made.
    #[error(
        "source {name}: no HTTP client can be made; if this machine has no certificate authorities, give caFile"
    )]
    Client {
        /// The source.
        name: String,
        /// The library's reason.
        source: reqwest::Error,
    },
}

/// One source, ready to be asked.
#[derive(Clone)]
pub struct Source {
    pub(crate) name: String,
    pub(crate) endpoint: Url,
    pub(crate) client: Client,
    pub(crate) bearer_token_file: Option<PathBuf>,
    pub(crate) timeout: Duration,
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(5);

impl Source {
    /// Makes a source ready. Reads the file with certificates, and asks nothing yet.
    pub fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        let endpoint = endpoint(name, &config.url)?;
        if config.bearer_token_file.is_some() && has_user_info(&endpoint) {
            return Err(SourceError::TwoCredentials { name: name.to_owned() });
        }
        let timeout = config.timeout.map_or(Ok(DEFAULT_TIMEOUT), Duration::try_from).ok();
        let timeout = timeout
            .filter(|timeout| TIMEOUTS.contains(timeout))
            .ok_or_else(|| SourceError::Timeout { name: name.to_owned() })?;
        let client = client(name, &endpoint, config.ca_file.as_deref(), timeout)?;
        let bearer_token_file = config.bearer_token_file.clone();
        Ok(Self { name: name.to_owned(), endpoint, client, bearer_token_file, timeout })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Longest time for one answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn endpoint(name: &str, url: &str) -> Result<Url, SourceError> {
    let refuse = |problem| SourceError::Url { name: name.to_owned(), problem };
    let mut url = Url::parse(url)
        .map_err(|_| refuse("is not an address: write one like http://prometheus.monitoring:9090"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("must begin with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("must end before ? and #: write the address up to where /api begins"));
    }
    url.path_segments_mut()
        .map_err(|()| refuse("has no path: write one like http://prometheus.monitoring:9090"))?
        .pop_if_empty()
        .extend(["api", "v1", "query"]);
    Ok(url)
}

fn client(name: &str, endpoint: &Url, ca: Option<&Path>, timeout: Duration) -> Result<Client, SourceError> {
    // An error here only means that the program has chosen a provider before us.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder()
        .user_agent(concat!("teal/", env!("CARGO_PKG_VERSION")))
        // A redirect, or a proxy from the environment, would send the query and its credentials to an
        // address that nobody configured.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(LONGEST_CONNECT.min(timeout));
    let builder = match ca {
        Some(path) => builder.tls_certs_only(certificates(name, path)?),
        None if endpoint.scheme() == "https" => builder,
        // Without TLS no authority is needed, and the machine may have none.
        None => builder.tls_certs_only([]),
    };
    builder
        .build()
        .map_err(|source| SourceError::Client { name: name.to_owned(), source: source.without_url() })
}

fn certificates(name: &str, path: &Path) -> Result<Vec<Certificate>, SourceError> {
    let unreadable =
        |source| SourceError::CaUnreadable { name: name.to_owned(), path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(unreadable)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(SourceError::CaEmpty { name: name.to_owned(), path: path.to_owned() }),
    }
}

/// A source, or why it can't be asked.
pub type Usable = Result<Arc<Source>, Problem>;

/// All configured sources.
#[derive(Debug, Clone, Default)]
pub struct Sources(BTreeMap<String, Usable>);

impl Sources {
    /// Makes every configured source ready, or says which one can't be.
    pub fn new(configs: &BTreeMap<String, SourceConfig>) -> Result<Self, SourceError> {
        let ready = |(name, config): (&String, &SourceConfig)| {
            Source::new(name, config).map(|source| (name.clone(), Ok(Arc::new(source))))
        };
        configs.iter().map(ready).collect::<Result<_, _>>().map(Self)
    }

    /// Makes every configured source ready that can be. Another one counts for itself alone: it is told of in the log, and
    /// whoever asks it is answered why it can't be asked.
    pub fn usable(configs: &BTreeMap<String, SourceConfig>) -> Self {
        let ready = |(name, config): (&String, &SourceConfig)| {
            let source = Source::new(name, config).map(Arc::new).map_err(|error| {
                tracing::error!(source = name, %error, "a source can't be used, and checks that name it have no answer");
                Problem::new(ProblemKind::SourceMisconfigured, error.to_string())
            });
            (name.clone(), source)
        };
        Self(configs.iter().map(ready).collect())
    }

    /// A source by name.
    pub fn get(&self, name: &str) -> Option<&Usable> {
        self.0.get(name)
    }

    /// The names there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
