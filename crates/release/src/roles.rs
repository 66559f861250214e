//! Traffic Services as a release wants them. The order in which they are written is not decided here.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::names::{CANDIDATE_SUFFIX, label};
use crate::object::Object;
use crate::read::Item;
use crate::render::{mark, selector_labels};
use crate::selector::labels;

/// A traffic Service: never colored, it is pointed at the pods of one revision.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RoleService {
    /// Name of the live role.
    pub name: String,
    /// Name of the candidate's role.
    pub candidate_name: String,
    /// The Service as this release wants it, with Teal's labels and the selector of its owner.
    pub template: Object,
    /// Its ports.
    pub ports: Vec<Value>,
    /// The selector of its owner.
    pub original_selector: BTreeMap<String, String>,
    /// What it selects when it points at this slot: the owner's labels, Rollout, color and revision.
    pub selector: BTreeMap<String, String>,
}

impl RoleService {
    /// What it selects while pods of two revisions are to be behind it: all of the Rollout's that its owner's labels select.
    pub fn both(&self) -> BTreeMap<String, String> {
        let mut selector = self.selector.clone();
        selector.retain(|name, _| name != label::COLOR && name != label::REVISION);
        selector
    }
}

pub(crate) fn role_service(item: &Item, context: &Context) -> RoleService {
    let mut template = item.object.clone();
    template.set(&["metadata"], "namespace", context.namespace.as_str().into());
    mark(&mut template, context);
    let original_selector = labels(template.get("/spec/selector"));
    let mut selector = original_selector.clone();
    selector.extend(selector_labels(context).map(|(name, value)| (name.to_owned(), value)));
    selector.insert(label::REVISION.to_owned(), context.slot.revision.to_string());
    let ports = template.get("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    let name = item.key.name.clone();
    let candidate_name = format!("{name}{CANDIDATE_SUFFIX}");
    RoleService { name, candidate_name, template, ports, original_selector, selector }
}
