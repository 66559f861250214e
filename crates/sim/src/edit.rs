//! What a write makes of the weights of a route, by the code that ships: on a `VirtualService` as an API server has it.

use std::cell::RefCell;

use json_patch::Patch;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use teal_plan::Effect;
use teal_traffic::{Mesh, Refusal, RoleService, Scope, Stamp, enter, leave, lower, lower_to, set_weight};

use crate::world::Weights;

/// The weights afterwards; none where nothing is sent, be it that it is refused or that it would change nothing.
pub(crate) fn written(weights: Weights, mangled: bool, effect: &Effect) -> Option<Weights> {
    thread_local! {
        /// There are few routes and few writes, and each is done at very many places of the search.
        static KNOWN: RefCell<FxHashMap<(Weights, bool, Effect), Option<Weights>>> = RefCell::default();
    }
    let key = (weights, mangled, effect.clone());
    KNOWN.with_borrow_mut(|known| *known.entry(key).or_insert_with(|| write(weights, mangled, effect)))
}

fn write(weights: Weights, mangled: bool, effect: &Effect) -> Option<Weights> {
    let (mesh, services, stamp) =
        (Mesh::default(), [RoleService::new("shop", "web")], Stamp::new("uid", 1, "teal"));
    let scope = Scope { mesh: &mesh, services: &services, routes: None, subsets: &[] };
    let mut object = virtual_service(weights, mangled, &scope, &stamp)?;
    let patch = match effect {
        Effect::EnterRoutes => enter(&object, &scope, &stamp),
        Effect::LowerWeight(0) | Effect::CutOff(_) => match lower(&object, &scope, &stamp) {
            // What has no weight is stamped all the same, so that no older writer can raise it any more.
            Ok(None) => return Some(weights),
            other => other,
        },
        Effect::RaiseWeight(weight) => set_weight(&object, &scope, *weight, &stamp),
        Effect::LowerWeight(weight) => lower_to(&object, &scope, *weight, &stamp),
        Effect::LeaveRoutes => leave(&object, &scope, &stamp).map(|restoration| restoration.patch),
        _ => return None,
    };
    sent(&mut object, patch)?;
    read(&object)
}

/// Its owner's, entered where the candidate is named, and then with these weights.
fn virtual_service(weights: Weights, mangled: bool, scope: &Scope<'_>, stamp: &Stamp) -> Option<Value> {
    let mut object = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7", "annotations": {"team": "shop"}},
        "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}]}]},
    });
    if weights.candidate.is_some() {
        let entered = enter(&object, scope, stamp);
        sent(&mut object, entered)?;
    }
    let entries = object.pointer_mut("/spec/http/0/route")?.as_array_mut()?;
    for (entry, weight) in entries.iter_mut().zip([Some(weights.live), weights.candidate]) {
        let fields = entry.as_object_mut()?;
        if weights != Weights::OWNERS {
            fields.insert("weight".into(), json!(weight));
        }
        if mangled {
            fields.get_mut("destination")?.as_object_mut()?.insert("subset".into(), json!("one"));
        }
    }
    Some(object)
}

/// Applies a patch as the API server does; none where there is none, or it is refused.
fn sent(object: &mut Value, patch: Result<Option<Patch>, Refusal>) -> Option<()> {
    json_patch::patch(object, &patch.ok()??.0).ok()
}

fn read(object: &Value) -> Option<Weights> {
    let entries = object.pointer("/spec/http/0/route")?.as_array()?;
    let weight =
        |entry: &Value| entry.get("weight").map_or(Some(100), |weight| i16::try_from(weight.as_i64()?).ok());
    let candidate = match entries.get(1) {
        Some(entry) => Some(weight(entry)?),
        None => None,
    };
    Some(Weights { live: weight(entries.first()?)?, candidate })
}
