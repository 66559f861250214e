//! `kubectl explain` of every field of both kinds.

use std::collections::BTreeMap;

use crate::cluster::Server;

/// Fields of an object, by the path of the object.
type Tree = BTreeMap<String, Vec<String>>;

#[test]
#[ignore = "needs an API server"]
fn every_field_of_both_kinds_is_explained() {
    let server = Server::connect("explain");
    let (mut count, mut bare) = (0, Vec::new());
    for kind in ["rollouts.teal.dev", "decisions.teal.dev"] {
        let tree = tree(kind, &server.must(&["explain", kind, "--recursive"]));
        assert!(tree[kind].iter().any(|field| field == "status"), "{tree:?}");
        for (object, fields) in &tree {
            let text = server.must(&["explain", object]);
            let explained = explained(&text);
            let listed: Vec<&String> = explained.keys().collect();
            assert_eq!(
                listed,
                fields.iter().collect::<Vec<_>>(),
                "{object} has the fields of the whole tree"
            );
            let missing = explained.iter().filter(|(_, words)| words.is_empty());
            bare.extend(missing.map(|(field, _)| format!("{object}.{field}")));
            if about(&text).is_empty() {
                bare.push(object.clone());
            }
            count += fields.len();
        }
    }
    assert!(bare.is_empty(), "without description: {bare:#?}");
    println!("count: {count} fields explained by kubectl");
}

#[test]
#[ignore = "needs an API server"]
fn an_explanation_says_what_matters() {
    let server = Server::connect("explain-words");
    let rows = [
        ("rollouts.teal.dev.spec.checks.noData", "Default: Wait"),
        ("rollouts.teal.dev.spec.release.manifests.metadata.name", "Name without color"),
        ("rollouts.teal.dev.status.previous.keptUntil", "Until when it stays"),
        ("decisions.teal.dev.spec.nonce", "status.gate.nonce"),
        ("decisions.teal.dev.status.conditions", "Applied"),
    ];
    for (field, part) in rows {
        let text = server.must(&["explain", field]);
        assert!(text.contains(part), "{field} is explained without {part:?}:\n{text}");
    }
}

/// The lines of fields: how deep, the name, and whether it is Kubernetes' own metadata of objects.
fn fields(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let lines = text.lines().skip_while(|line| !line.starts_with("FIELDS:")).skip(1);
    lines.filter_map(|line| {
        let (name, kind) = line.split_once('\t')?;
        let depth = (name.len() - name.trim_start().len()) / 2;
        (depth > 0 && kind.starts_with('<')).then(|| (depth, name.trim(), kind.starts_with("<ObjectMeta>")))
    })
}

/// The objects of a kind, from `explain --recursive`. What is in `metadata` is not ours to explain.
fn tree(kind: &str, text: &str) -> Tree {
    let mut tree = Tree::new();
    let mut path = vec![kind.to_owned()];
    let mut skipped = usize::MAX;
    for (depth, name, foreign) in fields(text) {
        if depth > skipped {
            continue;
        }
        skipped = if foreign { depth } else { usize::MAX };
        path.truncate(depth);
        tree.entry(path.join(".")).or_default().push(name.to_owned());
        path.push(name.to_owned());
    }
    tree.values_mut().for_each(|fields| fields.sort());
    tree
}

/// The fields of one object with their descriptions, from `explain`.
fn explained(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut last = None;
    for line in text.lines().skip_while(|line| !line.starts_with("FIELDS:")).skip(1) {
        if let Some((name, _)) = line.split_once("\t<") {
            last = Some(name.trim().to_owned());
            all.entry(name.trim().to_owned()).or_insert_with(String::new);
        } else if let Some(words) = last.as_ref().and_then(|name| all.get_mut(name))
            && !line.contains("<no description>")
            && !line.trim_start().starts_with("enum: ")
        {
            words.push_str(line.trim());
        }
    }
    all
}

/// The description of the object itself.
fn about(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with("DESCRIPTION:")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("FIELDS:")).map(str::trim);
    lines.filter(|line| *line != "<empty>").collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECURSIVE: &str = "KIND:       Rollout\n\nDESCRIPTION:\n    Ships.\n    \nFIELDS:\n  metadata\t<ObjectMeta>\n    name\t<string>\n  spec\t<Object> -required-\n    mode\t<string>\n    enum: Active, Paused\n    steps\t<[]Object>\n      name\t<string>\n\n";

    #[test]
    fn objects_are_told_from_leaves_and_metadata_is_left_out() {
        let tree = tree("rollouts", RECURSIVE);
        let of = |path: &str| tree[path].join(" ");
        assert_eq!(tree.len(), 3, "{tree:?}");
        assert_eq!(of("rollouts"), "metadata spec");
        assert_eq!(of("rollouts.spec"), "mode steps");
        assert_eq!(of("rollouts.spec.steps"), "name");
    }

    #[test]
    fn a_field_without_words_is_noticed() {
        let text = "DESCRIPTION:\n    <empty>\n\nFIELDS:\n  bare\t<string>\n    <no description>\n\n  mode\t<string>\n  enum: Active\n    How it works.\n\n";
        let explained = explained(text);
        assert_eq!(explained["bare"], "");
        assert_eq!(explained["mode"], "How it works.");
        assert_eq!(about(text), "");
        assert_eq!(about(RECURSIVE), "Ships.");
    }
}
