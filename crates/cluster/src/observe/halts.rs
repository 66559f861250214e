//! What keeps a Rollout from moving forward although nobody paused it: the switch, and what its spec says of time.

use jiff::{Timestamp, Zoned};
use teal_api::window;
use teal_plan::Time;
use teal_plan::settings::{Halt, HaltedBy, Settings};

use super::Facts;

/// How an instant is shown to people, in the time zone in which it was asked for.
const SHOWN: &str = "%Y-%m-%d %H:%M:%S %Z";

/// Adds them to what is asked for.
pub(super) fn with(settings: Settings, facts: &Facts<'_>) -> Settings {
    let now = timestamp(facts.now);
    // Those of a filled spec can all be read.
    let windows: Vec<_> = facts.filled.windows.iter().filter_map(|window| window.read().ok()).collect();
    Settings {
        halt: switch(facts).or_else(|| denied(facts, &windows, now)),
        halts_at: window::next(&windows, now).map(time),
        start: start_at(facts),
        ..settings
    }
}

fn switch(facts: &Facts<'_>) -> Option<Halt> {
    let reason = facts.stores.stop.reason()?;
    let object = facts.config.stop.as_ref();
    let object = object.map_or_else(String::new, |at| format!("ConfigMap {}/{}", at.namespace, at.name));
    Some(Halt { by: HaltedBy::Switch { object, reason }, until: None })
}

fn denied(facts: &Facts<'_>, windows: &[window::Schedule], now: Timestamp) -> Option<Halt> {
    let (place, ends) = window::denied(windows, now)?;
    let window = facts.filled.windows.get(place)?.to_string();
    Some(Halt { by: HaltedBy::Window { window, ends: shown(&ends) }, until: Some(time(ends.timestamp())) })
}

fn start_at(facts: &Facts<'_>) -> Option<Halt> {
    let at = facts.filled.start_at.filter(|at| timestamp(facts.now) < *at)?;
    let by = HaltedBy::StartAt { at: shown(&at.to_zoned(jiff::tz::TimeZone::UTC)) };
    Some(Halt { by, until: Some(time(at)) })
}

fn shown(at: &Zoned) -> String {
    at.strftime(SHOWN).to_string()
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or_default()
}

/// Not before it: a look a moment too early would find everything as it was.
fn time(at: Timestamp) -> Time {
    let whole = Timestamp::from_millisecond(at.as_millisecond()).is_ok_and(|whole| whole == at);
    Time(at.as_millisecond() + i64::from(!whole))
}
