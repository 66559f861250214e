//! What the managed routes say, over all VirtualServices.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use teal_api::defaults::{Filled, FilledVirtualService};
use teal_api::names::manager;
use teal_plan::Phase;
use teal_plan::record::Pause;
use teal_plan::snapshot::{Beside, Foreign, Form, Obstacle, RoutesSeen, Stops};
use teal_traffic::{
    Refusal, RoleService, RouteKind, RouteSelector, RouteSet, Saved, Scope, left_alone, made_out,
    mirror_problem, preview_problem, preview_problem_of_root, read, record_fits,
};

use super::callers::bound;
use super::{Facts, Names, obstacle};
use crate::kinds;
use crate::memory::Memory;
use crate::selector::{preview, selector};
use crate::stores::{JsonView, Stores, View, strangers};

/// The routes, and what each VirtualService says of them.
pub(crate) struct Routes {
    pub(super) seen: RoutesSeen,
    pub(super) each: Vec<RouteSeen>,
    pub(super) obstacles: Vec<Obstacle>,
}

/// One managed route, for the status, and the epoch of its object.
#[derive(Clone, Debug)]
pub(crate) struct RouteSeen {
    pub(crate) object: String,
    pub(crate) route: Option<String>,
    pub(crate) weight: u8,
    pub(super) epoch: u64,
}

/// The routes that a VirtualService's entry names.
pub(crate) fn selectors(entry: &FilledVirtualService) -> Option<Vec<RouteSelector>> {
    entry.routes.as_ref().map(|routes| routes.iter().filter_map(selector).collect())
}

/// The lists in which the routes of an entry stand.
fn kinds(entry: &FilledVirtualService) -> BTreeSet<RouteKind> {
    match selectors(entry) {
        Some(named) => named.iter().map(RouteSelector::kind).collect(),
        None => BTreeSet::from([RouteKind::Http]),
    }
}

/// Whether a candidate that stands in a VirtualService is its owner's own: Teal has noted nothing there, and both roles
/// are the same pods, so that any weights between them mean the same and nothing has to be taken back. At rest they are, or
/// are being made so.
pub(crate) fn is_owners(
    stores: &Stores,
    names: &Names,
    services: &[RoleService],
    phase: &Phase,
    object: &Value,
) -> bool {
    let points = |name: &str| stores.services.get(&names.namespace, name)?.points(&names.name);
    let alike = |service: &RoleService| {
        let live = points(&service.name);
        live.is_some() && live == points(&service.candidate)
    };
    let rests = matches!(phase, Phase::Rest { .. });
    !Saved::is_on(object, &names.uid, services) && (rests || services.iter().all(alike))
}

#[derive(Default)]
struct Forms {
    aim: Aim,
    owner: bool,
    entered: Vec<Entered>,
    broken: bool,
    /// The largest weight of a Service in a route.
    largest: i64,
    /// Some are http routes.
    http: bool,
}

/// The weight that routes should come to have now.
#[derive(Clone, Copy, Default)]
struct Aim {
    weight: u8,
    /// The candidate's role selects the candidate. Until then a part that rounds to nothing is nothing, not reached.
    pointed: bool,
}

/// A route that names the candidate.
#[derive(Clone, Copy)]
struct Entered {
    /// The candidate's share.
    share: u8,
    /// Divided as the aim divides it, though another share may be read back.
    stands: bool,
}

fn aim(facts: &Facts<'_>) -> Aim {
    let candidate = facts.record.candidate.map(|candidate| candidate.slot);
    let points =
        |name: &str| facts.stores.services.get(&facts.names.namespace, name)?.points(&facts.names.name);
    let pointed = candidate.is_some() && facts.services.iter().all(|s| points(&s.candidate) == candidate);
    let turned = candidate.is_some() && facts.services.iter().all(|s| points(&s.name) == candidate);
    let weight = match &facts.record.phase {
        Phase::Step(place) => place.weight,
        Phase::Promoting { .. } if !turned => 100,
        Phase::Promoting { .. }
        | Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Returning { .. } => 0,
    };
    Aim { weight, pointed }
}

pub(super) fn see(facts: &Facts<'_>, memory: &mut Memory) -> Routes {
    let mut routes = Routes {
        seen: RoutesSeen {
            form: Form::Unrouted,
            since: facts.now,
            epoch: 0,
            foreign: None,
            beside: Beside::NONE,
        },
        each: Vec::new(),
        obstacles: Vec::new(),
    };
    if !facts.filled.has_mesh() {
        routes.seen.since = memory.sightings.since("routes", &Form::Unrouted, facts.now);
        return routes;
    }
    let mut forms = Forms { aim: aim(facts), ..Forms::default() };
    let mut views = Vec::new();
    for entry in &facts.filled.virtual_services {
        let found = facts.stores.virtual_services.get(&facts.names.namespace, &entry.name);
        if let Some(view) = found {
            let share = one(facts, entry, &view, &mut forms, &mut routes);
            views.push(Written { view, share, kinds: kinds(entry) });
        } else {
            forms.broken = true;
            routes.obstacles.push(missing(facts, &entry.name));
        }
    }
    if !forms.broken {
        routes.obstacles.extend(void_step(facts, forms.largest));
        routes.obstacles.extend(void_beside(facts, forms.http));
    }
    let form = forms.together();
    let epochs = views.iter().map(|of| facts.believed(of.view.epoch(&facts.names.uid)));
    routes.seen.epoch = epochs.min().unwrap_or(0);
    // Anew with every change of the specs, even to what they said before: between two looks they may have said
    // something else.
    let generations: Vec<i64> = views.iter().map(|of| of.view.generation()).collect();
    routes.seen.since = memory.sightings.since("routes", &(form, generations), facts.now);
    let leaves = leaves(&facts.record.phase, forms.aim);
    routes.seen.foreign = foreign(facts, &views, form, leaves, memory);
    routes.seen.form = form;
    routes
}

/// A VirtualService as it stands.
struct Written {
    view: Arc<JsonView>,
    /// What its managed routes send to the candidate at most; none where they don't name it.
    share: Option<u8>,
    /// The lists that these stand in.
    kinds: BTreeSet<RouteKind>,
}

/// Says what is sent to the candidate, where it is named.
fn one(
    facts: &Facts<'_>,
    entry: &FilledVirtualService,
    view: &Arc<JsonView>,
    forms: &mut Forms,
    routes: &mut Routes,
) -> Option<u8> {
    let named = selectors(entry);
    let preview = facts.filled.preview.as_deref().map(preview);
    let mirror = mirror(&facts.filled, &facts.record.phase);
    let value = view.value();
    let subsets = facts.named().held(&value, named.as_deref());
    let scope =
        Scope { preview: preview.as_ref(), mirror, subsets: &subsets, ..facts.scope(named.as_deref()) };
    let owners = is_owners(facts.stores, &facts.names, &facts.services, &facts.record.phase, &value);
    if !owners {
        let seen = teal_traffic::beside(&value, &scope);
        let (any, fits) = (routes.seen.beside.any || seen.any, routes.seen.beside.fits && seen.fits);
        routes.seen.beside = Beside { any, fits };
    }
    match read(&value, &scope) {
        Ok(set) => {
            let unclear =
                preview_problem(&value, &set, &scope).or_else(|| of_roots(facts, entry, &set, &scope));
            let taken = has_mirror(facts).then(|| mirror_problem(&value, &set, &scope, owners)).flatten();
            routes.obstacles.extend(unclear.into_iter().chain(taken).map(|refusal| refused(&refusal)));
            forms.http |= set.routes.iter().any(|route| route.kind == RouteKind::Http);
            let epoch = view.epoch(&facts.names.uid);
            for route in &set.routes {
                let form = if owners { teal_traffic::Form::Owner } else { route.form() };
                let weight = forms.take(form, route.stands_at(forms.aim.weight));
                forms.largest = forms.largest.max(route.largest());
                let (object, route) = (entry.name.clone(), route.title(&value));
                routes.each.push(RouteSeen { object, route, weight, epoch });
            }
            let noted = Saved::is_on(&value, &facts.names.uid, &facts.services);
            forms.leave_noted(noted && !set.is_entered() && is_over(&facts.record.phase));
            let room = record_fits(&value, &set, &facts.names.uid, view.stripped());
            routes.obstacles.extend(room.err().map(|refusal| refused(&refusal)));
            let alone = if owners { None } else { left_alone(&value, &scope) };
            forms.leave_alone(alone.is_some());
            routes.obstacles.extend(alone.map(|refusal| refused(&refusal)));
            (set.is_entered() && !owners).then(|| set.candidate_weight())
        }
        Err(refusal) => {
            forms.broken = true;
            // What can't be managed may send requests to the candidate all the same, and can be led home; but for what its owner
            // says by himself.
            let share = made_out(&value, &scope).filter(|_| !owners);
            forms.entered.extend(share.map(|share| Entered { share, stands: false }));
            routes.obstacles.push(refused(&refusal));
            share
        }
    }
}

/// What those that delegate to a delegate say against its preview.
fn of_roots(
    facts: &Facts<'_>,
    entry: &FilledVirtualService,
    set: &RouteSet,
    scope: &Scope<'_>,
) -> Option<Refusal> {
    let preview = scope.preview.filter(|preview| !preview.source_labels.is_empty())?;
    let roots = bound(facts.stores, &facts.names.namespace, entry);
    roots.iter().find_map(|root| preview_problem_of_root(root, &set.object, preview))
}

/// A step whose part of every route is no whole number: it would judge a candidate that nobody calls. Where live has no weight
/// either, its owner sends nobody there.
fn void_step(facts: &Facts<'_>, largest: i64) -> Option<Obstacle> {
    let is_void = |weight: u32| weight > 0 && largest > 0 && largest * i64::from(weight) < 100;
    let step = facts.filled.steps.iter().find(|step| is_void(step.weight))?;
    let (name, weight, least) = (&step.name, step.weight, (99 + largest) / largest);
    let routes: Vec<&str> = facts.filled.virtual_services.iter().map(|entry| entry.name.as_str()).collect();
    let message = format!(
        "VirtualService {}/{}: no managed route gives a Service more than a weight of {largest}, of which {weight} % rounds down to 0, so \
         nobody would reach the candidate in step {name}: give spec.steps[].weight of {name} at least {least}, or list a route with \
         more weight",
        facts.names.namespace,
        routes.join(", ")
    );
    Some(obstacle("RouteUnsupported", message, Stops::Rollout))
}

/// A preview or a mirror with nothing to hold on to: nothing but http routes is chosen by what a request bears, or copied.
fn void_beside(facts: &Facts<'_>, http: bool) -> Option<Obstacle> {
    let (field, out) = match (&facts.filled.preview, has_mirror(facts)) {
        _ if http => return None,
        (Some(_), _) => ("spec.traffic.preview", "preview"),
        (None, true) => ("mirror in spec.steps", "mirror"),
        (None, false) => return None,
    };
    let message = format!(
        "{field} is of http routes alone, and none of those that are managed is one: name an http route in \
         spec.traffic.virtualServices[].routes, or take {out} out"
    );
    Some(obstacle("RouteUnsupported", message, Stops::Rollout))
}

fn has_mirror(facts: &Facts<'_>) -> bool {
    facts.filled.steps.iter().any(|step| step.mirror.is_some())
}

/// How many of a hundred requests are to be copied now: as the step under way says it.
pub(crate) fn mirror(filled: &Filled, phase: &Phase) -> Option<u8> {
    let Phase::Step(place) = phase else { return None };
    filled.steps.iter().find(|step| step.name == place.step)?.mirror
}

/// Whether what is noted of the routes is to go with their weights.
const fn is_over(phase: &Phase) -> bool {
    match phase {
        Phase::Rest { .. } | Phase::Returning { .. } => true,
        Phase::New | Phase::Installing { .. } | Phase::Step(_) | Phase::Promoting { .. } => false,
    }
}

fn refused(refusal: &Refusal) -> Obstacle {
    obstacle(refusal.reason(), refusal.to_string(), Stops::Rollout)
}

fn missing(facts: &Facts<'_>, name: &str) -> Obstacle {
    let namespace = &facts.names.namespace;
    if facts.stores.refused(kinds::VIRTUAL_SERVICE) {
        let message = format!(
            "VirtualService {namespace}/{name}, named in spec.traffic.virtualServices, can't be read, because the \
             operator's account may not: grant it get, list and watch on virtualservices of networking.istio.io"
        );
        return obstacle("NotPermitted", message, Stops::Rollout);
    }
    if super::mesh_is_there(facts.stores) {
        let message = format!(
            "VirtualService {namespace}/{name}, named in spec.traffic.virtualServices, doesn't exist: create it or \
             correct the name"
        );
        return obstacle("VirtualServiceNotFound", message, Stops::Rollout);
    }
    let message = format!(
        "spec.traffic.virtualServices names {namespace}/{name}, but Istio's kinds are not installed: install Istio, or \
         leave virtualServices out for plain blue-green"
    );
    obstacle("MeshNotInstalled", message, Stops::Rollout)
}

impl Forms {
    fn take(&mut self, form: teal_traffic::Form, stands: bool) -> u8 {
        match form {
            teal_traffic::Form::Owner => {
                self.owner = true;
                0
            }
            teal_traffic::Form::Entered { candidate_weight } => {
                self.entered.push(Entered { share: candidate_weight, stands });
                candidate_weight
            }
        }
    }

    /// A route without live is not among those that are managed, and all of its requests reach the candidate.
    fn leave_alone(&mut self, any: bool) {
        self.broken |= any;
        self.entered.extend(any.then_some(Entered { share: 100, stands: false }));
    }

    /// Another hand gave the routes back before Teal did, so that what is noted of them still stands there. It must go too: by it
    /// routes that their owner leads to the candidate later would be taken for Teal's.
    fn leave_noted(&mut self, any: bool) {
        self.entered.extend(any.then_some(Entered { share: 0, stands: false }));
    }

    /// One form for all. Where some can't be read, the others must still be led home. Weights are whole numbers, so that
    /// 5 % of a weight of 50 is 2, which reads as 4 %: what is divided as aimed at counts as there.
    fn together(&self) -> Form {
        let highest = self.entered.iter().map(|route| route.share).max();
        let lowest = self.entered.iter().map(|route| route.share).min();
        let Aim { weight, pointed } = self.aim;
        let there = self.entered.iter().all(|route| route.stands) && (pointed || highest > Some(0));
        match (highest, self.owner, self.broken) {
            (None, _, true) => Form::Broken,
            (None, _, false) => Form::Owner,
            (Some(_), false, false) if there => Form::Entered(weight),
            (Some(weight), false, false) if lowest == Some(weight) => Form::Entered(weight),
            (Some(highest), owner, broken) => Form::Mixed { highest, owner: owner || broken },
        }
    }
}

/// Another writer wrote the routes last: one that isn't Teal owns them although Teal had entered, and they are not as
/// committed.
fn foreign(
    facts: &Facts<'_>,
    views: &[Written],
    form: Form,
    leaves: bool,
    memory: &mut Memory,
) -> Option<Foreign> {
    memory.corrections.look();
    let intended = match &facts.record.phase {
        Phase::Step(place) => Some(place.weight),
        Phase::Promoting { .. } | Phase::Returning { .. } => None,
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } => {
            memory.forget_writers();
            memory.corrections.looked(form, false);
            return None;
        }
    };
    for Written { view, .. } in views {
        memory.learn_writers(&view.id().name, || Saved::of(&view.value(), &facts.names.uid));
    }
    // Of a weight that was not there before it matters who gave it.
    let any_hands = was_entered(&facts.record.phase) || form.highest() == 0;
    let as_intended = any_hands && intended.is_some_and(|weight| form == Form::Entered(weight));
    if as_intended || memory.corrections.left_weights(form) {
        // Whoever wrote these versions changed something else, and moved no traffic when another weight is intended later, either.
        let versions = views.iter().map(|Written { view, .. }| (view.id().name, view.version()));
        memory.acknowledged.extend(versions);
    }
    let last = if as_intended { None } else { stranger(facts, views, leaves, memory) };
    memory.corrections.looked(form, last.is_some());
    let recent = memory.corrections.recent(facts.now);
    last.map(|foreign| Foreign { recent, ..foreign })
}

/// Who wrote against Teal last, and isn't answered yet.
fn stranger(facts: &Facts<'_>, views: &[Written], leaves: bool, memory: &mut Memory) -> Option<Foreign> {
    let mut last: Option<Foreign> = None;
    for Written { view, share, kinds } in views {
        let value = view.value();
        let object = view.id().name;
        let recorded = Saved::of(&value, &facts.names.uid).is_some();
        // On the way out what is no more recorded was given back.
        if !recorded && leaves && share.is_none() {
            continue;
        }
        // Who replaces the whole object takes the record along. A weight that Teal noted nothing of is no weight of Teal's.
        let weighed = matches!(facts.record.phase, Phase::Step(_)) && *share > Some(0);
        let had_entered = recorded || weighed || was_entered(&facts.record.phase);
        let unknown = Vec::new();
        let writers = memory.writers(&object).or(had_entered.then_some(unknown));
        let Some(writers) = writers else { continue };
        let Some(name) = last_stranger(&value, kinds) else { continue };
        memory.corrections.stands(&object, view.generation());
        let known = memory.acknowledged.get(&object) == Some(&view.version());
        let given = memory.corrections.given();
        let raised = !known && share.is_some_and(|share| share > given);
        let lowered = !known && share.unwrap_or(0) < given;
        // What a person resumed from by a Decision is answered; only another write is news. A pause by the spec, as which hands off
        // is recorded, too, answers nothing: what was done meanwhile is looked at when it ends. Nor does any answer a raise before Teal's.
        let forestalls = raised && !was_entered(&facts.record.phase) && *share > Some(former(facts));
        if !forestalls && facts.record.paused.as_ref().is_some_and(|pause| *pause != Pause::Spec) {
            memory.acknowledged.insert(object, view.version());
        } else if known {
            continue;
        }
        let before = writers.is_empty() || writers.iter().any(|writer| writer == name);
        let (raised_other, lowered_other) =
            last.map_or((false, false), |other| (other.raised, other.lowered));
        let (raised, lowered) = (raised || raised_other, lowered || lowered_other);
        last = Some(Foreign { manager: name.to_owned(), before, raised, lowered, recent: 0 });
    }
    last
}

/// Whether the routes had been entered, by what was committed.
const fn was_entered(phase: &Phase) -> bool {
    match phase {
        Phase::Step(place) => place.reached.is_some() || place.lost.is_some(),
        Phase::Promoting { .. } => true,
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } | Phase::Returning { .. } => false,
    }
}

/// The weight of the step before the present one.
fn former(facts: &Facts<'_>) -> u8 {
    let Phase::Step(place) = &facts.record.phase else { return 0 };
    let weight = |weight| u8::try_from(weight).unwrap_or(100);
    let steps = facts.filled.steps.iter().map(|step| (step.name.as_str(), weight(step.weight)));
    teal_plan::former_weight(steps, &place.step)
}

/// Whether routes are on the way back to their owner, with whatever was noted of them.
const fn leaves(phase: &Phase, aim: Aim) -> bool {
    match phase {
        Phase::Returning { .. } => true,
        Phase::Promoting { .. } => aim.weight == 0,
        Phase::New | Phase::Installing { .. } | Phase::Rest { .. } | Phase::Step(_) => false,
    }
}

/// Who wrote the lists last, of those that Teal has no claim to any more.
fn last_stranger<'v>(value: &'v Value, kinds: &BTreeSet<RouteKind>) -> Option<&'v str> {
    let lost = kinds.iter().filter(|kind| !owners_include_us(value, **kind));
    let each = lost.filter_map(|kind| strangers(value, kind.as_str()).first().copied());
    each.max_by_key(|(_, time)| *time).map(|(name, _)| name)
}

fn owners_include_us(value: &Value, kind: RouteKind) -> bool {
    let entries = value.pointer("/metadata/managedFields").and_then(Value::as_array);
    let claim = format!("/fieldsV1/f:spec/f:{}", kind.as_str());
    entries.into_iter().flatten().any(|entry| {
        crate::json::text(entry, "/manager") == manager::TRAFFIC && entry.pointer(&claim).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(each: &[(teal_traffic::Form, bool)], aim: Aim, broken: bool) -> Form {
        let mut forms = Forms { aim, broken, ..Forms::default() };
        for (one, stands) in each {
            forms.take(*one, *stands);
        }
        forms.together()
    }

    fn entered(candidate_weight: u8) -> teal_traffic::Form {
        teal_traffic::Form::Entered { candidate_weight }
    }

    #[test]
    fn routes_have_one_form_together() {
        let owner = teal_traffic::Form::Owner;
        for (each, broken, form) in [
            (vec![], false, Form::Owner),
            (vec![owner, owner], false, Form::Owner),
            (vec![entered(10), entered(10)], false, Form::Entered(10)),
            (vec![entered(10), entered(0)], false, Form::Mixed { highest: 10, owner: false }),
            (vec![entered(10), owner], false, Form::Mixed { highest: 10, owner: true }),
            (vec![owner], true, Form::Broken),
            (vec![entered(10)], true, Form::Mixed { highest: 10, owner: true }),
        ] {
            let each: Vec<_> = each.into_iter().map(|form| (form, false)).collect();
            assert_eq!(together(&each, Aim { weight: 50, pointed: true }, broken), form, "{each:?} {broken}");
        }
    }

    #[test]
    fn what_rounds_away_is_there_once_the_role_selects_the_candidate() {
        let rounded = [(entered(5), true), (entered(4), true)];
        let nothing = [(entered(0), true), (entered(0), true)];
        let half_way = [(entered(5), true), (entered(0), false)];
        for (each, pointed, form) in [
            (rounded, true, Form::Entered(5)),
            (rounded, false, Form::Entered(5)),
            (nothing, true, Form::Entered(5)),
            (nothing, false, Form::Entered(0)),
            (half_way, true, Form::Mixed { highest: 5, owner: false }),
        ] {
            assert_eq!(together(&each, Aim { weight: 5, pointed }, false), form, "{each:?} {pointed}");
        }
    }
}
