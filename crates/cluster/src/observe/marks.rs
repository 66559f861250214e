//! Teal's own annotations on objects that others write, too: what another hand made of them is told, and locks nobody
//! out.

use std::sync::Arc;

use teal_api::names::annotation;
use teal_plan::Phase;
use teal_plan::snapshot::{Obstacle, Stops};

use super::{Facts, obstacle};
use crate::memory::Memory;
use crate::stores::{JsonView, View};

/// How much of an annotation's text is shown.
const SHOWN: usize = 40;

/// What is edited now; and for a while what was, because the next commit already goes on above a forged epoch.
pub(super) fn edited(facts: &Facts<'_>, memory: &mut Memory) -> Vec<Obstacle> {
    let uid = &facts.names.uid;
    let mut found = Vec::new();
    for (kind, view) in marked(facts) {
        let object = format!("{kind} {}", view.id());
        found.extend(view.malformed(uid).map(|(key, text)| malformed(&object, key, text)));
        let epoch = view.epoch(uid);
        if facts.believed(epoch) < epoch {
            memory.noted.insert("Marks", (never_written(uid, &object, epoch), facts.now));
        } else if epoch > facts.record.epoch && !matches!(facts.record.phase, Phase::New) {
            memory.noted.insert("Marks", (forged(facts, &object, epoch), facts.now));
        }
    }
    found
}

/// Role Services and VirtualServices.
fn marked(facts: &Facts<'_>) -> Vec<(&'static str, Arc<JsonView>)> {
    let namespace = &facts.names.namespace;
    let services = facts.services.iter().flat_map(|service| [&service.name, &service.candidate]);
    let services = services.filter_map(|name| Some(("Service", facts.stores.services.get(namespace, name)?)));
    let entries = facts.filled.virtual_services.iter();
    let routes = entries.filter_map(|entry| {
        Some(("VirtualService", facts.stores.virtual_services.get(namespace, &entry.name)?))
    });
    services.chain(routes).collect()
}

/// A higher one than the record's: gone on from at once.
fn forged(facts: &Facts<'_>, object: &str, epoch: u64) -> Obstacle {
    told(format!(
        "{object}: metadata.annotations[{}] was {epoch}, above the {} of status.commit; Teal goes on above it: leave \
         it to Teal",
        annotation::epoch(&facts.names.uid),
        facts.record.epoch
    ))
}

/// Further above the record than any record can lag behind. It counts as 0 until it is written over.
fn never_written(uid: &str, object: &str, epoch: u64) -> Obstacle {
    told(format!(
        "{object}: metadata.annotations[{}] was {epoch}, which Teal never wrote; it counts as 0: leave it to Teal",
        annotation::epoch(uid)
    ))
}

/// There until the object is written again.
fn malformed(object: &str, key: &str, text: &str) -> Obstacle {
    let means = if key.starts_with(annotation::EPOCH_PREFIX) {
        "which is no epoch, and counts as 0"
    } else {
        "which can't be read, so weights are restored by the form of the routes"
    };
    let text = teal_api::names::shortened(text, SHOWN);
    told(format!("{object}: metadata.annotations[{key}] is {text:?}, {means}: leave it to Teal"))
}

fn told(message: String) -> Obstacle {
    obstacle("MarksEdited", message, Stops::Nothing)
}
