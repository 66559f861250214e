//! From what the caches hold to what the planner looks at. Pure but for the memory of since when things have been so:
//! the same caches, memory and time give the same snapshot.

mod ambient;
mod around;
mod asked;
mod callers;
mod claims;
mod colors;
mod decisions;
mod facts;
mod found;
mod group;
mod halts;
mod jobs;
mod left;
mod likeness;
mod lost;
mod marks;
mod obstacles;
mod overlap;
mod ports;
mod renderings;
mod roles;
mod routes;
mod settings;
mod shared;
mod sizes;
mod starts;
mod step_jobs;
mod subsets;
#[cfg(test)]
pub(crate) mod tests;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use teal_api::Rollout;
use teal_api::defaults::Filled;
use teal_api::rollout::Traffic;
use teal_plan::snapshot::{CheckSeen, ColorSeen, Objects, Obstacle, Snapshot, Stops, World};
use teal_plan::{Color, ContentHash, Phase, Time};
use teal_release::chart::Body;
use teal_release::{ObjectKey, Resources};
use teal_traffic::RoleService;

use crate::charts::ChartSeen;
use crate::config::Config;
use crate::execute::revision;
use crate::kinds;
use crate::memory::Memory;
use crate::rendering::Rendering;
use crate::stores::{Pokes, Stores};

use self::asked::manifests_of;
use self::facts::Facts;
use self::renderings::Renderings;

pub(crate) use around::{idle_copies, names_candidate, stray_copies};
pub(crate) use callers::callers;
pub(crate) use colors::is_sent_back;
pub(crate) use roles::{epoch_on, points_of, selects_both_of};
pub(crate) use routes::{RouteSeen, is_owners, mirror, selectors};
pub(crate) use settings::record;
pub(crate) use shared::answers_for;
pub(crate) use starts::ends;
pub(crate) use step_jobs::identity;
pub(crate) use subsets::Named;
pub(crate) use traffic::{TRAFFIC, told as traffic_told};

/// Everything that a look is made from.
pub(crate) struct Scene<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) pokes: &'a Pokes,
    pub(crate) config: &'a Config,
    pub(crate) rollout: &'a Rollout,
    pub(crate) memory: &'a mut Memory,
    pub(crate) checks: Vec<(String, CheckSeen)>,
    pub(crate) now: Time,
    pub(crate) nonce: String,
    /// What is wrong with checks, by reason.
    pub(crate) problems: Vec<(String, String)>,
    /// What came of the chart, where the release is one.
    pub(crate) chart: ChartSeen,
}

/// What was seen, and what else was found on the way.
pub(crate) struct Seen {
    pub(crate) snapshot: Snapshot,
    /// The spec with its defaults; of one that can't be used, what still holds.
    pub(crate) filled: Filled,
    /// What each role Service is.
    pub(crate) services: Vec<RoleService>,
    /// Which of them select both revisions before they are turned.
    pub(crate) passing: Vec<bool>,
    pub(crate) routes: Vec<RouteSeen>,
    pub(crate) names: Names,
    /// The traffic that counts now, whether the spec's is another one that waits for the rollout's end, and which of its Services
    /// wait for a release that has them.
    pub(crate) traffic: Traffic,
    pub(crate) traffic_waits: bool,
    pub(crate) later: Vec<RoleService>,
    /// Copies of DestinationRules must be written again.
    pub(crate) rules_outdated: bool,
    /// A candidate's Service must be brought to what the live one is.
    pub(crate) unlike_live: bool,
    /// A role Service has not the ports of the revision that it selects.
    pub(crate) ports_differ: bool,
    /// Role Services go with the Rollout or stay, against what the spec says, or don't say whose they are.
    pub(crate) owners_differ: bool,
    /// What was kept of revisions is that of a former Rollout, or goes with this one against what the spec says.
    pub(crate) contents_stray: bool,
    /// Role Services of this Rollout that another hand replaced, by uid.
    pub(crate) replaced: BTreeSet<String>,
    /// The hash of `spec.release`.
    pub(crate) hash: ContentHash,
    /// What `spec.release` needs to start.
    pub(crate) need: Option<Resources>,
    /// What should stand in the two colors.
    pub(crate) blue: Option<Arc<Rendering>>,
    pub(crate) green: Option<Arc<Rendering>>,
    /// What came of the chart, where the release is one that is not kept yet.
    pub(crate) chart: ChartSeen,
    /// What a revision of a chart is to be kept with, where it isn't.
    pub(crate) body: Option<Arc<Body>>,
}

/// Who the Rollout is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
}

impl Names {
    pub(crate) fn of(rollout: &Rollout) -> Self {
        let metadata = &rollout.metadata;
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
        }
    }
}

/// Looks.
pub(crate) fn observe(scene: Scene<'_>) -> Seen {
    let Scene { stores, pokes, config, rollout, memory, checks, now, nonce, problems, chart } = scene;
    let hash = memory.hash(rollout);
    let mut facts = Facts { chart, ..Facts::gather(stores, config, rollout, memory, hash, now) };
    let renderings = Renderings::of(&facts, memory);
    sizes::follow_owner(&mut facts, &renderings);
    let routes = routes::see(&facts, memory);
    let passing = overlap::Passing::of(&facts, &renderings);
    let (mut obstacles, usable) = obstacles::gather(&facts, &renderings, &routes, pokes, memory);
    obstacles.extend(passing.obstacles.iter().cloned());
    obstacles.extend(problems.iter().map(|(reason, message)| obstacle(reason, message, Stops::Rollout)));
    obstacles.extend(remembered_obstacles(&facts, &renderings, memory));
    let weight = routes.seen.form.highest().max(committed_weight(&facts));
    let [blue, green] = both_colors(&facts, &renderings, weight, memory);
    obstacles.extend(overlap::deserted(&facts, &passing, is_up(&facts, &blue, &green)));
    obstacles.splice(..0, starts::namespace_ends(&facts, memory));
    let world = world(&facts, &renderings, &routes, &passing, [blue, green], obstacles, memory);
    let world = World { group: group::see(&facts, pokes), ..world };
    let settings = teal_plan::Settings {
        still_at: memory.edits.stills(now),
        ..halts::with(settings::read(&facts, usable.then_some(facts.hash), &renderings), &facts)
    };
    let decisions = decisions::see(&facts);
    let rules_outdated = around::outdated(&facts, routes.seen.form);
    let unlike_live = likeness::differs(&facts, &renderings, routes.seen.form);
    let ports_differ = roles::ports_differ(&facts, &renderings);
    let owners_differ = roles::owners_differ(&facts);
    let contents_stray = contents_stray(&facts);
    let replaced = roles::replaced(&facts, &renderings, &world.obstacles, memory);
    memory.trim(&facts.revisions(), is_at_rest(&facts, &world));
    let body = (!world.recorded).then(|| asked::body(&facts, memory)).flatten();
    let Facts { record, filled, services, later, names, traffic, traffic_waits, chart, .. } = facts;
    let deleting = rollout.metadata.deletion_timestamp.is_some();
    // The same at every look, so since the first one.
    let watched_since = memory.sightings.since("watched", &(), now);
    let mut snapshot =
        Snapshot { now, watched_since, nonce, settings, record, deleting, world, decisions, checks };
    snapshot.world.obstacles.extend(teal_plan::unanswered(&snapshot));
    snapshot.world.obstacles.sort_by_key(|obstacle| std::cmp::Reverse(obstacle.stops));
    let Renderings { blue, green, need, .. } = renderings;
    Seen {
        snapshot,
        filled,
        services,
        passing: passing.each.iter().map(Option::is_some).collect(),
        routes: routes.each,
        names,
        blue,
        green,
        traffic,
        traffic_waits,
        later,
        rules_outdated,
        unlike_live,
        ports_differ,
        owners_differ,
        contents_stray,
        replaced,
        hash,
        need,
        chart,
        body,
    }
}

/// What stands in the cluster, with what is in the way.
fn world(
    facts: &Facts<'_>,
    renderings: &Renderings,
    routes: &routes::Routes,
    passing: &overlap::Passing,
    [blue, green]: [ColorSeen; 2],
    mut obstacles: Vec<Obstacle>,
    memory: &mut Memory,
) -> World {
    World {
        stale: !memory.unsure.is_empty(),
        abandoned: settings::abandoned(facts, memory.namespace_goes),
        finalizer: settings::has_finalizer(facts.rollout),
        policies: facts.stores.admission.proves_decisions_since(),
        blue,
        green,
        sizes: sizes::shared(facts, renderings),
        live_service: roles::see(facts, roles::Role::Live, memory),
        candidate_service: roles::see(facts, roles::Role::Candidate, memory),
        overlap: overlap::see(facts, renderings, passing, memory),
        routes: routes.seen.clone(),
        recorded: recorded(facts, memory),
        jobs: jobs::see(facts),
        step_jobs: step_jobs::see(facts, memory),
        left_step_jobs: step_jobs::left(facts),
        found: found::see(facts, &mut obstacles),
        obstacles,
        highest_epoch: highest_epoch(facts, routes),
        highest_counter: highest_counter(facts),
        group: None,
    }
}

fn both_colors(
    facts: &Facts<'_>,
    renderings: &Renderings,
    weight: u8,
    memory: &mut Memory,
) -> [ColorSeen; 2] {
    [Color::Blue, Color::Green].map(|color| colors::see(facts, renderings, color, weight, memory))
}

/// Whether the candidate is available.
fn is_up(facts: &Facts<'_>, blue: &ColorSeen, green: &ColorSeen) -> bool {
    let of = |color| if color == Color::Blue { blue.available } else { green.available };
    facts.record.candidate.is_some_and(|candidate| of(candidate.slot.color))
}

/// What is in the way, or to be told, by more than what the caches hold now.
fn remembered_obstacles(facts: &Facts<'_>, renderings: &Renderings, memory: &mut Memory) -> Vec<Obstacle> {
    let mut obstacles: Vec<Obstacle> = marks::edited(facts, memory).into_iter().collect();
    obstacles.extend(jobs::failed(facts));
    obstacles.extend(step_jobs::selected(facts, renderings));
    obstacles.extend(lost::contents(facts, memory));
    obstacles.extend(lost::ports(facts, renderings, memory));
    obstacles.extend(memory.obstacles(facts.names.generation, facts.now));
    memory.edits.note(facts.names.generation, facts.hash, facts.now);
    obstacles.extend(starts::obstacles(facts, memory));
    obstacles
}

/// What the candidate has by the record. Of a weight that routes are on the way to, they say themselves how much of it is there:
/// pods that are too few for it hold the raise back, and are no failure at the weight before.
fn committed_weight(facts: &Facts<'_>) -> u8 {
    let routed = facts.traffic.virtual_services.iter().flatten().next().is_some();
    match &facts.record.phase {
        Phase::Step(place) if routed && place.reached.is_none() => 0,
        _ => facts.record.intended_weight(),
    }
}

/// With nothing left to write.
fn is_at_rest(facts: &Facts<'_>, world: &World) -> bool {
    matches!(facts.record.phase, Phase::Rest { .. })
        && [&world.blue, &world.green]
            .iter()
            .all(|color| matches!(color.objects, Objects::Absent | Objects::Present { in_sync: true, .. }))
}

fn recorded(facts: &Facts<'_>, memory: &Memory) -> bool {
    let Some(release) = facts.record.candidate.or(facts.record.live) else { return false };
    if lost::is_lost(facts, &release, memory) {
        // Nobody has what would be kept.
        return true;
    }
    let views = facts.stores.revisions.group(&facts.names.namespace, &facts.names.name);
    views
        .iter()
        .any(|view| view.revision == Some(release.slot.revision) && view.rollout_uid == facts.names.uid)
}

fn contents_stray(facts: &Facts<'_>) -> bool {
    let goes_along = revision::goes_along(facts.filled.on_delete);
    let kept = facts.stores.revisions.group(&facts.names.namespace, &facts.names.name);
    kept.iter().any(|view| revision::strays(view, &facts.names, goes_along))
}

fn highest_epoch(facts: &Facts<'_>, routes: &routes::Routes) -> u64 {
    let own = facts.objects.iter().filter(|view| view.rollout_uid == facts.names.uid).map(|view| view.epoch);
    let services = facts.services.iter().flat_map(|s| [&s.name, &s.candidate]);
    let services = services.filter_map(|name| facts.stores.services.get(&facts.names.namespace, name));
    let services = services.map(|view| view.epoch(&facts.names.uid));
    let routes = routes.each.iter().map(|route| route.epoch);
    own.chain(services).chain(routes).map(|epoch| facts.believed(epoch)).max().unwrap_or(0)
}

fn highest_counter(facts: &Facts<'_>) -> u32 {
    let objects = facts.objects.iter().filter_map(|view| view.revision);
    let pods = facts.pods.iter().filter_map(|pod| pod.revision);
    let kept = facts.stores.revisions.group(&facts.names.namespace, &facts.names.name);
    let kept = kept.iter().filter_map(|view| view.revision);
    objects.chain(pods).chain(kept).map(|revision| revision.counter).max().unwrap_or(0)
}

/// An obstacle from its parts.
pub(crate) fn obstacle(reason: &str, message: impl Into<String>, stops: Stops) -> Obstacle {
    Obstacle { reason: reason.to_owned(), message: message.into(), stops }
}

/// Workloads by uncolored key.
pub(crate) type Sizes = BTreeMap<ObjectKey, u32>;

/// Whether routes can be managed at all.
pub(crate) fn mesh_is_there(stores: &Stores) -> bool {
    stores.served(kinds::VIRTUAL_SERVICE).is_some()
}
