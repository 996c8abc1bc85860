//! Answers and requests that are larger than allowed, and answers that are none.

use anyhow::Result;
use roost::contract::{Error, NewAnnotation, Target};
use roost::manager::ProjectOverrides;
use roost_tests::{Phoenix, unique};

use crate::{Service, Settings};

#[tokio::test]
async fn larger_answers_and_requests_than_allowed_are_refused() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let writer = Service::shared().await?;
    let tenant = unique("acme");
    let text = "a long story ".repeat(1000);
    let span = writer.telemetry.span("story", &tenant);
    span.attribute("input.value", text.clone()).in_scope(|_| ());
    writer.delivered().await?;
    let span = writer.spans(&tenant, 1).await?.remove(0);

    let settings = Settings {
        connection: "[limits]\nresponse_bytes = 4096\nrequest_bytes = 4096",
        ..Settings::default()
    };
    let service = Service::start(phoenix, settings).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let error = service.spans_now(&tenant).await.unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
    assert!(writer.spans_now(&tenant).await.is_ok());

    let target = || Target::span(span.span_id.as_str());
    let annotations = provider.annotations();
    let long = NewAnnotation::new(target(), "verdict").explanation(text);
    let error = annotations
        .add_annotation(&project, long)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
    let short = NewAnnotation::new(target(), "verdict").label("long");
    annotations.add_annotation(&project, short).await?;
    Ok(())
}

/// Phoenix answers unknown addresses with its page and the status 200.
#[tokio::test]
async fn a_page_is_no_answer() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let overrides = ProjectOverrides {
        http_endpoint: Some(format!("{}/nowhere", phoenix.http_endpoint())),
        ..ProjectOverrides::default()
    };
    service
        .telemetry
        .register_project("acme", "lost", overrides)?;
    let provider = service.telemetry.get_provider("acme", Some("lost"))?;
    for error in [
        provider.projects().list_projects().await.unwrap_err(),
        provider.check_health().await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), Error::Backend(_)), "{error}");
    }
    Ok(())
}
