//! In which letters a patch is sent.

/// A patch, written in JSON, in Go's letters.
///
/// The API server compares what a `test` of a patch says with the object as Go writes it, letter by letter, and Go writes these
/// otherwise. In JSON they stand in texts alone.
#[must_use]
pub fn as_go_writes(body: &[u8]) -> Vec<u8> {
    const OTHERWISE: [(&[u8], &[u8]); 5] = [
        (b"<", b"\\u003c"),
        (b">", b"\\u003e"),
        (b"&", b"\\u0026"),
        ("\u{2028}".as_bytes(), b"\\u2028"),
        ("\u{2029}".as_bytes(), b"\\u2029"),
    ];
    let mut written = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        if let Some((plain, go)) = OTHERWISE.iter().find(|(plain, _)| rest.starts_with(plain)) {
            written.extend_from_slice(go);
            rest = rest.get(plain.len()..).unwrap_or_default();
        } else {
            written.push(*first);
            rest = after;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::as_go_writes;

    #[test]
    fn a_patch_is_written_as_go_writes_and_means_the_same() {
        let said = json!({"link": "</app.css>; a=1&b=2", "line": "\u{2028}\u{2029}é\"\\"});
        let written = as_go_writes(&serde_json::to_vec(&said).unwrap());
        let text = String::from_utf8(written.clone()).unwrap();
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{text}");
        assert!(text.contains("\\u003c/app.css\\u003e; a=1\\u0026b=2"), "{text}");
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), said);
    }
}
