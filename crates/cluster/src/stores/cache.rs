//! One kind's objects as they were last seen, with an index. Fed by a watch, and by the answers to our own writes, so
//! that it is never older than what this process wrote itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::Resource;
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

/// Who an object of the wire is, whatever is kept of it.
pub(crate) trait Named {
    /// Namespace and name.
    fn id(&self) -> ObjectId;
    /// `metadata.uid`.
    fn uid(&self) -> String;
    /// `metadata.resourceVersion`.
    fn version(&self) -> u64;
}

impl<K: Resource> Named for K {
    fn id(&self) -> ObjectId {
        super::views::id_of(self.meta())
    }
    fn uid(&self) -> String {
        self.meta().uid.clone().unwrap_or_default()
    }
    fn version(&self) -> u64 {
        super::views::version_of(self.meta())
    }
}

/// What an event means for those who look at the cache.
pub(crate) enum Touched<V> {
    /// Nothing that matters.
    Nothing,
    /// These views came, went or changed.
    Views(Vec<Arc<V>>),
    /// The same by this process itself, which has looked at it since, or as it read it anew.
    Own(Vec<Arc<V>>),
    /// Anything may have: the watch began anew.
    All,
}

/// An object that is told of and not kept.
struct Gone {
    id: ObjectId,
    uid: String,
    version: u64,
    deleted: bool,
}

impl Gone {
    fn of(object: &impl Named, deleted: bool) -> Self {
        Self { id: object.id(), uid: object.uid(), version: object.version(), deleted }
    }
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
    /// Objects that our own writes showed and the watch has not yet: they outlive a list that was asked for before.
    own: BTreeMap<ObjectId, Ahead<V>>,
}

/// What the watch has yet to show of an object that was taken in from an answer.
struct Ahead<V> {
    /// The versions that answers had. One that lies between them is another hand's, and nobody was told of it.
    versions: Vec<u64>,
    /// As it was when somebody was last told of it.
    told: Option<Arc<V>>,
}

impl<V: View> Ahead<V> {
    fn newest(&self) -> u64 {
        self.versions.last().copied().unwrap_or_default()
    }

    /// The watch shows a version that is no newer than the newest answer: what that says to those who look at the cache.
    fn shows(&mut self, view: Arc<V>) -> Touched<V> {
        let own = self.versions.contains(&view.version());
        self.versions.retain(|version| *version > view.version());
        let views = match self.told.replace(Arc::clone(&view)) {
            Some(told) if told.same(&view) => return Touched::Nothing,
            told => told.into_iter().chain([view]).collect(),
        };
        if own { Touched::Own(views) } else { Touched::Views(views) }
    }
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
    pub(crate) fn take<K: Named>(&self, event: Event<K>, read: impl Fn(K) -> Option<V>) -> Touched<V> {
        match event {
            Event::Init => {
                self.write(|state| {
                    state.coming = Some(Shelf::default());
                    // The list is asked for after this, and is the newest: what it lacks of what was written before is gone.
                    state.own.clear();
                });
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
            Event::Apply(object) => {
                let gone = Gone::of(&object, false);
                read(object).map_or_else(|| self.drop_out(&gone), |view| self.apply(view))
            }
            Event::Delete(object) => {
                let gone = Gone::of(&object, true);
                read(object).map_or_else(|| self.drop_out(&gone), |view| self.delete(view))
            }
        }
    }

    /// What was ours is none of ours any more, or was deleted as such.
    fn drop_out(&self, gone: &Gone) -> Touched<V> {
        self.write(|state| {
            let Some(there) = state.shelf.objects.get(&gone.id) else { return Touched::Nothing };
            let same = there.uid() == gone.uid;
            // Older than our own write's answer, or the end of a former object of that name.
            if (same && there.version() >= gone.version) || (!same && gone.deleted) {
                return Touched::Nothing;
            }
            state.own.remove(&gone.id);
            Touched::Views(state.shelf.take(&gone.id).into_iter().collect())
        })
    }

    /// Takes the answer to a write of our own, or to a fresh read. Who else looks at the object is told when the watch shows it.
    pub(crate) fn offer(&self, view: V) {
        self.write(|state| {
            let id = view.id();
            let old = state.shelf.objects.get(&id);
            if old.is_some_and(|old| old.uid() == view.uid() && old.version() >= view.version()) {
                return;
            }
            let told = old.cloned();
            let ahead = state.own.entry(id).or_insert_with(|| Ahead { versions: Vec::new(), told });
            ahead.versions.push(view.version());
            state.shelf.put(Arc::new(view));
        });
    }

    /// Takes note that an object is gone, as its deletion's answer or a fresh read said.
    pub(crate) fn forget(&self, id: &ObjectId) {
        self.write(|state| {
            state.own.remove(id);
            state.shelf.take(id)
        });
    }

    /// Takes note that a fresh look found nothing where there had been an object of this uid.
    pub(crate) fn forget_gone(&self, id: &ObjectId, uid: &str) {
        self.write(|state| {
            if state.shelf.objects.get(id).is_some_and(|there| there.uid() == uid) {
                state.own.remove(id);
                state.shelf.take(id);
            }
        });
    }

    /// Takes what the watch shows.
    fn apply(&self, view: V) -> Touched<V> {
        let view = Arc::new(view);
        self.write(|state| {
            let id = view.id();
            let old = state.shelf.objects.get(&id).cloned();
            // An event that is older than our own write's answer changes nothing here. But those who look at the object know it
            // as it was before: what another hand wrote in between stands in that answer, and nobody has told them.
            if old.as_ref().is_some_and(|old| old.uid() == view.uid() && old.version() >= view.version()) {
                let Some(ahead) = state.own.get_mut(&id) else { return Touched::Nothing };
                let touched = ahead.shows(view);
                // From now on a list that lacks it means that it is gone.
                if ahead.versions.is_empty() {
                    state.own.remove(&id);
                }
                return touched;
            }
            state.own.remove(&id);
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
    /// The new list takes the old one's place, but for what we wrote since it was asked for.
    fn swap(&mut self) {
        let Some(mut coming) = self.coming.take() else { return };
        self.own.retain(|id, ahead| {
            let listed = coming.objects.get(id).map_or(0, |view| view.version());
            let Some(own) = self.shelf.objects.get(id).filter(|_| listed < ahead.newest()) else {
                return false;
            };
            coming.put(Arc::clone(own));
            ahead.versions.retain(|version| *version > listed);
            // Everybody looks at everything as it is now.
            ahead.told = Some(Arc::clone(own));
            true
        });
        self.shelf = coming;
        self.ready = true;
    }
}

#[cfg(test)]
mod tests;
