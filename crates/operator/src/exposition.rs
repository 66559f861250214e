//! Figures as Prometheus reads them.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use teal_cluster::{Figures, LOOK_BUCKETS, Looks};

/// Everything in one text.
pub(crate) fn text(figures: &Figures) -> String {
    let mut registry = Registry::with_prefix("teal");
    registry.register_collector(Box::new(Shown(figures.clone())));
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
        tracing::error!("metrics can't be written");
    }
    text
}

#[derive(Debug)]
struct Shown(Figures);

/// A number with labels.
struct Sample(Vec<(&'static str, String)>, f64);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(figures) = self;
        for (name, help, kind, samples) in self.families() {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for Sample(labels, value) in samples {
                if labels.is_empty() {
                    number_of(&mut family, kind, value)?;
                } else {
                    number_of(&mut family.encode_family(&labels)?, kind, value)?;
                }
            }
        }
        for (name, help, looks) in [
            ("look_duration", "Time from caches to a plan", &figures.looks),
            ("reconcile_duration", "Time of a look with all that followed from it", &figures.reconciles),
        ] {
            let unit = Some(&Unit::Seconds);
            histogram(looks, encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?)?;
        }
        Ok(())
    }
}

fn number_of(encoder: &mut MetricEncoder<'_>, kind: MetricType, value: f64) -> Result<(), std::fmt::Error> {
    if matches!(kind, MetricType::Counter) {
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    } else {
        encoder.encode_gauge(&value)
    }
}

type Family = (&'static str, &'static str, MetricType, Vec<Sample>);

impl Shown {
    fn families(&self) -> Vec<Family> {
        let figures = &self.0;
        let mut families = vec![
            (
                "leader",
                "Whether this process acts",
                MetricType::Gauge,
                vec![Sample(vec![], f64::from(u8::from(figures.leads)))],
            ),
            (
                "rollouts_unreadable",
                "Rollouts whose spec can't be read",
                MetricType::Gauge,
                vec![Sample(vec![], number(figures.unreadable))],
            ),
            (
                "events",
                "Events that were told",
                MetricType::Counter,
                vec![Sample(vec![], number(figures.events))],
            ),
        ];
        let requests = figures.requests.iter().map(|((verb, kind), count)| {
            Sample(vec![("verb", (*verb).to_owned()), ("kind", kind.clone())], number(*count))
        });
        families.push((
            "api_requests",
            "Requests to the API server but for watches",
            MetricType::Counter,
            requests.collect(),
        ));
        let failures = figures
            .failures
            .iter()
            .map(|(class, count)| Sample(vec![("class", (*class).to_owned())], number(*count)));
        families.push((
            "failed_looks",
            "Looks that ended with an error",
            MetricType::Counter,
            failures.collect(),
        ));
        families.extend(self.rollouts());
        families
    }

    fn rollouts(&self) -> Vec<Family> {
        let named = |figures: &teal_cluster::RolloutFigures| {
            vec![("namespace", figures.namespace.clone()), ("rollout", figures.name.clone())]
        };
        let (mut phases, mut steps, mut weights, mut stalled, mut asked, mut verdicts) =
            (vec![], vec![], vec![], vec![], vec![], vec![]);
        for rollout in &self.0.rollouts {
            let with = |key: &'static str, value: &str| {
                let mut labels = named(rollout);
                labels.push((key, value.to_owned()));
                labels
            };
            phases.push(Sample(with("phase", rollout.phase), 1.0));
            weights.push(Sample(named(rollout), f64::from(rollout.weight)));
            if let Some(step) = &rollout.step {
                steps.push(Sample(with("step", step), 1.0));
            }
            if let Some(reason) = &rollout.stalled {
                stalled.push(Sample(with("reason", reason), 1.0));
            }
            if let Some(since) = rollout.asked_since_ms {
                asked.push(Sample(named(rollout), seconds_since(since)));
            }
            for (check, verdict) in &rollout.verdicts {
                let mut labels = with("check", check);
                labels.push(("verdict", verdict.clone()));
                verdicts.push(Sample(labels, 1.0));
            }
        }
        vec![
            ("rollout_phase", "The phase that a Rollout is in", MetricType::Gauge, phases),
            ("rollout_step", "The step that a Rollout is at", MetricType::Gauge, steps),
            (
                "rollout_candidate_weight",
                "Percent of requests that the candidate gets",
                MetricType::Gauge,
                weights,
            ),
            ("rollout_stalled", "Why a person must act", MetricType::Gauge, stalled),
            ("rollout_gate_wait_seconds", "How long people have been asked", MetricType::Gauge, asked),
            ("rollout_check_verdict", "What a check says", MetricType::Gauge, verdicts),
        ]
    }
}

fn number(count: u64) -> f64 {
    // Counts beyond what a double holds exactly are not reached.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn seconds_since(at_ms: i64) -> f64 {
    let now = jiff::Timestamp::now().as_millisecond();
    number(u64::try_from((now - at_ms) / 1000).unwrap_or(0))
}

fn histogram(looks: &Looks, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
    let bounds = LOOK_BUCKETS.into_iter().chain([f64::MAX]);
    let buckets: Vec<(f64, u64)> = bounds.zip(looks.buckets).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(looks.seconds, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use teal_cluster::RolloutFigures;

    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures { leads: true, ..Figures::default() };
        figures.requests.insert(("patch", "Service".into()), 3);
        figures.failures.insert("denied", 2);
        figures.looks.buckets[2] = 5;
        figures.reconciles.buckets[4] = 7;
        figures.rollouts.push(RolloutFigures {
            namespace: "shop".into(),
            name: "web".into(),
            phase: "Waiting",
            step: Some("canary".into()),
            weight: 10,
            stalled: Some("ChecksBlind".into()),
            asked_since_ms: Some(jiff::Timestamp::now().as_millisecond() - 90_500),
            verdicts: vec![("errors".into(), "Pass".into())],
        });
        figures
    }

    #[test]
    fn figures_are_shown() {
        let text = text(&figures());
        for line in [
            "teal_leader 1.0",
            "teal_api_requests_total{verb=\"patch\",kind=\"Service\"} 3.0",
            "teal_rollout_phase{namespace=\"shop\",rollout=\"web\",phase=\"Waiting\"} 1.0",
            "teal_rollout_step{namespace=\"shop\",rollout=\"web\",step=\"canary\"} 1.0",
            "teal_rollout_candidate_weight{namespace=\"shop\",rollout=\"web\"} 10.0",
            "teal_rollout_stalled{namespace=\"shop\",rollout=\"web\",reason=\"ChecksBlind\"} 1.0",
            "teal_rollout_check_verdict{namespace=\"shop\",rollout=\"web\",check=\"errors\",verdict=\"Pass\"} 1.0",
            "teal_look_duration_seconds_count 5",
            "teal_reconcile_duration_seconds_count 7",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        let asked = "teal_rollout_gate_wait_seconds{namespace=\"shop\",rollout=\"web\"} ";
        let waited: f64 = text.lines().find_map(|line| line.strip_prefix(asked)).unwrap().parse().unwrap();
        assert!((90.0..120.0).contains(&waited), "people have been asked for {waited} s");
    }

    #[test]
    fn the_reference_names_each_metric_with_its_type_and_labels() {
        let page = include_str!("../../../docs/reference/metrics.md");
        let cells = |line: &str| line.split('|').skip(1).take(3).map(|cell| cell.trim().to_owned()).collect();
        let named: BTreeSet<Vec<String>> =
            page.lines().filter(|line| line.starts_with("| `teal_")).map(cells).collect();
        let text = text(&figures());
        let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let shown: BTreeSet<Vec<String>> = shown
            .map(|(family, kind)| {
                let name = if kind == "counter" { format!("{family}_total") } else { family.to_owned() };
                let labels = labels(&text, &name);
                vec![format!("`{name}`"), kind.to_owned(), labels]
            })
            .collect();
        assert_eq!(named, shown);
    }

    #[test]
    fn what_does_not_apply_has_no_row() {
        let mut calm = figures();
        for rollout in &mut calm.rollouts {
            (rollout.step, rollout.stalled, rollout.asked_since_ms) = (None, None, None);
        }
        let text = text(&calm);
        for name in ["teal_rollout_step", "teal_rollout_stalled", "teal_rollout_gate_wait_seconds"] {
            assert!(!text.contains(&format!("{name}{{")), "{name} in\n{text}");
        }
    }

    /// An alert on a word that nothing says, or on a metric that isn't served, never rings.
    #[test]
    fn the_alerts_of_the_reference_ask_for_what_is_served() {
        use teal_api::conditions::{Phase, Reason, Verdict};
        let page = include_str!("../../../docs/reference/metrics.md");
        let text = text(&figures());
        let rules: Vec<&str> = page.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
        assert!(rules.len() > 6, "{rules:?}");
        for rule in &rules {
            let names = rule.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for name in names.filter(|name| name.starts_with("teal_")) {
                assert!(
                    text.contains(&format!("\n{name}{{")) || text.contains(&format!("\n{name} ")),
                    "{name}"
                );
            }
            let words = |label: &str| -> Vec<String> {
                let value = ["=", "=~", "!~"].into_iter().find_map(|operator| {
                    Some(rule.split_once(&format!("{label}{operator}\""))?.1.split_once('"')?.0)
                });
                value
                    .unwrap_or_default()
                    .split('|')
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .collect()
            };
            assert!(words("phase").iter().all(|word| Phase::known(word).is_some()), "{rule}");
            assert!(words("verdict").iter().all(|word| Verdict::known(word).is_some()), "{rule}");
            assert!(words("reason").iter().all(|word| Reason::known(word).is_some()), "{rule}");
        }
        let blind = |rule: &&str| rule.contains("teal_rollout_stalled{") && !rule.contains("ChecksBlind");
        assert!(
            rules.iter().any(blind),
            "a check without data is Inconclusive, and nothing but this tells of it"
        );
    }

    /// The labels of the first sample of this name, as the page writes them.
    fn labels(text: &str, name: &str) -> String {
        let sample = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        let inner = sample.and_then(|sample| sample.split_once('}')).map_or("", |(inner, _)| inner);
        let keys: Vec<String> =
            inner.split(',').filter_map(|pair| Some(format!("`{}`", pair.split_once('=')?.0))).collect();
        keys.join(", ")
    }
}
