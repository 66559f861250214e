//! Runs the command line against a server in memory.

use std::io::BufRead;
use std::time::Duration;

use clap::Parser;
use jiff::tz::TimeZone;
use serde_json::Value;
use teal_cli::arguments::Arguments;
use teal_cli::error::CliError;
use teal_cli::exit::Exit;
use teal_cli::render::Paint;
use teal_cli::terminal::Terminal;

use super::server::Server;
use super::{now, object};

/// What a run of the command line led to.
pub struct Ran {
    pub ended: Result<Exit, CliError>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn exit(&self) -> Exit {
        self.ended.as_ref().map_or_else(CliError::exit, |exit| *exit)
    }

    pub fn error(&self) -> String {
        self.ended.as_ref().expect_err("an error").to_string()
    }
}

pub async fn run(server: &Server, line: &str) -> Ran {
    run_with(server, line, None).await
}

pub async fn run_with(server: &Server, line: &str, answer: Option<&str>) -> Ran {
    let words = std::iter::once("kubectl-teal").chain(line.split(' '));
    let arguments = Arguments::try_parse_from(words).expect("a command line");
    let mut typed = answer.unwrap_or_default().as_bytes();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        out: &mut out,
        err: &mut err,
        person: answer.is_some().then_some(&mut typed as &mut dyn BufRead),
        paint: Paint::Plain,
        now,
        zone: TimeZone::UTC,
    };
    let mut cluster = server.cluster();
    cluster.namespace = arguments.connection.namespace.clone().unwrap_or(cluster.namespace);
    let run = teal_cli::run(&arguments.command, &cluster, &mut terminal);
    // No test waits for longer than its own --timeout; this only keeps a hang from being endless.
    let ended = tokio::time::timeout(Duration::from_secs(30), run).await.expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { ended, out: text(out), err: text(err) }
}

pub fn serving(status: &Value) -> Server {
    Server::with(object(status))
}
