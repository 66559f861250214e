//! Why pods are not made. Of a Deployment a condition says it; the controllers of `StatefulSets` and Jobs tell it in Events alone.
//! These are asked for where pods have been lacking for a while, and nowhere else.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use teal_plan::{Span, Time};

use crate::access::Access;
use crate::error::Error;
use crate::json;
use crate::stores::ObjectView;

/// How long pods may be lacking before anybody is asked why: whoever makes them takes a moment.
const GRACE: Span = Span::seconds(5);
/// Time between two times at which it is asked, for all of a Rollout's objects together.
const AGAIN: Span = Span::seconds(30);
/// Objects that are asked for at one time, at most: what hinders one mostly hinders all, and only one is told.
const AT_ONCE: usize = 3;
/// Events of one object that are read. Its controller is let tell 25 of them, and one more in five minutes.
const PAGE: u32 = 100;

/// What is known of pods that are not made, by uid of whose they are.
#[derive(Default)]
pub(crate) struct Refusals {
    lacking: BTreeMap<String, Lacking>,
    asked: Option<Time>,
}

struct Lacking {
    since: Time,
    asked: Option<Time>,
    says: Option<String>,
}

impl Refusals {
    /// Why pods of an object can't be made, as far as is known.
    pub(crate) fn failure<'a>(&'a self, view: &'a ObjectView) -> Option<&'a str> {
        let own = view.state.as_ref().and_then(|state| state.failure.as_deref());
        let told = self.lacking.get(&view.uid).filter(|_| view.lacks_pods);
        own.or_else(|| told?.says.as_deref())
    }

    /// Takes note of whose pods are lacking now.
    pub(crate) fn note<'a>(&mut self, lacking: impl IntoIterator<Item = &'a ObjectView>, now: Time) {
        let mut before = std::mem::take(&mut self.lacking);
        for view in lacking {
            let known = before.remove(&view.uid);
            let lacking = known.unwrap_or(Lacking { since: now, asked: None, says: None });
            self.lacking.insert(view.uid.clone(), lacking);
        }
    }

    /// Those to be asked for now: of whom something is known already first, for that mostly stays, then whoever waits for longest.
    pub(crate) fn due(&self, now: Time) -> Vec<String> {
        if self.next().is_none_or(|next| now < next) {
            return Vec::new();
        }
        let due = self.lacking.iter().filter(|(_, lacking)| lacking.since + GRACE <= now);
        let mut due: Vec<(bool, Option<Time>, &String)> =
            due.map(|(uid, lacking)| (lacking.says.is_none(), lacking.asked, uid)).collect();
        due.sort();
        due.into_iter().take(AT_ONCE).map(|(.., uid)| uid.clone()).collect()
    }

    /// When that is next. Nothing else makes anyone look then.
    pub(crate) fn next(&self) -> Option<Time> {
        let first = self.lacking.values().map(|lacking| lacking.since + GRACE).min()?;
        Some(self.asked.map_or(first, |asked| first.max(asked + AGAIN)))
    }

    /// Takes note that one is asked for.
    pub(crate) fn asks(&mut self, uid: &str, now: Time) {
        self.asked = Some(now);
        self.lacking.entry(uid.to_owned()).and_modify(|lacking| lacking.asked = Some(now));
    }

    /// Takes note of the answer. Whether that is news.
    pub(crate) fn answered(&mut self, uid: &str, says: Option<String>) -> bool {
        let lacking = self.lacking.get_mut(uid).filter(|lacking| lacking.says != says);
        lacking.map(|lacking| lacking.says = says).is_some()
    }
}

/// Asks what the controller of an object said last of making its pods: why it can't, or nothing.
pub(crate) async fn ask(access: &Access, namespace: &str, uid: &str) -> Result<Option<String>, Error> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
    let (events, _) = access.page(&resource, namespace, &format!("involvedObject.uid={uid}"), PAGE).await?;
    Ok(said(&events))
}

/// What was said last counts. Times are whole seconds, in which some pods may be made and the next one refused; nobody is asked
/// where all are made.
fn said(events: &[Value]) -> Option<String> {
    let told = events.iter().filter_map(|event| {
        let fails = match json::text(event, "/reason") {
            "FailedCreate" => true,
            "SuccessfulCreate" => false,
            _ => return None,
        };
        Some((told_at(event), fails, Reverse(json::text(event, "/message"))))
    });
    let (_, fails, Reverse(message)) = told.max()?;
    (fails && !message.is_empty()).then(|| words(message))
}

/// When it was said for the last time, for what is said again is no Event of its own.
fn told_at(event: &Value) -> i64 {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let times = times.into_iter().filter_map(|at| json::text(event, at).parse::<jiff::Timestamp>().ok());
    times.map(jiff::Timestamp::as_second).max().unwrap_or(0)
}

/// What the API server said, without what the controller put before it: for a Job's pods that has another name each time.
fn words(message: &str) -> String {
    let message = message.strip_prefix("(combined from similar events): ").unwrap_or(message);
    let of_set = message.split_once(" failed error: ").filter(|(before, _)| before.starts_with("create "));
    let of_set = of_set.map(|(_, after)| after);
    let message = message.strip_prefix("Error creating: ").or(of_set).unwrap_or(message);
    let refused = message.strip_prefix("pods \"").and_then(|rest| rest.split_once("\" is forbidden: "));
    format!("its pods are refused: {}", refused.map_or(message, |(_, why)| why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds;

    fn event(reason: &str, at: &str, message: &str) -> Value {
        json!({"reason": reason, "lastTimestamp": at, "message": message})
    }

    const QUOTA: &str = "exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4";

    #[test]
    fn a_refusal_is_told_in_the_api_servers_words() {
        let said = |message: &str| said(&[event("FailedCreate", "2026-11-27T10:00:00Z", message)]).unwrap();
        let quota = format!("its pods are refused: {QUOTA}");
        for before in [
            "create Pod db-green-1 in StatefulSet db-green failed error: pods \"db-green-1\" is forbidden: ",
            "Error creating: pods \"migrate-green-x7k2p\" is forbidden: ",
            "(combined from similar events): Error creating: pods \"migrate-green-9c4wd\" is forbidden: ",
        ] {
            assert_eq!(said(&format!("{before}{QUOTA}")), quota);
        }
        let webhook = "admission webhook \"images.example\" denied the request: create is failed error: no";
        assert_eq!(said(&format!("Error creating: {webhook}")), format!("its pods are refused: {webhook}"));
        let claim = "failed to create PVC data-db-green-0: persistentvolumeclaims \"data-db-green-0\" is forbidden: \
            exceeded quota: disks";
        let message = format!("create Pod db-green-0 in StatefulSet db-green failed error: {claim}");
        assert_eq!(said(&message), format!("its pods are refused: {claim}"));
    }

    #[test]
    fn what_was_said_last_counts() {
        let refused = |at| event("FailedCreate", at, "Error creating: no");
        let made = |at| event("SuccessfulCreate", at, "Created pod: a");
        let other = event("RecreatingTerminatedPod", "2026-11-27T11:00:00Z", "again");
        let told = Some("its pods are refused: no".to_owned());
        let (early, late) = ("2026-11-27T10:00:00Z", "2026-11-27T10:00:01Z");
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[refused(late), made(early), other.clone()]), told);
        assert_eq!(
            said(&[refused(early), made(late), other]),
            None,
            "made since: it is waited for something else"
        );
        assert_eq!(said(&[refused(early), made(early)]), told, "the next one in the same second");
        let series = json!({"reason": "FailedCreate", "message": "Error creating: no", "lastTimestamp": null,
            "eventTime": "2026-11-27T09:00:00.000001Z", "series": {"lastObservedTime": "2026-11-27T10:00:01.500000Z"}});
        assert_eq!(said(&[made(late), series]), told, "said again since");
    }

    fn view(uid: &str) -> ObjectView {
        let metadata = json!({"name": uid, "uid": uid, "labels": {"teal.dev/rollout": "web"}});
        let metadata = serde_json::from_value(metadata).unwrap();
        let view = ObjectView::of(kinds::STATEFUL_SET, &metadata).unwrap();
        ObjectView { lacks_pods: true, ..view }
    }

    #[test]
    fn nobody_is_asked_for_a_moment_and_then_twice_a_minute_as_long_as_pods_are_lacking() {
        let (one, seconds) = (view("a"), |count: i64| Time(count * 1_000));
        let mut refusals = Refusals::default();
        assert_eq!((refusals.due(seconds(0)), refusals.next()), (Vec::new(), None));
        refusals.note([&one], seconds(1));
        assert_eq!((refusals.due(seconds(5)), refusals.next()), (Vec::new(), Some(seconds(6))));
        refusals.note([&one], seconds(6));
        assert_eq!(refusals.due(seconds(6)), ["a"]);
        let says = |text: &str| Some(text.to_owned());
        refusals.asks("a", seconds(6));
        assert!(refusals.answered("a", says("quota")));
        assert_eq!(refusals.failure(&one), Some("quota"));
        assert_eq!((refusals.due(seconds(35)), refusals.next()), (Vec::new(), Some(seconds(36))));
        assert_eq!(refusals.due(seconds(36)), ["a"]);
        refusals.asks("a", seconds(36));
        assert!(!refusals.answered("a", says("quota")), "no news");
        refusals.asks("a", seconds(66));
        assert_eq!(refusals.failure(&one), Some("quota"), "no answer takes nothing back");
        assert_eq!(refusals.failure(&ObjectView { lacks_pods: false, ..one.clone() }), None, "they are made");
        refusals.note([], seconds(70));
        assert_eq!((refusals.failure(&one), refusals.next()), (None, None));
        refusals.note([&one], seconds(71));
        assert_eq!(refusals.next(), Some(seconds(96)), "however often they are lacking");
    }

    #[test]
    fn only_some_are_asked_for_at_one_time_and_each_has_its_turn() {
        let all = ["a", "b", "c", "d", "e"].map(view);
        let mut refusals = Refusals::default();
        refusals.note(&all, Time(0));
        let mut ask = |at: i64| {
            let due = refusals.due(Time(at));
            for uid in &due {
                let says = (uid == "e").then(|| "quota".to_owned());
                refusals.asks(uid, Time(at));
                refusals.answered(uid, says);
            }
            due
        };
        assert_eq!(ask(5_000), ["a", "b", "c"]);
        assert_eq!(ask(35_000), ["d", "e", "a"]);
        assert_eq!(ask(65_000), ["e", "b", "c"], "what is known is asked for first");
    }
}
