//! What process 1 makes ready inside the fresh namespaces.

use std::fs;
use std::process::Command;

use crate::error::{At, Result};
use crate::parts::run;

/// The address of the only node, of the API server and of the gateway.
pub const NODE_ADDRESS: &str = "10.0.0.1";

/// Where cluster DNS answers.
pub(crate) const DNS_SERVICE: &str = "10.96.0.10";

/// Gives the namespaces an address, a route, and private copies of the folders that
/// container programs write to.
pub(crate) fn prepare() -> Result<()> {
    let address = format!("{NODE_ADDRESS}/32");
    ip(&["link", "set", "lo", "up"])?;
    ip(&["address", "add", &address, "dev", "lo"])?;
    // Nothing leaves: packets for anywhere else end at the loopback device. The route must
    // be there, or addresses of Services are refused before kube-proxy's rules see them.
    ip(&["route", "add", "default", "dev", "lo", "src", NODE_ADDRESS])?;
    write("/proc/sys/net/ipv4/ip_forward", "1")?;
    // Many clients on one machine open and close many connections.
    write("/proc/sys/net/ipv4/ip_local_port_range", "10240 65535")?;
    // What listens later must not find its port taken by somebody's call: kubelet, controllers and kube-proxy, and istiod.
    write("/proc/sys/net/ipv4/ip_local_reserved_ports", "10240-10300,15000-15100")?;
    write("/proc/sys/net/core/somaxconn", "16384")?;
    for folder in ["/run", "/var/lib/cni"] {
        fs::create_dir_all(folder).at("make", folder)?;
        tmpfs(folder)?;
    }
    names()
}

/// Mounts an empty file system in memory.
pub(crate) fn tmpfs(folder: &str) -> Result<()> {
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", folder])).map(drop)
}

/// Programs inside resolve the cluster's names, as pods do.
fn names() -> Result<()> {
    let ours = "/run/resolv.conf";
    write(
        ours,
        &format!("nameserver {DNS_SERVICE}\nsearch svc.cluster.local cluster.local\noptions ndots:2\n"),
    )?;
    let target = fs::canonicalize("/etc/resolv.conf").unwrap_or_else(|_| "/etc/resolv.conf".into());
    if target.exists() {
        run(Command::new("mount").args(["--bind", ours]).arg(target))?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments)).map(drop)
}

fn write(path: &str, value: &str) -> Result<()> {
    fs::write(path, value).at("write", path)
}
