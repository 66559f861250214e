//! Columns, padded by what a terminal shows and not by bytes.

use unicode_width::UnicodeWidthStr;

/// One cell: what it says, and how it is shown where there are colors.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    shown: String,
}

impl Cell {
    /// A plain cell. What is empty is marked, so that columns can be told apart by scripts.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = marked(&text.into());
        Self { shown: text.clone(), text }
    }

    /// A cell that is painted.
    pub(super) fn painted(text: impl Into<String>, paint: impl FnOnce(&str) -> String) -> Self {
        let text = marked(&text.into());
        Self { shown: paint(&text), text }
    }
}

fn marked(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.replace('\n', " ") }
}

/// Lines with three spaces between columns and none at their ends.
pub(super) fn lines(rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width()).max())
        .map(Option::unwrap_or_default)
        .collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    for (place, (cell, width)) in row.iter().zip(widths).enumerate() {
        line.push_str(&cell.shown);
        if place + 1 < row.len() {
            line.push_str(&" ".repeat(width.saturating_sub(cell.text.width()) + 3));
        }
    }
    line
}

/// Lines as a text that ends with the last of them.
pub(super) fn text(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// A line of a block under a heading.
pub(super) fn indented(line: impl AsRef<str>) -> String {
    format!("  {}", line.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_whatever_is_in_them() {
        let rows = vec![
            vec![Cell::plain("NAME"), Cell::plain("X"), Cell::plain("END")],
            vec![Cell::painted("größe", |text| format!("<{text}>")), Cell::plain(""), Cell::plain("a\nb")],
            vec![Cell::plain("표"), Cell::plain("long"), Cell::plain("c")],
        ];
        assert_eq!(lines(&rows), ["NAME    X      END", "<größe>   -      a b", "표      long   c"]);
    }
}
