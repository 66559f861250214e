//! One sentence for each reason.

use super::halts::halted;
use super::{View, conditions, intent};
use crate::outcome::{Notice, Tested, Why};
use crate::record::{Cause, JobEnd, Outcome, Phase, Record};
use crate::words::{Color, Revision, Slot, Span, Time};

/// Whether a reason adds something to the message that the phase's own sentence doesn't say.
pub(super) const fn tells(why: &Why) -> bool {
    !matches!(
        why,
        Why::AtRest
            | Why::Promoting
            | Why::Returning
            | Why::CatchingUp
            | Why::Shifting { .. }
            | Why::Propagating { .. }
    )
}

/// What the candidate gets besides.
fn copies(view: &View<'_>, step: &str) -> String {
    let steps = &view.s.settings.steps;
    let percent = steps.iter().find(|known| known.name == step).and_then(|step| step.mirror);
    percent.map_or_else(String::new, |percent| format!(", and copies of {percent} % are sent there"))
}

/// Where the Rollout is.
pub(super) fn place(view: &View<'_>) -> String {
    let record = view.record;
    let live = record.live.map(|live| live.slot);
    let candidate = record.candidate.map(|candidate| candidate.slot);
    match (&record.phase, live, candidate) {
        (Phase::New, ..) => "nothing is installed yet".to_owned(),
        (Phase::Installing { .. }, Some(live), _) => format!("installs {} ({})", live.revision, live.color),
        (Phase::Step(place), _, Some(candidate)) => match place.reached {
            Some(_) if super::observed_weight(view) == place.weight => {
                let (weight, revision, color) = (place.weight, candidate.revision, candidate.color);
                format!("{weight} % of requests reach {revision} ({color}){}", copies(view, &place.step))
            }
            Some(_) | None => {
                format!(
                    "step {}: brings {} ({}) to {} %",
                    place.step, candidate.revision, candidate.color, place.weight
                )
            }
        },
        (Phase::Promoting { .. }, _, Some(candidate)) => {
            format!("{} ({}) becomes live", candidate.revision, candidate.color)
        }
        (Phase::Returning { cause: why, .. }, Some(live), _) => {
            let why = left_alone(record, why).unwrap_or_else(|| cause(why));
            format!("goes back to {} ({}): {why}", live.revision, live.color)
        }
        (Phase::Rest { outcome }, Some(live), _) => rest(view, live, outcome),
        (Phase::Installing { .. } | Phase::Returning { .. } | Phase::Rest { .. }, None, _)
        | (Phase::Step(_) | Phase::Promoting { .. }, _, None) => String::new(),
    }
}

/// That another member of its group did not go on, though it failed in nothing.
fn left_alone(record: &Record, why: &Cause) -> Option<String> {
    let pact = record.group.as_ref().filter(|_| !why.rejects())?;
    let by = pact.sent_back_by.as_ref()?;
    Some(format!("{by} of group {} did not go on with what it had begun, so all begin anew", pact.group))
}

fn rest(view: &View<'_>, live: Slot, outcome: &Outcome) -> String {
    let name = format!("{} ({})", live.revision, live.color);
    let back = match outcome {
        Outcome::RolledBack(why) => Some(cause(why)),
        Outcome::Promoted | Outcome::Cancelled | Outcome::Superseded | Outcome::Rebuilt => None,
    };
    match (conditions::live_serves(view), back) {
        (true, None) => format!("{name} serves all requests"),
        (true, Some(why)) => format!("{name} serves all requests after going back: {why}"),
        (false, None) => format!("{name} is live, but has no ready endpoint"),
        (false, Some(why)) => format!("{name} is live after going back ({why}), but has no ready endpoint"),
    }
}

/// Why traffic goes back, as a clause.
pub fn cause(why: &Cause) -> String {
    match why {
        Cause::Decision { user, rejected, reason } => {
            let verb = if *rejected { "rejected" } else { "rolled back" };
            let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("{verb} by {user}{said}")
        }
        Cause::Check { check, job: Some(JobEnd::Unmade), .. } => {
            format!("Job {check} {}", ended(JobEnd::Unmade))
        }
        Cause::Check { check, job: Some(end), .. } => {
            format!("Job {check} {} ({})", ended(*end), logs(check))
        }
        Cause::Check { check, detail, job: None } => format!("check {check} failed ({detail})"),
        Cause::Blind { check, detail } => {
            format!("check {check} had no usable answer for its blindLimit{}", in_brackets(detail))
        }
        Cause::Guard { check, detail } => format!("guard {check} failed ({detail})"),
        Cause::TooFewEndpoints { detail } => {
            format!("fewer ready endpoints than its weight needs{}", in_brackets(detail))
        }
        Cause::Deadline { waiting_for } => {
            format!("spec.progressDeadline passed while it waited: {waiting_for}")
        }
        Cause::ForeignWriter { manager } => {
            format!("{manager} kept changing the routes: stop it or leave the weights to Teal, then retry")
        }
        Cause::ForeignHand => "another hand pointed the Services back".to_owned(),
        Cause::Cancelled => "the spec asks for live's content again".to_owned(),
        Cause::Superseded => "the spec asks for another revision".to_owned(),
        Cause::Deleted => "the Rollout is being deleted".to_owned(),
    }
}

const INSTALL_LATE: &str = "spec.progressDeadline passed before all of the first release was ready: correct spec.release or \
                            what its pods need; it goes on by itself, but for Jobs that failed (Retry)";

const UNSETTLED: &str = "the spec changes again and again: people are asked once it has been still for 5 s; if it never is, find \
                         who writes it (kubectl get rollouts.teal.dev -o yaml --show-managed-fields)";

/// A reason as a clause for people.
pub fn sentence(why: &Why) -> String {
    match why {
        Why::HandsOff { would } => {
            format!("spec.mode is HandsOff: nothing is written; {}", intent::decision(would))
        }
        Why::CatchingUp => "waits for its own last write to be seen".to_owned(),
        Why::Obstacle { message, .. } | Why::Stays { message } => message.clone(),
        Why::Starting { slot, trouble: None } => {
            format!("waits for the pods of {} ({})", slot.revision, slot.color)
        }
        Why::Starting { slot, trouble: Some(trouble) } => format!(
            "the pods of {} ({}) don't get ready: {trouble}: correct spec.release or what its pods need",
            slot.revision, slot.color
        ),
        Why::Clearing(color) => format!("clears {color} first"),
        Why::Propagating { .. } => "gives proxies time to follow".to_owned(),
        Why::Settling { slot } => format!(
            "waits until the EndpointSlices of the candidate's Services hold the pods of {} ({}) alone; if they never do, \
             remove those that another hand made",
            slot.revision, slot.color
        ),
        Why::Shifting { weight } => format!("moves to {weight} %"),
        Why::TooFewEndpoints { slot, needed, serving } => too_few(*slot, needed, serving),
        Why::Holding { step, .. } => format!("step {step} is held for its time"),
        Why::Testing { jobs } => testing(jobs),
        Why::HeldByJob { job, end } => held_by_job(job, *end),
        Why::Ripening { step, age, youngest, late } => ripening(step, *age, youngest.as_deref(), *late),
        Why::Unsettled { .. } => UNSETTLED.to_owned(),
        Why::Probing { checks } => probing(checks),
        Why::Checking { checks } => format!("checks {} gather evidence", checks.join(", ")),
        Why::Unseen { check, detail } => unseen(check, detail),
        Why::HeldByCheck { check, blind, detail, promoted } => {
            held_by_check(check, *blind, detail, *promoted)
        }
        Why::HeldByDeadline { waiting_for } => {
            format!(
                "spec.progressDeadline passed ({waiting_for}): decide (Retry, Rollback) or mend the release"
            )
        }
        Why::InstallLate => INSTALL_LATE.to_owned(),
        Why::Asking { step, have, needed } => format!("step {step} waits for approval ({have} of {needed})"),
        Why::Paused { by } if by == super::SPEC => {
            "paused by spec.mode: set it to Active to go on".to_owned()
        }
        Why::Paused { by } => format!("paused by {by}: resume to go on"),
        Why::Halted(halt) => halted(halt),
        Why::ForeignWriter { manager } => format!("{manager} wrote the routes: leave their weights to Teal"),
        Why::Overlapping { lasts, .. } => overlapping(*lasts),
        Why::Promoting => "becomes live".to_owned(),
        Why::Returning => "goes back to live".to_owned(),
        Why::ReturnShort { slot, needed, serving } => return_short(*slot, needed, serving),
        Why::ReturnBlocked { slot } => {
            format!(
                "going back waits: {} ({}) has no ready endpoint: look at its pods; to give up what the other color serves, apply the \
                 VirtualServices as their owner wrote them, and what spec.release asks for is tried",
                slot.revision, slot.color
            )
        }
        Why::Watching { step, .. } => format!(
            "callers of routes that are not listed changed over all at once, so the checks of step {step} go on before the \
             old release may go"
        ),
        Why::Keeping { .. } => "the other color is kept for its time".to_owned(),
        Why::Going { slot, jobs } => going(*slot, jobs),
        Why::Finishing { color, jobs, .. } => finishing(*color, jobs),
        Why::Draining { color, revision, open, until } => {
            draining(*color, *revision, open.as_deref(), *until)
        }
        Why::Running { slot, jobs } => running(*slot, jobs),
        Why::Gathering { group, .. } => gathering(group),
        Why::Together { group, members, .. } => together(group, members),
        Why::Late { group, members } => late(group, members),
        Why::Rejected { revision } => {
            format!("{revision} was sent back: change spec.release, or decide Retry")
        }
        Why::AtRest => String::new(),
    }
}

fn gathering(group: &str) -> String {
    format!("waits a moment for other Rollouts of group {group} that begin now")
}

fn together(group: &str, members: &[(String, String)]) -> String {
    let each: Vec<String> = members.iter().map(|(name, state)| format!("{name} ({state})")).collect();
    format!("goes on together with group {group}: waits for {}", each.join(" and "))
}

fn late(group: &str, members: &[String]) -> String {
    format!(
        "the rollout of group {group} had begun without it: goes on once that of {} has ended",
        members.join(" and ")
    )
}

fn ripening(step: &str, age: Span, youngest: Option<&str>, late: bool) -> String {
    let asked =
        format!("step {step} waits until every pod has been ready for {} s (minPodAge)", seconds(age));
    match (youngest, late) {
        (None, _) => format!("{asked}: none is ready now"),
        (Some(pod), false) => format!("{asked}: {pod} is the youngest"),
        (Some(pod), true) => format!(
            "{asked}: {pod} got ready after the step began, and starts anew: if that goes on, see why its pods restart or come and go"
        ),
    }
}

/// Whole ones, or as many as there are.
fn seconds(span: Span) -> String {
    let (whole, rest) = (span.0 / 1000, span.0 % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}

fn testing(jobs: &[Tested]) -> String {
    let (word, verb) = if jobs.len() == 1 { ("Job", "ends") } else { ("Jobs", "end") };
    let one = |job: &Tested| match (&job.object, &job.trouble) {
        (None, _) => job.name.clone(),
        (Some(object), None) => format!("{object} ({})", logs(object)),
        (Some(object), Some(why)) => format!("{object} ({}; {why})", logs(object)),
    };
    let all: Vec<String> = jobs.iter().map(one).collect();
    format!("waits until {word} {} {verb} well", all.join(" and "))
}

/// Where what it printed can be read, for as long as it is there.
fn logs(job: &str) -> String {
    format!("kubectl logs job/{job}")
}

pub(crate) fn ended(end: JobEnd) -> String {
    match end {
        JobEnd::Unmade => "could not be made within spec.progressDeadline".to_owned(),
        JobEnd::Failed => "failed".to_owned(),
        JobEnd::Late { timeout } => format!("did not end within its timeout of {} s", seconds(timeout)),
        JobEnd::Gone => "is gone before it was seen to end".to_owned(),
    }
}

fn probing(checks: &[String]) -> String {
    format!("metrics are asked for checks {} before the first request", checks.join(", "))
}

fn too_few(slot: Slot, needed: &[u32], serving: &[u32]) -> String {
    format!(
        "{} ({}) has {} ready endpoints and needs {}: look at its pods",
        slot.revision,
        slot.color,
        numbers(serving),
        numbers(needed)
    )
}

fn return_short(slot: Slot, needed: &[u32], serving: &[u32]) -> String {
    format!(
        "{} ({}) has only {} of {} ready endpoints to go back to",
        slot.revision,
        slot.color,
        numbers(serving),
        numbers(needed)
    )
}

fn going(slot: Slot, jobs: &[String]) -> String {
    let named: Vec<String> = jobs.iter().map(|job| format!("{job}-{}", slot.color)).collect();
    let (word, verb) = if jobs.len() == 1 { ("Job", "runs") } else { ("Jobs", "run") };
    let jobs = named.join(", ");
    format!(
        "{word} {jobs} of {} {verb} again once the earlier try, which is being deleted, is gone: if it stays, see which of its \
         metadata.finalizers holds it",
        slot.revision
    )
}

fn finishing(color: Color, jobs: &[String]) -> String {
    let word = if jobs.len() == 1 { "Job" } else { "Jobs" };
    format!(
        "before {color} is cleared, {word} {} may end, for spec.progressDeadline at most, because work that is half done may be lost, \
         or do harm: delete what need not end",
        jobs.join(", ")
    )
}

fn draining(color: Color, revision: Option<Revision>, open: Option<&str>, until: Time) -> String {
    let name = revision.map_or_else(|| color.to_string(), |revision| format!("{revision} ({color})"));
    let known = match open {
        Some(open) => format!("awaits the open connections of {name}, which were {open}"),
        None => format!("awaits the open connections of {name}, of which metrics have given no number yet"),
    };
    let until = clock(until);
    format!(
        "{known}: it goes once they have ended, by {until} (status.draining.until), or with a Decision Retire"
    )
}

/// The time of day.
fn clock(at: Time) -> String {
    let seconds = at.0.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn running(slot: Slot, jobs: &[String]) -> String {
    let (word, verb) = if jobs.len() == 1 { ("Job", "runs") } else { ("Jobs", "run") };
    format!("{word} {} of {} ({}) {verb} after retirement", jobs.join(", "), slot.revision, slot.color)
}

fn overlapping(lasts: Span) -> String {
    format!(
        "the live Services select both revisions for {} s before they are turned, so that what leads to them from outside \
         learns of the new pods",
        lasts.0 / 1000
    )
}

fn held_by_check(check: &str, blind: bool, detail: &str, promoted: bool) -> String {
    let ways = ways_on(promoted);
    if blind {
        let detail = in_brackets(detail);
        return format!(
            "check {check} had no usable answer for its blindLimit{detail}: mend its query or source, then decide ({ways})"
        );
    }
    format!("check {check} failed ({detail}) and spec.onFailure is Hold: decide ({ways})")
}

fn held_by_job(job: &str, end: JobEnd) -> String {
    let logs = if end == JobEnd::Unmade { String::new() } else { in_brackets(&logs(job)) };
    format!("Job {job} {}{logs} and spec.onFailure is Hold: decide ({})", ended(end), ways_on(false))
}

/// The Decisions that end a hold.
const fn ways_on(promoted: bool) -> &'static str {
    if promoted { "Rollback; or Retire, which lets the old release go" } else { "Retry, Skip, Rollback" }
}

fn unseen(check: &str, detail: &str) -> String {
    format!(
        "guard {check} has had no usable answer for its blindLimit{}: mend its query or source, and the old release goes by \
         itself; or decide ({})",
        in_brackets(detail),
        ways_on(true)
    )
}

fn in_brackets(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

pub(super) fn numbers(of: &[u32]) -> String {
    of.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}

/// An Event's type is Warning for these.
pub const fn warns(notice: &Notice) -> bool {
    matches!(notice, Notice::RolledBack { .. } | Notice::Rebuilt { .. })
}

/// An Event's reason and note.
pub fn notice(notice: &Notice) -> (&'static str, String) {
    match notice {
        Notice::Installed { revision } => ("Installed", format!("{revision} serves all requests")),
        Notice::Started { revision, attempt: 1 } => ("Started", format!("{revision} is brought up")),
        Notice::Started { revision, attempt } => {
            ("Started", format!("{revision} is tried again (attempt {attempt})"))
        }
        Notice::StepReached { revision, step, weight } => {
            ("StepReached", format!("step {step}: {weight} % of requests reach {revision}"))
        }
        Notice::Promoted { revision } => ("Promoted", format!("{revision} is live")),
        Notice::RolledBack { revision, cause: why } => {
            ("RolledBack", format!("{revision} was sent back: {}", cause(why)))
        }
        Notice::Retired { revision } => ("Retired", format!("{revision} is removed")),
        Notice::Cancelled { revision } => ("Cancelled", format!("{revision} is no longer wanted")),
        Notice::Superseded { revision } => {
            ("Superseded", format!("{revision} gives way to another revision"))
        }
        Notice::Paused { by } => ("Paused", format!("paused by {by}")),
        Notice::Resumed => ("Resumed", "goes on".to_owned()),
        Notice::Rebuilt { revision } => (
            "Rebuilt",
            format!(
                "status.commit was lost or can't be read; {revision} serves and counts as live, anything else goes \
                 back: leave the status to Teal"
            ),
        ),
    }
}
