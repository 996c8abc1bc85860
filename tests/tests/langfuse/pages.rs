//! Pages of spans, while others write.

use std::collections::BTreeSet;

use anyhow::Result;
use roost::contract::{AttributeValue, Order, OrderKey, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{span_id, trace_id};

use crate::{BEGIN, MILLISECOND, Service, span, text_attribute};

/// More than two pages, many of one millisecond, and others' between them.
#[tokio::test]
async fn every_span_comes_once_newest_first_whatever_others_write() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let of = |place: u64| {
        let start = BEGIN + place / 4 * MILLISECOND;
        span(
            (&trace_id(), &span_id(), ""),
            "step",
            start,
            start + MILLISECOND,
        )
    };
    service.send("acme", (0..1_200).map(of).collect()).await?;
    service.send("globex", (0..300).map(of).collect()).await?;

    let newest_first = Order {
        key: OrderKey::StartTime,
        descending: true,
    };
    let query = SpanQuery::new(project.clone(), TimeWindow::all())
        .order_by(newest_first)
        .limit(10_000);
    let traces = provider.traces();
    let mut pages = traces.pages(&query)?;
    let mut found = pages.next().await?.unwrap();
    assert!(found.len() < 1_200);
    // Some before what was read, and some behind it.
    service
        .send("acme", (2_000..2_050).map(of).collect())
        .await?;
    service.send("acme", (0..50).map(of).collect()).await?;
    while let Some(page) = pages.next().await? {
        found.extend(page);
    }
    let ids: BTreeSet<_> = found.iter().map(|span| &span.span_id).collect();
    assert_eq!((ids.len(), found.len()), (1_250, 1_250));
    assert!(found.is_sorted_by_key(|span| std::cmp::Reverse(span.start_time)));

    let all = traces.get_spans(&query).await?;
    assert_eq!(all.len(), 1_300);
    // The other order is the host's.
    let oldest_first = Order {
        key: OrderKey::StartTime,
        descending: false,
    };
    let query = SpanQuery::new(project, TimeWindow::all())
        .order_by(oldest_first)
        .limit(10_000);
    let all = traces.get_spans(&query).await?;
    assert!(all.is_sorted_by_key(|span| span.start_time));
    Ok(())
}

#[tokio::test]
async fn a_trace_of_more_than_a_page_is_read_whole() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let trace = trace_id();
    let of = |place: u64| {
        let start = BEGIN + place * MILLISECOND;
        span((&trace, &span_id(), ""), "step", start, start)
    };
    service.send("acme", (0..700).map(of).collect()).await?;
    let found = provider.traces().get_trace(&project, &trace).await?;
    let ids: BTreeSet<_> = found.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), 700);
    Ok(())
}

/// Long texts are asked for by their keys, which go into an address like all else.
#[tokio::test]
async fn many_long_texts_under_many_keys_come_whole() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let key = |place: u64| format!("llm.input_messages.{place}.message.content");
    let text = |place: u64| format!("{place} größer 🦉 ").repeat(30);
    let of = |place: u64| {
        let start = BEGIN + place * MILLISECOND;
        let mut span = span((&trace_id(), &span_id(), ""), "chat", start, start);
        span["attributes"] = (place..place + 3)
            .map(|place| text_attribute(&key(place), &text(place)))
            .collect();
        span
    };
    service.send("acme", (0..250).map(of).collect()).await?;
    let mut talk = span((&trace_id(), &span_id(), ""), "talk", BEGIN, BEGIN);
    talk["attributes"] = (0..400)
        .map(|place| text_attribute(&key(place), &text(place)))
        .collect();
    service.send("acme", vec![talk]).await?;

    let query = SpanQuery::new(project, TimeWindow::all()).limit(10_000);
    let found = provider.traces().get_spans(&query).await?;
    assert_eq!(found.len(), 251);
    let mut texts = 0;
    for span in &found {
        for attribute in &span.attributes {
            let place = attribute.key.split('.').nth(2).unwrap().parse()?;
            let expected = AttributeValue::Text(text(place));
            assert_eq!(attribute.value, expected, "{}", attribute.key);
            texts += 1;
        }
    }
    assert_eq!(texts, 250 * 3 + 400);
    Ok(())
}
