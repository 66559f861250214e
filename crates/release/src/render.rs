//! From manifests to the objects of one color.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::check_release;
use crate::context::{Context, Naming};
use crate::fate::Fate;
use crate::findings::{Finding, findings};
use crate::grace;
use crate::jobs::{JobRun, ReleaseJob};
use crate::names::{COLOR_VARIABLE, annotation, label};
use crate::object::{Object, child};
use crate::read::{Item, Release, scale_target};
use crate::refusal::Refusal;
use crate::roles::{RoleService, role_service};
use crate::selector::narrow;
use crate::size;
use crate::visit::{references, selectors};
use crate::workload::{Workload, workloads};

/// The objects of one color and what is known of them.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Rendered {
    /// Shared objects, to be applied before everything else. They carry no color and no revision.
    pub shared: Vec<Object>,
    /// Objects of this color, in the order of applying: configuration before workloads.
    pub own: Vec<Object>,
    /// What reaches live in place: autoscalers and disruption budgets. Those of shared workloads carry no color.
    pub in_place: Vec<Object>,
    /// Objects of this color that work only while it is live, in the form for its present role.
    pub live_only: Vec<Object>,
    /// Jobs of this color, each to be run once per revision.
    pub jobs: Vec<ReleaseJob>,
    /// The traffic Services as this release wants them.
    pub role_services: Vec<RoleService>,
    /// What runs.
    pub workloads: Vec<Workload>,
    /// What is worth a warning.
    pub findings: Vec<Finding>,
}

impl Rendered {
    /// Objects that fill the slot of the color for good: all but shared ones, Jobs and role Services.
    pub fn standing(&self) -> impl Iterator<Item = &Object> {
        let all = self.own.iter().chain(&self.live_only).chain(&self.in_place);
        all.filter(|object| object.label(label::COLOR).is_some())
    }

    /// Every object that carries the color.
    pub fn of_color(&self) -> impl Iterator<Item = &Object> {
        self.standing().chain(self.jobs.iter().map(|job| &job.object))
    }
}

/// Renders `spec.release.manifests` for one slot, or says everything that is in the way.
///
/// The refusals are the same for both colors and both roles: what passes once passes again.
pub fn render(manifests: &[Value], context: &Context) -> Result<Rendered, Vec<Refusal>> {
    let (release, refusals) = checked(manifests, &context.services, &context.namespace, &context.naming);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut items: Vec<&Item> = release.items.iter().collect();
    items.sort_by_key(|item| (rank(&item.key.kind), &item.key));
    let mut rendered = Rendered::default();
    for item in items {
        place(&mut rendered, &release, item, context);
    }
    rendered.workloads = workloads(&release, context);
    rendered.findings = findings(&release, context);
    Ok(rendered)
}

/// What would be refused if these were the traffic Services, whatever the slot; empty where nothing is in the way.
pub fn refusals(manifests: &[Value], services: &[String], namespace: &str, naming: &Naming) -> Vec<Refusal> {
    checked(manifests, services, namespace, naming).1
}

fn checked(
    manifests: &[Value],
    services: &[String],
    namespace: &str,
    naming: &Naming,
) -> (Release, Vec<Refusal>) {
    let (release, mut refusals) = Release::read(manifests, services, naming);
    refusals.extend(check_release::release(&release, services, namespace, naming));
    (release, refusals)
}

/// What others need comes first.
fn rank(kind: &str) -> u8 {
    match kind {
        "ServiceAccount" => 0,
        "ConfigMap" | "ExternalSecret" | "PersistentVolumeClaim" => 1,
        "Deployment" | "StatefulSet" | "Job" | "CronJob" => 3,
        _ => 2,
    }
}

fn place(rendered: &mut Rendered, release: &Release, item: &Item, context: &Context) {
    if check_release::is_role(item, &context.services) {
        rendered.role_services.push(role_service(item, context));
        return;
    }
    let object = finished(release, item, context);
    match item.fate {
        // An autoscaler of something shared is not of a color, but it still reaches the cluster at once.
        Fate::Shared if crate::fate::is_in_place(&item.key) => rendered.in_place.push(object),
        Fate::Shared => rendered.shared.push(object),
        Fate::InPlace => rendered.in_place.push(object),
        Fate::LiveOnly => rendered.live_only.push(object),
        Fate::Own => match JobRun::of(&item.object) {
            Ok(run) if item.key.is("batch", "Job") => {
                rendered.jobs.push(ReleaseJob { key: item.key.clone(), run, object });
            }
            _ => rendered.own.push(object),
        },
    }
}

fn finished(release: &Release, item: &Item, context: &Context) -> Object {
    let mut object = item.object.clone();
    object.set(&["metadata"], "namespace", context.namespace.as_str().into());
    mark(&mut object, context);
    if item.fate.is_colored() {
        color(&mut object, release, item, context);
    }
    object
}

/// The labels by which everything of a Rollout is found again.
pub(crate) fn mark(object: &mut Object, context: &Context) {
    object.set_label(label::ROLLOUT, &context.rollout);
    object.set_label(label::ROLLOUT_UID, &context.uid);
    if !context.instance.is_empty() {
        object.set_label(label::INSTANCE, &context.instance);
    }
}

fn color(object: &mut Object, release: &Release, item: &Item, context: &Context) {
    object.set(&["metadata"], "name", context.colored(&item.key.name).into());
    object.set_label(label::COLOR, context.slot.color.as_str());
    object.set_label(label::REVISION, &context.slot.revision.to_string());
    object.set_annotation(annotation::HASH, &context.hash.to_string());
    follow(object, release, context);
    narrow_selectors(object, release, item, context);
    // Pods of Jobs end by themselves, and nothing is routed to them.
    let serves = matches!(item.key.kind.as_str(), "Deployment" | "StatefulSet");
    if let Some(template) = object.template_mut() {
        color_pods(template, context);
        if serves {
            grace::raise(template);
        }
    }
    size::apply(object, release, item, context);
}

/// References to renamed objects follow. Traffic Services keep their name: a reference to one is to the live role.
fn follow(object: &mut Object, release: &Release, context: &Context) {
    references(object, &mut |reference| {
        let target = release.find(&reference.target);
        let renamed = target.filter(|t| t.fate.is_colored() && !check_release::is_role(t, &context.services));
        if renamed.is_some() {
            *reference.name = context.colored(reference.name);
        }
    });
    // KEDA names the autoscaler it makes; two colors need two.
    let made = "/spec/advanced/horizontalPodAutoscalerConfig/name";
    if let Some(Value::String(name)) = object.get_mut(made) {
        *name = context.colored(name);
    }
}

/// A selector gets the color only if it speaks of this release's own pods; the original labels stay.
fn narrow_selectors(object: &mut Object, release: &Release, item: &Item, context: &Context) {
    let added = selector_labels(context);
    selectors(object, &mut |_, selector| {
        if release.selects_own(selector) {
            narrow(selector, &added);
        }
    });
    match item.key.kind.as_str() {
        "Deployment" | "StatefulSet" => {
            if let Some(selector) = object.get_mut("/spec/selector") {
                narrow(selector, &added);
            }
        }
        "Service" if release.service_selects_own(&item.object) => {
            for (name, value) in added {
                object.set(&["spec", "selector"], name, value.into());
            }
        }
        _ => {}
    }
}

/// The part of a color's pod labels that selectors name.
pub(crate) fn selector_labels(context: &Context) -> [(&'static str, String); 2] {
    [(label::ROLLOUT, context.rollout.clone()), (label::COLOR, context.slot.color.to_string())]
}

fn color_pods(template: &mut Map<String, Value>, context: &Context) {
    let labels = child(template, "metadata").and_then(|metadata| child(metadata, "labels"));
    if let Some(labels) = labels {
        let revision = context.slot.revision.to_string();
        let named = [(label::REVISION, revision.clone()), (label::CANONICAL_REVISION, revision)];
        let all = selector_labels(context).into_iter().chain(named);
        labels.extend(all.map(|(name, value)| (name.to_owned(), value.into())));
    }
    let Some(spec) = template.get_mut("spec") else { return };
    for containers in ["initContainers", "containers"] {
        let containers = spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten();
        containers.filter_map(Value::as_object_mut).for_each(|container| tell_color(container, context));
    }
}

/// First in the list, because the kubelet expands only variables that stand before.
fn tell_color(container: &mut Map<String, Value>, context: &Context) {
    let variables = container.entry("env".to_owned()).or_insert(Value::Null);
    let told = serde_json::json!({"name": COLOR_VARIABLE, "value": context.slot.color.as_str()});
    match variables.as_array_mut() {
        Some(variables) => variables.insert(0, told),
        None => *variables = Value::Array(vec![told]),
    }
}

/// The autoscaler's target in this rendering, for callers that hold sizes.
pub fn sized_by(scaler: &Object) -> Option<crate::ObjectKey> {
    scale_target(scaler)
}
