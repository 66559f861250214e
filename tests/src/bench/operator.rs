//! The operator as a process of its own beside the cluster, with the rights of its chart's ServiceAccount and nothing more.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use teal_testbed::Cluster;
use tokio::process::{Child, Command};

use super::process;
use crate::error::{Error, Result};
use crate::world::{OPERATOR_NAMESPACE, RELEASE, World};

/// How long it may take until its caches are warm and it leads.
const READY: Duration = Duration::from_secs(60);
/// Where it says that it is ready.
const ADDRESS: &str = "127.0.0.1:8180";
/// How long a color stays after its last traffic: short, since nobody's requests are drained here.
pub(super) const DRAIN: &str = "1s";

/// A running operator. It ends when dropped.
pub(super) struct Operator {
    child: Child,
    log: PathBuf,
    /// The most memory there was before the kernel's own mark of it was last forgotten.
    most: f64,
}

/// The user that the API server knows it by.
pub(super) fn user() -> String {
    format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{RELEASE}")
}

/// The program, which was built into the same folder as this one.
pub(super) fn program() -> Result<PathBuf> {
    let own =
        std::env::current_exe().map_err(|source| Error::Local { action: "find this program", source })?;
    let path = own.with_file_name("teal");
    if path.is_file() {
        return Ok(path);
    }
    let why = "no such program: start this as cargo xtask bench, which builds it".into();
    Err(Error::File { path, why })
}

impl Operator {
    /// Starts it and waits until it is ready to lead.
    pub(super) async fn start(world: &World, folder: &Path, arguments: &[String]) -> Result<Self> {
        let token = world
            .kubectl(&["create", "token", RELEASE, "-n", OPERATOR_NAMESPACE, "--duration", "6h"])
            .await?;
        let kubeconfig = folder.join("operator.kubeconfig");
        write(&kubeconfig, &as_user(&world.cluster, token.trim())?.to_string())?;
        let log = folder.join("operator.log");
        let mut operator = Self { child: spawn(&kubeconfig, &log, arguments)?, log, most: 0.0 };
        let url = format!("http://{ADDRESS}/readyz");
        let http = reqwest::Client::new();
        let ready = async || {
            let answer = http.get(&url).timeout(Duration::from_secs(2)).send().await;
            answer.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.to_string())
        };
        let waited = teal_testbed::until("the operator's readiness", READY, ready).await;
        match waited {
            Ok(()) => Ok(operator),
            Err(error) => Err(operator.last_words(&error.into())),
        }
    }

    /// Its process number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Memory in MiB: now, and the most there ever was.
    pub(super) fn memory(&self) -> Result<(f64, f64)> {
        let (now, most) = self.memory_of_late()?;
        Ok((now, most.max(self.most)))
    }

    /// Memory in MiB: now, and the most there was since it was last forgotten.
    pub(super) fn memory_of_late(&self) -> Result<(f64, f64)> {
        process::memory(self.pid()).ok_or_else(|| Error::Unmet("the operator ended by itself".into()))
    }

    /// Begins anew with the most memory there was of late.
    pub(super) fn forget_most(&mut self) -> Result<()> {
        self.most = self.memory()?.1;
        let forgotten = process::forget_most(self.pid());
        forgotten.map_err(|source| Error::Local { action: "forget the most memory there was", source })
    }

    /// Adds to an error what the operator wrote last.
    pub(super) fn last_words(&mut self, error: &Error) -> Error {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let ended = self
            .child
            .try_wait()
            .ok()
            .flatten()
            .map(|status| format!(" (it ended: {status})"))
            .unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(15).collect();
        let lines = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        Error::Unmet(format!("{error}; the operator's last words{ended}:\n{lines}"))
    }

    /// Ends it.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.map_err(|source| Error::Local { action: "end the operator", source })
    }
}

fn spawn(kubeconfig: &Path, log: &Path, arguments: &[String]) -> Result<Child> {
    let failed = |source| Error::Local { action: "start the operator", source };
    let output = std::fs::File::create(log).map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let mut command = Command::new(program()?);
    command
        .args(["operator", "--metrics-address", ADDRESS, "--drain", DRAIN])
        .args(["--lease-namespace", OPERATOR_NAMESPACE, "--lease-name", RELEASE, "--identity", "bench"])
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        // As the chart has it.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true);
    command.spawn().map_err(failed)
}

/// The administrator's kubeconfig with another user in it.
fn as_user(cluster: &Cluster, token: &str) -> Result<Value> {
    let path = &cluster.kubeconfig;
    let wrong = |why: String| Error::File { path: path.clone(), why };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut config: Value = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let user = config.pointer_mut("/users/0/user").ok_or_else(|| wrong("it has no user".into()))?;
    *user = json!({"token": token});
    Ok(config)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Error::File { path: path.to_owned(), why: error.to_string() })
}
