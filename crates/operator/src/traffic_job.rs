//! `teal traffic`: one look at the weights of a VirtualService, or one guarded change of them, for pipelines that move traffic by a
//! Job. No Rollout, no operator: it asks the API server, writes once, says what was and what is, and ends.

mod access;
mod arguments;
mod error;
mod outcome;
mod set;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

pub(crate) use arguments::Traffic;
use serde_json::Value;
use teal_traffic::{Mesh, held, weights};

use access::Access;
use arguments::{Connection, Get, Set};
use error::Error;

use crate::connect;

/// Does what is asked, and says how it ended.
pub(crate) fn run(traffic: Traffic) -> ExitCode {
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { source })
        .and_then(|runtime| runtime.block_on(act(traffic)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            error.exit().into()
        }
    }
}

async fn act(traffic: Traffic) -> Result<(), Error> {
    match traffic {
        Traffic::Get(get) => {
            let access = access(&get.connection).await?;
            say(&look(&access, &get).await?);
            Ok(())
        }
        Traffic::Set(set) => {
            let access = access(&set.connection).await?;
            let mesh = Mesh { cluster_domain: set.cluster_domain.clone(), ..Mesh::default() };
            change(&access, &mesh, &set).await
        }
    }
}

async fn access(connection: &Connection) -> Result<Access, Error> {
    let mut config = connect::config(connection.server.as_deref()).await?;
    config.connect_timeout = Some(connection.request_timeout);
    let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = connect::client(config)?;
    Ok(Access::new(client, namespace, connection.virtual_service.clone(), connection.request_timeout))
}

/// What `get` says.
async fn look(access: &Access, get: &Get) -> Result<Value, Error> {
    let again = |failure: access::Failure| {
        failure.lasting(access, "get").unwrap_or_else(|said| access.silent(1, &said, false))
    };
    let object = access.read().await.map_err(again)?;
    let rollouts = access.rollouts().await.map_err(again)?;
    let routes = weights(&object, &get.routes)?;
    Ok(outcome::looked(
        access,
        &object,
        rollouts.as_deref(),
        held(&object, rollouts.as_deref()).as_ref(),
        &routes,
    ))
}

/// The line is written as soon as it is known what was done, also where it did not last.
async fn change(access: &Access, mesh: &Mesh, set: &Set) -> Result<(), Error> {
    let mut outcome = set::set(access, mesh, set).await?;
    let kept = match set.wait {
        Some(wait) => set::stay(access, mesh, set, &mut outcome, wait).await,
        None => Ok(()),
    };
    say(&outcome.line(access, set));
    kept
}

#[expect(clippy::print_stdout, reason = "the answer of the command, which its caller reads")]
fn say(line: &Value) {
    println!("{line}");
}

#[expect(
    clippy::print_stderr,
    reason = "what a person reads in the log of a Job, beside the line for programs"
)]
fn tell(what: &impl std::fmt::Display) {
    eprintln!("teal: {what}");
}
