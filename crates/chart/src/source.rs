//! Where a chart is, and what of it may become an argument of Helm.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ChartError;
use crate::guard;

/// The longest address that is taken.
const LONGEST: usize = 1024;

/// Where a chart is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Place {
    /// An OCI reference without tag and digest, `oci://registry.example.com/charts/web`.
    Oci(String),
    /// A repository by its address, and the chart's name in its index.
    Repository {
        /// The address of the folder that holds `index.yaml`.
        url: String,
        /// The chart.
        name: String,
    },
    /// The address of one archive.
    Archive(String),
}

/// A chart as `spec.release.chart` names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Where it is.
    pub place: Place,
    /// Which one: exact, no range.
    pub version: String,
    /// What it must be: of an OCI chart its manifest's digest, which `helm pull` prints, and else the archive's.
    pub digest: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(url) | Self::Archive(url) => f.write_str(url),
            Self::Repository { url, name } => write!(f, "{name} of {url}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Oci(reference) => write!(f, "{reference} {}", self.version),
            Place::Repository { url, name } => write!(f, "{name} {} of {url}", self.version),
            Place::Archive(url) => write!(f, "{url} (version {})", self.version),
        }
    }
}

impl Source {
    /// Whether it may be given to Helm. `plain` are the hosts that may be asked without TLS.
    pub(crate) fn check(&self, plain: &BTreeSet<String>) -> Result<(), ChartError> {
        if !is_version(&self.version) {
            let remedy = "write one exact version, like 1.8.2";
            return Err(bad("version", format!("is {:?}", self.version), remedy));
        }
        if self.digest.as_ref().is_some_and(|digest| !is_digest(digest)) {
            let remedy = "write sha256: and 64 hexadecimal digits in lower case";
            return Err(bad("digest", "is no digest".to_owned(), remedy));
        }
        match &self.place {
            Place::Oci(reference) => {
                let address = Address::read("oci", reference, &["oci"], plain)?;
                let last = address.path.rsplit('/').next().unwrap_or_default();
                if last.is_empty() || address.path.contains([':', '@', '?', '#']) {
                    let remedy = "write oci://, the host and the chart's path; its version and digest have fields of their own";
                    return Err(bad("oci", format!("is {reference:?}"), remedy));
                }
            }
            Place::Repository { url, name } => {
                Address::read("repo", url, &["https", "http"], plain)?;
                if !is_name(name) {
                    let remedy = "write the chart's name as the repository's index has it";
                    return Err(bad("name", format!("is {name:?}"), remedy));
                }
            }
            Place::Archive(url) => {
                Address::read("url", url, &["https", "http"], plain)?;
            }
        }
        Ok(())
    }

    /// Whether its registry is asked without TLS.
    pub(crate) fn is_plain(&self, plain: &BTreeSet<String>) -> bool {
        plain.contains(self.host())
    }

    /// The host with its port.
    pub(crate) fn host(&self) -> &str {
        let (Place::Oci(url) | Place::Archive(url) | Place::Repository { url, .. }) = &self.place;
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

/// An address, taken apart as far as it is judged.
struct Address<'a> {
    path: &'a str,
}

impl<'a> Address<'a> {
    fn read(
        field: &'static str,
        text: &'a str,
        schemes: &[&str],
        plain: &BTreeSet<String>,
    ) -> Result<Self, ChartError> {
        let wrong = |problem: &str, remedy: &str| Err(bad(field, problem.to_owned(), remedy));
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`\\<>{}|^".contains(&byte));
        let Some((scheme, rest)) = text.split_once("://").filter(|_| printable && text.len() <= LONGEST)
        else {
            return wrong(
                "is no address",
                &format!("write one that begins with {}://", schemes.join(":// or ")),
            );
        };
        if !schemes.contains(&scheme) {
            return wrong(
                &format!("begins with {scheme}://"),
                &format!("write one that begins with {}://", schemes.join(":// or ")),
            );
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return wrong("holds credentials, which all who may read Rollouts would see", "leave them out");
        }
        let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if authority.is_empty() || authority.starts_with('-') || !authority.bytes().all(host) {
            return wrong("names no host", "write the host behind ://");
        }
        if is_own(authority) && !plain.contains(authority) {
            return wrong(
                &format!("leads to {authority}, an address of the machine itself"),
                "write the address of a server, or have the operator's configuration allow this host (--charts-plain-host)",
            );
        }
        if scheme == "http" && !plain.contains(authority) {
            return wrong(
                &format!("asks {authority} without TLS, so that anybody between could change the chart"),
                "write https://, or have the operator's configuration allow this host to be asked plainly",
            );
        }
        Ok(Self { path })
    }
}

/// Whether a host is one that the operator's own machine has. What a name leads to is held when it is asked.
fn is_own(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || host.parse().is_ok_and(guard::is_own)
}

fn bad(field: &'static str, problem: String, remedy: &str) -> ChartError {
    ChartError::BadSource { field, problem, remedy: remedy.to_owned() }
}

/// Three numbers, with what semantic versioning allows behind them. Helm would take less for a range.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number = |part: &str| !part.is_empty() && part.len() < 20 && part.bytes().all(|b| b.is_ascii_digit());
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let words = |part: Option<&str>| part.is_none_or(|part| part.split('.').all(word));
    text.len() <= 128
        && core.split('.').count() == 3
        && core.split('.').all(number)
        && words(pre)
        && words(build)
}

fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

/// What a chart may be called, and never an option.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= 250 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(place: Place, version: &str, digest: Option<&str>) -> Option<String> {
        let plain = BTreeSet::from(["charts.local:8080".to_owned()]);
        let source = Source { place, version: version.to_owned(), digest: digest.map(ToOwned::to_owned) };
        source.check(&plain).err().map(|error| error.to_string())
    }

    #[test]
    fn what_may_be_given_to_helm_is_given() {
        let oci = || Place::Oci("oci://registry.example.com:5000/charts/web".into());
        let digest = format!("sha256:{}", "0a".repeat(32));
        for version in ["1.8.2", "v1.8.2", "1.8.2-rc.1", "1.8.2+build.7", "0.0.0-a-b.1+c-d"] {
            assert_eq!(message(oci(), version, Some(&digest)), None, "{version}");
        }
        for url in ["https://charts.example.com", "http://charts.local:8080/x/"] {
            let place = Place::Repository { url: url.into(), name: "web_2".into() };
            assert_eq!(message(place, "1.8.2", None), None);
        }
        assert_eq!(
            message(Place::Archive("https://[2001:db8::1]:8/web.tgz?x=1".into()), "1.8.2", None),
            None
        );
    }

    #[test]
    fn what_must_not_become_an_argument_is_refused_with_its_field() {
        let archive = |url: &str| Place::Archive(url.to_owned());
        let repository =
            |name: &str| Place::Repository { url: "https://e.com".into(), name: name.to_owned() };
        let good = || archive("https://e.com/web.tgz");
        for (place, version, digest, told) in [
            (good(), "^1.8", None, "version is \"^1.8\""),
            (good(), "1.8", None, "write one exact version"),
            (good(), "1.8.2 ", None, "version"),
            (good(), ">=1.0.0", None, "version"),
            (good(), "1.8.x", None, "version"),
            (good(), "1.8.2-", None, "version"),
            (good(), "--help", None, "version"),
            (good(), "", None, "version"),
            (good(), "1.8.2", Some("sha256:12"), "64 hexadecimal digits"),
            (good(), "1.8.2", Some("md5:12"), "digest"),
            (archive("file:///etc/passwd"), "1.8.2", None, "url begins with file://"),
            (archive("/etc/passwd"), "1.8.2", None, "url is no address"),
            (archive("--post-renderer=x"), "1.8.2", None, "url is no address"),
            (archive("https://e.com/a b"), "1.8.2", None, "url is no address"),
            (archive("https:///x"), "1.8.2", None, "names no host"),
            (archive("https://-e.com/x"), "1.8.2", None, "names no host"),
            (archive("https://me:secret@e.com/x"), "1.8.2", None, "credentials"),
            (archive("http://e.com/x"), "1.8.2", None, "without TLS"),
            (archive("https://127.0.0.1/x"), "1.8.2", None, "an address of the machine itself"),
            (archive("https://[::1]:8/x"), "1.8.2", None, "an address of the machine itself"),
            (archive("https://LocalHost:8/x"), "1.8.2", None, "an address of the machine itself"),
            (archive("https://169.254.169.254/x"), "1.8.2", None, "an address of the machine itself"),
            (Place::Oci("oci://127.0.0.1:5000/x".into()), "1.8.2", None, "--charts-plain-host"),
            (archive("oci://e.com/x"), "1.8.2", None, "https:// or http://"),
            (Place::Oci("https://e.com/x".into()), "1.8.2", None, "write one that begins with oci://"),
            (Place::Oci("oci://e.com/x:1.8.2".into()), "1.8.2", None, "fields of their own"),
            (Place::Oci("oci://e.com/x@sha256:00".into()), "1.8.2", None, "fields of their own"),
            (Place::Oci("oci://e.com".into()), "1.8.2", None, "the chart's path"),
            (repository("-x"), "1.8.2", None, "name is \"-x\""),
            (repository("../x"), "1.8.2", None, "name"),
            (repository(""), "1.8.2", None, "name"),
        ] {
            let shown = format!("{place:?} {version}");
            let message = message(place, version, digest).unwrap_or_else(|| panic!("{shown} is taken"));
            assert!(message.contains(told), "{shown}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
