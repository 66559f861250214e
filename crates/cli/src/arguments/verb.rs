//! The decisions on the command line.

use std::time::Duration;

use clap::{Args, Subcommand};
use teal_api::names::limit;

use super::{duration_of, rollout_name};
use crate::exit;

/// The decisions.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Say yes to the question that a step asks
    #[command(after_help = exit::HELP)]
    Approve(Answer),
    /// Say no to it: traffic goes back to the live color
    #[command(after_help = exit::HELP)]
    Reject(Reject),
    /// Send all traffic back to the color that served before, at any moment until it is removed
    #[command(after_help = exit::HELP)]
    Rollback(OfRevision),
    /// Try again a revision that was taken back
    #[command(after_help = exit::HELP)]
    Retry(OfRevision),
    /// Let nothing move forward; guards and going back still work, and a kept release still goes in its time
    #[command(after_help = exit::HELP)]
    Pause(Plain),
    /// Let things move forward again
    #[command(after_help = exit::HELP)]
    Resume(Plain),
    /// Leave the step without waiting for its gates
    #[command(after_help = exit::HELP)]
    Skip(Skip),
    /// Remove the color that no longer serves now, before its time is over
    #[command(after_help = exit::HELP)]
    Retire(Retire),
}

/// What all decisions have.
#[derive(Args, Clone, Debug)]
pub struct Plain {
    /// The rollout
    #[arg(value_name = "NAME", value_parser = rollout_name)]
    pub name: String,
    /// Why; kept in the history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// How long to wait for the operator's answer; 0s: not at all
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration_of)]
    pub timeout: Duration,
}

/// `approve`.
#[derive(Args, Clone, Debug)]
pub struct Answer {
    #[command(flatten)]
    plain: Plain,
    #[command(flatten)]
    question: Question,
    /// Don't ask on a terminal whether this is meant
    #[arg(short, long)]
    yes: bool,
}

/// `reject`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("reason", |reason| reason.required(true)))]
pub struct Reject {
    #[command(flatten)]
    plain: Plain,
    #[command(flatten)]
    question: Question,
}

/// `rollback` and `retry`.
#[derive(Args, Clone, Debug)]
pub struct OfRevision {
    #[command(flatten)]
    plain: Plain,
    /// The revision that is meant; refused if it is not the one at hand. Left out: the one that status shows
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
}

/// `skip`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("reason", |reason| reason.required(true)))]
pub struct Skip {
    #[command(flatten)]
    of: OfRevision,
    /// The step that is meant; refused if the rollout is at another one
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Don't ask on a terminal whether this is meant
    #[arg(short, long)]
    yes: bool,
}

/// `retire`.
#[derive(Args, Clone, Debug)]
pub struct Retire {
    #[command(flatten)]
    of: OfRevision,
    /// Don't ask on a terminal whether this is meant
    #[arg(short, long)]
    yes: bool,
}

/// Which question is answered. What is left out is copied from the open one; what is given must match it.
#[derive(Args, Clone, Debug, Default)]
struct Question {
    /// The revision that is meant; refused if another one is being tried
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// The step that is meant; refused if another one asks
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// The question that is meant: status.gate.nonce; refused if another one is open
    #[arg(long, value_name = "NONCE")]
    nonce: Option<String>,
}

/// A decision as it was asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is to be done.
    pub action: teal_api::Action,
    /// To which Rollout.
    pub name: String,
    /// The revision that is meant.
    pub revision: Option<String>,
    /// The step that is meant.
    pub step: Option<String>,
    /// The question that is meant.
    pub nonce: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether to ask on a terminal before it is done.
    pub confirm: bool,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

impl Wish {
    fn new(action: teal_api::Action, plain: &Plain) -> Self {
        Self {
            action,
            name: plain.name.clone(),
            revision: None,
            step: None,
            nonce: None,
            reason: plain.reason.clone(),
            confirm: false,
            timeout: plain.timeout,
        }
    }

    fn of_revision(action: teal_api::Action, of: &OfRevision) -> Self {
        Self { revision: of.revision.clone(), ..Self::new(action, &of.plain) }
    }

    fn of_question(action: teal_api::Action, plain: &Plain, question: &Question) -> Self {
        let Question { revision, step, nonce } = question.clone();
        Self { revision, step, nonce, ..Self::new(action, plain) }
    }
}

impl Verb {
    /// The decision that is asked for.
    pub fn wish(&self) -> Wish {
        use teal_api::Action;
        match self {
            Self::Approve(answer) => Wish {
                confirm: !answer.yes,
                ..Wish::of_question(Action::Approve, &answer.plain, &answer.question)
            },
            Self::Reject(answer) => Wish::of_question(Action::Reject, &answer.plain, &answer.question),
            Self::Rollback(of) => Wish::of_revision(Action::Rollback, of),
            Self::Retry(of) => Wish::of_revision(Action::Retry, of),
            Self::Pause(plain) => Wish::new(Action::Pause, plain),
            Self::Resume(plain) => Wish::new(Action::Resume, plain),
            Self::Skip(skip) => Wish {
                step: skip.step.clone(),
                confirm: !skip.yes,
                ..Wish::of_revision(Action::Skip, &skip.of)
            },
            Self::Retire(retire) => {
                Wish { confirm: !retire.yes, ..Wish::of_revision(Action::Retire, &retire.of) }
            }
        }
    }
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say why: others will ask".to_owned());
    }
    let longest = limit::REASON as usize;
    if text.chars().count() > longest {
        return Err(format!("a reason may have {longest} characters: shorten it"));
    }
    Ok(text.to_owned())
}
