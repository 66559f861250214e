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
    let denied = window::denied(&windows, now);
    // While one lasts, that another one begins is nothing to look at.
    let halts_at = if denied.is_some() { None } else { window::next(&windows, now).map(time) };
    Settings {
        halt: switch(facts).or_else(|| in_window(facts, &denied?)),
        halts_at,
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

fn in_window(facts: &Facts<'_>, denied: &window::Denied) -> Option<Halt> {
    let window = facts.filled.windows.get(denied.window)?.to_string();
    let ends = denied.ends.then(|| shown(&denied.until));
    let until = Some(time(denied.until.timestamp()));
    Some(Halt { by: HaltedBy::Window { window, ends }, until })
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
