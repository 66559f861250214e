//! How much is looked through for what rules a host: gateways, rules and the namespaces that these name are written by
//! others, who must not keep everybody waiting by their number.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::destination_rule::exports;
use crate::object::{list, namespace};
use crate::{ObjectName, Refusal, RoleService};

/// Rules for one host, of which istiod takes one for each client.
const MOST: usize = 100;
/// Namespaces of clients that these tell apart: each rule may be for one alone, and hold for its own.
const MOST_APART: usize = 2 * MOST;
/// Namespaces that those rules name.
const MOST_NAMED: usize = 1_000;

/// The clients' namespaces between which rules can make a difference. All that the same rules name, and in which none lies, are
/// treated alike, so one of them stands for the others.
///
/// Whom the rules of `always`, the Service's namespace and the root one, are exported to is a client too: a gateway's pods may run
/// in another namespace than its `Gateway`, and nothing but such a rule tells of them.
pub(crate) fn apart<'a>(clients: &'a [String], always: &[&'a str], rules: &'a [Value]) -> Vec<&'a str> {
    let mut naming: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        exports(rule).into_iter().for_each(|named| naming.entry(named).or_default().push(index));
    }
    let homes: BTreeSet<&str> = rules.iter().map(namespace).collect();
    let exported = rules.iter().filter(|rule| always.contains(&namespace(rule))).flat_map(exports);
    let exported = exported.filter(|named| !["*", ".", "~"].contains(named));
    let all: BTreeSet<&str> = always.iter().copied().collect();
    let mut apart = all.clone();
    let mut known = BTreeSet::new();
    for client in clients.iter().map(String::as_str).chain(exported).filter(|client| !all.contains(client)) {
        let home = homes.contains(client).then_some(client);
        if known.insert((naming.get(client), home)) {
            apart.insert(client);
        }
    }
    apart.into_iter().collect()
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
    } else if total > MOST_NAMED || clients.len() > MOST_APART {
        format!(
            "spec.exportTo: the rules that cover {live} or {candidate} name {total} namespaces in it and tell callers in {} \
             namespaces apart (spec.gateways of the VirtualServices), and more than {MOST_NAMED}, or {MOST_APART} of callers, \
             are not looked through: name fewer, or \"*\"",
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
