//! What Helm may reach while it fetches. A repository's index and a redirect may name any address, so it gets to the net through this alone:
//! by TLS, and to nothing that belongs to the machine itself.
//!
//! It is a proxy that is open for one call. Go asks loopback addresses without a proxy, so a redirect that leads to one isn't seen here: the
//! kernel refuses it ([`crate::confine`]). Addresses in the spec are held before ([`crate::source`]).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest head of a request.
const LONGEST_HEAD: usize = 16 << 10;
/// Until another address of the same name is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where clouds tell machines who they are, beside what is link-local.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// What was met on the way, of which Helm sees a status alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Met {
    /// It may not be asked.
    Refused(String),
    /// Nobody answers there.
    Unreachable(String),
}

/// A proxy on loopback, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    address: SocketAddr,
    met: Arc<Mutex<Option<Met>>>,
    task: JoinHandle<()>,
}

impl Guard {
    pub(crate) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let met = Arc::new(Mutex::new(None));
        let task = tokio::spawn(serve(listener, Arc::clone(&met)));
        Ok(Self { address, met, task })
    }

    /// By which Go finds it. Hosts that may be asked plainly are named in the operator's configuration, and asked directly.
    pub(crate) fn environment(&self, plain: &BTreeSet<String>) -> [(&'static str, OsString); 3] {
        let proxy = format!("http://{}", self.address);
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        [
            ("HTTP_PROXY", proxy.clone().into()),
            ("HTTPS_PROXY", proxy.into()),
            ("NO_PROXY", plain.join(",").into()),
        ]
    }

    /// Where it listens.
    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// What was met last.
    pub(crate) fn met(&self) -> Option<Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, met: Arc<Mutex<Option<Met>>>) {
    // With the guard go its connections.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let met = Arc::clone(&met);
        connections.spawn(async move {
            drop(pass(stream, &met).await);
        });
    }
}

async fn pass(mut client: TcpStream, met: &Mutex<Option<Met>>) -> io::Result<()> {
    let head = head(&mut client).await?;
    match reached(&head).await {
        Ok(mut server) => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Err(problem) => {
            let status = if matches!(problem, Met::Refused(_)) { "403 Forbidden" } else { "502 Bad Gateway" };
            *met.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// As far as the empty line: before it was answered a client says no more.
async fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD {
            return Err(io::Error::other("too long a head"));
        }
        head.push(client.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

async fn reached(head: &str) -> Result<TcpStream, Met> {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "CONNECT" {
        return Err(Met::Refused(format!("it leads to {target}, which is asked without TLS")));
    }
    let unreachable = |problem: &dyn ToString| Met::Unreachable(format!("{target}: {}", problem.to_string()));
    let found: Vec<SocketAddr> = lookup_host(target).await.map_err(|error| unreachable(&error))?.collect();
    let allowed: Vec<&SocketAddr> = found.iter().filter(|address| !is_own(address.ip())).collect();
    if let (Some(own), true) = (found.first(), allowed.is_empty()) {
        return Err(Met::Refused(format!(
            "it leads to {target} ({}), which is an address of the machine itself",
            own.ip()
        )));
    }
    let mut last = unreachable(&"it has no address");
    for address in allowed {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = unreachable(&error),
            Err(_) => last = unreachable(&"it doesn't answer"),
        }
    }
    Err(last)
}

/// Whether an address leads to the machine itself, to what is on its own link, or to what tells it who it is.
pub(crate) fn is_own(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(four) => four.is_link_local() || four.is_broadcast() || four.octets()[0] == 0,
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || is_link_local
        || METADATA.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(guard: &Guard, request: &str) -> String {
        let mut stream = TcpStream::connect(guard.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_belongs_to_the_machine_and_what_is_asked_without_tls_is_refused_and_said() {
        let guard = Guard::open().await.unwrap();
        for (request, says) in [
            ("CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n", "127.0.0.1"),
            ("CONNECT localhost:443 HTTP/1.1\r\n\r\n", "localhost:443 ("),
            ("CONNECT 169.254.169.254:443 HTTP/1.1\r\nHost: x\r\n\r\n", "the machine itself"),
            ("CONNECT [::ffff:169.254.169.254]:443 HTTP/1.1\r\n\r\n", "the machine itself"),
            ("CONNECT [fe80::1]:443 HTTP/1.1\r\n\r\n", "the machine itself"),
            ("GET http://charts.example.com/web.tgz HTTP/1.1\r\n\r\n", "web.tgz, which is asked without TLS"),
        ] {
            assert!(asked(&guard, request).await.starts_with("HTTP/1.1 403"), "{request}");
            let met = guard.met();
            assert!(matches!(&met, Some(Met::Refused(told)) if told.contains(says)), "{request}: {met:?}");
        }
        assert!(
            asked(&guard, "CONNECT nobody.invalid:443 HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 502")
        );
        assert!(matches!(guard.met(), Some(Met::Unreachable(told)) if told.contains("nobody.invalid")));
    }

    #[test]
    fn addresses_of_others_are_none_of_the_machine() {
        let is = |text: &str| is_own(text.parse().unwrap());
        for own in [
            "127.8.8.8",
            "0.0.0.0",
            "169.254.169.254",
            "::1",
            "fe80::2",
            "fd00:ec2::254",
            "100.100.100.200",
            "224.0.0.1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is(own), "{own}");
        }
        for other in ["10.96.0.10", "192.168.1.1", "93.184.216.34", "fd00::1", "2001:db8::1", "100.64.0.1"] {
            assert!(!is(other), "{other}");
        }
    }
}
