//! Rule 19: field ownership goes back to the owner.

use serde_json::{Value, json};
use teal_traffic::{
    Patch, RoleService, RouteOwner, RouteSelector, Saved, Stamp, enter, give_back, http_owners, leave, lower,
    restorer, set_weight,
};

use crate::support::{World, apply, at, left, stamp, virtual_service};

fn entry(manager: &str, operation: &str, time: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "networking.istio.io/v1", "time": time,
           "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn spec(fields: &[&str]) -> Value {
    let fields: serde_json::Map<String, Value> =
        fields.iter().map(|field| (format!("f:{field}"), json!({}))).collect();
    json!({"f:spec": fields})
}

fn owned(entries: &Value) -> Value {
    let mut object = virtual_service("[{route: [{destination: {host: web}}]}]");
    object["metadata"]["managedFields"] = entries.clone();
    object
}

/// Enters and leaves as Teal does, with `managedFields` afterwards as the API server has them then.
fn rollout(before: &Value, after: &Value) -> (Value, Saved) {
    let world = World::web();
    let mut now = owned(before);
    let patch = enter(&now, &world.scope(), &stamp(1)).unwrap().unwrap();
    apply(&mut now, &patch).unwrap();
    let now = at(&world, &at(&world, &now, 10), 0);
    let saved = Saved::of(&now, "uid-1").unwrap();
    let mut end = left(&world, &now);
    end["metadata"]["managedFields"] = after.clone();
    (end, saved)
}

fn teal() -> Value {
    entry(
        "teal",
        "Update",
        "2026-01-02T00:00:00Z",
        &json!({
        "f:metadata": {"f:annotations": {"f:epoch.teal.dev/uid-1": {}}}, "f:spec": {"f:http": {}}}),
    )
}

#[test]
fn rule_19_http_goes_back_into_the_owners_entry() {
    let helm = |fields: &[&str]| entry("helm", "Apply", "2026-01-01T00:00:00Z", &spec(fields));
    let (mut end, saved) = rollout(&json!([helm(&["hosts", "http"])]), &json!([helm(&["hosts"]), teal()]));
    let patch = give_back(&end, &saved, "teal").unwrap().unwrap();
    let operations = json!(patch);
    assert_eq!(operations[0]["op"], "test");
    assert_eq!(operations[0]["path"], "/metadata/resourceVersion");
    apply(&mut end, &patch).unwrap();
    let entries = &end["metadata"]["managedFields"];
    assert_eq!(entries[0], helm(&["hosts", "http"]));
    assert_eq!(
        entries[1]["fieldsV1"],
        json!({"f:metadata": {"f:annotations": {"f:epoch.teal.dev/uid-1": {}}}})
    );
    assert_eq!(give_back(&end, &saved, "teal").unwrap(), None, "done once");
}

#[test]
fn rule_19_an_entry_that_had_only_http_is_made_anew() {
    let edit = entry("kubectl-edit", "Update", "2026-01-01T00:00:00Z", &spec(&["http"]));
    let only_http = entry("teal", "Update", "2026-01-02T00:00:00Z", &spec(&["http"]));
    let (mut end, saved) = rollout(&json!([edit]), &json!([only_http]));
    let patch = give_back(&end, &saved, "teal").unwrap().unwrap();
    apply(&mut end, &patch).unwrap();
    assert_eq!(end["metadata"]["managedFields"], json!([edit]));
}

#[test]
fn rule_19_an_owner_that_updates_gets_its_claim_with_the_restoring_request() {
    let old = "2026-01-01T00:00:00Z";
    let helm = |operation: &str, fields: &[&str]| entry("helm", operation, old, &spec(fields));
    let saved = |entries: Value| Saved { owners: http_owners(&owned(&entries), "teal"), ..Saved::default() };
    let updated = saved(json!([helm("Update", &["hosts", "http"])]));
    let now = owned(&json!([helm("Update", &["hosts"]), teal()]));
    assert_eq!(restorer(&now, &updated, "teal").as_deref(), Some("helm"));

    let applied = saved(json!([helm("Apply", &["hosts", "http"])]));
    assert_eq!(restorer(&now, &applied, "teal"), None, "no update can be in the name of an apply");
    let argo = entry("argocd", "Update", old, &spec(&["http"]));
    let two = saved(json!([helm("Update", &["http"]), argo]));
    assert_eq!(restorer(&now, &two, "teal"), None, "one name can't stand for two");
    let retaken = owned(&json!([helm("Update", &["hosts", "http"]), teal()]));
    assert_eq!(restorer(&retaken, &updated, "teal"), None, "somebody has claimed it meanwhile");
    let alone = owned(&json!([helm("Update", &["hosts", "http"])]));
    assert_eq!(restorer(&alone, &updated, "teal"), None, "nothing is Teal's");
    for forged in ["x".repeat(129), "teal\nroot".into(), String::new(), "nobody".into()] {
        let owner = RouteOwner { manager: forged.clone(), ..updated.owners[0].clone() };
        let record = Saved { owners: vec![owner], ..Saved::default() };
        let mut listed = helm("Update", &["hosts"]);
        listed["manager"] = json!(if forged == "nobody" { "somebody" } else { forged.as_str() });
        let there = owned(&json!([listed, teal()]));
        assert_eq!(restorer(&there, &record, "teal"), None, "{forged:?} is no name of a writer");
    }
    let older =
        RouteOwner { api_version: Some("networking.istio.io/v1beta1".into()), ..updated.owners[0].clone() };
    let older = Saved { owners: vec![older], ..Saved::default() };
    assert_eq!(restorer(&now, &older, "teal"), None, "it would be another entry");
}

#[test]
fn rule_19_skipped_if_anyone_applied_meanwhile() {
    let helm = |fields: &[&str]| entry("helm", "Apply", "2026-01-01T00:00:00Z", &spec(fields));
    let argo = entry("argocd", "Apply", "2026-01-03T00:00:00Z", &spec(&["http"]));
    let (mut end, saved) =
        rollout(&json!([helm(&["hosts", "http"])]), &json!([helm(&["hosts"]), teal(), argo.clone()]));
    let patch = give_back(&end, &saved, "teal").unwrap().unwrap();
    apply(&mut end, &patch).unwrap();
    let entries = end["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries[0], helm(&["hosts"]), "the new owner is the only one");
    assert_eq!(entries[2], argo);
    assert_eq!(http_owners(&end, "teal").len(), 1);

    let stale = give_back(&owned(&json!([teal()])), &saved, "teal").unwrap().unwrap();
    end["metadata"]["resourceVersion"] = json!("12345");
    assert!(apply(&mut end, &stale).is_err());
}

#[test]
fn the_same_name_with_another_operation_is_another_owner() {
    let update = entry("helm", "Update", "2026-01-01T00:00:00Z", &spec(&["hosts"]));
    let applied = |fields: &[&str]| entry("helm", "Apply", "2026-01-01T00:00:00Z", &spec(fields));
    let (mut end, saved) = rollout(
        &json!([update.clone(), applied(&["gateways", "http"])]),
        &json!([update.clone(), applied(&["gateways"]), teal()]),
    );
    let patch = give_back(&end, &saved, "teal").unwrap().unwrap();
    apply(&mut end, &patch).unwrap();
    assert_eq!(end["metadata"]["managedFields"][0], update);
    assert_eq!(end["metadata"]["managedFields"][1], applied(&["gateways", "http"]));
}

/// Applies a patch as the API server does, which notes that whoever changes a list owns it from then on.
fn send(object: &mut Value, manager: &str, patch: &Patch) {
    let before = object["spec"].clone();
    apply(object, patch).unwrap();
    for list in ["http", "tls", "tcp"] {
        if object["spec"][list] != before[list] {
            take(object, manager, list);
        }
    }
}

fn take(object: &mut Value, manager: &str, list: &str) {
    let field = format!("f:{list}");
    let mut entries = object["metadata"]["managedFields"].as_array().unwrap().clone();
    for entry in &mut entries {
        entry["fieldsV1"]["f:spec"].as_object_mut().unwrap().remove(&field);
    }
    entries.retain(|entry| entry["fieldsV1"]["f:spec"] != json!({}));
    let by = |entry: &Value| entry["manager"] == manager && entry["operation"] == "Update";
    if let Some(own) = entries.iter_mut().find(|entry| by(entry)) {
        own["fieldsV1"]["f:spec"][field] = json!({});
    } else {
        entries.push(entry(manager, "Update", "2026-01-02T00:00:00Z", &spec(&[list])));
    }
    object["metadata"]["managedFields"] = json!(entries);
}

/// Leaves as `cluster` does: in the owner's name where that may be, and else with a request for the claim.
fn give_all_back(object: &mut Value, world: &World, stamp: &Stamp) {
    if let Some(patch) = lower(object, &world.scope(), stamp).unwrap() {
        send(object, "teal", &patch);
    }
    let saved = Saved::of(object, &stamp.rollout).unwrap();
    let manager = restorer(object, &saved, "teal").unwrap_or_else(|| "teal".into());
    let patch = leave(object, &world.scope(), stamp).unwrap().patch.unwrap();
    send(object, &manager, &patch);
    if let Some(patch) = give_back(object, &saved, "teal").unwrap() {
        apply(object, &patch).unwrap();
    }
}

#[test]
fn rule_19_whoever_leaves_last_of_several_rollouts_gives_the_owner_its_claim() {
    let old = "2026-01-01T00:00:00Z";
    let service = |name: &str| World { services: vec![RoleService::new("shop", name)], ..World::web() };
    let rollouts =
        [(service("web"), Stamp::new("uid-1", 3, "teal")), (service("api"), Stamp::new("uid-2", 5, "teal"))];
    for operation in ["Update", "Apply"] {
        for beside in [&["hosts", "http"][..], &["http"]] {
            for order in [[0, 1, 0, 1], [0, 1, 1, 0]] {
                let owners = json!([entry("helm", operation, old, &spec(beside))]);
                let mut now = owned(&owners);
                let http = json!([{"route": [{"destination": {"host": "web"}}]}, {"route": [{"destination": {"host": "api"}}]}]);
                now["spec"]["http"] = http.clone();
                for rollout in &order[..2] {
                    let (world, stamp) = &rollouts[*rollout];
                    let patch = enter(&now, &world.scope(), stamp).unwrap().unwrap();
                    send(&mut now, "teal", &patch);
                    let saved = Saved::of(&now, &stamp.rollout).unwrap();
                    assert_eq!(saved.writers, ["helm"], "what it re-applies is no person's");
                }
                for rollout in &order[2..] {
                    let (world, stamp) = &rollouts[*rollout];
                    let patch = set_weight(&now, &world.scope(), 10, stamp).unwrap().unwrap();
                    send(&mut now, "teal", &patch);
                    assert_eq!(http_owners(&now, "teal"), [], "while any has entered, the routes are Teal's");
                    give_all_back(&mut now, world, stamp);
                }
                assert_eq!(now["spec"]["http"], http);
                let claims = http_owners(&now, "");
                let names: Vec<_> = claims.iter().map(|claim| (&*claim.manager, &*claim.operation)).collect();
                assert_eq!(names, [("helm", operation)], "{beside:?} {order:?}");
            }
        }
    }
}

/// Lists of different kinds: who entered first knew nothing of the other's list, and leaves it to its owner all the same.
#[test]
fn rule_19_whoever_leaves_last_gives_back_the_lists_of_those_that_left_before() {
    let old = "2026-01-01T00:00:00Z";
    let rollout = |name: &str, uid: &str, routes: Option<Vec<RouteSelector>>| {
        let world = World { services: vec![RoleService::new("shop", name)], routes, ..World::web() };
        (world, Stamp::new(uid, 3, "teal"))
    };
    let rollouts = [
        rollout("web", "uid-1", None),
        rollout("api", "uid-2", Some(vec![RouteSelector::Tcp(None)])),
        rollout("queue", "uid-3", Some(vec![RouteSelector::tls(None, vec![])])),
    ];
    let (helm, argo) = (("helm", "Update"), ("argocd", "Apply"));
    for owners in [
        json!([entry(helm.0, helm.1, old, &spec(&["hosts", "http", "tls", "tcp"]))]),
        json!([entry(argo.0, argo.1, old, &spec(&["http", "tls", "tcp"]))]),
        json!([
            entry(helm.0, helm.1, old, &spec(&["http"])),
            entry(argo.0, argo.1, old, &spec(&["tls", "tcp"]))
        ]),
    ] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut now = owned(&owners);
            let to = |host: &str| json!([{"route": [{"destination": {"host": host}}]}]);
            now["spec"] = json!({"hosts": ["web"], "http": to("web"), "tcp": to("api"), "tls": to("queue")});
            now["spec"]["tls"][0]["match"] = json!([{"sniHosts": ["queue.example"]}]);
            let spec = now["spec"].clone();
            for (world, stamp) in &rollouts {
                let patch = enter(&now, &world.scope(), stamp).unwrap().unwrap();
                send(&mut now, "teal", &patch);
            }
            for which in order {
                let (world, stamp) = &rollouts[which];
                give_all_back(&mut now, world, stamp);
            }
            assert_eq!(now["spec"], spec);
            let claims = |object: &Value| {
                let entries = object["metadata"]["managedFields"].as_array().unwrap();
                let of = |entry: &Value| {
                    let fields = entry["fieldsV1"]["f:spec"].as_object().unwrap();
                    let lists =
                        fields.keys().filter(|field| *field != "f:hosts").cloned().collect::<Vec<_>>();
                    (entry["manager"].to_string(), entry["operation"].to_string(), lists)
                };
                let mut all: Vec<_> =
                    entries.iter().map(of).filter(|(.., lists)| !lists.is_empty()).collect();
                all.sort();
                all
            };
            assert_eq!(claims(&now), claims(&json!({"metadata": {"managedFields": owners}})), "{order:?}");
        }
    }
}
