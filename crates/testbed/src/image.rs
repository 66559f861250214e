//! Container images without a container engine: an OCI layout in a tar archive, put
//! together from files, the same bytes for the same files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{At, Error, Result, invalid};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The user that images run as unless they say otherwise: not root, as restricted pods demand.
pub const USER: u32 = 65532;

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Where it is now.
    pub from: PathBuf,
    /// Where it is in the image, for example `/usr/bin/app`.
    pub to: String,
    /// Its mode, for example `0o755`.
    pub mode: u32,
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The name pods call it by, with tag.
    pub name: String,
    /// Files, a layer each.
    pub layers: Vec<Vec<ImageFile>>,
    /// What is run.
    pub entrypoint: Vec<String>,
    /// Environment.
    pub environment: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The numeric user that it runs as.
    pub user: u32,
}

impl Image {
    /// An image of one static binary.
    pub fn of_binary(name: &str, binary: &Path, to: &str) -> Self {
        Self {
            name: name.to_owned(),
            layers: vec![vec![ImageFile { from: binary.to_owned(), to: to.to_owned(), mode: 0o755 }]],
            entrypoint: vec![to.to_owned()],
            environment: BTreeMap::new(),
            labels: BTreeMap::new(),
            user: USER,
        }
    }
}

struct Blob {
    digest: String,
    content: Vec<u8>,
}

impl Blob {
    fn new(content: Vec<u8>) -> Self {
        Self { digest: digest(&content), content }
    }

    fn of_json(value: &Value) -> Self {
        Self::new(value.to_string().into_bytes())
    }

    fn describe(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.content.len()})
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// Writes an image as an archive that container runtimes import.
pub fn write_archive(image: &Image, path: &Path) -> Result<()> {
    let layers: Vec<Blob> =
        image.layers.iter().map(|files| layer(files).map(Blob::new)).collect::<Result<_>>()?;
    let config = Blob::of_json(&configuration(image, &layers));
    let descriptions: Vec<Value> = layers.iter().map(|layer| layer.describe(LAYER)).collect();
    let manifest = Blob::of_json(&json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config.describe(CONFIG), "layers": descriptions,
    }));
    let mut entry = manifest.describe(MANIFEST);
    entry["platform"] = json!({"architecture": architecture(), "os": "linux"});
    entry["annotations"] = json!({
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": tag(&image.name),
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();

    let file = File::create(path).at("make", path)?;
    let mut archive = tar::Builder::new(BufWriter::new(file));
    let mut add = |name: &str, content: &[u8]| append(&mut archive, name, 0o644, content).at("write", path);
    add("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes())?;
    add("index.json", index.as_bytes())?;
    let mut blobs: Vec<&Blob> = layers.iter().chain([&config, &manifest]).collect();
    blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
    blobs.dedup_by(|one, other| one.digest == other.digest);
    for blob in blobs {
        add(&blob_path(&blob.digest), &blob.content)?;
    }
    let mut writer = archive.into_inner().at("write", path)?;
    writer.flush().at("write", path)
}

fn configuration(image: &Image, layers: &[Blob]) -> Value {
    let environment: Vec<String> =
        image.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Layers are not compressed, so a layer's digest is also that of its content.
    let contents: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": format!("{0}:{0}", image.user),
            "Entrypoint": image.entrypoint,
            "Env": environment,
            "Labels": image.labels,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": contents},
    })
}

/// As image configurations name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn tag(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once(':').map_or("latest", |(_, tag)| tag)
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn layer(files: &[ImageFile]) -> Result<Vec<u8>> {
    let mut sorted: Vec<&ImageFile> = files.iter().collect();
    sorted.sort_by(|one, other| one.to.cmp(&other.to));
    let mut archive = tar::Builder::new(Vec::new());
    let mut made: Vec<String> = Vec::new();
    for file in sorted {
        let to = file.to.trim_start_matches('/');
        for folder in folders_of(to) {
            if !made.contains(&folder) {
                append_folder(&mut archive, &folder).at("pack", &file.from)?;
                made.push(folder);
            }
        }
        let content = std::fs::read(&file.from).at("read", &file.from)?;
        append(&mut archive, to, file.mode, &content).at("pack", &file.from)?;
    }
    archive.into_inner().at("pack", "layer")
}

fn folders_of(path: &str) -> Vec<String> {
    let ends = path.char_indices().filter(|(_, letter)| *letter == '/').map(|(index, _)| index);
    ends.map(|end| path[..=end].to_owned()).collect()
}

/// Owner root and the epoch as time, so that equal files give equal bytes.
fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    mode: u32,
    content: &[u8],
) -> std::io::Result<()> {
    let mut header = header(mode, tar::EntryType::Regular);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content)
}

fn append_folder(archive: &mut tar::Builder<impl Write>, name: &str) -> std::io::Result<()> {
    let mut header = header(0o755, tar::EntryType::Directory);
    header.set_size(0);
    archive.append_data(&mut header, name, std::io::empty())
}

fn header(mode: u32, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_entry_type(kind);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// What [`check_layout`] found in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The names of the images.
    pub names: Vec<String>,
    /// How many blobs were verified.
    pub blobs: usize,
}

/// Verifies an archive from its index down: media types, sizes, digests, and that the
/// layers' content is what the configuration says.
pub fn check_layout(path: &Path) -> Result<Layout> {
    let archive = Archive::read(path)?;
    let layout = archive.document("oci-layout")?;
    archive
        .expect(layout["imageLayoutVersion"] == "1.0.0", "oci-layout: imageLayoutVersion must be 1.0.0")?;
    let index = archive.document("index.json")?;
    archive.expect(index["mediaType"] == INDEX, format!("index.json: mediaType must be {INDEX}"))?;
    let entries = index["manifests"].as_array().filter(|list| !list.is_empty());
    let entries = entries.ok_or_else(|| archive.wrong("index.json: manifests must name an image"))?;
    let mut found = Layout { names: Vec::new(), blobs: 0 };
    for entry in entries {
        let name = entry["annotations"]["io.containerd.image.name"].as_str().filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| archive.wrong("index.json: annotation io.containerd.image.name is missing"))?;
        found.names.push(name.to_owned());
        found.blobs += archive.check_image(entry)?;
    }
    Ok(found)
}

struct Archive {
    path: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    fn read(path: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut archive = tar::Archive::new(File::open(path).at("open", path)?);
        for entry in archive.entries().at("read", path)? {
            let mut entry = entry.at("read", path)?;
            let name = entry.path().at("read", path)?.to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).at("read", path)?;
            files.insert(name, content);
        }
        Ok(Self { path: path.to_owned(), files })
    }

    fn check_image(&self, entry: &Value) -> Result<usize> {
        let manifest = self.json(self.blob(entry, &[MANIFEST])?, "manifest")?;
        self.expect(manifest["schemaVersion"] == 2, "manifest: schemaVersion must be 2")?;
        self.expect(manifest["mediaType"] == MANIFEST, format!("manifest: mediaType must be {MANIFEST}"))?;
        let config = self.json(self.blob(&manifest["config"], &[CONFIG])?, "configuration")?;
        let layers =
            manifest["layers"].as_array().ok_or_else(|| self.wrong("manifest: layers must be a list"))?;
        let contents = config["rootfs"]["diff_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        let (said, there) = (contents.len(), layers.len());
        self.expect(said == there, format!("configuration: {said} diff_ids for {there} layers"))?;
        for (layer, content) in layers.iter().zip(contents) {
            let blob = self.blob(layer, &[LAYER, LAYER_GZIP])?;
            let actual = digest(&self.unpacked(layer, blob)?);
            self.expect(
                *content == actual,
                format!("configuration: diff_id {content}, but the layer is {actual}"),
            )?;
        }
        Ok(2 + layers.len())
    }

    fn unpacked(&self, layer: &Value, blob: &[u8]) -> Result<Vec<u8>> {
        if layer["mediaType"] == LAYER {
            return Ok(blob.to_owned());
        }
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(blob)
            .read_to_end(&mut content)
            .at("uncompress a layer of", &self.path)?;
        Ok(content)
    }

    /// The blob that a description means, if it is what the description says.
    fn blob(&self, description: &Value, types: &[&str]) -> Result<&[u8]> {
        let digest_said = description["digest"].as_str().unwrap_or_default();
        let kind = description["mediaType"].as_str().unwrap_or_default();
        self.expect(
            types.contains(&kind),
            format!("{digest_said}: mediaType {kind:?} must be {}", types.join(" or ")),
        )?;
        let content = self.files.get(&blob_path(digest_said));
        let content = content.ok_or_else(|| self.wrong(format!("blob {digest_said:?} is missing")))?;
        let size = content.len() as u64;
        self.expect(
            description["size"] == size,
            format!("{digest_said}: size is {size}, not {}", description["size"]),
        )?;
        let actual = digest(content);
        self.expect(actual == digest_said, format!("{digest_said}: the content's digest is {actual}"))?;
        Ok(content)
    }

    fn document(&self, name: &str) -> Result<Value> {
        let content = self.files.get(name).ok_or_else(|| self.wrong(format!("{name} is missing")))?;
        self.json(content, name)
    }

    fn json(&self, content: &[u8], name: &str) -> Result<Value> {
        serde_json::from_slice(content).map_err(|error| self.wrong(format!("{name} is no JSON: {error}")))
    }

    fn expect(&self, holds: bool, why: impl Into<String>) -> Result<()> {
        if holds { Ok(()) } else { Err(self.wrong(why)) }
    }

    fn wrong(&self, why: impl Into<String>) -> Error {
        invalid(format!("image archive {}", self.path.display()), why)
    }
}

#[cfg(test)]
mod tests;
