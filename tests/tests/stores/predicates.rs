//! Every predicate on every kind of value: a backend may leave them to the host, and must not
//! answer otherwise.

use anyhow::Result;
use opentelemetry::{Array, Value};
use roost::contract::{AttributeValue, Condition, Field, Predicate, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::unique;

use crate::{Backend, Service, on_every_backend};

on_every_backend! {
    every_predicate_leaves_what_the_host_would_leave,
}

async fn every_predicate_leaves_what_the_host_would_leave(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let values: [Option<Value>; 12] = [
        None,
        Some("text".into()),
        Some("Text".into()),
        Some("7".into()),
        Some("größer 🦉".into()),
        Some(7.into()),
        Some(7.5.into()),
        Some(0.1.into()),
        Some((-3).into()),
        Some(true.into()),
        Some(false.into()),
        Some(Value::Array(Array::String(vec!["text".into(), "b".into()]))),
    ];
    for (place, value) in values.iter().enumerate() {
        let span = service
            .telemetry
            .span(["alpha", "Beta", "ünï"][place % 3], &tenant);
        let span = match value {
            Some(value) => span
                .attribute("a.\"b' c", value.clone())
                .attribute("k", value.clone()),
            None => span,
        };
        span.in_scope(|_| ());
    }
    service.delivered().await?;
    let all = service.spans(&tenant, values.len()).await?;
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);

    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let wanted = [
        text("text"),
        text("7"),
        text("alpha"),
        text("größer 🦉"),
        text("ERROR"),
        text(&all[3].span_id),
        AttributeValue::Integer(7),
        AttributeValue::Number(7.5),
        AttributeValue::Number(0.1),
        AttributeValue::Boolean(true),
        AttributeValue::Integer(all[5].start_time as i64),
    ];
    let mut conditions = vec![
        Condition::Present,
        Condition::Absent,
        Condition::Contains("e".to_owned()),
        Condition::Contains("🦉".to_owned()),
        Condition::OneOf(wanted.to_vec()),
    ];
    for value in wanted {
        conditions.extend([
            Condition::Equal(value.clone()),
            Condition::NotEqual(value.clone()),
            Condition::Less(value.clone()),
            Condition::LessOrEqual(value.clone()),
            Condition::Greater(value.clone()),
            Condition::GreaterOrEqual(value),
        ]);
    }
    let fields = [
        Field::TraceId,
        Field::SpanId,
        Field::ParentId,
        Field::Name,
        Field::Kind,
        Field::Status,
        Field::StatusMessage,
        Field::StartTime,
        Field::EndTime,
        Field::LatencyMs,
        Field::Attribute("k".to_owned()),
        Field::Attribute("a.\"b' c".to_owned()),
        Field::Attribute("nowhere".to_owned()),
    ];
    // Phoenix answers in tens of milliseconds.
    let step = if backend == Backend::Phoenix { 7 } else { 1 };
    let questions = fields.iter().flat_map(|field| {
        let of = move |condition: &Condition| Predicate::new(field.clone(), condition.clone());
        conditions.iter().map(of)
    });
    for predicate in questions.step_by(step) {
        let query = SpanQuery::new(project.as_str(), TimeWindow::all()).filter(predicate.clone());
        let mut found = provider.traces().get_spans(&query).await?;
        found.sort_by_key(|span| span.start_time);
        let expected = all.iter().filter(|span| predicate.matches(span));
        let ids = |spans: &mut dyn Iterator<Item = &roost::contract::Span>| {
            spans.map(|span| span.span_id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            ids(&mut found.iter()),
            ids(&mut expected.into_iter()),
            "{predicate:?}"
        );
    }
    Ok(())
}
