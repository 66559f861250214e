//! What this process remembers of a Rollout between two looks. All of it may be lost: after a restart waits begin anew,
//! which only makes them longer.

mod edits;
mod room;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use teal_api::Rollout;
use teal_plan::snapshot::{Form, Obstacle};
use teal_plan::{Color, ContentHash, Revision, Span, Time};
use teal_release::chart::{Body, Manifests, ServiceMapping};
use teal_release::{Kept, Refusal};
use teal_traffic::Saved;

use crate::execute::revision::Shares;
use crate::kinds::Known;
use crate::reconcile::Before;
use crate::refusals::Refusals;
use crate::rendering::{RenderKey, Rendering};
use crate::stores::ObjectId;
use crate::values::Taken;

pub(crate) use edits::Edits;
pub(crate) use room::Room;

/// What is remembered of one Rollout.
#[derive(Default)]
pub(crate) struct Memory {
    /// Since when facts have been so.
    pub(crate) sightings: Sightings,
    /// When routes that others overwrote were corrected.
    pub(crate) corrections: Corrections,
    /// Versions of routes by another hand that led to a pause, or left the weights as they were, by object.
    pub(crate) acknowledged: BTreeMap<String, u64>,
    /// Who had written a VirtualService before the rollout under way, by object: who replaces it takes the record along.
    writers: BTreeMap<String, Vec<String>>,
    /// Role Services that selected pods of the Rollout: names and uids.
    pub(crate) turned: BTreeMap<String, String>,
    /// Contents of revisions that are not in the spec.
    pub(crate) contents: BTreeMap<Revision, Packed>,
    /// Revisions of the record that are not in the spec and of which nothing usable is kept.
    pub(crate) lost: BTreeSet<Revision>,
    /// Which shared objects each kept revision has.
    pub(crate) shares: Arc<Mutex<Shares>>,
    /// What the chart of the release takes from elsewhere.
    pub(crate) taken: Option<Taken>,
    /// What was kept of an earlier revision with the content that is wanted, where that is a chart.
    pub(crate) before: Option<Before>,
    /// The hash of `spec.release` by its generation: most looks are for other reasons than a new spec.
    hash: Option<(i64, ContentHash)>,
    /// Renderings, so that a look costs no rendering while nothing changes.
    pub(crate) renderings: Vec<(RenderKey, Arc<Rendering>)>,
    /// What is in the way as writes have shown, by what was tried, and for which generation.
    pub(crate) met: BTreeMap<Write, (Obstacle, Time)>,
    met_for: i64,
    /// Failures in a row, by what was tried, and when it failed last.
    pub(crate) failing: BTreeMap<Write, (u32, Time)>,
    /// What is kept up failed this often in a row, and is not tried again before this time.
    pub(crate) kept: Option<(u32, Time)>,
    /// Repairs at rest that were refused, by color.
    pub(crate) refused: BTreeMap<Color, Repair>,
    /// How often a content was written over an object within the last minute.
    writes: Vec<Writes>,
    /// What was mended and is told for a while, by what it was.
    pub(crate) noted: BTreeMap<&'static str, (Obstacle, Time)>,
    /// When what is being deleted is to be looked at again, by color.
    lingering: BTreeMap<&'static str, Time>,
    /// The last generation in which live had all that it should: what it lacks since was there.
    pub(crate) whole: Option<i64>,
    /// Objects of live that were written again, and when.
    repaired: BTreeMap<String, Time>,
    /// Writes without an answer: whether they were carried out must be looked up before anything is planned.
    pub(crate) unsure: Vec<(Known, ObjectId)>,
    /// What a look at quotas and nodes found.
    pub(crate) room: Option<Room>,
    /// Why pods are not made, where nothing but an Event says it.
    pub(crate) refusals: Refusals,
    /// Changes of the spec, lately.
    pub(crate) edits: Edits,
    /// The namespace is being deleted.
    pub(crate) namespace_goes: bool,
    /// When a status was last written without a transition.
    pub(crate) said: Option<Time>,
    /// It told of something wrong, so its end must be told, too.
    pub(crate) told_trouble: bool,
    /// Failures in a row, for the pause before the next try.
    pub(crate) failures: u32,
}

/// What was tried, and for which color's release, where it was for one.
pub(crate) type Write = (&'static str, Option<Color>);

/// A repair that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repair {
    /// In which generation: another one may have mended what it met.
    generation: i64,
    /// How often in a row.
    failures: u32,
    /// When it is tried again.
    again: Time,
}

/// How long what a write met counts without being met again, and how long what was mended is told.
const MET_FOR: Span = Span::seconds(60);

/// Writes of one content over one object within a minute that no release needs.
const CONTESTED: u32 = 6;

/// What was written over an object.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Kind and name.
    pub(crate) object: String,
    /// The mark of its content.
    pub(crate) content: String,
}

impl Written {
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.object, &self.content).hash(&mut hasher);
        hasher.finish()
    }
}

/// How often the same was written.
#[derive(Debug)]
struct Writes {
    of: (Color, u64),
    since: Time,
    count: u32,
}

impl Writes {
    fn is_lately(&self, now: Time) -> bool {
        now - self.since < MET_FOR
    }
}

impl Memory {
    /// What is in the way as writes have shown lately, and what was mended. Another generation may have mended what was
    /// in the way, so it is tried at once.
    pub(crate) fn obstacles(&mut self, generation: i64, now: Time) -> Vec<Obstacle> {
        if self.met_for != generation {
            self.met.clear();
            self.met_for = generation;
        }
        let lately = |at: Time| now - at < MET_FOR;
        self.met.retain(|_, (_, at)| lately(*at));
        self.noted.retain(|_, (_, at)| lately(*at));
        let all = self.met.values().chain(self.noted.values());
        let mut obstacles: Vec<Obstacle> = all.map(|(obstacle, _)| obstacle.clone()).collect();
        // Of two that could be told, the one that holds something up.
        obstacles.sort_by_key(|obstacle| Reverse(obstacle.stops));
        obstacles
    }

    /// Takes note of objects that were written again, and names all of the last minute: one repair must not hide another.
    pub(crate) fn repaired(&mut self, objects: Vec<String>, now: Time) -> Vec<String> {
        self.repaired.retain(|_, at| now - *at < MET_FOR);
        self.repaired.extend(objects.into_iter().map(|object| (object, now)));
        self.repaired.keys().cloned().collect()
    }

    /// Takes note of who had written a VirtualService before its rollout. The first record holds: one that is made anew has the
    /// hand that took the first one away among them.
    pub(crate) fn learn_writers(&mut self, object: &str, recorded: impl FnOnce() -> Option<Saved>) {
        if self.writers.contains_key(object) {
            return;
        }
        let recorded = recorded();
        self.writers.extend(recorded.map(|saved| (object.to_owned(), saved.writers)));
    }

    /// Who had written a VirtualService before its rollout, if that is known.
    pub(crate) fn writers(&self, object: &str) -> Option<Vec<String>> {
        self.writers.get(object).cloned()
    }

    /// No rollout is under way.
    pub(crate) fn forget_writers(&mut self) {
        self.writers.clear();
    }

    /// Counts a failure of a write, and says how many there were in a row. One that isn't tried any more is forgotten.
    pub(crate) fn fails(&mut self, write: Write, now: Time) -> u32 {
        self.failing.retain(|_, (_, at)| now - *at < MET_FOR);
        let (in_a_row, at) = self.failing.entry(write).or_insert((0, now));
        *in_a_row = in_a_row.saturating_add(1);
        *at = now;
        *in_a_row
    }

    /// Takes note of what became of a repair: with the pause after so many failures in a row, where it was refused.
    pub(crate) fn repair(
        &mut self,
        color: Color,
        generation: i64,
        now: Time,
        pause: Option<impl FnOnce(u32) -> Span>,
    ) {
        let lately = |repair: &Repair| repair.generation == generation && now - repair.again < MET_FOR;
        let before = self.refused.remove(&color).filter(lately).map_or(0, |repair| repair.failures);
        let failures = before.saturating_add(1);
        let refused = pause.map(|pause| Repair { generation, failures, again: now + pause(failures) });
        self.refused.extend(refused.map(|repair| (color, repair)));
    }

    /// Takes note of what was written of a color's objects, and names those that another writer must be taking back: nobody else
    /// has the same content written over the same object again and again.
    pub(crate) fn wrote(&mut self, color: Color, written: Vec<Written>, now: Time) -> BTreeSet<String> {
        self.writes.retain(|writes| writes.is_lately(now));
        let mut contested = BTreeSet::new();
        for one in written {
            let key = (color, one.key());
            let known = self.writes.iter_mut().find(|writes| writes.of == key);
            let count = if let Some(writes) = known {
                writes.count = writes.count.saturating_add(1);
                writes.count
            } else {
                self.writes.push(Writes { of: key, since: now, count: 1 });
                1
            };
            if count >= CONTESTED {
                contested.insert(one.object);
            }
        }
        contested
    }

    /// Whether some object of a color is taken back by another writer as soon as it is written.
    pub(crate) fn is_contested(&self, color: Color, now: Time) -> bool {
        let is = |writes: &Writes| writes.of.0 == color && writes.count >= CONTESTED && writes.is_lately(now);
        self.writes.iter().any(is)
    }

    /// Until when a repair rests.
    pub(crate) fn rests(&self, color: Color, generation: i64, now: Time) -> Option<Time> {
        let repair = self.refused.get(&color)?;
        (repair.generation == generation && now < repair.again).then_some(repair.again)
    }

    /// When the next of them counts no more: nothing else would make anyone look then.
    pub(crate) fn forgets_at(&self) -> Option<Time> {
        self.met.values().chain(self.noted.values()).map(|(_, at)| *at + MET_FOR).min()
    }

    /// Takes note of when what is being deleted in a color may turn out to stay.
    pub(crate) fn lingering(&mut self, color: &'static str, again: Option<Time>) {
        self.lingering.remove(color);
        self.lingering.extend(again.map(|at| (color, at)));
    }

    /// When that is next: what stays makes nobody look.
    pub(crate) fn lingers_at(&self) -> Option<Time> {
        self.lingering.values().copied().min()
    }

    /// Takes note of what the chart takes from elsewhere, which is part of the release.
    pub(crate) fn take(&mut self, taken: Option<Taken>) {
        self.hash = None;
        self.taken = taken;
    }

    /// The hash of what the Rollout wants to be released.
    pub(crate) fn hash(&mut self, rollout: &Rollout) -> ContentHash {
        let generation = rollout.metadata.generation.unwrap_or_default();
        match self.hash {
            Some((known, hash)) if known == generation => hash,
            Some(_) | None => {
                let hash = teal_release::hash(rollout.spec.release.raw());
                self.hash = Some((generation, hash));
                hash
            }
        }
    }

    /// Takes note of what is kept of a revision, or that nothing usable is.
    pub(crate) fn learn(&mut self, revision: Revision, kept: Option<&Kept>) {
        if let Some(kept) = kept {
            if kept.body.is_some() {
                // What was kept counts, whatever the chart was rendered to before.
                self.renderings = Vec::new();
            }
            self.lost.remove(&revision);
            self.contents.insert(revision, Packed::of(kept));
        } else {
            self.lost.insert(revision);
        }
    }

    /// Lets go of contents and renderings that nobody needs.
    pub(crate) fn trim(&mut self, needed: &[Revision], at_rest: bool) {
        self.contents.retain(|revision, _| needed.contains(revision));
        self.lost.retain(|revision| needed.contains(revision));
        if at_rest {
            self.renderings = Vec::new();
        }
    }
}

/// A revision that is not in the spec. Its manifests are held as text, for they are needed as long as the spec wants something else
/// than live, which may be for months after a rollout was taken back, and parsed JSON takes ten times the room.
pub(crate) struct Packed {
    content: Box<str>,
    /// Of a chart: which of its Services stand behind the traffic Services.
    mapped: Option<Vec<ServiceMapping>>,
    /// All Services that it has.
    services: Vec<String>,
    /// Those of them that were traffic Services when it was kept.
    traffic: Vec<String>,
}

impl Packed {
    /// Of what was kept.
    pub(crate) fn of(kept: &Kept) -> Self {
        if let Some(body) = &kept.body {
            let mapped = body.services().to_vec();
            let services: Vec<String> = mapped.iter().map(|service| service.name.clone()).collect();
            let content = serde_json::to_string(body).unwrap_or_default().into();
            return Self { content, mapped: Some(mapped), traffic: services.clone(), services };
        }
        let services: Vec<String> = kept.all_services().map(str::to_owned).collect();
        let traffic = kept.services.iter().filter(|name| services.contains(name)).cloned().collect();
        let content = Value::from(kept.manifests()).to_string().into();
        Self { content, mapped: None, services, traffic }
    }

    /// What it is made from in a color, with these traffic Services. Nothing where it can't be read, which is no release without
    /// manifests.
    pub(crate) fn manifests(
        &self,
        color: Color,
        services: &[String],
        now: &[ServiceMapping],
    ) -> Option<Result<Manifests, Vec<Refusal>>> {
        if self.mapped.is_none() {
            return serde_json::from_str(&self.content).ok().map(|all| Ok(Manifests::listed(all)));
        }
        let body: Body = serde_json::from_str(&self.content).ok()?;
        Some(body.manifests(color, &body.mapped(services, now)))
    }

    /// Of a chart: its objects in both colors.
    pub(crate) fn body(&self) -> Option<Body> {
        self.mapped.as_ref().and_then(|_| serde_json::from_str(&self.content).ok())
    }

    /// What its traffic Service is called in the chart; nothing of manifests.
    pub(crate) fn from(&self, name: &str) -> Option<String> {
        self.mapped.iter().flatten().find(|service| service.name == name)?.from.clone()
    }

    /// Whether it has a Service of this name.
    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.services.iter().any(|service| service == name)
    }

    /// Its traffic Services where these are the ones that count: those that were so when it was kept, too.
    pub(crate) fn traffic_with(&self, counting: &[String]) -> Vec<String> {
        let are = |name: &&String| self.traffic.contains(name) || counting.contains(name);
        self.services.iter().filter(are).cloned().collect()
    }

    /// Those that were traffic Services when it was kept.
    pub(crate) fn traffic(&self) -> &[String] {
        &self.traffic
    }
}

/// Since when facts have been as they are, as far as this process has seen.
#[derive(Default)]
pub(crate) struct Sightings(HashMap<&'static str, (u64, Time)>);

impl Sightings {
    /// Since when `fact` has had this value.
    pub(crate) fn since(&mut self, fact: &'static str, value: &impl Hash, now: Time) -> Time {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let seen = hasher.finish();
        let entry = self.0.entry(fact).or_insert((seen, now));
        if entry.0 != seen {
            *entry = (seen, now);
        }
        entry.1
    }

    /// Since when it has been so; nothing where it isn't.
    pub(crate) fn since_true(&mut self, fact: &'static str, is: bool, now: Time) -> Option<Time> {
        let since = self.since(fact, &is, now);
        is.then_some(since)
    }
}

/// Corrections of what others wrote into the routes, lately. How often an object was written says nothing: one change by
/// another hand may take several writes, and several may be corrected at once.
#[derive(Default)]
pub(crate) struct Corrections {
    /// Objects that stand as another writer left them, by the generation that it made.
    standing: BTreeMap<String, i64>,
    /// Those of them that a correction was tried on.
    answered: BTreeMap<String, i64>,
    at: Vec<Time>,
    /// The weight at the last look, where no other hand's was to be corrected then and nothing was written since.
    settled: Option<Form>,
    /// The candidate's share by then. Whatever another hand makes of it, this is what it made that of.
    given: u8,
}

/// How long a correction counts.
const RECENT: Span = Span::seconds(60);

impl Corrections {
    /// A look at the routes begins.
    pub(crate) fn look(&mut self) {
        self.standing.clear();
    }

    /// Takes note that an object stands as another writer left it.
    pub(crate) fn stands(&mut self, object: &str, generation: i64) {
        self.standing.insert(object.to_owned(), generation);
    }

    /// Takes note that routes are written against what stands there. Counts once for all that is seen at one time, and
    /// also where it fails: a writer in a tight loop makes every correction fail.
    pub(crate) fn tried(&mut self, now: Time) {
        (self.settled, self.given) = (None, 0);
        let news = self.standing.iter().any(|(object, made)| self.answered.get(object) != Some(made));
        if news {
            self.at.push(now);
            self.answered.extend(self.standing.clone());
        }
    }

    /// Whether routes of this form have the weight that they had at the last look, so that whoever wrote them since moved nothing.
    pub(crate) fn left_weights(&self, form: Form) -> bool {
        self.settled == Some(form)
    }

    /// The candidate's share when it was last seen as Teal's, as far as Teal has written nothing since.
    pub(crate) const fn given(&self) -> u8 {
        self.given
    }

    /// A look at the routes ends: how they are, and whether another hand is to be corrected or heeded.
    pub(crate) fn looked(&mut self, form: Form, outstanding: bool) {
        self.settled = Some(form).filter(|form| !outstanding && matches!(form, Form::Entered(_)));
        if !outstanding {
            self.given = self.settled.map_or(0, |form| form.highest());
        }
    }

    /// How many there were in the last minute.
    pub(crate) fn recent(&mut self, now: Time) -> u32 {
        self.at.retain(|at| now - *at < RECENT);
        u32::try_from(self.at.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_kept_is_held_as_text_and_comes_back_as_it_was() {
        let manifests =
            json!([{"kind": "Service", "spec": {"ports": [{"port": 80}], "share": 0.1, "none": null}}]);
        let hash = ContentHash { version: 1, digest: [1; 32] };
        let kept = |release| Kept { hash, services: Vec::new(), release, body: None };
        let packed = Packed::of(&kept(json!({"manifests": manifests})));
        let listed = |packed: &Packed| {
            packed.manifests(Color::Blue, &[], &[]).map(|all| Value::from(all.unwrap().objects))
        };
        assert_eq!(listed(&packed), Some(manifests));
        assert_eq!(listed(&Packed::of(&kept(json!({})))), Some(json!([])));
    }

    #[test]
    fn a_sighting_lasts_as_long_as_the_fact() {
        let mut sightings = Sightings::default();
        assert_eq!(sightings.since("routes", &10, Time(5)), Time(5));
        assert_eq!(sightings.since("routes", &10, Time(9)), Time(5));
        assert_eq!(sightings.since("routes", &0, Time(12)), Time(12));
        assert_eq!(sightings.since("routes", &10, Time(20)), Time(20), "what comes back begins anew");
        assert_eq!(sightings.since_true("short", true, Time(1)), Some(Time(1)));
        assert_eq!(sightings.since_true("short", false, Time(2)), None);
        assert_eq!(sightings.since_true("short", true, Time(3)), Some(Time(3)));
    }

    #[test]
    fn what_was_met_counts_for_a_minute_and_for_its_generation() {
        let obstacle = |reason: &str| Obstacle {
            reason: reason.to_owned(),
            message: String::new(),
            stops: teal_plan::snapshot::Stops::Rollout,
        };
        let mut memory = Memory::default();
        assert_eq!((memory.obstacles(1, Time(0)).len(), memory.forgets_at()), (0, None));
        memory.met.insert(("ApplyRelease", None), (obstacle("NameTaken"), Time(0)));
        memory.noted.insert("Turned", (obstacle("LiveRepaired"), Time(5_000)));
        assert_eq!(memory.obstacles(1, Time(59_000)).len(), 2);
        assert_eq!(memory.forgets_at(), Some(Time(60_000)), "somebody must look then");
        assert_eq!(
            memory.obstacles(2, Time(59_000)),
            [obstacle("LiveRepaired")],
            "another spec is tried at once"
        );
        assert_eq!((memory.obstacles(2, Time(65_000)).len(), memory.forgets_at()), (0, None));
    }

    #[test]
    fn one_repair_does_not_hide_another() {
        let mut memory = Memory::default();
        let one = |name: &str| vec![name.to_owned()];
        memory.repaired(one("Deployment web-blue"), Time(0));
        let both = memory.repaired(one("ConfigMap settings-blue"), Time(1_000));
        assert_eq!(both, ["ConfigMap settings-blue", "Deployment web-blue"]);
        assert_eq!(memory.repaired(one("Service inner-blue"), Time(60_500)).len(), 2, "one is a minute old");
    }

    #[test]
    fn failures_in_a_row_are_those_of_one_write_that_is_still_tried() {
        let mut memory = Memory::default();
        assert_eq!(
            (memory.fails(("RaiseWeight", None), Time(0)), memory.fails(("RaiseWeight", None), Time(1_000))),
            (1, 2)
        );
        assert_eq!(memory.fails(("KeepRules", None), Time(2_000)), 1, "another one");
        assert_eq!(memory.fails(("RaiseWeight", None), Time(62_000)), 1, "the others are long ago");
    }

    #[test]
    fn each_color_has_its_own_pause_which_grows_and_ends_with_a_success_or_another_spec() {
        let mut memory = Memory::default();
        let doubled = |failures: u32| Span(1_000 << failures);
        memory.repair(Color::Blue, 1, Time(0), Some(doubled));
        assert_eq!(memory.rests(Color::Blue, 1, Time(1_999)), Some(Time(2_000)));
        assert_eq!(memory.rests(Color::Blue, 1, Time(2_000)), None);
        assert_eq!(memory.rests(Color::Green, 1, Time(0)), None);
        memory.repair(Color::Blue, 1, Time(2_000), Some(doubled));
        assert_eq!(memory.rests(Color::Blue, 1, Time(5_999)), Some(Time(6_000)));
        assert_eq!(memory.rests(Color::Blue, 2, Time(2_000)), None);
        memory.repair(Color::Blue, 2, Time(3_000), Some(doubled));
        assert_eq!(memory.rests(Color::Blue, 2, Time(3_000)), Some(Time(5_000)), "counted anew");
        memory.repair(Color::Blue, 2, Time(65_000), Some(doubled));
        assert_eq!(memory.rests(Color::Blue, 2, Time(65_000)), Some(Time(67_000)), "the other is long ago");
        memory.repair(Color::Blue, 2, Time(67_000), None::<fn(u32) -> Span>);
        assert_eq!(memory.rests(Color::Blue, 2, Time(0)), None);
    }

    #[test]
    fn each_correction_counts_once_and_for_a_minute() {
        let mut corrections = Corrections::default();
        let mut overwrite = |objects: &[(&str, i64)], tries: usize, now: Time| {
            corrections.look();
            for (object, generation) in objects {
                corrections.stands(object, *generation);
            }
            for _ in 0..tries {
                corrections.tried(now);
            }
            corrections.recent(now)
        };
        assert_eq!(overwrite(&[("web", 7)], 0, Time(0)), 0, "what is left alone is no correction");
        assert_eq!(overwrite(&[("web", 7), ("api", 3)], 1, Time(0)), 1, "both at one time are one");
        assert_eq!(overwrite(&[("api", 3)], 2, Time(1_000)), 1, "the rest of it is the same one");
        assert_eq!(overwrite(&[], 1, Time(2_000)), 1, "a write on what is ours corrects nobody");
        assert_eq!(overwrite(&[("web", 9)], 1, Time(30_000)), 2);
        assert_eq!(overwrite(&[("web", 9)], 1, Time(60_000)), 1);
    }
}
