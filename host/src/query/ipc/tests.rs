#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use arrow::array::{DictionaryArray, Int32Array, NullArray, StringArray};
use arrow::ipc::writer::StreamWriter;
use proptest::prelude::*;

use super::super::frame::span_frame;
use super::super::tests::span;
use super::*;

fn ipc(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    bytes
}

fn spans() -> Vec<Span> {
    let mut first = span(&[
        ("text", AttributeValue::Text("größer 🦉".to_owned())),
        ("whole", AttributeValue::Integer(-7)),
        ("number", AttributeValue::Number(0.5)),
        ("flag", AttributeValue::Boolean(true)),
    ]);
    first.events = vec![Event {
        name: "retried".to_owned(),
        time: 1_000_000_001,
        attributes: vec![Attribute {
            key: "n".to_owned(),
            value: AttributeValue::Integer(1),
        }],
    }];
    let mut second = span(&[]);
    second.parent_id = Some(first.span_id.clone());
    vec![first, second]
}

fn with(name: &str, column: Option<ArrayRef>) -> RecordBatch {
    let frame = span_frame(&spans()).unwrap();
    let schema = frame.schema();
    let mut columns: Vec<(String, ArrayRef)> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .zip(frame.columns().to_vec())
        .filter(|(other, _)| other != name)
        .collect();
    columns.extend(column.map(|column| (name.to_owned(), column)));
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn a_frame_of_spans_becomes_the_spans_again() {
    let spans = spans();
    let mut read = decode(&ipc(&span_frame(&spans).unwrap())).unwrap();
    // A frame has its attributes in the order of their keys.
    let mut expected = spans;
    for span in read.iter_mut().chain(&mut expected) {
        span.attributes
            .sort_by(|left, right| left.key.cmp(&right.key));
    }
    assert_eq!(read, expected);
    assert!(decode(&[]).unwrap().is_empty());
}

#[test]
fn lists_and_dictionaries_are_unfolded() {
    let folded: DictionaryArray<arrow::datatypes::Int32Type> =
        [Some("gpt-4"), None].into_iter().collect();
    let read = decode(&ipc(&with("attributes.model", Some(Arc::new(folded))))).unwrap();
    assert_eq!(read[0].attribute("model"), Some(&"gpt-4".into()));
    assert_eq!(read[1].attribute("model"), None);
    let list = arrow::array::ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        None,
    ]);
    let read = decode(&ipc(&with("attributes.list", Some(Arc::new(list))))).unwrap();
    let expected = AttributeValue::Json("[1,2]".to_owned());
    assert_eq!(read[0].attribute("list"), Some(&expected));
    assert_eq!(read[1].attribute("list"), None);
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    let error = |batch| decode(&ipc(&batch)).unwrap_err();
    assert!(error(with("start_time", None)).contains("`start_time`"));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    assert!(error(with("name", Some(Arc::clone(&numbers)))).contains("`name`"));
    assert!(error(with("end_time", Some(numbers))).contains("`end_time`"));
    let none: ArrayRef = Arc::new(NullArray::new(2));
    assert!(error(with("context.span_id", Some(none))).contains("context.span_id"));
    let codes: ArrayRef = Arc::new(StringArray::from(vec!["OK", "FINE"]));
    assert!(error(with("status_code", Some(codes))).contains("FINE"));
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    assert!(error(with("context.trace_id", Some(ids))).contains("trace id"));
}

#[test]
fn a_dictionary_cannot_unfold_without_bound() {
    let word = "x".repeat(1 << 20);
    let keys = Int32Array::from(vec![0; 1000]);
    let folded = DictionaryArray::new(keys, Arc::new(StringArray::from(vec![word.as_str()])));
    let mut budget = Budget { bytes: MAX_BYTES };
    let column: ArrayRef = Arc::new(folded);
    assert!(
        texts("a", &column, &mut budget)
            .unwrap_err()
            .contains("unfolds")
    );
}

#[test]
fn bits_cannot_unfold_without_bound() {
    let rows = 50_000;
    let spans = vec![span(&[]); rows];
    let frame = span_frame(&spans).unwrap();
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (field, column) in frame.schema().fields().iter().zip(frame.columns()) {
        columns.push((field.name().clone(), column.clone()));
    }
    let flags: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true; rows]));
    for place in 0..200 {
        columns.push((format!("attributes.flag_{place}"), Arc::clone(&flags)));
    }
    let bytes = ipc(&RecordBatch::try_from_iter(columns).unwrap());
    assert!(bytes.len() < 16 << 20, "{} bytes", bytes.len());
    assert!(decode(&bytes).unwrap_err().contains("unfolds"));
}

#[test]
fn json_cannot_unfold_without_bound() {
    let error = |text: String, bytes| events(&text, &mut Budget { bytes }).unwrap_err();
    let objects = format!("[{}0]", "{\"\":0},".repeat(100_000));
    assert!(error(objects, 64 << 20).contains("unfolds"));
    let event = "{\"name\":\"\",\"time\":\"2026-11-20T10:00:00Z\"}";
    // Enough to parse one at a time and not to hold it.
    let one = format!("[{event}]");
    assert!(events(&one, &mut Budget { bytes: 2000 }).is_ok());
    let mut budget = Budget { bytes: 2000 };
    assert!((0..100).any(|_| events(&one, &mut budget).is_err()));
    // A list of nulls is offsets and nothing else.
    let items: ArrayRef = Arc::new(NullArray::new(10_000_000));
    let field = Arc::new(arrow::datatypes::Field::new_list_field(
        DataType::Null,
        true,
    ));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([10_000_000]);
    let list: ArrayRef =
        Arc::new(arrow::array::ListArray::try_new(field, offsets, items, None).unwrap());
    let mut budget = Budget { bytes: MAX_BYTES };
    let error = nested("attributes.list", &list, &mut budget).unwrap_err();
    assert!(error.contains("unfolds"), "{error}");
}

proptest! {
    #[test]
    fn corrupted_bytes_are_an_error_or_spans(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = ipc(&span_frame(&spans()).unwrap());
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = decode(&bytes);
    }

    #[test]
    fn any_bytes_are_an_error_or_spans(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = decode(&bytes);
    }
}
