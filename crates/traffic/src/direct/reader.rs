//! From a `VirtualService` to the weights of its routes, and from there to a request, or to a refusal that says how to mend it.

use serde_json::{Value, json};

use super::{DirectRefusal, RouteWeights, Wanted, Weighted, spelled, subset, words};
use crate::draft::{Draft, Path};
use crate::object::{list, name, namespace, text};
use crate::read::{http, said};
use crate::{Mesh, ObjectName, RouteKind};

pub(super) struct Reader<'a> {
    pub(super) object: ObjectName,
    virtual_service: &'a Value,
    pub(super) http: &'a [Value],
}

impl<'a> Reader<'a> {
    pub(super) fn new(virtual_service: &'a Value) -> Result<Self, DirectRefusal> {
        let (namespace, name) = (namespace(virtual_service).to_owned(), name(virtual_service).to_owned());
        let object = ObjectName { kind: "VirtualService".into(), namespace, name };
        let reader = Self { object, virtual_service, http: http(virtual_service) };
        match virtual_service.pointer("/spec/http") {
            None | Some(Value::Null | Value::Array(_)) => Ok(reader),
            Some(_) => Err(reader.malformed("spec.http", "a list of routes")),
        }
    }

    pub(super) fn malformed(&self, field: impl Into<String>, expected: &'static str) -> DirectRefusal {
        DirectRefusal::Malformed { object: self.object.boxed(), field: field.into(), expected }
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        text(self.http.get(index)?, "/name").filter(|name| !name.is_empty())
    }

    fn field(&self, index: usize) -> String {
        match self.name(index) {
            Some(name) => format!("spec.http[{index}] ({name})"),
            None => format!("spec.http[{index}]"),
        }
    }

    /// Two spellings of one destination can't have two weights.
    pub(super) fn asked_once(&self, wanted: &[Wanted<'_>]) -> Result<(), DirectRefusal> {
        for (at, one) in wanted.iter().enumerate() {
            let before =
                wanted.iter().take(at).find(|other| other.is(&one.full, one.share.subset.as_deref()));
            if let Some(before) = before {
                return Err(DirectRefusal::AskedTwice {
                    object: self.object.boxed(),
                    first: before.share.to_string(),
                    second: one.share.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Positions of the routes of these names.
    pub(super) fn named(&self, routes: &[String]) -> Result<Vec<usize>, DirectRefusal> {
        let mut found = routes.iter().map(|route| self.find(route)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn find(&self, route: &str) -> Result<usize, DirectRefusal> {
        let mut places = (0..self.http.len()).filter(|index| self.name(*index) == Some(route));
        match (places.next(), places.next()) {
            (Some(first), None) => Ok(first),
            (Some(first), Some(second)) => Err(DirectRefusal::RouteAmbiguous {
                object: self.object.boxed(),
                route: route.to_owned(),
                first,
                second,
            }),
            (None, _) => Err(DirectRefusal::RouteNotFound {
                object: self.object.boxed(),
                route: route.to_owned(),
                known: words((0..self.http.len()).filter_map(|index| self.name(index)), "none with a name"),
            }),
        }
    }

    /// Positions of the routes that name any of the destinations.
    pub(super) fn naming(&self, mesh: &Mesh, wanted: &[Wanted<'_>]) -> Result<Vec<usize>, DirectRefusal> {
        let names = |entry: &Value| {
            let host = text(entry, "/destination/host").map(|host| mesh.expand(host, &self.object.namespace));
            host.is_some_and(|host| wanted.iter().any(|one| one.is(&host, subset(entry))))
        };
        let any = |route: &Value| list(route, "/route").iter().any(names);
        let found: Vec<usize> =
            (0..self.http.len()).filter(|index| self.http.get(*index).is_some_and(any)).collect();
        if found.is_empty() {
            return Err(self.nowhere(wanted));
        }
        Ok(found)
    }

    fn nowhere(&self, wanted: &[Wanted<'_>]) -> DirectRefusal {
        let entries = self.http.iter().flat_map(|route| list(route, "/route"));
        let found: Vec<String> = entries
            .filter_map(|entry| Some(spelled(text(entry, "/destination/host")?, subset(entry))))
            .collect();
        let other = ["tcp", "tls"]
            .iter()
            .any(|kind| !list(self.virtual_service, &format!("/spec/{kind}")).is_empty());
        DirectRefusal::Nowhere {
            object: self.object.boxed(),
            wanted: words(
                wanted
                    .iter()
                    .map(|one| one.share.destination())
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str),
                "none",
            ),
            found: words(found.iter().map(String::as_str), "no destination"),
            remedy: if other {
                "weights of tcp and tls routes are not changed, correct --weight or add an http route"
            } else {
                "correct --weight"
            },
        }
    }

    /// Reads one route as Istio does.
    pub(super) fn route(&self, index: usize) -> Result<RouteWeights, DirectRefusal> {
        let value = self.http.get(index).unwrap_or(&Value::Null);
        self.must_forward(index, value)?;
        let field = format!("{}.route", self.field(index));
        let entries = value.get("route").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| self.malformed(&field, "a list of destinations"))?;
        let sole = entries.len() == 1;
        let each = entries.iter().enumerate();
        let destinations =
            each.map(|(place, entry)| self.destination(&format!("{field}[{place}]"), entry, sole));
        Ok(RouteWeights {
            route: self.name(index).map(str::to_owned),
            index,
            destinations: destinations.collect::<Result<_, _>>()?,
        })
    }

    fn must_forward(&self, index: usize, value: &Value) -> Result<(), DirectRefusal> {
        let what =
            ["delegate", "redirect", "directResponse"].into_iter().find(|key| value.get(key).is_some());
        let Some(what) = what else { return Ok(()) };
        let hint = text(value, "/delegate/name").map(|name| {
            let namespace = text(value, "/delegate/namespace").unwrap_or(&self.object.namespace);
            format!(", in VirtualService {namespace}/{name}")
        });
        let (object, field) = (self.object.boxed(), self.field(index));
        Err(DirectRefusal::NotForwarding { object, field, what, hint: hint.unwrap_or_default() })
    }

    fn destination(&self, field: &str, entry: &Value, sole: bool) -> Result<Weighted, DirectRefusal> {
        let Some(host) = text(entry, "/destination/host") else {
            return Err(self.malformed(format!("{field}.destination.host"), "the name of a host"));
        };
        let written = match entry.get("weight") {
            None | Some(Value::Null) => None,
            Some(weight) => {
                let fit = weight.as_i64().filter(|weight| (0..=100).contains(weight));
                Some(fit.ok_or_else(|| {
                    self.malformed(format!("{field}.weight"), "a whole number from 0 to 100")
                })?)
            }
        };
        let weight = said(written, sole).unwrap_or(if sole { 100 } else { 0 });
        Ok(Weighted { host: host.to_owned(), subset: subset(entry).map(str::to_owned), weight })
    }

    /// The route with the wanted weights, which must come to 100 with those that stay.
    pub(super) fn after(
        &self,
        before: &RouteWeights,
        mesh: &Mesh,
        wanted: &[Wanted<'_>],
    ) -> Result<RouteWeights, DirectRefusal> {
        let mut after = before.clone();
        let field = self.field(before.index);
        for one in wanted {
            let place = self.only(before, &field, mesh, one)?;
            if let Some(destination) = after.destinations.get_mut(place) {
                destination.weight = i64::from(one.share.weight);
            }
        }
        let sum: i64 = after.destinations.iter().map(|destination| destination.weight).sum();
        if sum != 100 {
            let each: Vec<String> = after.destinations.iter().map(ToString::to_string).collect();
            return Err(DirectRefusal::NotHundred {
                object: self.object.boxed(),
                field,
                sum,
                each: each.join(", "),
            });
        }
        Ok(after)
    }

    /// Where a destination stands in a route.
    fn only(
        &self,
        route: &RouteWeights,
        field: &str,
        mesh: &Mesh,
        wanted: &Wanted<'_>,
    ) -> Result<usize, DirectRefusal> {
        let is =
            |to: &Weighted| wanted.is(&mesh.expand(&to.host, &self.object.namespace), to.subset.as_deref());
        let mut places =
            route.destinations.iter().enumerate().filter(|(_, to)| is(to)).map(|(place, _)| place);
        let (object, field, destination) =
            (self.object.boxed(), field.to_owned(), wanted.share.destination());
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(first), Some(second)) => {
                Err(DirectRefusal::TwoDestinations { object, field, destination, first, second })
            }
            (None, _) => {
                let known: Vec<String> =
                    route.destinations.iter().map(|to| spelled(&to.host, to.subset.as_deref())).collect();
                let known = words(known.iter().map(String::as_str), "none");
                Err(DirectRefusal::NotInRoute { object, field, destination, known })
            }
        }
    }

    /// Only what is different, guarded by the route's name and by all of its destinations as they were read.
    pub(super) fn write(&self, draft: &mut Draft, before: &RouteWeights, after: &RouteWeights) {
        let pairs = before.destinations.iter().zip(&after.destinations).enumerate();
        let different: Vec<(usize, i64)> = pairs
            .filter(|(_, (old, new))| old.weight != new.weight)
            .map(|(place, (_, new))| (place, new.weight))
            .collect();
        if different.is_empty() {
            return;
        }
        if let Some(name) = &before.route {
            draft.test(Path::route(RouteKind::Http, before.index).then("name"), json!(name));
        }
        let entries = self.http.get(before.index).and_then(|route| route.get("route"));
        draft.test(
            Path::route(RouteKind::Http, before.index).then("route"),
            entries.cloned().unwrap_or_default(),
        );
        for (place, weight) in different {
            draft.add(
                Path::route(RouteKind::Http, before.index).then("route").at(place).then("weight"),
                json!(weight),
            );
        }
    }
}
