//! The source of pure rooms against the table's list of what they may not touch.
//!
//! It works on tokens, so that comments and strings don't matter and code inside macros does.
//! Tests are left out. Clippy knows types and catches more; this needs no compiler and catches
//! it in a crate that doesn't build.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::collections::BTreeSet;

use super::table::Forbidden;

/// A path such as `std::fs::read`, and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    segments: Vec<String>,
    line: usize,
}

/// What one file says: forbidden paths as sentences, and names of modules that are only for tests.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// A sentence per forbidden path.
    pub violations: Vec<String>,
    /// Modules in files of their own that are compiled for tests alone.
    pub test_modules: BTreeSet<String>,
}

/// Looks through one file. `name` is how messages call it. The error is the lexer's own.
pub(super) fn scan(
    package: &str,
    name: &str,
    source: &str,
    forbidden: &[Forbidden],
) -> Result<Scanned, proc_macro2::LexError> {
    let mut reader = Reader::default();
    reader.read(source.parse::<TokenStream>()?, &[]);
    let mut refused = BTreeSet::new();
    for found in &reader.found {
        for rule in forbidden.iter().filter(|rule| names(&rule.path, &found.segments)) {
            refused.insert((found.line, found.segments.join("::"), &rule.reason));
        }
    }
    let violations = refused
        .into_iter()
        .map(|(line, path, reason)| format!("{package} uses {path} at {name}:{line}: {reason}"))
        .collect();
    Ok(Scanned { violations, test_modules: reader.test_modules })
}

/// Whether a pattern's segments stand next to each other in a path. A leading `::` asks for
/// something before them, so that `::now` means a call on a type and not a variable.
fn names(pattern: &str, segments: &[String]) -> bool {
    let (offset, pattern) = match pattern.strip_prefix("::") {
        Some(rest) => (1, rest),
        None => (0, pattern),
    };
    let wanted: Vec<&str> = pattern.split("::").collect();
    segments.get(offset..).is_some_and(|rest| rest.windows(wanted.len()).any(|window| window == wanted))
}

#[derive(Default)]
struct Reader {
    found: Vec<Found>,
    test_modules: BTreeSet<String>,
}

impl Reader {
    /// Collects the paths of a stream. `prefix` is what stands before the braces of a `use`.
    fn read(&mut self, stream: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' && is_test_attribute(tokens.get(at + 1)) => {
                    self.skip_item(&tokens, at + 2)
                }
                TokenTree::Ident(_) => self.read_path(&tokens, at, prefix),
                TokenTree::Group(group) => {
                    self.read(group.stream(), &[]);
                    at + 1
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
            };
        }
    }

    /// Reads `a::b::c` or `a::{b, c}` from `at` on and returns where it ends.
    fn read_path(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String]) -> usize {
        let mut segments = prefix.to_vec();
        let mut line = 0;
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            segments.push(word.to_string());
            line = word.span().start().line;
            at += 1;
            if !is_path_separator(tokens, at) {
                break;
            }
            at += 2;
            if let Some(TokenTree::Group(group)) = tokens.get(at)
                && group.delimiter() == Delimiter::Brace
            {
                self.read(group.stream(), &segments);
                return at + 1;
            }
        }
        self.found.push(Found { segments, line });
        at
    }

    /// Steps over the item after a test attribute: up to its braces or its semicolon.
    fn skip_item(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        let mut module = None;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return at,
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    self.test_modules.extend(module);
                    return at;
                }
                TokenTree::Ident(word) if word == "mod" => module = tokens.get(at).map(ToString::to_string),
                TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
            }
        }
        at
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |token: Option<&TokenTree>, joint: bool| {
        matches!(token, Some(TokenTree::Punct(mark))
            if mark.as_char() == ':' && (!joint || mark.spacing() == Spacing::Joint))
    };
    colon(tokens.get(at), true) && colon(tokens.get(at + 1), false)
}

/// `[cfg(test)]` and `[test]`, the group after the `#`.
fn is_test_attribute(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let text = group.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text == "test"
}
