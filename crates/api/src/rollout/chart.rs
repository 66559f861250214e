//! `spec.release.chart`: the Helm chart that a release is.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::names::limit;
use crate::schema::{ATOMIC, rules};

/// The key that is read of a ConfigMap of values where none is named.
pub const VALUES_KEY: &str = "values.yaml";

/// Where the chart of a release is and what it is given. The rules of the schema hold for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chart {
    /// Reference in a registry, without tag and digest.
    pub oci: Option<String>,
    /// Address of a repository.
    pub repo: Option<String>,
    /// The chart's name in the repository.
    pub name: Option<String>,
    /// Address of an archive.
    pub url: Option<String>,
    /// The version, exactly.
    pub version: String,
    /// What it must be.
    pub digest: Option<String>,
    /// Its values, as they were written.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Where values come from that those go over; of these the later go over the earlier.
    #[serde(default)]
    pub values_from: Vec<ValuesFrom>,
}

/// Where values of a chart come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValuesFrom {
    /// A ConfigMap of the Rollout's namespace.
    pub config_map: Option<ValuesObject>,
}

/// An object that holds values as a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct ValuesObject {
    /// Its name.
    pub name: String,
    /// Which of its entries; [`VALUES_KEY`] where none is named.
    pub key: Option<String>,
    /// Whether it may be missing.
    pub optional: Option<bool>,
}

impl ValuesObject {
    /// The entry that is read.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(VALUES_KEY)
    }

    /// Whether it may be missing, or lack its entry.
    pub fn is_optional(&self) -> bool {
        self.optional.unwrap_or(false)
    }
}

/// A chart of Helm.
pub(super) fn chart_schema() -> Value {
    json!({
        "type": "object",
        "description": "The Helm chart that is released. It is rendered for each color as a release of its own, named by the Rollout \
            with -blue or -green behind it: what it names by its release is there once per color, and what comes out the same for both \
            colors is one object for both. Every change of it is a new revision. What was rendered first is kept with the revision, and \
            nothing of it is rendered again. Jobs that run before an install or upgrade run once per revision; a chart with hooks after \
            its objects is refused; tests and hooks around removal and return are not run. Off, unless the operator was told where helm \
            is.",
        "required": ["version"],
        "x-kubernetes-validations": rules(&[
            (
                "[has(self.oci), has(self.repo), has(self.url)].exists_one(x, x)",
                "say where the chart is by exactly one of oci, repo (with name) and url",
            ),
            (
                "has(self.name) == has(self.repo)",
                "name is what the chart is called in the repository repo: write both or neither",
            ),
        ]),
        "properties": {
            "oci": address(
                "Reference in a registry, such as oci://registry.example.com/charts/web, without tag and digest.",
                "self.startsWith('oci://')",
                "write a reference that begins with oci://",
            ),
            "repo": address(
                "Address of a chart repository: of the folder that holds its index.yaml.",
                "self.startsWith('https://') || self.startsWith('http://')",
                "write an address that begins with https://",
            ),
            "name": {
                "type": "string",
                "description": "What the chart is called in the repository.",
                "minLength": 1,
                "maxLength": limit::DNS_SUBDOMAIN,
            },
            "url": address(
                "Address of one archive, such as https://example.com/charts/web-1.8.2.tgz.",
                "self.startsWith('https://') || self.startsWith('http://')",
                "write an address that begins with https://",
            ),
            "version": {
                "type": "string",
                "description": "The chart's version, exactly: it never changes what it means.",
                "minLength": 1,
                "maxLength": 128,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^v?[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z.-]+)?([+][0-9A-Za-z.-]+)?$')",
                    "write one exact version, such as 1.8.2: a range would release something else without a change here",
                )]),
            },
            "digest": {
                "type": "string",
                "description": "What it must be, or it is refused: the digest of the manifest of an OCI chart, as helm pull prints it, \
                    and else of the archive. Default: not compared.",
                "maxLength": 71,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^sha256:[0-9a-f]{64}$')",
                    "write sha256: and 64 hexadecimal digits in lower case",
                )]),
            },
            "values": {
                "type": "object",
                "description": "Values that go over those of the chart and of valuesFrom, free form. In texts $(color) stands for blue or \
                    green. No Secrets: whoever may read this Rollout could read them.",
                "x-kubernetes-preserve-unknown-fields": true,
            },
            "valuesFrom": values_from_schema(),
        },
    })
}

fn address(description: &str, rule: &str, message: &str) -> Value {
    json!({
        "type": "string",
        "description": description,
        "minLength": 1,
        "maxLength": 1024,
        "x-kubernetes-validations": rules(&[(rule, message)]),
    })
}

/// Where further values come from.
fn values_from_schema() -> Value {
    json!({
        "type": "array",
        "description": "Objects of this namespace that hold further values of the chart, each as one text of YAML. They go over those of \
            the chart, the later over the earlier, and spec.release.chart.values goes over all of them. What they hold is part of the \
            release: a change of it is a new revision, and starts a rollout as a change of values does. It is kept with the revision, \
            which is gone back to and repaired with the values that it was made with.",
        "maxItems": limit::VALUES_FROM,
        "x-kubernetes-list-type": ATOMIC,
        "items": {
            "type": "object",
            "x-kubernetes-validations": rules(&[(
                "has(self.configMap)",
                "say where the values come from, by configMap and its name; those of a Secret can't be taken, so have the chart refer to \
                 the Secret by name",
            )]),
            "properties": {"configMap": values_object_schema()},
        },
    })
}

fn values_object_schema() -> Value {
    json!({
        "type": "object",
        "description": "A ConfigMap of the Rollout's namespace.",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                "description": "Name of the ConfigMap.",
                "minLength": 1,
                "maxLength": limit::DNS_SUBDOMAIN,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
                    "write an object's name: lower case letters, digits, dashes and dots",
                )]),
            },
            "key": {
                "type": "string",
                "description": "Which entry of its data holds the values. Default: values.yaml.",
                "minLength": 1,
                "maxLength": limit::DNS_SUBDOMAIN,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^[-._a-zA-Z0-9]+$')",
                    "write the name of an entry: letters, digits, dashes, dots and underscores",
                )]),
            },
            "optional": {
                "type": "boolean",
                "description": "Whether the release does without where the object, or that entry of it, is missing. Default: false.",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Release;

    #[test]
    fn a_chart_is_read_with_its_values_as_they_were_written() {
        let stored = json!({"chart": {
            "repo": "https://charts.example.com", "name": "web", "version": "1.8.2", "values": {"a": null, "b": [1, 2.50]},
        }});
        let chart = Release(stored.clone()).chart().expect("a chart").expect("complete");
        assert_eq!(
            (chart.repo.as_deref(), chart.name.as_deref()),
            (Some("https://charts.example.com"), Some("web"))
        );
        assert_eq!((chart.version.as_str(), chart.oci, chart.url, chart.digest), ("1.8.2", None, None, None));
        assert_eq!(Value::Object(chart.values), stored["chart"]["values"]);
        assert!(Release(json!({"manifests": []})).chart().is_none());
        let wrong = Release(json!({"chart": {"version": 1}})).chart().expect("a chart").expect_err("no text");
        assert!(wrong.to_string().contains("spec.release.chart can't be read"), "{wrong}");
    }

    #[test]
    fn where_values_come_from_is_read_with_its_defaults() {
        let stored = json!({"chart": {"url": "https://example.com/web.tgz", "version": "1.8.2", "valuesFrom": [
            {"configMap": {"name": "web"}},
            {"configMap": {"name": "site", "key": "web.yaml", "optional": true}},
        ]}});
        let chart = Release(stored).chart().expect("a chart").expect("complete");
        let read: Vec<_> = chart.values_from.iter().filter_map(|from| from.config_map.as_ref()).collect();
        let read: Vec<_> = read.iter().map(|map| (map.name.as_str(), map.key(), map.is_optional())).collect();
        assert_eq!(read, [("web", "values.yaml", false), ("site", "web.yaml", true)]);
    }
}
