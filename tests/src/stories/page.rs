//! A page of the documentation as a script: the commands under its headings, in the namespace of whoever reads it.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::world::checkout;

/// The namespace that stands in the page.
const NAMESPACE: &str = "-n shop";
/// How a block of commands begins and ends.
const BEGIN: &str = "```sh";
const END: &str = "```";

/// A page.
pub(super) struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    /// Reads a page of `docs`.
    pub(super) fn read(name: &str) -> Result<Self> {
        let path = checkout().join("docs").join(name);
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| Error::File { path: path.clone(), why: error.to_string() })?;
        Ok(Self { path, text })
    }

    /// The blocks of commands under the heading that begins so, for this namespace.
    pub(super) fn blocks(&self, heading: &str, namespace: &str) -> Result<Vec<String>> {
        let found = blocks(&self.text, heading);
        if found.is_empty() {
            let why = format!("there are no commands under {heading:?}");
            return Err(Error::File { path: self.path.clone(), why });
        }
        Ok(found.iter().map(|block| block.replace(NAMESPACE, &format!("-n {namespace}"))).collect())
    }

    /// All blocks under the heading as one script.
    pub(super) fn script(&self, heading: &str, namespace: &str) -> Result<String> {
        Ok(self.blocks(heading, namespace)?.join("\n"))
    }
}

fn blocks(text: &str, heading: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    let mut inside = false;
    for line in text.lines() {
        match &mut block {
            Some(lines) if line == END => {
                found.push(lines.join("\n"));
                block = None;
            }
            Some(lines) => lines.push(line),
            None if line.starts_with('#') => {
                inside = line.trim_start_matches(['#', ' ']).starts_with(heading);
            }
            None if inside && line == BEGIN => block = Some(Vec::new()),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_under_their_heading() {
        let text = "# Page\n```sh\nnot this\n```\n## 1. One\ntext\n```sh\n# a comment\na\n```\n```yaml\nno: command\n```\n\
                    ```sh\nb\n```\n## 2. Two\n```sh\nc\n```\n";
        assert_eq!(blocks(text, "1. One"), ["# a comment\na", "b"]);
        assert_eq!(blocks(text, "2."), ["c"]);
        assert!(blocks(text, "3.").is_empty());
    }

    #[test]
    fn the_runbook_has_what_its_story_does() {
        let page = Page::read("runbook/teal-is-down.md").unwrap();
        let counts = ["1.", "2.", "3.", "4.", "5."].map(|number| page.blocks(number, "x").unwrap().len());
        assert_eq!(counts, [3, 1, 1, 1, 1]);
        let all = ["1.", "2.", "3.", "4.", "5."].map(|number| page.script(number, "x").unwrap()).join("\n");
        assert!(!all.contains("-n shop") && all.contains("-n x"), "{all}");
    }
}
