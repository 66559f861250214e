//! Errors with all their causes, for people.

use std::error::Error;

/// The error and each of its sources, outermost first. A link that its predecessor's text
/// already ends with is dropped: some libraries repeat their source.
pub fn render(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut link = error.source();
    while let Some(source) = link {
        let words = source.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        link = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::error::Error;

    #[test]
    fn causes_follow_their_effect() {
        let error = Error::Read { path: "a.toml".into(), source: std::io::Error::other("no such thing") };
        assert_eq!(render(&error), "reading a.toml failed: no such thing");
    }
}
