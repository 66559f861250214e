//! One kind's objects as they were last seen, with an index. Fed by a watch, and by the answers to our own writes, so
//! that it is never older than what this process wrote itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;

/// Namespace and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ObjectId {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectId {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is kept of an object: as little as is read.
pub(crate) trait View: Send + Sync + 'static {
    /// Namespace and name.
    fn id(&self) -> ObjectId;
    /// `metadata.uid`.
    fn uid(&self) -> &str;
    /// `metadata.resourceVersion` as the number that it is for one object's history.
    fn version(&self) -> u64;
    /// Under which word it is looked up within its namespace: a Rollout's or Service's name, or nothing.
    fn group(&self) -> &str;
    /// Whether nothing but the version differs.
    fn same(&self, other: &Self) -> bool;
    /// Objects of other namespaces by which it is looked up, too.
    fn refers(&self) -> Vec<ObjectId> {
        Vec::new()
    }
}

/// What an event means for those who look at the cache.
pub(crate) enum Touched<V> {
    /// Nothing that matters.
    Nothing,
    /// These views came, went or changed.
    Views(Vec<Arc<V>>),
    /// Anything may have: the watch began anew.
    All,
}

struct Shelf<V> {
    objects: HashMap<ObjectId, Arc<V>>,
    groups: HashMap<(String, String), BTreeSet<String>>,
    referrers: HashMap<ObjectId, BTreeSet<ObjectId>>,
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self { objects: HashMap::new(), groups: HashMap::new(), referrers: HashMap::new() }
    }
}

impl<V: View> Shelf<V> {
    fn put(&mut self, view: Arc<V>) -> Option<Arc<V>> {
        let id = view.id();
        let old = self.take(&id);
        let group = (id.namespace.clone(), view.group().to_owned());
        self.groups.entry(group).or_default().insert(id.name.clone());
        for to in view.refers() {
            self.referrers.entry(to).or_default().insert(id.clone());
        }
        self.objects.insert(id, view);
        old
    }

    fn take(&mut self, id: &ObjectId) -> Option<Arc<V>> {
        let old = self.objects.remove(id)?;
        let group = (id.namespace.clone(), old.group().to_owned());
        if let Some(names) = self.groups.get_mut(&group) {
            names.remove(&id.name);
            if names.is_empty() {
                self.groups.remove(&group);
            }
        }
        for to in old.refers() {
            if let Some(from) = self.referrers.get_mut(&to) {
                from.remove(id);
                if from.is_empty() {
                    self.referrers.remove(&to);
                }
            }
        }
        Some(old)
    }
}

struct State<V> {
    shelf: Shelf<V>,
    coming: Option<Shelf<V>>,
    ready: bool,
    /// Objects that our own writes showed and the watch has not yet: they outlive a list that is older.
    own: BTreeMap<ObjectId, u64>,
}

/// The objects of one kind.
pub(crate) struct Cache<V> {
    state: RwLock<State<V>>,
}

impl<V: View> Default for Cache<V> {
    fn default() -> Self {
        let state = State { shelf: Shelf::default(), coming: None, ready: false, own: BTreeMap::new() };
        Self { state: RwLock::new(state) }
    }
}

impl<V: View> Cache<V> {
    /// Takes an event of the watch; `read` makes the view, and nothing where the object is none of ours.
    pub(crate) fn take<K>(&self, event: Event<K>, read: impl Fn(K) -> Option<V>) -> Touched<V> {
        match event {
            Event::Init => {
                self.write(|state| state.coming = Some(Shelf::default()));
                Touched::Nothing
            }
            Event::InitApply(object) => {
                if let Some(view) = read(object) {
                    self.write(|state| state.coming.get_or_insert_default().put(Arc::new(view)));
                }
                Touched::Nothing
            }
            Event::InitDone => {
                self.write(State::swap);
                Touched::All
            }
            Event::Apply(object) => read(object).map_or(Touched::Nothing, |view| self.apply(view, false)),
            Event::Delete(object) => read(object).map_or(Touched::Nothing, |view| self.delete(view)),
        }
    }

    /// Takes the answer to a write of our own.
    pub(crate) fn offer(&self, view: V) {
        drop(self.apply(view, true));
    }

    /// Takes note that an object is gone, as its deletion's answer or a fresh read said.
    pub(crate) fn forget(&self, id: &ObjectId) {
        self.write(|state| {
            state.own.remove(id);
            state.shelf.take(id)
        });
    }

    fn apply(&self, view: V, own: bool) -> Touched<V> {
        let view = Arc::new(view);
        self.write(|state| {
            let id = view.id();
            let old = state.shelf.objects.get(&id).cloned();
            // An event that is older than our own write's answer says nothing new.
            if old.as_ref().is_some_and(|old| old.uid() == view.uid() && old.version() >= view.version()) {
                return Touched::Nothing;
            }
            if own {
                state.own.insert(id, view.version());
            } else {
                state.own.remove(&id);
            }
            state.shelf.put(Arc::clone(&view));
            match old {
                Some(old) if old.same(&view) => Touched::Nothing,
                Some(old) => Touched::Views(vec![old, Arc::clone(&view)]),
                None => Touched::Views(vec![Arc::clone(&view)]),
            }
        })
    }

    fn delete(&self, view: V) -> Touched<V> {
        self.write(|state| {
            let id = view.id();
            let newer = state.shelf.objects.get(&id).is_some_and(|there| there.uid() != view.uid());
            if newer {
                return Touched::Nothing;
            }
            state.own.remove(&id);
            let old = state.shelf.take(&id);
            Touched::Views(old.into_iter().chain([Arc::new(view)]).collect())
        })
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<V>> {
        self.read(|state| state.shelf.objects.get(&ObjectId::new(namespace, name)).cloned())
    }

    /// All objects of a namespace under that word, by name.
    pub(crate) fn group(&self, namespace: &str, group: &str) -> Vec<Arc<V>> {
        self.read(|state| {
            let Some(names) = state.shelf.groups.get(&(namespace.to_owned(), group.to_owned())) else {
                return Vec::new();
            };
            let find = |name: &String| state.shelf.objects.get(&ObjectId::new(namespace, name)).cloned();
            names.iter().filter_map(find).collect()
        })
    }

    pub(crate) fn all(&self) -> Vec<Arc<V>> {
        self.read(|state| state.shelf.objects.values().cloned().collect())
    }

    /// Objects of other namespaces that refer to one, by name. Found without a look at all that there are.
    pub(crate) fn referring(&self, to: &ObjectId) -> Vec<Arc<V>> {
        self.read(|state| {
            let from = state.shelf.referrers.get(to).into_iter().flatten();
            from.filter_map(|id| state.shelf.objects.get(id).cloned()).collect()
        })
    }

    /// Whether the first list is complete.
    pub(crate) fn is_ready(&self) -> bool {
        self.read(|state| state.ready)
    }

    /// Takes the kind for empty, because it doesn't exist.
    pub(crate) fn set_absent(&self) {
        self.write(|state| {
            state.ready = true;
            state.shelf = Shelf::default();
            state.coming = None;
        });
    }

    fn read<T>(&self, look: impl FnOnce(&State<V>) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State<V>) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<V: View> State<V> {
    /// The new list takes the old one's place, but for what we wrote after it was made.
    fn swap(&mut self) {
        let Some(mut coming) = self.coming.take() else { return };
        self.own.retain(|id, version| {
            let listed = coming.objects.get(id).map_or(0, |view| view.version());
            let Some(own) = self.shelf.objects.get(id).filter(|_| listed < *version) else { return false };
            coming.put(Arc::clone(own));
            true
        });
        self.shelf = coming;
        self.ready = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Thing(&'static str, u64, &'static str, &'static str);

    impl View for Thing {
        fn id(&self) -> ObjectId {
            ObjectId::new("shop", self.0)
        }
        fn uid(&self) -> &str {
            self.3
        }
        fn version(&self) -> u64 {
            self.1
        }
        fn group(&self) -> &str {
            self.2
        }
        fn same(&self, other: &Self) -> bool {
            self.2 == other.2
        }
    }

    fn feed(cache: &Cache<Thing>, events: Vec<Event<Thing>>) -> Vec<&'static str> {
        let words = events.into_iter().map(|event| match cache.take(event, Some) {
            Touched::Nothing => "nothing",
            Touched::Views(_) => "views",
            Touched::All => "all",
        });
        words.collect()
    }

    fn names(cache: &Cache<Thing>, group: &str) -> Vec<&'static str> {
        cache.group("shop", group).iter().map(|thing| thing.0).collect()
    }

    #[test]
    fn a_list_replaces_what_was_and_touches_all() {
        let cache = Cache::default();
        let words = feed(
            &cache,
            vec![
                Event::Init,
                Event::InitApply(Thing("a", 1, "web", "u1")),
                Event::InitApply(Thing("b", 2, "web", "u2")),
                Event::InitDone,
                Event::Init,
                Event::InitApply(Thing("b", 2, "web", "u2")),
            ],
        );
        assert_eq!(words, ["nothing", "nothing", "nothing", "all", "nothing", "nothing"]);
        assert_eq!(names(&cache, "web"), ["a", "b"], "a list counts only when it is complete");
        assert_eq!(feed(&cache, vec![Event::InitDone]), ["all"]);
        assert_eq!(names(&cache, "web"), ["b"], "what vanished during a gap is gone");
    }

    #[test]
    fn deletions_are_told_and_indexes_follow() {
        let cache = Cache::default();
        feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 1, "web", "u1"))]);
        assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 2, "api", "u1"))]), ["views"]);
        assert_eq!((names(&cache, "web"), names(&cache, "api")), (vec![], vec!["a"]));
        assert_eq!(feed(&cache, vec![Event::Delete(Thing("a", 3, "api", "u1"))]), ["views"]);
        assert!(names(&cache, "api").is_empty());
    }

    /// A thing that refers to another namespace's.
    struct Far(u64, Option<&'static str>);

    impl View for Far {
        fn id(&self) -> ObjectId {
            ObjectId::new("edge", "far")
        }
        fn uid(&self) -> &'static str {
            "u"
        }
        fn version(&self) -> u64 {
            self.0
        }
        fn group(&self) -> &'static str {
            ""
        }
        fn same(&self, _: &Self) -> bool {
            false
        }
        fn refers(&self) -> Vec<ObjectId> {
            self.1.map(|name| ObjectId::new("shop", name)).into_iter().collect()
        }
    }

    #[test]
    fn who_refers_to_an_object_follows_what_is_written() {
        let cache = Cache::default();
        let web = ObjectId::new("shop", "web");
        let refers = |cache: &Cache<Far>| cache.referring(&web).len();
        for (version, to, found) in
            [(1, Some("web"), 1), (2, Some("api"), 0), (3, Some("web"), 1), (4, None, 0)]
        {
            cache.take(Event::Apply(Far(version, to)), Some);
            assert_eq!(refers(&cache), found, "version {version}");
        }
        cache.take(Event::Apply(Far(5, Some("web"))), Some);
        cache.take(Event::Delete(Far(6, Some("web"))), Some);
        assert_eq!(refers(&cache), 0, "gone");
    }

    #[test]
    fn our_own_write_is_never_undone_by_older_news() {
        let cache = Cache::default();
        feed(&cache, vec![Event::Init, Event::InitApply(Thing("a", 5, "web", "u1")), Event::InitDone]);
        cache.offer(Thing("a", 9, "api", "u1"));
        assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 7, "web", "u1"))]), ["nothing"]);
        assert_eq!(names(&cache, "api"), ["a"]);
        feed(&cache, vec![Event::Init, Event::InitApply(Thing("a", 7, "web", "u1")), Event::InitDone]);
        assert_eq!(names(&cache, "api"), ["a"], "an older list doesn't win either");
        feed(&cache, vec![Event::Apply(Thing("a", 11, "web", "u1"))]);
        assert_eq!(names(&cache, "web"), ["a"], "newer news do");
    }

    #[test]
    fn a_late_deletion_of_a_former_object_spares_its_successor() {
        let cache = Cache::default();
        feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 5, "web", "new"))]);
        assert_eq!(feed(&cache, vec![Event::Delete(Thing("a", 4, "web", "old"))]), ["nothing"]);
        assert_eq!(names(&cache, "web"), ["a"]);
    }

    #[test]
    fn what_did_not_change_touches_nobody() {
        let cache = Cache::default();
        feed(&cache, vec![Event::Init, Event::InitDone, Event::Apply(Thing("a", 5, "web", "u"))]);
        assert_eq!(feed(&cache, vec![Event::Apply(Thing("a", 6, "web", "u"))]), ["nothing"]);
        assert_eq!(cache.get("shop", "a").map(|thing| thing.1), Some(6));
    }
}
