//! What works by itself of a release whose content is lost: its objects say themselves what they are and what their owner wrote, so
//! they rest and wake as they stand. Nothing else can be made of such a release.

use futures::future::join_all;
use serde_json::{Value, json};
use teal_api::names::{annotation, label, manager};
use teal_plan::Slot;
use teal_release::names::annotation::KEDA_PAUSED_REPLICAS;

use super::{Order, Tools, ticks, worst};
use crate::access::Target;
use crate::error::Error;
use crate::json::{annotation as note, text};
use crate::kinds;
use crate::rendering::Piece;
use crate::stores::ObjectView;

/// Whether it works by itself although its color isn't live, or rests although it is.
pub(crate) fn is_out_of_role(view: &ObjectView, slot: Slot, active: bool) -> bool {
    view.slot() == Some(slot) && view.live_only && view.rests == active && !view.derived && !view.deleting
}

/// Brings what is there to what its color's role says. Of what isn't there nobody knows how it was.
pub(super) async fn keep(tools: &Tools, order: &Order<'_>, slot: Slot, lost: Error) -> Result<bool, Error> {
    let active = order.record.live.is_some_and(|live| live.slot == slot);
    let mut objects = tools.stores.objects_of(&order.names.namespace, &order.names.name);
    objects.retain(|view| view.slot() == Some(slot));
    if objects.is_empty() {
        return Err(lost);
    }
    let (off, others): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|view| is_out_of_role(view, slot, active));
    // Told first that its workload rests, none wakes it; and none holds it at rest that is to wake.
    let scalers = others.iter().filter(|view| view.kind.kind == "ScaledObject" && !view.deleting);
    let paused = scalers.map(|view| pause(tools, order, view, &off, !active));
    let paused = worst(join_all(paused).await)?;
    let turned = worst(join_all(off.iter().map(|view| turn(tools, order, view, slot, active))).await)?;
    Ok(paused || turned)
}

async fn turn(
    tools: &Tools,
    order: &Order<'_>,
    view: &ObjectView,
    slot: Slot,
    active: bool,
) -> Result<bool, Error> {
    let Some(there) = read(tools, order, view).await? else { return Ok(false) };
    let change = if active { waking(&there) } else { resting(&there) };
    if view.kind == kinds::CRON_JOB
        && active
        && !ticks::carry_on(tools, order, &piece(view, &change), slot).await?
    {
        return Ok(false);
    }
    write(tools, order, view, change).await
}

/// An autoscaler of what rests must not wake it, as when its release is rendered.
pub(super) async fn pause(
    tools: &Tools,
    order: &Order<'_>,
    view: &ObjectView,
    of: &[std::sync::Arc<ObjectView>],
    rests: bool,
) -> Result<bool, Error> {
    let Some(there) = read(tools, order, view).await? else { return Ok(false) };
    let target = text(&there, "/spec/scaleTargetRef/name");
    let sizes = of.iter().any(|view| view.id.name == target && view.kind != kinds::CRON_JOB);
    if !sizes || note(&there, KEDA_PAUSED_REPLICAS).is_some() == rests {
        return Ok(false);
    }
    let paused = if rests { json!("0") } else { Value::Null };
    write(tools, order, view, json!({"metadata": {"annotations": {KEDA_PAUSED_REPLICAS: paused}}})).await
}

/// As it is now: the same name may be another object by now, which the next look sees.
pub(super) async fn read(
    tools: &Tools,
    order: &Order<'_>,
    view: &ObjectView,
) -> Result<Option<Value>, Error> {
    let there = tools.fresh(view.kind, &view.id.namespace, &view.id.name).await?;
    let is_same = |object: &Value| {
        text(object, "/metadata/uid") == view.uid
            && object.pointer("/metadata/labels").and_then(|labels| labels.get(label::ROLLOUT))
                == Some(&json!(order.names.name))
    };
    Ok(there.filter(is_same))
}

pub(super) async fn write(
    tools: &Tools,
    order: &Order<'_>,
    view: &ObjectView,
    mut change: Value,
) -> Result<bool, Error> {
    let resource = tools.stores.resource(view.kind);
    let target = Target { resource: &resource, namespace: &view.id.namespace, name: &view.id.name };
    order.check_view(target, view)?;
    change["metadata"]["uid"] = json!(view.uid);
    change["metadata"]["annotations"][order.epoch_key()] = json!(order.record.epoch.to_string());
    let answer = tools.access.merge(target, manager::RELEASE, false, &change).await?;
    tools.stores.offer(view.kind, &answer);
    Ok(true)
}

/// With a note of what its owner wrote.
pub(super) fn resting(there: &Value) -> Value {
    if there["kind"] == "CronJob" {
        let owner = there.pointer("/spec/suspend") == Some(&Value::Bool(true));
        return json!({
            "metadata": {"annotations": {annotation::OWNER_SUSPEND: owner.to_string()}},
            "spec": {"suspend": true},
        });
    }
    let owner = there.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    json!({
        "metadata": {"annotations": {annotation::OWNER_REPLICAS: owner.to_string()}},
        "spec": {"replicas": 0},
    })
}

/// As its owner wrote it. Where an autoscaler had the size, one pod is what it begins with.
fn waking(there: &Value) -> Value {
    if there["kind"] == "CronJob" {
        let owner = note(there, annotation::OWNER_SUSPEND) == Some("true");
        return json!({"metadata": {"annotations": {annotation::OWNER_SUSPEND: null}}, "spec": {"suspend": owner}});
    }
    let owner =
        note(there, annotation::OWNER_REPLICAS).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    json!({"metadata": {"annotations": {annotation::OWNER_REPLICAS: null}}, "spec": {"replicas": owner}})
}

/// What is known of a CronJob, to hand ticks over to it.
fn piece(view: &ObjectView, change: &Value) -> Piece {
    Piece {
        kind: view.kind,
        name: view.id.name.clone(),
        shared: false,
        live_only: true,
        object: json!({"spec": change["spec"]}),
        content: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rested_wakes_as_its_owner_wrote_it() {
        for (there, field) in [
            (json!({"kind": "CronJob", "spec": {}}), json!({"suspend": false})),
            (json!({"kind": "CronJob", "spec": {"suspend": true}}), json!({"suspend": true})),
            (json!({"kind": "Deployment", "spec": {"replicas": 3}}), json!({"replicas": 3})),
            (json!({"kind": "StatefulSet", "spec": {"replicas": 0}}), json!({"replicas": 0})),
        ] {
            let mut slept = there.clone();
            json_patch::merge(&mut slept, &resting(&there));
            assert!(
                slept["spec"] == json!({"suspend": true}) || slept["spec"] == json!({"replicas": 0}),
                "{slept}"
            );
            let woken = waking(&slept);
            json_patch::merge(&mut slept, &woken);
            assert_eq!((&slept["spec"], &slept["metadata"]["annotations"]), (&field, &json!({})), "{there}");
        }
        let scaled = json!({"kind": "Deployment", "spec": {"replicas": 0},
            "metadata": {"annotations": {annotation::OWNER_REPLICAS: ""}}});
        assert_eq!(waking(&scaled)["spec"]["replicas"], 1, "its autoscaler leaves it alone at 0");
    }
}
