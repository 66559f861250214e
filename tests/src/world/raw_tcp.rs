//! Raw TCP through the gateway, which has a port of its own for it; or somebody else's has not.

use std::net::SocketAddr;
use std::time::Duration;

use teal_load::{SessionTarget, Sessions};

use super::gateway_ports::SESSIONS;

/// How long it may take until it answers, once the application serves by the other.
pub(super) const ANSWERS: Duration = Duration::from_secs(10);

/// Why no session can be opened at an address, where that is so.
pub(super) async fn why_left_out(address: SocketAddr, within: Duration) -> Option<String> {
    let target = SessionTarget { tcp: Some(address), ..SessionTarget::default() };
    let opened = async || {
        // Dropped at once: those that are counted come later.
        Sessions::new()
            .open(&target, "to see whether it can be")
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let answered = teal_testbed::until(format!("an answer at {address}"), within, opened).await;
    answered.err().map(|error| {
        format!(
            "sessions of raw TCP are left out: the gateway passes nothing on at port {SESSIONS} ({error}); open that port in its \
             Service to have them too"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_at_which_nobody_answers_is_left_out_with_what_would_mend_it() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let why = why_left_out(free, Duration::from_millis(50)).await.expect("nobody listens there");
        assert!(why.contains("port 9000") && why.contains(&free.to_string()), "{why}");
    }

    #[tokio::test]
    async fn a_port_at_which_the_application_answers_is_used() {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = peer.split();
            writer.write_all(b"version=v1 color=blue\n").await.unwrap();
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            }
        });
        assert_eq!(why_left_out(address, Duration::from_secs(10)).await, None);
    }
}
