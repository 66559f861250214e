//! What is in the way, each with object, field and remedy.

use serde_json::Value;
use teal_api::defaults::{Filled, SpecError};
use teal_plan::snapshot::{Obstacle, Stops};
use teal_release::{FindingKind, Refusal};
use teal_traffic::{RoleService, Scope, read};

use super::routes::{Routes, selectors};
use super::{Facts, Renderings, ambient, around, claims, group, left, likeness, obstacle, shared, traffic};
use crate::charts::ChartSeen;
use crate::memory::Memory;
use crate::stores::{Pokes, why_unread};

/// All of them, and whether the release can be used as it is written.
pub(super) fn gather(
    facts: &Facts<'_>,
    renderings: &Renderings,
    routes: &Routes,
    pokes: &Pokes,
    memory: &Memory,
) -> (Vec<Obstacle>, bool) {
    let mut obstacles = Vec::new();
    if let Some(problem) = why_unread(facts.rollout.spec.release.raw()) {
        obstacles.push(obstacle("ReleaseInvalid", problem, Stops::Everything));
        return (obstacles, false);
    }
    if let Some(problem) = &facts.problem {
        obstacles.push(unusable(problem, facts.traffic_waits));
        // Whose callers jump at promotion doesn't hang on the rest of the spec, and they are watched afterwards all the same.
        obstacles.extend(around::unmanaged(facts));
        return (obstacles, false);
    }
    let (ahead, usable) = traffic::obstacles(facts, renderings, memory);
    obstacles.extend(ahead);
    let unrendered = unrendered(&facts.chart);
    let usable = usable && unrendered.is_empty();
    obstacles.extend(unrendered);
    if !facts.apart {
        obstacles.extend(renderings.refusals.iter().map(refused));
    }
    obstacles.extend(group::unfit(facts, pokes));
    obstacles.extend(claims::services(facts, pokes));
    obstacles.extend(claims::routes(facts, pokes));
    obstacles.extend(routes.obstacles.iter().cloned());
    obstacles.extend(ports(facts, renderings));
    obstacles.extend(second_ports(facts, renderings));
    obstacles.extend(around::overlaps(facts));
    obstacles.extend(around::hidden_hosts(facts));
    obstacles.extend(around::policy_gaps(facts));
    obstacles.extend(shared::lets_go(facts, renderings));
    obstacles.extend(around::rules(facts));
    obstacles.extend(ambient::waypoints(facts));
    obstacles.extend(around::unmanaged(facts));
    obstacles.extend(left::behind(facts));
    obstacles.extend(renderings.findings.iter().filter_map(finding));
    obstacles.extend(likeness::unlike(facts, renderings));
    obstacles.extend(judged_by_time(&facts.filled));
    (obstacles, usable && renderings.refusals.is_empty())
}

/// While a rollout is under way the rest of the spec is read over the traffic with which it began.
fn unusable(problem: &SpecError, traffic_waits: bool) -> Obstacle {
    let over = "; it is read over the spec.traffic with which this rollout began, because the new one counts once the \
                rollout is over: roll back, or change spec.traffic later";
    let message = format!("{problem}{}", if traffic_waits { over } else { "" });
    obstacle("SpecInvalid", message, Stops::Everything)
}

/// Why there is nothing of a chart to begin with.
fn unrendered(chart: &ChartSeen) -> Vec<Obstacle> {
    match chart {
        ChartSeen::None | ChartSeen::Ready(_) => Vec::new(),
        ChartSeen::Pending => {
            let message = "spec.release.chart is being fetched and rendered: nothing begins before, and what is live stays as it is";
            vec![obstacle("ChartPending", message, Stops::Everything)]
        }
        ChartSeen::Refused(problems) => {
            let each = problems.iter();
            each.map(|(reason, message)| obstacle(reason, message, Stops::Everything)).collect()
        }
    }
}

pub(super) fn refused(refusal: &Refusal) -> Obstacle {
    obstacle(refusal.reason.as_str(), refusal.to_string(), Stops::Everything)
}

/// Each has a condition of its own; for gates see [`super::overlap`].
fn finding(finding: &teal_release::Finding) -> Option<Obstacle> {
    let condition = match finding.kind {
        FindingKind::RunsInBothColors => "WorksInBothColors",
        FindingKind::InnerCallToRole => "InnerCallToRole",
        FindingKind::NameWithoutColor => "NameWithoutColor",
        FindingKind::JobReceivesTraffic => "JobReceivesTraffic",
        FindingKind::RoleNamesColored => "RoleNamesColored",
        FindingKind::ServiceInsideOnly => "ServiceInsideOnly",
        FindingKind::ReadinessGates => return None,
    };
    Some(obstacle(condition, finding.message.clone(), Stops::Nothing))
}

/// What is wrong with the Services in the cluster that have roles.
fn ports(facts: &Facts<'_>, renderings: &Renderings) -> Vec<Obstacle> {
    let of = |service: &RoleService| {
        let wanted = renderings.service(&service.name);
        service_problems(facts, service, wanted.map(|wanted| wanted.template.to_value()).as_ref())
    };
    facts.services.iter().flat_map(of).collect()
}

/// Routes that mean the only port of a Service to which the release gives another one. Until it is promoted the live Service has one.
fn second_ports(facts: &Facts<'_>, renderings: &Renderings) -> Vec<Obstacle> {
    let services: Vec<_> =
        facts.services.iter().filter_map(|service| grows(facts, renderings, service)).collect();
    let mesh = &facts.config.mesh;
    let mut found = Vec::new();
    // Hardly any release adds a port: routes are read once more only for those that do.
    for entry in facts.filled.virtual_services.iter().filter(|_| !services.is_empty()) {
        let Some(view) = facts.stores.virtual_services.get(&facts.names.namespace, &entry.name) else {
            continue;
        };
        let (value, named) = (view.value(), selectors(entry));
        let subsets = facts.named().held(&value, named.as_deref());
        let scope = Scope { subsets: &subsets, ..facts.scope(named.as_deref()) };
        // What can't be read is told as such.
        let Ok(set) = read(&value, &scope) else { continue };
        let refused = services.iter().filter_map(|(service, there, wanted)| {
            teal_traffic::second_port(&value, &set, service, (there, wanted), mesh).err()
        });
        found.extend(refused.map(|refusal| obstacle(refusal.reason(), refusal.to_string(), Stops::Rollout)));
    }
    found
}

/// A Service that has one port and would have more, as it is in the cluster and in the release.
fn grows<'f>(
    facts: &'f Facts<'_>,
    renderings: &Renderings,
    service: &'f RoleService,
) -> Option<(&'f RoleService, Value, Value)> {
    let there = facts.stores.services.get(&facts.names.namespace, &service.name)?.value();
    let wanted = renderings.service(&service.name)?;
    let wanted = wanted.template.to_value();
    teal_traffic::gets_second_port(&there, &wanted).then_some((service, there, wanted))
}

/// A Service in the cluster that can't have roles, or whose ports the release would take from callers.
pub(super) fn service_problems(
    facts: &Facts<'_>,
    service: &RoleService,
    wanted: Option<&Value>,
) -> Vec<Obstacle> {
    let there = facts.stores.services.get(&facts.names.namespace, &service.name);
    let Some(there) = there.map(|view| view.value()) else { return Vec::new() };
    let unfit = teal_traffic::service_problem(&there).err();
    let change = wanted.and_then(|wanted| teal_traffic::port_changes(&there, wanted).err());
    let all = unfit.into_iter().chain(change);
    all.map(|refusal| obstacle(refusal.reason(), refusal.to_string(), Stops::Rollout)).collect()
}

/// With neither checks nor approval nor guards it is said that only readiness and time are judged.
fn judged_by_time(filled: &Filled) -> Option<Obstacle> {
    filled.judged_by_time_only().then(|| {
        let message = "no step has checks or an approval and no guard watches (spec.guards is empty), so only readiness and time are \
                       judged: name spec.checks in a step or in spec.guards, or add an approval to a step";
        obstacle("JudgedByTimeOnly", message, Stops::Nothing)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(checks: &Value, guards: &Value, gates: &Value) -> Option<String> {
        let mut step = json!({"name": "full", "weight": 100, "hold": "1m", "checks": []});
        step.as_object_mut()?.extend(gates.as_object()?.clone());
        let spec = json!({
            "release": {"manifests": []}, "traffic": {"services": [{"name": "web"}]},
            "steps": [step], "checks": checks, "guards": guards,
        });
        let filled = teal_api::defaults::filled(&serde_json::from_value(spec).unwrap()).unwrap();
        judged_by_time(&filled).map(|obstacle| obstacle.message)
    }

    #[test]
    fn that_nothing_but_time_is_judged_says_that_no_guard_watches_and_what_to_do() {
        let errors = json!([{"name": "errors", "query": "up", "threshold": {"max": "1%"}}]);
        for checks in [&json!([]), &errors] {
            let message = said(checks, &json!([]), &json!({})).unwrap();
            for word in ["no guard watches", "spec.guards", "spec.checks", "an approval to a step"] {
                assert!(message.contains(word), "{word}: {message}");
            }
        }
        assert_eq!(said(&errors, &json!([{"check": "errors"}]), &json!({})), None, "a guard watches");
        assert_eq!(said(&errors, &json!([]), &json!({"checks": ["errors"]})), None);
        assert_eq!(said(&errors, &json!([]), &json!({"approval": {"count": 1}})), None);
    }
}
