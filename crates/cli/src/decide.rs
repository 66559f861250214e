//! A decision of a person: bound to what is the case, shown, made, and followed until its outcome is known.

use kube::api::PostParams;
use kube::{Api, ResourceExt};
use teal_api::rollout::Mode;
use teal_api::verbs::{self, Person};
use teal_api::{Action, Decision, DecisionSpec, Rollout, names};

use crate::arguments::Wish;
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::outcome::{Outcome, outcome};
use crate::render;
use crate::standing::{full_name, is_late};
use crate::terminal::Terminal;
use crate::wait::{Waited, wait};
use crate::{find, whoami};

/// Does what is wished.
pub async fn decide(wish: &Wish, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Exit, CliError> {
    let (rollout, user) = futures::try_join!(find::rollout(cluster, &wish.name), whoami::user(cluster))?;
    let decision = bind(wish, &rollout, user)?;
    let about = render::subject(&rollout, &decision.spec);
    announce(wish, &rollout, &about, terminal)?;
    let name = create(&decision, &about, cluster, terminal).await?;
    if wish.timeout.is_zero() {
        writeln!(terminal.out, "Decision {name} is made.")?;
        return Ok(Exit::Done);
    }
    // Known before the wait: whoever gives it up must be able to find what they made.
    writeln!(terminal.err, "Decision {name} is made; waiting for the operator's answer …")?;
    let outcome = followed(&name, wish, cluster).await?;
    writeln!(terminal.out, "{}", render::outcome(wish.action, &about, &outcome))?;
    Ok(if outcome.taken { Exit::Done } else { Exit::NotTaken })
}

/// The Decision for what is the case, refused where something else was meant.
pub fn bind(wish: &Wish, rollout: &Rollout, user: String) -> Result<Decision, CliError> {
    if rollout.spec.mode == Some(Mode::HandsOff) {
        // It would lie there unanswered, and be taken, perhaps much later, once hands are on again.
        return Err(CliError::HandsOff {
            namespace: rollout.namespace().unwrap_or_default(),
            name: rollout.name_any(),
        });
    }
    let person = Person { user, group: None, reason: wish.reason.clone(), via: Some("cli".to_owned()) };
    match verbs::decision(wish.action, rollout, &person) {
        Ok(decision) if is_unsure(wish, rollout, &decision.spec) => Err(unsure(rollout)),
        Ok(decision) if matches(wish, &decision.spec) => Ok(decision),
        Ok(decision) => Err(stale(wish, rollout, &render::now_open(&decision.spec))),
        Err(_) if says_what_is_meant(wish) => Err(stale(wish, rollout, &render::state(rollout))),
        Err(source) => Err(CliError::NotNow {
            source: Box::new(source),
            namespace: rollout.namespace().unwrap_or_default(),
            name: rollout.name_any(),
        }),
    }
}

fn matches(wish: &Wish, spec: &DecisionSpec) -> bool {
    let same = |meant: &Option<String>, now: &Option<String>| meant.is_none() || meant == now;
    same(&wish.revision, &spec.revision) && same(&wish.step, &spec.step) && same(&wish.nonce, &spec.nonce)
}

/// Whoever goes back right after an apply means what was applied; live would be taken back for it while the operator has yet
/// to see that. A candidate under way loses its traffic either way, so nothing is asked there.
fn is_unsure(wish: &Wish, rollout: &Rollout, spec: &DecisionSpec) -> bool {
    let live = rollout.status.as_ref().and_then(|status| status.live.as_ref()).map(|live| &live.revision);
    wish.action == Action::Rollback
        && wish.revision.is_none()
        && is_late(rollout)
        && spec.revision.as_ref() == live
}

fn unsure(rollout: &Rollout) -> CliError {
    let status = rollout.status.clone().unwrap_or_default();
    CliError::Unsure {
        namespace: rollout.namespace().unwrap_or_default(),
        name: rollout.name_any(),
        live: status.live.map(|live| live.revision).unwrap_or_default(),
        previous: status.previous.map(|previous| previous.revision).unwrap_or_default(),
    }
}

const fn says_what_is_meant(wish: &Wish) -> bool {
    wish.revision.is_some() || wish.step.is_some() || wish.nonce.is_some()
}

fn stale(wish: &Wish, rollout: &Rollout, open: &str) -> CliError {
    let parts = [("revision", &wish.revision), ("step", &wish.step), ("nonce", &wish.nonce)];
    let meant = parts.iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?)));
    CliError::Stale {
        rollout: full_name(rollout),
        meant: meant.collect::<Vec<String>>().join(", "),
        open: open.to_owned(),
    }
}

/// Shows what is about to be done, and asks where that is wanted and somebody is there.
fn announce(
    wish: &Wish,
    rollout: &Rollout,
    about: &str,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    if wish.action == Action::Approve {
        let question = render::question(rollout, &terminal.clock(), terminal.paint);
        writeln!(terminal.out, "{question}")?;
    } else {
        writeln!(terminal.out, "{} {about} …", render::doing(wish.action))?;
    }
    if wish.confirm && terminal.confirm(render::sure(wish.action))? == Some(false) {
        return Err(CliError::Declined);
    }
    Ok(())
}

/// Creates it and gives its name. One that is there already is this person's own: names are made of question and person. Where
/// the operator refused it, it is decided anew.
async fn create(
    decision: &Decision,
    about: &str,
    cluster: &Cluster,
    terminal: &mut Terminal<'_>,
) -> Result<String, CliError> {
    let doing = format!("{} {about}", render::doing(decision.spec.action));
    let mut name = decision.name_any();
    for time in 1..=TIMES {
        let decision = verbs::again(decision, time);
        if let Some(made) = made(&decision, &doing, cluster).await? {
            return Ok(made);
        }
        name = decision.name_any();
        if !was_refused(&name, cluster).await? {
            break;
        }
    }
    writeln!(terminal.err, "You have decided this already, as Decision {name}; this is what became of it.")?;
    Ok(name)
}

/// How often the same may be decided where each was refused.
const TIMES: u32 = 9;

/// The name of the Decision; nothing where one of this name is there.
async fn made(decision: &Decision, doing: &str, cluster: &Cluster) -> Result<Option<String>, CliError> {
    let params =
        PostParams { field_manager: Some(names::manager::PERSON.to_owned()), ..PostParams::default() };
    match cluster.answer(doing, decisions(cluster).create(&params, decision)).await? {
        Ok(made) => Ok(Some(made.name_any())),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(None),
        Err(error) => Err(CliError::of_request(doing, error)),
    }
}

/// Whether it counts for nothing. Who may not look at it is told so when its outcome is waited for.
async fn was_refused(name: &str, cluster: &Cluster) -> Result<bool, CliError> {
    let doing = format!("reading Decision {name}");
    let earlier = cluster.answer(&doing, decisions(cluster).get(name)).await?;
    Ok(earlier.ok().as_ref().and_then(outcome).is_some_and(|outcome| outcome.is_refused()))
}

fn decisions(cluster: &Cluster) -> Api<Decision> {
    Api::namespaced(cluster.client.clone(), &cluster.namespace)
}

async fn followed(name: &str, wish: &Wish, cluster: &Cluster) -> Result<Outcome, CliError> {
    let waited = wait(cluster, name, wish.timeout, |decision: &Decision| Ok(outcome(decision))).await;
    match waited.map_err(|error| unseen(name, error))? {
        Waited::Found(outcome) => Ok(outcome),
        Waited::TimedOut => Err(CliError::Unanswered {
            decision: name.to_owned(),
            namespace: cluster.namespace.clone(),
            after: wish.timeout,
        }),
    }
}

/// That it is made must not get lost where its outcome can't be read.
fn unseen(name: &str, error: CliError) -> CliError {
    match error {
        CliError::Forbidden { message, remedy, .. } => CliError::Forbidden {
            doing: format!("Decision {name} is made, but its outcome can't be seen"),
            message,
            remedy,
        },
        other => other,
    }
}
