//! From something that changed to the Rollouts that must be looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use futures::channel::mpsc;

use super::cache::{ObjectId, Touched};
use super::objects::RolloutView;

/// What to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Poke {
    /// One Rollout.
    One(ObjectId),
    /// One Rollout, before all others: a person decided, or a verdict changed.
    Urgent(ObjectId),
    /// All of a namespace.
    Namespace(String),
    /// All.
    All,
}

/// Where pokes go, and who refers to what.
#[derive(Clone)]
pub(crate) struct Pokes {
    out: mpsc::UnboundedSender<Poke>,
    references: Arc<RwLock<HashMap<Reference, BTreeSet<String>>>>,
}

/// A thing that Rollouts refer to by name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Reference {
    what: What,
    id: ObjectId,
}

/// Kinds of things that Rollouts refer to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum What {
    Service,
    VirtualService,
}

impl Pokes {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Poke>) {
        let (out, pokes) = mpsc::unbounded();
        (Self { out, references: Arc::default() }, pokes)
    }

    /// Asks for a look.
    pub(crate) fn poke(&self, poke: Poke) {
        // The receiver is gone only when the process ends.
        drop(self.out.unbounded_send(poke));
    }

    pub(crate) fn one(&self, namespace: &str, rollout: &str) {
        self.poke(Poke::One(ObjectId::new(namespace, rollout)));
    }

    /// The same, before all others.
    pub(crate) fn urgent(&self, namespace: &str, rollout: &str) {
        self.poke(Poke::Urgent(ObjectId::new(namespace, rollout)));
    }

    /// Asks for a look at all that an event touched; `who` names the Rollouts of one view.
    pub(crate) fn touched<V>(&self, touched: Touched<V>, who: impl Fn(&Self, &V)) {
        match touched {
            Touched::Nothing => {}
            Touched::All => self.poke(Poke::All),
            Touched::Views(views) => views.iter().for_each(|view| who(self, view)),
        }
    }

    /// Asks for a look at those who refer to an object by name; whether there are any.
    pub(crate) fn referrers(&self, what: What, id: &ObjectId) -> bool {
        let references = self.references.read().unwrap_or_else(PoisonError::into_inner);
        let Some(names) = references.get(&Reference { what, id: id.clone() }) else { return false };
        for name in names {
            self.one(&id.namespace, name);
        }
        true
    }

    /// Whether an older or newer Rollout refers to the same object.
    pub(crate) fn rivals(&self, what: What, id: &ObjectId, own: &str) -> Vec<String> {
        let references = self.references.read().unwrap_or_else(PoisonError::into_inner);
        let names = references.get(&Reference { what, id: id.clone() });
        names.into_iter().flatten().filter(|name| *name != own).cloned().collect()
    }

    /// Takes note of what Rollouts refer to. Also called for Rollouts as they were and as they went, so that rivals of
    /// a Rollout that is gone look again.
    pub(crate) fn note(
        &self,
        touched: &Touched<RolloutView>,
        all: impl FnOnce() -> Vec<Arc<RolloutView>>,
        is_there: impl Fn(&ObjectId) -> Option<Arc<RolloutView>>,
    ) {
        let mut references = self.references.write().unwrap_or_else(PoisonError::into_inner);
        match touched {
            Touched::Nothing => {}
            Touched::All => {
                references.clear();
                for view in all() {
                    insert(&mut references, &view);
                }
            }
            Touched::Views(views) => {
                for view in views {
                    remove(&mut references, view);
                }
                if let Some(current) = views.first().and_then(|view| is_there(&view.id)) {
                    insert(&mut references, &current);
                }
            }
        }
    }
}

fn of(view: &RolloutView) -> impl Iterator<Item = Reference> + '_ {
    let named = |what: What, name: &String| Reference { what, id: ObjectId::new(&view.id.namespace, name) };
    let services = view.services.iter().map(move |name| named(What::Service, name));
    services.chain(view.virtual_services.iter().map(move |name| named(What::VirtualService, name)))
}

fn insert(references: &mut HashMap<Reference, BTreeSet<String>>, view: &RolloutView) {
    for reference in of(view) {
        references.entry(reference).or_default().insert(view.id.name.clone());
    }
}

fn remove(references: &mut HashMap<Reference, BTreeSet<String>>, view: &RolloutView) {
    for reference in of(view) {
        if let Some(names) = references.get_mut(&reference) {
            names.remove(&view.id.name);
            if names.is_empty() {
                references.remove(&reference);
            }
        }
    }
}
