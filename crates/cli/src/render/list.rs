//! `get`: one line for each Rollout, with the columns of `kubectl get rollouts.teal.dev`.

use kube::ResourceExt;
use teal_api::Rollout;

use super::table::{Cell, lines, text};
use super::{Clock, Paint};

/// The table, with a line end behind each line.
pub fn list(rollouts: &[Rollout], namespaces: bool, wide: bool, clock: &Clock, paint: Paint) -> String {
    let mut rows = vec![head(namespaces, wide)];
    rows.extend(rollouts.iter().map(|rollout| row(rollout, namespaces, wide, clock, paint)));
    text(&lines(&rows))
}

fn head(namespaces: bool, wide: bool) -> Vec<Cell> {
    let columns = ["NAME", "PHASE", "STEP", "WEIGHT", "WAITING-FOR", "LIVE", "CANDIDATE", "AGE"];
    let first = namespaces.then_some("NAMESPACE");
    let last: &[&str] = if wide { &["COLOR", "MESSAGE"] } else { &[] };
    first.iter().chain(&columns).chain(last).map(|word| Cell::plain(*word)).collect()
}

fn row(rollout: &Rollout, namespaces: bool, wide: bool, clock: &Clock, paint: Paint) -> Vec<Cell> {
    let status = rollout.status.clone().unwrap_or_default();
    let phase = status.phase.clone().unwrap_or_default();
    let age = rollout.creation_timestamp().map(|created| clock.age(created.0)).unwrap_or_default();
    let mut row = Vec::new();
    if namespaces {
        row.push(Cell::plain(rollout.namespace().unwrap_or_default()));
    }
    row.extend([
        Cell::plain(rollout.name_any()),
        Cell::painted(phase.clone(), |text| paint.phase(&phase, text)),
        Cell::plain(status.step.map(|step| step.name).unwrap_or_default()),
        Cell::plain(status.traffic.map(|traffic| traffic.candidate_weight.to_string()).unwrap_or_default()),
        Cell::plain(status.waiting_for.unwrap_or_default()),
        Cell::plain(status.live.as_ref().map(|live| live.revision.clone()).unwrap_or_default()),
        Cell::plain(status.candidate.map(|candidate| candidate.revision).unwrap_or_default()),
        Cell::plain(age),
    ]);
    if wide {
        row.push(Cell::plain(status.live.and_then(|live| live.color).unwrap_or_default()));
        row.push(Cell::plain(status.message.unwrap_or_default()));
    }
    row
}
