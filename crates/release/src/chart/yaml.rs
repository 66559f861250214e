//! YAML as Helm prints it and as values are written: many documents, words of YAML 1.1, anchors, and a place for each fault.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use super::scalar;

/// Values of all documents. Aliases count as often as they are written, and so does every [`BYTES`] of a text, so that a few lines can't
/// become gigabytes.
const MOST_VALUES: usize = 500_000;
/// The same of a text that is read by itself, such as one that somebody keeps in a ConfigMap.
const MOST_VALUES_OF_ONE: usize = 50_000;
/// So many bytes of a text or a key count as one value more.
const BYTES: usize = 64;
/// Documents of one text, those without anything included.
const MOST_DOCUMENTS: usize = 2000;
/// How the tags of YAML's own types begin.
const CORE: &str = "tag:yaml.org,2002:";

/// One document of a text.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Document {
    /// Which it is, from 1.
    pub(super) number: usize,
    /// The template that it comes from, as Helm notes it; empty where it doesn't.
    pub(super) source: String,
    /// What stands in it; nothing where there are but comments.
    pub(super) value: Value,
}

/// Why a text isn't read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The line, from 1; for a document it is counted from the line behind the one that names its template.
    pub(super) line: usize,
    /// So that it reads on from the line.
    pub(super) problem: String,
}

/// A document that isn't read: its number, its template, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unread {
    pub(super) number: usize,
    pub(super) source: String,
    pub(super) fault: Fault,
}

/// Reads every document by itself: one that is wrong hides no other.
pub(super) fn documents(text: &str) -> Vec<Result<Document, Unread>> {
    let mut left = MOST_VALUES;
    let (mut read, mut source) = (Vec::new(), String::new());
    for part in parts(text) {
        let number = read.len() + 1;
        let (noted, body) = noted_source(part);
        // Of a file of definitions Helm notes the first document alone.
        if let Some(noted) = noted {
            noted.clone_into(&mut source);
        }
        let source = source.clone();
        if number > MOST_DOCUMENTS {
            let problem = format!("is beyond {MOST_DOCUMENTS} documents: make less of them");
            read.push(Err(Unread { number, source, fault: Fault { line: 1, problem } }));
            break;
        }
        read.push(match one(body, &mut left) {
            Ok(value) => Ok(Document { number, source, value }),
            Err(fault) => Err(Unread { number, source, fault }),
        });
    }
    read
}

/// Reads a text that holds one document.
pub(super) fn single(text: &str) -> Result<Value, Fault> {
    one(text, &mut MOST_VALUES_OF_ONE.clone())
}

/// Splits where Helm does: at lines that begin with three hyphens.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + 3;
        }
        at += line.len();
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Takes Helm's note off, where it is the first line.
fn noted_source(part: &str) -> (Option<&str>, &str) {
    let part = part.trim_start_matches([' ', '\t', '\r', '\n']);
    let Some(noted) = part.strip_prefix("# Source: ") else { return (None, part) };
    let (source, body) = noted.split_once('\n').unwrap_or((noted, ""));
    (Some(source.trim()), body)
}

fn one(text: &str, left: &mut usize) -> Result<Value, Fault> {
    let mut builder = Builder { left, open: Vec::new(), anchors: BTreeMap::new(), done: None };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| Fault {
            line: error.marker().line(),
            problem: format!("is no YAML: {}", error.info()),
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.done.unwrap_or(Value::Null))
}

/// A list or a map that isn't complete yet.
struct Open {
    anchor: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Value>),
    /// The entries, what was merged into them, and the key whose value comes next.
    Map(Map<String, Value>, Vec<Value>, Option<Key>),
}

enum Key {
    Name(String),
    Merge,
}

struct Builder<'l> {
    left: &'l mut usize,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Value, usize)>,
    done: Option<Value>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let fault = |problem: &str| Fault { line: span.start.line(), problem: problem.to_owned() };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let merges = is_plain && text == "<<" && self.awaits_key();
                let value = scalar_value(&text, is_plain, tag.as_deref()).ok_or_else(|| {
                    fault("has a value whose tag says that it is of another type: correct one of the two")
                })?;
                let size = count(&value);
                self.spend(size, span)?;
                self.keep(anchor, &value, size);
                if merges { self.key(Key::Merge) } else { self.put(value, span)? }
            }
            Event::SequenceStart(_, anchor, _) => self.begin(anchor, Holds::List(Vec::new()), span)?,
            Event::MappingStart(_, anchor, _) => {
                self.begin(anchor, Holds::Map(Map::new(), Vec::new(), None), span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
                    return Err(fault("has an alias inside of what it stands for: write it out"));
                };
                self.spend(size, span)?;
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone()).unwrap_or_default();
                self.put(value, span)?;
            }
            Event::DocumentStart(..) if self.done.is_some() => {
                return Err(fault("begins a second document: keep one"));
            }
            _ => {}
        }
        Ok(())
    }

    fn spend(&mut self, values: usize, span: Span) -> Result<(), Fault> {
        let problem = || {
            format!(
                "goes beyond what may be in it, with aliases written out and {BYTES} bytes of a text as one value: make less of it"
            )
        };
        *self.left = self
            .left
            .checked_sub(values)
            .ok_or_else(|| Fault { line: span.start.line(), problem: problem() })?;
        Ok(())
    }

    fn begin(&mut self, anchor: usize, holds: Holds, span: Span) -> Result<(), Fault> {
        self.spend(1, span)?;
        self.open.push(Open { anchor, holds });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.holds {
            Holds::List(items) => Value::Array(items),
            Holds::Map(entries, merged, _) => Value::Object(with_merged(entries, &merged)),
        };
        if open.anchor > 0 {
            // It is kept beside, once for each anchor around it.
            let size = count(&value);
            self.spend(size, span)?;
            self.keep(open.anchor, &value, size);
        }
        self.put(value, span)
    }

    fn keep(&mut self, anchor: usize, value: &Value, size: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), size));
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { holds: Holds::Map(_, _, None), .. }))
    }

    fn key(&mut self, key: Key) {
        if let Some(Open { holds: Holds::Map(_, _, next), .. }) = self.open.last_mut() {
            *next = Some(key);
        }
    }

    fn put(&mut self, value: Value, span: Span) -> Result<(), Fault> {
        let fault = |problem: &str| Fault { line: span.start.line(), problem: problem.to_owned() };
        match self.open.last_mut().map(|open| &mut open.holds) {
            None => self.done = Some(value),
            Some(Holds::List(items)) => items.push(value),
            Some(Holds::Map(entries, merged, next)) => match next.take() {
                None => {
                    let name = scalar::key(value)
                        .ok_or_else(|| fault("has a key that is no text: write a text, in quotes"))?;
                    *next = Some(Key::Name(name));
                }
                Some(Key::Merge) => merged.push(value),
                // Helm lets the last one count; which of the two was meant, nobody can know.
                Some(Key::Name(name)) => {
                    if entries.insert(name.clone(), value).is_some() {
                        return Err(fault(&format!("ends the second entry {name:?} of one map: keep one")));
                    }
                }
            },
        }
        Ok(())
    }
}

/// What is written goes before what is merged, and of that the first before the later.
fn with_merged(mut entries: Map<String, Value>, merged: &[Value]) -> Map<String, Value> {
    let lists = merged.iter().flat_map(|value| match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    });
    for (name, value) in lists.filter_map(Value::as_object).flatten() {
        entries.entry(name.clone()).or_insert_with(|| value.clone());
    }
    entries
}

fn count(value: &Value) -> usize {
    let text = |text: &str| 1 + text.len() / BYTES;
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.iter().map(|(key, value)| text(key) + count(value)).sum::<usize>(),
        Value::String(value) => text(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Nothing where a tag and the value don't fit.
fn scalar_value(text: &str, is_plain: bool, tag: Option<&Tag>) -> Option<Value> {
    let full = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
    let core = full.as_deref().and_then(|full| full.strip_prefix(CORE));
    let value = scalar::plain(text);
    match core {
        Some("str") => Some(text.into()),
        Some("int") => value.is_i64().then_some(value),
        Some("float") => value.is_number().then_some(value),
        Some("bool") => value.is_boolean().then_some(value),
        Some("null") => value.is_null().then_some(value),
        Some(_) => None,
        None if tag.is_some() || !is_plain => Some(text.into()),
        None => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(text: &str) -> (usize, String) {
        let fault = single(text).unwrap_err();
        (fault.line, fault.problem)
    }

    #[test]
    fn documents_are_told_apart_as_helm_does_and_say_where_they_come_from() {
        let text = "---\n# Source: web/templates/a.yaml\na: 1\n---\n\n---\n# Source: web/templates/b.yaml\n# no more\n--- \nb: |\n  x\n  --- no end\n";
        let read: Vec<_> = documents(text).into_iter().map(Result::unwrap).collect();
        let seen: Vec<_> = read.iter().map(|d| (d.number, d.source.as_str(), d.value.clone())).collect();
        assert_eq!(
            seen,
            [
                (1, "web/templates/a.yaml", json!({"a": 1})),
                (2, "web/templates/b.yaml", Value::Null),
                (3, "web/templates/b.yaml", json!({"b": "x\n--- no end\n"})),
            ]
        );
    }

    #[test]
    fn a_document_that_is_wrong_hides_no_other_and_names_its_line() {
        let text = "# Source: web/templates/a.yaml\na: 1\nb:\n- x\n y: 2\n---\nc: 3\n";
        let read = documents(text);
        let unread = read[0].as_ref().unwrap_err();
        assert_eq!((unread.number, unread.source.as_str()), (1, "web/templates/a.yaml"));
        assert_eq!(unread.fault.line, 4, "{unread:?}");
        assert_eq!(read[1].as_ref().unwrap().value, json!({"c": 3}));
    }

    #[test]
    fn quotes_make_texts_and_words_without_them_mean_what_helm_takes_them_for() {
        let text = "a: 0644\nb: '0644'\nc: yes\nd: \"yes\"\ne: !!str 1\nf: |\n  no\n1: x\ntrue: z\ng: ~\n";
        let meant = json!({"a": 420, "b": "0644", "c": true, "d": "yes", "e": "1", "f": "no\n", "1": "x", "true": "z", "g": null});
        assert_eq!(single(text).unwrap(), meant);
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let text = "base: &b {x: 1, z: 2}\nused:\n  <<: *b\n  z: 3\nboth: {<<: [{x: 5}, *b]}\nlist: [*b]\nplain: {\"<<\": 1}\n";
        let read = single(text).unwrap();
        assert_eq!(read["used"], json!({"x": 1, "z": 3}));
        assert_eq!(read["both"], json!({"x": 5, "z": 2}));
        assert_eq!(read["list"], json!([{"x": 1, "z": 2}]));
        assert_eq!(read["plain"], json!({"<<": 1}));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert_eq!(problem("a: 1\nb: 2\na: 3\n").0, 3);
        assert!(problem("a: 1\na: 3\n").1.contains("second entry \"a\""));
        assert!(problem("? [a]\n: 1\n").1.contains("key that is no text"));
        assert!(problem("a: !!int x\n").1.contains("another type"));
        assert!(problem("a: &x [*x]\n").1.contains("alias"));
        assert!(problem("a: 1\n...\nb: 2\n").1.contains("second document"));
        assert!(problem("a: *nothing\n").1.contains("is no YAML"));
    }

    /// A release is read while others wait.
    #[test]
    fn neither_aliases_nor_depth_make_much_of_little() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        // Seven times as much with each line: millions of values, which is harmless where they are made all the same.
        for i in 1..7 {
            let last = i - 1;
            let items = vec![format!("*a{last}"); 7].join(", ");
            bomb.extend(["a", &i.to_string(), ": &a", &i.to_string(), " [", &items, "]\n"]);
        }
        assert!(problem(&bomb).1.contains("goes beyond"), "{:?}", problem(&bomb));
        let mut anchored = "x, ".repeat(100_000);
        for i in 0..200 {
            anchored = format!("&a{i} [{anchored}]");
        }
        assert!(problem(&anchored).1.contains("goes beyond"), "each anchor keeps what is inside");
        let long = "x".repeat(100_000);
        let aliases = "*a, ".repeat(1_000);
        let key = format!("a: &a {{{}: 1}}\nl: [{}]", "x".repeat(1_000), "*a, ".repeat(5_000));
        for text in [format!("a: &a {long}\nl: [{aliases}]"), key] {
            assert!(problem(&text).1.contains("goes beyond"), "of a long text few aliases make much");
        }
        assert!(single(&format!("a: {}\n", "x".repeat(1 << 20))).is_ok(), "a ConfigMap may be full");
        let many = documents(&"---\nx\n".repeat(3000));
        assert_eq!(many.len(), 2001);
        assert!(many.last().unwrap().as_ref().unwrap_err().fault.problem.contains("2000 documents"));
        for deep in ["[".repeat(200_000), "{a: ".repeat(200_000), "- ".repeat(200_000)] {
            assert!(single(&deep).is_err());
        }
        let halves = "---\na: [".to_owned() + &"1, ".repeat(300_000) + "]\n";
        let read = documents(&(halves.clone() + &halves));
        assert!(read[0].is_ok() && read[1].is_err(), "all documents share what they may hold");
    }
}
