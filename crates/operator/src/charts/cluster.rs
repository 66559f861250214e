//! What charts may ask of a cluster: its version and what it serves. It is told to Helm, which itself reaches no cluster.

use std::collections::BTreeSet;

use http::header::ACCEPT;
use kube::Client;
use serde_json::Value;
use teal_chart::Capabilities;

/// All that a server serves, in one answer for each of its two roots.
const DISCOVERY: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Asked anew for each chart: definitions come and go.
pub(super) async fn capabilities(client: &Client) -> Result<Capabilities, kube::Error> {
    let version = client.apiserver_version().await?.git_version;
    let mut api_versions = BTreeSet::new();
    for root in ["/api", "/apis"] {
        served(&discover(client, root).await?, &mut api_versions);
    }
    Ok(Capabilities { kube_version: version.trim_start_matches('v').to_owned(), api_versions })
}

async fn discover(client: &Client, root: &str) -> Result<Value, kube::Error> {
    let request = http::Request::get(root).header(ACCEPT, DISCOVERY).body(Vec::new());
    client.request(request.map_err(kube::Error::HttpError)?).await
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
    use serde_json::json;

    use super::*;

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
