//! Charts as this room sees them: what is to be rendered, and what came of it. Who fetches and renders comes from outside, because both
//! take seconds and no look may wait: facts come in by [`Charting`], as those of metrics do by [`crate::Measuring`].

mod served;

use std::fmt;
use std::sync::Arc;

use teal_api::Rollout;
use teal_api::rollout::{Chart, Traffic};
use teal_plan::record::Release;
use teal_plan::{ContentHash, Phase, Record};
use teal_release::chart::{Body, ServiceMapping, Stage};

use crate::checks::Poker;
use crate::memory::Memory;

pub use served::{Discovery, Serves};

/// Whoever renders charts. Called from looks, so nothing here may wait.
pub trait Charting: Send + Sync {
    /// Takes whom to tell that something came of a chart, and of whom to ask what the cluster has.
    fn listen(&self, poker: Poker, discovery: Discovery);
    /// What came of a chart, which is begun where it isn't yet. What was asked for this Rollout before is forgotten where it is another.
    fn rendered(&self, wanted: Wanted) -> ChartSeen;
    /// Forgets a Rollout, by its uid.
    fn forget(&self, uid: &str);
}

/// Whoever renders charts, shared by all looks.
#[derive(Clone)]
pub struct Charts(pub Arc<dyn Charting>);

impl fmt::Debug for Charts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Charts")
    }
}

/// A chart to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The Rollout's uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The content that it is.
    pub hash: ContentHash,
    /// The chart.
    pub chart: Chart,
    /// Whether something of the Rollout serves already.
    pub stage: Stage,
}

/// What came of a chart.
#[derive(Clone, Debug, Default)]
pub enum ChartSeen {
    /// The release is none, or was made already: of that only what is kept counts.
    #[default]
    None,
    /// It is being fetched or rendered.
    Pending,
    /// It can't be used: a reason of the condition `Accepted`, and a sentence with field and remedy for each problem.
    Refused(Vec<(&'static str, String)>),
    /// Its objects in both colors.
    Ready(Arc<Body>),
}

impl ChartSeen {
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }

    /// What a revision is to be kept with.
    pub(crate) const fn body(&self) -> Option<&Arc<Body>> {
        match self {
            Self::Ready(body) => Some(body),
            Self::None | Self::Pending | Self::Refused(_) => None,
        }
    }
}

/// What is told where the operator has no helm.
const OFF: &str = "spec.release.chart can't be rendered, because charts are switched off in this operator: set charts.enabled in the \
                   values of Teal's chart, which gives it --helm, or list the objects in spec.release.manifests";

/// Whether a release may be made from what its chart is rendered to now: only before anything of it was kept or made. A version may hold
/// something else by then, and what serves must stay what it is.
pub(crate) fn is_unmade(record: &Record, release: &Release, is_made: bool) -> bool {
    let is_first = matches!(record.phase, Phase::New | Phase::Installing { .. });
    let begins = is_first || record.candidate.is_some_and(|candidate| candidate.slot == release.slot);
    begins && !is_made
}

/// What is to be rendered of a spec that no revision which stands was made from, or why nothing is. `is_made` says whether anything of one
/// was.
pub(crate) fn wanted(
    rollout: &Rollout,
    hash: ContentHash,
    memory: &Memory,
    is_made: impl Fn(&Release) -> bool,
) -> Result<Wanted, ChartSeen> {
    let chart = match rollout.spec.release.chart() {
        None => return Err(ChartSeen::None),
        Some(Ok(chart)) => chart,
        Some(Err(problem)) => return Err(ChartSeen::Refused(vec![("ReleaseInvalid", problem.to_string())])),
    };
    let record = crate::observe::record(rollout);
    let mut standing = record.releases().filter(|release| release.hash == hash);
    let is_kept = |release: &Release| memory.contents.contains_key(&release.slot.revision);
    if standing.any(|release| is_kept(&release) || !is_unmade(&record, &release, is_made(&release))) {
        return Err(ChartSeen::None);
    }
    let is_first = matches!(record.phase, Phase::New | Phase::Installing { .. });
    let stage = if is_first { Stage::Install } else { Stage::Upgrade };
    let metadata = &rollout.metadata;
    Ok(Wanted {
        uid: metadata.uid.clone().unwrap_or_default(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        hash,
        chart,
        stage,
    })
}

/// Has it rendered.
pub(crate) fn rendered(charts: Option<&Charts>, wanted: Wanted) -> ChartSeen {
    match charts {
        Some(Charts(charts)) => charts.rendered(wanted),
        None => ChartSeen::Refused(vec![("ReleaseInvalid", OFF.to_owned())]),
    }
}

/// Which Services of a chart stand behind the traffic Services.
pub(crate) fn mappings(traffic: &Traffic) -> Vec<ServiceMapping> {
    let services = traffic.services.iter();
    services
        .map(|service| ServiceMapping { name: service.name.clone(), from: service.from.clone() })
        .collect()
}

/// What is kept with a revision whose traffic is this. What was kept before is kept as it was.
pub(crate) fn kept_with(body: &Body, services: &[String], traffic: &Traffic) -> Body {
    if !body.services().is_empty() {
        return body.clone();
    }
    body.clone().with_services(body.mapped(services, &mappings(traffic)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};
    use teal_plan::record::Outcome;
    use teal_plan::{Color, Slot, Time};
    use teal_release::Kept;

    use super::*;

    /// Takes note of what it is asked.
    #[derive(Default)]
    struct Asked(Mutex<Vec<String>>);

    impl Charting for Asked {
        fn listen(&self, _: Poker, _: Discovery) {}
        fn rendered(&self, wanted: Wanted) -> ChartSeen {
            let asked =
                format!("{}/{} {} {:?}", wanted.namespace, wanted.name, wanted.chart.version, wanted.stage);
            self.0.lock().unwrap().push(asked);
            ChartSeen::Pending
        }
        fn forget(&self, uid: &str) {
            self.0.lock().unwrap().push(format!("forget {uid}"));
        }
    }

    fn rollout(release: &Value, commit: &Value) -> Rollout {
        let rollout = json!({
            "apiVersion": "teal.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "web", "namespace": "shop", "uid": "1"},
            "spec": {"release": release, "traffic": {"services": [{"name": "web"}]}},
            "status": {"commit": commit},
        });
        serde_json::from_value(rollout).unwrap()
    }

    /// What is said of a release by whom is asked, and what that one was asked.
    fn look(rollout: &Rollout, memory: &Memory, on: bool) -> (ChartSeen, Vec<String>) {
        look_at(rollout, memory, on, false)
    }

    fn look_at(rollout: &Rollout, memory: &Memory, on: bool, is_made: bool) -> (ChartSeen, Vec<String>) {
        let asked = Arc::new(Asked::default());
        let charts = on.then(|| Charts(Arc::clone(&asked) as Arc<dyn Charting>));
        let hash = teal_release::hash(rollout.spec.release.raw());
        let seen = match wanted(rollout, hash, memory, |_| is_made) {
            Ok(wanted) => rendered(charts.as_ref(), wanted),
            Err(seen) => seen,
        };
        let asked = asked.0.lock().unwrap().clone();
        (seen, asked)
    }

    #[test]
    fn a_chart_is_asked_for_until_it_is_kept_with_a_revision_that_stands() {
        let release = json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2"}});
        let hash = teal_release::hash(&release);
        let mut memory = Memory::default();
        let (seen, asked) = look(&rollout(&release, &json!({})), &memory, true);
        assert!(matches!(seen, ChartSeen::Pending));
        assert_eq!(asked, ["shop/web 1.8.2 Install"]);
        let slot = Slot { color: Color::Blue, revision: hash.revision(1) };
        let standing = rollout(&release, &tried(slot, hash));
        assert_eq!(crate::observe::record(&standing).candidate.map(|tried| tried.hash), Some(hash), "read");
        assert_eq!(look(&standing, &memory, true).1, ["shop/web 1.8.2 Upgrade"], "nothing of it is made");
        let kept = Kept { hash, services: vec!["web".into()], release, body: Some(Body::default()) };
        memory.learn(hash.revision(1), Some(&kept));
        let (seen, asked) = look(&standing, &memory, true);
        assert!(matches!(seen, ChartSeen::None) && asked.is_empty(), "{asked:?}");
    }

    /// A candidate, beside a live of something else.
    fn tried(slot: Slot, hash: ContentHash) -> Value {
        let candidate = Some(Release { slot, hash, since: Time(0), attempt: 1 });
        let phase = Phase::Rest { outcome: Outcome::Promoted };
        json!(Record { candidate, phase, ..Record::default() })
    }

    /// The registry's tag may have moved since, and live would get another content without a step.
    #[test]
    fn what_stands_and_is_not_kept_any_more_is_not_rendered_anew() {
        let release = json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2"}});
        let hash = teal_release::hash(&release);
        let slot = Slot { color: Color::Blue, revision: hash.revision(1) };
        let it = Some(Release { slot, hash, since: Time(0), attempt: 1 });
        let rest = Phase::Rest { outcome: Outcome::Promoted };
        let live = Record { live: it, phase: rest.clone(), ..Record::default() };
        let previous = Record { previous: it, phase: rest, ..Record::default() };
        let installing =
            Record { live: it, phase: Phase::Installing { deadline: Time(9) }, ..Record::default() };
        let asks = |record: Value, is_made: bool| {
            let (seen, asked) = look_at(&rollout(&release, &record), &Memory::default(), true, is_made);
            assert_eq!(matches!(seen, ChartSeen::None), asked.is_empty(), "{seen:?} {asked:?}");
            !asked.is_empty()
        };
        for (record, is_made, expected) in [
            (json!(live), false, false),
            (json!(previous), false, false),
            (json!(installing), false, true),
            (json!(installing), true, false),
            (tried(slot, hash), false, true),
            (tried(slot, hash), true, false),
        ] {
            assert_eq!(asks(record.clone(), is_made), expected, "{record} {is_made}");
        }
    }

    #[test]
    fn a_chart_is_refused_where_nobody_renders_it_and_manifests_are_nobodys_matter() {
        let memory = Memory::default();
        let chart =
            rollout(&json!({"chart": {"url": "https://e.com/web.tgz", "version": "1.8.2"}}), &json!({}));
        let (seen, _) = look(&chart, &memory, false);
        let ChartSeen::Refused(problems) = seen else { panic!("{seen:?}") };
        assert_eq!(problems[0].0, "ReleaseInvalid");
        for word in ["spec.release.chart", "charts.enabled", "--helm"] {
            assert!(problems[0].1.contains(word), "{word}: {problems:?}");
        }
        let (seen, asked) = look(&rollout(&json!({"manifests": []}), &json!({})), &memory, true);
        assert!(matches!(seen, ChartSeen::None) && asked.is_empty(), "{asked:?}");
    }
}
