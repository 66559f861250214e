//! Whether role Services are reached as they should be: the candidate's as the live one, and that as the release says.

use teal_plan::Phase;
use teal_plan::snapshot::{Form, Obstacle, Stops};
use teal_traffic::RoleService;

use super::{Facts, Renderings, obstacle};

/// Whether a candidate's Service is no longer like the live one, while it may get requests or is about to.
pub(super) fn differs(facts: &Facts<'_>, renderings: &Renderings, form: Form) -> bool {
    let under_way = matches!(facts.record.phase, Phase::Step(_) | Phase::Promoting { .. });
    let entered = matches!(form, Form::Entered(_) | Form::Mixed { .. });
    let named = |service: &RoleService| super::names_candidate(facts.stores, &facts.config.mesh, service);
    let compared = |service: &&RoleService| under_way || entered || named(service);
    facts.services.iter().filter(compared).any(|service| one(facts, renderings, service))
}

fn one(facts: &Facts<'_>, renderings: &Renderings, service: &RoleService) -> bool {
    let there = |name: &String| facts.stores.services.get(&facts.names.namespace, name);
    let (Some(live), Some(candidate)) = (there(&service.name), there(&service.candidate)) else {
        return false;
    };
    // Somebody else's is not Teal's to change.
    let Some(slot) = candidate.points(&facts.names.name) else { return false };
    let wanted = renderings.role_service(facts, slot, &service.name);
    let ports = wanted.map_or(&[][..], |wanted| wanted.ports.as_slice());
    teal_traffic::follow_live(&live.value(), &candidate.value(), ports).is_ok_and(|patch| patch.is_some())
}

/// What the release says of its traffic Services and the cluster's don't have: Teal doesn't write it (rule 11).
pub(super) fn unlike(facts: &Facts<'_>, renderings: &Renderings) -> Vec<Obstacle> {
    let of = |service: &RoleService| {
        let there = facts.stores.services.get(&facts.names.namespace, &service.name)?;
        let wanted = renderings.service(&service.name)?;
        let fields = teal_traffic::unlike(&there.value(), &wanted.template.to_value());
        (!fields.is_empty()).then(|| told(service, &fields))
    };
    facts.services.iter().filter_map(of).collect()
}

fn told(service: &RoleService, fields: &[String]) -> Obstacle {
    let RoleService { namespace, name, candidate } = service;
    let message = format!(
        "Service {namespace}/{name}: {} of spec.release is not so in the cluster; of a Service that is there Teal changes \
         selector and ports alone: change it there by kubectl, {candidate} follows, or take it out of spec.release",
        fields.join(", ")
    );
    obstacle("ServiceDiffers", message, Stops::Nothing)
}
