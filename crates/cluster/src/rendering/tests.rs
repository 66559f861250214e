use super::*;

/// A Deployment of the Service's pods, and its autoscaler.
fn scaled(name: &str, least: u32) -> [Value; 2] {
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "selector": {"matchLabels": {"app": "web", "of": name}}, "template": {
                "metadata": {"labels": {"app": "web", "of": name}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": {
            "minReplicas": least, "maxReplicas": 30,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}}),
    ]
}

/// Rule 6 counts by Service. Each held at the whole of it, two of them would double live at the start of a rollout.
#[test]
fn autoscalers_behind_one_service_are_held_at_its_size_together() {
    let slot = Slot { color: Color::Blue, revision: "r1-0badcafe".parse().unwrap() };
    let split = |workloads: &[[Value; 2]], started: &[(&str, u32)], active: bool| -> Vec<u64> {
        let started = started.iter().map(|(name, size)| (format!("Deployment/{name}"), *size));
        let key = RenderKey {
            generation: 1,
            uid: "uid".into(),
            slot,
            hash: ContentHash { version: 1, digest: [0; 32] },
            active,
            sizes: BTreeMap::new(),
            hold: vec![("web".into(), 20)],
            started: started.collect(),
            beside: BTreeMap::new(),
            services: vec!["web".into()],
            owned: false,
        };
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
        let manifests = [workloads.concat(), vec![service]].concat();
        let whom = For { rollout: "web", namespace: "shop", instance: "", key: &key };
        let rendering = render(Manifests::listed(manifests), &whom).unwrap();
        let scalers = rendering.pieces.iter().filter(|piece| piece.kind.kind == "HorizontalPodAutoscaler");
        scalers.filter_map(|piece| piece.object.pointer("/spec/minReplicas")?.as_u64()).collect()
    };
    let held = |workloads: &[[Value; 2]]| split(workloads, &[], true);
    assert_eq!(held(&[scaled("web", 2)]), [20]);
    assert_eq!(held(&[scaled("a", 6), scaled("b", 4)]), [12, 8]);
    assert_eq!(held(&[scaled("a", 1), scaled("b", 1), scaled("c", 1)]), [7, 7, 7], "never less together");
    assert_eq!(held(&[scaled("a", 0)]), [20]);
    let [mut base, _] = scaled("b", 1);
    base["spec"]["replicas"] = json!(10);
    let [burst, of_burst] = scaled("a", 2);
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    assert_eq!(held(&[[burst, of_burst], [base, other]]), [20], "beside one of a fixed size");
    let both = [scaled("a", 2), scaled("b", 2)];
    for active in [false, true] {
        assert_eq!(
            split(&both, &[("a", 18), ("b", 2)], active),
            [18, 2],
            "as live was, in each color and role"
        );
    }
    assert_eq!(split(&both, &[("a", 18)], true), [18, 2], "one that live didn't have");
    assert_eq!(split(&both, &[("a", 20), ("b", 0)], true), [20, 2], "and no less than their owner says");
}

#[test]
fn a_field_that_another_hand_took_is_missed() {
    let wanted = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
        {"name": "app", "image": "web:1", "ports": [{"containerPort": 80}]},
    ]}}}, "metadata": {"labels": {"app": "web"}}});
    let all = json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {
            ".": {}, "f:name": {}, "f:image": {},
            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
        }}}}},
    });
    assert!(owns(&all, &wanted));
    for path in [
        "/f:spec/f:replicas",
        "/f:metadata/f:labels/f:app",
        "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"app\"}/f:image",
    ] {
        let mut less = all.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        less.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        less.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert("f:other".into(), json!({}));
        assert!(!owns(&less, &wanted), "{path}");
    }
}

/// Each must be found without a look at all the others, or whoever writes a long list stops the operator for everybody.
#[test]
fn items_of_long_lists_are_found_by_their_keys() {
    let count = 20_000;
    let env: Vec<Value> = (0..count).map(|at| json!({"name": format!("V{at}"), "value": "x"})).collect();
    let ports: Vec<Value> = (0..count).map(|at| json!({"containerPort": at})).collect();
    let owned = json!({"f:name": {}, "f:value": {}, "f:containerPort": {}});
    let env_keys = (0..count).map(|at| (format!("k:{{\"name\":\"V{at}\"}}"), owned.clone()));
    let port_key = |at| format!("k:{{\"containerPort\":{at},\"protocol\":\"TCP\"}}");
    let port_keys = (0..count).map(|at| (port_key(at), owned.clone()));
    let mut fields = json!({
        "f:env": Value::Object(env_keys.collect()),
        "f:ports": Value::Object(port_keys.collect()),
    });
    let wanted = json!({"env": env, "ports": ports});
    assert!(owns(&fields, &wanted));
    fields["f:ports"].as_object_mut().unwrap().remove(&port_key(count - 1));
    assert!(!owns(&fields, &wanted));
}

#[test]
fn items_are_found_by_some_of_their_fields_or_by_their_value() {
    let leaf = json!({".": {}});
    let services =
        json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": leaf, "k:{\"port\":80,\"protocol\":\"UDP\"}": leaf});
    for (set, list, expected) in [
        (&services, json!([{"port": 80, "protocol": "UDP"}]), true),
        (&services, json!([{"port": 80}]), true),
        (&services, json!([{"port": 80, "protocol": "SCTP"}]), false),
        (&services, json!([{"port": 81, "protocol": "TCP"}]), false),
        (&services, json!([{"protocol": "TCP"}]), true),
        (&services, json!([{"name": "anything"}]), true),
        (&json!({"v:\"a\"": {}, "v:1": {}}), json!(["a", 1]), true),
        (&json!({"v:\"a\"": {}, "v:1": {}}), json!(["b"]), false),
    ] {
        assert_eq!(owns(set, &list), expected, "{list}");
    }
}

#[test]
fn images_are_summed_up_once_each_however_many_there_are() {
    let containers: Vec<Value> =
        (0..75_000).map(|at| json!({"image": format!("registry/web:{}", at / 2)})).collect();
    let piece = Piece {
        kind: kinds::find("apps", "Deployment").unwrap(),
        name: "web".into(),
        shared: false,
        live_only: false,
        object: json!({"spec": {"template": {"spec": {"containers": containers}}}}),
        content: String::new(),
    };
    let text = summary(&[piece]);
    assert!(text.starts_with("images web:0, web:1, web:2, "));
    assert_eq!(text.matches("web:").count(), 37_500);
}

#[test]
fn every_object_bears_the_mark_of_its_content_also_one_without_annotations() {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}});
    let object = Object::from_value(&account).unwrap();
    let mark = |owner| {
        let piece = piece(&object, &Marks { written: BTreeMap::new(), owner }).unwrap();
        assert_eq!(piece.object["metadata"]["annotations"], json!({"teal.dev/content": piece.content}));
        piece.content
    };
    assert_ne!(mark(None), mark(Some(json!({"uid": "1"}))), "whom it goes with is seen");
}

#[test]
fn rule_15_a_job_keeps_no_time_after_which_it_would_go_by_itself() {
    let job = |name: &str, run: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "annotations": {"teal.dev/run": run}}, "spec": {
            "ttlSecondsAfterFinished": 0, "backoffLimit": 1,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "m:1"}]}}}})
    };
    let hash = teal_release::hash(&json!({}));
    let slot = Slot { color: Color::Green, revision: hash.revision(2) };
    let key = RenderKey {
        generation: 1,
        uid: "1".into(),
        slot,
        hash,
        active: true,
        sizes: BTreeMap::new(),
        hold: Vec::new(),
        started: Vec::new(),
        beside: BTreeMap::new(),
        services: Vec::new(),
        owned: false,
    };
    let whom = For { rollout: "web", namespace: "shop", instance: "", key: &key };
    let manifests = [job("migrate", "before"), job("contract", "after-retire")];
    let rendering = render(Manifests::listed(manifests.to_vec()), &whom).expect("a rendering");
    assert_eq!(
        (&rendering.job_names[..], &rendering.later_names[..]),
        (&["migrate".into()][..], &["contract".into()][..])
    );
    assert_eq!(rendering.pieces.len(), 0, "no Job is kept as it should be: each is made once");
    for (jobs, name) in [(&rendering.jobs, "migrate-green"), (&rendering.later, "contract-green")] {
        let [piece] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!(piece.name, name);
        let spec = &piece.object["spec"];
        assert_eq!((&spec["ttlSecondsAfterFinished"], &spec["backoffLimit"]), (&Value::Null, &json!(1)));
    }
}

#[test]
fn an_atomic_part_is_owned_as_a_whole() {
    assert!(owns(&json!({"f:spec": {"f:selector": {}}}), &json!({"spec": {"selector": {"app": "web"}}})));
}

/// The pure rooms can't know the API's, and what one writes the other must find.
#[test]
fn the_rooms_call_the_same_things_by_the_same_names() {
    use teal_api::names as api;
    use teal_release::names as release;

    for (own, theirs) in [
        (api::label::ROLLOUT, release::label::ROLLOUT),
        (api::label::ROLLOUT_UID, release::label::ROLLOUT_UID),
        (api::label::COLOR, release::label::COLOR),
        (api::label::REVISION, release::label::REVISION),
        (api::label::INSTANCE, release::label::INSTANCE),
        (api::label::CANONICAL_REVISION, release::label::CANONICAL_REVISION),
        (api::annotation::FATE, annotation::FATE),
        (api::annotation::RUN, annotation::RUN),
        (api::annotation::SWITCH, annotation::SWITCH),
        (api::annotation::SWITCH, teal_traffic::SWITCH),
        (api::annotation::OVERLAP, annotation::OVERLAP),
        (api::annotation::HASH, annotation::HASH),
        (api::annotation::CONTENT, annotation::CONTENT),
        (api::annotation::OWNER_REPLICAS, annotation::OWNER_REPLICAS),
        (api::annotation::OWNER_SUSPEND, annotation::OWNER_SUSPEND),
        (api::annotation::OWNER_MIN_REPLICAS, annotation::OWNER_MIN_REPLICAS),
        (api::annotation::OWNER_MAX_REPLICAS, annotation::OWNER_MAX_REPLICAS),
        (api::annotation::OWNER_IDLE_REPLICAS, annotation::OWNER_IDLE_REPLICAS),
        (api::annotation::EPOCH_PREFIX, teal_traffic::EPOCH_PREFIX),
        (api::annotation::SAVED_PREFIX, teal_traffic::SAVED_PREFIX),
        (api::annotation::COPIED_FROM, teal_traffic::COPIED_FROM),
        (api::CANDIDATE_SUFFIX, release::CANDIDATE_SUFFIX),
    ] {
        assert_eq!(own, theirs);
    }
    let service = teal_traffic::RoleService::new("shop", "web");
    assert_eq!(service.candidate, api::candidate_service("web"));
    assert_eq!(api::colored("web", Color::Green.as_str()), "web-green");
}
