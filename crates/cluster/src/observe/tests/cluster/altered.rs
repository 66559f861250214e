//! What controllers and kubelets make of objects that are there.

use super::Hand;
use crate::kinds;
use crate::stores::{ObjectView, PodView};

impl Hand {
    /// A Deployment is seen as something else.
    pub(in crate::observe::tests) fn alter(&mut self, name: &str, change: impl FnOnce(&mut ObjectView)) {
        let version = self.next();
        let view = self.stores.object("apps", "Deployment", "shop", name).expect("a Deployment");
        let mut view = ObjectView { version, ..(*view).clone() };
        change(&mut view);
        let (_, cache) =
            self.stores.objects.iter().find(|(kind, _)| *kind == kinds::DEPLOYMENT).expect("a cache");
        cache.offer(view);
    }

    /// A pod is seen as something else.
    pub(in crate::observe::tests) fn alter_pod(&mut self, name: &str, change: impl FnOnce(&mut PodView)) {
        let version = self.next();
        let view = self.stores.pods.get("shop", name).expect("a pod");
        let mut view = PodView { version, ..(*view).clone() };
        change(&mut view);
        self.stores.pods.offer(view);
    }
}
