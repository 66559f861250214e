//! What must hold between the manifests of a release.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use teal_plan::Color;

use crate::check;
use crate::context::Naming;
use crate::fate::Fate;
use crate::names::{CANDIDATE_SUFFIX, annotation};
use crate::object::{ObjectKey, list};
use crate::read::{Item, Release};
use crate::refusal::{Refusal, RefusalReason};
use crate::selector::plain_matches;
use crate::visit::{references, selectors};

/// Everything that is wrong between the manifests, and with each of them.
pub(crate) fn release(
    release: &Release,
    services: &[String],
    namespace: &str,
    naming: &Naming,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for item in &release.items {
        refusals.extend(check::manifest(item, namespace, is_role(item, services), naming));
    }
    if refusals.is_empty() {
        refusals.extend(duplicates(release));
        refusals.extend(collisions(release, services, naming));
        refusals.extend(services.iter().flat_map(|service| role_service(release, service)));
        refusals.extend(release.items.iter().flat_map(|item| of_references(release, item)));
        refusals.extend(
            release
                .items
                .iter()
                .flat_map(|item| of_selectors(release, item, is_role(item, services), naming)),
        );
    }
    refusals
}

/// Whether a manifest is one of the traffic Services.
pub(crate) fn is_role(item: &Item, services: &[String]) -> bool {
    item.key.is("", "Service") && services.contains(&item.key.name)
}

fn duplicates(release: &Release) -> Vec<Refusal> {
    let mut seen = BTreeSet::new();
    let twice = release.items.iter().filter(|item| !seen.insert(&item.key));
    twice
        .map(|item| {
            let problem = format!("{} stands twice in spec.release.manifests", item.key.name);
            Refusal::invalid(&item.key, "metadata.name", problem, "take one out or rename it")
        })
        .collect()
}

/// Final names must be unlike in both colors, so that the second rollout doesn't fail where the first went well.
fn collisions(release: &Release, services: &[String], naming: &Naming) -> Vec<Refusal> {
    let mut taken: BTreeMap<ObjectKey, &ObjectKey> = BTreeMap::new();
    let mut refusals = Vec::new();
    for item in &release.items {
        for name in final_names(item, services, naming) {
            let wanted = ObjectKey { name, ..item.key.clone() };
            if let Some(other) = taken.get(&wanted).filter(|other| ***other != item.key) {
                let problem = format!("makes {wanted}, and so does {other}");
                refusals.push(Refusal::invalid(&item.key, "metadata.name", problem, "rename one of the two"));
            }
            taken.insert(wanted, &item.key);
        }
    }
    refusals
}

fn final_names(item: &Item, services: &[String], naming: &Naming) -> Vec<String> {
    let name = &item.key.name;
    if is_role(item, services) {
        vec![name.clone(), format!("{name}{CANDIDATE_SUFFIX}")]
    } else if item.fate.is_colored() {
        [Color::Blue, Color::Green].map(|color| naming.colored(name, color)).to_vec()
    } else {
        vec![name.clone()]
    }
}

fn role_service(release: &Release, name: &str) -> Vec<Refusal> {
    let Some(item) = release.find(&ObjectKey::new("", "Service", name)) else {
        let problem = format!("names {name}, which is no Service of spec.release.manifests");
        let remedy = "add its manifest, or correct the name";
        return vec![not_found(&format!("Service {name}"), "spec.traffic.services", problem, remedy)];
    };
    let mut refusals = Vec::new();
    let mut refuse = |field: &str, problem: &str, remedy: &str| {
        let refusal = Refusal::invalid(&item.key, field, problem, remedy);
        refusals.push(refusal.with_reason(RefusalReason::ServiceUnsupported));
    };
    if item.fate == Fate::Shared {
        let field = format!("metadata.annotations[{}]", annotation::FATE);
        refuse(&field, "is Shared, but a traffic Service has roles", "leave the annotation out");
    }
    match item.object.text("/spec/type") {
        "ExternalName" => refuse("spec.type", "is ExternalName, which selects no pods", "use ClusterIP"),
        _ if item.object.text("/spec/clusterIP") == "None" => {
            refuse(
                "spec.clusterIP",
                "is None: callers of a headless Service choose pods by themselves",
                "leave it out",
            );
        }
        _ => {}
    }
    if list(&item.object.to_value(), "/spec/ports").is_empty() {
        refuse("spec.ports", "is missing or empty", "list the port that callers use");
    }
    refusals.extend(served_by(release, item));
    refusals
}

/// A traffic Service needs pods of the release that run in both colors.
fn served_by(release: &Release, service: &Item) -> Option<Refusal> {
    let selector = service.object.get("/spec/selector");
    let serves = |item: &&Item| matches!(item.key.kind.as_str(), "Deployment" | "StatefulSet");
    let matched = release
        .items
        .iter()
        .filter(serves)
        .filter(|i| i.pods.as_ref().is_some_and(|p| plain_matches(selector, p)));
    let written = selector.map_or_else(|| "is missing".to_owned(), |selector| format!("is {selector}"));
    let Some(first) = matched.clone().next() else {
        let problem = format!("{written} and selects no pods of this release");
        let remedy = "select labels that a pod template of the release has";
        return Some(not_found(&service.key, "spec.selector", problem, remedy));
    };
    let of = |fate: Fate| matched.clone().find(|item| item.fate == fate);
    match (of(Fate::Own), of(Fate::LiveOnly)) {
        (Some(own), Some(rests)) => {
            let problem = format!(
                "selects {} and {}, which is LiveOnly: a candidate has no pods of it, and could never serve as many as live",
                own.key, rests.key
            );
            return Some(not_found(
                &service.key,
                "spec.selector",
                problem,
                "give the two unlike labels and select one of them",
            ));
        }
        (Some(_), None) => return None,
        (None, _) => {}
    }
    let problem = format!("selects {} only, which is {}", first.key, first.fate.word());
    let remedy = format!("take the annotation {} off {}", annotation::FATE, first.key);
    Some(not_found(&service.key, "spec.selector", problem, &remedy))
}

fn not_found(object: &impl std::fmt::Display, field: &str, problem: String, remedy: &str) -> Refusal {
    Refusal::invalid(object, field, problem, remedy).with_reason(RefusalReason::ServiceNotFound)
}

/// Shared objects have one form for both colors and can't follow a renamed one; an autoscaler needs its target here.
fn of_references(release: &Release, item: &Item) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    references(&mut item.object.clone(), &mut |reference| {
        let target = release.find(&reference.target);
        if item.fate == Fate::InPlace && reference.field.ends_with("argetRef.name") && target.is_none() {
            refusals.push(Refusal::invalid(
                &item.key,
                reference.field.as_str(),
                format!("names {}, which this release doesn't have", reference.target),
                "add its manifest, or apply the autoscaler beside the Rollout",
            ));
        }
        let colored = target.filter(|target| item.fate == Fate::Shared && target.fate.is_colored());
        if let Some(target) = colored {
            refusals.push(Refusal::invalid(
                &item.key,
                reference.field,
                format!(
                    "names {}, which has one object per color, but {} is shared by both",
                    target.key, item.key
                ),
                format!("annotate {} with {}: Shared as well", target.key, annotation::FATE),
            ));
        }
    });
    refusals
}

fn of_selectors(release: &Release, item: &Item, is_role: bool, naming: &Naming) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if item.key.is("", "Service") {
        let plain = serde_json::json!({"matchLabels": item.object.get("/spec/selector")});
        refusals.extend(check::speaks_of_revision(item, "spec.selector", &plain));
        let selects = |pod: &crate::selector::Labels| plain_matches(item.object.get("/spec/selector"), pod);
        refusals.extend(if item.fate.is_colored() {
            mixed(release, item, selects)
        } else {
            // That one with a role is none to share is told by itself.
            (!is_role).then(|| both_colors(release, item, naming, selects)).flatten()
        });
    }
    selectors(&mut item.object.clone(), &mut |field, selector: &mut Value| {
        refusals.extend(check::speaks_of_revision(item, field, selector));
    });
    refusals
}

/// The first of the objects of some fate whose pods are matched.
fn selected(
    release: &Release,
    is: impl Fn(Fate) -> bool,
    matches: impl Fn(&crate::selector::Labels) -> bool,
) -> Option<&Item> {
    let mut of_fate = release.items.iter().filter(|item| is(item.fate));
    of_fate.find(|item| item.pods.as_ref().is_some_and(&matches))
}

/// Rule 12: a Service that both colors share would give a candidate requests from its first pod on, and still after a rollback.
/// What works in live alone has no pods in a candidate.
fn both_colors(
    release: &Release,
    item: &Item,
    naming: &Naming,
    matches: impl Fn(&crate::selector::Labels) -> bool,
) -> Option<Refusal> {
    let own = selected(release, |fate| fate == Fate::Own, &matches)?;
    Some(Refusal::invalid(
        &item.key,
        "spec.selector",
        format!(
            "selects {}, which has one object per color, but the Service is shared by both: a candidate would get \
             requests before any step",
            own.key
        ),
        if naming.is_charts() {
            format!(
                "name it by the release ({{{{ .Release.Name }}}}) and name it in spec.traffic.services[].from with {}, or switch it off in the \
                 chart's values",
                "$(color)"
            )
        } else {
            format!(
                "name the Service in spec.traffic.services, or take the annotation {} off it",
                annotation::FATE
            )
        },
    ))
}

/// A Service that selects pods of a color and shared ones would lose the shared ones when it gets its color.
fn mixed(
    release: &Release,
    item: &Item,
    matches: impl Fn(&crate::selector::Labels) -> bool,
) -> Option<Refusal> {
    let shared = selected(release, |fate| fate == Fate::Shared, &matches)?;
    let own = selected(release, Fate::is_colored, &matches)?;
    Some(Refusal::invalid(
        &item.key,
        "spec.selector",
        format!(
            "selects both {}, which is shared, and {}, which has one object per color",
            shared.key, own.key
        ),
        "give the two unlike labels and select one of them",
    ))
}
