//! Arrow IPC streams, as far as Phoenix's query endpoint writes them: flat columns of text,
//! numbers, booleans and times, neither compressed nor dictionary-encoded. That is little
//! enough to do without the crates that read all of Arrow.
//!
//! Nothing in the bytes is trusted: whatever does not fit reads as `None`, and what this file
//! has no use for (lists, structs) as [`Cell::Other`].

mod flatbuffer;

use self::flatbuffer::{Flat, array, int, long};

/// A record batch.
pub(crate) struct Batch<'a> {
    /// How many rows every column has.
    pub(crate) rows: usize,
    columns: Vec<(&'a str, Column<'a>)>,
}

/// A column of a batch.
pub(crate) struct Column<'a> {
    rows: usize,
    /// One bit a row, set where there is a value; none where every row has one.
    validity: Option<&'a [u8]>,
    values: Values<'a>,
}

enum Values<'a> {
    Missing,
    Text {
        offsets: &'a [u8],
        wide: bool,
        bytes: &'a [u8],
    },
    Integers(&'a [u8]),
    Numbers(&'a [u8]),
    Booleans(&'a [u8]),
    Times {
        /// Nanoseconds in a unit.
        unit: i64,
        values: &'a [u8],
    },
    Other,
}

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    Text(&'a str),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    /// Nanoseconds since the epoch; 0 for what is before it.
    Time(u64),
    /// A value of a type that is not read here.
    Other,
}

impl<'a> Batch<'a> {
    /// The column of this name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column<'a>> {
        let found = self.columns.iter().find(|(column, _)| *column == name);
        found.map(|(_, column)| column)
    }
}

impl<'a> Column<'a> {
    /// The value in a row; none where the bytes make no sense.
    pub(crate) fn cell(&self, row: usize) -> Option<Cell<'a>> {
        if row >= self.rows {
            return None;
        }
        if let Some(validity) = self.validity
            && !bit(validity, row)?
        {
            return Some(Cell::Missing);
        }
        Some(match &self.values {
            Values::Missing => Cell::Missing,
            Values::Text {
                offsets,
                wide,
                bytes,
            } => {
                let offset = |row| match wide {
                    true => usize::try_from(long(offsets, row * 8)?).ok(),
                    false => usize::try_from(int(offsets, row * 4)?).ok(),
                };
                let text = bytes.get(offset(row)?..offset(row + 1)?)?;
                Cell::Text(std::str::from_utf8(text).ok()?)
            }
            Values::Integers(values) => Cell::Integer(long(values, row * 8)?),
            Values::Numbers(values) => Cell::Number(f64::from_le_bytes(array(values, row * 8)?)),
            Values::Booleans(values) => Cell::Boolean(bit(values, row)?),
            Values::Times { unit, values } => {
                let nanoseconds = long(values, row * 8)?.checked_mul(*unit)?;
                Cell::Time(u64::try_from(nanoseconds).unwrap_or(0))
            }
            Values::Other => Cell::Other,
        })
    }
}

/// The batches of a stream; none where it is no stream that can be read here.
pub(crate) fn batches(mut stream: &[u8]) -> Option<Vec<Batch<'_>>> {
    const SCHEMA: u8 = 1;
    const RECORD_BATCH: u8 = 3;

    let mut fields = None;
    let mut batches = Vec::new();
    while !stream.is_empty() {
        // Every message begins with this mark and the length of what describes it.
        let length = match int(stream, 0)? {
            -1 => usize::try_from(int(stream, 4)?).ok()?,
            _ => return None,
        };
        if length == 0 {
            break;
        }
        let message = Flat::root(stream.get(8..length.checked_add(8)?)?)?;
        let rest = stream.get(length.checked_add(8)?..)?;
        let body_length = usize::try_from(message.long(3)?).ok()?;
        let body = rest.get(..body_length)?;
        match message.byte(1)? {
            SCHEMA => fields = Some(message.table(2)?.tables(1)?),
            RECORD_BATCH => batches.push(batch(&message.table(2)?, body, fields.as_ref()?)?),
            _ => return None,
        }
        stream = rest.get(body_length..)?;
    }
    fields.map(|_| batches)
}

fn batch<'a>(header: &Flat<'a>, body: &'a [u8], fields: &[Flat<'a>]) -> Option<Batch<'a>> {
    // What is compressed or has buffers of no fixed number is not read here.
    if header.field(3).is_some() || header.field(4).is_some() {
        return None;
    }
    let rows = usize::try_from(header.long(0)?).ok()?;
    let mut parts = Parts {
        nodes: header.vector(1, 16)?,
        buffers: header.vector(2, 16)?,
        body,
    };
    let columns = fields
        .iter()
        .map(|field| Some((field.text(0)?, column(field, rows, &mut parts)?)))
        .collect::<Option<_>>()?;
    Some(Batch { rows, columns })
}

fn column<'a>(field: &Flat<'a>, rows: usize, parts: &mut Parts<'a>) -> Option<Column<'a>> {
    let (kind, detail) = (field.byte(2)?, field.table(3)?);
    let nulls = parts.node()?;
    if kind == 1 {
        return Some(Column {
            rows,
            validity: None,
            values: Values::Missing,
        });
    }
    let validity = parts.buffer()?;
    let values = match kind {
        2 if detail.int_or(0, 0)? == 64 && detail.byte(1)? == 1 => {
            Values::Integers(parts.buffer()?)
        }
        3 if detail.short_or(0, 0)? == 2 => Values::Numbers(parts.buffer()?),
        5 | 20 => Values::Text {
            offsets: parts.buffer()?,
            wide: kind == 20,
            bytes: parts.buffer()?,
        },
        6 => Values::Booleans(parts.buffer()?),
        10 => Values::Times {
            unit: match detail.short_or(0, 0)? {
                0 => 1_000_000_000,
                1 => 1_000_000,
                2 => 1_000,
                3 => 1,
                _ => return None,
            },
            values: parts.buffer()?,
        },
        // Other numbers, and times of other kinds.
        2 | 3 | 7..=9 | 18 => {
            parts.buffer()?;
            Values::Other
        }
        // Binary.
        4 | 19 => {
            parts.buffer()?;
            parts.buffer()?;
            Values::Other
        }
        // Lists and structs.
        12 | 13 | 21 => {
            if kind != 13 {
                parts.buffer()?;
            }
            for child in field.tables(5)? {
                column(&child, 0, parts)?;
            }
            Values::Other
        }
        _ => return None,
    };
    Some(Column {
        rows,
        validity: (nulls > 0).then_some(validity),
        values,
    })
}

/// The places of columns in the body of a batch, in the order of the fields.
struct Parts<'a> {
    nodes: &'a [u8],
    buffers: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// The number of missing values of the next column.
    fn node(&mut self) -> Option<i64> {
        let missing = long(self.nodes, 8)?;
        self.nodes = self.nodes.get(16..)?;
        Some(missing)
    }

    fn buffer(&mut self) -> Option<&'a [u8]> {
        let start = usize::try_from(long(self.buffers, 0)?).ok()?;
        let length = usize::try_from(long(self.buffers, 8)?).ok()?;
        self.buffers = self.buffers.get(16..)?;
        self.body.get(start..start.checked_add(length)?)
    }
}

fn bit(bits: &[u8], place: usize) -> Option<bool> {
    Some(bits.get(place / 8)? >> (place % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]

    use super::*;

    /// Three spans that a Phoenix 20.26 answered, with columns of every type.
    const STREAM: &[u8] = include_bytes!("../testdata/spans.arrow");

    #[test]
    fn columns_of_a_real_server_are_read() {
        let batches = batches(STREAM).unwrap();
        let [batch] = batches.as_slice() else {
            unreachable!("one batch was sent")
        };
        assert_eq!(batch.rows, 3);
        let cells = |name: &str| -> Vec<Cell<'_>> {
            let column = batch.column(name).unwrap();
            (0..batch.rows)
                .map(|row| column.cell(row).unwrap())
                .collect()
        };
        assert_eq!(
            cells("name"),
            [Cell::Text("ünï"), Cell::Text("op1"), Cell::Text("op0")]
        );
        assert_eq!(
            cells("n"),
            [Cell::Integer(7), Cell::Integer(-6), Cell::Integer(5)]
        );
        assert_eq!(
            cells("sparse"),
            [Cell::Missing, Cell::Number(16.0), Cell::Missing]
        );
        assert_eq!(cells("nowhere"), [Cell::Missing; 3]);
        assert_eq!(cells("tags"), [Cell::Other, Cell::Missing, Cell::Other]);
        assert_eq!(cells("tree"), [Cell::Missing, Cell::Other, Cell::Other]);
        assert_eq!(
            cells("start_time"),
            [
                Cell::Time(1_795_000_002_000_000_000),
                Cell::Time(1_795_000_001_000_001_000),
                Cell::Time(1_795_000_000_000_000_000)
            ]
        );
        assert!(matches!(cells("context.span_id")[0], Cell::Text(id) if id.len() == 16));
        assert!(batch.column("other").is_none());
        assert_eq!(batch.column("n").unwrap().cell(3), None);
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_more() {
        for end in 0..STREAM.len() {
            // The mark of the end may be missing; whatever else is, is noticed.
            if let Some(batches) = batches(&STREAM[..end]) {
                assert!(batches.is_empty() || end >= STREAM.len() - 8, "{end}");
            }
        }
        for place in 0..STREAM.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = STREAM.to_vec();
                damaged[place] = value;
                for batch in batches(&damaged).unwrap_or_default() {
                    for (_, column) in &batch.columns {
                        for row in 0..batch.rows.min(4) {
                            let _ = column.cell(row);
                        }
                    }
                }
            }
        }
    }
}
