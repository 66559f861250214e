//! What writes met, and what is told of it.

use teal_plan::snapshot::{Obstacle, Stops};
use teal_plan::{Phase, Time};

use crate::error::{Class, Error};
use crate::execute::Done;
use crate::memory::Memory;
use crate::observe::{Seen, ends};

/// Failures in a row of one write before it is told.
const LASTING: u32 = 3;
/// What makes objects at the versions that people wrote.
const RELEASES: [&str; 2] = ["ApplyRelease", "RunJobs"];

/// Takes note of what writes met; the first failure that wants another try.
pub(crate) fn remember(memory: &mut Memory, done: Vec<Done>, stops: Stops, now: Time) -> Option<Error> {
    let each = vec![stops; done.len()];
    remember_each(memory, done, &each, now)
}

/// The same where not all stop the same.
pub(crate) fn remember_each(
    memory: &mut Memory,
    done: Vec<Done>,
    stops: &[Stops],
    now: Time,
) -> Option<Error> {
    let mut failed = None;
    for (Done { effect, color, result, unsure }, stops) in done.into_iter().zip(stops.iter().copied()) {
        let write = (effect, color);
        memory.unsure.extend(unsure);
        match result {
            Ok(_) => {
                memory.met.remove(&write);
                memory.failing.remove(&write);
            }
            Err(error) => {
                // A conflict is how two writers notice each other, and no fault of what answers.
                let lasting = error.class() != Class::Conflict && memory.fails(write, now) >= LASTING;
                if let Some(obstacle) =
                    met(effect, &error, stops).or_else(|| lasting.then(|| fails(effect, &error)))
                {
                    let known = memory.met.get(&write).filter(|(_, at)| *at == now);
                    if known.is_none_or(|(known, _)| known.stops <= obstacle.stops) {
                        memory.met.insert(write, (obstacle, now));
                    }
                }
                if failed.as_ref().is_none_or(|first: &Error| first.class() == Class::Conflict) {
                    failed = Some(error);
                }
            }
        }
    }
    failed
}

/// What was written again.
pub(crate) fn mended(objects: &[String]) -> Obstacle {
    noted(format!(
        "{} of live differed from its revision and was written again: change spec.release instead",
        objects.join(", ")
    ))
}

/// What was mended is told as a warning.
pub(crate) fn noted(message: String) -> Obstacle {
    Obstacle { reason: "LiveRepaired".into(), message, stops: Stops::Nothing }
}

/// What a refused write stops. While a candidate is brought up, that: its deadline waits, no route is touched, and it
/// goes on once the write succeeds. Elsewhere nothing: what can't be repaired must not keep anything else from going on.
pub(crate) fn before_any_weight(seen: &Seen) -> Stops {
    let snapshot = &seen.snapshot;
    match &snapshot.record.phase {
        Phase::Step(place) if place.reached.is_none() && snapshot.world.routes.form.highest() == 0 => {
            Stops::Rollout
        }
        Phase::New
        | Phase::Installing { .. }
        | Phase::Rest { .. }
        | Phase::Step(_)
        | Phase::Promoting { .. }
        | Phase::Returning { .. } => Stops::Nothing,
    }
}

/// What a refusal means for the Rollout: it is said until it is gone, and tried again.
fn met(effect: &str, error: &Error, stops: Stops) -> Option<Obstacle> {
    let said = error.said();
    let (reason, remedy) = match error {
        Error::NameTaken { .. } => ("NameTaken", String::new()),
        Error::Traffic(refusal) if error.class() != Class::Conflict => {
            return Some(Obstacle { reason: refusal.reason().into(), message: said, stops: Stops::Rollout });
        }
        Error::Unserved { .. } if RELEASES.contains(&effect) => (
            "UnsupportedKind",
            ": write one that is, install what serves it, or take it out of spec.release".to_owned(),
        ),
        // Nobody wrote it. A mesh that goes is told by what is seen of it.
        Error::Unserved { .. } => return None,
        _ if said.contains("exceeded quota") => ("NoRoom", ": raise the quota or free some of it".to_owned()),
        // Found by a write where namespaces may not be watched.
        Error::Request { name, .. } if said.contains("because it is being terminated") => {
            return Some(ends(name.split_once('/').map_or(name.as_str(), |(namespace, _)| namespace)));
        }
        _ => match error.class() {
            Class::Denied => ("NotPermitted", format!(": {}", error.grant())),
            Class::Invalid => {
                let (reason, mends) = blamed(effect, error.kind())?;
                let refuser = error.refuser().map(|name| format!(", or {name}, which refuses it"));
                let refuser = refuser.unwrap_or_else(|| match reason {
                    // What an object refers to may not be there yet.
                    "ReleaseInvalid" if said.ends_with("not found") => {
                        ", or make what is not there".to_owned()
                    }
                    "ReleaseInvalid" => String::new(),
                    _ => ", or what refuses it".to_owned(),
                });
                (reason, format!(": correct {mends}{refuser}"))
            }
            Class::Conflict | Class::Transient | Class::Bug => return None,
        },
    };
    Some(Obstacle { reason: reason.into(), message: format!("{said}{remedy}"), stops })
}

/// Whose fault a refused write is, and what mends it: what stands beside the release is not the release's. Nothing that
/// people wrote is to blame for what Teal writes of itself.
fn blamed(effect: &str, kind: Option<&str>) -> Option<(&'static str, &'static str)> {
    const RELEASE: (&str, &str) = ("ReleaseInvalid", "spec.release");
    match (effect, kind) {
        ("ApplyRelease", _) => Some(RELEASE),
        ("EndStepJobs", _) => None,
        ("RunStepJobs", _) => Some(("SpecInvalid", "spec.steps[].jobs")),
        (_, Some("VirtualService")) => Some(("RouteUnsupported", "the VirtualService")),
        (_, Some("Service")) => Some(("ServiceUnsupported", "the Service")),
        (_, Some("DestinationRule")) => {
            Some(("DestinationRuleUnsupported", "the DestinationRule that it is a copy of"))
        }
        (_, Some("Rollout" | "Decision")) => None,
        _ => Some(RELEASE),
    }
}

/// A write that nothing in the Rollout is to blame for, and that fails again and again.
fn fails(effect: &str, error: &Error) -> Obstacle {
    let message = format!(
        "{effect} fails again and again and is tried on: {}; look at what answers there (API server, webhooks)",
        error.said()
    );
    Obstacle { reason: "WriteFails".into(), message, stops: Stops::Nothing }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::Target;
    use crate::kinds;

    /// What is told where the API server answers a request of this kind so.
    fn told(effect: &str, kind: &str, code: u16, said: &str, causes: bool) -> Option<(String, String)> {
        let causes = if causes { json!([{"message": said, "field": "spec"}]) } else { json!([]) };
        let status =
            json!({"status": "Failure", "message": said, "code": code, "details": {"causes": causes}});
        let status: kube::core::Status = serde_json::from_value(status).expect("a status");
        let source = Box::new(kube::Error::Api(Box::new(status)));
        let error = Error::Request { verb: "patch", kind: kind.into(), name: "shop/web".into(), source };
        met(effect, &error, Stops::Nothing).map(|obstacle| (obstacle.reason, obstacle.message))
    }

    /// What is told where an apply of a manifest is answered so.
    fn applied(effect: &str, status: kube::core::Status) -> Option<(String, String)> {
        let kind = kinds::find("policy", "PodDisruptionBudget").expect("a kind").at("v1beta1");
        let target = Target { resource: &kind, namespace: "shop", name: "web-green" };
        let error = Error::of_request("apply", target, kube::Error::Api(Box::new(status)));
        met(effect, &error, Stops::Nothing).map(|obstacle| (obstacle.reason, obstacle.message))
    }

    /// Told as an obstacle, it would hold the rollout for as long as that is told, though the next look enters the routes again.
    #[test]
    fn routes_that_somebody_wrote_between_look_and_write_are_no_obstacle() {
        let object = || {
            Box::new(teal_traffic::ObjectName {
                kind: "VirtualService".into(),
                namespace: "shop".into(),
                name: "web".into(),
            })
        };
        let field = || "spec.http[0]".to_owned();
        let left = teal_traffic::Refusal::NotEntered {
            object: object(),
            field: field(),
            candidate: "web-candidate".into(),
        };
        assert_eq!(met("SetWeights", &left.into(), Stops::Rollout), None);
    }

    #[test]
    fn a_manifest_of_a_version_that_the_cluster_does_not_serve_is_told_with_it() {
        let not_found = |said: &str, reason: &str| kube::core::Status::failure(said, reason).with_code(404);
        for status in [
            // As the client makes it of a body that is no status, and as an extension server answers.
            not_found("404 page not found", "Failed to parse error data"),
            not_found("the server could not find the requested resource", "NotFound"),
        ] {
            let (reason, message) = applied("ApplyRelease", status.clone()).expect("something");
            assert_eq!(reason, "UnsupportedKind");
            assert_eq!(
                message,
                "PodDisruptionBudget shop/web-green: apiVersion policy/v1beta1 isn't served by this cluster: write one that \
                 is, install what serves it, or take it out of spec.release"
            );
            assert_eq!(applied("KeepRules", status), None, "what Teal makes of itself is nobody's manifest");
        }
        assert_eq!(applied("ApplyRelease", not_found("namespaces \"shop\" not found", "NotFound")), None);
    }

    #[test]
    fn what_an_object_refers_to_and_is_missing_is_told_in_the_servers_words() {
        const SAID: &str = "roles.rbac.authorization.k8s.io \"web\" not found";
        let status = kube::core::Status::failure(SAID, "NotFound").with_code(404);
        let (reason, message) = applied("ApplyRelease", status).expect("something");
        assert_eq!(reason, "ReleaseInvalid");
        assert_eq!(
            message,
            format!(
                "PodDisruptionBudget shop/web-green: {SAID}: correct spec.release, or make what is not there"
            )
        );
    }

    const EACH: [(&str, &str, &str, &str); 6] = [
        ("ApplyRelease", "Deployment", "ReleaseInvalid", "correct spec.release"),
        ("ApplyRelease", "Service", "ReleaseInvalid", "correct spec.release"),
        ("RecordRevision", "ControllerRevision", "ReleaseInvalid", "correct spec.release"),
        ("RaiseWeight", "VirtualService", "RouteUnsupported", "correct the VirtualService"),
        ("PointLive", "Service", "ServiceUnsupported", "correct the Service"),
        ("KeepRules", "DestinationRule", "DestinationRuleUnsupported", "correct the DestinationRule that"),
    ];

    #[test]
    fn a_refusal_is_laid_to_what_was_written_and_to_who_refused_it() {
        const WEBHOOK: &str = "admission webhook \"vet.example.com\" denied the request: no";
        const POLICY: &str =
            "web is forbidden: ValidatingAdmissionPolicy 'frozen' with binding 'b' denied request: no";
        for (effect, kind, reason, remedy) in EACH {
            for (code, said, causes, refuser) in [
                (422, "spec.x: Invalid value", true, None),
                (400, "unknown field", false, None),
                (400, WEBHOOK, false, Some("the webhook vet.example.com")),
                (403, WEBHOOK, false, Some("the webhook vet.example.com")),
                (422, WEBHOOK, false, Some("the webhook vet.example.com")),
                (409, WEBHOOK, false, Some("the webhook vet.example.com")),
                (422, POLICY, true, Some("the ValidatingAdmissionPolicy frozen")),
                (403, POLICY, false, Some("the ValidatingAdmissionPolicy frozen")),
            ] {
                let (found, message) = told(effect, kind, code, said, causes).expect("something");
                assert_eq!(found, reason, "{effect} {kind} {code} {said}");
                assert!(message.contains(said) && message.contains(remedy), "{message}");
                let named = refuser
                    .map_or_else(|| "denied".to_owned(), |name| format!("or {name}, which refuses it"));
                assert_eq!(message.contains(&named), refuser.is_some(), "{message}");
            }
        }
    }

    #[test]
    fn what_is_no_refusal_of_the_object_is_not_laid_to_it() {
        for (effect, kind, ..) in EACH {
            let grant = told(effect, kind, 403, "user \"teal\" cannot patch", false).expect("something");
            assert_eq!(grant.0, "NotPermitted");
            let stale =
                "ValidatingAdmissionPolicy 'teal-epoch' with binding 'b' denied request: stale writer: 4 < 5";
            for (code, said, causes) in [
                (422, "the server rejected our request due to an error in our request", false),
                (409, "the object has been modified", false),
                (403, stale, false),
                (422, stale, true),
                (500, "failed calling webhook \"vet.example.com\": connection refused", false),
            ] {
                assert_eq!(told(effect, kind, code, said, causes), None, "{effect} {kind} {code} {said}");
            }
        }
        assert_eq!(told("Answer", "Decision", 422, "spec.x: Invalid value", true), None, "Teal's own words");
    }

    #[test]
    fn a_write_into_a_namespace_that_goes_says_so_and_asks_for_no_rights() {
        const SAID: &str = "deployments.apps \"web-green\" is forbidden: unable to create new content in namespace shop \
             because it is being terminated";
        let ends = ends("shop");
        assert_eq!(told("ApplyRelease", "Deployment", 403, SAID, false), Some((ends.reason, ends.message)));
    }
}
