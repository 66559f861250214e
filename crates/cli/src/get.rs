//! `get`: the list.

use kube::Resource;

use crate::arguments::{Get, Output};
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::find;
use crate::render;
use crate::terminal::Terminal;

/// Prints the list.
pub async fn get(wanted: &Get, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Exit, CliError> {
    let mut rollouts = Vec::new();
    for name in &wanted.names {
        rollouts.push(find::rollout(cluster, name).await?);
    }
    if wanted.names.is_empty() {
        for found in find::rollouts(cluster, wanted.all_namespaces, wanted.selector.as_deref()).await? {
            match found {
                Ok(rollout) => rollouts.push(rollout),
                Err(error) => writeln!(terminal.err, "{error}")?,
            }
        }
        rollouts.sort_by(|left, right| {
            let key =
                |rollout: &teal_api::Rollout| (rollout.meta().namespace.clone(), rollout.meta().name.clone());
            key(left).cmp(&key(right))
        });
    }
    if rollouts.is_empty() {
        let place = if wanted.all_namespaces {
            "any namespace".to_owned()
        } else {
            format!("namespace {}", cluster.namespace)
        };
        writeln!(terminal.err, "No Rollouts found in {place}.")?;
        return Ok(Exit::Done);
    }
    let wide = wanted.output == Some(Output::Wide);
    let list = render::list(&rollouts, wanted.all_namespaces, wide, &terminal.clock(), terminal.paint);
    write!(terminal.out, "{list}")?;
    Ok(Exit::Done)
}
