//! Pages of spans, while others write.

use std::collections::BTreeSet;

use anyhow::Result;
use roost::contract::{Order, OrderKey, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Mlflow, span_id, trace_id, unique};

use crate::Service;
use crate::server::{experiment, send, span};

const BEGIN: u64 = 1_795_168_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// Long traces over short ones, many that begin in one millisecond, and more than a page.
#[tokio::test]
async fn every_span_comes_once_newest_first_whatever_the_traces_are_like() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let project = service.project(&tenant)?;
    let id = experiment(mlflow, &project).await?;

    let mut spans = Vec::new();
    // One trace as long as all others together.
    let (long, root) = (trace_id(), span_id());
    spans.push(span(
        (&long, &root, ""),
        "long",
        BEGIN,
        BEGIN + 300 * SECOND,
    ));
    for place in 0..300 {
        let start = BEGIN + place * SECOND + 3;
        spans.push(span((&long, &span_id(), &root), "step", start, start + 1));
        let short = span((&trace_id(), &span_id(), ""), "short", start + 7, start + 9);
        spans.push(short);
    }
    // Traces of one millisecond.
    for place in 0..150 {
        let start = BEGIN + 100 * SECOND + place;
        spans.push(span(
            (&trace_id(), &span_id(), ""),
            "same",
            start,
            start + 1,
        ));
    }
    let mut starts: Vec<u64> = spans
        .iter()
        .map(|span| span["startTimeUnixNano"].as_str().unwrap().parse().unwrap())
        .collect();
    starts.sort_by(|left, right| right.cmp(left));
    for part in spans.chunks(250) {
        assert_eq!(send(mlflow, &id, part).await?, 200);
    }

    let provider = service.provider(&tenant)?;
    let newest_first = Order {
        key: OrderKey::StartTime,
        descending: true,
    };
    let query = SpanQuery::new(project.clone(), TimeWindow::all()).order_by(newest_first);
    let found = provider.traces().get_spans(&query).await?;
    let found_starts: Vec<u64> = found.iter().map(|span| span.start_time).collect();
    assert_eq!(found_starts, starts);
    let ids: BTreeSet<_> = found.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), found.len());

    // A part from the middle, whose ends are in the middle of a millisecond.
    let window = TimeWindow {
        start: BEGIN + 100 * SECOND + 40,
        end: BEGIN + 200 * SECOND + 5,
    };
    let query = SpanQuery::new(project, window).order_by(newest_first);
    let found = provider.traces().get_spans(&query).await?;
    let expected: Vec<u64> = starts
        .into_iter()
        .filter(|start| (window.start..window.end).contains(start))
        .collect();
    let found: Vec<u64> = found.iter().map(|span| span.start_time).collect();
    assert_eq!(found, expected);
    Ok(())
}

/// A trace moves when its root comes, which began before its children.
#[tokio::test]
async fn what_others_write_meanwhile_neither_repeats_a_span_nor_hides_one() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let project = service.project(&tenant)?;
    let id = experiment(mlflow, &project).await?;
    let traces: Vec<(String, String)> = (0..1_200).map(|_| (trace_id(), span_id())).collect();
    let child = |place: usize| {
        let start = BEGIN + place as u64 * 10 * MILLISECOND;
        let (trace, root) = &traces[place];
        span(
            (trace, &span_id(), root),
            "child",
            start,
            start + MILLISECOND,
        )
    };
    let children: Vec<_> = (0..1_200).map(child).collect();
    for part in children.chunks(300) {
        assert_eq!(send(mlflow, &id, part).await?, 200);
    }

    let provider = service.provider(&tenant)?;
    let query = SpanQuery::new(project.clone(), TimeWindow::all()).limit(10_000);
    let traces_store = provider.traces();
    let mut pages = traces_store.pages(&query)?;
    let mut found = pages.next().await?.unwrap();
    assert!(found.len() < 1_200);
    // The roots of those that were read take their traces far back, and new traces come.
    let seen: BTreeSet<String> = found.iter().map(|span| span.trace_id.clone()).collect();
    let roots: Vec<_> = traces
        .iter()
        .filter(|(trace, _)| seen.contains(trace))
        .map(|(trace, root)| {
            span(
                (trace, root, ""),
                "root",
                BEGIN - SECOND,
                BEGIN + 90 * SECOND,
            )
        })
        .collect();
    for part in roots.chunks(300) {
        assert_eq!(send(mlflow, &id, part).await?, 200);
    }
    let late = BEGIN + 1_200 * SECOND;
    let newest = span((&trace_id(), &span_id(), ""), "new", late, late + 1);
    assert_eq!(send(mlflow, &id, &[newest]).await?, 200);
    while let Some(page) = pages.next().await? {
        found.extend(page);
    }
    let ids: BTreeSet<_> = found.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), found.len());
    let children = found.iter().filter(|span| span.name == "child").count();
    assert_eq!(children, 1_200);
    assert!(found.len() > 1_200);
    Ok(())
}
