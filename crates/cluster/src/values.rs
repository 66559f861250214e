//! Values of a chart that are taken from ConfigMaps. They are put into the release before it is looked at, so that they are part of what is
//! hashed, rendered and kept: whoever changes one wants another revision, and what a revision was made with never changes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use teal_api::Rollout;
use teal_api::rollout::{ValuesFrom, ValuesObject};
use teal_plan::{Span, Time};
use teal_release::chart::{merged, values_of_text, with_values};

use crate::error::{Class, Error};
use crate::stores::{ObjectId, Shown};

/// What is wrong with what values come from: a reason of the condition `Accepted`, and a sentence with field and remedy.
pub(crate) type Problem = (&'static str, String);

/// What is asked for again although nothing was seen to change: what may not be read may not be watched either.
const AGAIN: Span = Span::seconds(30);

/// What a chart takes from elsewhere, as it was read last.
pub(crate) struct Taken {
    /// For which generation of the spec, and what that named.
    pub(crate) generation: i64,
    from: Vec<ValuesFrom>,
    /// The version of each object that it names; nothing where there was none.
    versions: Vec<Option<u64>>,
    /// When it is read again in any case.
    pub(crate) again: Option<Time>,
    /// The values as text, all merged, or what is wrong.
    values: Result<Box<str>, Vec<Problem>>,
}

/// The objects as they were read, by name.
pub(crate) type Objects = BTreeMap<ObjectId, Result<Option<Value>, Error>>;

/// Where the values of a Rollout's chart come from; nothing where they all stand in its spec.
pub(crate) fn named(rollout: &Rollout) -> Option<Vec<ValuesFrom>> {
    rollout.spec.release.raw().pointer("/chart/valuesFrom")?;
    // What can't be read is told where the chart is.
    Some(rollout.spec.release.chart()?.ok()?.values_from)
}

/// The objects that are named, each once.
pub(crate) fn objects(namespace: &str, from: &[ValuesFrom]) -> Vec<ObjectId> {
    let maps = from.iter().filter_map(|from| from.config_map.as_ref());
    let mut objects: Vec<ObjectId> = maps.map(|map| ObjectId::new(namespace, &map.name)).collect();
    objects.sort();
    objects.dedup();
    objects
}

impl Taken {
    /// Of objects that were read a moment ago; the error where one of them can't be read now, but maybe later.
    pub(crate) fn of(
        rollout: &Rollout,
        from: Vec<ValuesFrom>,
        mut objects: Objects,
        now: Time,
    ) -> Result<Self, Error> {
        let passing = |read: &Result<Option<Value>, Error>| {
            read.as_ref().is_err_and(|error| !matches!(error.class(), Class::Denied | Class::Invalid))
        };
        if let Some(id) = objects.iter().find(|(_, read)| passing(read)).map(|(id, _)| id.clone()) {
            objects.remove(&id).unwrap_or(Ok(None))?;
        }
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let mut layers = Vec::new();
        let mut problems = Vec::new();
        for (place, map) in from.iter().map(|from| from.config_map.as_ref()).enumerate() {
            let Some(map) = map else { continue };
            match layer(map, place, objects.get(&ObjectId::new(namespace, &map.name))) {
                Ok(layer) => layers.push(layer),
                Err(problem) => problems.push(problem),
            }
        }
        let is_refused = objects.values().any(Result::is_err);
        let version = |read: &Result<Option<Value>, Error>| {
            let object = read.as_ref().ok()?.as_ref()?;
            object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
        };
        let text = Value::Object(merged(layers)).to_string();
        Ok(Self {
            generation: rollout.metadata.generation.unwrap_or_default(),
            from,
            versions: objects.values().map(version).collect(),
            again: is_refused.then(|| now + AGAIN),
            values: if problems.is_empty() { Ok(text.into()) } else { Err(problems) },
        })
    }

    /// Whether it still is what the spec names and holds, as far as is shown.
    pub(crate) fn holds(&self, rollout: &Rollout, from: &[ValuesFrom], shown: &[Shown], now: Time) -> bool {
        self.generation == rollout.metadata.generation.unwrap_or_default()
            && self.names(from)
            && self.again.is_none_or(|again| now < again)
            && self.versions.len() == shown.len()
            && !self.versions.iter().zip(shown).any(|(read, shown)| shown.outdates(*read))
    }

    /// Whether it was read from these.
    pub(crate) fn names(&self, from: &[ValuesFrom]) -> bool {
        self.from == from
    }

    /// Puts the values into the release, or says what is wrong with them. What names them stays where they can't be had, so that
    /// the release is none that was there before.
    pub(crate) fn put_into(&self, rollout: &mut Rollout) -> Result<(), Vec<Problem>> {
        let values = self.values.as_ref().map_err(Clone::clone)?;
        let values: Map<String, Value> = serde_json::from_str(values).unwrap_or_default();
        rollout.spec.release.0 = with_values(rollout.spec.release.raw(), [values]);
        Ok(())
    }
}

/// What one object gives; nothing of one that may be missing and is.
fn layer(
    map: &ValuesObject,
    place: usize,
    read: Option<&Result<Option<Value>, Error>>,
) -> Result<Map<String, Value>, Problem> {
    let (name, key) = (&map.name, map.key());
    let field = format!("spec.release.chart.valuesFrom[{place}].configMap");
    let object = match read {
        Some(Ok(object)) => object.as_ref(),
        None => None,
        Some(Err(error)) if error.class() == Class::Denied => return Err(denied(&field, name, error)),
        Some(Err(error)) => {
            return Err(("ReleaseInvalid", format!("{field} can't be read: {error}: correct its name")));
        }
    };
    let Some(object) = object else {
        let problem = format!("{field} names ConfigMap {name}, which isn't there: {MAKE_IT}");
        return if map.is_optional() { Ok(Map::new()) } else { Err(("ReferenceMissing", problem)) };
    };
    let Some(text) = object.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str) else {
        if map.is_optional() {
            return Ok(Map::new());
        }
        let has: Vec<&str> =
            object["data"].as_object().into_iter().flatten().map(|(key, _)| &**key).collect();
        let has = if has.is_empty() { "has no data".to_owned() } else { format!("has {}", has.join(", ")) };
        let problem = format!(
            "{field} names the entry {key} of ConfigMap {name}, which {has}: put the values there, correct key, or write optional: true"
        );
        return Err(("ReferenceMissing", problem));
    };
    let from = format!("{field}: ConfigMap {name}, entry {key}");
    values_of_text(text, &from).map_err(|error| ("ReleaseInvalid", error.to_string()))
}

const MAKE_IT: &str = "make it, correct the name, or write optional: true";

fn denied(field: &str, name: &str, error: &Error) -> Problem {
    let remedy = format!(
        "let Teal's account read it, by `kubectl create role teal-values-{name} --verb=get,list,watch --resource=configmaps \
         --resource-name={name}` in this namespace and a RoleBinding to it"
    );
    (
        "NotPermitted",
        format!("{field} names ConfigMap {name}, which may not be read ({}): {remedy}", error.said()),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::Target;

    fn rollout(values_from: &Value) -> Rollout {
        let chart = json!({"url": "https://e.com/web.tgz", "version": "1.8.2", "values": {"tag": "2"}, "valuesFrom": values_from});
        let rollout = json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "web", "namespace": "shop", "uid": "1", "generation": 3},
            "spec": {"release": {"chart": chart}, "traffic": {"services": [{"name": "web"}]}},
        });
        serde_json::from_value(rollout).unwrap()
    }

    fn read(all: &[(&str, Value)]) -> Objects {
        let of = |(name, object): &(&str, Value)| {
            let object = (!object.is_null()).then(|| object.clone());
            (ObjectId::new("shop", name), Ok(object))
        };
        all.iter().map(of).collect()
    }

    fn map(version: &str, data: &Value) -> Value {
        json!({"metadata": {"resourceVersion": version}, "data": data})
    }

    fn taken(rollout: &Rollout, objects: Objects) -> Taken {
        Taken::of(rollout, named(rollout).expect("names"), objects, Time(0)).expect("read")
    }

    /// The release with the values in it, or what is wrong.
    fn release(values_from: &Value, objects: Objects) -> Result<Value, Vec<Problem>> {
        let mut rollout = rollout(values_from);
        taken(&rollout, objects).put_into(&mut rollout)?;
        Ok(rollout.spec.release.0)
    }

    #[test]
    fn later_ones_go_over_earlier_ones_and_those_of_the_spec_over_all() {
        let from = json!([{"configMap": {"name": "b", "key": "x.yaml"}}, {"configMap": {"name": "a"}}]);
        let objects = || {
            read(&[
                ("a", map("7", &json!({"values.yaml": "tag: '1'\nshard: a\n"}))),
                (
                    "b",
                    map(
                        "8",
                        &json!({"x.yaml": "shard: b\ndeep: {count: 1, z: ~}\n", "values.yaml": "shard: no\n"}),
                    ),
                ),
            ])
        };
        let with = release(&from, objects()).unwrap();
        assert_eq!(
            with["chart"]["values"],
            json!({"tag": "2", "shard": "a", "deep": {"count": 1, "z": null}})
        );
        assert_eq!(with["chart"].get("valuesFrom"), None, "nothing is left to be read");
        let mut written = rollout(&from).spec.release.0;
        written["chart"]["values"] = with["chart"]["values"].clone();
        written["chart"].as_object_mut().unwrap().remove("valuesFrom");
        assert_eq!(teal_release::hash(&with), teal_release::hash(&written), "as if they stood in the spec");
        let turned = json!([from[1], from[0]]);
        assert_eq!(release(&turned, objects()).unwrap()["chart"]["values"]["shard"], "b");
    }

    #[test]
    fn what_may_be_missing_gives_nothing() {
        for (key, object) in
            [("values.yaml", Value::Null), ("x", map("7", &json!({"values.yaml": "tag: '1'"})))]
        {
            let from = json!([{"configMap": {"name": "a", "key": key, "optional": true}}]);
            let with = release(&from, read(&[("a", object)])).unwrap();
            assert_eq!(with["chart"]["values"], json!({"tag": "2"}));
        }
    }

    #[test]
    fn what_can_not_be_used_is_told_with_its_place_and_what_mends_it() {
        let from = json!([{"configMap": {"name": "a"}}]);
        let data = |text: &str| map("7", &json!({"values.yaml": text}));
        for (object, reason, words) in [
            (Value::Null, "ReferenceMissing", ["ConfigMap a, which isn't there", "optional: true"]),
            (
                map("7", &json!({"x": "", "y": ""})),
                "ReferenceMissing",
                ["entry values.yaml", "which has x, y"],
            ),
            (map("7", &Value::Null), "ReferenceMissing", ["has no data", "correct key"]),
            (data("a: ["), "ReleaseInvalid", ["ConfigMap a, entry values.yaml", "line "]),
            (data("- a"), "ReleaseInvalid", ["ConfigMap a, entry values.yaml", "holds no map"]),
        ] {
            let problems = release(&from, read(&[("a", object)])).unwrap_err();
            let [(found, message)] = problems.as_slice() else { panic!("{problems:?}") };
            assert_eq!(*found, reason, "{message}");
            for word in ["spec.release.chart.valuesFrom[0].configMap"].iter().chain(&words) {
                assert!(message.contains(word), "{word}: {message}");
            }
        }
    }

    fn answered(code: u16) -> Error {
        let resource = crate::kinds::CONFIG_MAP.resource();
        let target = Target { resource: &resource, namespace: "shop", name: "a" };
        let status = json!({"status": "Failure", "code": code, "message": "configmaps \"a\" is forbidden", "reason": "x"});
        let status = serde_json::from_value(status).unwrap();
        Error::of_request("get", target, kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_may_not_be_read_is_told_with_the_right_that_lacks_and_is_tried_again() {
        let from = json!([{"configMap": {"name": "a"}}]);
        let mut rollout = rollout(&from);
        let refused = Objects::from([(ObjectId::new("shop", "a"), Err(answered(403)))]);
        let taken = taken(&rollout, refused);
        let problems = taken.put_into(&mut rollout).unwrap_err();
        assert_eq!(problems[0].0, "NotPermitted");
        for word in ["--verb=get,list,watch", "--resource=configmaps", "--resource-name=a", "is forbidden"] {
            assert!(problems[0].1.contains(word), "{word}: {}", problems[0].1);
        }
        let from = named(&rollout).unwrap();
        assert!(taken.holds(&rollout, &from, &[Shown::Unlisted], Time(29_000)));
        assert!(!taken.holds(&rollout, &from, &[Shown::Unlisted], Time(30_000)));
    }

    #[test]
    fn what_can_not_be_read_now_says_nothing_of_the_values() {
        let rollout = rollout(&json!([{"configMap": {"name": "a"}}]));
        let failed = Objects::from([(ObjectId::new("shop", "a"), Err(answered(503)))]);
        assert!(Taken::of(&rollout, named(&rollout).unwrap(), failed, Time(0)).is_err());
    }

    #[test]
    fn what_was_read_holds_until_the_spec_or_what_it_names_is_another() {
        let from = json!([{"configMap": {"name": "a"}}]);
        let rollout_now = rollout(&from);
        let named_now = named(&rollout_now).unwrap();
        let taken = taken(&rollout_now, read(&[("a", map("7", &json!({"values.yaml": ""})))]));
        let holds = |shown| taken.holds(&rollout_now, &named_now, &[shown], Time(0));
        assert_eq!(
            [Shown::Unlisted, Shown::At(7), Shown::At(8), Shown::Gone].map(holds),
            [true, true, false, false]
        );
        let mut later = rollout(&from);
        later.metadata.generation = Some(4);
        assert!(!taken.holds(&later, &named_now, &[Shown::At(7)], Time(0)));
        let other = named(&rollout(&json!([{"configMap": {"name": "a", "optional": true}}]))).unwrap();
        assert!(!taken.holds(&rollout_now, &other, &[Shown::At(7)], Time(0)));
    }
}
