//! The program `kubectl-teal`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use teal_cli::arguments::Arguments;
use teal_cli::connect::connect;
use teal_cli::error::CliError;
use teal_cli::exit::Exit;
use teal_cli::find::clean_text;
use teal_cli::terminal::{Terminal, paint};

fn main() -> ExitCode {
    // Clap ends the program by itself for --help (0) and for what it does not understand (2).
    let arguments = Arguments::parse();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::from)
        .and_then(|runtime| runtime.block_on(act(&arguments)));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => failed(&error).into(),
    }
}

async fn act(arguments: &Arguments) -> Result<Exit, CliError> {
    let cluster = connect(&arguments.connection).await?;
    let mut person = std::io::stdin().lock();
    // Asked only where the question is seen and answered by a person.
    let present = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut terminal = Terminal {
        out: &mut std::io::stdout().lock(),
        err: &mut std::io::stderr().lock(),
        person: present.then_some(&mut person as &mut dyn BufRead),
        paint: paint(),
        now: Timestamp::now,
        zone: TimeZone::system(),
    };
    let ended = teal_cli::run(&arguments.command, &cluster, &mut terminal).await;
    terminal.out.flush()?;
    ended
}

/// Says what went wrong. A reader that has gone away (`| head`) is no failure worth words.
fn failed(error: &CliError) -> Exit {
    let broken_pipe =
        matches!(error, CliError::Terminal(error) if error.kind() == std::io::ErrorKind::BrokenPipe);
    if !broken_pipe {
        // Nothing is left to be done if standard error is gone, too.
        writeln!(std::io::stderr(), "error: {}", clean_text(&error.to_string())).unwrap_or_default();
    }
    error.exit()
}
