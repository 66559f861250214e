//! One try at a chart: fetched, rendered for both colors, and read.

use std::collections::BTreeSet;

use kube::Client;
use teal_chart::{ChartError, Charts, Place, Rendered, Request, Source};
use teal_cluster::Wanted;
use teal_plan::Color;
use teal_release::Refusal;
use teal_release::chart::{Body, BothColors, Rendering, Stage, for_color, release_name, varying};

use super::cluster;

/// What came of it.
pub(super) enum Outcome {
    /// The objects, and those of them that come out otherwise each time.
    Ready(Body, Vec<String>),
    /// Another try changes nothing: reasons and sentences.
    Never(Vec<(&'static str, String)>),
    /// Another one may.
    Later(String),
}

impl From<ChartError> for Outcome {
    fn from(error: ChartError) -> Self {
        if error.is_lasting() { Self::invalid(&error) } else { Self::Later(error.to_string()) }
    }
}

impl From<Vec<Refusal>> for Outcome {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self::Never(refusals.iter().map(|refusal| (refusal.reason.as_str(), refusal.to_string())).collect())
    }
}

impl Outcome {
    fn invalid(problem: &impl ToString) -> Self {
        Self::Never(vec![("ReleaseInvalid", problem.to_string())])
    }
}

/// Never longer than Helm may take, for fetching and twice for each color.
pub(super) async fn render(charts: &Charts, client: &Client, wanted: &Wanted) -> Outcome {
    match texts(charts, client, wanted).await {
        Ok(texts) => {
            let (namespace, stage) = (wanted.namespace.clone(), wanted.stage);
            // As much text as that takes a moment to be read, in which looks go on.
            let reading = tokio::task::spawn_blocking(move || read(&texts, &namespace, stage));
            let read =
                reading.await.map_err(|error| Outcome::Later(format!("a chart can't be read: {error}")));
            read.and_then(|read| read)
                .map_or_else(|outcome| outcome, |(body, varying)| Outcome::Ready(body, varying))
        }
        Err(outcome) => outcome,
    }
}

/// What Helm prints of one color, with the name of its release.
type Text = (String, std::sync::Arc<Rendered>);

async fn texts(charts: &Charts, client: &Client, wanted: &Wanted) -> Result<[Text; 2], Outcome> {
    let source = source(wanted)?;
    let mut requests = Vec::new();
    for color in [Color::Blue, Color::Green] {
        let release = release_name(&wanted.name, color).map_err(|refusal| Outcome::from(vec![refusal]))?;
        let values = for_color(&wanted.chart.values, color).map_err(|error| Outcome::invalid(&error))?;
        requests.push((release, values));
    }
    let chart = charts.fetch(&source).await?;
    let capabilities = cluster::capabilities(client).await.map_err(|error| {
        Outcome::Later(format!(
            "spec.release.chart can't be rendered yet, for the API server doesn't say what it serves: {error}"
        ))
    })?;
    let mut texts = Vec::new();
    for (release, values) in requests {
        let request = Request {
            release: release.clone(),
            namespace: wanted.namespace.clone(),
            upgrade: wanted.stage == Stage::Upgrade,
            values,
            hidden: BTreeSet::new(),
            capabilities: capabilities.clone(),
        };
        texts.push((release, charts.render(&chart, &request).await?));
    }
    <[Text; 2]>::try_from(texts).map_err(|_| Outcome::Later("a color is missing".to_owned()))
}

fn source(wanted: &Wanted) -> Result<Source, Outcome> {
    let chart = &wanted.chart;
    let place = match (&chart.oci, &chart.repo, &chart.name, &chart.url) {
        (Some(reference), None, None, None) => Place::Oci(reference.clone()),
        (None, Some(url), Some(name), None) => Place::Repository { url: url.clone(), name: name.clone() },
        (None, None, None, Some(url)) => Place::Archive(url.clone()),
        _ => {
            let problem = "spec.release.chart doesn't say where the chart is: write exactly one of oci, repo with name, and url";
            return Err(Outcome::invalid(&problem));
        }
    };
    Ok(Source { place, version: chart.version.clone(), digest: chart.digest.clone() })
}

fn read(texts: &[Text; 2], namespace: &str, stage: Stage) -> Result<(Body, Vec<String>), Outcome> {
    let [blue, green] = texts;
    let renderings =
        [Rendering::read(blue.1.text(), namespace)?, Rendering::read(green.1.text(), namespace)?];
    let [of_blue, of_green] = &renderings;
    let both = BothColors { blue: (&blue.0, of_blue), green: (&green.0, of_green) };
    let body = Body::of(both, stage)?;
    let mut differs = BTreeSet::new();
    for ((_, text), first) in texts.iter().zip(&renderings) {
        if let Some(second) = text.again().map(|again| Rendering::read(again, namespace)) {
            differs.extend(varying(first, &second?).iter().map(ToString::to_string));
        }
    }
    Ok((body, differs.into_iter().collect()))
}
