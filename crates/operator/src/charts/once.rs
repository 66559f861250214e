//! One try at a chart: fetched, rendered for both colors, and read.

use std::collections::BTreeSet;
use std::sync::Arc;

use teal_chart::{Capabilities, ChartError, Charts, Place, Rendered, Request, Source, Turn};
use teal_cluster::{Discovery, Serves, Wanted};
use teal_plan::Color;
use teal_release::Refusal;
use teal_release::chart::{Body, BothColors, Rendering, Stage, for_color, release_name, varying};

/// What came of it.
pub(super) enum Outcome {
    /// The objects, and those of them that come out otherwise each time.
    Ready(Arc<Body>, Vec<String>),
    /// It can't be used: reasons and sentences, and who must change something.
    Refused(Vec<(&'static str, String)>, Fault),
    /// It can't be had now.
    Later(String),
}

/// Where the fault lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// In the spec, so that another try changes nothing.
    Spec,
    /// In the chart, which may be published anew, or in what the cluster has.
    Chart,
}

impl From<ChartError> for Outcome {
    fn from(error: ChartError) -> Self {
        if !error.is_lasting() {
            return Self::Later(error.to_string());
        }
        Self::invalid(&error, if error.is_of_the_spec() { Fault::Spec } else { Fault::Chart })
    }
}

impl Outcome {
    fn invalid(problem: &impl ToString, fault: Fault) -> Self {
        Self::Refused(vec![("ReleaseInvalid", problem.to_string())], fault)
    }

    fn refused(refusals: &[Refusal], fault: Fault) -> Self {
        let each = refusals.iter().map(|refusal| (refusal.reason.as_str(), refusal.to_string()));
        Self::Refused(each.collect(), fault)
    }
}

/// Never longer than Helm may take, for fetching and twice for each color.
pub(super) async fn render(charts: &Charts, discovery: &Discovery, wanted: &Wanted) -> Outcome {
    match texts(charts, discovery, wanted).await {
        Ok((texts, turn)) => {
            let (namespace, stage) = (wanted.namespace.clone(), wanted.stage);
            let beside = serde_json::to_string(&wanted.chart.values).map_or(usize::MAX, |text| text.len());
            // As much text as that takes a moment to be read, in which looks go on; and memory until it is, also where nobody waits for it.
            let reading = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                read(&texts, &namespace, (stage, beside))
            });
            let read =
                reading.await.map_err(|error| Outcome::Later(format!("a chart can't be read: {error}")));
            read.and_then(|read| read)
                .map_or_else(|outcome| outcome, |(body, varying)| Outcome::Ready(Arc::new(body), varying))
        }
        Err(outcome) => outcome,
    }
}

/// So that the next try fetches it anew.
pub(super) fn forget(charts: &Charts, wanted: &Wanted) {
    if let Ok(source) = source(wanted) {
        charts.forget(&source);
    }
}

/// What Helm prints of one color, with the name of its release.
type Text = (String, Arc<Rendered>);

async fn texts(
    charts: &Charts,
    discovery: &Discovery,
    wanted: &Wanted,
) -> Result<([Text; 2], Turn), Outcome> {
    let source = source(wanted)?;
    let mut requests = Vec::new();
    for color in [Color::Blue, Color::Green] {
        let release =
            release_name(&wanted.name, color).map_err(|refusal| Outcome::refused(&[refusal], Fault::Spec))?;
        let values =
            for_color(&wanted.chart.values, color).map_err(|error| Outcome::invalid(&error, Fault::Spec))?;
        requests.push((release, values));
    }
    let chart = charts.fetch(&wanted.namespace, &source).await?;
    let serves = discovery.serves().await.map_err(|error| {
        Outcome::Later(format!(
            "spec.release.chart can't be rendered yet, for the API server doesn't say what it serves: {error}"
        ))
    })?;
    let Serves { version, api_versions } = serves;
    let capabilities = Capabilities { kube_version: version, api_versions };
    let (names, requests): (Vec<String>, Vec<Request>) = requests
        .into_iter()
        .map(|(release, values)| {
            let request = Request {
                release: release.clone(),
                namespace: wanted.namespace.clone(),
                upgrade: wanted.stage == Stage::Upgrade,
                values,
                hidden: BTreeSet::new(),
                capabilities: capabilities.clone(),
            };
            (release, request)
        })
        .unzip();
    let (rendered, turn) = charts.render_each(&chart, &requests).await?;
    let texts: Vec<Text> = names.into_iter().zip(rendered).collect();
    let texts = <[Text; 2]>::try_from(texts).map_err(|_| Outcome::Later("a color is missing".to_owned()))?;
    Ok((texts, turn))
}

fn source(wanted: &Wanted) -> Result<Source, Outcome> {
    let chart = &wanted.chart;
    let place = match (&chart.oci, &chart.repo, &chart.name, &chart.url) {
        (Some(reference), None, None, None) => Place::Oci(reference.clone()),
        (None, Some(url), Some(name), None) => Place::Repository { url: url.clone(), name: name.clone() },
        (None, None, None, Some(url)) => Place::Archive(url.clone()),
        _ => {
            let problem = "spec.release.chart doesn't say where the chart is: write exactly one of oci, repo with name, and url";
            return Err(Outcome::invalid(&problem, Fault::Spec));
        }
    };
    Ok(Source { place, version: chart.version.clone(), digest: chart.digest.clone() })
}

fn read(texts: &[Text; 2], namespace: &str, made: (Stage, usize)) -> Result<(Body, Vec<String>), Outcome> {
    both(texts, namespace, made).map_err(|refusals| Outcome::refused(&refusals, Fault::Chart))
}

fn both(
    texts: &[Text; 2],
    namespace: &str,
    (stage, beside): (Stage, usize),
) -> Result<(Body, Vec<String>), Vec<Refusal>> {
    let [blue, green] = texts;
    let renderings =
        [Rendering::read(blue.1.text(), namespace)?, Rendering::read(green.1.text(), namespace)?];
    let [of_blue, of_green] = &renderings;
    let both = BothColors { blue: (&blue.0, of_blue), green: (&green.0, of_green) };
    let body = Body::of(both, stage, beside)?;
    let mut differs = BTreeSet::new();
    for ((_, text), first) in texts.iter().zip(&renderings) {
        if let Some(second) = text.again().map(|again| Rendering::read(again, namespace)) {
            differs.extend(varying(first, &second?).iter().map(ToString::to_string));
        }
    }
    Ok((body, differs.into_iter().collect()))
}
