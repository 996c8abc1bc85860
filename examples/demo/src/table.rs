//! Plain tables: titles, then rows, each column as wide as its widest cell.

use crate::screen::{DIM, paint};

/// What stands between two columns.
const GAP: &str = "  ";

/// Lines of a table.
pub(crate) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = titles.map(width);
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = width(cell).max(*column);
        }
    }
    let mut lines = vec![paint(DIM, line(&titles.map(str::to_owned), &widths))];
    lines.extend(rows.iter().map(|row| line(row, &widths)));
    lines.join("\n")
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let cells = cells.iter().zip(widths);
    let cells = cells.map(|(cell, width)| pad(cell, *width));
    let line = cells.collect::<Vec<_>>().join(GAP);
    line.trim_end().to_owned()
}

/// The text, or its beginning where it has more than `columns`.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The text with as many spaces after it as fill `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The columns a text takes once its colours are gone.
fn width(text: &str) -> usize {
    let plain = anstream::adapter::strip_str(text).to_string();
    plain.chars().count()
}
