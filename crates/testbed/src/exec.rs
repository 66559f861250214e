//! Running a command inside a bed that somebody else started.

use std::path::PathBuf;
use std::process::Command;

use crate::cgroup::PREFIX;
use crate::enter::{children, run_name};
use crate::error::{Error, Result, invalid};

/// Runs a command in the namespaces of a running bed and gives its exit code.
pub fn exec(bed: Option<&str>, command: &[String]) -> Result<u8> {
    let (name, init) = choose(bed, running())?;
    let (program, arguments) = command.split_first().ok_or_else(|| invalid("exec", "needs a command"))?;
    let kubeconfig = std::env::temp_dir().join(&name).join("bed/keys/admin.kubeconfig");
    let status = Command::new("nsenter")
        .args(["--net", "--pid", "--mount", "--target", &init.to_string(), "--"])
        .arg(program)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .status()
        .map_err(|source| Error::Spawn { program: "nsenter".into(), source })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The beds that run, each with the number of its process 1 as seen from here.
pub fn running() -> Vec<(String, u32)> {
    let folders = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let names = folders.map(|entry: std::fs::DirEntry| run_name(&PathBuf::from(entry.file_name())));
    names.filter_map(|name| Some((init_of(&name)?, name))).map(|(init, name)| (name, init)).collect()
}

/// The program outside has the watcher and unshare as children; process 1 is unshare's.
fn init_of(name: &str) -> Option<u32> {
    let outside = name.strip_prefix(PREFIX)?.parse().ok()?;
    let is_unshare = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "unshare")
    };
    let unshare = children(outside).into_iter().find(is_unshare)?;
    children(unshare).first().copied()
}

fn choose(wanted: Option<&str>, running: Vec<(String, u32)>) -> Result<(String, u32)> {
    let names: Vec<String> = running.iter().map(|(name, _)| name.clone()).collect();
    let mut fitting = running.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(invalid("bed", format!("none such runs; running: {names:?}"))),
        _ => Err(invalid("bed", format!("several run, choose one with --bed: {}", names.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_bed_needs_no_name() {
        let two = || vec![("teal-bed-1".to_owned(), 10), ("teal-bed-2".to_owned(), 20)];
        assert_eq!(choose(None, two()[..1].to_vec()).unwrap().1, 10);
        assert_eq!(choose(Some("teal-bed-2"), two()).unwrap().1, 20);
        assert!(choose(None, two()).unwrap_err().to_string().contains("teal-bed-1, teal-bed-2"));
        assert!(choose(None, Vec::new()).is_err());
        assert!(choose(Some("teal-bed-3"), two()).is_err());
    }
}
