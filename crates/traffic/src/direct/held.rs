//! Whether a Rollout has the routes of a `VirtualService`: then nobody else divides their weights, since Teal would take it for
//! another hand's doing, correct it, and in the end send all traffic back to live.

use serde_json::Value;

use super::DirectRefusal;
use crate::object::{list, map, name, namespace, text};
use crate::{EPOCH_PREFIX, ObjectName, SAVED_PREFIX};

/// Why the weights of this `VirtualService` are not to be changed by hand. `rollouts` are those of its namespace, since a Rollout
/// manages routes of its own namespace alone; `None` where they could not be read, and then what Teal wrote on the
/// object must say it all.
///
/// An epoch stays on the object when a Rollout has left, so it says something only where nobody knows the Rollouts.
pub fn held(virtual_service: &Value, rollouts: Option<&[Value]>) -> Option<DirectRefusal> {
    let object = ObjectName {
        kind: "VirtualService".into(),
        namespace: namespace(virtual_service).to_owned(),
        name: name(virtual_service).to_owned(),
    };
    let object = Box::new(object);
    if let Some((key, uid)) = noted(virtual_service, SAVED_PREFIX) {
        let known =
            rollouts.unwrap_or_default().iter().find(|rollout| text(rollout, "/metadata/uid") == Some(uid));
        let key = key.to_owned();
        return Some(match known {
            Some(rollout) => DirectRefusal::Managed { object, rollout: name(rollout).to_owned() },
            None if rollouts.is_some() => DirectRefusal::LeftBehind { object, annotation: key },
            None => DirectRefusal::Entered { object, annotation: key },
        });
    }
    let Some(rollouts) = rollouts else {
        let (annotation, _) = noted(virtual_service, EPOCH_PREFIX)?;
        return Some(DirectRefusal::Touched { object, annotation: annotation.to_owned() });
    };
    let named = |rollout: &&Value| {
        let listed = list(rollout, "/spec/traffic/virtualServices");
        listed.iter().any(|entry| text(entry, "/name") == Some(&object.name))
    };
    let rollout = name(rollouts.iter().find(named)?).to_owned();
    Some(DirectRefusal::Managed { object, rollout })
}

/// The first annotation with this prefix, and what follows it.
fn noted<'a>(object: &'a Value, prefix: &str) -> Option<(&'a str, &'a str)> {
    let mut keys = map(object, "/metadata/annotations")?.keys();
    keys.find_map(|key| Some((key.as_str(), key.strip_prefix(prefix)?)))
}
