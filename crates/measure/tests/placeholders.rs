//! Placeholders: what they stand for, what is refused, and that no value gets out of its quotes.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up must fail")]

use proptest::prelude::*;
use teal_measure::{PlaceholderError, Variables, check_query, render_query};

fn variables() -> Variables {
    let some = |text: &str| Some(text.to_owned());
    Variables {
        color: some("green"),
        revision: some("r7-3f9c2a1b"),
        role: some("candidate"),
        service: some("web"),
        namespace: some("shop"),
        rollout: some("web.eu"),
        live_color: some("blue"),
        candidate_service: some("web-candidate"),
    }
}

#[test]
fn every_placeholder_has_its_value() {
    let rows = [
        ("color", "green"),
        ("revision", "r7-3f9c2a1b"),
        ("role", "candidate"),
        ("service", "web"),
        ("namespace", "shop"),
        ("rollout", "web.eu"),
        ("liveColor", "blue"),
        ("candidateService", "web-candidate"),
    ];
    for (name, value) in rows {
        let rendered = render_query(&format!("a{{b=\"$({name})\"}}"), &variables()).unwrap();
        assert_eq!(rendered, format!("a{{b=\"{value}\"}}"));
        assert_eq!(check_query(&format!("a{{b=\"$({name})\"}}")), Ok(()));
    }
}

#[test]
fn a_whole_query() {
    let query = r#"sum(rate(errors{color="$(color)",ns='$(namespace)'}[1m])) / sum(rate(all_$(color){job=~"$(service)$"}[1m])) # $(rollout)"#;
    let rendered =
        r#"sum(rate(errors{color="green",ns='shop'}[1m])) / sum(rate(all_green{job=~"web$"}[1m])) # web.eu"#;
    assert_eq!(render_query(query, &variables()).unwrap(), rendered);
    assert_eq!(render_query("up{a=\"x\"} > 0", &Variables::default()).unwrap(), "up{a=\"x\"} > 0");
}

#[test]
fn what_is_refused_says_why() {
    let mut without_live = variables();
    without_live.live_color = None;
    let rows = [
        (r#"a{b="$(colour)"}"#, "unknown placeholder $(colour); known are $(color), $(liveColor)"),
        (r#"a{b="$()"}"#, "unknown placeholder $()"),
        (r#"a{b="$(Color)"}"#, "unknown placeholder $(Color)"),
        (r#"a{b="$(color"}"#, "without its closing parenthesis"),
        (r#"a{b="$(liveColor)"}"#, "$(liveColor), which has no value now"),
        ("a_$(revision)", "between double quotes"),
        (r#"a{b="\$(color)"}"#, "between double quotes"),
        ("\"\" $(revision)", "between double quotes"),
    ];
    for (query, message) in rows {
        let error = render_query(query, &without_live).unwrap_err().to_string();
        assert!(error.contains(message), "{query}: {error}");
    }
    assert!(matches!(check_query("$(colour)"), Err(PlaceholderError::Unknown { .. })));
    let long = format!("$({})", "x".repeat(10_000));
    assert!(check_query(&long).unwrap_err().to_string().len() < 300);
}

#[test]
fn hostile_values_stay_inside_their_quotes() {
    let hostile = Variables { color: Some("a\"} or vector(0) #'`\\\n".to_owned()), ..variables() };
    let double = render_query(r#"x{c="$(color)"}"#, &hostile).unwrap();
    assert_eq!(double, r#"x{c="a\"} or vector(0) #'`\\\n"}"#);
    let single = render_query("x{c='$(color)'}", &hostile).unwrap();
    assert_eq!(single, r#"x{c='a"} or vector(0) #\'`\\\n'}"#);
    for place in ["x{c=`$(color)`}", "$(color)", "1 # $(color)", r#"x{c="\\\$(color)"}"#] {
        assert!(matches!(render_query(place, &hostile), Err(PlaceholderError::Unquotable { .. })), "{place}");
    }
}

/// Reads a PromQL string literal: its value, and what follows it.
fn read_literal(text: &str) -> Option<(String, &str)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    let mut value = String::new();
    while let Some((index, character)) = characters.next() {
        match character {
            '\n' => return None,
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                '\\' => value.push('\\'),
                escaped if escaped == quote => value.push(escaped),
                _ => return None,
            },
            _ if character == quote => return Some((value, &text[index + quote.len_utf8()..])),
            _ => value.push(character),
        }
    }
    None
}

proptest! {
    #[test]
    fn a_quoted_value_is_read_back_as_itself(value in "\\PC*|[\"'`\\\\\n\r#a]*", single in any::<bool>()) {
        let quote = if single { '\'' } else { '"' };
        let hostile = Variables { color: Some(value.clone()), ..Variables::default() };
        let rendered = render_query(&format!("{quote}$(color){quote} + 1"), &hostile).unwrap();
        prop_assert_eq!(read_literal(&rendered), Some((value, " + 1")));
    }

    #[test]
    fn nothing_panics_and_text_without_placeholders_is_kept(template in "\\PC*|[$()\"'`\\\\a]*") {
        let rendered = render_query(&template, &variables());
        if !template.contains("$(") {
            prop_assert_eq!(rendered.unwrap(), template);
        }
    }
}
