//! Filters give the same spans whoever applies them: the provider, the host, or DataFusion over a
//! frame that has everything.

use std::sync::Arc;

use anyhow::{Result, ensure};
use datafusion::prelude::SessionContext;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use roost::contract::{Attribute, AttributeValue, Error, Order, Projection, Span, TimeWindow};
use roost::provider::SpanQuery;
use roost::query::arrow::array::AsArray;
use roost::query::{Filter, span_frame};
use roost_tests::{Phoenix, unique};
use serde_json::json;

use crate::{Service, grammar, written};

/// How many filters are tried on the server; it answers each in some milliseconds.
const ON_THE_SERVER: usize = 150;

/// Spans that differ in everything that filters look at.
async fn varied(service: &Service, tenant: &str) -> Result<Vec<Span>> {
    let telemetry = &service.telemetry;
    for place in 0..42_usize {
        let word = grammar::WORDS[place % grammar::WORDS.len()];
        let real = grammar::REALS[place % grammar::REALS.len()];
        let name = if place % 2 == 0 { "even" } else { "odd" };
        let mut span = telemetry
            .span(name, tenant)
            .kind(if place % 3 == 0 { "LLM" } else { "TOOL" })
            .attribute("flag", place % 4 == 0);
        if place % 5 != 0 {
            span = span.attribute("word", word);
        }
        if place % 7 != 0 {
            let whole = i64::try_from(place)? - 20;
            span = span.attribute("whole", whole).attribute("real", real);
        }
        span = match place % 5 {
            0 => span.attribute("mixed", word),
            1 => span.attribute("mixed", 7),
            2 => span.attribute("mixed", real),
            3 => span.attribute("mixed", place % 2 == 0),
            _ => span,
        };
        span.in_scope(|span| {
            if place % 6 == 0 {
                telemetry.span("child", tenant).in_scope(|_| ());
            }
            if place % 8 == 0 {
                span.record_error("it failed");
            }
        });
    }
    service.delivered().await?;
    // One that ends before it begins, and took no time.
    let mut backwards = written::span("backwards", 2_000, 0, json!({ "word": "a" }));
    backwards["status_code"] = json!("UNSET");
    backwards["end_time"] = json!(written::time(1_000));
    let project = service.project(tenant)?;
    written::write(Phoenix::shared().await?, &project, &[backwards]).await?;
    service.spans(tenant, 50).await
}

fn instants(spans: &[Span]) -> Vec<u64> {
    let around = |span: &Span| [span.start_time, span.start_time + 1, span.end_time - 1];
    spans.iter().step_by(9).flat_map(around).collect()
}

/// The same filters every time, so that a failure can be seen again.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn ids<'s>(spans: impl IntoIterator<Item = &'s Span>) -> Vec<&'s str> {
    let mut ids: Vec<_> = spans
        .into_iter()
        .map(|span| span.span_id.as_str())
        .collect();
    ids.sort_unstable();
    ids
}

/// What the host alone says.
fn fitting<'s>(filter: &Filter, spans: &'s [Span]) -> Result<Vec<&'s Span>> {
    let fits = filter.fits(spans)?;
    let fitting = spans.iter().zip(fits).filter(|(_, fits)| *fits);
    Ok(fitting.map(|(span, _)| span).collect())
}

#[tokio::test]
async fn any_filter_gives_the_same_spans_pushed_down_and_host_only() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let all = varied(&service, &tenant).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let filters = grammar::any(instants(&all));
    let mut runner = runner(1);
    let (mut selective, mut pushed) = (0, 0);
    for _ in 0..ON_THE_SERVER {
        let text = filters
            .new_tree(&mut runner)
            .map_err(anyhow::Error::msg)?
            .current();
        let filter = Filter::parse(&text)?;
        let expected = fitting(&filter, &all)?;
        let query = SpanQuery::new(project.as_str(), TimeWindow::all()).matching(&filter);
        let found = provider.traces().get_spans(&query).await?;
        assert_eq!(ids(&found), ids(expected.iter().copied()), "{text}");
        // Whatever else the answer needs, the filter's own attributes are read.
        let bare = Projection {
            attributes: Some(Vec::new()),
            events: false,
            links: false,
            resource: false,
        };
        let found = provider.traces().get_spans(&query.project_to(bare)).await?;
        assert_eq!(
            ids(&found),
            ids(expected.iter().copied()),
            "{text}, projected"
        );
        selective += usize::from(!expected.is_empty() && expected.len() < all.len());
        pushed += usize::from(!filter.predicates().is_empty());
    }
    // Otherwise nothing was shown.
    ensure!(selective > ON_THE_SERVER / 2, "{selective} filters chose");
    ensure!(
        pushed > ON_THE_SERVER / 4,
        "{pushed} filters were handed down"
    );
    Ok(())
}

#[tokio::test]
async fn a_filter_means_what_datafusion_says_of_a_frame() -> Result<()> {
    let span = |place: usize| {
        let mut attributes = Vec::new();
        let mut add = |key: &str, value| {
            attributes.push(Attribute {
                key: key.to_owned(),
                value,
            })
        };
        if !place.is_multiple_of(5) {
            add(
                "word",
                AttributeValue::Text(grammar::WORDS[place % 7].to_owned()),
            );
        }
        if !place.is_multiple_of(3) {
            add(
                "whole",
                AttributeValue::Integer(i64::try_from(place).unwrap() - 20),
            );
            add("real", AttributeValue::Number(grammar::REALS[place % 6]));
        }
        if !place.is_multiple_of(4) {
            add("flag", AttributeValue::Boolean(place.is_multiple_of(2)));
        }
        if place == 0 {
            // So that the frame has the column.
            add("absent", AttributeValue::Text("x".to_owned()));
        }
        let start_time = 1_795_000_000_000_000_000 + u64::try_from(place).unwrap() * 1000;
        Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: format!("{place:016x}"),
            parent_id: place.is_multiple_of(6).then(|| "a".to_owned()),
            name: grammar::WORDS[place % 7].to_owned(),
            kind: if place.is_multiple_of(2) {
                "LLM"
            } else {
                "TOOL"
            }
            .to_owned(),
            status: [
                roost::contract::StatusCode::Unset,
                roost::contract::StatusCode::Ok,
                roost::contract::StatusCode::Error,
            ][place % 3],
            status_message: String::new(),
            start_time,
            end_time: start_time + u64::try_from(place).unwrap() * 500_000,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        }
    };
    let spans: Vec<Span> = (0..84).map(span).collect();
    let context = SessionContext::new();
    context.register_batch("frame", span_frame(&spans)?)?;
    let mut runner = runner(1);
    // A number is no instant to DataFusion, and its largest whole number is exact.
    let filters = grammar::plain(vec![0]);
    for _ in 0..400 {
        let text = filters
            .new_tree(&mut runner)
            .map_err(anyhow::Error::msg)?
            .current();
        if text.contains("_time") || text.contains("9007199254740993") {
            continue;
        }
        let filter = Filter::parse(&text)?;
        let statement = format!("SELECT \"context.span_id\" FROM frame WHERE {text}");
        let mut theirs = Vec::new();
        for batch in context.sql(&statement).await?.collect().await? {
            let ids = batch.column(0).as_string::<i32>().iter().flatten();
            theirs.extend(ids.map(str::to_owned));
        }
        theirs.sort_unstable();
        assert_eq!(ids(fitting(&filter, &spans)?), theirs, "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn the_filters_of_the_python_library_work() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let all = varied(&service, &tenant).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let query = || SpanQuery::new(project.as_str(), TimeWindow::all());
    let count = async |text: &str| -> Result<usize> {
        let query = query().matching(&text.parse()?);
        Ok(provider.traces().get_spans(&query).await?.len())
    };
    let errors = all
        .iter()
        .filter(|span| span.status.as_str() == "ERROR")
        .count();
    assert_eq!(errors, 6);
    assert_eq!(count("status.code = 'ERROR'").await?, errors);
    assert_eq!(count("span.status_code = 'OK'").await?, 0);
    assert_eq!(
        count("span.status_code = 'UNSET'").await?,
        all.len() - errors
    );
    assert_eq!(count("duration > 1000").await?, 0);
    assert_eq!(count("duration >= 0").await?, all.len());
    // The limit counts what fits, also where the host alone can tell.
    let odd = "lower(name) = 'odd'".parse()?;
    let query = query().matching(&odd).limit(2).order_by(
        "duration DESC"
            .parse::<Order>()
            .map_err(anyhow::Error::msg)?,
    );
    let found = provider.traces().get_spans(&query).await?;
    assert_eq!(crate::names(&found), ["odd"; 2]);
    assert!(found[0].latency_ms() >= found[1].latency_ms());
    Ok(())
}

#[tokio::test]
async fn a_page_boundary_hides_nothing() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    for place in 0..1100_i64 {
        let span = service.telemetry.span("many", &tenant);
        span.attribute("place", place).in_scope(|_| ());
    }
    service.delivered().await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    // One that no predicate can say, so that the host looks at every page.
    let filter = Filter::parse("CAST(attributes['place'] AS BIGINT) % 100 = 99")?;
    assert!(!filter.is_pushed_down());
    let query = SpanQuery::new(project.as_str(), TimeWindow::all()).matching(&filter);
    let found = roost_tests::eventually("1100 spans", crate::SOON * 3, async || {
        let found = provider.traces().get_spans(&query).await?;
        ensure!(found.len() == 11, "{} of 11", found.len());
        Ok(found)
    })
    .await?;
    assert_eq!(found.len(), 11);
    let mut frames = provider
        .traces()
        .frames(&SpanQuery::new(project.as_str(), TimeWindow::all()).limit(usize::MAX))?;
    let mut rows = Vec::new();
    while let Some(frame) = frames.next().await? {
        assert!(frame.num_rows() > 0);
        rows.push(frame.num_rows());
    }
    assert_eq!(rows.iter().sum::<usize>(), 1100);
    assert!(rows.len() > 1, "{rows:?}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_answered_is_an_error() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    service
        .telemetry
        .span("one", &tenant)
        .attribute("n", 0)
        .in_scope(|_| ());
    service.delivered().await?;
    service.spans(&tenant, 1).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    // A filter that fails on a row says which filter it was.
    let filter = Filter::parse("CAST(name AS INT) = 1")?;
    let query = SpanQuery::new(project.as_str(), TimeWindow::all()).matching(&filter);
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::InvalidArgument(_)), "{error}");
    assert!(error.to_string().contains("CAST(name AS INT)"), "{error}");

    let elsewhere = service.telemetry.project_name(&tenant, Some("nowhere"))?;
    let query = SpanQuery::new(elsewhere, TimeWindow::all());
    let missing = provider.traces().frames(&query)?.next().await.unwrap_err();
    assert!(matches!(missing.kind(), Error::NotFound(_)), "{missing}");
    let other = SpanQuery::new(service.project(&unique("other"))?, TimeWindow::all());
    let refused = provider.traces().frames(&other).map(|_| ()).unwrap_err();
    assert!(
        matches!(refused.kind(), Error::PermissionDenied(_)),
        "{refused}"
    );

    let nothing =
        SpanQuery::new(project.as_str(), TimeWindow::all()).matching(&"name = 'two'".parse()?);
    let frame = Arc::new(provider.traces().frames(&nothing)?.collect().await?);
    assert_eq!(frame.num_rows(), 0);
    assert!(frame.column_by_name("context.span_id").is_some());
    Ok(())
}
