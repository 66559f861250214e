//! The programs of a bed as child processes, each with its log.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::error::{At, Error, Result};
use crate::parts::tail;
use crate::wait;

/// All running parts of one bed.
#[derive(Debug)]
pub(super) struct Processes {
    logs: PathBuf,
    running: Mutex<Vec<(String, Child)>>,
}

impl Processes {
    /// None yet; logs will lie in the folder.
    pub(super) fn new(logs: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&logs).at("make", &logs)?;
        Ok(Self { logs, running: Mutex::default() })
    }

    /// The log of a part.
    pub(super) fn log(&self, part: &str) -> PathBuf {
        self.logs.join(format!("{part}.log"))
    }

    /// Starts a part, and gives its process number.
    pub(super) fn start(&self, part: &str, command: &mut Command) -> Result<u32> {
        let path = self.log(part);
        let log = std::fs::File::options().create(true).append(true).open(&path).at("open", &path)?;
        let second = log.try_clone().at("open", &path)?;
        command.stdin(Stdio::null()).stdout(log).stderr(second).kill_on_drop(true);
        // Not of our group: Ctrl-C is for the program, which then stops the parts in order.
        let child = command.process_group(0).spawn();
        let child = child.map_err(|source| Error::Spawn { program: part.to_owned(), source })?;
        let pid = child.id().unwrap_or(0);
        self.lock().push((part.to_owned(), child));
        Ok(pid)
    }

    /// Waits for something while all parts keep running: if one dies, that is the error.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut attempt: impl AsyncFnMut() -> std::result::Result<T, String>,
    ) -> Result<T> {
        let awaited = wait::until(what, within, async || {
            if self.dead().is_some() { Ok(None) } else { attempt().await.map(Some) }
        });
        match awaited.await? {
            Some(value) => Ok(value),
            None => Err(self.dead().unwrap_or(Error::NotInside)),
        }
    }

    fn dead(&self) -> Option<Error> {
        self.lock().iter_mut().find_map(|(part, child)| {
            let status = child.try_wait().ok().flatten()?;
            Some(Error::Died { part: part.clone(), status: status.to_string(), log: end_of(&self.log(part)) })
        })
    }

    /// The names and process numbers of all that was started.
    pub(super) fn list(&self) -> Vec<(String, u32)> {
        self.lock().iter().filter_map(|(part, child)| Some((part.clone(), child.id()?))).collect()
    }

    /// Ends one part at once, as a crash would.
    pub(super) async fn kill(&self, part: &str) -> Result<()> {
        let Some(mut child) = self.take(part) else {
            return Err(crate::error::invalid(format!("part {part}"), "does not run in this bed"));
        };
        child.kill().await.at("end", part)
    }

    /// The same of one that may have ended, without waiting for its end.
    pub(super) fn abandon(&self, part: &str) {
        // A child that is dropped is killed.
        drop(self.take(part));
    }

    fn take(&self, part: &str) -> Option<Child> {
        let mut running = self.lock();
        let index = running.iter().position(|(name, _)| name == part)?;
        Some(running.remove(index).1)
    }

    /// Ends all at once. Nothing they hold outlives the bed, so no part needs time to say goodbye.
    pub(super) async fn kill_all(&self) {
        let all = std::mem::take(&mut *self.lock());
        futures::future::join_all(all.into_iter().map(async |(_, mut child)| child.kill().await.ok())).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Child)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_of(path: &Path) -> String {
    tail(&String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_part_ends_the_wait_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let processes = Processes::new(folder.path().to_owned()).unwrap();
        processes.start("broken", Command::new("sh").args(["-c", "echo no such luck; exit 3"])).unwrap();
        let error =
            processes.until::<()>("anything", Duration::from_secs(20), async || Err("no".into())).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains("broken") && text.contains("no such luck") && text.contains('3'), "{text}");
    }

    #[tokio::test]
    async fn a_killed_part_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let processes = Processes::new(folder.path().to_owned()).unwrap();
        let pid = processes.start("sleeper", Command::new("sleep").arg("60")).unwrap();
        processes.kill("sleeper").await.unwrap();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert!(processes.kill("sleeper").await.is_err());
    }

    #[tokio::test]
    async fn an_abandoned_part_ends_and_is_missed_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let processes = Processes::new(folder.path().to_owned()).unwrap();
        let pid = processes.start("sleeper", Command::new("sleep").arg("60")).unwrap();
        processes.abandon("sleeper");
        let gone = async || {
            if Path::new(&format!("/proc/{pid}")).exists() { Err("it runs".into()) } else { Ok(()) }
        };
        processes.until("its end", Duration::from_secs(20), gone).await.unwrap();
        assert!(processes.list().is_empty());
        processes.abandon("sleeper");
    }
}
