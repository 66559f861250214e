//! A way in for a person's browser and kubectl: ports on the machine's own loopback
//! address, carried over Unix sockets, which cross network namespaces because they are files.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::error::{At, Error, Result};

/// Carries the addresses to the inner program: `name=address,…`.
pub(crate) const VARIABLE: &str = "TEAL_BED_OUTSIDE";

/// What can be reached from outside.
pub(crate) const NAMES: [&str; 3] = ["api", "gateway", "prometheus"];

/// Opens the ports outside and serves them from threads until this process ends.
pub(crate) fn listen_outside(run: &Path) -> Result<String> {
    let mut addresses = Vec::new();
    for name in NAMES {
        let failed = |source| Error::Enter { action: "open a loopback port", source };
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        addresses.push(format!("{name}={}", listener.local_addr().map_err(failed)?));
        let socket = socket(run, name);
        std::thread::spawn(move || accept(&listener, &socket));
    }
    Ok(addresses.join(","))
}

fn accept(listener: &TcpListener, socket: &Path) {
    for outer in listener.incoming().flatten() {
        let socket = socket.to_owned();
        // Before the bed is up there is no socket: the caller sees a closed connection.
        std::thread::spawn(move || UnixStream::connect(socket).and_then(|inner| join(outer, inner)));
    }
}

fn join(outer: TcpStream, inner: UnixStream) -> io::Result<()> {
    let (mut from, mut to) = (outer.try_clone()?, inner.try_clone()?);
    std::thread::spawn(move || {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
    let (mut from, mut to) = (inner, outer);
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// The address outside of something inside, if it can be reached.
pub(crate) fn address_outside(name: &str) -> Option<String> {
    let all = std::env::var(VARIABLE).ok()?;
    let found = all.split(',').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
    found.map(str::to_owned)
}

/// Carries connections from the socket to an address inside until the task is dropped.
pub(crate) fn carry(run: &Path, name: &str, target: String) -> Result<tokio::task::JoinHandle<()>> {
    let path = socket(run, name);
    if path.exists() {
        std::fs::remove_file(&path).at("remove", &path)?;
    }
    let listener = tokio::net::UnixListener::bind(&path).at("listen on", &path)?;
    Ok(tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let mut inner = tokio::net::TcpStream::connect(target).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    }))
}

fn socket(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{name}.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[tokio::test]
    async fn bytes_cross_in_both_directions() {
        let run = tempfile::tempdir().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap().to_string();
        let task = carry(run.path(), "api", target).unwrap();
        let outside = listen_outside(run.path()).unwrap();
        let address = outside.split(',').next().unwrap().strip_prefix("api=").unwrap().to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"ping").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let (mut peer, _) = server.accept().unwrap();
            let mut asked = String::new();
            peer.read_to_string(&mut asked).unwrap();
            peer.write_all(format!("{asked} pong").as_bytes()).unwrap();
            drop(peer);
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        });
        assert_eq!(answer.await.unwrap(), "ping pong");
        task.abort();
    }
}
