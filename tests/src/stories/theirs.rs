//! A bed as somebody else's cluster.

use tokio::process::Command;

use crate::error::{Error, Result, expect};
use crate::history::NOT_CHECKED;
use crate::world::World;

/// This program tells `install` once more, with nothing of the bed but what its options say: kubeconfig, gateway, Prometheus.
pub(super) async fn told_by_options(world: &World, namespace: &str) -> Result<()> {
    let cluster = &world.cluster;
    let itself = std::env::current_exe();
    let itself = itself.map_err(|source| Error::Local { action: "find this program", source })?;
    let mut again = Command::new(itself);
    again.args(["--only", "install", "--namespace", namespace, "--kubeconfig"]).arg(&cluster.kubeconfig);
    for (option, address) in [("--gateway", &cluster.gateway), ("--prometheus", &cluster.prometheus)] {
        let address = address.as_deref().ok_or_else(|| Error::Cluster(format!("nothing for {option}")))?;
        again.args([option, address]);
    }
    let said = world.elsewhere(&mut again).await?;
    for words in ["ok      install", "1 passed, 0 failed", NOT_CHECKED] {
        expect(said.contains(words), || format!("{words:?} is not in what was told: {said}"))?;
    }
    Ok(())
}
