//! The control groups of a run: named after it, and gone when it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{At, Result};
use crate::parts::run;

const ROOT: &str = "/sys/fs/cgroup";

/// What the name of every run begins with.
pub(crate) const PREFIX: &str = "teal-bed-";

/// The top folders of all hierarchies: one with cgroup v2, one per controller with v1.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.procs").exists() {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    // Names like cpu,cpuacct can be links to one hierarchy; removing twice is harmless.
    entries.filter(|path| path.join("cgroup.procs").exists()).collect()
}

/// The names of all runs that have control groups.
pub(crate) fn names() -> Vec<String> {
    let folders = hierarchies().into_iter().flat_map(|top| fs::read_dir(top).into_iter().flatten().flatten());
    let mut names: Vec<String> = folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Makes the group in all hierarchies; the kubelet wants to find it.
pub(crate) fn create(name: &str) -> std::io::Result<()> {
    for top in hierarchies() {
        let folder = top.join(name);
        fs::create_dir_all(&folder)?;
        inherit_cpuset(&top, &folder);
    }
    Ok(())
}

/// In the old cpuset controller a new group is empty, and takes no process until filled.
fn inherit_cpuset(top: &Path, folder: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read_to_string(top.join(file)) {
            fs::write(folder.join(file), value).ok();
        }
    }
}

/// Where containerd puts containers whose kubelet keeps no groups by quality of service.
const CONTAINERS: &str = "k8s.io";
/// How much of the processors what answers requests gets beside all else that is busy, where a group has 1,024 shares by itself: the
/// bed, in it the containers, of which one that asks for nothing has two, and the gateway. They need little; but if they had to wait
/// for seconds until a compiler or many commands are done, requests would be over time that nothing under test has lost.
const SHARES: [(&str, &str); 3] = [("", "16384"), ("containers", "65536"), (GATEWAY, "16384")];
/// The group of the gateway's proxy.
pub(crate) const GATEWAY: &str = "gateway";
/// The group of containerd and its shims.
pub(crate) const PARTS: &str = "parts";

/// Has containers lie in the bed's group, to end and to be removed with it. It is seen in the calling process's mount namespace alone.
///
/// With cgroup v2 a group may have controllers only where all above it pass them on, so there they stay where containerd puts them.
pub(crate) fn take_containers(name: &str) -> Result<()> {
    create(name).at("make", "control group of the bed")?;
    for top in hierarchies().into_iter().filter(|top| top != Path::new(ROOT)) {
        let (folder, seen) = (top.join(name).join("containers"), top.join(CONTAINERS));
        fs::create_dir_all(&folder).at("make", &folder)?;
        fs::create_dir_all(&seen).at("make", &seen)?;
        inherit_cpuset(&top.join(name), &folder);
        run(Command::new("mount").arg("--bind").args([&folder, &seen]))?;
    }
    Ok(())
}

/// Lets what answers requests go first, with cgroup v1. To be called once the kubelet is up, which gives the bed its shares.
pub(crate) fn favour(name: &str) {
    for top in hierarchies() {
        for (part, shares) in SHARES {
            // Of all controllers one has the file, and a bed without a node lacks some of the groups.
            fs::write(top.join(name).join(part).join("cpu.shares"), shares).ok();
        }
    }
}

/// Whether something is mounted there by [`take_containers`].
pub(crate) fn is_of_containers(point: &str) -> bool {
    Path::new(point).parent().and_then(Path::parent) == Some(Path::new(ROOT)) && point.ends_with(CONTAINERS)
}

/// Puts a process, and with it all it will start, into a part of the group.
pub(crate) fn adopt(name: &str, part: &str, pid: u32) -> std::io::Result<()> {
    create(name)?;
    for top in hierarchies() {
        let folder = top.join(name).join(part);
        fs::create_dir_all(&folder)?;
        inherit_cpuset(&top.join(name), &folder);
        fs::write(folder.join("cgroup.procs"), pid.to_string())?;
    }
    Ok(())
}

/// Ends every process in the group and removes it everywhere, trying until `within` is over.
pub(crate) fn remove(name: &str, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let folders: Vec<PathBuf> = hierarchies().into_iter().map(|top| top.join(name)).collect();
        for folder in &folders {
            kill_all(folder);
            remove_empty(folder);
        }
        if folders.iter().all(|folder| !folder.exists()) || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill_all(folder: &Path) {
    for child in subfolders(folder) {
        kill_all(&child);
    }
    let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // Processes of another process namespace are listed as 0, which is no process.
    for pid in members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        // One that is gone already is what we want.
        kill_process(pid, Signal::KILL).ok();
    }
}

fn remove_empty(folder: &Path) {
    for child in subfolders(folder) {
        remove_empty(&child);
    }
    // Refused while a process is in it; the caller tries again.
    fs::remove_dir(folder).ok();
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).collect()
}
