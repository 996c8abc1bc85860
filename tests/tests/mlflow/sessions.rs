//! Sessions: what MLflow keeps of them is a name on traces.

use anyhow::Result;
use roost::contract::{Error, Session, TimeWindow};
use roost_tests::{Mlflow, span_id, trace_id, unique};
use serde_json::json;

use crate::Service;
use crate::server::{experiment, send, span};

const BEGIN: u64 = 1_795_168_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

#[tokio::test]
async fn traces_make_sessions_in_their_project_only() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let (provider, project) = (service.provider(&acme)?, service.project(&acme)?);
    let own = experiment(mlflow, &project).await?;
    let foreign = experiment(mlflow, &service.project(&globex)?).await?;
    // The session and the second of each trace.
    let mut traces = Vec::new();
    for (experiment, session, second) in [
        (&own, "it's early", 0),
        (&own, "late", 10),
        (&own, "it's early", 20),
        (&foreign, "late", 30),
    ] {
        let (trace, start) = (trace_id(), BEGIN + second * SECOND);
        let mut root = span((&trace, &span_id(), ""), "work", start, start + SECOND);
        root["attributes"] = json!([{ "key": "session.id", "value": { "stringValue": session } }]);
        assert_eq!(send(mlflow, experiment, &[root]).await?, 200);
        traces.push(trace);
    }
    let sessions = provider.sessions();
    let window = |from: u64, to: u64| TimeWindow {
        start: BEGIN + from * SECOND,
        end: BEGIN + to * SECOND,
    };
    let list = async |window| sessions.list_sessions(&project, window, 100).await;
    let session = |id: &str, from: u64, to: u64, traces| Session {
        id: id.to_owned(),
        start_time: BEGIN + from * SECOND,
        end_time: BEGIN + to * SECOND,
        trace_count: Some(traces),
    };
    let early = session("it's early", 0, 21, 2);
    let late = session("late", 10, 11, 1);
    assert_eq!(
        list(TimeWindow::all()).await?,
        [late.clone(), early.clone()]
    );
    assert_eq!(list(window(5, 15)).await?, std::slice::from_ref(&late));
    // It began before the window, and whole it is told.
    assert_eq!(list(window(10, 21)).await?, [late, early]);
    assert_eq!(list(window(11, 20)).await?, []);

    let found = sessions.get_session_traces(&project, "it's early").await?;
    let ids: Vec<_> = found.iter().map(|it| it.trace_id.as_str()).collect();
    assert_eq!(ids, [&traces[0], &traces[2]]);
    let error = sessions
        .get_session_traces(&project, "nobody's")
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    Ok(())
}

/// What an application calls a session is what it is called in MLflow.
#[tokio::test]
async fn a_session_of_an_application_is_found_by_its_name() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let telemetry = &service.telemetry;
    for question in ["ask", "ask again"] {
        let span = telemetry.session_span(question, &tenant, "chat 7");
        span.in_scope(|_| ());
    }
    service.delivered().await?;
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let found = provider
        .sessions()
        .get_session_traces(&project, "chat 7")
        .await?;
    assert_eq!(found.len(), 2);
    Ok(())
}
