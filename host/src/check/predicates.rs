//! Predicates: what a page claims to have applied is applied, and nothing that fits is left out.

use std::collections::BTreeSet;

use super::expect::{ensure, wrong};
use super::listing::records;
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{AttributeValue, Condition, Field, Predicate, Span, SpanQuery};
use crate::plugin::error_name;

pub(super) async fn applied(trial: &Trial<'_>) -> Outcome {
    let spans = &trial.corpus().first;
    let Some(some) = spans.get(1) else {
        return Ok(());
    };
    for predicate in predicates(some) {
        one(trial, spans, &[predicate]).await?;
    }
    // Two at once: each claim is about its own.
    let two = [
        Predicate::equal(attribute("check.parity"), "even"),
        Predicate::new(
            attribute("check.place"),
            Condition::Greater(AttributeValue::Integer(2)),
        ),
    ];
    one(trial, spans, &two).await
}

async fn one(trial: &Trial<'_>, spans: &[Span], predicates: &[Predicate]) -> Outcome {
    let mut query = SpanQuery {
        predicates: predicates.to_vec(),
        ..trial.question(&trial.project())
    };
    let mut found = BTreeSet::new();
    let mut claimed: Option<Vec<u32>> = None;
    loop {
        let page = trial.get_spans(&query).await.map_err(|error| {
            wrong(format!(
                "get-spans with {predicates:?} answered {}: a provider that cannot apply a \
                 predicate leaves it to the host ({error:?})",
                error_name(&error)
            ))
        })?;
        let of_page = records(page.spans)?;
        for place in &page.applied {
            let predicate = predicates.get(*place as usize).ok_or_else(|| {
                wrong(format!(
                    "`applied` names place {place}, and there are {} predicates",
                    predicates.len()
                ))
            })?;
            // Of what the backend has, not of what was written: other rules see to that.
            let unfit = of_page.iter().find(|span| !predicate.matches(span));
            ensure!(
                unfit.is_none(),
                "`applied` claims {predicate:?}, which span `{}` does not fit",
                unfit.map_or("", |span| &span.name)
            );
        }
        claimed.get_or_insert_with(|| page.applied.clone());
        found.extend(of_page.into_iter().map(|span| span.span_id));
        if page.cursor.is_none() || page.cursor == query.page.cursor {
            break;
        }
        query.page.cursor = page.cursor;
    }
    let fitting = spans
        .iter()
        .filter(|span| predicates.iter().all(|it| it.matches(span)));
    for span in fitting {
        ensure!(
            found.contains(&span.span_id),
            "span `{}` fits {predicates:?} and was left out (applied: {:?})",
            span.name,
            claimed.unwrap_or_default()
        );
    }
    Ok(())
}

/// Every field and every condition, on values that some spans have and others do not.
fn predicates(span: &Span) -> Vec<Predicate> {
    use AttributeValue::{Boolean, Integer, Number, Text};
    use Condition::{
        Absent, Contains, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, OneOf,
        Present,
    };

    let text = |text: &str| Text(text.to_owned());
    let start = Integer(i64::try_from(span.start_time).unwrap_or(i64::MAX));
    let end = Integer(i64::try_from(span.end_time).unwrap_or(i64::MAX));
    let place = || attribute("check.place");
    let all = [
        (Field::TraceId, Equal(text(&span.trace_id))),
        (Field::TraceId, NotEqual(text(&span.trace_id))),
        (Field::SpanId, Equal(text(&span.span_id))),
        (
            Field::SpanId,
            OneOf(vec![text(&span.span_id), text("0000000000c0ffee")]),
        ),
        (
            Field::ParentId,
            Equal(text(span.parent_id.as_deref().unwrap_or_default())),
        ),
        (Field::ParentId, Absent),
        (Field::ParentId, Present),
        (Field::Name, Equal(text(&span.name))),
        (
            Field::Name,
            Equal(text("größe 検索 🦉 \"quoted\" \\ %2F 'x'")),
        ),
        (Field::Name, Equal(text("check' OR 1=1 --"))),
        (Field::Name, Contains("step".to_owned())),
        (Field::Name, Contains("STEP".to_owned())),
        (Field::Name, Contains("%".to_owned())),
        (Field::Name, Greater(text("check s"))),
        (Field::Kind, Equal(text("LLM"))),
        (Field::Kind, OneOf(vec![text("LLM"), text("TOOL")])),
        (Field::Status, Equal(text("ERROR"))),
        (Field::Status, NotEqual(text("OK"))),
        (Field::StatusMessage, Contains("größe".to_owned())),
        (Field::StartTime, GreaterOrEqual(start.clone())),
        (Field::StartTime, Less(start)),
        (Field::EndTime, LessOrEqual(end)),
        (Field::LatencyMs, Greater(Number(29.5))),
        (Field::LatencyMs, Equal(Integer(50))),
        (attribute("llm.model_name"), Equal(text("model-a"))),
        (attribute("llm.model_name"), NotEqual(text("model-a"))),
        (attribute("llm.model_name"), Present),
        (attribute("llm.model_name"), Absent),
        (attribute("check.boolean"), Equal(Boolean(true))),
        (attribute("check.number"), Less(Number(0.2))),
        (attribute("check.text"), Contains("検索".to_owned())),
        (place(), Equal(Integer(3))),
        (place(), Equal(Number(3.0))),
        (place(), Equal(text("3"))),
        (place(), GreaterOrEqual(Integer(3))),
        (place(), OneOf(vec![Integer(1), Integer(6)])),
        (attribute("check.never"), Equal(text("x"))),
        (attribute("check.never"), NotEqual(text("x"))),
    ];
    all.into_iter()
        .map(|(field, condition)| Predicate::new(field, condition))
        .collect()
}

fn attribute(key: &str) -> Field {
    Field::Attribute(key.to_owned())
}
