//! Listings of spans: windows, pages, cursors and orders.

use std::collections::BTreeSet;
use std::time::Duration;

use super::corpus::{MILLI, Planned};
use super::expect::{ensure, expect_error, skip, wrong};
use super::pages::Pages;
use super::rule::Outcome;
use super::subject::moment;
use super::trial::Trial;
use crate::contract::{Order, OrderKey, Span, SpanBatch, SpanPage, SpanQuery, TimeWindow};
use crate::plugin::Class;

/// The digits that a backend keeps of a time: microseconds.
const MICRO: u64 = 1_000;

pub(super) async fn window(trial: &Trial<'_>) -> Outcome {
    let (project, spans) = (trial.project(), &trial.corpus().first);
    for span in spans.iter().filter(|span| span.parent_id.is_none()) {
        let at = span.start_time;
        for (window, is_inside) in [
            (TimeWindow::new(at, at + MICRO), true),
            (TimeWindow::new(at - MICRO, at), false),
            (TimeWindow::new(at - MICRO, at + 1), true),
            (TimeWindow::new(at + MICRO, at + 2 * MICRO), false),
        ] {
            let query = SpanQuery {
                window,
                ..trial.question(&project)
            };
            let found = all(trial, &query).await?;
            ensure!(
                found.iter().any(|it| it.span_id == span.span_id) == is_inside,
                "a span that began at {at} is {} the window from {} to {}",
                if is_inside {
                    "not found in"
                } else {
                    "found in"
                },
                window.start,
                window.end
            );
        }
    }
    Ok(())
}

pub(super) async fn empty_window(trial: &Trial<'_>) -> Outcome {
    let begin = trial
        .corpus()
        .first
        .first()
        .map_or(0, |span| span.start_time);
    for window in [
        TimeWindow::new(begin, begin),
        TimeWindow::new(begin - 2_000 * MILLI, begin - 1_000 * MILLI),
        TimeWindow::new(0, 1),
    ] {
        let query = SpanQuery {
            window,
            ..trial.question(&trial.project())
        };
        let found = all(trial, &query).await?;
        ensure!(
            found.is_empty(),
            "{} spans are in the empty window {window:?}",
            found.len()
        );
    }
    Ok(())
}

pub(super) async fn pages(trial: &Trial<'_>) -> Outcome {
    let project = trial.project();
    let expected: BTreeSet<&str> = ids(&trial.corpus().first);
    for limit in [1, 2, 5] {
        let query = with_limit(trial.question(&project), limit);
        let found = all(trial, &query).await?;
        same_ids(&format!("by pages of {limit}"), &found, &expected)?;
    }
    Ok(())
}

pub(super) async fn pages_stand_still(trial: &Trial<'_>) -> Outcome {
    let project = trial.project_of("moving");
    let begin = moment(Duration::from_secs(600));
    let plan: Vec<Planned> = (0..5)
        .map(|place| Planned::new(format!("check {place}"), begin + place * 1_000 * MILLI, 5))
        .collect();
    let before = trial.write("moving", &plan).await.map_err(wrong)?;
    let mut query = with_limit(trial.question(&project), 2);
    let mut pages = Pages::new(2);
    let mut found = Vec::new();
    let mut others = (0_u64..).map(|place| {
        // One newer than all, one older than all, and so on.
        let start = if place % 2 == 0 {
            begin + 60_000 * MILLI
        } else {
            begin - 60_000 * MILLI
        };
        Planned::new(format!("check meanwhile {place}"), start + place * MILLI, 5)
    });
    while let Some(page) = pages.next() {
        query.page = page;
        let answer = trial.get_spans(&query).await?;
        let spans = records(answer.spans)?;
        pages.advance("get-spans", spans.len(), answer.cursor)?;
        found.extend(spans);
        if found.len() < before.len() {
            let other: Vec<Planned> = others.by_ref().take(1).collect();
            trial.write("moving", &other).await.map_err(wrong)?;
        }
    }
    for span in &before {
        let times = found.iter().filter(|it| it.span_id == span.span_id).count();
        ensure!(
            times == 1,
            "span `{}` was there before the listing began and came {times} times, while others were \
             written",
            span.name
        );
    }
    Ok(())
}

pub(super) async fn cursor_of_another_instance(trial: &Trial<'_>) -> Outcome {
    let project = trial.project();
    let mut query = with_limit(trial.question(&project), 5);
    let mut pages = Pages::new(5);
    let mut found = Vec::new();
    while let Some(page) = pages.next() {
        query.page = page;
        let connection = trial.other_connection(|_| ());
        let connection = connection.ok_or_else(|| skip("there is no host"))?;
        let answer: SpanPage = trial
            .call_over(
                &connection,
                "get-spans",
                Class::Read,
                &query,
                async |store, guests| guests.traces()?.call_get_spans(store, &query).await,
            )
            .await?;
        let spans = records(answer.spans)?;
        pages.advance("get-spans", spans.len(), answer.cursor)?;
        found.extend(spans);
    }
    let expected = ids(&trial.corpus().first);
    same_ids(
        "by pages, each from an instance of its own",
        &found,
        &expected,
    )
}

pub(super) async fn foreign_cursor(trial: &Trial<'_>) -> Outcome {
    let mut query = trial.question(&trial.project());
    query.page.cursor = Some("roost check: no cursor".to_owned());
    let answer = trial.get_spans(&query).await;
    expect_error(
        "get-spans with a cursor that is none",
        answer,
        "invalid-argument",
    )
}

pub(super) async fn order(trial: &Trial<'_>) -> Outcome {
    let mut claims = 0;
    for key in [OrderKey::StartTime, OrderKey::EndTime, OrderKey::Latency] {
        for descending in [false, true] {
            let query = SpanQuery {
                order: Some(Order { key, descending }),
                ..with_limit(trial.question(&trial.project()), 5)
            };
            let (found, ordered) = all_ordered(trial, &query).await?;
            same_ids("in an order", &found, &ids(&trial.corpus().first))?;
            if !ordered {
                continue;
            }
            claims += 1;
            let value = |span: &Span| match key {
                OrderKey::StartTime => span.start_time,
                OrderKey::EndTime => span.end_time,
                OrderKey::Latency => span.end_time.saturating_sub(span.start_time),
            };
            let sorted = found.is_sorted_by(|left, right| {
                let (left, right) = (value(left), value(right));
                if descending {
                    left >= right
                } else {
                    left <= right
                }
            });
            let names: Vec<&str> = found.iter().map(|span| span.name.as_str()).collect();
            ensure!(
                sorted,
                "pages say that they follow {key:?}, descending {descending}, and come so: {names:?}"
            );
        }
    }
    if claims == 0 {
        return Err(skip("the provider claims no order"));
    }
    Ok(())
}

pub(super) async fn roots(trial: &Trial<'_>) -> Outcome {
    let query = SpanQuery {
        roots_only: true,
        ..with_limit(trial.question(&trial.project()), 5)
    };
    let found = all(trial, &query).await?;
    let roots = trial
        .corpus()
        .first
        .iter()
        .filter(|span| span.parent_id.is_none());
    let expected = roots.map(|span| span.span_id.as_str()).collect();
    same_ids("with roots-only", &found, &expected)
}

/// All spans that answer a question, page by page.
pub(super) async fn all(trial: &Trial<'_>, query: &SpanQuery) -> Outcome<Vec<Span>> {
    Ok(all_ordered(trial, query).await?.0)
}

/// [`all`], and whether each page says that it follows the order.
async fn all_ordered(trial: &Trial<'_>, query: &SpanQuery) -> Outcome<(Vec<Span>, bool)> {
    let mut query = query.clone();
    let mut pages = Pages::new(query.page.limit);
    let (mut all, mut ordered) = (Vec::new(), true);
    while let Some(page) = pages.next() {
        query.page = page;
        let answer = trial.get_spans(&query).await?;
        let spans = records(answer.spans)?;
        pages.advance("get-spans", spans.len(), answer.cursor)?;
        ordered &= answer.ordered;
        all.extend(spans);
    }
    Ok((all, ordered))
}

/// The spans of a page that was not to be Arrow.
pub(super) fn records(spans: SpanBatch) -> Outcome<Vec<Span>> {
    match spans {
        SpanBatch::Records(spans) => Ok(spans),
        SpanBatch::Arrow(_) => Err(wrong(
            "get-spans answered Arrow, and accept-arrow was false",
        )),
    }
}

pub(super) fn ids(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.span_id.as_str()).collect()
}

fn with_limit(mut query: SpanQuery, limit: u32) -> SpanQuery {
    query.page.limit = limit.min(query.page.limit);
    query
}

/// Each of these spans came once, and no other.
pub(super) fn same_ids(how: &str, found: &[Span], expected: &BTreeSet<&str>) -> Outcome {
    let mut seen = BTreeSet::new();
    for span in found {
        ensure!(
            seen.insert(span.span_id.as_str()),
            "{how}: span `{}` came twice",
            span.name
        );
        ensure!(
            expected.contains(span.span_id.as_str()),
            "{how}: span `{}` came, which does not belong there",
            span.name
        );
    }
    let missing = expected.difference(&seen).count();
    ensure!(
        missing == 0,
        "{how}: {missing} of {} spans did not come",
        expected.len()
    );
    Ok(())
}
