//! Archives that Helm must not see, and what is made of good ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod support;

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;
use support::{CHART, archive, entry, packed, zipped};
use tar::{Builder, EntryType};
use teal_chart::archive::{ArchiveFault, check};

const TEMPLATE: (&str, &str) = ("templates/a.yaml", "a: 1\n");

fn fault(archive: &[u8]) -> ArchiveFault {
    check(archive).unwrap_err()
}

/// A good chart with one entry more.
fn with(name: &str, kind: EntryType) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    entry(&mut builder, b"web/Chart.yaml", EntryType::Regular, CHART.1.as_bytes());
    entry(&mut builder, name.as_bytes(), kind, b"");
    zipped(&builder.into_inner().unwrap())
}

fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(GzDecoder::new(archive));
    tar.entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        })
        .collect()
}

#[test]
fn a_good_chart_comes_out_with_the_same_files_and_what_it_says_of_itself() {
    let long = format!("web/templates/{}a.yaml", "long-name/".repeat(20));
    let mut builder = Builder::new(Vec::new());
    entry(&mut builder, b"web/", EntryType::Directory, b"");
    entry(&mut builder, b"web/Chart.yaml", EntryType::Regular, CHART.1.as_bytes());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    let good = zipped(&builder.into_inner().unwrap());
    let checked = check(&good).unwrap();
    assert_eq!((checked.name.as_str(), checked.version.as_str()), ("web", "1.8.2"));
    let expected = [("web/Chart.yaml".to_owned(), CHART.1.as_bytes().to_vec()), (long, b"x".to_vec())];
    assert_eq!(files(&checked.archive), expected);
    assert_eq!(
        check(&checked.archive).unwrap().archive,
        checked.archive,
        "what is packed anew stays as it is"
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (name, words) in [
        ("web/../../etc/cron.d/x", "leads out of the archive"),
        ("../x", "leads out of the archive"),
        ("/etc/x", "begins at the root"),
        ("web\\..\\x", "signs that names don't have"),
        ("web/a\nb", "signs that names don't have"),
        ("c:/x", "begins with a drive"),
        ("web//x", "a part without a name"),
        ("./web/x", "a part without a name"),
        ("other/x", "outside of the one folder"),
        ("x", "outside of the one folder"),
        ("web/Chart.yaml", "is there twice"),
    ] {
        let fault = fault(&with(name, EntryType::Regular));
        assert!(matches!(fault, ArchiveFault::Name { .. }), "{name}: {fault:?}");
        assert!(fault.to_string().contains(words), "{name}: {fault}");
    }
}

#[test]
fn only_files_and_folders_are_taken() {
    for (kind, words) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device or a pipe"),
        (EntryType::Block, "a device or a pipe"),
        (EntryType::Fifo, "a device or a pipe"),
        (EntryType::Continuous, "neither file nor folder"),
    ] {
        let fault = fault(&with("web/templates/x.yaml", kind));
        assert_eq!(
            fault.to_string(),
            format!(
                "the archive has \"web/templates/x.yaml\", which is {words}: package the chart with the file itself"
            )
        );
    }
}

#[test]
fn little_that_becomes_much_is_refused_also_in_an_archive_inside() {
    let zeros = vec![0_u8; 51 << 20];
    let bomb = packed(&[("web/Chart.yaml".into(), CHART.1.into()), ("web/x".into(), zeros)]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    assert_eq!(fault(&bomb), ArchiveFault::Bomb);
    let half = vec![0_u8; 26 << 20];
    let inner = packed(&[("sub/Chart.yaml".into(), CHART.1.into()), ("sub/x".into(), half.clone())]);
    let twice = packed(&[
        ("web/Chart.yaml".into(), CHART.1.into()),
        ("web/charts/sub.tgz".into(), inner.clone()),
        ("web/x".into(), half),
    ]);
    assert_eq!(fault(&twice), ArchiveFault::Bomb);
    assert!(
        check(&packed(&[("web/Chart.yaml".into(), CHART.1.into()), ("web/charts/sub.tgz".into(), inner)]))
            .is_ok()
    );
    let mut members = archive(&[CHART, TEMPLATE]);
    members.extend(zipped(&vec![0_u8; 51 << 20]));
    assert!(check(&members).is_ok(), "behind the end of a tar nobody reads");
    assert!(fault(&vec![0; (20 << 20) + 1]).to_string().contains("more than 20 MiB"));
    let many: Vec<_> = (0..5001).map(|i| (format!("web/templates/{i}"), Vec::new())).collect();
    assert_eq!(fault(&packed(&many)), ArchiveFault::TooManyFiles);
}

/// The first member alone is a good chart; Helm reads all of them.
#[test]
fn what_stands_in_a_second_member_of_gzip_is_looked_at() {
    let mut builder = Builder::new(Vec::new());
    entry(&mut builder, b"web/Chart.yaml", EntryType::Regular, CHART.1.as_bytes());
    entry(&mut builder, b"web/x", EntryType::Symlink, b"");
    let bytes = builder.into_inner().unwrap();
    let (first, second) = bytes.split_at(1024);
    let mut archive = zipped(first);
    archive.extend(zipped(second));
    assert!(matches!(fault(&archive), ArchiveFault::Kind { .. }));
}

#[test]
fn what_is_no_archive_or_no_chart_is_told() {
    let told = |archive: &[u8]| fault(archive).to_string();
    assert!(told(b"<html>not here</html>").contains("the archive is no archive made by gzip and tar"));
    assert!(told(&zipped(b"no tar at all")).contains("no archive made by gzip and tar"));
    assert!(told(&archive(&[CHART, TEMPLATE])[..60]).contains("no archive made by gzip and tar"));
    assert!(told(b"").contains("no archive"));
    assert!(told(&archive(&[TEMPLATE])).contains("has no Chart.yaml"));
    let chart = |text: &'static str| told(&archive(&[("Chart.yaml", text), TEMPLATE]));
    let loose = packed(&[("Chart.yaml".into(), CHART.1.into())]);
    assert!(told(&loose).contains("outside of the one folder"), "{}", told(&loose));
    assert!(chart("a: [").contains("Chart.yaml can't be read: it: line "), "{}", chart("a: ["));
    assert!(chart("name: web\nversion: 1.8\n").contains("no text: write one, in quotes"));
    assert!(chart("name: ../x\nversion: 1.8.2\n").contains("no usable name"));
    assert!(chart("name: web\nversion: 1.8.2\ntype: library\n").contains("library"));
}

#[test]
fn charts_inside_are_looked_at_like_the_one_outside() {
    let inner = |bytes: Vec<u8>| {
        packed(&[("web/Chart.yaml".into(), CHART.1.into()), ("web/charts/sub-1.tgz".into(), bytes)])
    };
    let mut builder = Builder::new(Vec::new());
    entry(&mut builder, b"web/", EntryType::Directory, b"");
    entry(&mut builder, b"web/Chart.yaml", EntryType::Regular, CHART.1.as_bytes());
    let foldered = zipped(&builder.into_inner().unwrap());
    let outer = check(&inner(foldered.clone())).unwrap().archive;
    let (_, packed_anew) = files(&outer).pop().unwrap();
    assert_ne!(packed_anew, foldered, "it is packed anew, too");
    assert_eq!(files(&packed_anew), [("web/Chart.yaml".to_owned(), CHART.1.as_bytes().to_vec())]);
    let library = ("Chart.yaml", "name: common\nversion: 1.0.0\ntype: library\n");
    assert!(check(&inner(archive(&[library, TEMPLATE]))).is_ok(), "that is what libraries are for");
    let link = with("web/templates/x.yaml", EntryType::Symlink);
    assert!(matches!(fault(&inner(link)), ArchiveFault::Kind { .. }));
    assert_eq!(
        fault(&inner(archive(&[TEMPLATE]))),
        ArchiveFault::NoChart("web/charts/sub-1.tgz/Chart.yaml".into())
    );
    assert!(fault(&inner(b"no".to_vec())).to_string().starts_with("web/charts/sub-1.tgz is no archive"));
    let mut deep = archive(&[CHART]);
    for _ in 0..6 {
        deep = inner(deep);
    }
    assert!(fault(&deep).to_string().contains("too deep"));
}

#[test]
fn a_schema_that_leads_outside_and_a_template_that_looks_into_the_cluster_are_told() {
    let schema = |text: &'static str| {
        check(&archive(&[CHART, ("values.schema.json", text)])).map(|checked| checked.foreign_schemas)
    };
    for local in [
        r##"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"$ref": "#/definitions/b"}}}"##,
        r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/x"}"#,
    ] {
        assert_eq!(schema(local), Ok(BTreeSet::new()), "{local}");
    }
    for foreign in [
        r#"{"properties": {"a": {"$ref": "http://169.254.169.254/latest"}}}"#,
        r#"{"allOf": [{"$ref": "file:///etc/passwd"}]}"#,
        r#"{"$ref": "other.json"}"#,
        r#"{"$dynamicRef": "https://e.com#x"}"#,
        r#"{"$schema": "https://e.com/schema"}"#,
        r#"{"$schema": "https://e.com/://json-schema.org/draft-07/schema"}"#,
    ] {
        assert_eq!(schema(foreign), Ok(BTreeSet::from(["web/values.schema.json".to_owned()])), "{foreign}");
    }
    assert!(schema("{").unwrap_err().to_string().contains("web/values.schema.json is no JSON"));
    let lookups =
        |text: &'static str| check(&archive(&[CHART, ("templates/a.yaml", text)])).unwrap().lookups.len();
    assert_eq!(lookups("{{ (lookup \"v1\" \"Secret\" .Release.Namespace \"x\").data }}"), 1);
    assert_eq!(lookups("# lookup\na: {{ .Values.lookup }} {{ .lookups }} lookup"), 0);
}
