//! `debug`: the commands that lead to the pods of one release, to be copied.

use k8s_openapi::api::core::v1::{Container, ContainerPort, ContainerStatus, Pod};
use kube::ResourceExt;
use teal_api::Rollout;
use teal_api::names::label;

use super::Paint;
use super::table::{Cell, indented, lines, text};
use crate::debug::{Found, name, selector};
use crate::standing::full_name;

/// What Istio puts beside the application's containers.
const PROXY: &str = "istio-proxy";
/// How a JVM is told its port for JMX.
const JMX_OPTION: &str = "-Dcom.sun.management.jmxremote.port=";
/// By what a container that runs a JVM is told options.
const JVM_OPTIONS: [&str; 3] = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS"];

/// A command and what it is for.
type Row = (String, String);

/// What is there, and the commands, with a line end behind each line.
pub fn debugging(rollout: &Rollout, found: &Found, pods: &[Pod], paint: Paint) -> String {
    let Some(chosen) = chosen(pods) else {
        return text(&without_pods(rollout, found, paint));
    };
    let kubectl = Kubectl::of(rollout);
    let mut all = vec![headline(rollout, found, pods, paint)];
    let rows: Vec<Vec<Cell>> =
        pods.iter().map(|pod| vec![Cell::plain(pod.name_any()), Cell::plain(state(pod))]).collect();
    all.extend(lines(&rows).iter().map(indented));
    let blocks = [
        ("Logs", logs(&kubectl, &selector(&rollout.name_any(), found), pods)),
        ("Ports", ports(&kubectl, chosen)),
        ("Inside", inside(&kubectl, chosen)),
        ("JVM", jvm(&kubectl, chosen)),
        ("Traces", traces(chosen)),
    ];
    for (heading, rows) in blocks {
        all.extend(block(heading, &rows, paint));
    }
    text(&all)
}

/// A ready one that stays, else one that has not ended, as that of a Job.
fn chosen(pods: &[Pod]) -> Option<&Pod> {
    let stays = |pod: &&Pod| is_ready(pod) && pod.metadata.deletion_timestamp.is_none();
    let runs = |pod: &&Pod| !has_ended(pod);
    pods.iter().find(stays).or_else(|| pods.iter().find(runs)).or_else(|| pods.first())
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn block(heading: &str, rows: &[Row], paint: Paint) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|(command, does)| vec![Cell::plain(command), Cell::painted(does, |text| paint.faint(text))])
        .collect();
    let mut all = vec![String::new(), paint.strong(heading)];
    all.extend(lines(&cells).iter().map(indented));
    all
}

fn headline(rollout: &Rollout, found: &Found, pods: &[Pod], paint: Paint) -> String {
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let color = if found.color.is_empty() { String::new() } else { format!(" ({})", found.color) };
    let name = name(found.release);
    let subject = paint.strong(&format!("{} {name}", full_name(rollout)));
    let all = pods.iter().filter(|pod| !has_ended(pod)).count();
    format!("{subject} is {}{color}: {ready} of {all} pods ready", found.revision)
}

/// Where there are none, what should have made them says why.
fn without_pods(rollout: &Rollout, found: &Found, paint: Paint) -> Vec<String> {
    let kubectl = Kubectl::of(rollout);
    let labels = selector(&rollout.name_any(), found);
    let rows = [
        (
            kubectl.says(&format!("get deployments,statefulsets,replicasets,jobs -l {labels}")),
            "what should have made them".into(),
        ),
        (kubectl.says("get events --sort-by=.lastTimestamp"), "why it could not".into()),
    ];
    let mut all = vec![headline(rollout, found, &[], paint)];
    all.extend(block("See why", &rows, paint));
    all
}

/// `kubectl` in the namespace of the Rollout.
struct Kubectl(String);

impl Kubectl {
    fn of(rollout: &Rollout) -> Self {
        Self(rollout.namespace().unwrap_or_else(|| "default".to_owned()))
    }

    fn says(&self, what: &str) -> String {
        format!("kubectl -n {} {what}", self.0)
    }
}

fn logs(kubectl: &Kubectl, labels: &str, pods: &[Pod]) -> Vec<Row> {
    // One request for each container, of which kubectl makes five unless told otherwise.
    let requests = pods.iter().flat_map(|pod| &pod.spec).flat_map(all_containers).count();
    let all = format!(
        "logs -l {labels} --all-containers --prefix --tail=100 --max-log-requests={} -f",
        requests.max(50)
    );
    let mut rows = vec![(kubectl.says(&all), "of all, as they come".to_owned())];
    for pod in pods {
        let died = statuses(pod).filter(|status| status.restart_count > 0 && status.name != PROXY);
        rows.extend(died.map(|status| {
            let command = format!("logs {} -c {} --previous", pod.name_any(), status.name);
            (
                kubectl.says(&command),
                format!("what it said before it was restarted, {} times", status.restart_count),
            )
        }));
    }
    rows
}

/// Each port that its containers name, at a local one that needs no rights.
fn ports(kubectl: &Kubectl, pod: &Pod) -> Vec<Row> {
    let named = containers(pod).flat_map(|container| container.ports.iter().flatten());
    let over_tcp = named.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    let rows = over_tcp.map(|port| {
        let local = local(port.container_port);
        let called = port.name.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let command = format!("port-forward pod/{} {local}:{}", pod.name_any(), port.container_port);
        (kubectl.says(&command), format!("{called}then localhost:{local}, past Service and weights"))
    });
    rows.collect()
}

/// Ports below 1024 need rights that people don't have.
const fn local(port: i32) -> i32 {
    if port < 1024 { port + 8000 } else { port }
}

fn inside(kubectl: &Kubectl, pod: &Pod) -> Vec<Row> {
    let name = pod.name_any();
    let Some(container) = containers(pod).next() else { return Vec::new() };
    vec![
        (
            kubectl.says(&format!("exec -it {name} -c {} -- sh", container.name)),
            "a shell, if its image has one".to_owned(),
        ),
        (
            kubectl.says(&format!("debug -it {name} --image=busybox --target={}", container.name)),
            "a shell beside it, if not".to_owned(),
        ),
        (kubectl.says(&format!("describe pod {name}")), "its events, probes and limits".to_owned()),
    ]
}

/// By JMX where a port for it is named; nothing where no container looks like a JVM.
fn jvm(kubectl: &Kubectl, pod: &Pod) -> Vec<Row> {
    let name = pod.name_any();
    let Some(container) = containers(pod).find(|container| is_jvm(container)) else { return Vec::new() };
    let jcmd = |what: &str, does: &str| {
        (kubectl.says(&format!("exec {name} -c {} -- jcmd 1 {what}", container.name)), does.to_owned())
    };
    let jmx = jmx_port(container).map_or_else(
        || {
            let option = format!("{JMX_OPTION}9010 in {}", JVM_OPTIONS[0]);
            (format!("# JMX: no container names a port; {option} opens one"), String::new())
        },
        |port| {
            let command = format!("port-forward pod/{name} {port}:{port}");
            let does = format!("JMX: then jconsole localhost:{port}; -Djava.rmi.server.hostname has to be 127.0.0.1, and the rmi.port the same");
            (kubectl.says(&command), does)
        },
    );
    vec![
        jmx,
        jcmd("Thread.print", "what its threads do; needs a JDK in the image"),
        jcmd("GC.heap_info", "how full its heap is"),
        jcmd("Compiler.codecache", "how much is compiled by now"),
    ]
}

fn is_jvm(container: &Container) -> bool {
    let environment = container.env.iter().flatten();
    jmx_port(container).is_some()
        || environment.clone().any(|variable| JVM_OPTIONS.contains(&variable.name.as_str()))
        || words(container).any(|word| word.rsplit('/').next() == Some("java"))
}

/// Of a port with that name, or as the JVM is told.
fn jmx_port(container: &Container) -> Option<i32> {
    let is_named = |port: &&ContainerPort| port.name.as_deref().is_some_and(|name| name.contains("jmx"));
    let named = container.ports.iter().flatten().find(is_named).map(|port| port.container_port);
    let values = container.env.iter().flatten().filter_map(|variable| variable.value.as_deref());
    let mut told = values.chain(words(container)).flat_map(str::split_whitespace);
    named.or_else(|| told.find_map(|word| word.strip_prefix(JMX_OPTION)?.parse().ok()))
}

fn words(container: &Container) -> impl Iterator<Item = &str> {
    container.command.iter().chain(&container.args).flatten().map(String::as_str)
}

/// Istio tells Jaeger the application by its label, and the revision as a tag.
fn traces(pod: &Pod) -> Vec<Row> {
    let has_proxy = pod.spec.iter().flat_map(all_containers).any(|container| container.name == PROXY);
    let Some(revision) = pod.labels().get(label::CANONICAL_REVISION).filter(|_| has_proxy) else {
        return Vec::new();
    };
    let service = pod.labels().get("app").map_or_else(
        || "the application's service".to_owned(),
        |app| format!("service {app}.{}", pod.namespace().unwrap_or_default()),
    );
    vec![
        (
            "istioctl dashboard jaeger".to_owned(),
            format!("search for {service} with the tag istio.canonical_revision={revision}"),
        ),
        (
            format!(
                "istioctl -n {} proxy-config endpoints {}",
                pod.namespace().unwrap_or_default(),
                pod.name_any()
            ),
            "whom its proxy can call".to_owned(),
        ),
    ]
}

/// The application's own containers.
fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|spec| &spec.containers).filter(|container| container.name != PROXY)
}

/// Also those that are started before it and may run beside it.
fn all_containers(spec: &k8s_openapi::api::core::v1::PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten())
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status
        .flat_map(|status| [&status.init_container_statuses, &status.container_statuses])
        .flatten()
        .flatten()
}

fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// As `kubectl get pods` has it.
fn state(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "is being deleted".to_owned();
    }
    if has_ended(pod) {
        return "has ended".to_owned();
    }
    if is_ready(pod) {
        return "ready".to_owned();
    }
    let reason = |status: &ContainerStatus| {
        let state = status.state.as_ref()?;
        let waits = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone());
        let ended = || state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?.reason.clone();
        Some(format!("{}: {}", status.name, waits.or_else(ended)?))
    };
    let reasons: Vec<String> = statuses(pod).filter_map(reason).collect();
    if reasons.is_empty() {
        let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
        return format!("not ready ({})", phase.unwrap_or_else(|| "not seen yet".to_owned()));
    }
    reasons.join(", ")
}
