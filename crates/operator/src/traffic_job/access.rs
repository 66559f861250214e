//! Requests about one VirtualService, each bounded in time, and what their answers mean.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, Request};
use serde_json::{Value, json};
use teal_traffic::as_go_writes;

use super::error::Error;

/// Whose writes they are in `metadata.managedFields`.
pub(crate) const MANAGER: &str = "teal-traffic";

/// Newest first: older Istio serves no v1.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];

/// What a request met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No such object.
    Missing,
    /// No such kind.
    Unserved(String),
    /// The account may not, or whoever vets objects refuses.
    Denied(String),
    /// Either the object has changed, or it is refused as it would become: what is read next tells which.
    Rejected(String),
    /// It may work later; of a write it is known that it was not carried out.
    Later(String),
    /// It may work later; a write may have been carried out.
    Unsure(String),
}

impl Failure {
    /// The error that it is for good, or what is said of one that may pass.
    pub(crate) fn lasting(self, access: &Access, verb: &'static str) -> Result<Error, String> {
        let object = access.object();
        match self {
            Self::Missing => Ok(Error::Missing { object }),
            Self::Unserved(said) => Ok(Error::Unserved { object, said }),
            Self::Denied(said) => Ok(Error::Denied { object, verb, said }),
            Self::Rejected(said) | Self::Later(said) | Self::Unsure(said) => Err(said),
        }
    }
}

/// One VirtualService.
pub(crate) struct Access {
    client: Client,
    namespace: String,
    name: String,
    timeout: Duration,
}

impl Access {
    pub(crate) fn new(client: Client, namespace: String, name: String, timeout: Duration) -> Self {
        Self { client, namespace, name, timeout }
    }

    /// Its name for messages.
    pub(crate) fn object(&self) -> String {
        format!("VirtualService {}/{}", self.namespace, self.name)
    }

    /// Its name for programs.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Of attempts that had no answer.
    pub(crate) fn silent(&self, attempts: u32, said: &str, unsure: bool) -> Error {
        let known = if unsure {
            "whether the weights were written is not known: run it again, or look with teal traffic get"
        } else {
            "nothing was changed"
        };
        Error::Silent { object: self.object(), attempts, said: said.to_owned(), known }
    }

    pub(crate) async fn read(&self) -> Result<Value, Failure> {
        let mut unserved = Failure::Missing;
        for version in VERSIONS {
            let api = self.api("networking.istio.io", version, "VirtualService", "virtualservices");
            match self.bounded(api.get(&self.name)).await {
                Err(failure @ Failure::Unserved(_)) => unserved = failure,
                Err(failure) => return Err(failure),
                Ok(object) => return Ok(json!(object)),
            }
        }
        Err(unserved)
    }

    /// The Rollouts of its namespace; nothing where this account may not see them. Where the kind isn't served there are none.
    pub(crate) async fn rollouts(&self) -> Result<Option<Vec<Value>>, Failure> {
        let api = self.api("teal.dev", "v1alpha1", "Rollout", "rollouts");
        match self.bounded(api.list(&ListParams::default())).await {
            Ok(list) => Ok(Some(list.items.into_iter().map(|rollout| json!(rollout)).collect())),
            Err(Failure::Denied(_)) => Ok(None),
            Err(Failure::Missing | Failure::Unserved(_)) => Ok(Some(Vec::new())),
            Err(failure) => Err(failure),
        }
    }

    /// Writes in the version in which the object was read.
    pub(crate) async fn patch(
        &self,
        object: &Value,
        patch: teal_traffic::Patch,
        dry_run: bool,
    ) -> Result<Value, Failure> {
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let version = version.rsplit('/').next().unwrap_or_default();
        let api = self.api("networking.istio.io", version, "VirtualService", "virtualservices");
        let params =
            PatchParams { dry_run, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let request = Request::new(api.resource_url()).patch(&self.name, &params, &Patch::Json::<()>(patch));
        let mut request = request.map_err(kube::Error::BuildRequest).map_err(failure)?;
        *request.body_mut() = as_go_writes(request.body());
        self.bounded(self.client.request(request)).await
    }

    fn api(&self, group: &str, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    async fn bounded<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        let bound =
            || Failure::Unsure(format!("no answer within {}", humantime::format_duration(self.timeout)));
        tokio::time::timeout(self.timeout, request).await.map_err(|_| bound())?.map_err(failure)
    }
}

fn failure(error: kube::Error) -> Failure {
    let status = match error {
        kube::Error::Api(status) => status,
        kube::Error::BuildRequest(_) => return Failure::Later(error.to_string()),
        other => return Failure::Unsure(chain(&other)),
    };
    let said = status.message.clone();
    match status.code {
        401 | 403 => Failure::Denied(said),
        // The kind's absence is told without a name.
        404 if said.ends_with("\" not found") => Failure::Missing,
        404 => Failure::Unserved(said),
        429 => Failure::Later(said),
        400..=499 => Failure::Rejected(said),
        _ => Failure::Unsure(said),
    }
}

/// An error of the connection with its causes: the outermost says only that there was one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = inner.source();
    }
    said
}
