//! The main job before one's eyes: a good version is shipped, a bad one is sent back, and users notice nothing.

mod acts;
mod arguments;
mod held;
mod screen;
mod stage;
mod summary;
mod theirs;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use teal_testbed::{Cluster, Config, Enter, enter_with};

pub use arguments::Arguments;
pub use summary::Summary;

use crate::error::{Error, Result};
use crate::world::{World, bed_config, images};
use screen::Screen;
use stage::Stage;

/// Set by the bed in every process but the first.
const IN_BED: &str = "TEAL_BED_ROLE";

/// Runs the demo as its command line says. To be called first thing in `main`.
pub fn main(arguments: &Arguments) -> ExitCode {
    let screen = Arc::new(Screen::new(arguments.json));
    let played = prepare(arguments).and_then(|()| {
        let runtime = tokio::runtime::Runtime::new();
        let runtime = runtime.map_err(|source| Error::Local { action: "start the runtime", source })?;
        runtime.block_on(play(arguments, &screen))
    });
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            screen.note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Outside: builds the images and enters a bed. Returns where the demo is to run.
fn prepare(arguments: &Arguments) -> Result<()> {
    // Once: the bed's own processes have another input than the person's.
    let first = std::env::var_os(IN_BED).is_none();
    if first {
        arguments.check()?;
    }
    if arguments.kubeconfig.is_some() {
        return Ok(());
    }
    if first {
        images::build(&images::PROGRAMS)?;
    }
    let parts = Config::default().parts();
    Ok(enter_with(&Enter { parts, reachable_from_outside: arguments.keep })?)
}

async fn play(arguments: &Arguments, screen: &Arc<Screen>) -> Result<bool> {
    let world = world(arguments, screen).await?;
    let played = tokio::select! {
        played = perform(&world, arguments, screen) => played,
        _ = tokio::signal::ctrl_c() => Err(Error::Unmet("interrupted".into())),
    };
    if let Ok(summary) = &played {
        screen.summary(summary);
    }
    let ended = end(world, arguments.keep, played.is_ok(), screen).await;
    if let (Err(_), Err(error)) = (&played, &ended) {
        // The first error is what the demo ends with; what stays behind is to be known all the same.
        screen.note(&format!("{error}"));
    }
    let summary = played?;
    ended.map(|()| summary.unmet.is_empty())
}

/// Ends a cluster that was started here, once nobody wants it any more; of another takes away what was made there, however
/// that ended.
async fn end(world: World, keep: bool, played: bool, screen: &Screen) -> Result<()> {
    if world.bed().is_none() {
        return theirs::leave(&world, keep, screen).await;
    }
    if !played {
        // Whoever interrupts doesn't wait: it goes with this process.
        return Ok(());
    }
    if keep {
        addresses(&world, screen);
        let interrupted = tokio::signal::ctrl_c().await;
        interrupted.map_err(|source| Error::Local { action: "wait for Ctrl-C", source })?;
    }
    world.stop().await
}

async fn world(arguments: &Arguments, screen: &Screen) -> Result<World> {
    if let Some(kubeconfig) = &arguments.kubeconfig {
        let cluster = Cluster::existing(kubeconfig, arguments.gateway.clone(), arguments.prometheus.clone());
        let world = World::existing(cluster).await?;
        theirs::vacant(&world).await?;
        return Ok(world);
    }
    screen.note("starting a cluster with Istio …");
    // The history of every object is what the invariants are checked on.
    let world = World::start(Config { history: true, ..bed_config() }).await?;
    let usable = world.bed().and_then(|bed| bed.timings().last().cloned());
    if let Some((_, after)) = usable {
        screen.note(&format!("the cluster is usable after {:.1} s", after.as_secs_f64()));
    }
    Ok(world)
}

async fn perform(world: &World, arguments: &Arguments, screen: &Arc<Screen>) -> Result<Summary> {
    let stage = Stage::set(world, arguments, screen).await?;
    let mut summary = Summary::default();
    let played = acts::all(&stage, &mut summary).await;
    if let Err(error) = &played {
        summary.unmet.push(error.to_string());
        screen.note(&format!("the operator's last words:\n{}", world.operator_log(30).await));
    }
    stage.strike(&mut summary).await?;
    let envoy_can_be_asked = world.cluster.envoy_admin.is_some();
    if !envoy_can_be_asked {
        summary.not_checked.push("the share by Envoy's own counters: its admin page can't be read".into());
    }
    summary.judge(envoy_can_be_asked);
    held::hold(world, &mut summary, screen).await;
    Ok(summary)
}

fn addresses(world: &World, screen: &Screen) {
    let Some(bed) = world.bed() else { return };
    let address = |name| bed.address_outside(name).map(|address| (name, address));
    let addresses: Vec<_> = ["gateway", "prometheus"].into_iter().filter_map(address).collect();
    kept(&bed.kubeconfig_outside(), &addresses).iter().for_each(|line| screen.note(line));
}

/// How a cluster that stays is reached.
fn kept(kubeconfig: &Path, addresses: &[(&str, String)]) -> Vec<String> {
    let mut lines = vec![
        "the cluster stays up until Ctrl-C:".to_owned(),
        format!("  export KUBECONFIG={}", kubeconfig.display()),
    ];
    lines.extend(addresses.iter().map(|(name, address)| format!("  {name}: http://{address}")));
    let gateway = addresses.iter().find(|(name, _)| *name == "gateway");
    lines.extend(
        gateway
            .map(|(_, address)| format!("  the application: curl -H 'Host: shop.example' http://{address}")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_kept_is_told_with_its_kubeconfig_and_addresses() {
        let addresses =
            [("gateway", "127.0.0.1:40001".to_owned()), ("prometheus", "127.0.0.1:40002".to_owned())];
        let told = [
            "the cluster stays up until Ctrl-C:",
            "  export KUBECONFIG=/run/bed/outside.yaml",
            "  gateway: http://127.0.0.1:40001",
            "  prometheus: http://127.0.0.1:40002",
            "  the application: curl -H 'Host: shop.example' http://127.0.0.1:40001",
        ];
        assert_eq!(kept(Path::new("/run/bed/outside.yaml"), &addresses), told);
    }

    #[test]
    fn what_has_no_address_outside_is_not_told() {
        assert_eq!(kept(Path::new("/k"), &[]).len(), 2);
    }
}
