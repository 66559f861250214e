//! The content hash and what is kept of a revision.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::fixture;
use serde_json::{Value, json};
use teal_release::{Kept, from_store, hash, store};

/// Any other value here would start a rollout of every release at the next upgrade of the operator: a changed recipe
/// needs a new version, and this test stays.
#[test]
fn the_recipe_of_version_1_never_changes() {
    let release = json!({"manifests": fixture("shop")});
    assert_eq!(
        hash(&release).to_string(),
        "v1:c44c6ccc8f3803cea9ea831c18061bb9aea12c4c7df3d6d34d4699a86d23b6ca"
    );
}

/// The digest of the text below, as `sha256sum` gives it:
/// `{"manifests":[{"a":"é\n","apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"z":[1,1.5,-3,18446744073709551615,true,null]}]}`
#[test]
fn canonical_json_is_what_is_documented() {
    let release = json!({"manifests": [{
        "metadata": {"name": "c", "labels": null}, "kind": "ConfigMap", "apiVersion": "v1",
        "z": [1, 1.5, -3, 18_446_744_073_709_551_615_u64, true, null], "a": "é\n",
    }]});
    assert_eq!(hash(&release).to_string(), EXPECTED);
}

const EXPECTED: &str = "v1:b2db8665bb3c732010ea70ce72805446ccaa62672d853245a66999efefbdcfa4";

#[test]
fn the_order_of_lists_counts_but_of_manifests_not() {
    let manifests = fixture("shop");
    let mut swapped = manifests.clone();
    swapped.swap(1, 5);
    assert_eq!(hash(&json!({"manifests": manifests})), hash(&json!({"manifests": swapped})));
    let mut other = manifests.clone();
    other[3]["spec"]["template"]["spec"]["containers"][0]["envFrom"].as_array_mut().unwrap().reverse();
    assert_ne!(hash(&json!({"manifests": manifests})), hash(&json!({"manifests": other})));
}

#[test]
fn other_members_of_a_release_count() {
    let chart = |version: &str| json!({"chart": {"oci": "oci://example.com/web", "version": version}});
    assert_ne!(hash(&chart("1.8.2")), hash(&chart("1.8.3")));
}

fn kept(manifests: &[Value]) -> Kept {
    let release = json!({"manifests": manifests});
    Kept { hash: hash(&release), services: vec!["web".into()], release, body: None }
}

#[test]
fn a_kept_release_comes_back() {
    let before = kept(&fixture("shop"));
    let data: Value = serde_json::from_str(&store(&before).unwrap().to_string()).unwrap();
    let after = from_store(&data).unwrap();
    assert_eq!(after, before);
    assert_eq!(hash(&after.release), before.hash);
}

#[test]
fn what_is_kept_is_the_content_that_its_name_says() {
    let own = kept(&fixture("shop"));
    let revision = own.hash.revision(3);
    own.check(revision).unwrap();
    let edited = Kept { release: json!({"manifests": []}), ..own.clone() };
    assert!(edited.check(revision).is_err(), "another content under its hash");
    let others = kept(&[]);
    assert!(others.check(revision).unwrap_err().to_string().contains("isn't what its name says"));
    let mut older = own;
    older.hash.version = 0;
    let revision = older.hash.revision(3);
    Kept { release: json!({"manifests": []}), ..older }
        .check(revision)
        .expect("another recipe can't be followed");
}

#[test]
fn values_of_secrets_are_not_kept() {
    let secret = json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "hunter2"}});
    let data = store(&kept(&[secret])).unwrap().to_string();
    assert!(data.contains("Secret") && !data.contains("hunter2") && !data.contains("aHVudGVyMg"));
}

#[test]
fn what_can_not_be_read_says_why() {
    assert!(from_store(&json!({"manifests": []})).unwrap_err().to_string().contains("no kept release"));
    let mut data = store(&kept(&[])).unwrap();
    data["format"] = 2.into();
    let message = from_store(&data).unwrap_err().to_string();
    assert!(message.contains("format 2") && message.contains("run the version that wrote it"), "{message}");
}
