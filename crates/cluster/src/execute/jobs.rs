//! A Job runs once per revision (rule 15): as the record says, which was committed before.

use teal_plan::Slot;
use teal_plan::record::{Job, JobState};

use super::release::{apply_piece_over, view};
use super::{Order, Tools, vacate};
use crate::error::Error;
use crate::rendering::{Piece, uncolored};
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

/// Makes it where the record says so: whether anything was written, and whether it ended well.
pub(super) async fn run_once(
    tools: &Tools,
    order: &Order<'_>,
    piece: &Piece,
    slot: Slot,
) -> Result<(bool, bool), Error> {
    let there = view(tools, order, piece)?;
    let recorded = order.record.jobs.as_ref().filter(|jobs| jobs.revision == slot.revision);
    let name = uncolored(&piece.name, slot.color);
    let job = recorded.and_then(|jobs| jobs.each.iter().find(|job| job.name == name));
    match (due(job, there.as_deref(), &order.names.uid), there) {
        (Due::Make, _) => {
            Ok((apply_piece_over(tools, order, piece, piece.object.clone(), None).await?, false))
        }
        (Due::Clear, Some(there)) => Ok((vacate::delete(tools, order, &there).await?, false)),
        (Due::Clear | Due::Wait, _) => Ok((false, false)),
        (Due::Done, _) => Ok((false, true)),
    }
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
    fn rule_15_what_a_rollout_of_this_name_left_that_was_here_before_did_nothing_for_this_one() {
        assert_eq!(due(Some(&job(JobState::Due)), Some(&there(9, Some(true))), "2"), Due::Clear);
    }

    #[test]
    fn rule_15_what_is_going_is_not_deleted_again() {
        let going = ObjectView { deleting: true, ..there(6, Some(false)) };
        assert_eq!(due(Some(&job(JobState::Due)), Some(&going), "1"), Due::Wait);
    }
}
