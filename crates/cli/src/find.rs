//! Finds Rollouts, and says what there is where there is none of that name.

use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use teal_api::{Decision, Rollout, RolloutStatus};

use crate::connect::Cluster;
use crate::error::CliError;

/// The Rollout of this name in the namespace at hand.
pub async fn rollout(cluster: &Cluster, name: &str) -> Result<Rollout, CliError> {
    let doing = format!("reading Rollout {}/{name}", cluster.namespace);
    match cluster.answer(&doing, cluster.stored::<Rollout>().get(name)).await? {
        Ok(object) => Rollout::read(object),
        Err(error) => match CliError::of_request(doing, error) {
            CliError::Request { source, .. } if is_missing(&source) => Err(missing(cluster, name).await),
            other => Err(other),
        },
    }
}

/// All Rollouts, of the namespace at hand or of all, with these labels; each by itself may be one that can't be read.
pub async fn rollouts(
    cluster: &Cluster,
    everywhere: bool,
    selector: Option<&str>,
) -> Result<Vec<Result<Rollout, CliError>>, CliError> {
    let api: Api<DynamicObject> = if everywhere {
        Api::all_with(cluster.client.clone(), &ApiResource::erase::<Rollout>(&()))
    } else {
        cluster.stored::<Rollout>()
    };
    let params = selector.map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
    let doing = "listing Rollouts";
    let list = cluster.answer(doing, api.list(&params)).await?;
    let list = list.map_err(|error| CliError::of_request(doing, error))?;
    Ok(list.items.into_iter().map(Rollout::read).collect())
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// The error for a Rollout that isn't there. Who may not list gets it without the names of others.
async fn missing(cluster: &Cluster, name: &str) -> CliError {
    let here = known(cluster, false).await;
    let names: Vec<String> = here.iter().map(ResourceExt::name_any).collect();
    let elsewhere = known(cluster, true).await;
    let namespaces: Vec<String> = elsewhere
        .iter()
        .filter(|rollout| rollout.name_any() == name)
        .filter_map(ResourceExt::namespace)
        .collect();
    CliError::NoRollout {
        namespace: cluster.namespace.clone(),
        name: name.to_owned(),
        hint: hint(name, &names, &namespaces),
    }
}

async fn known(cluster: &Cluster, everywhere: bool) -> Vec<Rollout> {
    let all = rollouts(cluster, everywhere, None).await.unwrap_or_default();
    all.into_iter().filter_map(Result::ok).collect()
}

/// What to try instead.
fn hint(name: &str, names: &[String], namespaces: &[String]) -> String {
    if let Some(namespace) = namespaces.first() {
        return format!("namespace {namespace} has one: add -n {namespace}");
    }
    match near(name, names).as_slice() {
        [] if names.is_empty() => "kubectl teal get -A lists all".to_owned(),
        [] => "kubectl teal get lists those that are there".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

/// Up to three names that are much alike, most alike first: a third of the letters mistyped, or one part of the other.
fn near<'a>(name: &str, names: &'a [String]) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .map(|other| (strsim::osa_distance(name, other), other.as_str()))
        .filter(|(mistyped, other)| {
            *mistyped <= name.len().div_ceil(3) || other.contains(name) || name.contains(other)
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, other)| other).collect()
}

/// What is read as it is stored.
pub trait Stored: Resource<DynamicType = ()> + DeserializeOwned {
    /// Without what can't be read of it and isn't needed.
    fn salvaged(value: Value, error: serde_json::Error) -> Result<Self, serde_json::Error> {
        drop(value);
        Err(error)
    }

    /// The object without control characters in its texts: status quotes foreign words (answers of metrics sources, names
    /// of writers), and a terminal would obey what is in them.
    fn read(object: DynamicObject) -> Result<Self, CliError> {
        let namespace = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let what = format!("{} {namespace}{}", Self::kind(&()), object.name_any());
        let read = serde_json::to_value(object).and_then(|mut value| {
            clean_value(&mut value);
            serde_json::from_value(value.clone()).or_else(|error| Self::salvaged(value, error))
        });
        read.map_err(|source| CliError::Unreadable { what, source })
    }
}

impl Stored for Decision {}

impl Stored for Rollout {
    /// A status that can't be read is lost to the operator, too, which makes it anew.
    fn salvaged(mut value: Value, error: serde_json::Error) -> Result<Self, serde_json::Error> {
        let generation = value.pointer("/metadata/generation").cloned();
        let fields = unread(&value).join(", ");
        let message =
            format!("{fields} can't be read ({error}): leave the status to Teal, which makes it anew");
        let told = json!({"observedGeneration": generation, "phase": "Unreadable", "message": message});
        value.as_object_mut().and_then(|fields| fields.insert("status".to_owned(), told));
        serde_json::from_value(value).map_err(|_| error)
    }
}

/// Which fields of a status can't be read.
fn unread(rollout: &Value) -> Vec<String> {
    let fields = rollout.get("status").and_then(Value::as_object).into_iter().flatten();
    let unread = fields
        .filter(|(name, value)| serde_json::from_value::<RolloutStatus>(json!({*name: value})).is_err());
    unread.map(|(name, _)| format!("status.{name}")).collect()
}

/// All texts of a value so.
pub(crate) fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean_text(text),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(fields) => fields.values_mut().for_each(clean_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text without control characters but the end of a line.
pub fn clean_text(text: &str) -> String {
    text.chars()
        .map(|character| {
            // Marks that turn the direction of writing can make a line read other than it is.
            let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let bad = (character.is_control() && character != '\n') || turns;
            if bad { '\u{fffd}' } else { character }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{clean_text, hint};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_name_that_is_missing_is_answered_with_what_is_there() {
        let here = words(&["web", "webshop", "checkout", "lobby"]);
        assert_eq!(hint("wbe", &here, &[]), "did you mean web?");
        assert_eq!(hint("webs", &here, &[]), "did you mean web or webshop?");
        assert_eq!(hint("chekcout", &here, &[]), "did you mean checkout?");
        assert_eq!(hint("zzz", &here, &[]), "kubectl teal get lists those that are there");
        assert_eq!(hint("web", &[], &words(&["shop"])), "namespace shop has one: add -n shop");
        assert_eq!(hint("web", &[], &[]), "kubectl teal get -A lists all");
    }

    #[test]
    fn foreign_words_do_not_reach_into_the_terminal() {
        assert_eq!(
            clean_text("a\u{1b}[2Jb\u{9b}c\rd\ne\u{202e}f"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\ne\u{fffd}f"
        );
        assert_eq!(clean_text("10 % · größer"), "10 % · größer");
    }
}
