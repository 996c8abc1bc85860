//! `trace-store`: spans on their way out.

use roost_provider::database::{DatabaseError, Row, Sql as _, parameters};
use roost_provider::types::{PageRequest, Span, SpanRef};
use roost_provider::{Error, error};

use crate::bindings::trace_store::{
    Field, Guest, Order, OrderKey, Projection, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use crate::condition::Question;
use crate::database::{database, project};
use crate::span::{COLUMNS, read};
use crate::{Provider, Result, cursor};

/// The order of those who do not care.
const NEWEST_FIRST: Order = Order {
    key: OrderKey::StartTime,
    descending: true,
};

impl Guest for Provider {
    fn get_spans(query: SpanQuery) -> Result<SpanPage> {
        let database = database()?;
        let project = project(database, &query.project)?;
        let mut limit = query.page.limit;
        loop {
            let (question, applied) = ask(&query, project, limit)?;
            match database.rows(&question.sql, question.parameters) {
                Ok(rows) => return page(&query, rows, limit, applied),
                // Whole spans may be large; a page may have fewer of them.
                Err(DatabaseError::TooLarge(_)) if limit > 1 => limit = limit.div_ceil(8),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn get_span(project_name: String, span: SpanRef) -> Result<Span> {
        let database = database()?;
        let project = project(database, &project_name)?;
        let sql = format!(
            "SELECT {COLUMNS}, c.content FROM spans s JOIN contents c ON c.span = s.id
            WHERE s.project = $1 AND s.span_id = $2 AND $3 IN ('', s.trace_id)"
        );
        let found = database.rows(&sql, parameters![project, &span.span_id, &span.trace_id])?;
        let Some(row) = found.into_iter().next() else {
            let missing = format!("there is no span `{}` in `{project_name}`", span.span_id);
            return Err(error::not_found(missing));
        };
        Ok(read(row, true)?.0)
    }

    fn get_trace(
        project_name: String,
        trace_id: String,
        _near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage> {
        let database = database()?;
        let project = project(database, &project_name)?;
        let (_, last) = cursor::read("trace", page.cursor.as_deref())?.unwrap_or_default();
        let sql = format!(
            "SELECT {COLUMNS}, c.content FROM spans s JOIN contents c ON c.span = s.id
            WHERE s.project = $1 AND s.trace_id = $2 AND s.id > $3 ORDER BY s.id LIMIT $4"
        );
        let mut limit = page.limit;
        let rows = loop {
            let values = parameters![project, &trace_id, last, u64::from(limit) + 1];
            match database.rows(&sql, values) {
                Err(DatabaseError::TooLarge(_)) if limit > 1 => limit = limit.div_ceil(8),
                rows => break rows?,
            }
        };
        let spans = rows.into_iter().map(|row| read(row, true));
        let mut spans: Vec<_> = spans.collect::<Result<_>>()?;
        if spans.is_empty() && page.cursor.is_none() {
            let missing = format!("there is no trace `{trace_id}` in `{project_name}`");
            return Err(error::not_found(missing));
        }
        let cursor = cursor::cut(&mut spans, limit, |(_, id)| cursor::after("trace", 0, *id));
        Ok(TracePage {
            spans: spans.into_iter().map(|(span, _)| span).collect(),
            cursor,
        })
    }
}

fn is_whole(projection: Option<&Projection>) -> bool {
    projection.is_none_or(|it| {
        it.events
            || it.links
            || it.resource
            || it.attributes.as_ref().is_none_or(|it| !it.is_empty())
    })
}

fn column(key: OrderKey) -> &'static str {
    match key {
        OrderKey::StartTime => "start_time",
        OrderKey::EndTime => "end_time",
        OrderKey::Latency => "latency",
    }
}

/// The listing that a cursor belongs to.
fn listing(order: Order) -> String {
    let direction = if order.descending { "desc" } else { "asc" };
    format!("{}-{direction}", column(order.key))
}

/// The statement for a page, and which predicates it applies.
fn ask(query: &SpanQuery, project: i64, limit: u32) -> Result<(Question, Vec<u32>)> {
    let order = query.order.unwrap_or(NEWEST_FIRST);
    let whole = is_whole(query.projection.as_ref());
    let looks_inside = |field: &Field| matches!(field, Field::Attribute(_));
    let joins = whole || query.predicates.iter().any(|it| looks_inside(&it.field));
    let mut question = Question::new(database()?.dialect(), format!("SELECT {COLUMNS}"));
    if whole {
        question.push(", c.content");
    }
    question.push(" FROM spans s");
    if joins {
        question.push(" JOIN contents c ON c.span = s.id");
    }
    let project = question.bind(project);
    let (start, end) = (
        question.bind(query.window.start),
        question.bind(query.window.end),
    );
    question.push(&format!(
        " WHERE s.project = {project} AND s.start_time >= {start} AND s.start_time < {end}"
    ));
    if query.roots_only {
        question.push(" AND s.parent_id IS NULL");
    }
    let mut applied = Vec::new();
    for (predicate, place) in query.predicates.iter().zip(0..) {
        if question.and(predicate) {
            applied.push(place);
        }
    }
    let column = column(order.key);
    let (than, direction) = if order.descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    if let Some((value, id)) = cursor::read(&listing(order), query.page.cursor.as_deref())? {
        let (value, id) = (question.bind(value), question.bind(id));
        question.push(&format!(" AND (s.{column}, s.id) {than} ({value}, {id})"));
    }
    let limit = question.bind(u64::from(limit) + 1);
    question.push(&format!(
        " ORDER BY s.{column} {direction}, s.id {direction} LIMIT {limit}"
    ));
    Ok((question, applied))
}

fn page(query: &SpanQuery, rows: Vec<Row>, limit: u32, applied: Vec<u32>) -> Result<SpanPage> {
    let order = query.order.unwrap_or(NEWEST_FIRST);
    let projection = query.projection.as_ref();
    let whole = is_whole(projection);
    let spans = rows.into_iter().map(|row| read(row, whole));
    let mut spans: Vec<(Span, i64)> = spans.collect::<Result<_, Error>>()?;
    let cursor = cursor::cut(&mut spans, limit, |(span, id)| {
        let key = match order.key {
            OrderKey::StartTime => span.start_time,
            OrderKey::EndTime => span.end_time,
            OrderKey::Latency => span.end_time.saturating_sub(span.start_time),
        };
        cursor::after(&listing(order), key.cast_signed(), *id)
    });
    let spans = spans.into_iter().map(|(mut span, _)| {
        if let Some(projection) = projection {
            narrow(&mut span, projection);
        }
        span
    });
    Ok(SpanPage {
        spans: SpanBatch::Records(spans.collect()),
        cursor,
        applied,
        ordered: true,
    })
}

/// Leave out what is not wanted.
fn narrow(span: &mut Span, projection: &Projection) {
    if let Some(keys) = &projection.attributes {
        span.attributes.retain(|it| keys.contains(&it.key));
    }
    if !projection.events {
        span.events.clear();
    }
    if !projection.links {
        span.links.clear();
    }
    if !projection.resource {
        span.resource.clear();
    }
}
