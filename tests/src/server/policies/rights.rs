//! What the chart's roles allow, asked of the API server by a SubjectAccessReview each.

use std::time::Instant;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use serde::Deserialize;

use super::{Ended, PATIENCE, PAUSE, User, Users, read, user};
use crate::error::{Error, Result};
use crate::world::World;

const FILE: &str = "rights";

/// A case, as the README beside the file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Right {
    #[serde(rename = "as")]
    who: String,
    verb: String,
    resource: String,
    name: Option<String>,
    #[serde(default = "policies")]
    namespace: String,
    allowed: bool,
}

fn policies() -> String {
    "policies".to_owned()
}

impl Right {
    /// `<plural>[/<subresource>][.<group>]`.
    fn attributes(&self) -> ResourceAttributes {
        let (resource, group) = self.resource.split_once('.').unwrap_or((&self.resource, ""));
        let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(plural.to_owned()),
            subresource: Some(subresource.to_owned()),
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
            verb: Some(self.verb.clone()),
            ..ResourceAttributes::default()
        }
    }

    fn review(&self, user: &User) -> SubjectAccessReview {
        // As the server does for everyone who has shown who they are.
        let groups = user.groups.iter().cloned().chain(["system:authenticated".to_owned()]).collect();
        SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.user.clone()),
                groups: Some(groups),
                resource_attributes: Some(self.attributes()),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        }
    }
}

/// Asks for all rights, anew until all are as they must be or the time is over.
pub(super) async fn run(world: &World, users: &Users) -> Result<Ended> {
    let rights: Vec<Right> = read(FILE)?;
    let end = Instant::now() + PATIENCE;
    loop {
        let failed = wrong(world, users, &rights).await?;
        if failed.is_empty() || Instant::now() > end {
            return Ok(Ended { file: FILE, cases: rights.len(), failed });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn wrong(world: &World, users: &Users, rights: &[Right]) -> Result<Vec<String>> {
    let reviews: Api<SubjectAccessReview> = Api::all(world.client.clone());
    let mut failed = Vec::new();
    for right in rights {
        let review = right.review(user(users, &right.who)?);
        let answer = reviews.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(Error::api("ask for a right"))?;
        let allowed = answer.status.is_some_and(|status| status.allowed);
        if allowed != right.allowed {
            let Right { who, verb, resource, namespace, name, allowed: expected } = right;
            let name = name.as_deref().unwrap_or("*");
            failed.push(format!(
                "{who} {verb} {resource} {namespace}/{name}: expected allowed: {expected}; came: {allowed}"
            ));
        }
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_plural_subresource_and_group() {
        let rights: Vec<Right> = read(FILE).unwrap();
        let of = |resource: &str| {
            let right = rights.iter().find(|right| right.resource == resource).unwrap();
            let attributes = right.attributes();
            [attributes.resource, attributes.subresource, attributes.group].map(Option::unwrap_or_default)
        };
        assert_eq!(of("services"), ["services", "", ""]);
        assert_eq!(of("pods/exec"), ["pods", "exec", ""]);
        assert_eq!(of("rollouts/decision.teal.dev"), ["rollouts", "decision", "teal.dev"]);
        let users: Users = read("users").unwrap();
        assert!(rights.iter().all(|right| user(&users, &right.who).is_ok()));
        assert!(rights.iter().any(|right| right.allowed) && rights.iter().any(|right| !right.allowed));
    }
}
