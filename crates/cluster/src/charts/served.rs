//! What charts may ask of a cluster: its version and what it serves. It is told to Helm, which itself reaches no cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::access::Access;
use crate::error::Error;

/// What a cluster has, as far as charts ask.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Serves {
    /// The API server's version, `1.33.2`.
    pub version: String,
    /// The versions and kinds that it serves, `apps/v1` and `apps/v1/Deployment`.
    pub api_versions: BTreeSet<String>,
}

/// Asks a cluster what it has.
#[derive(Clone)]
pub struct Discovery(pub(crate) Arc<Access>);

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Discovery")
    }
}

impl Discovery {
    /// Asked anew for each chart: definitions come and go.
    pub async fn serves(&self) -> Result<Serves, Error> {
        let version = self.0.path("/version").await?.unwrap_or_default();
        let version = version["gitVersion"].as_str().unwrap_or_default();
        let mut api_versions = BTreeSet::new();
        for root in ["/api", "/apis"] {
            served(&self.0.discover(root).await?, &mut api_versions);
        }
        Ok(Serves { version: version.trim_start_matches('v').to_owned(), api_versions })
    }
}

/// Versions, and with each the kinds that it has.
fn served(answer: &Value, into: &mut BTreeSet<String>) {
    for group in list(answer, "items") {
        let name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        for version in list(group, "versions") {
            let Some(word) = version["version"].as_str() else { continue };
            let full = if name.is_empty() { word.to_owned() } else { format!("{name}/{word}") };
            let kinds = list(version, "resources")
                .iter()
                .filter_map(|one| one.pointer("/responseKind/kind")?.as_str());
            into.extend(kinds.map(|kind| format!("{full}/{kind}")));
            into.insert(full);
        }
    }
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::tests::server::Server;

    #[tokio::test]
    async fn a_cluster_says_its_version_and_what_it_serves_by_the_one_door() {
        let server = Server::default();
        server.put("/version", json!({"gitVersion": "v1.33.2+k3s1"}));
        server.put("/api", json!({"items": [{"metadata": {}, "versions": [{"version": "v1"}]}]}));
        server.put(
            "/apis",
            json!({"items": [{"metadata": {"name": "apps"}, "versions": [{"version": "v1"}]}]}),
        );
        let access = Arc::new(Access::new(server.client(), Duration::from_secs(5)));
        let serves = Discovery(Arc::clone(&access)).serves().await.unwrap();
        assert_eq!(serves.version, "1.33.2+k3s1");
        assert_eq!(serves.api_versions.into_iter().collect::<Vec<_>>(), ["apps/v1", "v1"]);
        assert_eq!(access.requests().values().sum::<u64>(), 3, "they are counted");
    }

    #[test]
    fn versions_and_kinds_are_named_as_charts_ask_for_them() {
        let mut found = BTreeSet::new();
        served(
            &json!({"items": [
                {"metadata": {}, "versions": [{"version": "v1", "resources": [{"responseKind": {"kind": "Pod"}}]}]},
                {"metadata": {"name": "apps"}, "versions": [
                    {"version": "v1", "resources": [{"responseKind": {"kind": "Deployment"}}, {"resource": "x"}]},
                ]},
            ]}),
            &mut found,
        );
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["apps/v1", "apps/v1/Deployment", "v1", "v1/Pod"]);
    }
}
