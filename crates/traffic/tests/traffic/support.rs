//! What the tests share.

use serde_json::Value;
use teal_traffic::{
    Mesh, Patch, RoleService, RouteSelector, Scope, Stamp, Subset, enter, leave, read, set_weight,
};

/// A Rollout with Service `web` in namespace `shop`.
pub(crate) struct World {
    pub(crate) mesh: Mesh,
    pub(crate) services: Vec<RoleService>,
    pub(crate) routes: Option<Vec<RouteSelector>>,
    pub(crate) subsets: Vec<Subset>,
}

impl World {
    pub(crate) fn web() -> Self {
        Self {
            mesh: Mesh::default(),
            services: vec![RoleService::new("shop", "web")],
            routes: None,
            subsets: Vec::new(),
        }
    }

    pub(crate) fn routes(mut self, names: &[&str]) -> Self {
        self.routes = Some(names.iter().map(|name| RouteSelector::named(*name)).collect());
        self
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            mesh: &self.mesh,
            services: &self.services,
            routes: self.routes.as_deref(),
            subsets: &self.subsets,
        }
    }
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// A `VirtualService` as the API server would send it, from the YAML of its http list.
pub(crate) fn virtual_service(http: &str) -> Value {
    let mut object = yaml(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop, \
         resourceVersion: '7', annotations: {team: shop}}\nspec: {hosts: [web], http: []}",
    );
    object["spec"]["http"] = yaml(http);
    object
}

pub(crate) fn stamp(epoch: i64) -> Stamp {
    Stamp::new("uid-1", epoch, "teal")
}

/// Applies a patch as the API server does: all or nothing, with a new resourceVersion.
pub(crate) fn apply(object: &mut Value, patch: &Patch) -> Result<(), json_patch::PatchError> {
    json_patch::patch(object, &patch.0)?;
    let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = Value::from((version + 1).to_string());
    Ok(())
}

pub(crate) fn entered(world: &World, object: &Value) -> Value {
    let mut object = object.clone();
    let patch = enter(&object, &world.scope(), &stamp(1)).unwrap().unwrap();
    apply(&mut object, &patch).unwrap();
    object
}

pub(crate) fn at(world: &World, object: &Value, percent: u8) -> Value {
    let mut object = object.clone();
    if let Some(patch) = set_weight(&object, &world.scope(), percent, &stamp(2)).unwrap() {
        apply(&mut object, &patch).unwrap();
    }
    object
}

pub(crate) fn left(world: &World, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(patch) = leave(&object, &world.scope(), &stamp(3)).unwrap().patch {
        apply(&mut object, &patch).unwrap();
    }
    object
}

/// The weight at which a candidate is that every managed route names.
pub(crate) fn weight(world: &World, object: &Value) -> u8 {
    let set = read(object, &world.scope()).unwrap();
    assert!(set.is_entered(), "a route doesn't name the candidate: {object}");
    set.candidate_weight()
}
