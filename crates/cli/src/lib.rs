//! `kubectl-teal`: see rollouts, decide about them and go back, from a terminal.
//!
//! - [`arguments`]: the command line; [`connect`]: from kubeconfig to a client.
//! - [`get`], [`status`], [`explain`], [`debug`]: what is shown. [`decide`]: what changes something, by a Decision; but for [`undo`], which
//!   writes what is wanted. [`gitops`]: who would write it back. [`adopt`]: what runs without Teal, as a Rollout.
//! - [`standing`], [`outcome`], [`foresee`], [`render`]: pure; they decide what is said and how it looks.

pub mod adopt;
pub mod arguments;
pub mod connect;
pub mod debug;
pub mod decide;
pub mod error;
pub mod exit;
pub mod explain;
pub mod find;
pub mod foresee;
pub mod get;
pub mod gitops;
pub mod outcome;
pub mod render;
pub mod standing;
pub mod status;
pub mod terminal;
pub mod undo;
pub mod wait;
pub mod whoami;

use arguments::Command;
use connect::Cluster;
use error::CliError;
use exit::Exit;
use terminal::Terminal;

/// Does what the command line asks for.
pub async fn run(
    command: &Command,
    cluster: &Cluster,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, CliError> {
    match command {
        Command::Get(wanted) => get::get(wanted, cluster, terminal).await,
        Command::Status(wanted) => status::status(wanted, cluster, terminal).await,
        Command::Explain(wanted) => explain::explain(wanted, cluster, terminal).await,
        Command::Debug(wanted) => debug::debug(wanted, cluster, terminal).await,
        Command::Adopt(wanted) => adopt::adopt(wanted, cluster, terminal).await,
        Command::Undo(wanted) => undo::undo(wanted, cluster, terminal).await,
        Command::Decide(verb) => decide::decide(&verb.wish(), cluster, terminal).await,
    }
}
