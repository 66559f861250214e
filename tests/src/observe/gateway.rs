//! What came in at the gateway, by its own counters. Unlike those of its upstreams they don't end with a route.

use std::time::{Duration, Instant};

use teal_testbed::Cluster;

use crate::error::{Error, Result};

/// How long Envoy's admin page may take to answer.
const ADMIN: Duration = Duration::from_secs(5);

/// What all callers of the gateway got so far.
#[derive(Clone, Copy, Debug)]
pub struct Gateway {
    /// The middle of the time in which it was read.
    pub at: Instant,
    /// Requests that were answered.
    pub answered: u64,
    /// Of these, answers with a status of 500 or more.
    pub failed: u64,
}

impl Gateway {
    /// Reads Envoy's counters.
    pub async fn read(cluster: &Cluster) -> Result<Self> {
        let text = admin(cluster, "stats?usedonly&filter=^http[.].*downstream_rq_.xx$").await?;
        let (at, text) = text;
        Ok(Self { at, answered: count(&text, &["2", "3", "4", "5"]), failed: count(&text, &["5"]) })
    }

    /// Answers a second since an earlier reading.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn rate(&self, earlier: &Self) -> f64 {
        let answered = self.answered.saturating_sub(earlier.answered) as f64;
        answered / self.at.saturating_duration_since(earlier.at).as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Whether the gateway knows a port of a Service, which with filtered configuration it does only while a route names it.
pub async fn gateway_knows(cluster: &Cluster, upstream: &str) -> Result<bool> {
    let (_, text) = admin(cluster, "clusters").await?;
    Ok(text.lines().any(|line| line.starts_with(upstream)))
}

async fn admin(cluster: &Cluster, page: &str) -> Result<(Instant, String)> {
    let base = cluster.envoy_admin.as_deref();
    let base = base.ok_or_else(|| Error::Cluster("Envoy's admin page can't be reached".into()))?;
    let url = format!("{base}/{page}");
    let begun = Instant::now();
    let answer = reqwest::Client::new().get(&url).timeout(ADMIN).send().await;
    let text = async { answer?.error_for_status()?.text().await }.await;
    let text = text.map_err(|source| Error::Http { url, source })?;
    Ok((begun + begun.elapsed() / 2, text))
}

/// Sums `http.LISTENER….downstream_rq_Nxx: COUNT` of these classes; the admin page's own answers are nobody's requests.
fn count(stats: &str, classes: &[&str]) -> u64 {
    let counts = stats.lines().filter_map(|line| {
        let (name, value) = line.rsplit_once(": ")?;
        let (listener, class) = name.strip_prefix("http.")?.rsplit_once(".downstream_rq_")?;
        let counts = !listener.starts_with("admin") && classes.contains(&class.strip_suffix("xx")?);
        if counts { value.trim().parse::<u64>().ok() } else { None }
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_listeners_are_counted_and_those_of_the_admin_page_are_not() {
        let stats = "http.outbound_0.0.0.0_80;.downstream_rq_2xx: 90\n\
                     http.outbound_0.0.0.0_80;.downstream_rq_1xx: 7\n\
                     http.outbound_0.0.0.0_80;.downstream_rq_5xx: 3\n\
                     http.admin.downstream_rq_2xx: 1000\n";
        assert_eq!((count(stats, &["2", "3", "4", "5"]), count(stats, &["5"])), (93, 3));
        let at = Instant::now();
        let earlier = Gateway { at, answered: 1000, failed: 0 };
        let later = Gateway { at: at + Duration::from_secs(2), answered: 11_000, failed: 0 };
        assert!((later.rate(&earlier) - 5000.0).abs() < 1e-9);
    }
}
