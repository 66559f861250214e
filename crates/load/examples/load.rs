//! Load from the command line: `load ADDRESS HOST [RATE [SECONDS]]`, rate 0 for as fast as answers come.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use teal_load::{Load, LoadOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [gateway, host, more @ ..] = arguments.as_slice() else {
        return Err("usage: load ADDRESS HOST [RATE [SECONDS]]".into());
    };
    let rate = more.first().map_or(Ok(0), |rate| rate.parse())?;
    let seconds = more.get(1).map_or(Ok(10), |seconds| seconds.parse())?;
    let options = LoadOptions::new(gateway.parse()?, host.as_str());
    let options = if rate > 0 { options.rate(rate) } else { options };

    let begin = Instant::now();
    let load = Load::start(options)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let record = load.stop().await?;
    let took = begin.elapsed();
    let mut out = std::io::stdout().lock();
    let total = record.total();
    writeln!(out, "{} requests in {took:.1?}, {} failed", total.requests(), total.failed())?;
    for version in record.versions() {
        let share = 100.0 * total.share(&version).unwrap_or_default();
        writeln!(out, "{version}: {share:.2} % {:?}", record.latency(&version))?;
    }
    for failure in record.failures(begin, Instant::now()).iter().take(10) {
        let at = record.millis(failure.at);
        writeln!(
            out,
            "{at} ms: {} (version {:?}, keep-alive {})",
            failure.why, failure.version, failure.keep_alive
        )?;
    }
    Ok(())
}
