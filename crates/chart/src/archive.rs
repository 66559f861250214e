//! What an archive must be before Helm sees it.
//!
//! What is found good is packed anew, plainly: two programs may read one archive differently, and then Helm would see what was
//! not looked at.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Read};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use tar::{Archive, Builder, EntryType, Header};
use teal_release::chart::values_of_text;

use crate::source::is_name;

/// Bytes of an archive as it is fetched.
pub const LARGEST_ARCHIVE: u64 = 20 << 20;
/// Bytes of everything in it, with the archives inside.
const LARGEST_CONTENT: u64 = 50 << 20;
/// Files in it, with those of the archives inside.
const MOST_FILES: usize = 5000;
/// Archives inside of archives.
const DEEPEST: usize = 5;
/// Bytes of a name in it.
const LONGEST_NAME: usize = 512;

/// What is wrong with an archive.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// Larger than what is fetched.
    #[error("the archive has more than {} MiB: leave out what is no part of the chart", LARGEST_ARCHIVE >> 20)]
    TooLarge,
    /// More comes out of it than a chart has.
    #[error("the archive unpacks to more than {} MiB: leave out what is no part of the chart", LARGEST_CONTENT >> 20)]
    Bomb,
    /// More files than a chart has.
    #[error("the archive has more than {MOST_FILES} files: leave out what is no part of the chart")]
    TooManyFiles,
    /// Not packed by gzip and tar.
    #[error("{place} is no archive made by gzip and tar ({problem}): package the chart by `helm package`")]
    Unreadable {
        /// Which: the archive, or one inside of it.
        place: String,
        /// Why.
        problem: String,
    },
    /// A name that leads elsewhere.
    #[error("the archive has the name {name:?}, which {problem}: package the chart by `helm package`")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something that is neither file nor folder.
    #[error("the archive has {name:?}, which is {kind}: package the chart with the file itself")]
    Kind {
        /// The name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// No chart.
    #[error("the archive has no {0}: package the chart by `helm package`")]
    NoChart(String),
    /// A `Chart.yaml` that says too little, or something else.
    #[error("{file} {problem}")]
    Metadata {
        /// The file.
        file: String,
        /// What is wrong with it, with what to do.
        problem: String,
    },
}

/// A chart that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// The archive, packed anew.
    pub archive: Vec<u8>,
    /// The chart's name as it says itself.
    pub name: String,
    /// Its version as it says itself.
    pub version: String,
    /// Files that describe the values by what lies outside of the archive. Helm would fetch it, so it isn't asked to look.
    pub foreign_schemas: BTreeSet<String>,
    /// Templates that look into the cluster. Helm is given none, so they find nothing.
    pub lookups: BTreeSet<String>,
}

/// Looks at an archive and packs it anew.
pub fn check(archive: &[u8]) -> Result<Checked, ArchiveFault> {
    if archive.len() as u64 > LARGEST_ARCHIVE {
        return Err(ArchiveFault::TooLarge);
    }
    let mut survey = Survey {
        left: Cell::new(LARGEST_CONTENT),
        files: 0,
        foreign: BTreeSet::new(),
        lookups: BTreeSet::new(),
    };
    let files = survey.unpack(archive, "", 0)?;
    let (name, version) = metadata(&files)?;
    let archive = pack(&files)?;
    Ok(Checked { archive, name, version, foreign_schemas: survey.foreign, lookups: survey.lookups })
}

struct File {
    name: String,
    content: Vec<u8>,
}

/// What was seen so far, in all archives together.
struct Survey {
    left: Cell<u64>,
    files: usize,
    foreign: BTreeSet<String>,
    lookups: BTreeSet<String>,
}

impl Survey {
    /// `place` is empty for the outermost archive, and the name of an inner one.
    fn unpack(&mut self, archive: &[u8], place: &str, depth: usize) -> Result<Vec<File>, ArchiveFault> {
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        let unreadable = |error: &io::Error| {
            let place = if place.is_empty() { "the archive" } else { place };
            ArchiveFault::Unreadable { place: place.to_owned(), problem: error.to_string() }
        };
        {
            let left = &self.left;
            let failed =
                |error: io::Error| if left.get() == 0 { ArchiveFault::Bomb } else { unreadable(&error) };
            let mut tar = Archive::new(Bounded { inner: MultiGzDecoder::new(archive), left });
            for entry in tar.entries().map_err(failed)? {
                let mut entry = entry.map_err(failed)?;
                let kind = entry.header().entry_type();
                if matches!(kind, EntryType::XGlobalHeader) {
                    continue;
                }
                let name = checked_name(&entry.path_bytes())?;
                if kind == EntryType::Directory {
                    continue;
                }
                plain_file(&name, kind)?;
                self.files += 1;
                if self.files > MOST_FILES {
                    return Err(ArchiveFault::TooManyFiles);
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(failed)?;
                found.push((name, content));
            }
        }
        one_folder(&found)?;
        found.into_iter().map(|(name, content)| self.file(name, content, place, depth)).collect()
    }

    fn file(
        &mut self,
        name: String,
        content: Vec<u8>,
        place: &str,
        depth: usize,
    ) -> Result<File, ArchiveFault> {
        let shown = if place.is_empty() { name.clone() } else { format!("{place}/{name}") };
        let parts: Vec<&str> = name.split('/').collect();
        let is_inner =
            matches!(parts.as_slice(), [.., "charts", last] if last.rsplit('.').next() == Some("tgz"));
        if is_inner {
            if depth == DEEPEST {
                let problem = "lies too deep in other archives";
                return Err(ArchiveFault::Name { name: shown, problem });
            }
            let files = self.unpack(&content, &shown, depth + 1)?;
            // A library may well be inside; what else its Chart.yaml lacks, Helm tells.
            chart_file(&files).ok_or_else(|| ArchiveFault::NoChart(format!("{shown}/Chart.yaml")))?;
            return Ok(File { name, content: pack(&files)? });
        }
        if parts.last() == Some(&"values.schema.json") && looks_outside(&content, &shown)? {
            self.foreign.insert(shown);
        } else if parts.contains(&"templates") && calls_lookup(&content) {
            self.lookups.insert(shown);
        }
        Ok(File { name, content })
    }
}

/// Gives no more than is left.
struct Bounded<'l, R> {
    inner: R,
    left: &'l Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("too much comes out of it"));
        }
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

fn checked_name(bytes: &[u8]) -> Result<String, ArchiveFault> {
    let name = String::from_utf8_lossy(bytes).into_owned();
    let wrong = |problem| Err(ArchiveFault::Name { name: name.chars().take(200).collect(), problem });
    if bytes.len() > LONGEST_NAME {
        return wrong("is too long");
    }
    if name.starts_with('/') {
        return wrong("begins at the root");
    }
    if name.contains('\\') || name.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return wrong("has signs that names don't have");
    }
    let plain = name.strip_suffix('/').unwrap_or(&name);
    match plain.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        Some("..") => wrong("leads out of the archive"),
        Some(_) => wrong("has a part without a name"),
        None if plain.as_bytes().get(1) == Some(&b':') => wrong("begins with a drive"),
        None => Ok(plain.to_owned()),
    }
}

fn plain_file(name: &str, kind: EntryType) -> Result<(), ArchiveFault> {
    let kind = match kind {
        EntryType::Regular => return Ok(()),
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block | EntryType::Fifo => "a device or a pipe",
        EntryType::GNUSparse => "a file with holes",
        _ => "neither file nor folder",
    };
    Err(ArchiveFault::Kind { name: name.to_owned(), kind })
}

/// All in one folder, and no file twice: Helm and others would differ in which one counts.
fn one_folder(files: &[(String, Vec<u8>)]) -> Result<(), ArchiveFault> {
    let top = |name: &str| name.split_once('/').map(|(top, _)| top.to_owned());
    let first = files.first().and_then(|(name, _)| top(name));
    let mut seen = BTreeSet::new();
    for (name, _) in files {
        let wrong = |problem| Err(ArchiveFault::Name { name: name.clone(), problem });
        if top(name).is_none() || top(name) != first {
            return wrong("lies outside of the one folder that a chart's archive has");
        }
        if !seen.insert(name) {
            return wrong("is there twice");
        }
    }
    Ok(())
}

fn chart_file(files: &[File]) -> Option<&File> {
    let folder = files.first().and_then(|file| file.name.split('/').next()).unwrap_or_default();
    let path = format!("{folder}/Chart.yaml");
    files.iter().find(|file| file.name == path)
}

/// Name and version, as the chart says them.
fn metadata(files: &[File]) -> Result<(String, String), ArchiveFault> {
    let file = chart_file(files).ok_or_else(|| ArchiveFault::NoChart("Chart.yaml".to_owned()))?;
    let wrong = |problem: String| ArchiveFault::Metadata { file: "Chart.yaml".to_owned(), problem };
    let text = std::str::from_utf8(&file.content).map_err(|_| wrong("is no text: write YAML".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let chart = values_of_text(text, "it").map_err(|error| wrong(format!("can't be read: {error}")))?;
    let field = |name: &str| chart.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if field("type") == "library" {
        return Err(wrong(
            "says that it is a library, of which nothing can be released: name a chart that uses it"
                .to_owned(),
        ));
    }
    let (name, version) = (field("name"), field("version"));
    if !is_name(&name) {
        return Err(wrong("has no usable name: write one of letters, digits and hyphens".to_owned()));
    }
    if version.is_empty() {
        return Err(wrong("has no version, or one that is no text: write one, in quotes".to_owned()));
    }
    Ok((name, version))
}

/// Whether a schema names others by address. One that can't be read here is refused: who reads it differently might find more.
fn looks_outside(content: &[u8], file: &str) -> Result<bool, ArchiveFault> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let schema: Value = serde_json::from_slice(content).map_err(|error| ArchiveFault::Metadata {
        file: file.to_owned(),
        problem: format!("is no JSON ({error}): correct it"),
    })?;
    Ok(names_others(&schema))
}

fn names_others(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().any(names_others),
        Value::Object(map) => map.iter().any(|(name, value)| match (name.as_str(), value.as_str()) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Some(target)) => !target.starts_with('#'),
            ("$schema", Some(target)) => !is_known_draft(target),
            _ => names_others(value),
        }),
        _ => false,
    }
}

/// Those that Helm has with it.
fn is_known_draft(address: &str) -> bool {
    let plain = address.trim_end_matches('#');
    let known = [
        "draft-04/schema",
        "draft-06/schema",
        "draft-07/schema",
        "draft/2019-09/schema",
        "draft/2020-12/schema",
    ];
    let path =
        ["http", "https"].iter().find_map(|s| plain.strip_prefix(s)?.strip_prefix("://json-schema.org/"));
    path.is_some_and(|path| known.contains(&path))
}

fn calls_lookup(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    text.split("{{").skip(1).any(|action| {
        let inside = action.split("}}").next().unwrap_or_default();
        inside.split(|c| !is_word(c)).any(|word| word == "lookup")
    })
}

fn pack(files: &[File]) -> Result<Vec<u8>, ArchiveFault> {
    let failed = |error: io::Error| ArchiveFault::Unreadable {
        place: "the archive".to_owned(),
        problem: error.to_string(),
    };
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for file in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(file.content.len() as u64);
        builder.append_data(&mut header, &file.name, file.content.as_slice()).map_err(failed)?;
    }
    builder.into_inner().and_then(GzEncoder::finish).map_err(failed)
}
