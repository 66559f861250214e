//! What can go wrong, in sentences that say what to do, and the exit code of each.

use std::time::Duration;

use teal_api::names;
use teal_api::verbs::VerbError;

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// There is no usable kubeconfig.
    #[error("no way to reach a cluster: {source}; give --kubeconfig or --context, or set KUBECONFIG")]
    Config {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No client could be made of it.
    #[error("the kubeconfig can't be used: {source}")]
    Client {
        /// What is wrong with it.
        source: Box<kube::Error>,
    },
    /// The server gave no answer.
    #[error("{doing}: the API server did not answer within {after:?}: see --request-timeout")]
    Silent {
        /// What was tried.
        doing: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server could not be asked, or said no in a way that has no words of its own here.
    #[error("{doing}: {}", words(source))]
    Request {
        /// What was tried.
        doing: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// The server refuses this user.
    #[error("{doing}: not allowed: {message}{remedy}")]
    Forbidden {
        /// What was tried.
        doing: String,
        /// What the server or a policy said.
        message: String,
        /// What to do, if it is known.
        remedy: &'static str,
    },
    /// An object of a form that is not known here.
    #[error(
        "{what} can't be read: {source}: correct the field, or use the kubectl-teal of the operator's version"
    )]
    Unreadable {
        /// Kind, namespace and name.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Teal is not installed.
    #[error(
        "this cluster has no {}: install Teal's chart, or look at another cluster with --context",
        names::ROLLOUTS
    )]
    NotInstalled,
    /// There is no such Rollout.
    #[error("there is no Rollout {name} in namespace {namespace}; {hint}")]
    NoRollout {
        /// Namespace that was looked in.
        namespace: String,
        /// Name that was looked for.
        name: String,
        /// What there is.
        hint: String,
    },
    /// It has no such release at the moment.
    #[error("{rollout} has no {wanted} now: {there}")]
    NoRelease {
        /// Namespace and name.
        rollout: String,
        /// What was asked for.
        wanted: &'static str,
        /// What there is.
        there: String,
    },
    /// The state doesn't allow the verb.
    #[error("{source}. What happens next: kubectl teal explain {name} -n {namespace}")]
    NotNow {
        /// Why.
        source: Box<VerbError>,
        /// Namespace of the Rollout.
        namespace: String,
        /// Name of the Rollout.
        name: String,
    },
    /// Nothing is written for the Rollout, and so no Decision is answered.
    #[error(
        "{namespace}/{name}: spec.mode is HandsOff: no decision is taken. Set it to Active first (kubectl teal explain \
         {name} -n {namespace} says how), or go back by plain kubectl as docs/runbook/teal-is-down.md says"
    )]
    HandsOff {
        /// Namespace of the Rollout.
        namespace: String,
        /// Name of the Rollout.
        name: String,
    },
    /// What was meant is not what is open now.
    #[error("{rollout}: stale: you mean {meant}, but {open}")]
    Stale {
        /// Namespace and name.
        rollout: String,
        /// What the flags say.
        meant: String,
        /// What is the case now.
        open: String,
    },
    /// The newest spec has no revision yet, and so what was meant can't be told from what would be done.
    #[error(
        "{namespace}/{name}: the operator has not seen the newest spec yet, so it is not sure what is meant: now {live} would be \
         taken back, and {previous} serve again. If that is meant: kubectl teal rollback {name} -n {namespace} --revision \
         {live}. If the newest spec is: wait until kubectl teal status {name} -n {namespace} shows its revision, or set \
         spec.release back to {live}'s content"
    )]
    Unsure {
        /// Namespace of the Rollout.
        namespace: String,
        /// Name of the Rollout.
        name: String,
        /// The revision that serves, and would be taken back.
        live: String,
        /// The revision that would serve instead.
        previous: String,
    },
    /// The person said no to the question whether they mean it.
    #[error("nothing was done")]
    Declined,
    /// What is wanted again is not kept.
    #[error(
        "{rollout}: the content of {revision} is not kept: {here}. What each was: kubectl get controllerrevisions -l {}={} -o yaml; \
         older ones come back from Git",
        names::label::ROLLOUT,
        rollout.split('/').next_back().unwrap_or_default()
    )]
    NotKept {
        /// Namespace and name.
        rollout: String,
        /// What is wanted.
        revision: String,
        /// What there is.
        here: String,
    },
    /// What is kept can't be used.
    #[error("ControllerRevision {object} {problem}")]
    Unusable {
        /// Its name.
        object: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The spec has it already.
    #[error(
        "{namespace}/{name}: spec.release is that of {revision} already. To try it again after it was sent back: kubectl teal retry \
         {name} -n {namespace}. What happens next: kubectl teal explain {name} -n {namespace}"
    )]
    AskedAlready {
        /// Namespace of the Rollout.
        namespace: String,
        /// Name of the Rollout.
        name: String,
        /// What is wanted.
        revision: String,
    },
    /// A tool would take it back, and nobody said that it is meant all the same.
    #[error(
        "{rollout}: nothing was written, because {owner} would write it back: hold that first and add --yes, or change spec.release \
         where it comes from (--dry-run prints what to write)"
    )]
    WrittenBack {
        /// Namespace and name.
        rollout: String,
        /// What.
        owner: String,
    },
    /// What runs can't be adopted as it is.
    #[error("{rollout}: nothing was written, and this is in the way:\n- {problems}")]
    InTheWay {
        /// Namespace and name of the Rollout to be.
        rollout: String,
        /// A line for each: object, field, remedy.
        problems: String,
    },
    /// No workload is behind the Services.
    #[error(
        "{rollout}: Service {services} leads to pods of no Deployment or StatefulSet that isn't Teal's: name the Service by --service, or \
         the workload by --workload"
    )]
    NothingToAdopt {
        /// Namespace and name of the Rollout to be.
        rollout: String,
        /// The Services.
        services: String,
    },
    /// The Rollout is there.
    #[error(
        "there is a Rollout {rollout} already: give another name, or look at it with kubectl teal status"
    )]
    AdoptedAlready {
        /// Namespace and name.
        rollout: String,
    },
    /// Somebody else wrote the Rollout since it was looked at.
    #[error("{rollout} was changed meanwhile, and nothing was written: look at it and try again")]
    ChangedMeanwhile {
        /// Namespace and name.
        rollout: String,
    },
    /// The operator has not answered.
    #[error(
        "Decision {decision} is made, but the operator has not answered within {after:?}: see whether it runs, then \
         look at kubectl get {} {decision} -n {namespace}",
        names::DECISIONS
    )]
    Unanswered {
        /// Its name.
        decision: String,
        /// Its namespace.
        namespace: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The outcome is not known in time.
    #[error("{rollout}: the outcome is not known within {after:?}: it {state}")]
    NotInTime {
        /// Namespace and name.
        rollout: String,
        /// How long it was waited for.
        after: Duration,
        /// What it does.
        state: String,
    },
    /// What was waited for was deleted.
    #[error("{what} was deleted while it was waited for")]
    Deleted {
        /// Kind and name.
        what: String,
    },
    /// The terminal can't be written to or read from.
    #[error("the terminal can't be used: {0}")]
    Terminal(#[from] std::io::Error),
}

impl CliError {
    /// The exit code.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NotNow { .. }
            | Self::HandsOff { .. }
            | Self::Stale { .. }
            | Self::Unsure { .. }
            | Self::AskedAlready { .. }
            | Self::WrittenBack { .. }
            | Self::ChangedMeanwhile { .. }
            | Self::Declined => Exit::NotTaken,
            Self::Unanswered { .. } | Self::NotInTime { .. } => Exit::TimedOut,
            Self::Config { .. }
            | Self::Client { .. }
            | Self::Silent { .. }
            | Self::Request { .. }
            | Self::Forbidden { .. }
            | Self::Unreadable { .. }
            | Self::NotInstalled
            | Self::NoRollout { .. }
            | Self::NoRelease { .. }
            | Self::NotKept { .. }
            | Self::InTheWay { .. }
            | Self::NothingToAdopt { .. }
            | Self::AdoptedAlready { .. }
            | Self::Unusable { .. }
            | Self::Deleted { .. }
            | Self::Terminal(_) => Exit::Failed,
        }
    }

    /// The error for an answer of the server to a request about Teal's kinds.
    pub fn of_request(doing: impl Into<String>, source: kube::Error) -> Self {
        let doing = doing.into();
        match &source {
            kube::Error::Api(status) if status.code == 404 && !names_an_object(status) => Self::NotInstalled,
            kube::Error::Api(status) if denied(status) => Self::forbidden(doing, status),
            _ => Self::Request { doing, source: Box::new(source) },
        }
    }

    fn forbidden(doing: String, status: &kube::core::Status) -> Self {
        const DENIED: &str = " denied request: ";
        // What stands before is the name of the policy and of its binding, which is nothing to a person.
        if let Some((_, message)) = status.message.split_once(DENIED) {
            return Self::Forbidden { doing, message: message.to_owned(), remedy: "" };
        }
        let remedy = if status.message.contains("because it is being terminated") {
            // No role helps: nobody can make anything in this namespace any more.
            ""
        } else if status.message.contains("cannot create") {
            "; ask for a role with create on decisions.teal.dev and the decision's verb on rollouts/decision"
        } else {
            "; ask for a role that may do so"
        };
        Self::Forbidden { doing, message: status.message.clone(), remedy }
    }
}

/// Whether a 404 is about an object that is missing, and not about a kind that is.
fn names_an_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

/// Policies without a reason of their own answer 422.
fn denied(status: &kube::core::Status) -> bool {
    status.code == 403 || (status.code == 422 && status.message.contains("ValidatingAdmissionPolicy"))
}

/// What the server said, else the error with the causes that it doesn't name itself.
fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let unreachable = matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_));
    let mut text = if unreachable { "the API server can't be reached".to_owned() } else { error.to_string() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
