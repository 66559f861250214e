//! Releases that are charts: what is wanted before, while and after they are rendered, and what of them is kept counts.

use std::sync::Arc;

use serde_json::{Value, json};
use teal_plan::snapshot::Stops;
use teal_plan::{Color, Phase};
use teal_release::Kept;
use teal_release::chart::{Body, BothColors, Rendering, Stage};

use super::cluster::Hand;
use crate::charts::{ChartSeen, kept_with};
use crate::memory::Packed;
use crate::observe::TRAFFIC;

const WEB: &str = r#"---
apiVersion: v1
kind: Service
metadata: {name: web-COLOR}
spec: {selector: {app: web, instance: web-COLOR}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-COLOR}
spec:
  selector: {matchLabels: {app: web, instance: web-COLOR}}
  template:
    metadata: {labels: {app: web, instance: web-COLOR}}
    spec: {containers: [{name: web, image: "web:IMAGE"}]}
"#;

pub(crate) fn body(image: &str) -> Body {
    body_of(&WEB.replace("IMAGE", image))
}

fn body_of(text: &str) -> Body {
    let of = |color: &str| Rendering::read(&text.replace("COLOR", color), "shop").expect("a rendering");
    let (blue, green) = (of("blue"), of("green"));
    let both = BothColors { blue: ("web-blue", &blue), green: ("web-green", &green) };
    Body::of(both, Stage::Upgrade, 0).expect("a body")
}

fn chart() -> Value {
    json!({"chart": {"url": "https://example.com/web-1.8.2.tgz", "version": "1.8.2"}})
}

/// With live of manifests, and a chart wanted.
pub(crate) fn wanted() -> Hand {
    let mut hand = Hand::new();
    hand.install();
    hand.keep(Color::Blue, &["web"]);
    hand.spec("/release", chart());
    hand
}

fn images(seen: Option<&Arc<crate::rendering::Rendering>>) -> Option<String> {
    seen.map(|rendering| rendering.summary.clone())
}

#[test]
fn nothing_of_a_chart_begins_before_it_is_rendered() {
    let mut hand = wanted();
    hand.chart = ChartSeen::Pending;
    let seen = hand.look(0);
    let obstacle = seen.snapshot.stopped(Stops::Everything).expect("an obstacle");
    assert_eq!(obstacle.reason, "ChartPending");
    assert_eq!(seen.snapshot.settings.wanted, None);
    hand.chart = ChartSeen::Ready(Arc::new(body("2")));
    let seen = hand.look(1);
    assert_eq!(seen.snapshot.stopped(Stops::Everything), None);
    assert_eq!(seen.snapshot.settings.wanted, Some(seen.hash));
    assert!(seen.need.is_some() && seen.chart.body().is_some());
}

#[test]
fn a_chart_that_can_not_be_used_is_told_and_is_not_wanted() {
    let mut hand = wanted();
    let problem = ("ChartUnavailable", "no such version".to_owned());
    hand.chart = ChartSeen::Refused(vec![problem]);
    let seen = hand.look(0);
    let obstacle = seen.snapshot.stopped(Stops::Everything).expect("an obstacle");
    assert_eq!(
        (obstacle.reason.as_str(), obstacle.message.as_str()),
        ("ChartUnavailable", "no such version")
    );
    assert_eq!(seen.snapshot.settings.wanted, None);
    assert!(
        images(seen.blue.as_ref()).is_some_and(|images| images.contains("web:1")),
        "live is as it was kept"
    );
}

#[test]
fn a_service_that_the_chart_does_not_have_is_told_with_those_that_it_has() {
    let mut hand = wanted();
    hand.chart = ChartSeen::Ready(Arc::new(body("2")));
    hand.spec("/traffic/services", json!([{"name": "web", "from": "shop-$(color)"}]));
    let seen = hand.look(0);
    let obstacle = seen.snapshot.stopped(Stops::Everything).expect("an obstacle");
    assert_eq!(obstacle.reason, "ServiceNotFound");
    assert!(obstacle.message.contains("it makes web-blue"), "{}", obstacle.message);
}

#[test]
fn a_service_that_nobody_outside_reaches_any_more_is_told_and_stops_nothing() {
    let mut hand = wanted();
    let outside = "---\napiVersion: v1\nkind: Service\nmetadata: {name: out-COLOR}\nspec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}\n";
    hand.chart = ChartSeen::Ready(Arc::new(body_of(&format!("{WEB}{outside}"))));
    let found = hand.look(0).snapshot.world.obstacles;
    let told: Vec<_> = found.iter().filter(|found| found.reason == "ServiceInsideOnly").collect();
    assert!(told.len() == 1 && told[0].stops == Stops::Nothing, "{found:?}");
    assert!(told[0].message.contains("from: out-$(color)"), "{}", told[0].message);
}

/// What a chart of random is rendered to another time is not what stands.
#[test]
fn what_was_kept_with_a_revision_counts_and_not_what_is_rendered_later() {
    let mut hand = wanted();
    hand.chart = ChartSeen::Ready(Arc::new(body("2")));
    hand.start_candidate(10);
    let of_candidate = |seen: &crate::observe::Seen| {
        assert!(matches!(seen.snapshot.record.phase, Phase::Step(_)));
        images(seen.green.as_ref()).expect("rendered")
    };
    assert!(of_candidate(&hand.look(0)).contains("web:2"), "before it is kept");
    let rollout = hand.rollout();
    let release = rollout.spec.release.raw().clone();
    let services = vec!["web".to_owned()];
    let body = Some(kept_with(&body("kept"), &services, &rollout.spec.traffic));
    let kept = Kept { hash: teal_release::hash(&release), services, release, body };
    let revision = hand.slot(Color::Green).revision;
    hand.memory.learn(revision, Some(&kept));
    assert!(of_candidate(&hand.look(1)).contains("web:kept"));
    hand.chart = ChartSeen::None;
    let seen = hand.look(2);
    assert!(of_candidate(&seen).contains("web:kept"));
    assert_eq!(seen.snapshot.settings.wanted, Some(seen.hash), "nothing has to be rendered for it");
    let role = seen.green.as_ref().and_then(|rendering| rendering.role_service("web")).expect("a role");
    assert_eq!(role.original_selector.keys().collect::<Vec<_>>(), ["app"]);
    assert_eq!(Packed::of(&kept).traffic(), ["web"]);
}

/// With the chart live, or as the candidate of a step, and nothing that says what it was rendered to.
fn lost(promoted: bool) -> crate::observe::Seen {
    let mut hand = wanted();
    if promoted {
        hand.promote_second();
    } else {
        hand.start_candidate(10);
    }
    hand.lose_content(Color::Green);
    hand.chart = ChartSeen::Ready(Arc::new(body("another")));
    hand.look(0)
}

/// The tag may have moved: what serves stays as it is, and it is told.
#[test]
fn what_stands_and_is_not_kept_any_more_is_told_and_never_made_from_another_rendering() {
    for (promoted, stops, remedy) in
        [(true, Stops::Nothing, "takes its place"), (false, Stops::Rollout, "roll back")]
    {
        let seen = lost(promoted);
        assert!(seen.green.is_none(), "promoted: {promoted}");
        assert!(seen.snapshot.world.recorded, "there is nothing to keep it with");
        let mut all = seen.snapshot.world.obstacles.iter();
        let told = all.find(|found| found.reason == "ContentLost").expect("it is told");
        assert_eq!(told.stops, stops);
        let revision = seen.snapshot.record.live.filter(|_| promoted).or(seen.snapshot.record.candidate);
        let name = format!("shop/web-{}", revision.expect("a revision").slot.revision);
        for word in [name.as_str(), "not rendered anew", "backup", remedy] {
            assert!(told.message.contains(word), "{word}: {}", told.message);
        }
    }
}

/// While this process knows it, it is kept again as it was.
#[test]
fn what_was_kept_and_went_a_moment_ago_is_kept_again_as_it_was() {
    let mut hand = wanted();
    hand.promote_second();
    let rollout = hand.rollout();
    let release = rollout.spec.release.raw().clone();
    let body = kept_with(&body("kept"), &["web".to_owned()], &rollout.spec.traffic);
    let hash = teal_release::hash(&release);
    let kept = Kept { hash, services: vec!["web".to_owned()], release, body: Some(body.clone()) };
    hand.memory.learn(hand.slot(Color::Green).revision, Some(&kept));
    let seen = hand.look(0);
    assert!(!seen.snapshot.world.recorded);
    assert_eq!(seen.body.as_deref(), Some(&body));
    assert_eq!(kept_with(&body, &["other".to_owned()], &rollout.spec.traffic), body);
}

/// What the spec says while a rollout is under way counts once it is over.
#[test]
fn a_candidate_is_kept_with_the_traffic_that_counts() {
    let mut hand = wanted();
    let traffic = hand.rollout().spec.traffic;
    hand.start_candidate(10);
    hand.record(TRAFFIC, json!(traffic));
    hand.spec("/traffic/services", json!([{"name": "web", "from": "other-$(color)"}]));
    hand.chart = ChartSeen::Ready(Arc::new(body("2")));
    let seen = hand.look(0);
    let body = seen.body.expect("it is to be kept");
    assert_eq!(body.services()[0].in_color(Color::Green), "web-green");
}
