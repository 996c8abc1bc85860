//! Few columns of many spans. Phoenix answers them over another way than whole spans, and they
//! must be the same. Where the order does not matter that way begins with the latest start,
//! and the other with what came in last: so the order tells which way was gone.

use std::collections::BTreeSet;

use anyhow::Result;
use roost::contract::{
    AttributeValue, Condition, Error, Field, Order, OrderKey, Predicate, Projection, Span,
    TimeWindow,
};
use roost::provider::{Provider, SpanQuery};
use roost::query::arrow::array::AsArray;
use roost_tests::{Phoenix, unique};
use serde_json::json;

use crate::written::{NOON, span, time, write};
use crate::{Service, Settings};

fn all_of(project: &str) -> SpanQuery {
    SpanQuery::new(project, TimeWindow::all()).limit(100_000)
}

fn only(keys: &[&str]) -> Projection {
    Projection {
        attributes: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
        events: false,
        links: false,
        resource: false,
    }
}

/// A span with no more than these attributes, as text to compare: floating point numbers and
/// whole ones differ in it.
fn told(span: &Span, keys: &[&str]) -> String {
    let mut span = span.clone();
    span.attributes.retain(|it| keys.contains(&it.key.as_str()));
    span.attributes
        .sort_by(|left, right| left.key.cmp(&right.key));
    span.events.clear();
    format!("{span:?}")
}

fn told_all(spans: &[Span], keys: &[&str]) -> BTreeSet<String> {
    spans.iter().map(|span| told(span, keys)).collect()
}

/// Whether the spans begin with the latest start; they are written so that those which came in
/// last do not have it.
fn by_slices(spans: &[Span]) -> bool {
    spans.is_sorted_by_key(|span| std::cmp::Reverse(span.start_time))
}

async fn read(provider: &Provider, query: &SpanQuery) -> Result<Vec<Span>> {
    Ok(provider.traces().get_spans(query).await?)
}

#[tokio::test]
async fn columns_read_alone_are_what_they_are_in_whole_spans() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let spans: Vec<_> = (0..360_u64)
        .map(|place| {
            let mut attributes = json!({
                "openinference.span.kind": (["LLM", "CHAIN", "odd"][place as usize % 3]),
                "text": format!("hé\"llo '\\ 名前 {place}"),
                "like.a.number": "16",
                "whole": place + 2,
                "broken": place as f64 + 0.25,
                "größe.名前": format!("ü{place}"),
                "session.id": format!("{project}:s{}", place / 10),
                "either": place % 2 == 0,
                "round": place as f64,
                "mixed": if place % 2 == 0 { json!("x") } else { json!(5) },
                "list": ["a", "b"],
                "tree": { "leaf": place },
                "messages": [{ "content": "hi" }],
                "it's \"quoted\"": "q",
                "huge": 9_007_199_254_740_993_u64 + place,
            });
            let map = attributes.as_object_mut().unwrap();
            if place % 40 == 0 {
                map.insert("rare".to_owned(), json!(7));
                map.insert("rare.below".to_owned(), json!("deep"));
                map.insert("seldom".to_owned(), json!(["l"]));
            } else if place % 2 == 0 {
                map.insert("rare.below".to_owned(), json!("shallow"));
                map.insert("llm.token_count.total".to_owned(), json!(place));
                map.insert("empty".to_owned(), json!(""));
            }
            if place % 50 == 1 {
                map.remove("openinference.span.kind");
            }
            // Out of order, so that coming in and beginning differ.
            span("op", place * 7_919 % 360 * 1_000, 1_000 + place, attributes)
        })
        .collect();
    write(phoenix, &project, &spans).await?;
    let whole = read(&provider, &all_of(&project)).await?;
    assert_eq!(whole.len(), 360);
    assert!(!by_slices(&whole));

    for (keys, slices) in [
        (&["text"][..], true),
        (&[], true),
        (&["whole", "broken", "huge"], true),
        (
            &["like.a.number", "größe.名前", "session.id", "nowhere"],
            true,
        ),
        (&["llm.token_count.total", "empty"], true),
        // Doubtful in a few spans, which are read again.
        (&["rare.below", "seldom"], true),
        (&["openinference.span.kind"], true),
        // Doubtful in all.
        (&["either"], false),
        (&["round"], false),
        (&["list"], false),
        (&["tree"], false),
        (&["tree.leaf"], true),
        // More than Phoenix can put into one column.
        (&["mixed", "text"], false),
        (&["rare"], false),
        // Not to be asked for by this name.
        (&["messages.0.content"], false),
        (&["it's \"quoted\""], false),
    ] {
        let narrow = read(&provider, &all_of(&project).project_to(only(keys))).await?;
        assert_eq!(told_all(&narrow, keys), told_all(&whole, keys), "{keys:?}");
        assert_eq!(by_slices(&narrow), slices, "{keys:?}");
    }
    Ok(())
}

/// Of 2,600 spans 1,100 began in one instant, more than fit on a page of Phoenix.
#[tokio::test]
async fn pages_of_columns_neither_repeat_nor_lose_a_span() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let spans: Vec<_> = (0..2_600_u64)
        .map(|place| {
            let start = match place {
                0..1_100 => 5_000_000,
                1_100..2_500 => place * 7_919 % 1_400 * 10,
                // Hours later.
                _ => 20_000_000_000 + place * 7_919 % 100 * 1_000_000,
            };
            span("op", start, 1, json!({ "place": format!("{place}") }))
        })
        .collect();
    write(phoenix, &project, &spans).await?;
    let narrow = || all_of(&project).project_to(only(&["place"]));
    let places = |spans: &[Span]| {
        let place = |span: &Span| crate::text(span, "place").to_owned();
        spans.iter().map(place).collect::<BTreeSet<_>>()
    };

    for descending in [false, true] {
        let order = Order {
            key: OrderKey::StartTime,
            descending,
        };
        let found = read(&provider, &narrow().order_by(order)).await?;
        assert_eq!(found.len(), 2_600);
        assert_eq!(places(&found).len(), 2_600);
        assert!(found.is_sorted_by(|left, right| match descending {
            true => left.start_time >= right.start_time,
            false => left.start_time <= right.start_time,
        }));
        let first = read(&provider, &narrow().order_by(order).limit(1_500)).await?;
        assert_eq!(first.len(), 1_500);
        let starts = |spans: &[Span]| spans.iter().map(|it| it.start_time).collect::<Vec<_>>();
        assert_eq!(starts(&first), starts(&found[..1_500]));
    }

    the_first_of_an_order_cost_one_page(&tenant, &project).await?;

    // A part of them fits on a page; what comes in meanwhile moves nothing.
    let uneven = TimeWindow::new(NOON, NOON + 4_000_000_000);
    let query = SpanQuery::new(&project, uneven)
        .limit(100_000)
        .project_to(only(&["place"]));
    let traces = provider.traces();
    let mut pages = traces.pages(&query)?;
    let mut found = pages.next().await?.unwrap();
    assert!(by_slices(&found) && found.len() < 1_400);
    let late: Vec<_> = (0..100)
        .map(|place| {
            span(
                "late",
                place * 140,
                1,
                json!({ "place": format!("late {place}") }),
            )
        })
        .collect();
    write(phoenix, &project, &late).await?;
    while let Some(page) = pages.next().await? {
        found.extend(page);
    }
    assert!(by_slices(&found));
    assert_eq!(places(&found).len(), found.len());
    found.retain(|span| span.name == "op");
    assert_eq!(found.len(), 1_400);
    Ok(())
}

/// SQL asks for the first spans of an order, not for all of them; of an order that the backend
/// does not have it reads all, and answers the same.
async fn the_first_of_an_order_cost_one_page(tenant: &str, project: &str) -> Result<()> {
    let service = Service::start(Phoenix::shared().await?, Settings::default()).await?;
    let provider = service.provider(tenant)?;
    let calls = || {
        let providers = service.telemetry.host().unwrap().providers();
        providers[0].generation.as_ref().unwrap().calls
    };
    let ask = async |statement: &str| {
        let before = calls();
        let traces = provider.traces();
        let answer = traces.sql(project, TimeWindow::all(), statement).await?;
        let rows = answer.collect().await?;
        let places = rows.column(0).as_string::<i32>().iter();
        let places: Vec<_> = places.flatten().map(str::to_owned).collect();
        anyhow::Ok((places, calls() - before))
    };
    let place = "SELECT attributes['place'] AS p FROM spans";
    let (all, pages) = ask(&format!("{place} ORDER BY start_time DESC, p")).await?;
    assert!(all.len() == 2_600 && pages > 1, "{pages}");
    for (statement, answer) in [
        (
            format!("{place} ORDER BY start_time DESC LIMIT 3"),
            &all[..3],
        ),
        (
            format!("{place} ORDER BY start_time DESC LIMIT 3 OFFSET 2"),
            &all[2..5],
        ),
        (
            format!(
                "SELECT p FROM ({place} WHERE latency_ms >= 0 ORDER BY start_time DESC LIMIT 4) AS t"
            ),
            &all[..4],
        ),
    ] {
        assert_eq!(ask(&statement).await?, (answer.to_vec(), 1), "{statement}");
    }
    for key in [
        "start_time DESC, p",
        "start_time + INTERVAL '1 second' DESC",
    ] {
        let (found, read) = ask(&format!("{place} ORDER BY {key} LIMIT 3")).await?;
        assert_eq!((&found[..], read), (&all[..3], pages), "{key}");
    }
    let (by_end, _) = ask(&format!("{place} ORDER BY end_time DESC LIMIT 3")).await?;
    assert_eq!(by_end, all[..3]);
    Ok(())
}

#[tokio::test]
async fn a_project_without_spans_and_one_that_is_not_there_differ() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let query = all_of(&project).project_to(only(&["place"]));
    let error = provider.traces().get_spans(&query).await.unwrap_err();
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    provider.projects().ensure_project(&project, None).await?;
    assert!(read(&provider, &query).await?.is_empty());
    Ok(())
}

/// What only the query endpoint applies is handed down for whole spans as well.
#[tokio::test]
async fn filters_of_the_query_endpoint_mean_what_they_mean_here() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let spans: Vec<_> = (0..60_u64)
        .map(|place| {
            let value = match place % 6 {
                0 => json!("5"),
                1 => json!(5),
                2 => json!(5.5),
                3 => json!(true),
                4 => json!("ünï 'x' \"y\""),
                _ => json!(null),
            };
            let start = place * 7_919 % 60 * 1_000;
            let mut written = span(
                ["search", "Search", "ünï"][place as usize % 3],
                start,
                place * 100,
                json!({ "v": value, "deep.er.v": value, "session.id": format!("{project}:s1") }),
            );
            written["status_code"] = json!(["OK", "ERROR", "UNSET"][place as usize % 3]);
            if place == 30 {
                // It ends before it begins, and took no time.
                written["end_time"] = json!(time(start - 500));
            }
            written
        })
        .collect();
    write(phoenix, &project, &spans).await?;
    let whole = read(&provider, &all_of(&project)).await?;
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let number = AttributeValue::Number;
    let key = |key: &str| Field::Attribute(key.to_owned());
    let at = |after: u64| AttributeValue::Integer((NOON + after).cast_signed());
    let mut cases = vec![
        (
            Field::Name,
            Condition::OneOf(vec![text("search"), text("ünï")]),
        ),
        (
            Field::Status,
            Condition::OneOf(vec![text("ERROR"), text("UNSET")]),
        ),
        (
            Field::Kind,
            Condition::OneOf(vec![text("CHAIN"), text("LLM")]),
        ),
        (Field::EndTime, Condition::Less(at(30_000_001))),
        (Field::EndTime, Condition::GreaterOrEqual(at(30_000_001))),
        (Field::EndTime, Condition::Greater(at(30_000_000))),
        (Field::StartTime, Condition::LessOrEqual(at(30_000_000))),
        (
            Field::SpanId,
            Condition::OneOf(vec![text(&whole[3].span_id), text("no id")]),
        ),
        (key("session.id"), Condition::Equal(text("s1"))),
    ];
    for limit in [-1.0, 0.0, 2.5, 2.9, 100.0] {
        cases.push((Field::LatencyMs, Condition::Greater(number(limit))));
        cases.push((Field::LatencyMs, Condition::GreaterOrEqual(number(limit))));
        cases.push((Field::LatencyMs, Condition::Less(number(limit))));
        cases.push((Field::LatencyMs, Condition::LessOrEqual(number(limit))));
        cases.push((Field::LatencyMs, Condition::Equal(number(limit))));
    }
    for key in ["v", "deep.er.v", "nowhere"].map(key) {
        for value in [
            text("5"),
            text("ünï 'x' \"y\""),
            text("true"),
            number(5.0),
            number(5.5),
        ] {
            cases.push((key.clone(), Condition::Equal(value.clone())));
            cases.push((key.clone(), Condition::NotEqual(value.clone())));
            cases.push((
                key.clone(),
                Condition::OneOf(vec![value.clone(), text("x")]),
            ));
            cases.push((key.clone(), Condition::GreaterOrEqual(value.clone())));
            cases.push((key.clone(), Condition::Less(value)));
        }
    }
    for (field, condition) in cases {
        let predicate = Predicate::new(field, condition);
        let fitting: Vec<Span> = whole
            .iter()
            .filter(|span| predicate.matches(span))
            .cloned()
            .collect();
        // With a limit as high the query endpoint is asked; so it is for whole spans where
        // nothing else applies what is asked for.
        for query in [
            all_of(&project),
            all_of(&project).project_to(only(&["deep.er.v"])),
        ] {
            let found = read(&provider, &query.filter(predicate.clone())).await?;
            let keys = &["deep.er.v"];
            assert_eq!(
                told_all(&found, keys),
                told_all(&fitting, keys),
                "{predicate:?}"
            );
            assert_eq!(found.len(), fitting.len());
        }
    }

    let slow = Predicate::new(Field::LatencyMs, Condition::Greater(number(2.9)));
    let found = read(&provider, &all_of(&project).filter(slow)).await?;
    assert!(by_slices(&found));
    let mut fitting = whole;
    fitting.retain(|span| span.latency_ms() > 2.9);
    let keys = &["v", "deep.er.v", "session.id"];
    assert_eq!(told_all(&found, keys), told_all(&fitting, keys));
    Ok(())
}

/// The key of a viewer may read over REST and not ask the query endpoint.
#[tokio::test]
async fn a_viewers_key_reads_columns_as_well() -> Result<()> {
    let phoenix = Phoenix::shared_with_auth().await?;
    let connection = format!("secrets.api_key = \"{}\"", phoenix.api_key().await?);
    let key = viewers_key(phoenix).await?;
    let tenant = unique("acme");
    let mut found = Vec::new();
    for connection in [connection, format!("secrets.api_key = \"{key}\"")] {
        let settings = Settings {
            connection: &connection,
            ..Settings::default()
        };
        let service = Service::start(phoenix, settings).await?;
        if found.is_empty() {
            let telemetry = &service.telemetry;
            let span = telemetry.span("work", &tenant).attribute("place", 7);
            span.in_scope(|_| ());
            service.delivered().await?;
            service.spans(&tenant, 1).await?;
        }
        let project = service.project(&tenant)?;
        let query = all_of(&project).project_to(only(&["place"]));
        found.push(told_all(
            &read(&service.provider(&tenant)?, &query).await?,
            &["place"],
        ));
    }
    assert_eq!(found[0].len(), 1);
    assert_eq!(found[0], found[1]);
    Ok(())
}

async fn viewers_key(phoenix: &Phoenix) -> Result<String> {
    let name = unique("viewer");
    let (email, password) = (format!("{name}@localhost.example"), "Viewer-of-spans-1");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let address = |path: &str| format!("{}{path}", phoenix.http_endpoint());
    let user = json!({ "email": email, "username": name, "role": "VIEWER",
        "auth_method": "LOCAL", "password": password });
    client
        .post(address("/v1/users"))
        .bearer_auth(phoenix.admin_key().unwrap_or_default())
        .json(&json!({ "user": user, "send_welcome_email": false }))
        .send()
        .await?
        .error_for_status()?;
    let login = client
        .post(address("/auth/login"))
        .json(&json!({ "email": email, "password": password }))
        .send()
        .await?
        .error_for_status()?;
    let cookies: Vec<&str> = login
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .collect();
    let answer: serde_json::Value = client
        .post(address("/v1/user/api_keys"))
        .header("cookie", cookies.join("; "))
        .json(&json!({ "data": { "name": name } }))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    Ok(answer["data"]["key"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}
