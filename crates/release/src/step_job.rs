//! Jobs that are gates of a step. They are no part of the release: what they are stands beside it, and they try it.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use teal_plan::Slot;

use crate::content::fingerprint;
use crate::context::Context;
use crate::names::{CANDIDATE_SUFFIX, annotation, label};
use crate::object::{Object, list_mut};
use crate::render::mark;

/// Which Job of which step, and of which try.
#[derive(Clone, Copy, Debug)]
pub struct StepJob<'a> {
    /// Uid of the Rollout.
    pub rollout: &'a str,
    /// The step.
    pub step: &'a str,
    /// How the Job is known in it.
    pub name: &'a str,
    /// The candidate.
    pub slot: Slot,
    /// The epoch with which this try became due.
    pub after: u64,
}

/// Room that the longer color, eight digits and the dashes before them take in a name.
const TAIL: usize = "-12345678-green".len();
/// The longest name of a Job: it becomes a label of its pods.
const LONGEST: usize = 63;

/// Seconds after its timeout in which Teal, which counts from when it saw the Job, has spoken before the Job's controller ends it.
const GRACE: u64 = 10;

impl StepJob<'_> {
    /// The name of its object: the same whenever it is asked for, and another one for each try. Of a long one the step is cut.
    pub fn object_name(&self) -> String {
        let Self { rollout, step, name, slot, after } = self;
        let digest = Sha256::digest(format!("{rollout} {step} {name} {} {after}", slot.revision));
        let mut tail = format!("{digest:x}");
        tail.truncate(8);
        let room = LONGEST - TAIL - 1 - name.len().min(LONGEST - TAIL - 2);
        let step = step.get(..room).unwrap_or(step).trim_end_matches('-');
        format!("{step}-{name}-{tail}-{}", slot.color)
    }

    /// Its object. The Job has the labels of the color, so that it goes with it; its pods have the Rollout's alone. So no Service of
    /// the release sends them requests, and what they count is no evidence about the release.
    pub fn object(&self, spec: &Value, timeout_ms: u64, context: &Context) -> Object {
        let mut object = Object(Map::new());
        object.set(&[], "apiVersion", "batch/v1".into());
        object.set(&[], "kind", "Job".into());
        object.set(&["metadata"], "name", self.object_name().into());
        object.set(&["metadata"], "namespace", context.namespace.as_str().into());
        mark(&mut object, context);
        object.set_label(label::COLOR, self.slot.color.as_str());
        object.set_label(label::REVISION, &self.slot.revision.to_string());
        object.set_label(label::STEP, self.step);
        object.set_annotation(annotation::HASH, &context.hash.to_string());
        object.set(&[], "spec", spec.clone());
        // Its record is what lasts, and its logs are read until the color goes.
        object.remove(&["spec"], "ttlSecondsAfterFinished");
        let most = timeout_ms.div_ceil(1000).saturating_add(GRACE);
        let written = object.get("/spec/activeDeadlineSeconds").and_then(Value::as_u64);
        object.set(&["spec"], "activeDeadlineSeconds", json!(written.map_or(most, |own| own.min(most))));
        fill(&mut object, &self.words(context));
        tell_rollout(&mut object, context);
        let content = fingerprint(&object);
        object.set_annotation(annotation::CONTENT, &content);
        object
    }

    fn words(&self, context: &Context) -> [(&'static str, String); 6] {
        let service = context.services.first().cloned().unwrap_or_default();
        [
            ("color", self.slot.color.to_string()),
            ("revision", self.slot.revision.to_string()),
            ("candidateService", format!("{service}{CANDIDATE_SUFFIX}")),
            ("service", service),
            ("namespace", context.namespace.clone()),
            ("rollout", context.rollout.clone()),
        ]
    }
}

fn tell_rollout(object: &mut Object, context: &Context) {
    object.set(&["spec", "template", "metadata", "labels"], label::ROLLOUT, context.rollout.as_str().into());
    for name in [label::COLOR, label::REVISION, label::ROLLOUT_UID] {
        object.remove(&["spec", "template", "metadata", "labels"], name);
    }
}

/// Where the kubelet fills in variables, too: commands, arguments and values of variables.
fn fill(object: &mut Object, words: &[(&str, String)]) {
    let Some(spec) = object.get_mut("/spec/template/spec") else { return };
    for containers in ["/initContainers", "/containers"] {
        for container in list_mut(spec, containers) {
            for texts in ["/command", "/args"] {
                list_mut(container, texts).iter_mut().for_each(|text| fill_text(text, words));
            }
            for variable in list_mut(container, "/env") {
                variable.get_mut("value").into_iter().for_each(|text| fill_text(text, words));
            }
        }
    }
}

/// What else stands between `$(` and `)` is for the kubelet, and so is `$$(`, which means no placeholder there either.
fn fill_text(value: &mut Value, words: &[(&str, String)]) {
    let Value::String(text) = value else { return };
    let mut filled = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let known = words.iter().find_map(|(word, value)| {
            let tail = after.strip_prefix('(')?.strip_prefix(word)?.strip_prefix(')')?;
            Some((value, tail))
        });
        rest = match (known, after.strip_prefix('$')) {
            (Some((value, tail)), _) => {
                filled.push_str(value);
                tail
            }
            (None, Some(tail)) => {
                filled.push_str("$$");
                tail
            }
            (None, None) => {
                filled.push('$');
                after
            }
        };
    }
    filled.push_str(rest);
    *text = filled;
}
