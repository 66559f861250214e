//! I12: what Teal writes for a Rollout lies in the Rollout's namespace.

use teal_api::names::{annotation, label};

use super::Options;
use super::json::{annotations, label as label_of};
use super::replay::{Change, Check};
use super::tally::{Invariant, Summary};
use super::world::World;
use super::writer::Writer;

pub(super) struct Tenancy<'o> {
    options: &'o Options,
}

impl<'o> Tenancy<'o> {
    pub(super) const fn new(options: &'o Options) -> Self {
        Self { options }
    }
}

impl<'h> Check<'h> for Tenancy<'_> {
    fn see(&mut self, change: &Change<'h>, world: &World<'h>, summary: &mut Summary) {
        if change.writer == Writer::Teal && change.after.is_some() {
            let problem = self.problem(change, world);
            summary.judge(Invariant::I12, change.revision, change.key, problem);
        }
    }
}

impl Tenancy<'_> {
    fn problem(&self, change: &Change<'_>, world: &World<'_>) -> Option<String> {
        let (namespace, resource) = (change.key.namespace.as_str(), change.key.resource.as_str());
        if resource == "leases" && namespace == self.options.install_namespace {
            return None;
        }
        if namespace.is_empty() {
            return Some("Teal writes an object outside of namespaces".to_owned());
        }
        if resource == "secrets" {
            return Some("Teal writes a Secret".to_owned());
        }
        if !world.homes.values().any(|home| *home == namespace) {
            return Some("Teal writes in a namespace without a Rollout".to_owned());
        }
        // What was changed by this write names the Rollout it was made for.
        let value = change.after?;
        let old = change.before.and_then(annotations);
        let stamps = annotations(value).into_iter().flatten();
        let stamped = stamps
            .filter(|(key, value)| old.and_then(|old| old.get(*key)) != Some(value))
            .filter_map(|(key, _)| key.strip_prefix(annotation::EPOCH_PREFIX));
        stamped.chain(label_of(value, label::ROLLOUT_UID)).find_map(|uid| {
            let home = world.homes.get(uid)?;
            (*home != namespace).then(|| format!("Teal writes it for a Rollout of namespace {home}"))
        })
    }
}
