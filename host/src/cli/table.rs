//! Tables that fit the terminal, and are whole where there is none.
//!
//! A terminal's lines are scarce and its readers people: what does not fit is first left
//! out, column by column, then cut. Where the output goes to a file or a program nothing
//! is, since nobody could ask for the rest.

use std::borrow::Cow;

use anstyle::Style;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, presets};

use super::terminal::TITLE;
use super::{terminal, text};

/// Columns between two columns of the table.
const GAP: usize = 2;

/// The narrowest a column is cut to before others are left out.
const NARROW: usize = 14;

/// What becomes of a column when the terminal is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It stays whole: half an id is none.
    Whole,
    /// It is cut.
    Cut,
    /// It is left out, the last one first.
    Optional,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    title: Cow<'static, str>,
    fit: Fit,
    alignment: CellAlignment,
}

impl Column {
    /// One that is always shown whole.
    pub(super) fn whole(title: impl Into<Cow<'static, str>>) -> Self {
        Self {
            title: text::one_line(&title.into()).into_owned().into(),
            fit: Fit::Whole,
            alignment: CellAlignment::Left,
        }
    }

    /// One that is cut where there is little room.
    pub(super) fn cut(title: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fit: Fit::Cut,
            ..Self::whole(title)
        }
    }

    /// One that is left out where there is little room.
    pub(super) fn optional(title: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fit: Fit::Optional,
            ..Self::whole(title)
        }
    }

    /// With its cells at the right, as numbers are.
    pub(super) fn right(mut self) -> Self {
        self.alignment = CellAlignment::Right;
        self
    }
}

/// A cell: text from anywhere, in a style.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn styled(text: &str, style: Style) -> Self {
        Self {
            text: text::one_line(text).into_owned(),
            style,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text.as_ref(), Style::new())
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// Add a row with a cell for each column.
    pub(super) fn push(&mut self, row: impl Into<Vec<Cell>>) {
        self.rows.push(row.into());
    }

    /// The table as text, with a line end after each row; `width` is the terminal's.
    pub(super) fn render(&self, width: Option<usize>) -> String {
        let natural = self.natural_widths();
        let shown = match width {
            Some(width) => self.shown(&natural, width),
            None => vec![true; self.columns.len()],
        };
        let keep = |index: usize| shown.get(index).copied().unwrap_or(true);
        let row = |cells: Vec<comfy_table::Cell>| {
            let cells = cells.into_iter().enumerate();
            let mut row = Row::from(cells.filter(|(i, _)| keep(*i)).map(|(_, cell)| cell));
            row.max_height(1);
            row
        };

        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_truncation_indicator("…")
            .force_no_tty()
            .enforce_styling();
        if let Some(width) = width {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        let title = |column: &Column| {
            comfy_table::Cell::new(terminal::paint(TITLE, &column.title))
                .set_alignment(column.alignment)
        };
        table.set_header(row(self.columns.iter().map(title).collect()));
        for cells in &self.rows {
            let cells = cells.iter().zip(&self.columns).map(|(cell, column)| {
                comfy_table::Cell::new(cell.painted()).set_alignment(column.alignment)
            });
            table.add_row(row(cells.collect()));
        }
        let columns = self.columns.iter().enumerate().filter(|(i, _)| keep(*i));
        for (column, shown) in columns
            .map(|(_, column)| column)
            .zip(table.column_iter_mut())
        {
            shown.set_padding((0, 2));
            if column.fit != Fit::Cut {
                shown.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        format!("{}\n", table.trim_fmt())
    }

    /// What each column takes when nothing of it is cut.
    fn natural_widths(&self) -> Vec<usize> {
        let titles = self.columns.iter().map(|column| text::width(&column.title));
        let mut widths: Vec<usize> = titles.collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = text::width(&cell.text).max(*width);
            }
        }
        widths
    }

    /// Which columns are shown in so much room.
    fn shown(&self, natural: &[usize], room: usize) -> Vec<bool> {
        let mut shown = vec![true; self.columns.len()];
        let needed = |shown: &[bool]| -> usize {
            let columns = self.columns.iter().zip(natural).zip(shown);
            columns
                .filter(|(_, shown)| **shown)
                .map(|((column, natural), _)| match column.fit {
                    Fit::Cut => GAP + (*natural).min(NARROW),
                    _ => GAP + natural,
                })
                .sum()
        };
        while needed(&shown) > room {
            let columns = self.columns.iter().zip(shown.iter_mut()).rev();
            let last = columns
                .filter(|(column, shown)| column.fit == Fit::Optional && **shown)
                .map(|(_, shown)| shown)
                .next();
            match last {
                Some(shown) => *shown = false,
                None => break,
            }
        }
        shown
    }
}

impl Cell {
    fn painted(&self) -> String {
        if self.style == Style::new() {
            self.text.clone()
        } else {
            terminal::paint(self.style, &self.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::cut("NAME"),
            Column::optional("KIND"),
            Column::whole("TRACE ID").right(),
            Column::optional("NOTE"),
        ]);
        let long = "a name that goes on and on";
        table.push([long.into(), "LLM".into(), "0af76519".into(), "x".into()]);
        table.push(["b".into(), "CHAIN".into(), "7".into(), "\x1b[2J".into()]);
        table
    }

    fn rendered(width: Option<usize>) -> String {
        strip_str(&table().render(width)).to_string()
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        assert_eq!(
            rendered(None),
            "NAME                        KIND   TRACE ID  NOTE\n\
             a name that goes on and on  LLM    0af76519  x\n\
             b                           CHAIN         7  \u{fffd}[2J\n"
        );
    }

    #[test]
    fn a_narrow_terminal_leaves_out_what_it_may_and_cuts_what_it_must() {
        assert_eq!(
            rendered(Some(28)),
            "NAME              TRACE ID\n\
             a name that goe…  0af76519\n\
             b                        7\n"
        );
        for width in 24..60 {
            let fits = rendered(Some(width));
            let fits = fits.lines().all(|line| text::width(line) <= width);
            assert!(fits, "{width}: {}", rendered(Some(width)));
        }
    }

    #[test]
    fn ids_are_whole_in_any_terminal() {
        assert!(rendered(Some(10)).contains("0af76519"));
    }
}
