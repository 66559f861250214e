//! Field ownership: who wrote a `VirtualService`, and giving its lists of routes back to their owner (rule 19).
//!
//! The API server notes in `metadata.managedFields` who set which field. All lists of a `VirtualService` are atomic, so
//! the first weight makes Teal the owner of all of `spec.http`, or `spec.tcp`, and restoring the bytes doesn't undo that. Tools that
//! go by ownership (server-side apply, Argo CD) then misjudge the object until it is put right.

use std::collections::BTreeSet;

use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::draft::{Draft, Path};
use crate::object::{list, text};
use crate::{ObjectName, Refusal, RouteKind, Saved};

/// A field manager that owned lists of routes: as much of its entry as is needed to make it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteOwner {
    /// Name of the field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Version in which the fields are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// When it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Which lists it owned, where that isn't `http` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
}

impl RouteOwner {
    fn of(entry: &Value, kinds: &BTreeSet<RouteKind>) -> Self {
        let owned = |path: &str| text(entry, path).map(str::to_owned);
        Self {
            manager: manager(entry).to_owned(),
            operation: owned("/operation").unwrap_or_else(|| "Update".into()),
            api_version: owned("/apiVersion"),
            time: owned("/time"),
            lists: lists(kinds),
        }
    }

    fn kinds(&self) -> BTreeSet<RouteKind> {
        let named = |kind: &RouteKind| match kind {
            RouteKind::Http if self.lists.is_empty() => true,
            kind => self.lists.iter().any(|list| list == kind.as_str()),
        };
        RouteKind::ALL.into_iter().filter(named).collect()
    }

    fn is(&self, entry: &Value) -> bool {
        manager(entry) == self.manager
            && text(entry, "/operation").unwrap_or("Update") == self.operation
            && text(entry, "/subresource").is_none()
    }

    fn entry(&self, fallback: &str, kinds: &BTreeSet<RouteKind>) -> Value {
        let spec: Map<String, Value> =
            kinds.iter().map(|kind| (field(*kind).to_owned(), json!({}))).collect();
        let mut entry = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version.as_deref().unwrap_or(fallback),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": spec},
        });
        if let (Some(time), Some(fields)) = (&self.time, entry.as_object_mut()) {
            fields.insert("time".into(), json!(time));
        }
        entry
    }
}

/// As it is written in a record: nothing for http alone.
fn lists(kinds: &BTreeSet<RouteKind>) -> Vec<String> {
    let http_alone = kinds.iter().all(|kind| *kind == RouteKind::Http);
    kinds.iter().filter(|_| !http_alone).map(|kind| kind.as_str().to_owned()).collect()
}

/// Those who own any of these lists, other than `own`. Empty where `managedFields` were stripped from the object.
pub(crate) fn owners(object: &Value, own: &str, kinds: &BTreeSet<RouteKind>) -> Vec<RouteOwner> {
    let foreign = entries(object).iter().filter(|entry| manager(entry) != own);
    let found = foreign.filter_map(|entry| {
        let owned: BTreeSet<RouteKind> = kinds.iter().copied().filter(|kind| owns(entry, *kind)).collect();
        (!owned.is_empty()).then(|| RouteOwner::of(entry, &owned))
    });
    found.collect()
}

/// Those who own `spec.http`, other than `own`.
pub fn http_owners(object: &Value, own: &str) -> Vec<RouteOwner> {
    owners(object, own, &BTreeSet::from([RouteKind::Http]))
}

/// Puts those who own lists now in the place of those who were known to.
pub(crate) fn merge(known: &mut Vec<RouteOwner>, now: Vec<RouteOwner>) {
    let newer: BTreeSet<RouteKind> = now.iter().flat_map(RouteOwner::kinds).collect();
    let older = std::mem::replace(known, now);
    add_other(known, older, &newer);
}

/// Adds the owners of lists of which none is known.
pub(crate) fn add_unknown(known: &mut Vec<RouteOwner>, more: Vec<RouteOwner>) {
    let there: BTreeSet<RouteKind> = known.iter().flat_map(RouteOwner::kinds).collect();
    add_other(known, more, &there);
}

/// Adds owners of lists other than these, to the entry of the same one where there is any.
fn add_other(known: &mut Vec<RouteOwner>, more: Vec<RouteOwner>, except: &BTreeSet<RouteKind>) {
    for mut owner in more {
        let rest: BTreeSet<RouteKind> = owner.kinds().difference(except).copied().collect();
        if rest.is_empty() {
            continue;
        }
        let who =
            |owner: &RouteOwner| (owner.manager.clone(), owner.operation.clone(), owner.api_version.clone());
        let own = who(&owner);
        let same = |other: &&mut RouteOwner| who(other) == own && other.kinds().is_disjoint(&rest);
        if let Some(other) = known.iter_mut().find(same) {
            other.lists = lists(&other.kinds().union(&rest).copied().collect());
        } else {
            owner.lists = lists(&rest);
            known.push(owner);
        }
    }
}

/// Names of all who have written the object, other than `own`.
pub(crate) fn writers(object: &Value, own: &str) -> Vec<String> {
    let mut names: Vec<String> = entries(object).iter().map(|entry| manager(entry).to_owned()).collect();
    names.retain(|name| name != own && !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

/// In whose name the restoring request is to be sent, so that the lists go back with it: whoever changes a field owns it
/// then. Only for one owner that writes by updates, as client-side apply and Helm 3 do, in this very version, and while
/// nobody but `own` claims the field. All others need [`give_back`] and a request of its own.
///
/// Nor while another Rollout has its candidate there: until that is gone, the routes are Teal's.
///
/// The record is an annotation that anyone may write, so the name must be one that the API server could have noted, and
/// that it still does for some other field.
pub fn restorer(object: &Value, saved: &Saved, own: &str) -> Option<String> {
    let [owner] = saved.owners.as_slice() else { return None };
    if Saved::all(object).iter().filter(|record| *record != saved).any(Saved::has_entered) {
        return None;
    }
    let updates = owner.operation == "Update" && owner.api_version.as_deref() == text(object, "/apiVersion");
    let kinds = owner.kinds();
    let claims = || entries(object).iter().filter(|entry| kinds.iter().any(|kind| owns(entry, *kind)));
    let ours = claims().next().is_some() && claims().all(|entry| manager(entry) == own);
    let known =
        is_name(&owner.manager) && entries(object).iter().any(|entry| manager(entry) == owner.manager);
    (updates && ours && known).then(|| owner.manager.clone())
}

/// What the API server takes for the name of a field manager: up to 128 printable characters.
fn is_name(manager: &str) -> bool {
    let printable = manager.chars().all(|one| !one.is_control());
    (1..=LONGEST_NAME).contains(&manager.len()) && printable
}

/// In bytes, as it is counted before a request is sent.
const LONGEST_NAME: usize = 128;

/// The request that gives the lists back: Teal's claim goes, and the recorded owners get theirs again, unless someone
/// has claimed it meanwhile. To be sent by itself after the owner's bytes are back, to an object read just before; in
/// the same request Teal's entry would come back with the change. While another Rollout's record stands, its candidate does,
/// and the claim is left alone: who leaves last gives it back.
///
/// Take the record from the object *before* [`crate::leave`], which removes it.
pub fn give_back(object: &Value, saved: &Saved, own: &str) -> Result<Option<Patch>, Refusal> {
    let name = ObjectName::of(object, "VirtualService")?;
    if Saved::all(object).iter().any(Saved::has_entered) {
        return Ok(None);
    }
    let before = entries(object);
    let mut after: Vec<Value> = before.iter().filter_map(|entry| without_claim(entry, own)).collect();
    let claimed = |kind: &RouteKind| after.iter().any(|entry| owns(entry, *kind));
    let free: BTreeSet<RouteKind> = RouteKind::ALL.into_iter().filter(|kind| !claimed(kind)).collect();
    let version = text(object, "/apiVersion").unwrap_or("networking.istio.io/v1");
    for owner in &saved.owners {
        let kinds: BTreeSet<RouteKind> = owner.kinds().intersection(&free).copied().collect();
        if !kinds.is_empty() {
            reclaim(&mut after, owner, version, &kinds);
        }
    }
    let mut draft = Draft::default();
    if after != before {
        draft.guard_version(object, &name)?;
        draft.replace(Path::new(&["metadata", "managedFields"]), json!(after));
    }
    Ok(draft.finish())
}

/// The entry without the lists of routes if it is `own`; nothing if no field is left in it.
fn without_claim(entry: &Value, own: &str) -> Option<Value> {
    let mut entry = entry.clone();
    if manager(&entry) != own || !RouteKind::ALL.into_iter().any(|kind| owns(&entry, kind)) {
        return Some(entry);
    }
    let fields = entry.get_mut("fieldsV1")?.as_object_mut()?;
    let spec = fields.get_mut("f:spec")?.as_object_mut()?;
    spec.retain(|key, _| RouteKind::ALL.into_iter().all(|kind| field(kind) != key));
    if spec.keys().all(|key| key == ".") {
        fields.remove("f:spec");
    }
    (!fields.is_empty()).then_some(entry)
}

fn reclaim(entries: &mut Vec<Value>, owner: &RouteOwner, version: &str, kinds: &BTreeSet<RouteKind>) {
    let Some(entry) = entries.iter_mut().find(|entry| owner.is(entry)) else {
        entries.push(owner.entry(version, kinds));
        return;
    };
    let Some(fields) = entry.get_mut("fieldsV1").and_then(Value::as_object_mut) else { return };
    let spec = fields.entry("f:spec").or_insert_with(|| json!({}));
    if let Some(spec) = spec.as_object_mut() {
        for kind in kinds {
            spec.insert(field(*kind).into(), json!({}));
        }
    }
}

fn entries(object: &Value) -> &[Value] {
    list(object, "/metadata/managedFields")
}

fn manager(entry: &Value) -> &str {
    text(entry, "/manager").unwrap_or_default()
}

/// What a list is called among the fields of an entry.
const fn field(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Http => "f:http",
        RouteKind::Tls => "f:tls",
        RouteKind::Tcp => "f:tcp",
    }
}

fn owns(entry: &Value, kind: RouteKind) -> bool {
    entry.pointer("/fieldsV1/f:spec").is_some_and(|spec| spec.get(field(kind)).is_some())
}
