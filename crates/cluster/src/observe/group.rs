//! Other members of the group, as the cache of Rollouts has them: what they committed, and whether they have the same steps.

use serde::Deserialize;
use serde_json::Value;
use teal_api::rollout as api;
use teal_plan::Record;
use teal_plan::snapshot::{GroupSeen, Obstacle, Sibling, Stops};

use super::{Facts, obstacle, settings};
use crate::stores::{ObjectId, Pokes, What};

/// What is read of another member: its release is none of this one's business, and may be large.
#[derive(Deserialize)]
struct Member {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    uid: String,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    group: Option<api::Group>,
    #[serde(default)]
    mode: api::Mode,
    steps: Option<Vec<Step>>,
    traffic: Traffic,
}

#[derive(Deserialize)]
struct Step {
    name: String,
    weight: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Traffic {
    virtual_services: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    waiting_for: Option<String>,
    #[serde(default)]
    commit: Value,
}

impl Member {
    fn is_in(&self, group: &str) -> bool {
        self.spec.group.as_ref().is_some_and(|own| own.name == group)
    }

    fn steps(&self) -> Vec<(String, u32)> {
        let mesh = self.spec.traffic.virtual_services.as_ref().is_some_and(|list| !list.is_empty());
        match &self.spec.steps {
            Some(steps) => steps.iter().map(|step| (step.name.clone(), step.weight)).collect(),
            None => teal_api::defaults::default_steps(mesh),
        }
    }

    fn sibling(self) -> Sibling {
        let record: Record = serde_json::from_value(self.status.commit).unwrap_or_default();
        Sibling {
            order: self.spec.group.and_then(|group| group.order).unwrap_or_default(),
            name: self.metadata.name,
            uid: self.metadata.uid,
            record,
            mode: settings::mode(self.spec.mode),
            deleting: self.metadata.deletion_timestamp.is_some(),
            waiting_for: self.status.waiting_for,
        }
    }
}

/// The groups that count: the spec's, and that with which the attempt under way was begun.
fn groups<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a str> {
    let began = facts.record.group.as_ref().map(|pact| pact.group.as_str());
    let asked = facts.filled.group.as_ref().map(|group| group.name.as_str());
    began.into_iter().chain(asked.filter(move |asked| began != Some(*asked)))
}

fn members(facts: &Facts<'_>, pokes: &Pokes) -> Vec<Member> {
    let namespace = &facts.names.namespace;
    let named = |group: &str| pokes.rivals(What::Group, &ObjectId::new(namespace, group), &facts.names.name);
    let mut names: Vec<String> = groups(facts).flat_map(named).collect();
    names.sort();
    names.dedup();
    let read = |name: String| facts.stores.rollouts.get(namespace, &name)?.read();
    names.into_iter().filter_map(read).collect()
}

/// The other members; nothing where there is no group, which costs nothing then.
pub(super) fn see(facts: &Facts<'_>, pokes: &Pokes) -> Option<GroupSeen> {
    groups(facts).next()?;
    Some(GroupSeen {
        name: facts.names.name.clone(),
        uid: facts.names.uid.clone(),
        order: facts.filled.group.as_ref().map_or(0, |group| group.order),
        siblings: members(facts, pokes).into_iter().map(Member::sibling).collect(),
    })
}

/// That another member has other steps: nobody could say then which of them are the same.
pub(super) fn differs(facts: &Facts<'_>, pokes: &Pokes) -> Option<Obstacle> {
    let group = &facts.filled.group.as_ref()?.name;
    let own: Vec<(String, u32)> =
        facts.filled.steps.iter().map(|step| (step.name.clone(), step.weight)).collect();
    let others = members(facts, pokes);
    let others =
        others.iter().filter(|other| other.is_in(group) && other.metadata.deletion_timestamp.is_none());
    let other = others.into_iter().find(|other| other.steps() != own)?;
    let message = format!(
        "spec.steps are {} here and {} in Rollout {} of group {group}, and members of a group go from step to step together: \
         give all of them the same names and weights, or take spec.group out of one",
        listed(&own),
        listed(&other.steps()),
        other.metadata.name
    );
    Some(obstacle("GroupDiffers", &message, Stops::Rollout))
}

fn listed(steps: &[(String, u32)]) -> String {
    let each: Vec<String> = steps.iter().map(|(name, weight)| format!("{name} {weight} %")).collect();
    each.join(", ")
}
