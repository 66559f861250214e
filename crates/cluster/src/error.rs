//! What can go wrong when the cluster is spoken to.

use std::time::Duration;

use serde_json::json;
use teal_api::names::{CANDIDATE_SUFFIX, label};
use teal_release::{Fate, Object, fate_of};

use crate::access::Target;
use crate::kinds;

/// A failed operation. `class` decides what follows; the text is for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or could not be reached.
    #[error("{verb} {kind} {name} failed: {source}")]
    Request {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Namespace and name of the object.
        name: String,
        /// What the client says.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer within the bound. Whether the write was carried out is not known.
    #[error("{verb} {kind} {name} had no answer within {after:?}")]
    Timeout {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Namespace and name of the object.
        name: String,
        /// The bound.
        after: Duration,
    },
    /// Too many others were under way for all of the bound. Nothing was asked of the API server.
    #[error("{verb} {kind} {name} was not sent: too many requests had no answer within {after:?}")]
    NotSent {
        /// What was to be tried.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Namespace and name of the object.
        name: String,
        /// The bound.
        after: Duration,
    },
    /// The cluster has no such kind, or not at this version.
    #[error("{kind} {name}: apiVersion {version} isn't served by this cluster")]
    Unserved {
        /// Kind of the object.
        kind: String,
        /// Namespace and name of the object.
        name: String,
        /// Group and version that it was written with.
        version: String,
    },
    /// An object carries a higher epoch than this process knows: it looks at an old record.
    #[error("{object} carries epoch {found}, above {own}: a newer writer is at work")]
    Outdated {
        /// The object.
        object: String,
        /// Its epoch.
        found: u64,
        /// Ours.
        own: u64,
    },
    /// An object changed between reading and writing.
    #[error("{object} is not as it was read: {detail}")]
    Changed {
        /// The object.
        object: String,
        /// What differs.
        detail: String,
    },
    /// A name that is wanted belongs to somebody else.
    #[error("{object} exists and is not this Rollout's (written by {manager}): {}", vacated(object, manager, *serves))]
    NameTaken {
        /// The object.
        object: String,
        /// Its field manager.
        manager: String,
        /// Whether it has the name of an object of the live color.
        serves: bool,
    },
    /// A name or version that would change where a request goes.
    #[error("{object}: {part:?} can't be part of an address: write plain names and versions")]
    Address {
        /// The object.
        object: String,
        /// The part.
        part: String,
    },
    /// Routes can't be edited as they are.
    #[error(transparent)]
    Traffic(#[from] teal_traffic::Refusal),
    /// A release can't be rendered.
    #[error("{0}")]
    Release(teal_release::Refusal),
    /// A kept content can't be read or written.
    #[error("{what}: {source}")]
    Kept {
        /// Which.
        what: String,
        /// The reason.
        #[source]
        source: teal_release::KeepError,
    },
    /// A revision's content is neither in the spec nor kept.
    #[error("the content of revision {revision} is not kept: spec.release must hold it")]
    ContentLost {
        /// The revision.
        revision: String,
    },
    /// Too few endpoints by a fresh look, so the weight stays.
    #[error("{service} has {serving} serving endpoints by a fresh look and needs {needed}")]
    TooFewEndpoints {
        /// The Service.
        service: String,
        /// What was seen.
        serving: u32,
        /// What is needed.
        needed: u32,
    },
    /// A value could not be written as JSON or read from it.
    #[error("{what} can't be read or written as JSON: {source}")]
    Json {
        /// What.
        what: String,
        /// The library's reason.
        #[source]
        source: serde_json::Error,
    },
    /// Another member of the group has gone back, as a fresh read of it says.
    #[error("Rollout {member} of the same group has gone back")]
    MemberBack {
        /// Its name.
        member: String,
    },
    /// A plan would break an invariant; it was not carried out.
    #[error("a plan was refused: {invariant}: {detail}")]
    Refused {
        /// The invariant.
        invariant: &'static str,
        /// What it would do.
        detail: String,
    },
}

/// What follows from an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Class {
    /// Look again, then decide anew.
    Conflict,
    /// It may work later.
    Transient,
    /// The account may not do it.
    Denied,
    /// The object is refused as it is.
    Invalid,
    /// A fault of this program.
    Bug,
}

impl Class {
    /// For metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Transient => "transient",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Bug => "bug",
        }
    }
}

impl Error {
    /// Of a request that the API server refused, or that had no answer of it.
    pub(crate) fn of_request(verb: &'static str, target: Target<'_>, source: kube::Error) -> Self {
        if is_unserved(verb, &source) {
            return Self::unserved(target);
        }
        let kind = target.resource.kind.clone();
        let name = format!("{}/{}", target.namespace, target.name);
        Self::Request { verb, kind, name, source: Box::new(source) }
    }

    /// Of an object whose kind the cluster doesn't have.
    pub(crate) fn unserved(target: Target<'_>) -> Self {
        let resource = target.resource;
        let name = format!("{}/{}", target.namespace, target.name);
        Self::Unserved { kind: resource.kind.clone(), name, version: resource.api_version.clone() }
    }

    /// What follows from it.
    pub fn class(&self) -> Class {
        match self {
            Self::Request { source, verb, .. } => class_of(source, verb),
            Self::Timeout { .. } | Self::NotSent { .. } | Self::TooFewEndpoints { .. } => Class::Transient,
            // Routes were entered when they were looked at: somebody has written them since.
            Self::Outdated { .. }
            | Self::Changed { .. }
            | Self::MemberBack { .. }
            | Self::Traffic(teal_traffic::Refusal::NotEntered { .. }) => Class::Conflict,
            Self::NameTaken { .. }
            | Self::Unserved { .. }
            | Self::Address { .. }
            | Self::Traffic(_)
            | Self::Release(_)
            | Self::ContentLost { .. }
            | Self::Kept { .. } => Class::Invalid,
            Self::Json { .. } | Self::Refused { .. } => Class::Bug,
        }
    }

    /// Whether a write may have been carried out all the same: there was no answer of the API server, or one that says no
    /// more than that something went wrong on its way.
    pub fn is_unsure(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Request { source, .. } => match &**source {
                // A webhook is asked before anything is stored.
                kube::Error::Api(status) => {
                    let of_webhook = status.message.contains(" calling webhook");
                    let fits = !does_not_fit(&status.message);
                    status.code >= 500 && fits && !of_webhook && refuser(&status.message).is_none()
                }
                kube::Error::BuildRequest(_) => false,
                _ => true,
            },
            _ => false,
        }
    }

    /// Whether the API server says that the object isn't there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Request { source, .. } if matches!(&**source, kube::Error::Api(status) if status.is_not_found()))
    }

    /// Whether the API server says that one of that name is there.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Request { source, .. } if matches!(&**source, kube::Error::Api(status) if status.is_already_exists()))
    }

    /// Who refuses, beside the API server itself: a webhook or policy by its name.
    pub(crate) fn refuser(&self) -> Option<String> {
        let Self::Request { source, .. } = self else { return None };
        let kube::Error::Api(status) = &**source else { return None };
        refuser(&status.message)
    }

    /// Whether the request itself can be at fault, and nobody refuses who vets objects.
    pub(crate) fn blames_request(&self) -> bool {
        let Self::Request { source, .. } = self else { return false };
        let invalid = || self.class() == Class::Invalid && self.refuser().is_none();
        matches!(&**source, kube::Error::BuildRequest(_)) || invalid()
    }

    /// The kind of the object of a request.
    pub(crate) fn kind(&self) -> Option<&str> {
        match self {
            Self::Request { kind, .. }
            | Self::Timeout { kind, .. }
            | Self::NotSent { kind, .. }
            | Self::Unserved { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// What can be done where the API server denies it.
    pub(crate) fn grant(&self) -> String {
        let Self::Request { kind, .. } = self else { return ALLOW.to_owned() };
        if self.said().contains("not currently held") {
            // Nobody may give more than he has, whatever he may write.
            return format!("take the {kind} out of spec.release and apply it beside the Rollout");
        }
        match kinds::needs_consent(kind) {
            Some(value) => format!(
                "an administrator can allow it by rbac.write.{value}=true of Teal's chart, or take the {kind} out of \
                 spec.release and apply it beside the Rollout"
            ),
            None => ALLOW.to_owned(),
        }
    }

    /// The sentence of the API server, without the client's own words around it.
    pub fn said(&self) -> String {
        match self {
            Self::Request { source, kind, name, .. } => match &**source {
                kube::Error::Api(status) => format!("{kind} {name}: {}", status.message),
                other => format!("{kind} {name}: {other}"),
            },
            other => other.to_string(),
        }
    }
}

/// Kinds that stand in no release, so that nobody but Teal chose the name.
const NAMED_BY_TEAL: [kinds::Known; 2] = [kinds::CONTROLLER_REVISION, kinds::DESTINATION_RULE];

/// The release's object, as `spec.release` has it before it gets a color.
const RENAME: &str = "change metadata.name in spec.release";

/// The object that is in the way.
const OTHER: &str = "rename or remove the other";

/// What can be done about a name that is taken. What both colors share may be what others stand on, and a Service or an object of
/// the live color may be what serves: nobody is told to remove any of them.
fn vacated(object: &str, manager: &str, serves: bool) -> String {
    let (kind, name) = object.split_once(' ').unwrap_or((object, ""));
    let consent = format!("consent by the label {} with this Rollout's name on it", label::ROLLOUT);
    match kind {
        _ if is_shared(kind) && manager.starts_with("Rollout ") => {
            "leave it out of spec.release of both and apply it beside them".to_owned()
        }
        _ if is_shared(kind) => format!("leave it out of spec.release, and it stays as it is; or {consent}"),
        "Service" => match name.strip_suffix(CANDIDATE_SUFFIX) {
            Some(live) => {
                let live = live.rsplit('/').next().unwrap_or(live);
                format!("rename Service {live} in spec.traffic.services and spec.release, or {OTHER}")
            }
            None => format!("{consent}, or {RENAME}, and in spec.traffic.services where that names it"),
        },
        _ if serves => format!("it may be what serves, so {consent}, or {RENAME}"),
        _ if NAMED_BY_TEAL.iter().any(|known| known.kind == kind) => OTHER.to_owned(),
        // Also one that was deleted or renamed leaves behind what serves.
        _ if manager.starts_with("Rollout ") => {
            format!(
                "it may be what that Rollout serves with, so {RENAME}; or, where that Rollout is no more, {consent}"
            )
        }
        _ => format!("{RENAME}, or {OTHER}"),
    }
}

/// Of a kind that has one object for both colors, if nothing is annotated.
fn is_shared(kind: &str) -> bool {
    let known = kinds::RELEASE.iter().find(|known| known.kind == kind);
    let manifest = known.and_then(|known| {
        Object::from_value(&json!({"apiVersion": known.api_version(), "kind": kind, "metadata": {}}))
    });
    manifest.is_some_and(|manifest| fate_of(&manifest).is_ok_and(|fate| fate == Fate::Shared))
}

/// The API server's words for an object of a wrong shape (a number where a text belongs, an unknown field, one entry twice), which it
/// can't merge: it answers them with 500, as though it were at fault (kubernetes/kubernetes#122480).
fn does_not_fit(message: &str) -> bool {
    message.starts_with("failed to create typed patch object")
}

/// Which webhook or policy refuses, as the API server's sentence names it.
fn refuser(message: &str) -> Option<String> {
    let named = |before: &str, quote: char| {
        let (_, rest) = message.split_once(before)?;
        Some(rest.split_once(quote)?.0.to_owned())
    };
    let webhook = named("admission webhook \"", '"').map(|name| format!("the webhook {name}"));
    let policy = || named("ValidatingAdmissionPolicy '", '\'');
    webhook.or_else(|| policy().map(|name| format!("the ValidatingAdmissionPolicy {name}")))
}

const ALLOW: &str = "grant it to the operator's account";

/// Whether the API server has no such path. What is applied or created need not be there, so nothing can be missing but its kind;
/// or its namespace, what it refers to, or what a webhook looks for, which all are named.
fn is_unserved(verb: &str, error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let named = refuser(&status.message).is_some() || names_missing(&status.message);
    makes(verb) && status.code == 404 && !named
}

fn makes(verb: &str) -> bool {
    matches!(verb, "apply" | "create")
}

/// Whether it is an object by its name that isn't there.
fn names_missing(message: &str) -> bool {
    message.ends_with("\" not found")
}

fn class_of(error: &kube::Error, verb: &str) -> Class {
    let kube::Error::Api(status) = error else { return Class::Transient };
    match status.code {
        500 if does_not_fit(&status.message) => Class::Invalid,
        // The epoch policy's refusal: somebody with a newer record wrote meanwhile.
        403 | 422 if status.message.contains("stale writer") => Class::Conflict,
        // With whatever code and causes a webhook or policy refuses.
        400..=428 | 430..=499 if refuser(&status.message).is_some() => Class::Invalid,
        // A failed `test` of a JSON patch comes as 422 without causes; what a schema refuses names its fields.
        422 if verb == "patch" && status.details.as_ref().is_none_or(|details| details.causes.is_empty()) => {
            Class::Conflict
        }
        // What it refers to, such as the role of a RoleBinding. Of a namespace that goes others tell.
        404 if makes(verb)
            && names_missing(&status.message)
            && !status.message.starts_with("namespaces ") =>
        {
            Class::Invalid
        }
        404 | 409 | 410 => Class::Conflict,
        401 | 403 => Class::Denied,
        400 | 405 | 413 | 415 | 422 => Class::Invalid,
        _ => Class::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_stand_on_is_never_to_be_removed_for_a_name() {
        let taken = |object: &str, manager: &str, serves: bool| {
            Error::NameTaken { object: object.to_owned(), manager: manager.to_owned(), serves }.to_string()
        };
        let said = |object: &str, manager: &str| taken(object, manager, false);
        for kind in [
            "ServiceAccount",
            "PersistentVolumeClaim",
            "NetworkPolicy",
            "Role",
            "RoleBinding",
            "AuthorizationPolicy",
            "ExternalSecret",
            "ServiceMonitor",
        ] {
            let message = said(&format!("{kind} shop/web"), "helm");
            let remedy = "leave it out of spec.release, and it stays as it is; or consent by the label teal.dev/rollout";
            assert!(message.contains(remedy) && !message.contains("remove"), "{message}");
            let message = said(&format!("{kind} shop/web"), "Rollout other");
            assert!(message.contains("of both") && !message.contains("consent"), "{message}");
        }
        let service = said("Service shop/web", "helm");
        assert!(
            service.contains("(written by helm): consent by the label") && !service.contains("remove"),
            "{service}"
        );
        for manager in ["helm", "Rollout other"] {
            let live = taken("Deployment shop/web-blue", manager, true);
            let remedy =
                "it may be what serves, so consent by the label teal.dev/rollout with this Rollout's name";
            assert!(live.contains(remedy) && !live.contains("remove"), "{live}");
        }
    }

    #[test]
    fn the_field_by_which_a_taken_name_is_changed_is_named() {
        let (release, other) = ("change metadata.name in spec.release", "rename or remove the other");
        let both = format!("{release}, or {other}");
        let consent = "consent by the label teal.dev/rollout with this Rollout's name on it";
        let service = format!("{consent}, or {release}, and in spec.traffic.services where that names it");
        let candidate = format!("rename Service web in spec.traffic.services and spec.release, or {other}");
        let live = format!("it may be what serves, so {consent}, or {release}");
        let object = "Deployment shop/web-green".to_owned();
        let others = Error::NameTaken { object, manager: "Rollout other".into(), serves: false }.to_string();
        assert!(
            others.ends_with(&format!("so {release}; or, where that Rollout is no more, {consent}")),
            "{others}"
        );
        for (object, serves, remedy) in [
            ("Deployment shop/web-green", false, &*both),
            ("ConfigMap shop/web-green", false, &*both),
            ("Deployment shop/web-blue", true, &*live),
            ("Service shop/web", false, &*service),
            ("Service shop/admin-green", false, &*service),
            ("Service shop/web-candidate", false, &*candidate),
            ("ControllerRevision shop/web-r2-0b1c2d3e", false, other),
            ("DestinationRule shop/web-candidate", false, other),
        ] {
            let manager = "helm".to_owned();
            let error = Error::NameTaken { object: object.to_owned(), manager, serves };
            let said = format!("{object} exists and is not this Rollout's (written by helm): {remedy}");
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn what_the_chart_keeps_back_is_allowed_by_a_value_of_it() {
        let denied = |kind: &str| {
            let status = kube::core::Status::failure("is forbidden", "Forbidden").with_code(403);
            let source = Box::new(kube::Error::Api(Box::new(status)));
            Error::Request { verb: "apply", kind: kind.to_owned(), name: "shop/web".into(), source }
        };
        for (kind, value) in [
            ("RoleBinding", "roles"),
            ("AuthorizationPolicy", "authorizationPolicies"),
            ("ExternalSecret", "externalSecrets"),
            ("PodMonitor", "monitors"),
            ("ScaledObject", "scaledObjects"),
        ] {
            let error = denied(kind);
            assert_eq!(error.class(), Class::Denied);
            let grant = error.grant();
            assert!(grant.contains(&format!("rbac.write.{value}=true")) && grant.contains(kind), "{grant}");
        }
        assert_eq!(denied("ConfigMap").grant(), "grant it to the operator's account");
    }
}
