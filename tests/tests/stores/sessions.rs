//! Sessions, which Phoenix keeps in one name space for all projects.

use anyhow::{Result, ensure};
use roost::contract::{Error, TimeWindow};
use roost_tests::{eventually, unique};

use crate::{Backend, SOON, Service, on_every_backend, text};

on_every_backend! {
    the_same_session_id_of_two_tenants_is_two_sessions,
}

/// Two tenants that use one session id, as every application with counters would. On
/// Phoenix the second would join the first one's session, and be deleted with it.
async fn the_same_session_id_of_two_tenants_is_two_sessions(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let (acme, globex, session) = (unique("acme"), unique("globex"), unique("session"));
    let telemetry = &service.telemetry;
    // Said as an attribute it is the same session.
    telemetry
        .span("turn", &globex)
        .attribute("session.id", session.clone())
        .in_scope(|_| ());
    for (tenant, turns) in [(&acme, 2), (&globex, 1)] {
        telemetry
            .session(tenant, session.as_str())
            .instrument(async {
                for _ in 0..turns {
                    telemetry.span("turn", tenant).in_scope(|_| {
                        telemetry.span("step", tenant).in_scope(|_| ());
                    });
                }
            })
            .await;
    }
    service.delivered().await?;
    for (tenant, turns, spans) in [(&acme, 2, 4), (&globex, 2, 3)] {
        let spans = service.spans(tenant, spans).await?;
        assert_eq!(text(&spans[0], "session.id"), session);
        let provider = service.provider(tenant)?;
        let project = service.project(tenant)?;
        let sessions = eventually("the session is listed", SOON, async || {
            let store = provider.sessions();
            let found = store
                .list_sessions(&project, TimeWindow::all(), 100)
                .await?;
            ensure!(found.len() == 1, "{found:?}");
            Ok(found)
        })
        .await?;
        assert_eq!(sessions[0].id, session);
        let traces = provider
            .sessions()
            .get_session_traces(&project, &session)
            .await?;
        assert_eq!(traces.len(), turns);
        assert!(traces.is_sorted_by_key(|trace| trace.start_time));
        assert!(
            traces
                .iter()
                .any(|trace| trace.trace_id == spans[0].trace_id)
        );
    }
    let provider = service.provider(&acme)?;
    let project = service.project(&acme)?;
    provider.projects().delete_project(&project).await?;
    assert_eq!(service.spans(&globex, 3).await?.len(), 3);

    let provider = service.provider(&globex)?;
    let project = service.project(&globex)?;
    let unknown = provider
        .sessions()
        .get_session_traces(&project, "nobody")
        .await;
    assert!(matches!(unknown.unwrap_err().kind(), Error::NotFound(_)));
    Ok(())
}
