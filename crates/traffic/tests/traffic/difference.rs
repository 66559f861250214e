//! The difference of two texts, line by line, as `diff -U2` shows it.

use std::fmt::Write;

/// Lines that are shown around a change.
const AROUND: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Before,
    After,
}

/// Nothing where they are the same.
pub(crate) fn difference(before: &str, after: &str) -> String {
    let lines = aligned(&before.lines().collect::<Vec<_>>(), &after.lines().collect::<Vec<_>>());
    let near = |at: usize| {
        let first = at.saturating_sub(AROUND);
        lines.iter().skip(first).take(at + AROUND + 1 - first).any(|(side, _)| *side != Side::Both)
    };
    let (mut out, mut place, mut shown) = (String::new(), 0, false);
    for (at, (side, line)) in lines.iter().enumerate() {
        if near(at) {
            if !shown {
                writeln!(out, "@@ {} @@", place + 1).unwrap();
            }
            let sign = match side {
                Side::Both => ' ',
                Side::Before => '-',
                Side::After => '+',
            };
            writeln!(out, "{sign}{line}").unwrap();
        }
        shown = near(at);
        place += usize::from(*side != Side::After);
    }
    out
}

/// All lines in their order, by the longest sequence that both have.
fn aligned<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<(Side, &'a str)> {
    let mut common = vec![vec![0_u32; after.len() + 1]; before.len() + 1];
    for (i, one) in before.iter().enumerate().rev() {
        for (j, other) in after.iter().enumerate().rev() {
            common[i][j] =
                if one == other { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            lines.push((Side::Both, before[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < before.len() && (j == after.len() || common[i + 1][j] >= common[i][j + 1]) {
            lines.push((Side::Before, before[i]));
            i += 1;
        } else {
            lines.push((Side::After, after[j]));
            j += 1;
        }
    }
    lines
}

#[test]
fn a_difference_says_where_and_what() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), "");
    assert_eq!(difference("a\nb\nc\nd\ne\n", "a\nb\nc\nD\ne\n"), "@@ 2 @@\n b\n c\n-d\n+D\n e\n");
    assert_eq!(
        difference("1\n2\n3\n4\n5\n6\n7\n", "0\n1\n2\n3\n4\n5\n6\n"),
        "@@ 1 @@\n+0\n 1\n 2\n@@ 5 @@\n 5\n 6\n-7\n"
    );
}
