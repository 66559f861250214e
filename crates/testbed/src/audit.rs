//! Reading the API server's audit log: who asked for what, how often.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::error::{At, Result, invalid};

/// One request as the API server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What the caller called itself.
    #[serde(default)]
    pub user_agent: String,
    /// The verb: get, list, watch, create, update, patch, delete …
    pub verb: String,
    /// The path asked for.
    #[serde(rename = "requestURI", default)]
    pub uri: String,
    /// Who the caller is.
    #[serde(default)]
    pub user: User,
    /// The object, if it is about one.
    pub object_ref: Option<ObjectReference>,
    /// The answer, if one was sent.
    pub response_status: Option<ResponseStatus>,
    /// When the request came, in the log's own form.
    #[serde(default)]
    pub request_received_timestamp: String,
    /// When it was answered.
    #[serde(default)]
    pub stage_timestamp: String,
}

/// The caller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct User {
    /// The user's name.
    #[serde(default)]
    pub username: String,
}

/// Which object a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub api_group: String,
    /// The resource in the plural.
    #[serde(default)]
    pub resource: String,
    /// The subresource, for example `status`.
    #[serde(default)]
    pub subresource: String,
    /// The namespace.
    #[serde(default)]
    pub namespace: String,
    /// The name.
    #[serde(default)]
    pub name: String,
}

/// How a request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ResponseStatus {
    /// The HTTP status code.
    #[serde(default)]
    pub code: u16,
}

/// What requests are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The caller's name for itself, up to the first slash: its version says nothing here.
    pub user_agent: String,
    /// The verb.
    pub verb: String,
    /// The resource with its subresource, for example `pods/status`; the path if there is none.
    pub resource: String,
}

impl Request {
    /// What this request is counted under.
    pub fn key(&self) -> Key {
        let resource = match &self.object_ref {
            Some(object) if object.subresource.is_empty() => object.resource.clone(),
            Some(object) => format!("{}/{}", object.resource, object.subresource),
            None => self.uri.split('?').next().unwrap_or_default().to_owned(),
        };
        let user_agent = self.user_agent.split('/').next().unwrap_or_default().to_owned();
        Key { user_agent, verb: self.verb.clone(), resource }
    }
}

/// Reads a log from a byte position on. Gives the requests and the position after the
/// last complete line, to go on from.
pub fn read(path: &Path, from: u64) -> Result<(Vec<Request>, u64)> {
    use std::io::{Seek, SeekFrom};
    let mut file = std::fs::File::open(path).at("open", path)?;
    file.seek(SeekFrom::Start(from)).at("read", path)?;
    let mut reader = BufReader::new(file);
    let (mut requests, mut position, mut line) = (Vec::new(), from, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).at("read", path)?;
        // The server may be in the middle of writing the last line.
        if line.last() != Some(&b'\n') {
            return Ok((requests, position));
        }
        let request = serde_json::from_slice(&line);
        requests.push(request.map_err(|error| {
            invalid(format!("audit log {} at byte {position}", path.display()), error.to_string())
        })?);
        position += length as u64;
    }
}

/// Counts requests by user agent, verb and resource.
pub fn count<'a>(requests: impl IntoIterator<Item = &'a Request>) -> BTreeMap<Key, u64> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request.key()).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const PATCH: &str = r#"{"kind":"Event","verb":"patch","userAgent":"teal/0.1 (linux)","requestURI":"/x?a=b","user":{"username":"system:serviceaccount:teal:teal"},"objectRef":{"resource":"rollouts","namespace":"shop","name":"web","apiGroup":"teal.dev","subresource":"status"},"responseStatus":{"code":200}}"#;
    const VERSION: &str =
        r#"{"verb":"get","userAgent":"kubectl/v1.36.3","requestURI":"/version?timeout=5s","user":{}}"#;

    #[test]
    fn requests_are_counted_by_agent_verb_and_resource() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        write!(log, "{PATCH}\n{PATCH}\n{VERSION}\n").unwrap();
        let (requests, _) = read(log.path(), 0).unwrap();
        let counts = count(&requests);
        let key = |agent: &str, verb: &str, resource: &str| Key {
            user_agent: agent.into(),
            verb: verb.into(),
            resource: resource.into(),
        };
        assert_eq!(counts[&key("teal", "patch", "rollouts/status")], 2);
        assert_eq!(counts[&key("kubectl", "get", "/version")], 1);
        assert_eq!(counts.len(), 2);
        assert_eq!(requests[0].user.username, "system:serviceaccount:teal:teal");
    }

    #[test]
    fn a_half_written_line_is_left_for_later() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        write!(log, "{PATCH}\n{}", &VERSION[..20]).unwrap();
        let (first, position) = read(log.path(), 0).unwrap();
        assert_eq!(first.len(), 1);
        writeln!(log, "{}", &VERSION[20..]).unwrap();
        let (second, _) = read(log.path(), position).unwrap();
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].verb, "get");
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error_with_its_place() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        write!(log, "{VERSION}\nnonsense\n").unwrap();
        let error = read(log.path(), 0).unwrap_err().to_string();
        assert!(error.contains(&format!("at byte {}", VERSION.len() + 1)), "{error}");
    }
}
