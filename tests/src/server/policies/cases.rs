//! Writes that a policy has to accept or refuse.

use std::collections::BTreeMap;
use std::time::Instant;

use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::attempt::{Answer, send};
use super::{Ended, PATIENCE, PAUSE, Users, read, user};
use crate::error::Result;
use crate::world::World;

/// A case, as the README beside the files describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(rename = "as")]
    who: String,
    pub(super) create: Option<Value>,
    pub(super) patch: Option<Edit>,
    #[serde(default)]
    pub(super) keep: bool,
    #[serde(default)]
    refused: Vec<String>,
}

/// A change of an object that is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Edit {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) merge: Value,
}

/// Runs the cases of a file in their order.
pub(super) async fn run(world: &World, users: &Users, file: &'static str) -> Result<Ended> {
    let cases: Vec<Case> = read(file)?;
    let mut clients = BTreeMap::new();
    for case in &cases {
        if !clients.contains_key(&case.who) {
            let who = user(users, &case.who)?;
            clients.insert(case.who.clone(), world.cluster.client_as(&who.user, &who.groups).await?);
        }
    }
    in_force(&clients, &cases).await?;
    let mut failed = Vec::new();
    for case in &cases {
        let answer = send(&clients[&case.who], case).await?;
        failed.extend(judge(case, &answer));
    }
    Ok(Ended { file, cases: cases.len(), failed })
}

/// Waits until the first case that is to be refused is. When that never comes about, the case itself tells it.
async fn in_force(clients: &BTreeMap<String, Client>, cases: &[Case]) -> Result<()> {
    let Some(first) = cases.iter().find(|case| !case.refused.is_empty()) else { return Ok(()) };
    let end = Instant::now() + PATIENCE;
    while judge(first, &send(&clients[&first.who], first).await?).is_some() && Instant::now() < end {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// What is wrong with an answer.
fn judge(case: &Case, answer: &Answer) -> Option<String> {
    let expected = match answer {
        Ok(()) if case.refused.is_empty() => return None,
        Err(message) if !case.refused.is_empty() && says_all(message, &case.refused) => return None,
        _ if case.refused.is_empty() => "that it is accepted".to_owned(),
        _ => format!("a refusal with {:?}", case.refused),
    };
    let came =
        answer.as_ref().map_or_else(|message| format!("refused: {message}"), |()| "accepted".to_owned());
    Some(format!("{:?} as {}: expected {expected}; came: {came}", case.name, case.who))
}

fn says_all(message: &str, parts: &[String]) -> bool {
    parts.iter().all(|part| message.contains(part.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::server::policies::FILES;

    fn case(refused: &[&str]) -> Case {
        let edit = json!({"apiVersion": "v1", "kind": "Service", "name": "web", "merge": {}});
        let case = json!({"name": "a write", "as": "bob", "patch": edit, "refused": refused});
        serde_json::from_value(case).unwrap()
    }

    #[test]
    fn a_refusal_has_to_say_all_that_is_expected() {
        let refusal = Err("stale writer: web carries 41".to_owned());
        assert_eq!(judge(&case(&["stale writer", "41"]), &refusal), None);
        let wrong = judge(&case(&["stale writer", "42"]), &refusal).unwrap();
        assert!(wrong.starts_with("\"a write\" as bob: expected a refusal with"), "{wrong}");
        assert!(wrong.ends_with("came: refused: stale writer: web carries 41"), "{wrong}");
        assert!(judge(&case(&["stale"]), &Ok(())).unwrap().ends_with("came: accepted"));
    }

    #[test]
    fn what_is_to_be_accepted_may_not_be_refused() {
        assert_eq!(judge(&case(&[]), &Ok(())), None);
        let wrong = judge(&case(&[]), &Err(String::new())).unwrap();
        assert!(wrong.contains("expected that it is accepted; came: refused"), "{wrong}");
    }

    #[test]
    fn every_file_can_be_read_and_has_both_sorts_of_cases() {
        let users: Users = read("users").unwrap();
        for file in FILES {
            let cases: Vec<Case> = read(file).unwrap();
            let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            assert_eq!(names.len(), cases.len(), "names in {file} are there once");
            assert!(cases.iter().any(|case| case.refused.is_empty()), "{file}");
            assert!(cases.iter().any(|case| !case.refused.is_empty()), "{file}");
            // Merge keys are resolved and nothing is left of them.
            assert!(cases.iter().all(|case| !format!("{case:?}").contains("\"<<\"")), "{file}");
            for case in &cases {
                assert!(case.create.is_some() != case.patch.is_some(), "{file}: {}", case.name);
                user(&users, &case.who).unwrap();
            }
        }
    }
}
