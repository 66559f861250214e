//! A Job runs once per revision (rule 15): as the record says, which was committed before.

use std::sync::Arc;

use teal_plan::record::{Job, JobState};
use teal_plan::{Record, Slot};
use teal_release::names::uncolored;

use super::release::{apply_piece_over, view};
use super::unseen::unseen;
use super::{Order, Tools, vacate, worst};
use crate::error::Error;
use crate::rendering::Piece;
use crate::stores::ObjectView;

/// What is to be done about one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// It is made.
    Make,
    /// What is left of an earlier try has its name, and goes first.
    Clear,
    /// It runs, or nothing may be done about it.
    Wait,
    /// It ended well.
    Done,
}

/// Those of live that come after retirement, whatever becomes of each.
pub(super) async fn run_later(tools: &Tools, order: &Order<'_>, slot: Slot) -> Result<bool, Error> {
    let rendering = Arc::clone(order.rendering(slot)?);
    let mut results = Vec::new();
    for piece in &rendering.later {
        results.push(run_once(tools, order, piece, slot).await.map(|(wrote, _)| wrote));
    }
    worst(results)
}

/// Makes it where the record says so: whether anything was written, and whether it ended well.
pub(super) async fn run_once(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
    slot: Slot,
) -> Result<(bool, bool), Error> {
    let there = view(tools, order, piece)?;
    let job = recorded(order.record, slot, &uncolored(&piece.name, slot.color));
    match (due(job, there.as_deref(), &order.names.uid), there) {
        (Due::Make, _) => {
            unseen(tools, order, piece).await?;
            Ok((apply_piece_over(tools, order, piece, piece.object.clone(), None).await?, false))
        }
        (Due::Clear, Some(there)) => Ok((vacate::delete(tools, order, &there).await?, false)),
        (Due::Clear | Due::Wait, _) => Ok((false, false)),
        (Due::Done, _) => Ok((false, true)),
    }
}

fn recorded<'a>(record: &'a Record, slot: Slot, name: &str) -> Option<&'a Job> {
    let all = record.jobs.iter().chain(&record.later).filter(|jobs| jobs.revision == slot.revision);
    all.flat_map(|jobs| &jobs.each).find(|job| job.name == name)
}

/// Its name is the same at every try, so one that was made and not seen yet is not made twice: applied again it stays the
/// object that it is.
fn due(job: Option<&Job>, there: Option<&ObjectView>, uid: &str) -> Due {
    // What is not in the record may not be made: it comes there first.
    let Some(job) = job else { return Due::Wait };
    match (job.state, there) {
        (JobState::Done, _) => Due::Done,
        (_, Some(there)) if there.epoch < job.after || there.rollout_uid != uid => {
            if job.state == JobState::Due && !there.deleting { Due::Clear } else { Due::Wait }
        }
        (_, Some(there)) if there.ended == Some(true) => Due::Done,
        (JobState::Due, None) => Due::Make,
        (JobState::Due | JobState::Begun, _) => Due::Wait,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use teal_api::names::label;
    use teal_plan::record::Jobs;
    use teal_plan::{Color, Revision};

    use super::*;
    use crate::kinds;

    fn job(state: JobState) -> Job {
        Job { name: "migrate".into(), state, after: 7 }
    }

    fn there(epoch: u64, ended: Option<bool>) -> ObjectView {
        let labels = json!({label::ROLLOUT: "web", label::ROLLOUT_UID: "1", label::COLOR: "green", label::REVISION: "r2-00000000"});
        let metadata = json!({"name": "migrate-green", "labels": labels});
        let metadata: kube::core::ObjectMeta = serde_json::from_value(metadata).unwrap();
        ObjectView { epoch, ended, ..ObjectView::of(kinds::JOB, &metadata).unwrap() }
    }

    #[test]
    fn rule_15_a_job_is_made_only_where_the_record_has_it_as_due() {
        for (what, state, seen, expected) in [
            ("recorded, and a crash came before it was made", Some(JobState::Due), None, Due::Make),
            ("not recorded", None, None, Due::Wait),
            ("seen once, and gone since", Some(JobState::Begun), None, Due::Wait),
            ("done, and gone since", Some(JobState::Done), None, Due::Done),
            ("running", Some(JobState::Due), Some(there(7, None)), Due::Wait),
            ("ended well", Some(JobState::Begun), Some(there(7, Some(true))), Due::Done),
            ("failed", Some(JobState::Begun), Some(there(7, Some(false))), Due::Wait),
            ("due again after it failed", Some(JobState::Due), Some(there(6, Some(false))), Due::Clear),
            (
                "of an earlier try, and ended well",
                Some(JobState::Due),
                Some(there(6, Some(true))),
                Due::Clear,
            ),
            ("not recorded and there", None, Some(there(7, Some(true))), Due::Wait),
        ] {
            assert_eq!(due(state.map(job).as_ref(), seen.as_ref(), "1"), expected, "{what}");
        }
    }

    #[test]
    fn rule_15_each_job_is_looked_up_under_its_own_revision_whenever_it_runs() {
        let jobs = |revision: Revision, name: &str, after: u64| Jobs {
            revision,
            each: vec![Job { name: name.into(), after, ..job(JobState::Due) }],
        };
        let slot = |text: &str| Slot { color: Color::Green, revision: text.parse().unwrap() };
        let (live, newer) = (slot("r2-00000000"), slot("r3-00000000"));
        let record = Record {
            jobs: Some(jobs(newer.revision, "migrate", 1)),
            later: vec![jobs(live.revision, "contract", 2), jobs(newer.revision, "contract", 3)],
            ..Record::default()
        };
        let after = |slot: Slot, name: &str| recorded(&record, slot, name).map(|job| job.after);
        assert_eq!(after(newer, "migrate"), Some(1));
        assert_eq!((after(live, "contract"), after(newer, "contract")), (Some(2), Some(3)));
        assert_eq!(after(live, "migrate"), None, "what isn't recorded may not be made");
    }

    #[test]
    fn rule_15_what_a_rollout_of_this_name_left_that_was_here_before_did_nothing_for_this_one() {
        assert_eq!(due(Some(&job(JobState::Due)), Some(&there(9, Some(true))), "2"), Due::Clear);
    }

    #[test]
    fn rule_15_what_is_going_is_not_deleted_again() {
        let going = ObjectView { deleting: true, ..there(6, Some(false)) };
        assert_eq!(due(Some(&job(JobState::Due)), Some(&going), "1"), Due::Wait);
    }
}
