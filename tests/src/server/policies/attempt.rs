//! One write of a case, as the person it speaks of.

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use super::cases::{Case, Edit};
use crate::error::{Error, Result};

/// Where all objects of the cases are, unless they say another.
const NAMESPACE: &str = "policies";

/// What the server said to a write: nothing, or why it refused.
pub(super) type Answer = std::result::Result<(), String>;

/// Sends the write of a case; really only if the case keeps it.
pub(super) async fn send(client: &Client, case: &Case) -> Result<Answer> {
    let sent = match (&case.create, &case.patch) {
        (Some(object), None) => create(client, object, !case.keep).await?,
        (None, Some(edit)) => patch(client, edit, !case.keep).await,
        _ => return Err(Error::Unmet(format!("{:?} has to have either create or patch", case.name))),
    };
    match sent {
        Ok(_) => Ok(Ok(())),
        Err(kube::Error::Api(status)) => Ok(Err(status.message)),
        // No answer is no refusal.
        Err(error) => Err(Error::api(format!("send {:?}", case.name))(error)),
    }
}

async fn create(client: &Client, object: &Value, dry_run: bool) -> Result<kube::Result<DynamicObject>> {
    let object: DynamicObject = serde_json::from_value(object.clone())
        .map_err(|error| Error::Unmet(format!("an object to create: {error}")))?;
    let types = object.types.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.as_deref().unwrap_or(NAMESPACE);
    let params = PostParams { dry_run, ..PostParams::default() };
    Ok(api(client, namespace, &types.api_version, &types.kind).create(&params, &object).await)
}

async fn patch(client: &Client, edit: &Edit, dry_run: bool) -> kube::Result<DynamicObject> {
    let params = PatchParams { dry_run, ..PatchParams::default() };
    let api = api(client, NAMESPACE, &edit.api_version, &edit.kind);
    api.patch(&edit.name, &params, &Patch::Merge(&edit.merge)).await
}

fn api(client: &Client, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}
