//! From what the caches hold to what the planner looks at. Pure but for the memory of since when things have been so:
//! the same caches, memory and time give the same snapshot.

mod ambient;
mod around;
mod asked;
mod callers;
mod claims;
mod colors;
mod decisions;
mod found;
mod jobs;
mod left;
mod likeness;
mod lost;
mod marks;
mod obstacles;
mod overlap;
mod ports;
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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use teal_api::Rollout;
use teal_api::defaults::{Filled, SpecError};
use teal_api::rollout::{Traffic, TrafficService};
use teal_plan::record::Release;
use teal_plan::snapshot::{CheckSeen, ColorSeen, Objects, Obstacle, Snapshot, Stops, World};
use teal_plan::{Color, ContentHash, Phase, Record, Revision, Slot, Time};
use teal_release::chart::Body;
use teal_release::{ObjectKey, Resources};
use teal_traffic::RoleService;

use crate::charts::ChartSeen;
use crate::config::Config;
use crate::epochs::believed;
use crate::execute::revision;
use crate::kinds;
use crate::memory::Memory;
use crate::rendering::{For, RenderKey, Rendering, remembered, render, trial_slot};
use crate::stores::{ObjectView, PodView, Pokes, Stores};

use self::asked::{asked_for, manifests_for, manifests_of};
use self::traffic::{Counting, Look};

pub(crate) use around::{idle_copies, names_candidate, stray_copies};
pub(crate) use callers::callers;
pub(crate) use colors::is_sent_back;
pub(crate) use roles::{epoch_on, points_of, selects_both_of};
pub(crate) use routes::{RouteSeen, is_owners, selectors};
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

/// What is gathered once and read by every part of a look.
pub(crate) struct Facts<'a> {
    stores: &'a Stores,
    config: &'a Config,
    rollout: &'a Rollout,
    names: Names,
    filled: Filled,
    /// Why the spec can't be used.
    problem: Option<SpecError>,
    traffic: Traffic,
    traffic_waits: bool,
    services: Vec<RoleService>,
    /// Services of the spec that count once a release that has them is live.
    later: Vec<RoleService>,
    /// Live has none of the spec's Services.
    apart: bool,
    record: Record,
    /// The hash of `spec.release`.
    hash: ContentHash,
    objects: Vec<Arc<ObjectView>>,
    pods: Vec<Arc<PodView>>,
    /// Places of pods by uid.
    places: HashMap<String, usize>,
    /// What came of the chart, where the release is one.
    chart: ChartSeen,
    now: Time,
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
    let world = World {
        stale: !memory.unsure.is_empty(),
        abandoned: settings::abandoned(&facts, memory.namespace_goes),
        finalizer: settings::has_finalizer(rollout),
        policies: stores.admission.proves_decisions_since(),
        blue,
        green,
        sizes: sizes::shared(&facts, &renderings),
        live_service: roles::see(&facts, roles::Role::Live, memory),
        candidate_service: roles::see(&facts, roles::Role::Candidate, memory),
        overlap: overlap::see(&facts, &renderings, &passing, memory),
        routes: routes.seen.clone(),
        recorded: recorded(&facts, memory),
        jobs: jobs::see(&facts),
        step_jobs: step_jobs::see(&facts, memory),
        left_step_jobs: step_jobs::left(&facts),
        found: found::see(&facts, &mut obstacles),
        obstacles,
        highest_epoch: highest_epoch(&facts, &routes),
        highest_counter: highest_counter(&facts),
    };
    let settings = teal_plan::Settings {
        still_at: memory.edits.stills(now),
        ..settings::read(&facts, usable.then_some(facts.hash), &renderings)
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

impl<'a> Facts<'a> {
    fn gather(
        stores: &'a Stores,
        config: &'a Config,
        rollout: &'a Rollout,
        memory: &Memory,
        hash: ContentHash,
        now: Time,
    ) -> Self {
        let names = Names::of(rollout);
        let mut record = record(rollout);
        let pods = stores.pods.group(&names.namespace, &names.name);
        let live = record.live.filter(|live| live.hash != hash);
        let live = live.and_then(|live| memory.contents.get(&live.slot.revision));
        let counting = Counting::of(&Look { stores, config, rollout, names: &names, record: &record, live });
        let Counting { traffic, waits: traffic_waits, later, apart } = counting;
        record.baseline = traffic::baseline(&record.baseline, traffic::committed(rollout).as_ref(), &traffic);
        let (filled, problem) = settings::filled(rollout, &traffic, &record);
        let role = |service: &TrafficService| RoleService::new(&names.namespace, &service.name);
        let services = traffic.services.iter().map(role).collect();
        Self {
            stores,
            config,
            rollout,
            filled,
            problem,
            services,
            later,
            apart,
            record,
            traffic,
            traffic_waits,
            hash,
            objects: stores.objects_of(&names.namespace, &names.name),
            places: pods.iter().enumerate().map(|(place, pod)| (pod.uid.clone(), place)).collect(),
            pods,
            chart: ChartSeen::None,
            now,
            names,
        }
    }

    fn pod(&self, uid: &str) -> Option<&Arc<PodView>> {
        self.places.get(uid).and_then(|place| self.pods.get(*place))
    }

    /// An object of this Rollout. Another's of the same name is none, however it is.
    fn object(&self, group: &str, kind: &str, name: &str) -> Option<Arc<ObjectView>> {
        let there = self.stores.object(group, kind, &self.names.namespace, name);
        there.filter(|view| view.rollout == self.names.name)
    }

    /// The release that the record has in a color.
    fn asked(&self, color: Color) -> Option<Release> {
        self.record.releases().find(|release| release.slot.color == color)
    }

    fn revisions(&self) -> Vec<Revision> {
        self.record.releases().map(|release| release.slot.revision).collect()
    }

    /// An epoch on an object of this Rollout, as far as it is believed.
    fn believed(&self, epoch: u64) -> u64 {
        believed(epoch, &self.record)
    }

    fn is_live(&self, slot: Slot) -> bool {
        self.record.live.is_some_and(|live| live.slot == slot)
    }
}

/// The renderings that a look needs.
pub(crate) struct Renderings {
    blue: Option<Arc<Rendering>>,
    green: Option<Arc<Rendering>>,
    /// What `spec.release` is, be it in a color or not yet.
    wanted: Option<Arc<Rendering>>,
    /// What is wrong with `spec.release`.
    pub(crate) refusals: Vec<teal_release::Refusal>,
    /// What is worth a warning about it.
    pub(crate) findings: Vec<teal_release::Finding>,
    /// The traffic Services as it wants them.
    pub(crate) services: Vec<teal_release::RoleService>,
    /// What it needs to start.
    pub(crate) need: Option<Resources>,
    /// Its Jobs that run before its workloads.
    pub(crate) jobs: Vec<String>,
    /// Its Jobs that run after retirement.
    pub(crate) later: Vec<String>,
}

impl Renderings {
    fn of(facts: &Facts<'_>, memory: &mut Memory) -> Self {
        let mut this = Self {
            blue: None,
            green: None,
            wanted: None,
            refusals: Vec::new(),
            findings: Vec::new(),
            services: Vec::new(),
            need: None,
            jobs: Vec::new(),
            later: Vec::new(),
        };
        let mut wanted = None;
        for color in [Color::Blue, Color::Green] {
            let Some(release) = facts.asked(color) else { continue };
            let rendered = slot_rendering(facts, memory, &release);
            // What is wrong with a release, and worth telling, is the same for both colors and roles.
            if release.hash == facts.hash {
                wanted.clone_from(&rendered);
            }
            match color {
                Color::Blue => this.blue = rendered,
                Color::Green => this.green = rendered,
            }
        }
        match wanted.map_or_else(|| wanted_rendering(facts, memory), |known| Ok(Some(known))) {
            Ok(None) => {}
            Ok(Some(rendering)) => {
                this.findings.clone_from(&rendering.findings);
                this.services.clone_from(&rendering.role_services);
                this.need = Some(rendering.need.clone());
                this.jobs.clone_from(&rendering.job_names);
                this.later.clone_from(&rendering.later_names);
                this.wanted = Some(rendering);
            }
            Err(refusals) => this.refusals = refusals,
        }
        this
    }

    /// A traffic Service as the spec has it.
    fn service(&self, name: &str) -> Option<&teal_release::RoleService> {
        self.services.iter().find(|wanted| wanted.name == name)
    }

    /// A role's Service as the release has it that the record has in a slot.
    fn role_service(&self, facts: &Facts<'_>, slot: Slot, name: &str) -> Option<&teal_release::RoleService> {
        let asked = facts.asked(slot.color).is_some_and(|release| release.slot == slot);
        self.color(slot.color).filter(|_| asked)?.role_service(name)
    }

    /// What should stand in a color.
    pub(crate) fn color(&self, color: Color) -> Option<&Arc<Rendering>> {
        match color {
            Color::Blue => self.blue.as_ref(),
            Color::Green => self.green.as_ref(),
        }
    }
}

/// Renders the spec for the slot that it has or would have, to see whether it can be.
fn wanted_rendering(
    facts: &Facts<'_>,
    memory: &mut Memory,
) -> Result<Option<Arc<Rendering>>, Vec<teal_release::Refusal>> {
    let key = key(facts, trial_slot(&facts.hash), facts.hash, false, facts.filled.services.clone());
    if let Some(known) = remembered(&memory.renderings, &key) {
        return Ok(Some(known));
    }
    let Some(manifests) = asked_for(facts, memory, key.slot.color, &key.services)? else { return Ok(None) };
    let rendering = Arc::new(render(manifests, &whom(facts, &key))?);
    remember(memory, key, &rendering);
    Ok(Some(rendering))
}

fn slot_rendering(facts: &Facts<'_>, memory: &mut Memory, release: &Release) -> Option<Arc<Rendering>> {
    let services = services_of(facts, memory, release);
    let key = key(facts, release.slot, release.hash, facts.is_live(release.slot), services);
    if let Some(known) = remembered(&memory.renderings, &key) {
        return Some(known);
    }
    let manifests = manifests_for(facts, memory, release, &key.services)?;
    let rendering = Arc::new(render(manifests, &whom(facts, &key)).ok()?);
    remember(memory, key, &rendering);
    Some(rendering)
}

fn remember(memory: &mut Memory, key: RenderKey, rendering: &Arc<Rendering>) {
    memory.renderings.retain(|(known, _)| known.generation == key.generation && known.slot != key.slot);
    memory.renderings.push((key, Arc::clone(rendering)));
}

fn whom<'a>(facts: &'a Facts<'_>, key: &'a RenderKey) -> For<'a> {
    For {
        rollout: &facts.names.name,
        namespace: &facts.names.namespace,
        instance: &facts.config.instance,
        key,
    }
}

/// The traffic Services of a release. One that is kept has those with which it was kept, and those that it turned out to have.
fn services_of(facts: &Facts<'_>, memory: &Memory, release: &Release) -> Vec<String> {
    let counting = &facts.filled.services;
    let kept = memory.contents.get(&release.slot.revision).filter(|_| release.hash != facts.hash);
    kept.map_or_else(|| counting.clone(), |kept| kept.traffic_with(counting))
}

fn key(facts: &Facts<'_>, slot: Slot, hash: ContentHash, active: bool, services: Vec<String>) -> RenderKey {
    let hold = facts.filled.services.iter().cloned().zip(facts.record.baseline.iter().copied());
    RenderKey {
        generation: facts.names.generation,
        uid: facts.names.uid.clone(),
        slot,
        hash,
        active,
        sizes: if active { BTreeMap::new() } else { sizes::of_live(facts) },
        services,
        owned: facts.filled.on_delete == teal_api::rollout::OnDelete::DeleteAll,
        hold: if holds_sizes(&facts.record) { hold.collect() } else { Vec::new() },
        started: if holds_sizes(&facts.record) { facts.record.sizes.clone() } else { Vec::new() },
        beside: if facts.record.is_tried(slot) { sizes::ready(facts) } else { BTreeMap::new() },
    }
}

/// From the start of a rollout until the other color is let go.
fn holds_sizes(record: &Record) -> bool {
    match &record.phase {
        Phase::Step(_) | Phase::Promoting { .. } | Phase::Returning { .. } => true,
        Phase::Rest { .. } => record.previous.is_some(),
        Phase::New | Phase::Installing { .. } => false,
    }
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
