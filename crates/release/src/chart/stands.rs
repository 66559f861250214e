//! What of a chart's renderings stands in a color and what in both, and what would not go well that way.

use std::collections::BTreeSet;

use teal_plan::Color;

use super::body::Body;
use super::both::{BothColors, Common, nameless};
use super::hook::{Hook, HookEvent, HookWork, Side, Stage};
use super::read::{ChartObject, Rendering};
use crate::fate::{Fate, fate_of};
use crate::names::{annotation, uncolored};
use crate::object::{Object, ObjectKey};
use crate::refusal::Refusal;

/// Helm's annotations of hooks: nobody else is to take a Job for one.
const HOOK_NOTES: [&str; 3] = ["helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"];

/// Takes both renderings apart, or says everything that is in the way.
pub(super) fn standing(both: &BothColors<'_>, common: &Common, stage: Stage) -> Result<Body, Vec<Refusal>> {
    let (name, blue) = both.blue;
    let mut refusals = Vec::new();
    let shared: Vec<Object> = common.shared(blue).map(|object| nameless(name, object)).collect();
    refusals.extend(common.shared(blue).filter_map(not_for_both));
    let own = |rendering: &Rendering| -> (Vec<Object>, Vec<Refusal>) {
        let mut refusals: Vec<Refusal> = common.own(rendering).filter_map(not_for_one).collect();
        let jobs = jobs(rendering, stage, &mut refusals);
        (common.own(rendering).map(|object| object.object.clone()).chain(jobs).collect(), refusals)
    };
    let [(blue, of_blue), (green, of_green)] = [own(blue), own(both.green.1)];
    // What is wrong with one color is mostly wrong with both, and told once.
    refusals.extend(if of_blue.is_empty() { of_green } else { of_blue });
    if refusals.is_empty() {
        refusals.extend(unpaired(&blue, &green));
    }
    if refusals.is_empty() { Ok(Body::new(shared, blue, green)) } else { Err(refusals) }
}

/// An object of one name in both colors is written before the candidate gets requests, and stays when it is taken back. So it is with
/// kinds that are made for it, and with others only where the chart says so.
fn not_for_both(object: &ChartObject) -> Option<Refusal> {
    let usual = fate_of(&object.object).ok()?;
    if matches!(usual, Fate::Shared | Fate::InPlace) || object.key.is("", "Service") {
        return None;
    }
    let problem = "is the same in both colors, so that a change of it would reach live before any step and stay after a rollback";
    let remedy = format!(
        "name the object by the release ({{{{ .Release.Name }}}}) so that each color has its own, or annotate it with {}: Shared if \
         that is meant",
        annotation::FATE
    );
    Some(Refusal::invalid(&object.key, "metadata.name", problem, remedy))
}

/// An object of one color goes with that color.
fn not_for_one(object: &ChartObject) -> Option<Refusal> {
    let refuse = |field: &str, problem: &str, remedy: &str| {
        Some(Refusal::invalid(&object.key, field, problem, remedy))
    };
    let fate = object.object.annotation(annotation::FATE);
    let field = format!("metadata.annotations[{}]", annotation::FATE);
    if fate == Some("Shared") {
        let remedy = "give it one name for both colors, or take the annotation off";
        return refuse(&field, "is Shared, but its name is that of one color", remedy);
    }
    if object.keep {
        let problem =
            "is keep, but the object is of one color, which goes when another revision has taken its place";
        let remedy = "give it one name for both colors, or take the annotation off";
        return refuse("metadata.annotations[helm.sh/resource-policy]", problem, remedy);
    }
    if object.key.is("", "PersistentVolumeClaim") && fate.is_none() {
        let problem =
            "is that of one color, so that each color has an empty disk of its own, which goes with it";
        let remedy = format!(
            "give it one name for both colors, or annotate it with {}: Own if each color is to have its own",
            annotation::FATE
        );
        return refuse("metadata.name", problem, &remedy);
    }
    None
}

/// Jobs that Helm would run before the objects: Teal runs them once per revision, before the workloads.
fn jobs(rendering: &Rendering, stage: Stage, refusals: &mut Vec<Refusal>) -> Vec<Object> {
    refusals.extend(rendering.hooks.iter().filter_map(unsuited));
    let before: Vec<&Hook> = rendering.hooks_at(stage, Side::Before).collect();
    refusals.extend(ordered(&before));
    before.into_iter().filter_map(job).collect()
}

fn job(hook: &Hook) -> Option<Object> {
    let Ok(HookWork::Run(mut job)) = hook.work() else { return None };
    for note in HOOK_NOTES {
        job.remove(&["metadata", "annotations"], note);
    }
    Some(job)
}

fn unsuited(hook: &Hook) -> Option<Refusal> {
    let is = |events: [HookEvent; 2]| events.iter().any(|event| hook.events.contains(event));
    let refuse = |problem: &str, remedy: &str| {
        Some(Refusal::invalid(&hook.key, "metadata.annotations[helm.sh/hook]", problem, remedy))
    };
    if is([HookEvent::PostInstall, HookEvent::PostUpgrade]) {
        return refuse(
            "has it run after the release's objects, and Teal runs Jobs before the workloads of a color",
            "run it with pre-install,pre-upgrade, switch it off in the chart's values, or make it a plain Job that is annotated with \
             teal.dev/run: after-retire",
        );
    }
    if is([HookEvent::PreInstall, HookEvent::PreUpgrade]) && !matches!(hook.work(), Ok(HookWork::Run(_))) {
        return refuse(
            "makes a hook of what is no Job",
            "leave the annotation out, so that it belongs to the release: its Jobs run once its other objects but the workloads are there",
        );
    }
    None
}

/// Those of one color run at the same time.
fn ordered(before: &[&Hook]) -> Option<Refusal> {
    let weights: BTreeSet<i64> = before.iter().map(|hook| hook.weight).collect();
    let later = before.last().filter(|_| weights.len() > 1)?;
    Some(Refusal::invalid(
        &later.key,
        "metadata.annotations[helm.sh/hook-weight]",
        "has it run after another Job, and Teal runs the Jobs before a color's workloads at the same time",
        "give them one weight, or make one Job of them",
    ))
}

/// Workloads and Jobs are known by what their names have in common in both colors.
fn unpaired(blue: &[Object], green: &[Object]) -> Vec<Refusal> {
    let keys = |objects: &[Object], color: Color| -> Vec<(ObjectKey, ObjectKey)> {
        let runs = objects.iter().map(Object::key);
        let runs = runs.filter(|key| matches!(key.kind.as_str(), "Deployment" | "StatefulSet" | "Job"));
        runs.map(|key| (ObjectKey { name: uncolored(&key.name, color), ..key.clone() }, key)).collect()
    };
    let all = [keys(blue, Color::Blue), keys(green, Color::Green)];
    let alone = |own: &[(ObjectKey, ObjectKey)], others: &[(ObjectKey, ObjectKey)]| -> Vec<ObjectKey> {
        let named = |all: &[(ObjectKey, ObjectKey)], key: &ObjectKey| {
            all.iter().filter(|(one, _)| one == key).count()
        };
        // Of a hook both colors may have one of the same name, which can't stand twice.
        let is_alone = |(key, full): &&(ObjectKey, ObjectKey)| {
            key == full || named(own, key) != 1 || named(others, key) != 1
        };
        own.iter().filter(is_alone).map(|(_, key)| key.clone()).collect()
    };
    let found = alone(&all[0], &all[1]);
    let found = if found.is_empty() { alone(&all[1], &all[0]) } else { found };
    let refuse = |key: &ObjectKey| {
        let problem = "has no counterpart in the other color whose name differs in the color alone";
        let remedy = "name it by the release ({{ .Release.Name }}) and by nothing else that differs between the colors, and short enough that \
                      it isn't cut";
        Refusal::invalid(key, "metadata.name", problem, remedy)
    };
    found.iter().map(refuse).collect()
}
