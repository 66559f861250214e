//! Going back further than to the former color: the content of a kept revision is asked for again, as a rollout of its own.
//!
//! The one thing that is changed otherwise than by a Decision: what is wanted stands in the spec, and whoever may write that may
//! do the same with kubectl.

use json_patch::{Patch as Operations, PatchOperation, ReplaceOperation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use teal_api::rollout::Mode;
use teal_api::{Rollout, names};

use crate::arguments::Undo;
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::find::{self, clean_value};
use crate::gitops;
use crate::standing::full_name;
use crate::terminal::Terminal;

/// The shape of kept content that is understood here.
const FORMAT: u64 = 1;

/// Writes `spec.release` of a kept revision into the Rollout.
pub async fn undo(wanted: &Undo, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Exit, CliError> {
    let (rollout, kept) =
        futures::try_join!(find::rollout(cluster, &wanted.name), kept(cluster, &wanted.name))?;
    let revision = choose(&wanted.to, &kept).ok_or_else(|| not_kept(&rollout, &wanted.to, &kept))?;
    let content = content(cluster, &rollout, revision).await?;
    let sizes = sizes(cluster, &rollout, &kept).await?;
    let content = content.with_sizes_of(sizes.as_ref());
    if is_asked_for(&rollout, &content.release) {
        return Err(CliError::AskedAlready {
            namespace: cluster.namespace.clone(),
            name: wanted.name.clone(),
            revision: revision.to_owned(),
        });
    }
    announce(wanted, &rollout, revision, &content, terminal)?;
    write(wanted, cluster, &rollout, &content.release).await?;
    if wanted.dry_run {
        let patch = json!({"spec": {"release": content.release}});
        writeln!(terminal.out, "{patch:#}")?;
        writeln!(terminal.err, "Nothing was written: the API server would take it.")?;
        return Ok(Exit::Done);
    }
    let Undo { name, .. } = wanted;
    writeln!(
        terminal.out,
        "{} asks for the content of {revision} again. Follow it: kubectl teal status {name} -n {} --wait",
        full_name(&rollout),
        cluster.namespace
    )?;
    Ok(Exit::Done)
}

/// What is kept of the Rollout's revisions, by revision, newest first.
async fn kept(cluster: &Cluster, name: &str) -> Result<Vec<String>, CliError> {
    let doing = format!("listing what is kept of {name}'s revisions");
    let params = ListParams::default().labels(&format!("{}={name}", names::label::ROLLOUT));
    let list = cluster.answer(&doing, revisions(cluster).list_metadata(&params)).await?;
    let list = list.map_err(|error| of_request(&doing, error))?;
    let prefix = format!("{name}-");
    let mut kept: Vec<String> = list
        .items
        .iter()
        .filter_map(|object| {
            let revision = object.labels().get(names::label::REVISION)?;
            (object.name_any().strip_prefix(&prefix) == Some(revision)).then(|| revision.clone())
        })
        .collect();
    kept.sort_by_key(|revision| std::cmp::Reverse(counter(revision)));
    Ok(kept)
}

fn revisions(cluster: &Cluster) -> Api<ControllerRevision> {
    Api::namespaced(cluster.client.clone(), &cluster.namespace)
}

fn counter(revision: &str) -> Option<u32> {
    revision.strip_prefix('r')?.split('-').next()?.parse().ok()
}

/// By its whole name, or by what stands before the hash, where that is one alone.
fn choose<'a>(to: &str, kept: &'a [String]) -> Option<&'a str> {
    let mut found = kept.iter().filter(|kept| *kept == to || kept.split('-').next() == Some(to));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn not_kept(rollout: &Rollout, to: &str, kept: &[String]) -> CliError {
    let here = match kept {
        [] => "nothing is kept of any revision".to_owned(),
        kept => format!("kept are {}", kept.join(", ")),
    };
    CliError::NotKept { rollout: full_name(rollout), revision: to.to_owned(), here }
}

/// What a revision was.
struct Content {
    release: Value,
    /// The traffic Services that it had.
    services: Vec<String>,
    /// It was kept for a former Rollout of this name.
    is_formers: bool,
}

impl Content {
    /// What reaches live in place, such as replicas and autoscalers, stays as it is now: live would have it at once, and what was
    /// enough for its traffic then may be too little today.
    fn with_sizes_of(mut self, now: Option<&Value>) -> Self {
        let manifests = |release: &Value| release.get("manifests").and_then(Value::as_array).cloned();
        if let (Some(kept), Some(now)) = (manifests(&self.release), now.and_then(manifests)) {
            self.release = json!({"manifests": teal_release::with_in_place_of(&kept, &now)});
        }
        self
    }
}

/// The release whose sizes hold now: what the spec asks for, or where that is a chart, which has none to be told from others, what
/// live was kept with.
async fn sizes(cluster: &Cluster, rollout: &Rollout, kept: &[String]) -> Result<Option<Value>, CliError> {
    let asked = rollout.spec.release.raw();
    if asked.get("manifests").is_some() {
        return Ok(Some(asked.clone()));
    }
    let live = rollout.status.as_ref().and_then(|status| status.live.as_ref());
    match live.filter(|live| kept.contains(&live.revision)) {
        Some(live) => Ok(Some(content(cluster, rollout, &live.revision).await?.release)),
        None => Ok(None),
    }
}

/// As it was kept, to the last character: only what is shown is cleaned.
async fn content(cluster: &Cluster, rollout: &Rollout, revision: &str) -> Result<Content, CliError> {
    let name = format!("{}-{revision}", rollout.name_any());
    let doing = format!("reading ControllerRevision {}/{name}", cluster.namespace);
    let object = cluster.answer(&doing, revisions(cluster).get(&name)).await?;
    let object = object.map_err(|error| of_request(&doing, error))?;
    read(&object, rollout, revision).map_err(|problem| CliError::Unusable { object: name, problem })
}

/// What Teal kept under this very name. Whether the content is what its hash says, the operator finds out: else it gets another
/// revision's name.
fn read(object: &ControllerRevision, rollout: &Rollout, revision: &str) -> Result<Content, String> {
    let data = object.data.as_ref().map_or(&Value::Null, |data| &data.0);
    let format = data["format"].as_u64();
    if format != Some(FORMAT) {
        let format = format.map_or_else(|| "no format".to_owned(), |format| format!("format {format}"));
        return Err(format!(
            "has {format}, and this program reads format {FORMAT}: use the kubectl-teal of the operator's version"
        ));
    }
    let hash = data["hash"].as_str().unwrap_or_default();
    let digest = hash.split_once(':').and_then(|(_, digest)| digest.get(..8));
    if digest.is_none() || digest != revision.split_once('-').map(|(_, digest)| digest) {
        return Err(format!(
            "has the hash {hash:?}, which is not that of {revision}: bring it back from a backup"
        ));
    }
    let release = data["release"].clone();
    if !release.is_object() {
        return Err("has no release in it: bring it back from a backup".to_owned());
    }
    let services = data["services"].as_array().into_iter().flatten();
    let services = services.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let is_formers = object.labels().get(names::label::ROLLOUT_UID) != rollout.uid().as_ref();
    Ok(Content { release, services, is_formers })
}

/// Whether the spec has it already, whatever its sizes are, and as far as it can be shown.
fn is_asked_for(rollout: &Rollout, release: &Value) -> bool {
    let mut shown = release.clone();
    clean_value(&mut shown);
    teal_release::hash(rollout.spec.release.raw()) == teal_release::hash(&shown)
}

/// Shows what is about to be done, and asks where somebody is there. What a tool would write back at once is not written where
/// nobody says that it is meant.
fn announce(
    wanted: &Undo,
    rollout: &Rollout,
    revision: &str,
    content: &Content,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    writeln!(terminal.err, "{}: spec.release becomes that of {revision} …", full_name(rollout))?;
    for note in notes(rollout, revision, content) {
        writeln!(terminal.err, "{note}")?;
    }
    let owner = gitops::owner(rollout);
    if let Some(owner) = &owner {
        writeln!(terminal.err, "{}", owner.warning())?;
    }
    if wanted.yes || wanted.dry_run {
        return Ok(());
    }
    match (terminal.confirm("Start this rollout?")?, owner) {
        (Some(true), _) | (None, None) => Ok(()),
        (Some(false), _) => Err(CliError::Declined),
        (None, Some(owner)) => {
            Err(CliError::WrittenBack { rollout: full_name(rollout), owner: owner.to_string() })
        }
    }
}

/// What else follows from it.
fn notes(rollout: &Rollout, revision: &str, content: &Content) -> Vec<String> {
    let mut notes = Vec::new();
    let status = rollout.status.as_ref();
    if status.is_some_and(|status| status.rejected.iter().any(|rejected| rejected == revision)) {
        notes.push(format!("{revision} was sent back before."));
    }
    if content.is_formers {
        notes.push(format!("{revision} was kept for a former Rollout of this name."));
    }
    if let Some(candidate) = status.and_then(|status| status.candidate.as_ref()) {
        notes.push(format!(
            "{} ({}), which is there beside live, gives way to it.",
            candidate.revision, candidate.color
        ));
    }
    let traffic = rollout.spec.traffic.services.iter().map(|service| service.name.as_str());
    let lacks: Vec<&str> =
        traffic.filter(|name| !content.services.iter().any(|service| service == name)).collect();
    if !lacks.is_empty() {
        notes.push(format!(
            "It had other traffic Services, {}: unless it has {}, too, nothing starts before spec.traffic is mended.",
            content.services.join(", "),
            lacks.join(", ")
        ));
    }
    let takes = rollout.spec.release.raw().pointer("/chart/valuesFrom").and_then(Value::as_array);
    if takes.is_some_and(|from| !from.is_empty()) {
        notes.push(
            "spec.release.chart.valuesFrom goes: the values that it had then are written out in values."
                .to_owned(),
        );
    }
    if matches!(rollout.spec.mode, Some(Mode::HandsOff | Mode::Paused)) {
        notes.push("spec.mode keeps it from starting: it waits until that is Active.".to_owned());
    }
    notes
}

/// Over the very version that was looked at, so that nobody's later change is taken back unseen.
async fn write(wanted: &Undo, cluster: &Cluster, rollout: &Rollout, release: &Value) -> Result<(), CliError> {
    let doing = format!("writing spec.release of {}", full_name(rollout));
    let version = rollout.resource_version().unwrap_or_default();
    let at = |path: &str| path.parse().unwrap_or_default();
    let operations = Operations(vec![
        PatchOperation::Replace(ReplaceOperation {
            path: at("/metadata/resourceVersion"),
            value: version.into(),
        }),
        PatchOperation::Replace(ReplaceOperation { path: at("/spec/release"), value: release.clone() }),
    ]);
    let params = PatchParams {
        dry_run: wanted.dry_run,
        field_manager: Some(names::manager::PERSON.to_owned()),
        ..PatchParams::default()
    };
    let stored = cluster.stored::<Rollout>();
    let patch = Patch::<()>::Json(operations);
    let answer = cluster.answer(&doing, stored.patch(&wanted.name, &params, &patch)).await?;
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Err(CliError::ChangedMeanwhile { rollout: full_name(rollout) })
        }
        Err(error) => Err(of_request(&doing, error)),
    }
}

/// That a kind of Kubernetes' own is missing is no word about Teal's.
fn of_request(doing: &str, error: kube::Error) -> CliError {
    match CliError::of_request(doing, error) {
        CliError::Forbidden { doing, message, .. } => CliError::Forbidden {
            doing,
            message,
            remedy: "; ask for a role that may read controllerrevisions.apps and patch rollouts.teal.dev",
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_meant_by_its_name_or_by_its_number_where_that_is_one_alone() {
        let kept: Vec<String> = ["r7-3f9c2a1b", "r5-77aa01ff", "r5-00000000"].map(str::to_owned).to_vec();
        assert_eq!(choose("r5-77aa01ff", &kept), Some("r5-77aa01ff"));
        assert_eq!(choose("r7", &kept), Some("r7-3f9c2a1b"));
        for unknown in ["r5", "r", "r5-77", "7", ""] {
            assert_eq!(choose(unknown, &kept), None, "{unknown}");
        }
    }
}
