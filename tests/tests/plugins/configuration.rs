//! What is checked before a provider is asked anything.

use anyhow::Result;
use roost::config::Secret;
use roost::contract::{Error, SpanRef, TimeWindow};
use roost::provider::{Provider, Scope, SpanQuery};
use roost_tests::span_id;
use serde_json::json;

use crate::fixture::{one_span, query, spec, status, with_echo};

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_refused_by_key() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let cases = [
        (
            json!({ "spans": [{ "trace_id": "x", "span_id": span_id(), "name": "n" }] }),
            "[connections.default]: provider_config: spans.0.trace_id",
        ),
        (json!({ "endpoind": "http://localhost" }), "endpoind"),
        (
            json!({ "endpoint": "localhost:1" }),
            "[connections.default]: provider_config.endpoint",
        ),
        (
            json!({ "token": 5 }),
            "[connections.default]: provider_config: token",
        ),
    ];
    for (config, expected) in cases {
        let provider = Provider::connect(&host, spec(config), Scope::All);
        let error = provider
            .traces()
            .get_spans(&query("any"))
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), Error::InvalidArgument(_)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut with_secret = spec(one_span());
    with_secret.secrets = [("tokken".to_owned(), Secret::from("x").into())].into();
    let provider = Provider::connect(&host, with_secret, Scope::All);
    let error = provider
        .traces()
        .get_spans(&query("any"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("it has: token"), "{error}");
    Ok(())
}

#[tokio::test]
async fn arguments_are_checked_before_the_provider_is_asked() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let traces = provider.traces();
    let backwards = SpanQuery::new("any", TimeWindow::new(2, 1));
    for error in [
        traces.get_spans(&backwards).await.unwrap_err(),
        traces.get_spans(&query("")).await.unwrap_err(),
        traces
            .get_span("any", &SpanRef::by_id("ABC"))
            .await
            .unwrap_err(),
        traces.get_trace("any", "0af7").await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), Error::InvalidArgument(_)), "{error}");
    }
    assert_eq!(status(&host, "echo")?.generation.unwrap().calls, 0);
    Ok(())
}
