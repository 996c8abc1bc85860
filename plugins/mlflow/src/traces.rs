//! `trace-store`.

use roost_provider::types::{PageRequest, Span, SpanRef};
use roost_provider::{Error, cursor, error};

use crate::bindings::trace_store::{Guest, OrderKey, SpanBatch, SpanPage, SpanQuery, TracePage};
use crate::filter::{self, Filter};
use crate::listing::{Listing, malformed};
use crate::mlflow::{Mlflow, mlflow};
use crate::search::{self, Found, Info, Order};
use crate::{Provider, Result, projects};

impl Guest for Provider {
    fn get_spans(query: SpanQuery) -> Result<SpanPage> {
        let mlflow = mlflow()?;
        let experiment = projects::id(mlflow, &query.project)?;
        let filter = Filter::of(&query);
        let listing = Listing {
            mlflow,
            experiment: &experiment,
            filter: &filter,
            projection: query.projection.as_ref(),
        };
        let (spans, cursor) = listing.page(query.page.cursor.as_deref(), query.page.limit)?;
        let newest_first = |order: crate::bindings::trace_store::Order| {
            order.key == OrderKey::StartTime && order.descending
        };
        Ok(SpanPage {
            spans: SpanBatch::Records(spans),
            cursor,
            ordered: query.order.is_none_or(newest_first),
            applied: filter.applied,
        })
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span> {
        let mlflow = mlflow()?;
        let experiment = projects::id(mlflow, &project)?;
        let no_span = || no_span(&project, &span.span_id);
        let trace = match span.trace_id.as_str() {
            "" => trace_of(mlflow, &experiment, &span.span_id)?.ok_or_else(no_span)?,
            id => search::trace_id(id),
        };
        let spans = spans_of(mlflow, &experiment, trace)?;
        spans
            .into_iter()
            .find(|it| it.span_id == span.span_id)
            .ok_or_else(no_span)
    }

    fn get_trace(
        project: String,
        trace_id: String,
        _near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage> {
        let mlflow = mlflow()?;
        let experiment = projects::id(mlflow, &project)?;
        let mut spans = spans_of(mlflow, &experiment, search::trace_id(&trace_id))?;
        if spans.is_empty() {
            return Err(search::no_trace(&project, &trace_id));
        }
        // By id, so that spans that come meanwhile move nothing.
        spans.sort_by(|left, right| left.span_id.cmp(&right.span_id));
        if let Some(cursor) = &page.cursor {
            let last = cursor::unmark("trace", cursor)?;
            spans.retain(|span| span.span_id.as_str() > last);
        }
        let is_last = spans.len() <= page.limit as usize;
        spans.truncate(page.limit as usize);
        let next = spans.last().filter(|_| !is_last);
        let cursor = next.map(|span| cursor::mark("trace", &span.span_id));
        Ok(TracePage { spans, cursor })
    }
}

/// The error for a span that is not in a project.
pub(crate) fn no_span(project: &str, id: &str) -> Error {
    error::not_found(format!("project `{project}` has no span `{id}`"))
}

/// The spans of a trace, if it is in the experiment.
fn spans_of(mlflow: &Mlflow, experiment: &str, trace: String) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    search::fetch(mlflow, &[trace], |trace| {
        if trace.info.is_in(experiment) {
            for span in trace.spans(None) {
                spans.push(span.map_err(malformed)?);
            }
        }
        Ok::<_, Error>(())
    })?;
    Ok(spans)
}

/// The trace in which a span is, which MLflow has to look for in everything that is stored of
/// the experiment's spans.
pub(crate) fn trace_of(mlflow: &Mlflow, experiment: &str, span_id: &str) -> Result<Option<String>> {
    let Some(condition) = filter::in_content(span_id) else {
        return Ok(None);
    };
    // The id is also in the children's text.
    let found: Found<Info> = search::search(
        mlflow,
        experiment,
        &[condition],
        Order::NewestFirst,
        1,
        None,
    )?;
    Ok(found.traces.into_iter().next().map(|info| info.trace_id))
}
