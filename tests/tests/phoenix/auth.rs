//! A Phoenix that wants a key. The key stays in the host.

use anyhow::Result;
use roost::contract::{Error, NewAnnotation, Target, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, unique};

use crate::{SOON, Service, Settings, names};

#[tokio::test]
async fn with_a_key_everything_works_over_both_protocols() -> Result<()> {
    let phoenix = Phoenix::shared_with_auth().await?;
    let connection = format!("secrets.api_key = \"{}\"", phoenix.api_key().await?);
    for http in [false, true] {
        let service = Service::start(
            phoenix,
            Settings {
                connection: &connection,
                http,
                ..Settings::default()
            },
        )
        .await?;
        let tenant = unique("acme");
        service.telemetry.span("work", &tenant).in_scope(|_| ());
        service.delivered().await?;
        let spans = service.spans(&tenant, 1).await?;
        assert_eq!(names(&spans), ["work"]);
        let provider = service.provider(&tenant)?;
        let health = provider.check_health().await?;
        assert!(health.authenticated);
        assert!(!health.backend_version.is_empty());
        let note = NewAnnotation::new(Target::span(spans[0].span_id.as_str()), "ok").score(1.0);
        let project = service.project(&tenant)?;
        provider
            .annotations()
            .add_annotation(&project, note)
            .await?;
        // A system key administrates nothing.
        let denied = provider
            .projects()
            .delete_project(&project)
            .await
            .unwrap_err();
        assert!(
            matches!(denied.kind(), Error::PermissionDenied(_)),
            "{denied}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_everybody_is_told() -> Result<()> {
    let phoenix = Phoenix::shared_with_auth().await?;
    for (connection, http) in [("", false), ("secrets.api_key = \"wrong-key\"", true)] {
        let service = Service::start(
            phoenix,
            Settings {
                connection,
                http,
                ..Settings::default()
            },
        )
        .await?;
        let tenant = unique("acme");
        service.telemetry.span("work", &tenant).in_scope(|_| ());
        let report = service.telemetry.force_flush(SOON).await;
        assert_eq!((report.delivered, report.dropped, report.left), (0, 1, 0));
        assert_eq!(service.telemetry.get_stats().spans.dropped.rejected, 1);

        let provider = service.provider(&tenant)?;
        assert!(!provider.check_health().await?.authenticated);
        let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
        let error = provider.traces().get_spans(&query).await.unwrap_err();
        assert!(matches!(error.kind(), Error::Unauthenticated(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong-key"));
    }
    Ok(())
}
