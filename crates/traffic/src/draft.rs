//! Putting a JSON patch together.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use serde_json::{Value, json};

use crate::epoch::has_annotations;
use crate::object::text;
use crate::{ObjectName, Refusal, Route, RouteKind, Saved, Stamp};

/// Path to a field; its parts are escaped where needed.
#[derive(Debug, Clone)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn new(parts: &[&str]) -> Self {
        Self(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    pub(crate) fn route(kind: RouteKind, index: usize) -> Self {
        Self::new(&["spec", kind.as_str()]).at(index)
    }

    pub(crate) fn list(route: &Route) -> Self {
        Self::route(route.kind, route.index).then("route")
    }

    pub(crate) fn destination(route: &Route, place: usize) -> Self {
        Self::list(route).at(place)
    }

    pub(crate) fn annotation(key: &str) -> Self {
        Self::new(&["metadata", "annotations", key])
    }

    pub(crate) fn then(mut self, part: &str) -> Self {
        self.0.push(part.to_owned());
        self
    }

    pub(crate) fn at(self, index: usize) -> Self {
        self.then(&index.to_string())
    }

    fn pointer(self) -> PointerBuf {
        PointerBuf::from_tokens(self.0)
    }
}

/// How many operations the API server takes in one JSON patch; it answers 413 to more.
pub(crate) const MOST_OPERATIONS: usize = 10_000;

/// Operations in the order in which they apply: the guards first, and last what must have come out.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    guards: Vec<PatchOperation>,
    edits: Vec<PatchOperation>,
    results: Vec<PatchOperation>,
    /// Routes that come and go, last of all, because all else counts by their places before.
    moves: Vec<PatchOperation>,
}

impl Draft {
    pub(crate) fn test(&mut self, path: Path, value: Value) {
        self.guards.push(PatchOperation::Test(TestOperation { path: path.pointer(), value }));
    }

    pub(crate) fn add(&mut self, path: Path, value: Value) {
        self.edits.push(add(path, value));
    }

    pub(crate) fn replace(&mut self, path: Path, value: Value) {
        self.edits.push(PatchOperation::Replace(ReplaceOperation { path: path.pointer(), value }));
    }

    pub(crate) fn remove(&mut self, path: Path) {
        self.edits.push(remove(path));
    }

    /// Takes a route out. Of several the last in its list comes first.
    pub(crate) fn take_route(&mut self, path: Path) {
        self.moves.push(remove(path));
    }

    /// Puts a route in at this place, once those are gone that are taken out. Of several the last in its list comes first.
    pub(crate) fn put_route(&mut self, path: Path, route: Value) {
        self.moves.push(add(path, route));
    }

    /// Sets the weight of a destination whatever it is.
    pub(crate) fn set_weight(&mut self, route: &Route, place: usize, weight: i64) {
        self.add(Path::destination(route, place).then("weight"), json!(weight));
    }

    /// Writes a weight as given, or takes it out, if it isn't so already.
    pub(crate) fn weight(&mut self, route: &Route, place: usize, weight: Option<i64>) {
        let current = route.destinations.get(place).and_then(|destination| destination.written);
        match weight {
            _ if current == weight => {}
            Some(weight) => self.set_weight(route, place, weight),
            None => self.remove(Path::destination(route, place).then("weight")),
        }
    }

    /// Puts the operations of another draft after these.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.guards.append(&mut other.guards);
        self.edits.append(&mut other.edits);
        self.results.append(&mut other.results);
        self.moves.append(&mut other.moves);
    }

    pub(crate) fn changes_nothing(&self) -> bool {
        self.edits.is_empty() && self.moves.is_empty()
    }

    /// The patch, or nothing if it would change nothing: a request that says nothing is not sent.
    pub(crate) fn finish(mut self) -> Option<Patch> {
        if self.changes_nothing() {
            return None;
        }
        self.guards.append(&mut self.edits);
        self.guards.append(&mut self.results);
        self.guards.append(&mut self.moves);
        Some(Patch(self.guards))
    }

    /// Refuses to apply to any other version of the object than the one that was read.
    pub(crate) fn guard_version(&mut self, object: &Value, name: &ObjectName) -> Result<(), Refusal> {
        let Some(version) = text(object, "/metadata/resourceVersion") else {
            return Err(name.malformed("metadata.resourceVersion", "as the API server sent it"));
        };
        self.test(Path::new(&["metadata", "resourceVersion"]), json!(version));
        Ok(())
    }

    fn guard_name(&mut self, route: &Route) {
        if let Some(name) = &route.name {
            self.test(Path::route(route.kind, route.index).then("name"), json!(name));
        }
    }

    /// Refuses if anything about the route's name or destinations is different, weights included.
    pub(crate) fn guard_exactly(&mut self, object: &Value, route: &Route) {
        self.guard_name(route);
        let entries = route.of(object).and_then(|value| value.get("route"));
        self.test(Path::list(route), entries.cloned().unwrap_or_default());
    }

    /// Takes all weight from the candidates of a route. Refuses if its name or its list is different, but not for other
    /// weights of live and candidate: going back overwrites these whatever they are, and must not lose a race for it (rule
    /// 4). So the list is tested as it has become: a patch applies as a whole or not at all.
    pub(crate) fn take_all(&mut self, object: &Value, route: &Route) {
        self.guard_name(route);
        let mut list = route.of(object).and_then(|value| value.get("route")).cloned();
        for pair in &route.pairs {
            let Some(candidate) = pair.candidate else { continue };
            for (place, weight) in [(pair.live, route.total(pair)), (candidate, 0)] {
                self.set_weight(route, place, weight);
                let entry = list.as_mut().and_then(|list| list.get_mut(place)).and_then(Value::as_object_mut);
                if let Some(fields) = entry {
                    fields.insert("weight".into(), json!(weight));
                }
            }
        }
        let value = list.unwrap_or_default();
        let path = Path::list(route).pointer();
        self.results.push(PatchOperation::Test(TestOperation { path, value }));
    }

    /// How many operations it has.
    pub(crate) const fn len(&self) -> usize {
        self.guards.len() + self.edits.len() + self.results.len() + self.moves.len()
    }

    /// Puts the epoch on an object that is only written if nobody newer has written.
    pub(crate) fn stamp(&mut self, object: &Value, name: &ObjectName, stamp: &Stamp) -> Result<(), Refusal> {
        let found = stamp.sees(object);
        if found > stamp.epoch {
            let (annotation, own) = (stamp.annotation(), stamp.epoch);
            return Err(Refusal::StaleEpoch { object: name.boxed(), annotation, found, own });
        }
        self.stamp_if_newer(object, stamp);
        Ok(())
    }

    /// Puts the epoch on an object unless a newer one is there. Never refuses: this is the way back.
    ///
    /// On an object without annotations it is left out, since creating the map would wipe out one that another writer
    /// creates at the same time. Nothing is lost: missing reads as 0, and raises of an older writer test the version.
    pub(crate) fn stamp_if_newer(&mut self, object: &Value, stamp: &Stamp) {
        let current = crate::object::annotation(object, &stamp.annotation());
        let wanted = stamp.epoch.to_string();
        let newer = stamp.sees(object) > stamp.epoch;
        if has_annotations(object) && !newer && current != Some(&wanted) {
            self.add(Path::annotation(&stamp.annotation()), json!(wanted));
        }
    }

    /// Writes the record; creates the annotations if there are none, so the patch must be bound to a version.
    pub(crate) fn save(&mut self, object: &Value, stamp: &Stamp, saved: &Saved) {
        if !has_annotations(object) {
            self.add(
                Path::new(&["metadata", "annotations"]),
                json!({ stamp.annotation(): stamp.epoch.to_string() }),
            );
        }
        let key = Saved::annotation(&stamp.rollout);
        let text = saved.text();
        if crate::object::annotation(object, &key) != Some(&text) {
            self.add(Path::annotation(&key), json!(text));
        }
    }

    /// Removes a record.
    pub(crate) fn forget(&mut self, object: &Value, key: &str) {
        if crate::object::map(object, "/metadata/annotations").is_some_and(|map| map.contains_key(key)) {
            self.remove(Path::annotation(key));
        }
    }
}

fn add(path: Path, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: path.pointer(), value })
}

fn remove(path: Path) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path: path.pointer() })
}
