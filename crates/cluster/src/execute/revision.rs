//! Keeping the content of revisions, from which live is repaired and gone back to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use futures::future::join_all;
use serde_json::{Value, json};
use teal_api::names::{annotation, label, limit, manager};
use teal_api::rollout::OnDelete;
use teal_plan::Revision;
use teal_release::chart::Body;
use teal_release::{Fate, Kept, Object, ObjectKey};

use super::{Order, Tools, answer, worst};
use crate::access::Target;
use crate::error::Error;
use crate::kinds;
use crate::observe::Names;
use crate::rendering::owner_reference;
use crate::stores::ObjectView;

fn name(order: &Order<'_>, revision: Revision) -> String {
    format!("{}-{revision}", order.names.name)
}

pub(super) async fn record(tools: &Tools, order: &Order<'_>, revision: Revision) -> Result<bool, Error> {
    let hash = teal_release::hash(order.rollout.spec.release.raw());
    if hash.revision(revision.counter) != revision {
        // The spec has moved on before its content was kept: the next look gives way to the newer one.
        return Err(Error::ContentLost { revision: revision.to_string() });
    }
    let services = order.filled.services.clone();
    let release = order.rollout.spec.release.raw().clone();
    let body = match (release.get("chart"), &order.body) {
        (None, _) => None,
        (Some(_), Some(body)) => Some((**body).clone()),
        // Nobody has it any more.
        (Some(_), None) => return Err(Error::ContentLost { revision: revision.to_string() }),
    };
    let kept = Kept { hash, services, release, body };
    let what = || format!("revision {revision}");
    let data = teal_release::store(&kept).map_err(|error| Error::Kept { what: what(), source: error })?;
    let name = name(order, revision);
    let object = object(order, revision, &name, &hash.to_string(), &data);
    let resource = kinds::CONTROLLER_REVISION.resource();
    let target = Target { resource: &resource, namespace: &order.names.namespace, name: &name };
    let answer = match tools.access.create(target, manager::REVISIONS, &object).await {
        Ok(answer) => answer,
        Err(error) if error.is_already_exists() => adopt(tools, order, target, revision).await?,
        Err(error) => return Err(error),
    };
    tools.stores.offer(kinds::CONTROLLER_REVISION, &answer);
    prune(tools, order).await;
    answer::prune(tools, order).await;
    Ok(true)
}

fn object(order: &Order<'_>, revision: Revision, name: &str, hash: &str, data: &Value) -> Value {
    let mut labels = json!({
        label::ROLLOUT: order.names.name,
        label::ROLLOUT_UID: order.names.uid,
        label::REVISION: revision.to_string(),
        label::MANAGED_BY: label::MANAGED_BY_TEAL,
    });
    if let Some(instance) = order.rollout.metadata.labels.as_ref().and_then(|all| all.get(label::INSTANCE)) {
        labels[label::INSTANCE] = json!(instance);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": order.names.namespace,
            "labels": labels,
            "annotations": {annotation::HASH: hash, order.epoch_key(): order.record.epoch.to_string()},
            "ownerReferences": owners(&order.names.name, &order.names.uid, goes_along(order.filled.on_delete)),
        },
        "revision": revision.counter,
        "data": data,
    })
}

/// What stays and serves is repaired from it and gone back to by it, also by a Rollout made anew: so it stays as long.
pub(crate) fn goes_along(on_delete: OnDelete) -> bool {
    on_delete == OnDelete::DeleteAll
}

fn owners(rollout: &str, uid: &str, goes_along: bool) -> Value {
    if goes_along { json!([owner_reference(rollout, uid)]) } else { Value::Null }
}

/// One of that name is there already: of this content, by an earlier try or by a Rollout of the same name before.
async fn adopt(
    tools: &Tools,
    order: &Order<'_>,
    target: Target<'_>,
    revision: Revision,
) -> Result<Value, Error> {
    let there = tools.access.get(target).await?;
    let fits = there.as_ref().is_some_and(|object| {
        let kept = teal_release::from_store(&object["data"]);
        kept.is_ok_and(|kept| kept.check(revision).is_ok())
            && object.pointer("/metadata/labels").and_then(|all| all.get(label::ROLLOUT))
                == Some(&json!(order.names.name))
    });
    if !fits {
        return Err(Error::NameTaken {
            object: target.to_string(),
            manager: "another writer".into(),
            serves: false,
        });
    }
    let goes_along = goes_along(order.filled.on_delete);
    let patch = adoption(&order.names.name, &order.names.uid, None, goes_along);
    tools.access.merge(target, manager::REVISIONS, false, &patch).await
}

/// The owner, too: the garbage collector would take it along with the former Rollout.
fn adoption(rollout: &str, uid: &str, version: Option<u64>, goes_along: bool) -> Value {
    let mut metadata = json!({
        "labels": {label::ROLLOUT_UID: uid},
        "ownerReferences": owners(rollout, uid, goes_along),
    });
    if let Some(version) = version {
        metadata["resourceVersion"] = json!(version.to_string());
    }
    json!({"metadata": metadata})
}

/// Whether what was kept is another Rollout's of this name, which was here before, or goes with this one against what the spec says.
/// By name and marks it must be what Teal kept: what else bears the label is left alone.
pub(crate) fn strays(view: &ObjectView, names: &Names, goes_along: bool) -> bool {
    let is_kept = view.revision.is_some_and(|revision| {
        view.id.name == format!("{}-{revision}", names.name)
            && view.hash.is_some_and(|hash| hash.revision(revision.counter) == revision)
    });
    is_kept && !view.deleting && (view.rollout_uid != names.uid || view.goes_along != goes_along)
}

/// Makes what was kept this Rollout's, and has it stay or go with it as the spec says.
pub(crate) async fn claim(tools: &Tools, order: &Order<'_>) -> Result<bool, Error> {
    let goes_along = goes_along(order.filled.on_delete);
    let mut kept = tools.stores.revisions.group(&order.names.namespace, &order.names.name);
    kept.retain(|view| strays(view, order.names, goes_along));
    let each = kept.iter().map(async |view| {
        let resource = kinds::CONTROLLER_REVISION.resource();
        let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
        let patch = adoption(&order.names.name, &order.names.uid, Some(view.version), goes_along);
        let answer = tools.access.merge(target, manager::REVISIONS, false, &patch).await?;
        tools.stores.offer(kinds::CONTROLLER_REVISION, &answer);
        Ok(true)
    });
    worst(join_all(each).await)
}

/// The oldest ones go, but for those that the record speaks of. Nothing depends on it, so failing is no failure.
async fn prune(tools: &Tools, order: &Order<'_>) {
    let record = order.record;
    let needed: Vec<Revision> = record.releases().map(|release| release.slot.revision).collect();
    let mut kept = tools.stores.revisions.group(&order.names.namespace, &order.names.name);
    kept.retain(|view| view.rollout_uid == order.names.uid);
    kept.sort_by_key(|view| std::cmp::Reverse(view.revision.map(|revision| revision.counter)));
    let surplus = kept.iter().skip(limit::KEPT_REVISIONS);
    for view in surplus.filter(|view| view.revision.is_none_or(|revision| !needed.contains(&revision))) {
        let resource = kinds::CONTROLLER_REVISION.resource();
        let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
        match tools.access.delete(target, &view.uid, &view.version.to_string()).await {
            Ok(()) => tools.stores.revisions.forget(&view.id),
            Err(error) => tracing::debug!(%error, "an old revision stays"),
        }
    }
}

/// Which shared objects the kept revisions have, by the uids under which they are kept: the API server lets nobody change
/// the content of one.
#[derive(Default)]
pub(crate) struct Shares(BTreeMap<Box<str>, Share>);

/// What one revision has of what is shared.
enum Share {
    These(BTreeSet<ObjectKey>),
    /// It can't be read, so it may have any.
    Unknowable,
}

impl Shares {
    /// Whether of all of these revisions it is known that they don't have the object.
    fn lack(&self, uids: &[&str], key: &ObjectKey) -> bool {
        let lacks = |share: &Share| matches!(share, Share::These(keys) if !keys.contains(key));
        uids.iter().all(|uid| self.0.get(*uid).is_some_and(lacks))
    }

    /// Lets go of all but these.
    fn trim(&mut self, uids: &[&str]) {
        self.0.retain(|uid, _| uids.contains(&&**uid));
    }
}

impl Share {
    /// One object for both colors is another than one per color, even under the same name in the manifests.
    fn of(kept: &Kept) -> Self {
        let manifests = kept.manifests().iter().filter_map(Object::from_value);
        let shared = manifests.filter(|object| matches!(teal_release::fate_of(object), Ok(Fate::Shared)));
        let of_chart = kept.body.iter().flat_map(Body::shared);
        Self::These(shared.map(|object| object.key()).chain(of_chart).collect())
    }

    fn read(result: Result<Option<Kept>, Error>) -> Result<Self, Error> {
        match result {
            Ok(Some(kept)) => Ok(Self::of(&kept)),
            Ok(None) => Ok(Self::These(BTreeSet::new())),
            Err(error @ Error::Kept { .. }) => {
                tracing::warn!(%error, "what both colors share stays as long as this is kept: delete it if nobody goes back to it");
                Ok(Self::Unknowable)
            }
            Err(error) => Err(error),
        }
    }
}

fn all(tools: &Tools, order: &Order<'_>) -> Vec<Arc<ObjectView>> {
    let mut kept = tools.stores.revisions.group(&order.names.namespace, &order.names.name);
    kept.retain(|view| view.rollout_uid == order.names.uid && view.revision.is_some());
    kept
}

fn uids(views: &[Arc<ObjectView>]) -> Vec<&str> {
    views.iter().map(|view| &*view.uid).collect()
}

/// Reads which shared objects the kept revisions have, as far as that isn't known.
pub(super) async fn learn(tools: &Tools, order: &Order<'_>) -> Result<(), Error> {
    let Names { namespace, name, .. } = order.names;
    let views = all(tools, order);
    let unknown: Vec<(Box<str>, Revision)> = {
        let mut shares = order.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.trim(&uids(&views));
        let unknown = views.iter().filter(|view| !shares.0.contains_key(&*view.uid));
        unknown.filter_map(|view| Some(((*view.uid).into(), view.revision?))).collect()
    };
    let reads = unknown.into_iter().map(async |(uid, revision)| {
        let share = Share::read(read(tools, namespace, name, revision).await)?;
        order.shares.lock().unwrap_or_else(PoisonError::into_inner).0.insert(uid, share);
        Ok(())
    });
    join_all(reads).await.into_iter().collect()
}

/// Whether it is known that no kept revision has the shared object.
pub(super) fn none_has(tools: &Tools, order: &Order<'_>, key: &ObjectKey) -> bool {
    let views = all(tools, order);
    order.shares.lock().unwrap_or_else(PoisonError::into_inner).lack(&uids(&views), key)
}

/// Reads the content of a revision, from which its objects may be written.
pub(crate) async fn content(
    tools: &Tools,
    namespace: &str,
    rollout: &str,
    revision: Revision,
) -> Result<Option<Kept>, Error> {
    let Some(kept) = read(tools, namespace, rollout, revision).await? else { return Ok(None) };
    let what = || format!("ControllerRevision {namespace}/{rollout}-{revision}");
    kept.check(revision).map_err(|source| Error::Kept { what: what(), source })?;
    Ok(Some(kept))
}

/// Reads what is kept of a revision.
pub(crate) async fn read(
    tools: &Tools,
    namespace: &str,
    rollout: &str,
    revision: Revision,
) -> Result<Option<Kept>, Error> {
    let resource = kinds::CONTROLLER_REVISION.resource();
    let name = format!("{rollout}-{revision}");
    let target = Target { resource: &resource, namespace, name: &name };
    let Some(object) = tools.access.get(target).await? else { return Ok(None) };
    let data = object.get("data").cloned().unwrap_or_default();
    let kept = teal_release::from_store(&data);
    kept.map(Some)
        .map_err(|source| Error::Kept { what: format!("ControllerRevision {namespace}/{name}"), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_former_rollout_kept_goes_with_the_new_one() {
        let patch = adoption("web", "new", None, true);
        assert_eq!(patch["metadata"]["labels"], json!({"teal.dev/rollout-uid": "new"}));
        let owners = patch["metadata"]["ownerReferences"].as_array().unwrap();
        assert_eq!(owners.iter().map(|owner| &owner["uid"]).collect::<Vec<_>>(), ["new"]);
        let stays = adoption("web", "new", Some(7), false);
        assert_eq!(stays["metadata"]["ownerReferences"], Value::Null, "a merge takes it off");
        assert_eq!(stays["metadata"]["resourceVersion"], "7");
    }

    fn kept(manifest: &Value) -> Kept {
        let release = json!({"manifests": [manifest]});
        Kept { hash: teal_release::hash(&release), services: Vec::new(), release, body: None }
    }

    fn lack(shares: Vec<(&str, Share)>, uids: &[&str], kind: &str, name: &str) -> bool {
        let shares = Shares(shares.into_iter().map(|(uid, share)| (uid.into(), share)).collect());
        shares.lack(uids, &ObjectKey::new("", kind, name))
    }

    #[test]
    fn what_a_kept_revision_has_or_may_have_is_needed() {
        let account = |name: &str| {
            kept(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}))
        };
        let agent = || ("1", Share::of(&account("agent")));
        let clerk = || ("2", Share::of(&account("clerk")));
        let damaged = || ("2", Share::Unknowable);
        for (what, shares, uids, lacks) in [
            ("one has it", vec![agent(), clerk()], &["1", "2"][..], false),
            ("none has it", vec![agent()], &["1"], true),
            ("nothing is kept", vec![], &[], true),
            ("one isn't read yet", vec![agent()], &["1", "2"], false),
            ("one can't be read", vec![agent(), damaged()], &["1", "2"], false),
        ] {
            assert_eq!(lack(shares, uids, "ServiceAccount", "clerk"), lacks, "{what}");
        }
    }

    #[test]
    fn one_object_per_color_needs_no_shared_one_of_its_name() {
        for (notes, lacks) in [(json!({}), true), (json!({"teal.dev/fate": "Shared"}), false)] {
            let settings = kept(&json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "settings", "annotations": notes}}));
            let shares = vec![("1", Share::of(&settings))];
            assert_eq!(lack(shares, &["1"], "ConfigMap", "settings"), lacks, "{notes}");
        }
    }

    #[test]
    fn what_was_read_goes_with_what_was_kept() {
        let mut shares = Shares::default();
        for uid in ["1", "2"] {
            shares.0.insert(uid.into(), Share::Unknowable);
        }
        shares.trim(&["2", "3"]);
        assert_eq!(shares.0.keys().map(|uid| &**uid).collect::<Vec<_>>(), ["2"]);
    }
}
