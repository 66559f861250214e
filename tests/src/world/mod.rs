//! What demo, stories and bench stand on: a cluster with Istio, Teal installed by its chart, and the application of the
//! examples in a namespace.

pub mod command_line;
mod diary;
pub mod gateway_ports;
pub mod images;
pub mod manifests;
mod notes;
mod plain_writes;
mod raw_tcp;
mod registry;
mod shop;

use std::ffi::OsStr;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use teal_testbed::history::{self, Version};
use teal_testbed::{Bed, Cluster, Config};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::error::{Error, Result};

pub use command_line::Said;
pub use diary::Diary;
pub use notes::Notes;
pub use plain_writes::PlainWrites;
pub use registry::{Registry, address as chart_address, charted};
pub use shop::{NAME, Shop, Tailoring, quick};

/// The release of the chart and its namespace.
pub const RELEASE: &str = "teal";
/// Where the operator runs.
pub const OPERATOR_NAMESPACE: &str = "teal-system";
/// How long the operator may take to get ready.
const OPERATOR_READY: Duration = Duration::from_secs(120);

/// How long objects may take to go.
const GONE: Duration = Duration::from_secs(60);

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// How Teal is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// How long a color stays after its last traffic. The chart says 30 s; who wants to see the end of a rollout in a
    /// minute says less.
    pub drain: Duration,
    /// Further `--set` of helm.
    pub set: Vec<String>,
}

impl Default for Installation {
    fn default() -> Self {
        Self { drain: Duration::from_secs(5), set: Vec::new() }
    }
}

/// A cluster to tell stories in. One that was made here ends with it.
pub struct World {
    /// How to reach it.
    pub cluster: Cluster,
    /// A client with the administrator's rights.
    pub client: kube::Client,
    bed: Option<Bed>,
    installed: OnceCell<()>,
    charts: OnceCell<Registry>,
    diary: Diary,
    notes: Notes,
}

impl World {
    /// Starts a bed. Only inside its namespaces: call [`teal_testbed::enter`] first thing in `main`.
    pub async fn start(config: Config) -> Result<Self> {
        let bed = Bed::start(config).await?;
        let cluster = bed.cluster().clone();
        let client = cluster.client().await?;
        Ok(Self {
            cluster,
            client,
            bed: Some(bed),
            installed: OnceCell::new(),
            charts: OnceCell::new(),
            diary: Diary::default(),
            notes: Notes::default(),
        })
    }

    /// Uses a cluster that is there.
    pub async fn existing(cluster: Cluster) -> Result<Self> {
        let client = cluster.client().await?;
        Ok(Self {
            cluster,
            client,
            bed: None,
            installed: OnceCell::new(),
            charts: OnceCell::new(),
            diary: Diary::default(),
            notes: Notes::default(),
        })
    }

    /// The bed, unless it is somebody else's cluster.
    pub fn bed(&self) -> Option<&Bed> {
        self.bed.as_ref()
    }

    /// What happened in the namespaces so far.
    pub fn diary(&self) -> &Diary {
        &self.diary
    }

    /// What the stories know of the history besides.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The newest revision of all objects together.
    pub async fn revision(&self) -> Result<u64> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let listed = namespaces.list_metadata(&ListParams::default().limit(1)).await;
        let version = listed.map_err(Error::api("ask for the newest revision"))?.metadata.resource_version;
        let number = version.as_deref().and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::Cluster(format!("{version:?} is no revision of etcd")))
    }

    /// Every version of every object from a revision on; nothing where etcd can't be read.
    pub async fn versions_from(&self, revision: u64) -> Result<Option<Vec<Version>>> {
        match self.cluster.etcd.as_deref() {
            Some(address) => Ok(Some(history::read_from(address, revision).await?)),
            None => Ok(None),
        }
    }

    /// Ends a bed that was started here.
    pub async fn stop(self) -> Result<()> {
        match self.bed {
            Some(bed) => Ok(bed.stop().await?),
            None => Ok(()),
        }
    }

    /// Gives the node the image of a program.
    pub async fn import(&self, program: &str) -> Result<()> {
        match &self.bed {
            Some(bed) => Ok(bed.import_image(&images::archive(program)).await?),
            None => Ok(()),
        }
    }

    /// Installs Teal by its chart with the real helm and waits until it is ready. Whoever comes later waits for the first.
    pub async fn install_teal(&self, how: &Installation) -> Result<()> {
        self.installed.get_or_try_init(|| self.install(how)).await?;
        Ok(())
    }

    /// A registry with the chart of the examples. Only in a bed, where the operator may ask it.
    pub async fn charts(&self) -> Result<&Registry> {
        self.charts.get_or_try_init(|| Registry::open(self)).await
    }

    /// Installs Teal again over what is there, or where nothing is left of it.
    pub async fn install_teal_again(&self, how: &Installation) -> Result<()> {
        self.install(how).await
    }

    /// Installs the chart without waiting for the operator: what the API server itself keeps is in force without it.
    pub async fn install_rules(&self) -> Result<()> {
        // The definitions may have been applied by others before.
        output(self.helm_install().args(["--take-ownership", "--force-conflicts"]), None).await.map(drop)
    }

    fn helm_install(&self) -> Command {
        let mut helm = self.cluster.helm();
        helm.args(["upgrade", "--install", RELEASE]).arg(chart());
        helm.args(["--namespace", OPERATOR_NAMESPACE, "--create-namespace"]);
        helm
    }

    async fn install(&self, how: &Installation) -> Result<()> {
        self.import("teal").await?;
        let mut helm = self.helm_install();
        helm.arg("--wait");
        helm.args(["--timeout", &format!("{}s", OPERATOR_READY.as_secs())]);
        helm.args(["--set", &format!("drain={}s", how.drain.as_secs())]);
        if let Some(prometheus) = &self.cluster.prometheus {
            helm.args(["--set", &format!("prometheus.sources.default.url={prometheus}")]);
        }
        if self.bed.is_some() {
            let memory = "resources.limits.memory=1280Mi".to_owned();
            let plain = format!("charts.plainHosts[0]={}", registry::host());
            for value in ["charts.enabled=true".to_owned(), plain, memory] {
                helm.args(["--set", &value]);
            }
        }
        how.set.iter().for_each(|value| {
            helm.args(["--set", value]);
        });
        let begun = Instant::now();
        let installed = output(&mut helm, None).await.map(drop);
        // On a cluster of one's own nobody gave the nodes the image, so that its absence is the likely cause.
        installed.map_err(|error| if self.bed.is_some() { error } else { unable(error, begun.elapsed()) })
    }

    /// Runs kubectl and gives what it wrote.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        output(self.cluster.kubectl().args(arguments), None).await
    }

    /// Runs kubectl with objects on its input, for `apply -f -`.
    pub async fn kubectl_with(&self, arguments: &[&str], objects: &[serde_json::Value]) -> Result<String> {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        output(self.cluster.kubectl().args(arguments), Some(list.to_string())).await
    }

    /// Runs helm and gives what it wrote.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        output(self.cluster.helm().args(arguments), None).await
    }

    /// Waits until kubectl gets none of these objects any more.
    pub async fn none_left(&self, arguments: &[&str]) -> Result<()> {
        let arguments: Vec<&str> = [&["get"], arguments, &["-o", "name"]].concat();
        let gone = async || match self.kubectl(&arguments).await {
            Ok(left) if left.trim().is_empty() => Ok(()),
            Ok(left) => Err(left.trim().replace('\n', ", ")),
            Err(error) => Err(error.to_string()),
        };
        let what = format!("the end of all that kubectl {} shows", arguments.join(" "));
        Ok(teal_testbed::until(what, GONE, gone).await?)
    }

    /// Waits until no namespace is on its way out. Its routes go with it, late, and until then they have their port at the gateway.
    pub async fn nobody_leaves(&self) -> Result<()> {
        self.none_left(&["namespaces", "--field-selector", "status.phase=Terminating"]).await
    }

    /// Runs commands as a person types them into a shell, with kubectl for this cluster on the path.
    pub async fn shell(&self, commands: &str) -> Result<String> {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c"]).arg(commands);
        output(self.at_hand(&mut bash, &[])?, None).await
    }

    /// Runs `kubectl teal` with nobody at a terminal, and gives what it ended with, whatever that is.
    pub async fn kubectl_teal(&self, arguments: &[&str]) -> Result<Said> {
        let mut kubectl = Command::new(&self.cluster.kubectl);
        kubectl.arg("teal").args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let ended = self.at_hand(&mut kubectl, &[command_line::folder()])?.output().await;
        let program = || format!("kubectl teal {}", arguments.join(" "));
        let ended = ended.map_err(|source| teal_testbed::Error::Spawn { program: program(), source })?;
        let text = [ended.stdout, ended.stderr].concat();
        Ok(Said { code: ended.status.code(), text: String::from_utf8_lossy(&text).into_owned() })
    }

    /// Runs a program as on a machine with kubectl and helm on its path that knows of no cluster, and gives what it wrote.
    pub async fn elsewhere(&self, program: &mut Command) -> Result<String> {
        let helm = self.cluster.helm.parent().map(Path::to_owned);
        let program = self.at_hand(program, &helm.into_iter().collect::<Vec<_>>())?;
        output(program.env_remove("KUBECONFIG"), None).await
    }

    /// This cluster and its kubectl, with these folders before what is on the path.
    fn at_hand<'c>(&self, command: &'c mut Command, folders: &[PathBuf]) -> Result<&'c mut Command> {
        let given = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(searched(folders, &self.cluster.kubectl, &given));
        let unusable = |error: std::env::JoinPathsError| Error::Cluster(error.to_string());
        Ok(command.env("KUBECONFIG", &self.cluster.kubeconfig).env("PATH", path.map_err(unusable)?))
    }

    /// The address of a port of the gateway.
    pub fn gateway(&self, port: Option<u16>) -> Result<SocketAddr> {
        let url = self.cluster.gateway.as_deref().ok_or_else(|| {
            Error::Cluster("the cluster's gateway is not known: give its address with --gateway".into())
        })?;
        let authority = url.trim_start_matches("http://").trim_end_matches('/');
        let (name, own) =
            authority.rsplit_once(':').map_or((authority, None), |(name, own)| (name, own.parse().ok()));
        let number = port.or(own).unwrap_or(80);
        let unusable =
            || Error::Cluster(format!("the gateway {url} has no address: write http://ADDRESS[:PORT]"));
        (name, number).to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(unusable)
    }

    /// The end of the operator's log, for whoever looks for the cause of a failure.
    pub async fn operator_log(&self, lines: usize) -> String {
        let selector = format!("app.kubernetes.io/instance={RELEASE}");
        let tail = format!("--tail={lines}");
        let arguments = ["logs", "-n", OPERATOR_NAMESPACE, "-l", &selector, &tail, "--prefix"];
        self.kubectl(&arguments).await.unwrap_or_else(|error| error.to_string())
    }
}

/// These folders, that of kubectl, and what is on the path. A kubectl that is looked for there has no folder of its own, and an
/// empty one would be wherever this runs.
fn searched(folders: &[PathBuf], kubectl: &Path, given: &OsStr) -> Vec<PathBuf> {
    let own = kubectl.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
    folders.iter().cloned().chain(own).chain(std::env::split_paths(given)).collect()
}

/// Names what pods may lack where helm waited for them in vain. One that can't be started, or reaches no API server, ends at
/// once and says why.
fn unable(error: Error, waited: Duration) -> Error {
    if waited < OPERATOR_READY {
        return error;
    }
    let archives = images::PROGRAMS.map(|program| format!("{program}.tar")).join(" and ");
    Error::Cluster(format!(
        "Teal did not get ready on this cluster: {error}\nIts nodes must have the images teal.dev/teal and teal.dev/shop: \
         cargo xtask image writes {archives} to images/ in the build folder, which ctr, kind or minikube load"
    ))
}

/// Runs a program with this input and gives its output.
async fn output(command: &mut Command, input: Option<String>) -> Result<String> {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;
    let words = command.as_std();
    let words = std::iter::once(words.get_program()).chain(words.get_args());
    let program = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let failed = |source| teal_testbed::Error::Spawn { program: program.clone(), source };
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().map_err(failed)?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input.as_bytes()).await.map_err(failed)?;
    }
    let done = child.wait_with_output().await.map_err(failed)?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let output = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Error::Program { program, status: done.status.to_string(), output })
}

/// A bed's configuration for a world: the whole cluster, with the application's image.
pub fn bed_config() -> Config {
    Config { images: vec![images::archive("shop")], ..Config::default() }
}

/// Where the checkout's charts are, for whoever installs by hand.
pub fn chart() -> PathBuf {
    checkout().join("charts/teal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(output: &str) -> Error {
        Error::Program { program: "helm".into(), status: "exit status: 1".into(), output: output.into() }
    }

    #[test]
    fn pods_that_were_waited_for_in_vain_may_lack_their_image() {
        let said = unable(refused("context deadline exceeded"), OPERATOR_READY).to_string();
        for part in ["context deadline exceeded", "images teal.dev/teal and teal.dev/shop"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn a_helm_that_ended_at_once_says_alone_why() {
        let said = unable(refused("kubernetes cluster unreachable"), Duration::from_secs(1)).to_string();
        assert!(said.contains("unreachable") && !said.contains("image"), "{said}");
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        let absent = teal_testbed::Error::Spawn { program: "helm".into(), source };
        let said = unable(absent.into(), Duration::ZERO).to_string();
        assert!(said.contains("on PATH") && !said.contains("image"), "{said}");
    }

    #[test]
    fn a_kubectl_of_the_path_adds_no_folder_to_it() {
        let given = OsStr::new("/usr/local/bin:/usr/bin");
        let folders = |kubectl: &str| searched(&["/built".into()], Path::new(kubectl), given);
        assert_eq!(folders("kubectl"), ["/built", "/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        assert_eq!(folders("/parts/kubectl")[..2], ["/built", "/parts"].map(PathBuf::from));
    }
}
