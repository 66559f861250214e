//! How much is looked through for what rules a host: gateways, rules and the namespaces that these name are written by
//! others, who must not keep everybody waiting by their number.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::{list, namespace};
use crate::{ObjectName, Refusal, RoleService};

/// Rules for one host, of which istiod takes one for each client; and namespaces of clients that these tell apart.
const MOST: usize = 100;
/// Namespaces that those rules name.
const MOST_NAMED: usize = 1_000;

/// Of the clients' namespaces those between which rules can make a difference. All that no rule lies in or names are treated
/// alike, so one of them stands for the others.
pub(crate) fn apart<'a>(clients: &'a [String], always: &[&'a str], rules: &[Value]) -> Vec<&'a str> {
    let named = rules.iter().flat_map(|rule| export_to(rule).iter().filter_map(Value::as_str));
    let known: BTreeSet<&str> = named.chain(rules.iter().map(namespace)).collect();
    let clients = || clients.iter().map(String::as_str).filter(|client| !always.contains(client));
    let other = clients().find(|client| !known.contains(client));
    let mut apart: Vec<&str> = clients().filter(|client| known.contains(client)).collect();
    apart.extend(always.iter().copied().chain(other));
    apart.sort_unstable();
    apart.dedup();
    apart
}

/// Refuses more than can be looked through, where each rule counts for each client.
pub(crate) fn refuse(rules: &[Value], clients: &[&str], service: &RoleService) -> Result<(), Refusal> {
    let named = |rule: &&Value| export_to(rule).len();
    let Some(most) = rules.iter().max_by_key(named) else { return Ok(()) };
    let total: usize = rules.iter().map(|rule| named(&rule)).sum();
    let (live, candidate, count) = (&service.name, &service.candidate, rules.len());
    let problem = if count > MOST {
        format!(
            "spec.host: {count} rules cover {live} or {candidate} in the namespaces of its callers, and more than {MOST} are \
             not looked through: remove those that nobody needs, one for a host is enough"
        )
    } else if total > MOST_NAMED || clients.len() > MOST {
        format!(
            "spec.exportTo: the rules that cover {live} or {candidate} name {total} namespaces in it and tell callers in {} \
             namespaces apart (spec.gateways of the VirtualServices), and more than {MOST_NAMED}, or {MOST} of callers, are \
             not looked through: name fewer, or \"*\"",
            clients.len()
        )
    } else {
        return Ok(());
    };
    let object = ObjectName::of(most, "DestinationRule")?.boxed();
    Err(Refusal::DestinationRuleUnsupported { object, problem })
}

fn export_to(rule: &Value) -> &[Value] {
    list(rule, "/spec/exportTo")
}
