//! Everything a bed has to be able to do, each thing used once.

use std::time::Duration;

use serde_json::{Value, json};
use teal_testbed::image::{Image, check_layout, write_archive};
use teal_testbed::{Bed, Error, Result, audit, history, until};

use crate::say;

const IMAGE: &str = "teal.dev/bed/hello:1";
const NAMESPACE: &str = "shop";
const REQUESTS: usize = 300;
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs all checks, and says each that passed.
pub(super) async fn run(bed: &Bed) -> Result<()> {
    deploy(bed).await?;
    passed("pods with probes from an imported image are ready in a restricted namespace");
    service(bed).await?;
    passed("a ClusterIP serves, by name from inside a pod, too");
    kubectl(bed).await?;
    passed("kubectl logs and exec work; RBAC refuses who has no rights");
    admission(bed).await?;
    passed("a ValidatingAdmissionPolicy refuses");
    gateway(bed).await?;
    metrics(bed).await?;
    passed("Prometheus has the pods' metrics with their colors, and Envoy's");
    records(bed).await?;
    passed("audit log and history have what happened");
    Ok(())
}

async fn deploy(bed: &Bed) -> Result<()> {
    let archive = bed.folder().join("hello.tar");
    write_archive(&Image::of_binary(IMAGE, &bed.part_file("images", "hello")?, "/hello"), &archive)?;
    check_layout(&archive)?;
    bed.import_image(&archive).await?;
    let cluster = bed.cluster();
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}});
    cluster.apply(&namespace).await?;
    let mut objects = vec![gateway_object(), virtual_service()];
    for (role, color) in [("web", "blue"), ("web-candidate", "green")] {
        objects.extend([service_object(role, color), deployment(color)]);
    }
    cluster.apply_all(&objects).await?;
    for color in ["blue", "green"] {
        let name = format!("deployment/web-{color}");
        output(bed, &["rollout", "status", &name, "-n", NAMESPACE, "--timeout=60s"]).await?;
    }
    Ok(())
}

fn deployment(color: &str) -> Value {
    let labels = json!({"app": "web", "teal.dev/color": color});
    let restricted = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"},
    });
    let probe = json!({"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": format!("web-{color}"), "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"},
                },
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{
                        "name": "web", "image": IMAGE, "imagePullPolicy": "Never",
                        "env": [{"name": "NAME", "value": color}],
                        "ports": [{"containerPort": 8080}],
                        "readinessProbe": probe,
                        "securityContext": restricted,
                    }],
                },
            },
        },
    })
}

fn service_object(name: &str, color: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"app": "web", "teal.dev/color": color},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    })
}

fn gateway_object() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {
            "selector": {"istio": "ingress"},
            "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
        },
    })
}

fn virtual_service() -> Value {
    let to = |host: &str, weight: u32| json!({"destination": {"host": host, "port": {"number": 80}}, "weight": weight});
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "hosts": ["*"],
            "gateways": ["shop"],
            "http": [{"name": "main", "retries": {"attempts": 0}, "route": [to("web", 90), to("web-candidate", 10)]}],
        },
    })
}

async fn service(bed: &Bed) -> Result<()> {
    let address =
        output(bed, &["get", "service", "web", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"]).await?;
    let base = format!("http://{address}");
    let text = until("an answer through the ClusterIP", PATIENCE, async || get(&base).await).await?;
    if text.trim() != "blue" {
        let who = output(bed, &["get", "pods,endpointslices", "-n", NAMESPACE, "-o", "wide"]).await?;
        return Err(wrong(format!("the Service answered {text:?}; behind it are\n{who}")));
    }
    let url = format!("{base}/resolve?name=web.{NAMESPACE}");
    let found = until("a name resolved inside a pod", PATIENCE, async || get(&url).await).await?;
    expect(found.contains(&address), format!("web.{NAMESPACE} is {address}, in a pod it is {found}"))?;
    let url = format!("http://web.{NAMESPACE}");
    let text = until("a name resolved beside the bed", PATIENCE, async || get(&url).await).await?;
    expect(text.trim() == "blue", format!("by name the Service answered {text:?}"))
}

async fn kubectl(bed: &Bed) -> Result<()> {
    let logs = output(bed, &["logs", "deployment/web-green", "-n", NAMESPACE]).await?;
    expect(logs.contains("started as green"), format!("the log is {logs:?}"))?;
    let said =
        output(bed, &["exec", "deployment/web-green", "-n", NAMESPACE, "--", "/hello", "name"]).await?;
    expect(said.trim() == "green", format!("exec printed {said:?}"))?;
    let user = format!("system:serviceaccount:{NAMESPACE}:default");
    let refused = output(bed, &["get", "secrets", "-n", NAMESPACE, "--as", &user]).await;
    let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
    expect(text.contains("Forbidden"), format!("a ServiceAccount without rights was not refused: {text:?}"))
}

async fn admission(bed: &Bed) -> Result<()> {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-forbidden"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"],
            }]},
            "validations": [{"expression": "object.metadata.name != 'forbidden'", "message": "not this name"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-forbidden"},
        "spec": {"policyName": "no-forbidden", "validationActions": ["Deny"]},
    });
    let (policy, binding) = (file(bed, "policy", &policy)?, file(bed, "binding", &binding)?);
    output(bed, &["apply", "-f", &policy, "-f", &binding]).await?;
    let create = ["create", "configmap", "forbidden", "-n", NAMESPACE, "--dry-run=server"];
    let refused = async || match output(bed, &create).await {
        Err(error) if error.to_string().contains("not this name") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    until("refusal by the policy", PATIENCE, refused).await
}

async fn gateway(bed: &Bed) -> Result<()> {
    let url = bed.cluster().gateway.clone().unwrap_or_default();
    until("an answer through the gateway", PATIENCE, async || get(&url).await).await?;
    let mut green = 0;
    for _ in 0..REQUESTS {
        let text = get(&url).await.map_err(wrong)?;
        green += usize::from(text.trim() == "green");
    }
    // Five standard deviations around 10 %.
    expect((4..=56).contains(&green), format!("{green} of {REQUESTS} requests went to 10 %"))?;
    passed(&format!("the gateway splits: {green} of {REQUESTS} requests at weight 10"));
    let Some(outside) = bed.address_outside("gateway") else {
        return Err(wrong("the gateway has no address outside"));
    };
    expect(outside.starts_with("127.0.0.1:"), format!("the address outside is {outside}"))
}

async fn metrics(bed: &Bed) -> Result<()> {
    let queries = [
        format!(
            r#"sum(hello_requests_total{{namespace="{NAMESPACE}",app="web",teal_dev_color="green"}}) > 0"#
        ),
        format!(
            r#"sum(envoy_cluster_upstream_rq_xx{{envoy_cluster_name="outbound|80||web-candidate.{NAMESPACE}.svc.cluster.local",envoy_response_code_class="2"}}) > 0"#
        ),
    ];
    let base = bed.cluster().prometheus.clone().unwrap_or_default();
    for query in queries {
        let url = format!("{base}/api/v1/query");
        let asked = async || {
            let answer = reqwest::Client::new().get(&url).query(&[("query", &query)]).send().await;
            let answer: Value =
                answer.map_err(|error| error.to_string())?.json().await.map_err(|error| error.to_string())?;
            let series = answer["data"]["result"].as_array().map_or(0, Vec::len);
            if series == 1 { Ok(()) } else { Err(answer.to_string()) }
        };
        until(query.clone(), PATIENCE, asked).await?;
    }
    Ok(())
}

async fn records(bed: &Bed) -> Result<()> {
    let cluster = bed.cluster();
    let log = cluster.audit_log.clone().unwrap_or_default();
    let (requests, _) = audit::read(&log, 0)?;
    let counts = audit::count(&requests);
    let by_kubectl: u64 =
        counts.iter().filter(|(key, _)| key.user_agent == "kubectl").map(|(_, count)| count).sum();
    expect(by_kubectl > 0, "the audit log has no request of kubectl")?;
    let versions = history::read(cluster.etcd.as_deref().unwrap_or_default()).await?;
    let weights = versions
        .iter()
        .filter(|version| version.key.resource == "virtualservices" && version.key.name == "web");
    let weights: Vec<&Value> = weights
        .filter_map(|version| version.value.as_ref()?.pointer("/spec/http/0/route/1/weight"))
        .collect();
    expect(
        weights == [&json!(10)],
        format!("the history of the VirtualService has the weights {weights:?}"),
    )?;
    let pods =
        versions.iter().filter(|version| version.key.resource == "pods" && version.value.is_some()).count();
    expect(pods >= 2, format!("the history has {pods} versions of pods"))?;
    let ordered = versions.windows(2).all(|pair| pair[0].revision <= pair[1].revision);
    expect(ordered, "the history is not in order")
}

fn file(bed: &Bed, name: &str, object: &Value) -> Result<String> {
    let path = bed.folder().join(format!("{name}.json"));
    std::fs::write(&path, object.to_string()).map_err(|source| Error::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    Ok(path.display().to_string())
}

async fn output(bed: &Bed, arguments: &[&str]) -> Result<String> {
    let output = bed.cluster().kubectl().args(arguments).output().await;
    let output = output.map_err(|source| Error::Spawn { program: "kubectl".into(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Program {
        program: format!("kubectl {}", arguments.join(" ")),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

async fn get(url: &str) -> std::result::Result<String, String> {
    let answer = reqwest::Client::new().get(url).timeout(Duration::from_secs(2)).send().await;
    answer
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| error.to_string())?
        .text()
        .await
        .map_err(|error| error.to_string())
}

fn expect(holds: bool, why: impl Into<String>) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(why)) }
}

fn wrong(why: impl Into<String>) -> Error {
    Error::Invalid { what: "check".into(), why: why.into() }
}

fn passed(what: &str) {
    say(&format!("ok  {what}"));
}
