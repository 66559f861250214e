//! What adopting an application that runs already would do, and the Rollout for it. Nothing is written.

use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use teal_api::Rollout;
use teal_api::names::{API_VERSION, label, manager};
use teal_release::adopt::{Adopted, Change, Originals, adopted, changes};
use teal_release::{Object, ObjectKey};

use self::namespace::Seen;
use crate::arguments::Adopt;
use crate::connect::Cluster;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

mod namespace;

/// Looks at what runs, and prints a Rollout that takes it over.
pub async fn adopt(wanted: &Adopt, cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Exit, CliError> {
    let services = wanted.services();
    let mut seen = namespace::see(cluster).await?;
    let workloads = chosen(wanted, &services, &seen);
    seen.read_named(cluster, &workloads).await?;
    let originals = Originals {
        workloads: &workloads,
        services: &services,
        namespace: &cluster.namespace,
        objects: &seen.objects,
    };
    let rollout = full_name(wanted, cluster);
    if workloads.is_empty() {
        return Err(CliError::NothingToAdopt { rollout, services: services.join(", ") });
    }
    let adopted = adopted(&originals).map_err(|refusals| CliError::InTheWay {
        rollout: rollout.clone(),
        problems: refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n- "),
    })?;
    let object = object(wanted, cluster, &services, &adopted.manifests);
    check(cluster, &rollout, &object).await?;
    let text = serde_yaml::to_string(&object).map_err(|error| std::io::Error::other(error.to_string()))?;
    write!(terminal.out, "{text}")?;
    terminal.out.flush()?;
    for line in told(&rollout, &adopted, &seen) {
        writeln!(terminal.err, "{line}")?;
    }
    for line in to_do(wanted, cluster, &originals) {
        writeln!(terminal.err, "{line}")?;
    }
    Ok(Exit::Done)
}

fn full_name(wanted: &Adopt, cluster: &Cluster) -> String {
    format!("{}/{}", cluster.namespace, wanted.name)
}

/// Those that are named, else those to whose pods the Services lead.
fn chosen(wanted: &Adopt, services: &[String], seen: &Seen) -> Vec<ObjectKey> {
    if !wanted.workloads.is_empty() {
        return wanted.workloads.clone();
    }
    let selectors: Vec<&Value> = seen
        .of_kind("Service")
        .filter(|service| services.iter().any(|name| service["metadata"]["name"] == **name))
        .map(|service| &service["spec"]["selector"])
        .collect();
    let leads_to = |workload: &&Value| {
        let pods = &workload["spec"]["template"]["metadata"]["labels"];
        let selects = |selector: &&Value| {
            let selector = selector.as_object().filter(|selector| !selector.is_empty());
            selector.is_some_and(|all| all.iter().all(|(name, value)| pods.get(name) == Some(value)))
        };
        selectors.iter().any(selects)
    };
    let is_own = |workload: &&Value| workload["metadata"]["labels"].get(label::ROLLOUT).is_none();
    let kinds = ["Deployment", "StatefulSet"].into_iter().flat_map(|kind| seen.of_kind(kind));
    let found = kinds.filter(is_own).filter(leads_to);
    found.filter_map(|workload| Some(Object::from_value(workload)?.key())).collect()
}

fn object(wanted: &Adopt, cluster: &Cluster, services: &[String], manifests: &[Value]) -> Value {
    let named = |names: &[String]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let mut traffic = json!({"services": named(services)});
    if !wanted.virtual_services.is_empty() {
        traffic["virtualServices"] = json!(named(&wanted.virtual_services));
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {"name": wanted.name, "namespace": cluster.namespace},
        "spec": {"release": {"manifests": manifests}, "traffic": traffic},
    })
}

/// Has the API server check it, without making it.
async fn check(cluster: &Cluster, rollout: &str, object: &Value) -> Result<(), CliError> {
    let doing = format!("having Rollout {rollout} checked");
    let params = PostParams { dry_run: true, field_manager: Some(manager::PERSON.to_owned()) };
    let object: DynamicObject = serde_json::from_value(object.clone())
        .map_err(|source| CliError::Unreadable { what: format!("Rollout {rollout}"), source })?;
    match cluster.answer(&doing, cluster.stored::<Rollout>().create(&params, &object)).await? {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Err(CliError::AdoptedAlready { rollout: rollout.to_owned() })
        }
        Err(error) => Err(CliError::of_request(doing, error)),
    }
}

/// What would become of what runs.
fn told(rollout: &str, adopted: &Adopted, seen: &Seen) -> Vec<String> {
    let mut lines = vec![format!("Nothing was written. With this Rollout {rollout} …")];
    let copies = adopted.manifests.iter().filter(|object| object["kind"] != "Service");
    let copies: Vec<String> =
        copies.filter_map(|object| Some(Object::from_value(object)?.key().to_string())).collect();
    lines.push(format!("- Teal makes copies of {}, one for each color;", copies.join(", ")));
    for relabel in &adopted.relabels {
        lines.push(format!(
            "- pods of {}'s copies have {key}: {} in place of {key}: {}, so that nothing that is applied for the original means them. \
             Dashboards and alerts that ask for {key}=\"{}\" don't see them: change those;",
            relabel.workload,
            relabel.to,
            relabel.from,
            relabel.from,
            key = relabel.key,
        ));
    }
    if !adopted.beside.is_empty() {
        let beside: Vec<String> = adopted.beside.iter().map(ToString::to_string).collect();
        lines.push(format!("- {} stay as they are, for the originals and for copies;", beside.join(", ")));
    }
    for kind in &seen.unseen {
        lines.push(format!("- whether a {kind} has to change isn't known: you may not list them;"));
    }
    lines
}

/// What is left for a person, in its order.
fn to_do(wanted: &Adopt, cluster: &Cluster, originals: &Originals<'_>) -> Vec<String> {
    let objects: Vec<Object> = originals.objects.iter().filter_map(Object::from_value).collect();
    let find = |key: &ObjectKey| objects.iter().find(|object| object.key() == *key);
    let services: Vec<ObjectKey> =
        originals.services.iter().map(|name| ObjectKey::new("", "Service", name)).collect();
    let of = |keys: &[ObjectKey]| keys.iter().filter_map(find).flat_map(changes).collect::<Vec<Change>>();
    let namespace = &cluster.namespace;
    let mut steps =
        vec!["apply it. Nothing is touched yet: the condition Accepted says NameTaken".to_owned()];
    for service in originals.services {
        let consent = label::ROLLOUT;
        steps.push(format!(
            "consent: kubectl -n {namespace} label service {service} {consent}={}. It is turned once the copies are ready: wait by \
             kubectl teal status {} -n {namespace} --wait",
            wanted.name, wanted.name
        ));
    }
    steps.extend(of(&services).iter().map(change));
    let resting = of(originals.workloads);
    for key in originals.workloads {
        match resting.iter().find(|change| change.object == key.to_string()) {
            Some(found) => steps.push(change(found)),
            None => steps.push(format!(
                "put {key} to rest half a minute later: kubectl -n {namespace} scale {}/{} --replicas=0",
                key.kind.to_lowercase(),
                key.name
            )),
        }
    }
    let steps = steps.iter().enumerate().map(|(i, step)| format!("{}. {step}.", i + 1));
    std::iter::once("Then:".to_owned()).chain(steps).collect()
}

fn change(change: &Change) -> String {
    format!(
        "{}: {} is applied by {}: {}",
        change.object,
        change.field,
        change.by.join(" and "),
        change.remedy
    )
}
