//! What the demo found, and what of it falls short of what was promised.

use serde::Serialize;

/// Requests that must be counted at 10 % for the share to mean something.
pub(super) const REQUESTS_AT_10: u64 = 5000;
/// How far the share may be from 10 %, in percent of all requests.
const SHARE_MAY_DIFFER: f64 = 2.0;
/// How far counted shares and Envoy's own counters may differ, in percent.
const ENVOY_MAY_DIFFER: f64 = 1.0;
/// How long live may lack its 100 % once a verdict leads back (invariant I5), in milliseconds.
const BACK_WITHIN_MS: u64 = 1000;
/// Before the first move of traffic, and after the first two of the good version and the first of the bad one.
const SESSION_SETS: usize = 4;

/// All of it. The last line of `--json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The rollout of the good version.
    pub good: Good,
    /// The rollout of the bad version.
    pub bad: Bad,
    /// Sessions that were cut before their color retired.
    pub cut_connections: usize,
    /// Sessions that there were.
    pub sessions: usize,
    /// How often new ones were opened: before the first move of traffic, and after each.
    pub session_sets: usize,
    /// Whether the VirtualService's spec was its owner's again after both rollouts.
    pub owners_bytes_restored: bool,
    /// How far the counted share and count at 10 % are from Envoy's counters, in percent; null where Envoy can't be asked.
    pub envoy_agrees_within_percent: Option<f64>,
    /// What can't be looked at on this cluster, each with why. Empty on one that was started here.
    pub not_checked: Vec<String>,
    /// What falls short, in words. Empty if all is as promised.
    pub unmet: Vec<String>,
}

/// The rollout of the good version.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Good {
    /// The shares it was given, one after another: weights times what the role Services select.
    pub weights: Vec<u32>,
    /// What users got at the step of 10 %.
    pub share_at_10: ShareAt10,
    /// Requests without the expected answer in time, from the update to the end of the old color.
    pub failed_requests: u64,
    /// Whether the old color is gone.
    pub retired: bool,
    /// From the update to the end of the old color.
    pub seconds: f64,
}

/// What users got at the step of 10 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ShareAt10 {
    /// Requests counted.
    pub requests: u64,
    /// How many of a hundred were answered by the candidate.
    pub candidate_percent: f64,
}

/// The rollout of the bad version.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bad {
    /// The shares it was given, one after another.
    pub weights: Vec<u32>,
    /// Whether live is what it was, and the version is marked as rejected.
    pub rolled_back: bool,
    /// From the failed verdict to the write that takes the candidate's share away, both as seen by watches.
    pub ms_from_verdict_to_zero_weight: Option<u64>,
    /// From the failed verdict to the candidate's last answer.
    pub ms_from_verdict_to_zero_traffic: Option<u64>,
    /// Requests that failed and were not answered by the candidate itself.
    pub failed_requests_on_live: u64,
}

impl Summary {
    /// Adds to `unmet` whatever is not as promised.
    pub fn judge(&mut self, envoy_can_be_asked: bool) {
        let (good, bad, share) = (&self.good, &self.bad, &self.good.share_at_10);
        let mut unmet = Vec::new();
        let mut demand = |holds: bool, otherwise: String| {
            if !holds {
                unmet.push(otherwise);
            }
        };
        demand(
            good.weights == [0, 10, 100],
            format!("the good version was given {:?}, not [0, 10, 100]", good.weights),
        );
        let enough = share.requests >= REQUESTS_AT_10;
        demand(
            enough,
            format!("only {} requests were counted at 10 %, not {REQUESTS_AT_10}", share.requests),
        );
        let near = (share.candidate_percent - 10.0).abs() <= SHARE_MAY_DIFFER;
        demand(near, format!("at 10 % users got {:.2} % from the candidate", share.candidate_percent));
        demand(
            good.failed_requests == 0,
            format!("{} requests failed in the good rollout", good.failed_requests),
        );
        demand(good.retired, "the old color is not gone".into());
        demand(bad.rolled_back, "the bad version was not rolled back".into());
        demand(
            bad.weights == [0, 10, 0],
            format!("the bad version was given {:?}, not [0, 10, 0]", bad.weights),
        );
        demand(
            bad.ms_from_verdict_to_zero_weight.is_some(),
            "no failed verdict took the bad version's weight".into(),
        );
        let late = bad.ms_from_verdict_to_zero_weight.unwrap_or_default();
        demand(
            late <= BACK_WITHIN_MS,
            format!("the bad version kept its weight for {late} ms after the verdict, not {BACK_WITHIN_MS}"),
        );
        demand(
            bad.ms_from_verdict_to_zero_traffic.is_some(),
            "it is not known when the bad version gave its last answer".into(),
        );
        let failed = bad.failed_requests_on_live;
        demand(failed == 0, format!("{failed} requests failed on the live color in the bad rollout"));
        demand(self.sessions > 0, "no session was open that could have been cut".into());
        demand(
            self.session_sets >= SESSION_SETS,
            format!(
                "sessions were opened {} times, not before and after each move ({SESSION_SETS} at least)",
                self.session_sets
            ),
        );
        demand(self.cut_connections == 0, format!("{} sessions were cut", self.cut_connections));
        demand(self.owners_bytes_restored, "the VirtualService is not its owner's again".into());
        if envoy_can_be_asked {
            let agrees = self.envoy_agrees_within_percent.is_some_and(|percent| percent <= ENVOY_MAY_DIFFER);
            let differs = self.envoy_agrees_within_percent;
            demand(
                agrees,
                format!("counts differ from Envoy's by {differs:?} percent, more than {ENVOY_MAY_DIFFER}"),
            );
        }
        self.unmet.extend(unmet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Summary {
        Summary {
            good: Good {
                weights: vec![0, 10, 100],
                share_at_10: ShareAt10 { requests: 5000, candidate_percent: 11.9 },
                failed_requests: 0,
                retired: true,
                seconds: 60.0,
            },
            bad: Bad {
                weights: vec![0, 10, 0],
                rolled_back: true,
                ms_from_verdict_to_zero_weight: Some(12),
                ms_from_verdict_to_zero_traffic: Some(140),
                failed_requests_on_live: 0,
            },
            cut_connections: 0,
            sessions: 12,
            session_sets: 4,
            owners_bytes_restored: true,
            envoy_agrees_within_percent: Some(0.2),
            not_checked: Vec::new(),
            unmet: Vec::new(),
        }
    }

    #[test]
    fn nothing_is_unmet_where_all_is_as_promised() {
        let mut summary = fine();
        summary.judge(true);
        assert_eq!(summary.unmet, Vec::<String>::new());
    }

    #[test]
    fn a_second_for_the_way_back_is_as_promised() {
        let mut summary = fine();
        summary.bad.ms_from_verdict_to_zero_weight = Some(1000);
        summary.judge(true);
        assert_eq!(summary.unmet, Vec::<String>::new());
    }

    #[test]
    fn each_shortfall_is_named_by_itself() {
        type Spoil = fn(&mut Summary);
        let spoil: [(Spoil, &str); 17] = [
            (|s| s.good.weights = vec![0, 10, 0, 100], "[0, 10, 0, 100]"),
            (|s| s.good.share_at_10.requests = 4999, "4999"),
            (|s| s.good.share_at_10.candidate_percent = 7.9, "7.90 %"),
            (|s| s.good.failed_requests = 1, "1 requests failed in the good"),
            (|s| s.good.retired = false, "not gone"),
            (|s| s.bad.rolled_back = false, "not rolled back"),
            (|s| s.bad.weights = vec![0, 10], "[0, 10]"),
            (|s| s.bad.weights = vec![0, 10, 100, 0], "[0, 10, 100, 0]"),
            (|s| s.bad.ms_from_verdict_to_zero_weight = None, "verdict"),
            (|s| s.bad.ms_from_verdict_to_zero_weight = Some(1001), "1001"),
            (|s| s.bad.ms_from_verdict_to_zero_traffic = None, "last answer"),
            (|s| s.bad.failed_requests_on_live = 2, "2 requests failed on the live"),
            (|s| s.cut_connections = 3, "3 sessions"),
            (|s| s.sessions = 0, "no session"),
            (|s| s.session_sets = 3, "opened 3 times"),
            (|s| s.owners_bytes_restored = false, "owner's"),
            (|s| s.envoy_agrees_within_percent = None, "Envoy"),
        ];
        for (spoil, word) in spoil {
            let mut summary = fine();
            spoil(&mut summary);
            summary.judge(true);
            assert_eq!(summary.unmet.len(), 1, "{word}: {:?}", summary.unmet);
            assert!(summary.unmet[0].contains(word), "{word}: {:?}", summary.unmet);
        }
    }

    #[test]
    fn fields_are_named_as_promised() {
        let json = serde_json::to_value(fine()).unwrap();
        let keys = |pointer: &str| {
            json.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let all = [
            "bad",
            "cut_connections",
            "envoy_agrees_within_percent",
            "good",
            "not_checked",
            "owners_bytes_restored",
            "session_sets",
            "sessions",
            "unmet",
        ];
        assert_eq!(keys(""), all);
        assert_eq!(keys("/good"), ["failed_requests", "retired", "seconds", "share_at_10", "weights"]);
        assert_eq!(keys("/good/share_at_10"), ["candidate_percent", "requests"]);
        let bad = [
            "failed_requests_on_live",
            "ms_from_verdict_to_zero_traffic",
            "ms_from_verdict_to_zero_weight",
            "rolled_back",
            "weights",
        ];
        assert_eq!(keys("/bad"), bad);
    }
}
