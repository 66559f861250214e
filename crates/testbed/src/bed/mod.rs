//! A running bed.

mod config;
mod control_plane;
mod keys;
mod mesh;
mod monitoring;
mod node;
mod process;
mod targets;

use std::path::{Path, PathBuf};
use std::process::Command as StdCommand;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, ListParams};
use tokio::process::Command;
use tokio::task::JoinHandle;

pub use config::{ALL_PARTS, Config, Istio, Profile};
pub use mesh::Sidecar;

use crate::cgroup;
use crate::cluster::Cluster;
use crate::enter::{run_folder, run_name};
use crate::error::{At, Error, Result};
use crate::namespaces::{NODE_ADDRESS, tmpfs};
use crate::parts::{Parts, find_program, run};
use crate::relay;
use keys::{API_PORT, Keys};
use process::Processes;

/// How long a part may take to get ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running cluster. It ends when dropped; [`Bed::stop`] does the same and says how it went.
#[derive(Debug)]
pub struct Bed {
    config: Config,
    name: String,
    folder: PathBuf,
    keys: Keys,
    parts: Parts,
    processes: Processes,
    cluster: Cluster,
    begun: Instant,
    timings: Mutex<Vec<(String, Duration)>>,
    tasks: Vec<JoinHandle<()>>,
    stopped: bool,
}

impl Bed {
    /// Starts a bed and returns when it is usable.
    pub async fn start(config: Config) -> Result<Self> {
        let begun = Instant::now();
        let parts = Parts::find(&config.parts())?;
        let mut bed = Self::prepare(config, parts, begun)?;
        let runtime = async { if bed.has_node() { bed.start_containerd().await } else { Ok(()) } };
        tokio::try_join!(bed.start_api(), runtime)?;
        bed.start_controllers()?;
        if bed.has_node() {
            bed.start_kubelet()?;
        }
        tokio::try_join!(bed.controllers_work(), bed.start_nodes(), bed.start_istio())?;
        bed.tasks = bed.open_relays()?;
        if bed.has_node() {
            cgroup::favour(&bed.name);
            bed.tasks.push(bed.follow_pods().await?);
        }
        bed.note("usable");
        Ok(bed)
    }

    fn prepare(config: Config, parts: Parts, begun: Instant) -> Result<Self> {
        let run = run_folder()?;
        let folder = config.state.clone().unwrap_or_else(|| run.join("bed"));
        let volatile = folder.join("volatile");
        std::fs::create_dir_all(&volatile).at("make", &volatile)?;
        // In memory: fast, gone by itself, and overlays work on it wherever the folder lies.
        tmpfs(&volatile.display().to_string())?;
        let keys = Keys::create(&folder.join("keys"))?;
        let processes = Processes::new(folder.join("logs"))?;
        let cluster = Self::describe(&config, &parts, &folder, &keys);
        Ok(Self {
            name: run_name(&run),
            config,
            folder,
            keys,
            parts,
            processes,
            cluster,
            begun,
            timings: Mutex::default(),
            tasks: Vec::new(),
            stopped: false,
        })
    }

    fn describe(config: &Config, parts: &Parts, folder: &Path, keys: &Keys) -> Cluster {
        let mesh = config.istio == Istio::Mesh;
        let full = config.profile == Profile::Full;
        Cluster {
            kubeconfig: keys.kubeconfig("admin"),
            gateway: mesh.then(|| format!("http://{NODE_ADDRESS}")),
            prometheus: full.then(|| format!("http://{}", monitoring::address())),
            envoy_admin: mesh.then(mesh::admin),
            etcd: Some(control_plane::ETCD.to_owned()),
            audit_log: config.audit.then(|| folder.join("audit.log")),
            kubectl: parts.file("kubernetes", "kubectl").unwrap_or_else(|_| "kubectl".into()),
            helm: parts.file("helm", "helm").unwrap_or_else(|_| "helm".into()),
        }
    }

    async fn start_nodes(&self) -> Result<()> {
        match self.config.profile {
            Profile::ControlPlane => Ok(()),
            Profile::ControlPlaneWithKwok { nodes } => self.start_kwok(nodes).await,
            Profile::Full => {
                tokio::try_join!(self.start_dns(), self.start_prometheus(), self.ready_nodes(1)).map(drop)
            }
        }
    }

    async fn start_istio(&self) -> Result<()> {
        match self.config.istio {
            Istio::None => Ok(()),
            Istio::Kinds => self.apply_istio_kinds().await,
            Istio::Mesh => self.start_mesh().await,
        }
    }

    /// Without its ServiceAccount a namespace takes no pods.
    async fn controllers_work(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.cluster.client().await?, "default");
        let there = async || accounts.get("default").await.map(drop).map_err(|error| error.to_string());
        self.processes.until("ServiceAccount default", PATIENCE, there).await?;
        self.note("kube-controller-manager");
        Ok(())
    }

    async fn ready_nodes(&self, count: usize) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.cluster.client().await?);
        let ready = async || {
            let list = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let ready = list.items.iter().filter(|node| takes_pods(node)).count();
            if ready >= count { Ok(()) } else { Err(format!("{ready} of {count} ready")) }
        };
        self.processes.until("ready nodes", PATIENCE, ready).await?;
        self.note("nodes");
        Ok(())
    }

    async fn ready_when_ok(&self, part: &str, url: &str) -> Result<()> {
        let http = reqwest::Client::new();
        let ok = async || {
            let answer = http.get(url).timeout(Duration::from_secs(2)).send().await;
            answer.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.to_string())
        };
        self.processes.until(part, PATIENCE, ok).await?;
        self.note(part);
        Ok(())
    }

    fn open_relays(&self) -> Result<Vec<JoinHandle<()>>> {
        let Some(api) = relay::address_outside("api") else { return Ok(Vec::new()) };
        self.keys.write_kubeconfig(&self.kubeconfig_outside(), &format!("https://{api}"))?;
        let run = run_folder()?;
        let targets = [
            ("api", format!("{NODE_ADDRESS}:{API_PORT}")),
            ("gateway", format!("{NODE_ADDRESS}:80")),
            ("prometheus", monitoring::address()),
        ];
        targets.into_iter().map(|(name, target)| relay::carry(&run, name, target)).collect()
    }

    /// How to reach the cluster, in the form that is the same for any cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The administrator's bearer token.
    pub fn admin_token(&self) -> &str {
        &self.keys.admin_token
    }

    /// A kubeconfig for outside the namespaces, there if the bed was entered so.
    pub fn kubeconfig_outside(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The address outside of `api`, `gateway` or `prometheus`, if the bed was entered so.
    pub fn address_outside(&self, name: &str) -> Option<String> {
        relay::address_outside(name)
    }

    /// Where an audit log is written, if one was asked for.
    fn audit_log_path(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// The log of a part, for example `istiod`.
    pub fn log(&self, part: &str) -> Result<String> {
        let path = self.processes.log(part);
        let bytes = std::fs::read(&path).at("read", &path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The folder of logs, keys and configurations.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The running parts with their process numbers, for CPU and memory figures.
    pub fn processes(&self) -> Vec<(String, u32)> {
        self.processes.list()
    }

    /// A file of a part in the cache, for example the test image's program.
    pub fn part_file(&self, part: &str, name: &str) -> Result<PathBuf> {
        self.parts.file(part, name)
    }

    /// When each part was ready, counted from the start.
    pub fn timings(&self) -> Vec<(String, Duration)> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends everything, so that another bed can be started in the same namespaces.
    pub async fn stop(mut self) -> Result<()> {
        self.stopped = true;
        self.tasks.iter().for_each(JoinHandle::abort);
        self.processes.kill_all().await;
        let (name, folder) = (self.name.clone(), self.folder.clone());
        let cleaned = tokio::task::spawn_blocking(move || clean(&name, &folder)).await;
        cleaned.unwrap_or(Err(Error::NotInside))?;
        if self.config.state.is_none() && std::env::var_os("TEAL_BED_KEEP_FILES").is_none() {
            std::fs::remove_dir_all(&self.folder).at("remove", &self.folder)?;
        }
        Ok(())
    }

    fn note(&self, part: &str) {
        let after = self.begun.elapsed();
        tracing::debug!(part, milliseconds = after.as_millis(), "ready");
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).push((part.to_owned(), after));
    }

    fn volatile(&self, name: &str) -> PathBuf {
        self.folder.join("volatile").join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at("make", parent)?;
        }
        std::fs::write(&path, content).at("write", &path)?;
        Ok(path)
    }

    /// A command of a part, with the programs on PATH that parts call.
    fn command(&self, part: &str, program: &str) -> Result<Command> {
        let program = self.parts.file(part, program)?;
        let own = program.parent().unwrap_or(Path::new("/")).to_owned();
        let given = std::env::var_os("PATH").unwrap_or_default();
        let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
        let folders = std::iter::once(own).chain(std::env::split_paths(&given)).chain(system);
        let mut command = Command::new(program);
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        Ok(command)
    }

    /// Starts a part, with what the caller adds to its arguments.
    fn launch(&self, part: &str, command: &mut Command) -> Result<u32> {
        command.args(self.config.extra_arguments.get(part).into_iter().flatten());
        self.processes.start(part, command)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !self.stopped {
            // The parts end by being dropped, containers by their group. Mounts and rules go
            // with the namespaces; who wants them gone before that calls stop.
            self.tasks.iter().for_each(JoinHandle::abort);
            cgroup::remove(&self.name, Duration::from_secs(2));
        }
    }
}

fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready =
        conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True");
    let tainted = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten()).count() > 0;
    ready && !tainted
}

/// Removes what the namespaces would take with them, for a further bed in the same ones.
fn clean(name: &str, folder: &Path) -> Result<()> {
    cgroup::remove(name, Duration::from_secs(10));
    let mounts = std::fs::read_to_string("/proc/self/mounts").at("read", "/proc/self/mounts")?;
    let ours = |point: &&str| {
        Path::new(point).starts_with(folder)
            || point.starts_with("/run/netns/")
            || cgroup::is_of_containers(point)
    };
    let mut points: Vec<&str> =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(ours).collect();
    // Inner ones were mounted later.
    points.reverse();
    for point in points {
        run(StdCommand::new("umount").args(["--lazy", point]))?;
    }
    remove_links()?;
    std::fs::remove_dir_all("/run/cni").ok();
    if let Some(iptables) = find_program("iptables") {
        for table in ["nat", "filter", "mangle"] {
            for action in ["-F", "-X"] {
                // A table that was never used may not exist.
                run(StdCommand::new(&iptables).args(["-t", table, action])).ok();
            }
        }
    }
    Ok(())
}

/// Removes the links of pods, and with them the routes to their addresses. They go with the pods' namespaces, but only when the
/// kernel finds the time: until then whoever asks a pod of the next bed, which has the same address, may ask one of this.
fn remove_links() -> Result<()> {
    let Some(ip) = find_program("ip") else { return Ok(()) };
    let shown = run(StdCommand::new(&ip).args(["-brief", "link", "show", "type", "veth"]))?;
    for name in shown.lines().filter_map(|line| line.split(['@', ' ']).next()) {
        // It may be gone by now.
        run(StdCommand::new(&ip).args(["link", "delete", name])).ok();
    }
    Ok(())
}
