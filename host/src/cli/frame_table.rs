//! Rows of a frame as a table for people.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::table::{Cell, Column, Table};
use super::text;

/// The longest text of a cell, in bytes: nobody reads a prompt of a megabyte in a table.
const MAX_CELL: usize = 2000;

/// The rows of a frame, with their columns' names above them.
pub(super) fn render(frame: &RecordBatch, width: Option<usize>) -> Result<String, ArrowError> {
    let schema = frame.schema();
    let columns: Vec<Column> = schema.fields().iter().map(|field| column(field)).collect();
    let mut table = Table::new(columns);
    let options = FormatOptions::default().with_display_error(true);
    let formatters: Vec<ArrayFormatter<'_>> = frame
        .columns()
        .iter()
        .map(|values| ArrayFormatter::try_new(values.as_ref(), &options))
        .collect::<Result<_, _>>()?;
    for row in 0..frame.num_rows() {
        let cells = frame.columns().iter().zip(&formatters);
        let cells = cells.map(|(values, formatter)| match values.is_null(row) {
            true => "-".into(),
            false => cell(&formatter.value(row).to_string(), width),
        });
        table.push(cells.collect::<Vec<Cell>>());
    }
    Ok(table.render(width))
}

fn column(field: &Field) -> Column {
    let name = field.name().clone();
    let is_id = name.starts_with("context.") || name == "parent_id" || name == "id";
    match field.data_type() {
        kind if kind.is_numeric() => Column::whole(name).right(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if !is_id => Column::cut(name),
        kind if kind.is_nested() || kind.is_binary() => Column::cut(name),
        _ => Column::whole(name),
    }
}

/// A cell; it is cut where there is a terminal, and whole where there is none.
fn cell(value: &str, width: Option<usize>) -> Cell {
    match width {
        Some(_) if value.len() > MAX_CELL => text::shorten(value, MAX_CELL).into(),
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use anstream::adapter::strip_str;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    fn frame() -> RecordBatch {
        let names = StringArray::from(vec![Some("retrieve\x1b[2J the documents"), None]);
        let counts = Int64Array::from(vec![3, 12]);
        let means = Float64Array::from(vec![Some(0.5), None]);
        let columns: [(&str, ArrayRef); 3] = [
            ("name", Arc::new(names)),
            ("count", Arc::new(counts)),
            ("mean", Arc::new(means)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, it)| (name, it, true)))
            .unwrap()
    }

    #[test]
    fn numbers_stand_right_and_nothing_is_a_dash() {
        let table = render(&frame(), None).unwrap();
        assert_eq!(
            strip_str(&table).to_string(),
            "\
name                        count  mean
retrieve\u{fffd}[2J the documents      3   0.5
-                              12     -
"
        );
    }

    #[test]
    fn it_fits_a_narrow_terminal() {
        let table = strip_str(&render(&frame(), Some(30)).unwrap()).to_string();
        assert!(table.lines().all(|line| text::width(line) <= 30), "{table}");
        assert!(table.contains("12"), "{table}");
    }
}
