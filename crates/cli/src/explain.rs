//! `explain`: why a rollout waits, what happens next, and what can be done now.

use crate::arguments::Explain;
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::find;
use crate::render;
use crate::terminal::Terminal;

/// Prints the explanation.
pub async fn explain(
    wanted: &Explain,
    cluster: &Cluster,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, CliError> {
    let rollout = find::rollout(cluster, &wanted.name).await?;
    let text = render::explanation(&rollout, &terminal.clock(), terminal.paint);
    write!(terminal.out, "{text}")?;
    Ok(Exit::Done)
}
