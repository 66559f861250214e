//! Envoy's own counters, against which the counted shares are held.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use teal_testbed::Cluster;

use crate::error::{Error, Result};

/// A cluster of Envoy: a port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upstream {
    /// Name of the Service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Its port.
    pub port: u16,
}

impl Upstream {
    fn key(&self) -> String {
        format!("outbound|{}||{}.{}.svc.cluster.local", self.port, self.service, self.namespace)
    }
}

/// What Envoy has sent to each upstream and was answered, up to a moment.
#[derive(Clone, Debug)]
pub struct Counters {
    /// The middle of the time in which they were read.
    pub at: Instant,
    /// Answers with a final status, by upstream.
    pub answered: BTreeMap<Upstream, u64>,
}

impl Counters {
    /// Reads the counters of these upstreams; nothing where Envoy's admin page can't be reached.
    pub async fn read(cluster: &Cluster, upstreams: &[Upstream]) -> Result<Option<Self>> {
        let Some(admin) = &cluster.envoy_admin else { return Ok(None) };
        let url = format!("{admin}/stats?usedonly&filter=upstream_rq_.xx$");
        let begun = Instant::now();
        let answer = reqwest::Client::new().get(&url).timeout(Duration::from_secs(2)).send().await;
        let text = async { answer?.error_for_status()?.text().await }.await;
        let text = text.map_err(|source| Error::Http { url, source })?;
        let at = begun + begun.elapsed() / 2;
        let answered = upstreams.iter().map(|upstream| (upstream.clone(), count(&text, &upstream.key())));
        Ok(Some(Self { at, answered: answered.collect() }))
    }

    /// How many answers an upstream gave since an earlier reading.
    pub fn since(&self, earlier: &Self, upstream: &Upstream) -> u64 {
        let of = |counters: &Self| counters.answered.get(upstream).copied().unwrap_or(0);
        of(self).saturating_sub(of(earlier))
    }
}

/// Sums `cluster.KEY….upstream_rq_Nxx: COUNT`; upgrades (1xx) are sessions and no requests.
fn count(stats: &str, key: &str) -> u64 {
    let counts = stats.lines().filter_map(|line| {
        let (name, value) = line.rsplit_once(": ")?;
        let rest = name.strip_prefix("cluster.")?.strip_prefix(key)?;
        // Newer versions of Istio end the name of the cluster with a semicolon.
        let class = rest.trim_start_matches(';').strip_prefix(".upstream_rq_")?;
        if matches!(class, "2xx" | "3xx" | "4xx" | "5xx") { value.trim().parse::<u64>().ok() } else { None }
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_answers_of_one_upstream_are_counted() {
        let stats = "cluster.outbound|80||web.shop.svc.cluster.local.upstream_rq_2xx: 90\n\
                     cluster.outbound|80||web.shop.svc.cluster.local.upstream_rq_5xx: 3\n\
                     cluster.outbound|80||web.shop.svc.cluster.local.upstream_rq_1xx: 7\n\
                     cluster.outbound|80||web-candidate.shop.svc.cluster.local;.upstream_rq_2xx: 10\n\
                     cluster.outbound|8080||web.shop.svc.cluster.local.upstream_rq_2xx: 1000\n\
                     cluster.outbound|80||web.shop.svc.cluster.local.internal.upstream_rq_2xx: 1000\n";
        let upstream =
            |service: &str| Upstream { service: service.into(), namespace: "shop".into(), port: 80 };
        assert_eq!(count(stats, &upstream("web").key()), 93);
        assert_eq!(count(stats, &upstream("web-candidate").key()), 10);
        assert_eq!(count(stats, &upstream("other").key()), 0);
    }
}
