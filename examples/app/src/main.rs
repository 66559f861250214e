//! The binary `shop`: reads the mode from the command line and everything else from the environment.

use std::io::Write;
use std::process::ExitCode;

use teal_example_app::{AppError, Caller, Settings, Shop, queue, tick, work};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a crash that a switch asked for, told apart from a refused start.
const CRASHED: u8 = 134;

// One thread is enough for tens of thousands of requests a second, and leaves the rest of a small node to others.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    match run().await {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, AppError> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_else(|| "serve".into());
    match (mode.as_str(), arguments.next()) {
        ("serve", None) => return serve(&settings).await,
        ("queue", None) => {
            let end = end_asked()?;
            queue::serve(&settings, async move { end.cancelled().await }).await?;
        }
        ("worker", None) => work(&settings, &end_asked()?).await?,
        ("tick", None) => tick(&settings).await?,
        ("get", Some(url)) => {
            let body = Caller::new()?.get(&url).await?;
            std::io::stdout().write_all(body.as_bytes()).map_err(AppError::Output)?;
        }
        _ => return Err(AppError::Mode(std::env::args().skip(1).collect::<Vec<_>>().join(" "))),
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: &Settings) -> Result<ExitCode, AppError> {
    let end = end_asked()?;
    let shop = Shop::start(settings).await?;
    tracing::info!(
        version = settings.identity.version, color = settings.identity.color,
        http = %shop.http(), grpc = %shop.grpc(), tcp = %shop.tcp(), "serving"
    );
    tokio::select! {
        () = end.cancelled() => shop.drain().await,
        // At once, as a crash does: no goodbye to anyone.
        () = shop.crashed() => std::process::exit(CRASHED.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A token that SIGTERM or SIGINT cancels. Process 1 of a container gets neither unless it asks for them.
fn end_asked() -> Result<CancellationToken, AppError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signal)?;
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.cancel();
    });
    Ok(token)
}

/// The error with its causes, which is where a refused connection hides.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}
