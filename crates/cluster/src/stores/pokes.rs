//! From something that changed to the Rollouts that must be looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use futures::channel::mpsc;

use super::cache::{ObjectId, Touched};
use super::rollouts::RolloutView;

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
    /// The group that several belong to.
    Group,
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
            Touched::Own(views) => self.others(&views, who),
        }
    }

    /// Whoever wrote or read an object looks again by itself, and it is no news where nobody else refers to it: an echo of each
    /// write would double the looks. What Teal writes is named by a Rollout, so it is no news to a whole namespace either.
    fn others<V>(&self, views: &[Arc<V>], who: impl Fn(&Self, &V)) {
        let (out, mut wanted) = mpsc::unbounded();
        let aside = Self { out, references: Arc::clone(&self.references) };
        views.iter().for_each(|view| who(&aside, view));
        drop(aside);
        let mut named: Vec<Poke> = Vec::new();
        while let Ok(poke) = wanted.try_recv() {
            if !matches!(poke, Poke::Namespace(_)) && !named.contains(&poke) {
                named.push(poke);
            }
        }
        if named.len() > 1 {
            named.into_iter().for_each(|poke| self.poke(poke));
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
            Touched::Views(views) | Touched::Own(views) => {
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
    let groups = view
        .groups
        .iter()
        .map(move |name| Reference { what: What::Group, id: ObjectId::new(&view.id.namespace, name) });
    services
        .chain(view.virtual_services.iter().map(move |name| named(What::VirtualService, name)))
        .chain(groups)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(name: &str, route: &str) -> Arc<RolloutView> {
        let view = RolloutView::of(
            json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"},
                "spec": {"traffic": {"services": [{"name": name}], "virtualServices": [{"name": route}]}}}),
            "",
        );
        Arc::new(view.expect("a view"))
    }

    /// What is written there by another hand is to be corrected at once, whatever the spec names meanwhile.
    #[test]
    fn what_a_rollout_under_way_began_with_wakes_it_although_the_spec_names_it_no_more() {
        let view = |phase: &str| {
            let object = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "1"},
                "spec": {"traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "new", "routes": [{"name": "a"}]}]}},
                "status": {"commit": {"phase": {"name": phase}, "traffic": {
                    "services": [{"name": "web"}, {"name": "api"}], "virtualServices": [{"name": "old"}]}}}});
            RolloutView::of(object, "").expect("a view")
        };
        let under_way = view("Step");
        assert_eq!(
            (under_way.services, under_way.virtual_services),
            (vec!["web".into(), "api".into()], vec!["old".into(), "new".into()],)
        );
        assert_eq!(under_way.routes, [None, Some(vec![teal_traffic::RouteSelector::named("a")])]);
        let (pokes, mut wanted) = Pokes::new();
        for (phase, woken) in [("Step", true), ("Rest", false)] {
            pokes.note(&Touched::All, || vec![Arc::new(view(phase))], |_| None);
            pokes.referrers(What::VirtualService, &ObjectId::new("shop", "old"));
            assert_eq!(wanted.try_recv().is_ok(), woken, "{phase}");
        }
    }

    #[test]
    fn the_echo_of_an_own_write_wakes_those_who_share_the_object_and_nobody_else() {
        let (pokes, mut wanted) = Pokes::new();
        let all = || vec![rollout("web", "edge"), rollout("api", "edge"), rollout("lone", "own")];
        pokes.note(&Touched::All, all, |_| None);
        let mut woken = |touched: Touched<ObjectId>| {
            pokes.touched(touched, |pokes, id| {
                pokes.referrers(What::VirtualService, id);
                pokes.poke(Poke::Namespace(id.namespace.clone()));
            });
            std::iter::from_fn(|| wanted.try_recv().ok()).collect::<Vec<_>>()
        };
        let view = |name| vec![Arc::new(ObjectId::new("shop", name))];
        let one = |name| Poke::One(ObjectId::new("shop", name));
        assert_eq!(woken(Touched::Own(view("edge"))), [one("api"), one("web")]);
        assert_eq!(woken(Touched::Own(view("own"))), [], "who wrote it looks again anyway");
        let namespace = Poke::Namespace("shop".to_owned());
        assert_eq!(woken(Touched::Views(view("own"))), [one("lone"), namespace], "of another hand");
    }
}
