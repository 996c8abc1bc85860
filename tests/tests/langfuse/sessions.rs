//! Sessions: what Langfuse has of them is an id on observations.

use anyhow::Result;
use roost::contract::{AttributeValue, Error, Session, TimeWindow};
use roost_tests::{span_id, trace_id};
use serde_json::json;

use crate::{BEGIN, SECOND, Service, span, text_attribute};

#[tokio::test]
async fn traces_make_sessions_in_their_project_only() -> Result<()> {
    let service = Service::start().await?;
    // The session and the second of each trace.
    let mut traces = Vec::new();
    for (tenant, session, second) in [
        ("acme", "it's early 🦉", 0),
        ("acme", "late", 10),
        ("acme", "it's early 🦉", 20),
        ("globex", "late", 30),
    ] {
        let (provider, whole) = (service.provider(tenant)?, service.project(tenant)?);
        let given = provider.session_attributes(&whole, session).await?;
        let AttributeValue::Text(stored) = &given[0].value else {
            panic!("{given:?}")
        };
        let (trace, start) = (trace_id(), BEGIN + second * SECOND);
        let (root, child) = (span_id(), span_id());
        let mut spans = vec![
            span((&trace, &root, ""), "work", start, start + SECOND),
            span(
                (&trace, &child, &root),
                "part",
                start + SECOND / 2,
                start + SECOND / 2,
            ),
        ];
        for span in &mut spans {
            span["attributes"] = json!([text_attribute(&given[0].key, stored)]);
        }
        service.send(tenant, spans).await?;
        traces.push(trace);
    }
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let sessions = provider.sessions();
    let window = |from: u64, to: u64| TimeWindow {
        start: BEGIN + from * SECOND / 4,
        end: BEGIN + to * SECOND / 4,
    };
    let list = async |window| sessions.list_sessions(&project, window, 100).await;
    let session = |id: &str, from: u64, to: u64, traces| Session {
        id: id.to_owned(),
        start_time: BEGIN + from * SECOND,
        end_time: BEGIN + to * SECOND,
        trace_count: Some(traces),
    };
    let early = session("it's early 🦉", 0, 21, 2);
    let late = session("late", 10, 11, 1);
    assert_eq!(
        list(TimeWindow::all()).await?,
        [late.clone(), early.clone()]
    );
    assert_eq!(list(window(20, 60)).await?, std::slice::from_ref(&late));
    // It began before the window, and whole it is told.
    assert_eq!(list(window(40, 84)).await?, [late, early]);
    // A span of it began inside, and no trace.
    assert_eq!(list(window(41, 80)).await?, []);

    let found = sessions
        .get_session_traces(&project, "it's early 🦉")
        .await?;
    let ids: Vec<_> = found.iter().map(|it| it.trace_id.as_str()).collect();
    assert_eq!(ids, [&traces[0], &traces[2]]);
    for id in ["nobody's".to_owned(), "x".repeat(500)] {
        let error = sessions
            .get_session_traces(&project, &id)
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    }
    let error = provider
        .session_attributes(&project, &"x".repeat(500))
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error.kind(), Error::InvalidArgument(_)), "{error}");
    Ok(())
}

#[tokio::test]
async fn more_sessions_than_a_page_holds_are_listed_once() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    for number in 0..7 {
        let id = format!("chat {number}");
        let span = service.telemetry.session_span("ask", "acme", id);
        span.in_scope(|_| ());
    }
    service.delivered().await?;
    let listed = provider
        .sessions()
        .list_sessions(&project, TimeWindow::all(), 5)
        .await?;
    assert_eq!(listed.len(), 5);
    let listed = provider
        .sessions()
        .list_sessions(&project, TimeWindow::all(), 100)
        .await?;
    assert_eq!(listed.len(), 7);
    let found = provider
        .sessions()
        .get_session_traces(&project, "chat 3")
        .await?;
    assert_eq!(found.len(), 1);
    Ok(())
}
