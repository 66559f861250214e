//! Reading the manifests of a release: what each is, which pods it makes, and what follows for the others.

use serde_json::Value;

use crate::context::Naming;
use crate::fate::Fate;
use crate::names::{MOST_MANIFESTS, annotation};
use crate::object::{Object, ObjectKey};
use crate::refusal::Refusal;
use crate::selector::{Labels, labels, matches, plain_matches};
use crate::visit::references;

/// One manifest with what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) key: ObjectKey,
    pub(crate) fate: Fate,
    /// The fate was chosen by annotation.
    pub(crate) chosen: bool,
    pub(crate) object: Object,
    /// Labels of its pods, as its owner wrote them.
    pub(crate) pods: Option<Labels>,
}

/// The manifests of a release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Release {
    pub(crate) items: Vec<Item>,
}

impl Release {
    /// Reads all that can be read and lists what can't.
    pub(crate) fn read(manifests: &[Value], services: &[String], naming: &Naming) -> (Self, Vec<Refusal>) {
        let mut refusals = Vec::new();
        if manifests.is_empty() || manifests.len() > MOST_MANIFESTS {
            let problem = format!("has {} objects", manifests.len());
            let remedy = format!("list between 1 and {MOST_MANIFESTS}, a workload and its Service at least");
            let field = if naming.is_charts() { "spec.release.chart" } else { "spec.release.manifests" };
            refusals.push(Refusal::invalid(&"Release", field, problem, remedy));
        }
        let mut release = Self::default();
        // Each is compared with every other.
        for (position, manifest) in manifests.iter().enumerate().take(MOST_MANIFESTS) {
            match item(position, manifest, naming) {
                Ok(item) => release.items.push(item),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !naming.is_charts() {
            release.derive_fates(services);
        }
        (release, refusals)
    }

    /// Pods of each color: labels and the workload that makes them.
    pub(crate) fn colored_pods(&self) -> impl Iterator<Item = (&Item, &Labels)> {
        let colored = self.items.iter().filter(|item| item.fate.is_colored());
        colored.filter_map(|item| Some((item, item.pods.as_ref()?)))
    }

    /// The object that a reference names, if the release has it. References leave the group's version open.
    pub(crate) fn find(&self, target: &ObjectKey) -> Option<&Item> {
        self.items.iter().find(|item| item.key == *target)
    }

    /// Whether a label selector speaks of this release's own pods.
    pub(crate) fn selects_own(&self, selector: &Value) -> bool {
        self.colored_pods().any(|(_, pod)| matches(selector, pod))
    }

    /// Whether a Service's selector speaks of this release's own pods.
    pub(crate) fn service_selects_own(&self, service: &Object) -> bool {
        self.colored_pods().any(|(_, pod)| plain_matches(service.get("/spec/selector"), pod))
    }

    /// What speaks only of shared things is shared itself: a second copy of it would compete with the first. So are
    /// inner Services that select none of the release's own pods.
    fn derive_fates(&mut self, services: &[String]) {
        let shared: Vec<usize> = (0..self.items.len())
            .filter(|&i| self.items.get(i).is_some_and(|item| self.follows_shared(item, services)))
            .collect();
        for i in shared {
            if let Some(item) = self.items.get_mut(i) {
                item.fate = Fate::Shared;
            }
        }
    }

    fn follows_shared(&self, item: &Item, services: &[String]) -> bool {
        match (item.fate, item.key.kind.as_str()) {
            (Fate::Own, "Service") => {
                !item.chosen && !services.contains(&item.key.name) && !self.service_selects_own(&item.object)
            }
            (Fate::InPlace, "PodDisruptionBudget") => {
                let selector = item.object.get("/spec/selector").unwrap_or(&Value::Null);
                let shared = self.items.iter().filter(|item| item.fate == Fate::Shared);
                !self.selects_own(selector)
                    && shared.filter_map(|item| item.pods.as_ref()).any(|pod| matches(selector, pod))
            }
            (Fate::InPlace, _) => self.scaled_by(item).is_some_and(|target| target.fate == Fate::Shared),
            _ => false,
        }
    }

    /// The workload that an autoscaler sizes.
    pub(crate) fn scaled_by(&self, scaler: &Item) -> Option<&Item> {
        self.find(&scale_target(&scaler.object)?)
    }

    /// The autoscaler of a workload. A `VerticalPodAutoscaler` doesn't set replicas.
    pub(crate) fn scaler_of(&self, workload: &ObjectKey) -> Option<&Item> {
        let scalers = self
            .items
            .iter()
            .filter(|item| matches!(item.key.kind.as_str(), "HorizontalPodAutoscaler" | "ScaledObject"));
        scalers.into_iter().find(|item| scale_target(&item.object).as_ref() == Some(workload))
    }
}

/// What an autoscaler sizes.
pub(crate) fn scale_target(scaler: &Object) -> Option<ObjectKey> {
    let mut target = None;
    // Every scaler is asked for every workload, so no more of it is copied than the answer takes.
    let mut asked = Object::default();
    asked.set(&[], "kind", scaler.text("/kind").into());
    asked.set(&[], "apiVersion", scaler.text("/apiVersion").into());
    for field in ["scaleTargetRef", "targetRef"] {
        if let Some(reference) = scaler.get(&format!("/spec/{field}")) {
            asked.set(&["spec"], field, reference.clone());
        }
    }
    references(&mut asked, &mut |reference| {
        if reference.field.contains("argetRef") {
            target = Some(reference.target);
        }
    });
    target
}

fn item(position: usize, manifest: &Value, naming: &Naming) -> Result<Item, Refusal> {
    let at = format!("manifests[{position}]");
    let Some(object) = Object::from_value(manifest) else {
        return Err(Refusal::invalid(&"Release", at, "is not an object", "write a Kubernetes object"));
    };
    let object = stripped(object);
    let key = object.key();
    for (pointer, field) in
        [("/apiVersion", "apiVersion"), ("/kind", "kind"), ("/metadata/name", "metadata.name")]
    {
        if object.text(pointer).is_empty() {
            let problem = "is missing or no text";
            return Err(Refusal::invalid(&format!("{at} ({key})"), field, problem, "write it"));
        }
    }
    let version = object.text("/apiVersion");
    if !is_api_version(version) {
        let problem = format!("is {version:?}, which is no group and version");
        return Err(Refusal::invalid(&key, "apiVersion", problem, "write it like v1 or apps/v1"));
    }
    let fate = naming.fate(&object)?;
    let chosen = object.annotation(annotation::FATE).is_some();
    let pods = object.template().map(|template| labels(template.pointer("/metadata/labels")));
    Ok(Item { key, fate, chosen, object, pods })
}

/// It becomes part of the address of requests, where anything else would ask for something else.
pub(crate) fn is_api_version(text: &str) -> bool {
    let version =
        text.split_once('/').map_or(Some(text), |(group, version)| is_subdomain(group).then_some(version));
    version.is_some_and(is_version)
}

fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else { return false };
    let (major, minor) = rest.split_once("alpha").or_else(|| rest.split_once("beta")).unwrap_or((rest, "0"));
    number(major) && number(minor)
}

fn is_subdomain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.split('.').all(|label| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(plain)
    })
}

/// Without what a server or a tool put there, so that an exported object can be pasted.
fn stripped(mut object: Object) -> Object {
    object.remove(&[], "status");
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"] {
        object.remove(&["metadata"], field);
    }
    for note in NOTES_OF_OTHERS {
        object.remove(&["metadata", "annotations"], note);
    }
    object
}

/// What kubectl and Kubernetes' own controllers note on objects. A controller writes its note again whenever it finds another: applied
/// with the release, the two would go on for ever.
const NOTES_OF_OTHERS: [&str; 13] = [
    annotation::LAST_APPLIED,
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
];

#[cfg(test)]
mod tests {
    use super::is_api_version;

    #[test]
    fn an_api_version_is_a_group_and_a_version_and_nothing_else() {
        for good in ["v1", "v2beta1", "apps/v1", "rbac.authorization.k8s.io/v1alpha12"] {
            assert!(is_api_version(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "v",
            "v1alpha",
            "v1gamma1",
            "v1beta1alpha1",
            "/v1",
            "apps/",
            "apps/v1/x",
            "/v1/configmaps?x=",
            "apps//v1",
            "../v1",
            "Apps/v1",
            "a..b/v1",
            "-a/v1",
            "apps/v1?x=",
            "apps/v1#",
            "apps%2fv1",
            "v1 ",
        ] {
            assert!(!is_api_version(bad), "{bad}");
        }
    }
}
