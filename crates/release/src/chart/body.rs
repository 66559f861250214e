//! A chart in both colors, as it is kept with its revision: what was rendered first counts, and nothing of it is rendered again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use teal_plan::Color;

use super::both::{BothColors, Common};
use super::read::{ChartObject, Origin, Rendering};
use super::services::{RolePair, ServiceMapping, role_pairs};
use super::stands::standing;
use super::{Stage, kinds, outside};
use crate::context::Naming;
use crate::findings::Finding;
use crate::object::{Object, ObjectKey};
use crate::refusal::{Refusal, RefusalReason};
use crate::selector::{labels, plain_matches};

/// Bytes of one revision that are kept. The API server takes no object larger than 1.5 MiB.
const LARGEST: usize = 1 << 20;

/// The objects of a chart, read from both renderings of one revision.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Body {
    /// One for both colors.
    shared: Vec<Object>,
    blue: Vec<Object>,
    green: Vec<Object>,
    /// The traffic Services as they were when it was kept.
    #[serde(default)]
    services: Vec<ServiceMapping>,
    /// Whether its Jobs are those of an upgrade.
    #[serde(default)]
    upgrade: bool,
}

/// What a release in one color is made from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Manifests {
    /// One object each.
    pub objects: Vec<Value>,
    /// Where their names come from.
    pub naming: Naming,
    /// What is worth a warning about how they were made.
    pub findings: Vec<Finding>,
}

impl Manifests {
    /// Those of `spec.release.manifests`, whose names get the color behind.
    pub const fn listed(objects: Vec<Value>) -> Self {
        Self { objects, naming: Naming::Behind, findings: Vec::new() }
    }
}

impl Body {
    /// Makes one body of both renderings, or says everything that Teal can't do with them. `beside` are the bytes of the spec's words, which
    /// are kept with it.
    pub fn of(both: BothColors<'_>, stage: Stage, beside: usize) -> Result<Self, Vec<Refusal>> {
        let (blue, green) = (both.blue.1, both.green.1);
        let refusals = unwritable(blue, green);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let common = both.common()?;
        let this = Self { upgrade: stage == Stage::Upgrade, ..standing(&both, &common, stage)? };
        let size = serde_json::to_string(&this).map_or(usize::MAX, |text| text.len());
        if size.saturating_add(beside) > LARGEST {
            let problem = format!(
                "renders to {} KiB in both colors together, and has {} KiB of values itself",
                size >> 10,
                beside >> 10
            );
            let remedy = format!(
                "make at most {} KiB of both, which are kept with each revision: give parts of it Rollouts of their own",
                LARGEST >> 10
            );
            return Err(vec![Refusal::invalid(&"Chart", "spec.release.chart", problem, remedy)]);
        }
        Ok(this)
    }

    pub(super) const fn new(shared: Vec<Object>, blue: Vec<Object>, green: Vec<Object>) -> Self {
        Self { shared, blue, green, services: Vec::new(), upgrade: false }
    }

    /// Whether another revision may be made of it, while something serves: what a chart runs before its first install, such as a Job that
    /// fills a database, is not run then.
    pub fn is_for_upgrade(&self) -> bool {
        self.upgrade || !self.blue.iter().any(|object| object.key().is("batch", "Job"))
    }

    /// The same with the traffic Services that it is kept with.
    #[must_use]
    pub fn with_services(mut self, services: Vec<ServiceMapping>) -> Self {
        self.services = services;
        self
    }

    /// The traffic Services that it was kept with.
    pub fn services(&self) -> &[ServiceMapping] {
        &self.services
    }

    /// The same for another revision: where it has the Service that is said now to stand behind a traffic Service, that one does, and else
    /// the one of before.
    #[must_use]
    pub fn again(mut self, now: &[ServiceMapping]) -> Self {
        let has = |mapping: &&ServiceMapping| service(&self.blue, &mapping.in_color(Color::Blue)).is_some();
        let of = |before: &ServiceMapping| {
            let said = now.iter().find(|said| said.name == before.name).filter(has);
            said.unwrap_or(before).clone()
        };
        self.services = self.services.iter().map(of).collect();
        self
    }

    /// What is one object for both colors.
    pub fn shared(&self) -> BTreeSet<ObjectKey> {
        self.shared.iter().map(Object::key).collect()
    }

    /// Which Service of a color stands behind each of these traffic Services: as it was when this was kept, and else as it is said now. What
    /// is said now is for revisions to come: live's callers go nowhere else without a step.
    pub fn mapped(&self, names: &[String], now: &[ServiceMapping]) -> Vec<ServiceMapping> {
        let named = |all: &[ServiceMapping], name: &str| all.iter().find(|one| one.name == name).cloned();
        let has = |mapping: &ServiceMapping| service(&self.blue, &mapping.in_color(Color::Blue)).is_some();
        let of = |name: &String| {
            let usual = ServiceMapping { name: name.clone(), from: None };
            let said = named(now, name).unwrap_or(usual);
            named(&self.services, name).filter(has).unwrap_or(said)
        };
        names.iter().map(of).collect()
    }

    /// The objects of one color with the traffic Services that lead to it, or what is wrong with those in either color.
    pub fn manifests(&self, color: Color, services: &[ServiceMapping]) -> Result<Manifests, Vec<Refusal>> {
        let shared = self.shared();
        let common = Common { keys: shared.clone() };
        let pairs = role_pairs(services, &self.rendering(color), &common, color)?;
        role_pairs(services, &self.rendering(color.other()), &common, color.other())?;
        let roles = pairs.iter().zip(services).map(|(pair, mapping)| self.role(pair, mapping, color));
        let roles: Vec<Object> = roles.collect::<Result<_, _>>().map_err(|refusal| vec![refusal])?;
        let own: Vec<Object> = self.own(color).iter().map(outside::inner).collect();
        let stands_behind = |object: &&Object| pairs.iter().any(|pair| pair.from == object.key());
        let unled = self.own(color).iter().filter(|object| !stands_behind(object));
        let findings = unled.filter_map(|object| outside::lost(object, color)).collect();
        let all = roles.iter().chain(&own).chain(&self.shared);
        let objects = all.map(Object::to_value).collect();
        Ok(Manifests { objects, naming: Naming::Chart(shared), findings })
    }

    /// The objects of one color alone.
    fn own(&self, color: Color) -> &[Object] {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }

    fn rendering(&self, color: Color) -> Rendering {
        let origin = Origin { document: 0, template: String::new() };
        let of = |object: &Object| ChartObject {
            key: object.key(),
            origin: origin.clone(),
            keep: false,
            object: object.clone(),
        };
        let objects = self.own(color).iter().chain(&self.shared).map(of).collect();
        Rendering { objects, ..Rendering::default() }
    }

    /// The Service of a role, made from that of a color: with what both colors say alike, for it leads to one after the other and for
    /// a time to both. How it is reached from outside is the role's, and the color's own is reached from inside alone.
    fn role(&self, pair: &RolePair, mapping: &ServiceMapping, color: Color) -> Result<Object, Refusal> {
        let other = service(self.own(color.other()), &mapping.in_color(color.other()));
        let mut role = service(self.own(color), &pair.from.name).cloned().unwrap_or_default();
        for map in ["/metadata/labels", "/metadata/annotations", "/spec/selector"] {
            let others = other.and_then(|other| other.get(map)).and_then(Value::as_object);
            if let Some(own) = role.get_mut(map).and_then(Value::as_object_mut) {
                keep_alike(own, others);
            }
        }
        outside::keep_alike(&mut role, other);
        role.set(&["metadata"], "name", mapping.name.as_str().into());
        let selected = selected(role.get("/spec/selector"), self.own(color));
        if selected != pair.workloads {
            return Err(differs_in_labels(pair));
        }
        Ok(role)
    }
}

fn keep_alike(own: &mut Map<String, Value>, others: Option<&Map<String, Value>>) {
    own.retain(|name, value| others.and_then(|others| others.get(name)) == Some(&*value));
}

fn selected(selector: Option<&Value>, objects: &[Object]) -> Vec<ObjectKey> {
    let runs = |object: &&Object| matches!(object.text("/kind"), "Deployment" | "StatefulSet");
    let selects = |object: &&Object| {
        let pod = object.template().and_then(|template| template.pointer("/metadata/labels"));
        plain_matches(selector, &labels(pod))
    };
    objects.iter().filter(runs).filter(selects).map(Object::key).collect()
}

fn differs_in_labels(pair: &RolePair) -> Refusal {
    let problem = "tells its pods from others of the release by labels that differ between the colors, but the Service of a role leads to \
                   one color after the other";
    let remedy = "give the pods a label that is the same in both colors and that no other workload has, and select it as well";
    Refusal::invalid(&pair.from, "spec.selector", problem, remedy)
        .with_reason(RefusalReason::ServiceUnsupported)
}

fn service<'o>(objects: &'o [Object], name: &str) -> Option<&'o Object> {
    objects.iter().find(|object| object.key() == ObjectKey::new("", "Service", name))
}

/// What Teal may not write, told once although it is mostly in both colors.
fn unwritable(blue: &Rendering, green: &Rendering) -> Vec<Refusal> {
    let none = BTreeSet::new();
    let found = kinds::refusals(blue, &none, false);
    if found.is_empty() { kinds::refusals(green, &none, false) } else { found }
}
