//! What both colors share (api.md D5 and §6, traffic.md rule 17): accounts and claims keep their names, stand before whoever
//! needs them, and outlive them.

use serde_json::{Value, json};

use crate::bench::history::{History, Version};
use crate::bench::{Bench, objects};

/// A version whose pods run as an account and have a disk.
fn release(version: &str, account: &str) -> Value {
    let note = json!({"version": version});
    let mut rollout = objects::with(
        version,
        &[
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "annotations": note}}),
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": format!("disk-of-{account}")},
                "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}}),
        ],
    );
    let pod = &mut rollout["spec"]["release"]["manifests"][0]["spec"]["template"]["spec"];
    pod["serviceAccountName"] = json!(account);
    pod["volumes"] =
        json!([{"name": "disk", "persistentVolumeClaim": {"claimName": format!("disk-of-{account}")}}]);
    rollout
}

/// The place of an object's first version in the order of all writes.
fn made(versions: &[Version], name: &str) -> u64 {
    let first = versions.iter().find(|version| version.name == name);
    first.unwrap_or_else(|| panic!("{name} was never there")).revision.parse().expect("a number")
}

async fn account_and_claim(bench: &Bench, account: &str) -> (bool, bool) {
    let has = async |plural: &str, name: &str| bench.exists(plural, name).await == Some(true);
    (
        has("serviceaccounts", account).await,
        has("persistentvolumeclaims", &format!("disk-of-{account}")).await,
    )
}

/// Goes all the way with what is being tried, until the former color is gone.
async fn retire(bench: &Bench, former: &str) {
    bench.completes("web").await;
    let gone = async || bench.exists("deployments", &format!("web-{former}")).await == Some(false);
    bench.until("retired", gone).await;
    bench.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_17_an_account_and_a_claim_keep_their_names_come_first_and_outlive_a_rollback() {
    let bench = Bench::start("shared").await;
    bench.apply_route().await;
    bench.apply(&release("1", "clerk")).await;
    bench.phase("Complete").await;
    bench.quiet().await;
    let accounts = History::begin(bench.api("serviceaccounts")).await;
    let claims = History::begin(bench.api("persistentvolumeclaims")).await;
    let workloads = History::begin(bench.api("deployments")).await;
    let first = bench.value("persistentvolumeclaims", "disk-of-clerk").await["metadata"]["uid"].clone();
    bench.apply(&release("2", "agent")).await;
    bench.phase("Waiting").await;
    let pod = bench.value("deployments", "web-green").await["spec"]["template"]["spec"].clone();
    assert_eq!(pod["serviceAccountName"], "agent");
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "disk-of-agent");
    let (accounts, claims, workloads) = (accounts.all().await, claims.all().await, workloads.all().await);
    let candidate = made(&workloads, "web-green");
    assert!(made(&accounts, "agent") < candidate && made(&claims, "disk-of-agent") < candidate);
    let renamed = accounts.iter().chain(&claims).find(|version| {
        version.name.contains("blue") || version.name.contains("green") || version.name.contains("candidate")
    });
    assert!(renamed.is_none(), "{renamed:#?}");
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.until("cleared", async || bench.exists("deployments", "web-green").await == Some(false)).await;
    bench.quiet().await;
    assert_eq!(account_and_claim(&bench, "clerk").await, (true, true));
    assert_eq!(
        account_and_claim(&bench, "agent").await,
        (true, true),
        "a rollback undoes nothing that is shared"
    );
    // The same account in another form stays in that form.
    bench.apply(&release("3", "clerk")).await;
    bench.phase("Waiting").await;
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.quiet().await;
    let clerk = bench.value("serviceaccounts", "clerk").await;
    assert_eq!(clerk["metadata"]["annotations"]["version"], "3");
    let claim = bench.value("persistentvolumeclaims", "disk-of-clerk").await;
    assert_eq!(claim["metadata"]["uid"], first, "the disk is the same");
    bench.end().await;
}

/// Live's pods go by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn a_policy_that_was_changed_by_what_is_sent_back_is_lives_again_at_rest() {
    let bench = Bench::start("sharedback").await;
    bench.apply_route().await;
    let release = |version: &str| {
        let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "guard", "annotations": {"version": version}},
            "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{}]}});
        objects::with(version, &[policy])
    };
    let has = async |version: &str| {
        let guard = bench.value("networkpolicies", "guard").await;
        guard["metadata"]["annotations"]["version"] == version
    };
    bench.apply(&release("1")).await;
    bench.phase("Complete").await;
    bench.apply(&release("2")).await;
    bench.phase("Waiting").await;
    assert!(has("2").await, "what is tried answers for it");
    bench.decide("Rollback").await;
    bench.phase("RolledBack").await;
    bench.until("live's policy again", async || has("1").await).await;
    bench.quiet().await;
    assert!(has("1").await, "although the spec asks for the other one");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an API server"]
async fn rule_17_an_account_goes_with_the_last_kept_revision_that_has_it_and_a_claim_never() {
    let bench = Bench::start("sharedgone").await;
    bench.apply_route().await;
    bench.apply(&release("1", "clerk")).await;
    bench.phase("Complete").await;
    let first = bench.status("/live/revision").await;
    bench.apply(&objects::rollout("2")).await;
    retire(&bench, "blue").await;
    assert_eq!(bench.exists("controllerrevisions", &format!("web-{first}")).await, Some(true));
    assert_eq!(
        account_and_claim(&bench, "clerk").await,
        (true, true),
        "the first revision has them and is kept"
    );
    // As after ten more: what is kept of the first revision goes.
    bench.delete("controllerrevisions", &format!("web-{first}")).await;
    bench.apply(&objects::rollout("3")).await;
    retire(&bench, "green").await;
    assert_eq!(
        account_and_claim(&bench, "clerk").await,
        (false, true),
        "nobody has the account, and the claim holds data"
    );
    bench.end().await;
}
