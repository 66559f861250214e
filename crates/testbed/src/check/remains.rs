//! What a bed has while it runs, and whether any of it is there afterwards.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use teal_testbed::{Error, Result, running};

/// How long the kernel and the watcher may take.
const WITHIN: Duration = Duration::from_secs(15);

/// Everything by which a bed could be found.
#[derive(Debug)]
pub(super) struct Traces {
    name: String,
    namespaces: Vec<PathBuf>,
    ports: Vec<u16>,
}

impl Traces {
    /// Of the bed that a process started. It must have all kinds of traces, or their
    /// absence later would prove nothing.
    pub(super) fn of(outside: u32) -> Result<Self> {
        let name = format!("teal-bed-{outside}");
        let found = running().into_iter().find(|(running, _)| *running == name);
        let (_, init) = found.ok_or_else(|| wrong("the bed is not among the running ones"))?;
        let kinds = ["pid", "net", "mnt"].map(|kind| format!("/proc/{init}/ns/{kind}"));
        let namespaces = kinds.iter().filter_map(|link| std::fs::read_link(link).ok()).collect();
        let traces = Self { ports: listening(outside), name, namespaces };
        let now = traces.present();
        let expected = ["process", "control group", "folder", "listening port"];
        let missing: Vec<&str> =
            expected.into_iter().filter(|kind| !now.iter().any(|trace| trace.starts_with(kind))).collect();
        if missing.is_empty() {
            Ok(traces)
        } else {
            Err(wrong(format!("while it runs, these were not found: {missing:?}")))
        }
    }

    /// Waits until all traces are gone, or says which are left.
    pub(super) fn assert_gone(&self, after: &str) -> Result<()> {
        let deadline = Instant::now() + WITHIN;
        loop {
            let present = self.present();
            if present.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(wrong(format!("after {after} these are left: {}", present.join("; "))));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn present(&self) -> Vec<String> {
        let mut found = self.processes();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        found.extend(
            mounts.lines().filter(|line| line.contains(&self.name)).map(|line| format!("mount {line}")),
        );
        found.extend(self.control_groups());
        let folder = std::env::temp_dir().join(&self.name);
        found.extend(folder.exists().then(|| format!("folder {}", folder.display())));
        let open =
            self.ports.iter().filter(|port| std::net::TcpStream::connect(("127.0.0.1", **port)).is_ok());
        found.extend(open.map(|port| format!("listening port {port}")));
        found
    }

    /// Those in the bed's namespaces, and the watcher, which has the bed in its environment.
    fn processes(&self) -> Vec<String> {
        let marker = format!("TEAL_BED_RUN={}", std::env::temp_dir().join(&self.name).display());
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        entries
            .filter(|process| self.is_ours(process, &marker))
            .map(|process| format!("process {}", process.display()))
            .collect()
    }

    fn is_ours(&self, process: &Path, marker: &str) -> bool {
        let mut links = ["pid", "net", "mnt"]
            .into_iter()
            .filter_map(|kind| process.join("ns").join(kind).read_link().ok());
        links.any(|link| self.namespaces.contains(&link)) || {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
        }
    }

    fn control_groups(&self) -> Vec<String> {
        let root = Path::new("/sys/fs/cgroup");
        let tops = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        let folders = tops.chain([root.to_owned()]).map(|top| top.join(&self.name));
        folders
            .filter(|folder| folder.exists())
            .map(|folder| format!("control group {}", folder.display()))
            .collect()
    }
}

/// The ports that a process listens on, found by the inodes of its sockets.
fn listening(pid: u32) -> Vec<u16> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let sockets: Vec<String> = links
        .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let listens = *state == "0A" && sockets.iter().any(|socket| socket == inode);
        listens.then(|| u16::from_str_radix(local.rsplit(':').next()?, 16).ok()).flatten()
    };
    table.lines().filter_map(port).collect()
}

fn wrong(why: impl Into<String>) -> Error {
    Error::Invalid { what: "check".into(), why: why.into() }
}
