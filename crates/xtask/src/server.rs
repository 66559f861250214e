//! `cargo xtask server`: the tests that need an API server and nothing behind it, or a Prometheus.
//!
//! A test program called `server`, in whatever room, is one of them. They are built here, since inside a bed no registry can
//! be reached; the program `server` of the stories' package starts a control plane and runs them in it.

use std::ffi::OsString;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Stdio;

use cargo_metadata::Message;

use crate::command::{cargo, leashed, turn_into, words};
use crate::error::Error;
use crate::stories::PACKAGE;
use crate::test;
use crate::workspace::Workspace;

/// What a test program is called that needs a real server; and the program that runs them.
pub const NAME: &str = "server";

/// A built test program.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    /// Its room's folder, which tells programs of one name apart.
    room: String,
    path: PathBuf,
}

/// Builds the test programs and turns into what runs them, with the caller's arguments; returns only where that failed.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Error> {
    let programs = build(workspace)?;
    let mut command = cargo(&["run", "--quiet", "--package", PACKAGE, "--bin", NAME, "--"]);
    for Program { room, path } in &programs {
        let mut program = OsString::from(format!("--program={room}="));
        program.push(path);
        command.arg(program);
    }
    Err(turn_into(command.args(arguments)))
}

/// Builds as the step `unit` does, so that nothing is built twice.
fn build(workspace: &Workspace) -> Result<Vec<Program>, Error> {
    let mut command = cargo(&["test", "--no-run", "--test", NAME]);
    command.args(["--message-format", "json-render-diagnostics"]).args(test::together());
    command.current_dir(workspace.root());
    let line = words(&command);
    let failed = |source| Error::Start { command: line.clone(), source };
    let mut child = leashed(&command).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let output = child.stdout.take().map(BufReader::new);
    let messages: Vec<Message> =
        output.into_iter().flat_map(Message::parse_stream).map_while(Result::ok).collect();
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(messages.iter().filter_map(program).collect());
    }
    Err(Error::Ended { command: line, status: status.to_string() })
}

/// The test program that a message of cargo speaks of.
fn program(message: &Message) -> Option<Program> {
    let Message::CompilerArtifact(artifact) = message else { return None };
    let path =
        artifact.executable.as_ref().filter(|_| artifact.profile.test && artifact.target.name == NAME)?;
    let room = artifact.manifest_path.parent().and_then(|folder| folder.file_name())?;
    Some(Program { room: room.to_owned(), path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, test: bool, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/crates/cluster#0.1.0","manifest_path":"/w/crates/cluster/Cargo.toml","target":{{"kind":["test"],"crate_types":["bin"],"name":"{name}","src_path":"/w/a.rs","edition":"2024","doc":false,"doctest":false,"test":true}},"profile":{{"opt_level":"0","debuginfo":2,"debug_assertions":true,"overflow_checks":true,"test":{test}}},"features":[],"filenames":[],"executable":{executable},"fresh":true}}"#
        )
    }

    #[test]
    fn only_test_programs_of_that_name_are_run() {
        let output = [
            artifact("server", true, r#""/w/target/server-1""#),
            artifact("examples", true, r#""/w/target/examples-1""#),
            artifact("server", false, r#""/w/target/server""#),
            artifact("server", true, "null"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let messages: Vec<Message> =
            Message::parse_stream(output.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(messages.len(), 5);
        let found: Vec<Program> = messages.iter().filter_map(program).collect();
        assert_eq!(found, [Program { room: "cluster".into(), path: "/w/target/server-1".into() }]);
    }
}
