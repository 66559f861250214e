//! Field ownership: who wrote a `VirtualService`, and giving `spec.http` back to its owner (rule 19).
//!
//! The API server notes in `metadata.managedFields` who set which field. All lists of a `VirtualService` are atomic, so
//! the first weight makes Teal the owner of all of `spec.http`, and restoring the bytes doesn't undo that. Tools that
//! go by ownership (server-side apply, Argo CD) then misjudge the object until it is put right.

use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::draft::{Draft, Path};
use crate::object::{list, text};
use crate::{ObjectName, Refusal, Saved};

/// A field manager that owned `spec.http`: as much of its entry as is needed to make it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpOwner {
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
}

impl HttpOwner {
    fn of(entry: &Value) -> Self {
        let owned = |path: &str| text(entry, path).map(str::to_owned);
        Self {
            manager: manager(entry).to_owned(),
            operation: owned("/operation").unwrap_or_else(|| "Update".into()),
            api_version: owned("/apiVersion"),
            time: owned("/time"),
        }
    }

    fn is(&self, entry: &Value) -> bool {
        manager(entry) == self.manager
            && text(entry, "/operation").unwrap_or("Update") == self.operation
            && text(entry, "/subresource").is_none()
    }

    fn entry(&self, fallback: &str) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version.as_deref().unwrap_or(fallback),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:http": {}}},
        });
        if let (Some(time), Some(fields)) = (&self.time, entry.as_object_mut()) {
            fields.insert("time".into(), json!(time));
        }
        entry
    }
}

/// Those who own `spec.http`, other than `own`. Empty where `managedFields` were stripped from the object.
pub fn http_owners(object: &Value, own: &str) -> Vec<HttpOwner> {
    entries(object)
        .iter()
        .filter(|entry| manager(entry) != own && owns_http(entry))
        .map(HttpOwner::of)
        .collect()
}

/// Names of all who have written the object, other than `own`.
pub(crate) fn writers(object: &Value, own: &str) -> Vec<String> {
    let mut names: Vec<String> = entries(object).iter().map(|entry| manager(entry).to_owned()).collect();
    names.retain(|name| name != own && !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

/// In whose name the restoring request is to be sent, so that `spec.http` goes back with it: whoever changes a field owns it
/// then. Only for one owner that writes by updates, as client-side apply and Helm 3 do, in this very version, and while
/// nobody but `own` claims the field. All others need [`give_back`] and a request of its own.
///
/// Nor while another Rollout has its candidate there: until that is gone, the routes are Teal's.
///
/// The record is an annotation that anyone may write, so the name must be one that the API server could have noted, and
/// that it still does for some other field.
pub fn restorer(object: &Value, saved: &Saved, own: &str) -> Option<String> {
    let [owner] = saved.owners.as_slice() else { return None };
    if Saved::all(object).iter().filter(|record| *record != saved).any(has_entered) {
        return None;
    }
    let updates = owner.operation == "Update" && owner.api_version.as_deref() == text(object, "/apiVersion");
    let claims = || entries(object).iter().filter(|entry| owns_http(entry));
    let ours = claims().next().is_some() && claims().all(|entry| manager(entry) == own);
    let known =
        is_name(&owner.manager) && entries(object).iter().any(|entry| manager(entry) == owner.manager);
    (updates && ours && known).then(|| owner.manager.clone())
}

/// A record without a route is of no candidate.
fn has_entered(record: &Saved) -> bool {
    !record.routes.is_empty()
}

/// What the API server takes for the name of a field manager: up to 128 printable characters.
fn is_name(manager: &str) -> bool {
    let printable = manager.chars().all(|one| !one.is_control());
    (1..=LONGEST_NAME).contains(&manager.len()) && printable
}

/// In bytes, as it is counted before a request is sent.
const LONGEST_NAME: usize = 128;

/// The request that gives `spec.http` back: Teal's claim goes, and the recorded owners get theirs again, unless someone
/// has claimed it meanwhile. To be sent by itself after the owner's bytes are back, to an object read just before; in
/// the same request Teal's entry would come back with the change. While another Rollout's record stands, its candidate does,
/// and the claim is left alone: who leaves last gives it back.
///
/// Take the record from the object *before* [`crate::leave`], which removes it.
pub fn give_back(object: &Value, saved: &Saved, own: &str) -> Result<Option<Patch>, Refusal> {
    let name = ObjectName::of(object, "VirtualService")?;
    if Saved::all(object).iter().any(has_entered) {
        return Ok(None);
    }
    let before = entries(object);
    let mut after: Vec<Value> = before.iter().filter_map(|entry| without_claim(entry, own)).collect();
    if !after.iter().any(owns_http) {
        let version = text(object, "/apiVersion").unwrap_or("networking.istio.io/v1");
        for owner in &saved.owners {
            reclaim(&mut after, owner, version);
        }
    }
    let mut draft = Draft::default();
    if after != before {
        draft.guard_version(object, &name)?;
        draft.replace(Path::new(&["metadata", "managedFields"]), json!(after));
    }
    Ok(draft.finish())
}

/// The entry without `f:http` if it is `own`; nothing if no field is left in it.
fn without_claim(entry: &Value, own: &str) -> Option<Value> {
    let mut entry = entry.clone();
    if manager(&entry) != own || !owns_http(&entry) {
        return Some(entry);
    }
    let fields = entry.get_mut("fieldsV1")?.as_object_mut()?;
    let spec = fields.get_mut("f:spec")?.as_object_mut()?;
    spec.remove("f:http");
    if spec.keys().all(|key| key == ".") {
        fields.remove("f:spec");
    }
    (!fields.is_empty()).then_some(entry)
}

fn reclaim(entries: &mut Vec<Value>, owner: &HttpOwner, version: &str) {
    let Some(entry) = entries.iter_mut().find(|entry| owner.is(entry)) else {
        entries.push(owner.entry(version));
        return;
    };
    let Some(fields) = entry.get_mut("fieldsV1").and_then(Value::as_object_mut) else { return };
    let spec = fields.entry("f:spec").or_insert_with(|| json!({}));
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("f:http".into(), json!({}));
    }
}

fn entries(object: &Value) -> &[Value] {
    list(object, "/metadata/managedFields")
}

fn manager(entry: &Value) -> &str {
    text(entry, "/manager").unwrap_or_default()
}

fn owns_http(entry: &Value) -> bool {
    entry.pointer("/fieldsV1/f:spec/f:http").is_some()
}
