use super::*;

fn example(folder: &Path) -> Image {
    let binary = folder.join("app");
    std::fs::write(&binary, "a program").unwrap();
    let settings = folder.join("settings");
    std::fs::write(&settings, "a setting").unwrap();
    let mut image = Image::of_binary("teal.dev/test/app:1", &binary, "/usr/bin/app");
    image.layers.push(vec![ImageFile { from: settings, to: "/etc/app/settings".into(), mode: 0o644 }]);
    image.environment.insert("LEVEL".into(), "info".into());
    image
}

/// Rewrites one file of an archive, leaving all others as they are.
fn mend(from: &Path, name: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> PathBuf {
    let archive = Archive::read(from).unwrap();
    let to = from.with_extension("broken");
    let mut builder = tar::Builder::new(File::create(&to).unwrap());
    for (file, content) in archive.files {
        let content = if file.starts_with(name) { change(content) } else { Some(content) };
        if let Some(content) = content {
            append(&mut builder, &file, 0o644, &content).unwrap();
        }
    }
    builder.finish().unwrap();
    to
}

fn written(folder: &Path) -> PathBuf {
    let archive = folder.join("image.tar");
    write_archive(&example(folder), &archive).unwrap();
    archive
}

/// The name of the blob whose content has the text in it.
fn blob_with(archive: &Path, text: &str) -> String {
    let files = Archive::read(archive).unwrap().files;
    let has = |content: &[u8]| String::from_utf8_lossy(content).contains(text);
    files.into_iter().find(|(name, content)| name.starts_with("blobs/") && has(content)).unwrap().0
}

fn refusal(archive: &Path) -> String {
    check_layout(archive).unwrap_err().to_string()
}

#[test]
fn a_written_archive_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let layout = check_layout(&written(folder.path())).unwrap();
    assert_eq!(layout, Layout { names: vec!["teal.dev/test/app:1".into()], blobs: 4 });
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let read = |folder: &Path| std::fs::read(written(folder)).unwrap();
    assert_eq!(read(one.path()), read(other.path()));
}

#[test]
fn files_keep_their_modes_and_folders_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let layer = layer(&example(folder.path()).layers[0]).unwrap();
    let mut archive = tar::Archive::new(layer.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
    });
    let expected = [("usr/", 0o755), ("usr/bin/", 0o755), ("usr/bin/app", 0o755)];
    assert_eq!(entries.collect::<Vec<_>>(), expected.map(|(name, mode)| (name.to_owned(), mode)));
}

#[test]
fn an_image_runs_as_nobody_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(&example(folder.path()), &[]);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/bin/app"]));
    assert_eq!(config["config"]["Env"], json!(["LEVEL=info"]));
}

#[test]
fn a_changed_layer_of_the_same_size_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = written(folder.path());
    let blob = blob_with(&archive, "a program");
    let broken = mend(&archive, &blob, |content| {
        Some(String::from_utf8(content).unwrap().replace("a program", "a prxgram").into_bytes())
    });
    assert!(refusal(&broken).contains("the content's digest is"), "{}", refusal(&broken));
}

#[test]
fn a_missing_blob_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = written(folder.path());
    let blob = blob_with(&archive, "a program");
    assert!(refusal(&mend(&archive, &blob, |_| None)).contains("is missing"));
}

#[test]
fn a_truncated_blob_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = written(folder.path());
    let blob = blob_with(&archive, "a program");
    let broken = mend(&archive, &blob, |content| Some(content[..content.len() - 512].to_vec()));
    assert!(refusal(&broken).contains("size is"));
}

#[test]
fn a_wrong_media_type_or_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = written(folder.path());
    for (from, to, said) in [
        (MANIFEST, "application/json", "mediaType \"application/json\" must be"),
        ("io.containerd.image.name", "name", "io.containerd.image.name is missing"),
    ] {
        let broken = mend(&archive, "index.json", |content| {
            Some(String::from_utf8(content).unwrap().replace(from, to).into_bytes())
        });
        assert!(refusal(&broken).contains(said), "{}", refusal(&broken));
    }
}

#[test]
fn a_configuration_of_other_layers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let image = example(folder.path());
    let layer = Blob::new(layer(&image.layers[0]).unwrap());
    let config = Blob::of_json(&configuration(&image, &[Blob::new(b"other".to_vec())]));
    let manifest = Blob::of_json(&json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config.describe(CONFIG), "layers": [layer.describe(LAYER)],
    }));
    let entry = manifest.describe(MANIFEST);
    let files = [&layer, &config, &manifest].map(|blob| (blob_path(&blob.digest), blob.content.clone()));
    let archive = Archive { path: "hand-made".into(), files: files.into() };
    assert!(archive.check_image(&entry).unwrap_err().to_string().contains("diff_id"));
}

#[test]
fn a_compressed_layer_is_checked_by_its_content() {
    let content = b"a layer".to_vec();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&content).unwrap();
    let blob = Blob::new(encoder.finish().unwrap());
    let archive = Archive { path: "hand-made".into(), files: BTreeMap::new() };
    assert_eq!(archive.unpacked(&blob.describe(LAYER_GZIP), &blob.content).unwrap(), content);
}
