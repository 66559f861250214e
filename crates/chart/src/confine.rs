//! The ports that a child may reach. Go asks addresses of the machine itself past every proxy, so a redirect to one would reach whatever
//! listens beside the operator; where the kernel can do it (6.7 and later), a child has no way there.
//!
//! It is the kernel's Landlock, which a thread gives up rights by, for itself and all that it starts. So each child is started by a thread of
//! its own: a call between fork and exec would need unsafe code.

use std::io;
use std::thread;

use landlock::{AccessNet, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

/// Starts a program that reaches these ports by TCP, of whatever host, and no others. An older kernel lets it reach all.
pub(crate) fn spawn(command: &mut Command, ports: &[u16]) -> io::Result<Child> {
    let runtime = Handle::current();
    thread::scope(|scope| {
        let started = scope.spawn(|| {
            let _entered = runtime.enter();
            confine(ports).map_err(io::Error::other)?;
            command.spawn()
        });
        started.join().unwrap_or_else(|_| Err(io::Error::other("the thread that was to start it broke off")))
    })
}

/// From now on this thread, and what it starts, reaches no other port.
fn confine(ports: &[u16]) -> Result<(), RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessNet::ConnectTcp)?.create()?;
    for port in ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self().map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::Stdio;

    use super::*;

    /// What the child says, and whether it reached it.
    async fn asked(reaches: u16, ports: &[u16]) -> bool {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{reaches}");
        let mut command = Command::new("/bin/bash");
        command.args(["-c", &script]).stderr(Stdio::null());
        let child = spawn(&mut command, ports).unwrap();
        child.wait_with_output().await.unwrap().status.success()
    }

    #[tokio::test]
    async fn a_child_reaches_the_ports_that_it_is_given_and_its_starter_all() {
        let [one, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, others] = [&one, &other].map(|listener| listener.local_addr().unwrap().port());
        assert!(asked(port, &[others, port]).await);
        assert!(!asked(port, &[others]).await);
        assert!(!asked(port, &[]).await);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "nobody else gave anything up");
    }
}
