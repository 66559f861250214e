//! Other members of the group, as the cache of Rollouts has them: what they committed, and whether they have the same steps.

use std::sync::Arc;

use teal_plan::snapshot::{GroupSeen, Obstacle, Sibling, Stops};

use super::{Facts, obstacle, settings};
use crate::stores::{Member, ObjectId, Pokes, What};

/// The most members of a group: each looks at all others, and writes their names into its status.
const MOST: usize = 32;

fn sibling(member: &Member) -> Sibling {
    Sibling {
        order: member.order(),
        name: member.name.clone(),
        uid: member.uid.clone(),
        record: member.record.clone(),
        mode: settings::mode(member.mode),
        deleting: member.deleting,
        waiting_for: member.waiting_for.clone(),
    }
}

/// The groups that count: the spec's, and that with which the attempt under way was begun.
fn groups<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a str> {
    let began = facts.record.group.as_ref().map(|pact| pact.group.as_str());
    let asked = facts.filled.group.as_ref().map(|group| group.name.as_str());
    began.into_iter().chain(asked.filter(move |asked| began != Some(*asked)))
}

fn members(facts: &Facts<'_>, pokes: &Pokes) -> Vec<Arc<Member>> {
    let namespace = &facts.names.namespace;
    let named = |group: &str| pokes.rivals(What::Group, &ObjectId::new(namespace, group), &facts.names.name);
    let mut names: Vec<String> = groups(facts).flat_map(named).collect();
    names.sort();
    names.dedup();
    let read = |name: String| facts.stores.rollouts.get(namespace, &name)?.member.clone();
    names.into_iter().filter_map(read).collect()
}

/// The other members; nothing where there is no group, which costs nothing then.
pub(super) fn see(facts: &Facts<'_>, pokes: &Pokes) -> Option<GroupSeen> {
    groups(facts).next()?;
    Some(GroupSeen {
        name: facts.names.name.clone(),
        uid: facts.names.uid.clone(),
        order: facts.filled.group.as_ref().map_or(0, |group| group.order),
        siblings: members(facts, pokes).iter().map(|member| sibling(member)).collect(),
    })
}

/// That the group is too large, or that another member has other steps: nobody could say then which of them are the same.
pub(super) fn unfit(facts: &Facts<'_>, pokes: &Pokes) -> Option<Obstacle> {
    let group = &facts.filled.group.as_ref()?.name;
    let others: Vec<Arc<Member>> =
        members(facts, pokes).into_iter().filter(|other| other.is_in(group) && !other.deleting).collect();
    if others.len() >= MOST {
        let message = format!(
            "group {group} has {} Rollouts, and more than {MOST} can't go together: give spec.group of some another name, or take \
             it out of them",
            others.len() + 1
        );
        return Some(obstacle("GroupTooLarge", &message, Stops::Rollout));
    }
    let own: Vec<(String, u32)> =
        facts.filled.steps.iter().map(|step| (step.name.clone(), step.weight)).collect();
    let other = others.iter().find(|other| other.steps() != own)?;
    let message = format!(
        "spec.steps are {} here and {} in Rollout {} of group {group}, and members of a group go from step to step together: \
         give all of them the same names and weights, or take spec.group out of one",
        listed(&own),
        listed(other.steps()),
        other.name
    );
    Some(obstacle("GroupDiffers", &message, Stops::Rollout))
}

fn listed(steps: &[(String, u32)]) -> String {
    let each: Vec<String> = steps.iter().map(|(name, weight)| format!("{name} {weight} %")).collect();
    each.join(", ")
}
