//! Annotations as frames, and evaluations from them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};

use super::array;
use super::error::FrameError;
use super::schema::timestamp;
use super::value;
use crate::contract::{Annotation, AnnotatorKind, NewAnnotation, ProviderError, SpanRef, Target};
use crate::provider::{ADD_ANNOTATIONS, AnnotationStore, check_span_id, check_trace_id};

/// What a column of span ids is called.
const SPAN_ID: [&str; 2] = ["context.span_id", "span_id"];
const TRACE_ID: [&str; 2] = ["context.trace_id", "trace_id"];

/// Annotations as one batch.
///
/// Columns are `id`, `target` (`span`, `trace` or `session`), `context.span_id`,
/// `context.trace_id`, `session_id` (each null where it is not known), `name`, `annotator_kind`
/// (`HUMAN`, `LLM` or `CODE`), `label`, `score`, `explanation`, `metadata` (JSON text),
/// `identifier`, `created_at` and `updated_at` (nanoseconds, UTC).
///
/// # Errors
///
/// [`FrameError::TooLong`] for more than 2 GiB of text in a column.
pub fn annotation_frame(annotations: &[Annotation]) -> Result<RecordBatch, FrameError> {
    type Read = for<'a> fn(&'a Annotation) -> Option<&'a str>;
    type ReadTime = fn(&Annotation) -> Option<u64>;
    let texts: [(&str, Read); 11] = [
        ("id", |annotation| Some(&annotation.id)),
        ("target", |annotation| {
            Some(match &annotation.target {
                Target::Span(_) => "span",
                Target::Trace(_) => "trace",
                Target::Session(_) => "session",
            })
        }),
        ("context.span_id", |annotation| match &annotation.target {
            Target::Span(span) => Some(&span.span_id),
            _ => None,
        }),
        ("context.trace_id", |annotation| match &annotation.target {
            Target::Span(span) => Some(span.trace_id.as_str()).filter(|id| !id.is_empty()),
            Target::Trace(id) => Some(id),
            Target::Session(_) => None,
        }),
        ("session_id", |annotation| match &annotation.target {
            Target::Session(id) => Some(id),
            _ => None,
        }),
        ("name", |annotation| Some(&annotation.name)),
        ("annotator_kind", |annotation| {
            Some(match annotation.annotator {
                AnnotatorKind::Human => "HUMAN",
                AnnotatorKind::Llm => "LLM",
                AnnotatorKind::Code => "CODE",
            })
        }),
        ("label", |annotation| annotation.label.as_deref()),
        ("explanation", |annotation| {
            annotation.explanation.as_deref()
        }),
        ("metadata", |annotation| annotation.metadata.as_deref()),
        ("identifier", |annotation| Some(&annotation.identifier)),
    ];
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (name, read) in texts {
        let column = annotations
            .iter()
            .map(|annotation| read(annotation).map(Into::into));
        fields.push(Field::new(name, DataType::Utf8, true));
        arrays.push(array::text(name, column)?);
    }
    fields.push(Field::new("score", DataType::Float64, true));
    let scores = annotations.iter().map(|annotation| annotation.score);
    arrays.push(Arc::new(Float64Array::from_iter(scores)));
    let times: [(&str, ReadTime); 2] = [
        ("created_at", |annotation| annotation.created_at),
        ("updated_at", |annotation| annotation.updated_at),
    ];
    for (name, read) in times {
        let times = annotations
            .iter()
            .map(|annotation| read(annotation).map(value::nanoseconds));
        fields.push(Field::new(name, timestamp(), true));
        arrays.push(Arc::new(
            TimestampNanosecondArray::from_iter(times).with_timezone("UTC"),
        ));
    }
    array::rows(&Arc::new(Schema::new(fields)), arrays, annotations.len())
}

/// The spans of a frame as targets of annotations: from its column `context.span_id` or
/// `span_id`, and `context.trace_id` or `trace_id` where it has one. Capitals in ids become
/// small.
///
/// # Errors
///
/// [`FrameError::MissingColumn`] without such a column and [`FrameError::BadRow`] for what is no
/// id.
pub fn span_targets(frame: &RecordBatch) -> Result<Vec<Target>, FrameError> {
    let span_ids =
        texts(frame, &SPAN_ID)?.ok_or_else(|| missing(frame, "context.span_id or span_id"))?;
    let trace_ids = texts(frame, &TRACE_ID)?;
    let id = |ids: &StringArray, row: usize| {
        ids.is_valid(row)
            .then(|| ids.value(row).trim().to_ascii_lowercase())
    };
    (0..frame.num_rows())
        .map(|row| {
            let bad = |why: String| FrameError::BadRow { row: row + 1, why };
            let span_id = id(&span_ids, row).ok_or_else(|| bad("it has no span id".to_owned()))?;
            check_span_id(&span_id).map_err(bad)?;
            let trace_id = trace_ids
                .as_ref()
                .and_then(|ids| id(ids, row))
                .unwrap_or_default();
            if !trace_id.is_empty() {
                check_trace_id(&trace_id).map_err(bad)?;
            }
            Ok(Target::Span(SpanRef::new(trace_id, span_id)))
        })
        .collect()
}

/// The evaluations of a frame as annotations: what
/// [`log_evaluations`](AnnotationStore::log_evaluations) writes.
///
/// # Errors
///
/// [`FrameError::MissingColumn`] without span ids or judgements and [`FrameError::BadRow`] for a
/// row without them.
pub fn evaluations_from_frame(
    name: &str,
    frame: &RecordBatch,
    annotator: AnnotatorKind,
) -> Result<Vec<NewAnnotation>, FrameError> {
    let targets = span_targets(frame)?;
    let labels = texts(frame, &["label"])?;
    let explanations = texts(frame, &["explanation"])?;
    let scores = scores(frame)?;
    if labels.is_none() && scores.is_none() {
        return Err(missing(frame, "score or label"));
    }
    let text = |texts: &Option<StringArray>, row: usize| {
        let texts = texts.as_ref().filter(|texts| texts.is_valid(row))?;
        Some(texts.value(row).to_owned()).filter(|text| !text.is_empty())
    };
    let evaluation = |(row, target): (usize, Target)| {
        let mut evaluation = NewAnnotation::new(target, name).by(annotator);
        evaluation.label = text(&labels, row);
        evaluation.explanation = text(&explanations, row);
        evaluation.score = scores
            .as_ref()
            .and_then(|scores| scores.get(row).copied().flatten());
        if evaluation.label.is_none()
            && evaluation.score.is_none()
            && evaluation.explanation.is_none()
        {
            let why = "it has neither score, label nor explanation".to_owned();
            return Err(FrameError::BadRow { row: row + 1, why });
        }
        Ok(evaluation)
    };
    targets.into_iter().enumerate().map(evaluation).collect()
}

/// The first of these columns that is there, as text.
fn texts(frame: &RecordBatch, names: &[&str]) -> Result<Option<StringArray>, FrameError> {
    let found = names
        .iter()
        .find_map(|name| Some((name, frame.column_by_name(name)?)));
    let Some((name, column)) = found else {
        return Ok(None);
    };
    if column.data_type().is_nested() {
        return Err(FrameError::BadColumn {
            column: (*name).to_owned(),
            why: format!("it is {}, not text", column.data_type()),
        });
    }
    Ok(Some(cast(column, &DataType::Utf8)?.as_string().clone()))
}

/// The column `score`: numbers, or text of numbers as a CSV file has them. None where there is no
/// number, which pandas writes as not-a-number.
fn scores(frame: &RecordBatch) -> Result<Option<Vec<Option<f64>>>, FrameError> {
    let Some(column) = frame.column_by_name("score") else {
        return Ok(None);
    };
    let finite = |score: f64| Some(score).filter(|score| !score.is_nan());
    let kind = column.data_type();
    if kind.is_numeric() || *kind == DataType::Boolean || *kind == DataType::Null {
        let numbers = cast(column, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        return Ok(Some(
            numbers.iter().map(|score| score.and_then(finite)).collect(),
        ));
    }
    let Some(texts) = texts(frame, &["score"])? else {
        return Ok(None);
    };
    let score = |(row, text): (usize, Option<&str>)| match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(finite).map_err(|_| FrameError::BadRow {
            row: row + 1,
            why: format!("the score `{text}` is no number"),
        }),
    };
    texts
        .iter()
        .enumerate()
        .map(score)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn missing(frame: &RecordBatch, wanted: &str) -> FrameError {
    let schema = frame.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    FrameError::MissingColumn {
        wanted: wanted.to_owned(),
        present: names.join(", "),
    }
}

impl AnnotationStore<'_> {
    /// Write the evaluations of a frame as annotations of its spans. The frame has a column
    /// `span_id` or `context.span_id`, a column `score` or `label` or both, and may have
    /// `explanation`; others are not looked at. A row that was written before under the same name
    /// is replaced. Returned are the ids, in the order of the rows.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::contract::Error) that names the column that is missing, or
    /// the row (from 1) that has no id or no judgement: nothing is written then. Otherwise as
    /// [`add_annotations_batch`](Self::add_annotations_batch).
    pub async fn log_evaluations(
        &self,
        project: &str,
        eval_name: &str,
        evaluations: &RecordBatch,
        annotator: AnnotatorKind,
    ) -> Result<Vec<String>, ProviderError> {
        let annotations = evaluations_from_frame(eval_name, evaluations, annotator)
            .map_err(|why| self.provider.invalid(ADD_ANNOTATIONS, why.to_string()))?;
        self.add_annotations_batch(project, &annotations).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn frame(columns: Vec<(&str, Vec<Option<&str>>)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns.into_iter().map(|(name, values)| {
            let values: ArrayRef = Arc::new(StringArray::from(values));
            (name, values)
        }))
        .unwrap()
    }

    #[test]
    fn rows_become_evaluations() {
        let frame = frame(vec![
            (
                "span_id",
                vec![Some("B7AD6B7169203331"), Some("b7ad6b7169203332")],
            ),
            ("score", vec![Some("0.5"), None]),
            ("label", vec![None, Some("größer 🦉")]),
        ]);
        let read = evaluations_from_frame("relevance", &frame, AnnotatorKind::Llm).unwrap();
        assert_eq!(read[0].target, Target::span("b7ad6b7169203331"));
        assert_eq!((read[0].score, read[0].label.as_deref()), (Some(0.5), None));
        assert_eq!(
            (read[1].score, read[1].label.as_deref()),
            (None, Some("größer 🦉"))
        );
        assert_eq!(read[1].annotator, AnnotatorKind::Llm);
    }

    #[test]
    fn what_is_missing_is_named_with_its_row() {
        let error = |columns| {
            let error = evaluations_from_frame("relevance", &frame(columns), AnnotatorKind::Llm);
            error.unwrap_err().to_string()
        };
        let id = || ("span_id", vec![Some("b7ad6b7169203331")]);
        assert!(error(vec![("score", vec![Some("1")])]).contains("span_id"));
        assert!(error(vec![id(), ("note", vec![None])]).contains("score or label"));
        assert!(
            error(vec![id(), ("score", vec![Some("good")])]).contains("row 1: the score `good`")
        );
        assert!(error(vec![id(), ("score", vec![None])]).contains("row 1: it has neither"));
        let bad = vec![("span_id", vec![Some("7")]), ("score", vec![Some("1")])];
        assert!(error(bad).contains("row 1: `7` is no span id"));
    }
}
