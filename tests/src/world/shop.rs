//! The application of the examples in a namespace, and what people do with it.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use teal_api::verbs::{self, Person};
use teal_api::{Action, Decision, Rollout};
use teal_load::{LoadOptions, Route, SessionTarget};

use super::{World, gateway_ports, manifests, raw_tcp};
use crate::error::{Error, Result};
use crate::observe::{Journal, Kind, Observer, Subscriber, Upstream};

/// The name of Rollout, Service and VirtualService.
pub const NAME: &str = "web";
/// How long an application may take until it serves, from nothing.
const INSTALLED: Duration = Duration::from_secs(90);

/// Changes a Rollout of the examples before it is applied.
pub type Tailoring = fn(&mut Value);

/// The application in one namespace.
pub struct Shop<'a> {
    /// Where.
    pub world: &'a World,
    /// The namespace.
    pub namespace: String,
    /// Changes each Rollout before it is applied.
    pub tailoring: Tailoring,
}

impl<'a> Shop<'a> {
    /// Makes the namespace, and in it what its owners wrote before there was Teal.
    pub async fn open(world: &'a World, namespace: &str, tailoring: Tailoring) -> Result<Self> {
        let shop = Self { world, namespace: namespace.to_owned(), tailoring };
        shop.apply_examples(&["namespace.yaml", "traffic.yaml"]).await?;
        Ok(shop)
    }

    /// Applies files of the examples by kubectl.
    pub async fn apply_examples(&self, files: &[&str]) -> Result<()> {
        let mut objects = Vec::new();
        for file in files {
            objects.extend(
                manifests::example(file)?.into_iter().map(|object| manifests::moved(object, &self.namespace)),
            );
        }
        self.apply(&objects).await
    }

    /// Applies objects by kubectl, as a person or a pipeline does.
    pub async fn apply(&self, objects: &[Value]) -> Result<()> {
        self.world.kubectl_with(&["apply", "-f", "-"], objects).await.map(drop)
    }

    /// The Rollout of a version as it would be applied.
    pub fn version(&self, version: &str) -> Result<Value> {
        let mut rollout = manifests::rollout(version, &self.namespace)?;
        (self.tailoring)(&mut rollout);
        if self.world.cluster.prometheus.is_none() {
            unchecked(&mut rollout);
        }
        Ok(rollout)
    }

    /// Releases a version by `kubectl apply` of the Rollout.
    pub async fn release(&self, version: &str) -> Result<()> {
        self.apply(&[self.version(version)?]).await
    }

    /// Follows everything in the namespace.
    pub fn observe(&self, subscriber: Option<Subscriber>) -> Observer {
        Observer::start(&self.world.client, &self.namespace, NAME, &Kind::ALL, subscriber)
    }

    /// Releases the first version and waits until it serves.
    pub async fn install(&self, observer: &Observer, version: &str) -> Result<()> {
        self.release(version).await?;
        observer.until("the first version as live", INSTALLED, at_rest).await?;
        self.serves(version).await
    }

    /// Waits until the gateway answers with a version.
    pub async fn serves(&self, version: &str) -> Result<()> {
        let url = format!("http://{}/", self.world.gateway(None)?);
        let http = reqwest::Client::new();
        let answer = async || {
            let request = http.get(&url).header("host", manifests::host(&self.namespace));
            let answer =
                request.timeout(Duration::from_secs(2)).send().await.map_err(|error| error.to_string())?;
            let got =
                answer.headers().get("x-version").and_then(|value| value.to_str().ok()).unwrap_or_default();
            if got == version { Ok(()) } else { Err(format!("{} from {got:?}", answer.status())) }
        };
        Ok(teal_testbed::until(
            format!("an answer of {version} through the gateway"),
            Duration::from_secs(30),
            answer,
        )
        .await?)
    }

    /// Load on the application through the gateway.
    pub fn load(&self) -> Result<LoadOptions> {
        Ok(LoadOptions::new(self.world.gateway(None)?, manifests::host(&self.namespace)))
    }

    /// Where sessions are opened; raw TCP has a port that only one application can have.
    pub fn sessions(&self, with_tcp: bool) -> Result<SessionTarget> {
        let route = Route { gateway: self.world.gateway(None)?, host: manifests::host(&self.namespace) };
        let tcp = if with_tcp { Some(self.world.gateway(Some(gateway_ports::SESSIONS))?) } else { None };
        Ok(SessionTarget { websocket: Some(route.clone()), grpc: Some(route), tcp })
    }

    /// Why no sessions of raw TCP can be opened here, where that is so. The gateway of a bed has a port for them and must answer;
    /// what an ingress of somebody else's passes on is its owner's choice.
    pub async fn without_raw_tcp(&self) -> Result<Option<String>> {
        if self.world.bed().is_some() {
            return Ok(None);
        }
        let address = self.world.gateway(Some(gateway_ports::SESSIONS))?;
        Ok(raw_tcp::why_left_out(address, raw_tcp::ANSWERS).await)
    }

    /// The two roles as Envoy counts them: live, candidate.
    pub fn upstreams(&self) -> [Upstream; 2] {
        [NAME.to_owned(), teal_api::names::candidate_service(NAME)].map(|service| Upstream {
            service,
            namespace: self.namespace.clone(),
            port: 80,
        })
    }

    /// The Rollouts of the namespace.
    pub fn rollouts(&self) -> Api<Rollout> {
        Api::namespaced(self.world.client.clone(), &self.namespace)
    }

    /// Decides as the person who runs this, made as all front ends make it. Gives the name of the Decision.
    pub async fn decide(&self, action: Action, reason: Option<&str>) -> Result<String> {
        self.decide_on(NAME, action, reason).await
    }

    /// The same on a Rollout of another name.
    pub async fn decide_on(&self, name: &str, action: Action, reason: Option<&str>) -> Result<String> {
        let person = Person {
            user: self.myself().await?,
            reason: reason.map(str::to_owned),
            via: Some("api".into()),
            ..Person::default()
        };
        let rollout = self.rollouts().get(name).await.map_err(Error::api("get the Rollout"))?;
        let decision = verbs::decision(action, &rollout, &person)?;
        let decisions: Api<Decision> = Api::namespaced(self.world.client.clone(), &self.namespace);
        let made = Box::pin(create(&decisions, &decision)).await;
        made.map_err(Error::api(format!("create a Decision to {}", action.verb())))
    }

    async fn myself(&self) -> Result<String> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.world.client.clone());
        let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
        let review = review.map_err(Error::api("ask who we are"))?;
        Ok(review.status.and_then(|status| status.user_info?.username).unwrap_or_default())
    }

    /// Merges into the Rollout.
    pub async fn edit(&self, change: Value) -> Result<()> {
        self.edit_of(NAME, change).await
    }

    /// Merges into a Rollout of another name.
    pub async fn edit_of(&self, name: &str, change: Value) -> Result<()> {
        let edited = self.rollouts().patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
        edited.map(drop).map_err(Error::api("edit the Rollout"))
    }

    /// The spec of the VirtualService as the API server has it.
    pub async fn virtual_service(&self) -> Result<Value> {
        let api = self.dynamic("networking.istio.io", "v1", "VirtualService");
        let object = api.get(NAME).await.map_err(Error::api("get the VirtualService"))?;
        Ok(object.data.get("spec").cloned().unwrap_or_default())
    }

    /// The VirtualService as its owner wrote it.
    pub fn owners_virtual_service(&self) -> Result<Value> {
        let objects = manifests::example("traffic.yaml")?;
        let found = objects.into_iter().find(|object| object["kind"] == "VirtualService");
        Ok(manifests::moved(found.unwrap_or_default(), &self.namespace))
    }

    /// A client for a kind of the namespace.
    pub fn dynamic(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.world.client.clone(), &self.namespace, &resource)
    }

    /// Names of the objects of these kinds that carry a color.
    pub async fn objects_of(&self, color: &str) -> Result<Vec<String>> {
        let selector = format!("{}={color}", teal_api::names::label::COLOR);
        let kinds = "deployments,replicasets,pods,configmaps,services,horizontalpodautoscalers,cronjobs,jobs";
        let listed =
            self.world.kubectl(&["get", kinds, "-n", &self.namespace, "-l", &selector, "-o", "name"]).await?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Removes the namespace without waiting for its end.
    pub async fn close(&self) -> Result<()> {
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.world.client.clone());
        let deleted = namespaces.delete(&self.namespace, &DeleteParams::background()).await;
        deleted.map(drop).map_err(Error::api("delete the namespace"))
    }

    /// The addresses of the pods of a color.
    pub async fn addresses(&self, color: &str) -> Result<Vec<String>> {
        let selector = format!("{}={color}", teal_api::names::label::COLOR);
        let path = "jsonpath={range .items[*]}{.status.podIP}{\"\\n\"}{end}";
        let addresses =
            self.world.kubectl(&["get", "pods", "-n", &self.namespace, "-l", &selector, "-o", path]).await?;
        Ok(addresses.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Makes the answers of all running pods of a color as bad as the query says.
    pub async fn switch(&self, color: &str, query: &str) -> Result<()> {
        for address in self.addresses(color).await? {
            let url = format!("http://{address}:8080/admin/switch?{query}");
            let answer = reqwest::Client::new().post(&url).send().await;
            answer
                .and_then(reqwest::Response::error_for_status)
                .map_err(|source| Error::Http { url, source })?;
        }
        Ok(())
    }
}

/// Whether the newest spec has been released and nothing moves.
pub(super) fn at_rest(journal: &Journal) -> Option<()> {
    let rests = journal.is_current() && journal.phase() == "Complete" && journal.candidate().is_none();
    (rests && journal.live().is_some()).then_some(())
}

/// Takes out what is asked of a Prometheus: where there is none, no candidate gets a weight before its checks can be asked.
fn unchecked(rollout: &mut Value) {
    let Some(spec) = rollout["spec"].as_object_mut() else { return };
    spec.remove("checks");
    spec.remove("guards");
    for step in spec.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        step.as_object_mut().and_then(|step| step.remove("checks"));
    }
}

/// Short times for stories that are not about time.
pub fn quick(rollout: &mut Value) {
    rollout["spec"]["steps"] = json!([
        {"name": "canary", "weight": 10, "hold": "1s", "checks": [], "approval": {"count": 1}},
        {"name": "full", "weight": 100, "hold": "1s", "checks": []},
    ]);
    rollout["spec"]["keep"] = json!({"previous": "5s", "failed": "2s"});
}

/// Creates it and gives its name; once more under another one where the same was decided before and refused, as the command does.
async fn create(decisions: &Api<Decision>, decision: &Decision) -> kube::Result<String> {
    let params = PostParams::default();
    let made = match decisions.create(&params, decision).await {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
            decisions.create(&params, &verbs::again(decision, 2)).await
        }
        made => made,
    };
    made.map(|made| made.metadata.name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_prometheus_nothing_asks_for_one() {
        let mut rollout = manifests::rollout("v2", "shop").unwrap();
        assert_eq!(rollout["spec"]["checks"][0]["name"], "errors");
        rollout["spec"]["guards"] = json!([{"check": "errors"}]);
        rollout["spec"]["steps"][0]["checks"] = json!(["errors"]);
        unchecked(&mut rollout);
        assert!(!rollout["spec"].to_string().contains("errors"), "{:#}", rollout["spec"]);
        assert_eq!(rollout["spec"]["steps"][0]["weight"], 10, "the rest stays");
    }
}
