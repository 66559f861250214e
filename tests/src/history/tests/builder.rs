//! Histories made by hand: a shop with one Rollout `web`, told version by version.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Value, json};
use teal_plan::record::{Cause, Consumed, Outcome, Phase, Release};
use teal_plan::{Color, ContentHash, Record, Slot, Time};
use teal_testbed::history::{Key, Version};

use super::super::{History, Invariant, Options, Quiet, Summary, check};

pub(super) const UID: &str = "uid-web";
const START: i64 = 1_767_225_600_000;
/// The time between two writes.
const TICK_MS: i64 = 200;

/// A history in the making. Each method is what somebody did.
#[derive(Clone)]
pub(super) struct Story {
    versions: Vec<Version>,
    objects: BTreeMap<Key, Value>,
    now: i64,
    /// The routes as their owner last wrote them.
    owners: Value,
    pub(super) record: Record,
    /// A person's spec.
    pub(super) spec: Value,
    pub(super) options: Options,
    /// `spec.type` of the live Service.
    pub(super) kind: &'static str,
}

pub(super) fn key(resource: &str, name: &str) -> Key {
    let group = match resource {
        "virtualservices" => "networking.istio.io",
        "rollouts" | "decisions" => "teal.dev",
        _ => "",
    };
    let namespace = if matches!(resource, "namespaces" | "nodes") { "" } else { "shop" };
    let owned = str::to_owned;
    Key { group: owned(group), resource: owned(resource), namespace: owned(namespace), name: owned(name) }
}

/// A span in which all namespaces were quiet.
pub(super) fn everywhere(revisions: RangeInclusive<u64>) -> Quiet {
    Quiet { namespace: None, revisions, but: Vec::new() }
}

/// The release that counter and color make.
pub(super) fn release(counter: u32, color: Color, since: i64) -> Release {
    let digest = [u8::try_from(counter).unwrap(); 32];
    let hash = ContentHash { version: 1, digest };
    Release { slot: Slot { color, revision: hash.revision(counter) }, hash, since: Time(since), attempt: 1 }
}

/// The first release, in blue.
pub(super) fn first() -> Release {
    release(1, Color::Blue, START)
}

/// The second one, in green.
pub(super) fn second() -> Release {
    release(2, Color::Green, START)
}

impl Story {
    /// Nothing but a Rollout that was just made.
    pub(super) fn new() -> Self {
        let spec = json!({
            "release": {"manifests": [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}]},
            "traffic": {"services": [{"name": "web"}], "virtualServices": [{"name": "web"}]},
            "steps": [
                {"name": "canary", "weight": 10, "hold": "60s"},
                {"name": "half", "weight": 50, "hold": "60s"},
                {"name": "full", "weight": 100, "hold": "60s"},
            ],
            "keep": {"previous": "10m", "failed": "5m"},
        });
        let story = Self {
            versions: Vec::new(),
            objects: BTreeMap::new(),
            now: START,
            owners: Value::Null,
            record: Record::default(),
            spec,
            options: Options::default(),
            kind: "ClusterIP",
        };
        story.virtual_service("kubectl", &json!([{"destination": {"host": "web"}}])).rollout("kubectl")
    }

    /// Installed, with the first release live in blue.
    pub(super) fn installed() -> Self {
        let deadline = Time(START + 600_000);
        let mut story = Self::new().commit(|record| {
            record.live = Some(first());
            record.phase = Phase::Installing { deadline };
        });
        story = story.provision(&first());
        story = story.point("web", &first()).point("web-candidate", &first());
        story.commit(|record| record.phase = Phase::Rest { outcome: Outcome::Promoted }).wait(5)
    }

    /// With the second release as candidate at the first step, provisioned and entered.
    pub(super) fn started() -> Self {
        Self::installed().begun()
    }

    /// The same from here on.
    pub(super) fn begun(self) -> Self {
        let baseline = vec![3];
        let story = self.commit(|record| {
            record.candidate = Some(second());
            record.baseline.clone_from(&baseline);
            record.phase = step("canary", 10, None);
        });
        story.enter().provision(&second()).wait(3).point("web-candidate", &second())
    }

    /// With the candidate at 10 %, and the step reached.
    pub(super) fn canary() -> Self {
        Self::started().weigh(10).wait(2).reached()
    }

    /// With the candidate at 50 %, and the step reached.
    pub(super) fn half() -> Self {
        Self::canary().wait(65).step("half", 50).weigh(50).wait(2).reached()
    }

    /// With the candidate at 100 %, and the step reached.
    pub(super) fn full() -> Self {
        Self::half().wait(65).step("full", 100).weigh(100).wait(2).reached()
    }

    /// Promoted: the second release is live, the first one kept for ten minutes.
    pub(super) fn promoted() -> Self {
        let story = Self::full().wait(65);
        let deadline = Time(story.now + 600_000);
        let story = story.commit(|record| record.phase = Phase::Promoting { deadline });
        let story = story.point("web", &second()).wait(3).weigh(0).wait(3).leave();
        let now = story.now;
        story.commit(|record| {
            record.previous = record.live.take();
            record.live = record.candidate.take();
            record.vacate_after = Some(Time(now + 30_000));
            record.kept_until = Some(Time(now + 600_000));
            record.phase = Phase::Rest { outcome: Outcome::Promoted };
        })
    }

    /// The whole life of a good release.
    pub(super) fn clean() -> Self {
        Self::promoted().wait(605).let_go().remove(&first()).wait(5)
    }

    /// The commit that takes the candidate back.
    pub(super) fn send_back(self) -> Self {
        let since = Time(self.now);
        self.commit(|record| {
            let cause = Cause::Check { check: "errors".into(), detail: "2 %".into(), job: None };
            record.phase = Phase::Returning { cause, since };
        })
    }

    /// The commit that takes a promoted release back.
    pub(super) fn commit_back_to_previous(self) -> Self {
        let since = Time(self.now);
        self.commit(|record| {
            record.candidate = record.live.take();
            record.live = record.previous.take();
            record.kept_until = None;
            let cause = Cause::Decision { user: "ann".into(), rejected: false, reason: "slow".into() };
            record.phase = Phase::Returning { cause, since };
        })
    }

    /// All traffic to live again, in the order in which it happens to land.
    pub(super) fn lead_home(self) -> Self {
        let live = self.record.live.unwrap();
        self.weigh(0).point("web", &live).point("web-candidate", &live)
    }

    /// The end of going back: the candidate is kept to be looked at.
    pub(super) fn sent_back(self) -> Self {
        let story = self.wait(3).leave();
        let now = story.now;
        story.commit(|record| {
            let cause = Cause::Check { check: "errors".into(), detail: "2 %".into(), job: None };
            record.vacate_after = Some(Time(now + 30_000));
            record.kept_until = Some(Time(now + 300_000));
            record.phase = Phase::Rest { outcome: Outcome::RolledBack(cause) };
        })
    }

    /// The whole life of a bad release.
    pub(super) fn rollback() -> Self {
        let story = Self::canary().wait(10).send_back().lead_home().sent_back();
        story.wait(305).let_go().remove(&second()).wait(5)
    }

    // What Teal does.

    /// A commit of the record, under the next epoch.
    pub(super) fn commit(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(&mut self.record);
        self.record.epoch += 1;
        self.rollout("teal/status")
    }

    /// The next step is begun.
    pub(super) fn step(self, name: &str, weight: u8) -> Self {
        self.commit(|record| record.phase = step(name, weight, None))
    }

    /// The step under way is reached.
    pub(super) fn reached(self) -> Self {
        let now = Time(self.now);
        self.commit(|record| {
            if let Phase::Step(place) = &mut record.phase {
                place.reached = Some(now);
            }
        })
    }

    /// What was kept is let go of.
    pub(super) fn let_go(self) -> Self {
        self.let_go_by(Vec::new())
    }

    /// The same by Decisions that are followed with it.
    pub(super) fn let_go_by(self, decisions: Vec<Consumed>) -> Self {
        self.commit(|record| {
            record.consumed.extend(decisions);
            record.previous = None;
            record.candidate = None;
            record.kept_until = None;
        })
    }

    /// The objects of a release are made, and its pods become ready.
    pub(super) fn provision(mut self, release: &Release) -> Self {
        let deployment = self.deployment(release, 3);
        self = self.write(
            "teal/release",
            key("deployments", &format!("web-{}", release.slot.color)),
            deployment,
        );
        for number in 0..3 {
            self = self.pod(release, number, true);
        }
        self
    }

    /// The objects of a release are deleted, and its pods go with them.
    pub(super) fn remove(mut self, release: &Release) -> Self {
        self = self.delete(key("deployments", &format!("web-{}", release.slot.color)));
        for number in 0..3 {
            self = self.delete(pod_key(release, number));
        }
        self
    }

    /// A role Service is turned to a release, and its slice follows.
    pub(super) fn point(self, service: &str, release: &Release) -> Self {
        self.turn("teal/roles", service, release).slice(service, release, 3)
    }

    /// A role Service is turned to a release.
    pub(super) fn turn(self, manager: &str, service: &str, release: &Release) -> Self {
        self.select(
            manager,
            service,
            &json!({
                "app": "web",
                "teal.dev/rollout": "web",
                "teal.dev/color": release.slot.color.as_str(),
                "teal.dev/revision": release.slot.revision.to_string(),
            }),
        )
    }

    /// The live role selects both releases, and its slice follows.
    pub(super) fn overlap(self) -> Self {
        let story = self.select("teal/roles", "web", &json!({"app": "web", "teal.dev/rollout": "web"}));
        story.slice_of("web", &[first(), second()], 3)
    }

    fn select(self, manager: &str, service: &str, selector: &Value) -> Self {
        let kind = if service == "web" { self.kind } else { "ClusterIP" };
        let object = json!({
            "metadata": {
                "labels": {"teal.dev/rollout": "web", "teal.dev/rollout-uid": UID},
                "annotations": self.stamp(),
            },
            "spec": {"type": kind, "ports": [{"port": 80}], "selector": selector},
        });
        self.write(manager, key("services", service), object)
    }

    /// A Service that is reached from outside, with the candidate at all weight and promotion committed.
    pub(super) fn outside() -> Self {
        let mut story = Self::full();
        story.kind = "NodePort";
        let story = story.point("web", &first()).wait(65);
        let deadline = Time(story.now + 600_000);
        story.commit(|record| record.phase = Phase::Promoting { deadline })
    }

    /// The candidate is named at weight 0, and the owner's form is remembered.
    pub(super) fn enter(self) -> Self {
        self.weigh(0)
    }

    /// The candidate's weight.
    pub(super) fn weigh(self, weight: i64) -> Self {
        self.weigh_as("teal/traffic", weight)
    }

    /// The candidate's weight, set by somebody.
    pub(super) fn weigh_as(self, manager: &str, weight: i64) -> Self {
        self.destinations(
            manager,
            &json!([
                {"destination": {"host": "web"}, "weight": 100 - weight},
                {"destination": {"host": "web-candidate"}, "weight": weight},
            ]),
        )
    }

    /// The routes are given back to their owner.
    pub(super) fn leave(self) -> Self {
        let routes = self.owners.clone();
        self.leave_as(&routes)
    }

    /// The routes are given back in this form, as Teal does it: in their owner's name.
    pub(super) fn leave_as(self, routes: &Value) -> Self {
        let routes = routes.clone();
        self.edit("kubectl", &key("virtualservices", "web"), |object| {
            object["spec"]["http"][0]["route"] = routes;
            object["metadata"]["annotations"].as_object_mut().unwrap().remove("saved.teal.dev/uid-web");
        })
    }

    /// The destinations of the entered route, with Teal's annotations.
    pub(super) fn destinations(self, manager: &str, routes: &Value) -> Self {
        let stamp = self.stamp();
        self.edit(manager, &key("virtualservices", "web"), |object| {
            object["spec"]["http"][0]["route"] = routes.clone();
            object["metadata"]["annotations"] = stamp;
            object["metadata"]["annotations"]["saved.teal.dev/uid-web"] = json!("{}");
        })
    }

    pub(super) fn stamp(&self) -> Value {
        json!({"epoch.teal.dev/uid-web": self.record.epoch.to_string()})
    }

    // What others do.

    /// The Rollout is written, with its spec and the record as they are.
    pub(super) fn rollout(self, manager: &str) -> Self {
        let mut object = json!({"metadata": {"uid": UID}, "spec": self.spec});
        if self.record.phase != Phase::New {
            object["status"] = json!({"commit": self.record});
        }
        self.write(manager, key("rollouts", "web"), object)
    }

    /// The owner applies the routes.
    pub(super) fn virtual_service(mut self, manager: &str, routes: &Value) -> Self {
        self.owners = routes.clone();
        let object = json!({
            "metadata": {"labels": {"team": "shop"}},
            "spec": {"hosts": ["web"], "http": [{"name": "primary", "timeout": "5s", "route": routes}]},
        });
        self.write(manager, key("virtualservices", "web"), object)
    }

    /// A pod as the kubelet says.
    pub(super) fn pod(self, release: &Release, number: u32, ready: bool) -> Self {
        let key = pod_key(release, number);
        let object = json!({
            "metadata": {"uid": key.name, "labels": {
                "app": "web",
                "teal.dev/rollout": "web",
                "teal.dev/color": release.slot.color.as_str(),
                "teal.dev/revision": release.slot.revision.to_string(),
            }},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        });
        self.write("kubelet", key, object)
    }

    /// The slice of a Service has this many serving endpoints of a release.
    pub(super) fn slice(self, service: &str, release: &Release, serving: u32) -> Self {
        self.slice_of(service, &[*release], serving)
    }

    fn slice_of(self, service: &str, releases: &[Release], serving: u32) -> Self {
        let endpoint = |release: &Release, number: u32| {
            json!({
                "conditions": {"ready": true, "serving": number < serving, "terminating": false},
                "targetRef": {"kind": "Pod", "uid": pod_key(release, number).name},
            })
        };
        let each = releases.iter().flat_map(|release| (0..3).map(move |number| endpoint(release, number)));
        let endpoints: Vec<Value> = each.collect();
        let object = json!({
            "metadata": {"labels": {"kubernetes.io/service-name": service}},
            "endpoints": endpoints,
        });
        self.write("kube-controller-manager", key("endpointslices", &format!("{service}-x")), object)
    }

    /// The Deployment of a release.
    pub(super) fn deployment(&self, release: &Release, replicas: u32) -> Value {
        json!({
            "metadata": {
                "labels": {
                    "teal.dev/rollout": "web",
                    "teal.dev/rollout-uid": UID,
                    "teal.dev/color": release.slot.color.as_str(),
                    "teal.dev/revision": release.slot.revision.to_string(),
                },
                "annotations": {
                    "epoch.teal.dev/uid-web": self.record.epoch.to_string(),
                    "teal.dev/content": format!("{}.3", release.slot.revision),
                },
            },
            "spec": {"replicas": replicas, "template": {"image": format!("web:{}", release.slot.revision)}},
        })
    }

    /// Somebody edits what is there.
    pub(super) fn edit(self, manager: &str, key: &Key, change: impl FnOnce(&mut Value)) -> Self {
        let mut object = self.objects.get(key).unwrap().clone();
        change(&mut object);
        self.write(manager, key.clone(), object)
    }

    /// Somebody writes an object as a whole.
    pub(super) fn write(mut self, manager: &str, key: Key, mut object: Value) -> Self {
        self.now += TICK_MS;
        let before = self.objects.get(&key);
        let mut entries = before.map_or(json!([]), |before| before["metadata"]["managedFields"].clone());
        let entries = entries.as_array_mut().unwrap();
        entries.retain(|entry| entry["manager"] != manager);
        entries.push(json!({"manager": manager, "operation": "Update", "time": stamp(self.now)}));
        object["metadata"]["managedFields"] = json!(entries);
        object["metadata"]["name"] = json!(key.name);
        object["metadata"]["namespace"] = json!(key.namespace);
        self.objects.insert(key.clone(), object.clone());
        self.push(key, Some(object))
    }

    /// Somebody deletes an object; who, nobody knows.
    pub(super) fn delete(mut self, key: Key) -> Self {
        self.now += TICK_MS;
        self.objects.remove(&key);
        self.push(key, None)
    }

    fn push(mut self, key: Key, value: Option<Value>) -> Self {
        let revision = self.revision() + 1;
        self.versions.push(Version { revision, key, value });
        self
    }

    /// The time of the newest version.
    pub(super) const fn now(&self) -> i64 {
        self.now
    }

    /// The revision of the newest version.
    pub(super) fn revision(&self) -> u64 {
        self.versions.last().map_or(10, |version| version.revision)
    }

    /// Time goes by, and Leases are renewed.
    pub(super) fn wait(mut self, seconds: i64) -> Self {
        let end = self.now + seconds * 1000;
        let pause = (seconds * 100).max(1000);
        while self.now < end {
            self.now = (self.now + pause).min(end) - TICK_MS;
            let renewed = jiff::Timestamp::from_millisecond(self.now).unwrap().to_string();
            let mut lease = key("leases", "teal");
            lease.namespace = "teal-system".into();
            self = self.write("teal/lease", lease, json!({"spec": {"renewTime": renewed}}));
        }
        self.controllers()
    }

    /// Controllers say how the Deployments are.
    fn controllers(mut self) -> Self {
        let deployments = self.objects.keys().filter(|key| key.resource == "deployments");
        for key in deployments.cloned().collect::<Vec<Key>>() {
            let observed = self.now;
            self = self
                .edit("kube-controller-manager", &key, |object| object["status"]["seen"] = json!(observed));
        }
        self
    }

    // What the checker says.

    pub(super) fn told(&self) -> Summary {
        let story = self.clone().wait(10);
        check(&History::new(story.versions), &story.options)
    }

    /// Nothing is wrong, and this was looked at.
    pub(super) fn passes(&self, invariant: Invariant) {
        let summary = self.told();
        assert!(summary.holds(), "{summary}");
        assert!(summary.count(invariant).judged > 0, "{invariant:?} was not judged:\n{summary}");
    }

    /// This one thing is wrong, and is said in these words.
    pub(super) fn breaks(&self, invariant: Invariant, words: &str) {
        let summary = self.told();
        let hit = summary.violations.iter().any(|v| v.invariant == invariant && v.detail.contains(words));
        assert!(hit, "{invariant:?} with {words:?} is not found:\n{summary}");
        let others: Vec<_> = summary.violations.iter().filter(|v| v.invariant != invariant).collect();
        assert!(others.is_empty(), "not only {invariant:?} is broken:\n{summary}");
    }
}

pub(super) fn pod_key(release: &Release, number: u32) -> Key {
    key("pods", &format!("web-{}-{number}", release.slot.revision))
}

/// A step under way.
pub(super) fn step(name: &str, weight: u8, reached: Option<Time>) -> Phase {
    // Read as the record is, so that fields with a default need not be known here.
    let deadline = START + 9_000_000;
    let place =
        json!({"name": "Step", "step": name, "weight": weight, "deadline": deadline, "reached": reached});
    serde_json::from_value(place).unwrap()
}

/// As the API server writes it: in whole seconds.
fn stamp(millis: i64) -> String {
    jiff::Timestamp::from_second(millis / 1000).unwrap().to_string()
}
