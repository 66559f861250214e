//! Sources, each with one forbidden path: found wherever it hides, and nowhere else.

use super::scan::{Scanned, scan};
use super::table::Forbidden;

fn look(source: &str) -> Scanned {
    let rule = |path: &str| Forbidden {
        path: path.to_owned(),
        reason: "not here".to_owned(),
        methods: Vec::new(),
        types: Vec::new(),
    };
    scan("plan", "lib.rs", source, &["std::fs", "std::env", "::now", "Instant", "await"].map(rule)).unwrap()
}

fn found(source: &str) -> Vec<String> {
    look(source).violations
}

#[test]
fn the_sentence_names_package_path_place_and_reason() {
    assert_eq!(
        found("fn f() {\n    std::fs::read(\"x\");\n}"),
        ["plan uses std::fs::read at lib.rs:2: not here"]
    );
}

#[test]
fn imports_are_read_through_braces_and_new_names() {
    assert_eq!(found("use std::{fmt, fs};"), ["plan uses std::fs at lib.rs:1: not here"]);
    assert_eq!(found("use std::{env::{self, var}};").len(), 2);
    assert_eq!(found("use std::fs as files;").len(), 1);
    assert_eq!(found("use ::std::fs;").len(), 1);
}

#[test]
fn code_inside_macros_counts() {
    assert_eq!(found("fn f() -> String { format!(\"{:?}\", std::env::var(\"X\")) }").len(), 1);
}

#[test]
fn a_call_to_the_clock_counts_and_a_variable_of_that_name_does_not() {
    assert_eq!(found("fn f() { jiff::Timestamp::now(); }").len(), 1);
    assert_eq!(found("fn f(now: u64) -> u64 { now }"), Vec::<String>::new());
}

#[test]
fn methods_and_keywords_count() {
    assert_eq!(found("fn f() { g().await; }").len(), 1);
}

#[test]
fn part_of_a_word_is_another_word() {
    assert_eq!(found("struct Instants; fn f() { my::fs::read(); standard::env(); }"), Vec::<String>::new());
}

#[test]
fn comments_and_strings_do_not_count() {
    let source = "/// std::fs\n// Instant\nconst S: &str = \"std::env::var\"; /* x.await */";
    assert_eq!(found(source), Vec::<String>::new());
}

#[test]
fn tests_do_not_count_and_what_follows_them_does() {
    let source = "#[cfg(test)]\nmod tests { use std::fs; }\n#[test]\nfn t() { std::env::var(\"X\"); }\nfn f() { std::fs::read(\"x\"); }";
    assert_eq!(found(source), ["plan uses std::fs::read at lib.rs:5: not here"]);
}

#[test]
fn test_modules_in_files_of_their_own_are_named() {
    let scanned = look("#[cfg(test)]\nmod tables;\nmod real;");
    assert_eq!(scanned.test_modules.into_iter().collect::<Vec<_>>(), ["tables"]);
}

#[test]
fn code_for_other_builds_counts() {
    assert_eq!(found("#[cfg(not(test))]\nfn f() { std::fs::read(\"x\"); }").len(), 1);
}
