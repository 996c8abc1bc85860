//! Which requests leave, and how.

use std::time::Duration;

use anyhow::Result;
use roost::contract::Error;
use roost::provider::{Provider, Scope};
use roost_tests::Scripted;
use serde_json::json;

use crate::fixture::{one_span, query, spec, status_of, with_echo};

#[tokio::test]
async fn a_host_that_was_not_granted_is_not_reached_and_the_refusal_says_how_to_grant_it()
-> Result<()> {
    let (_folder, host) = with_echo().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let project = format!("forbidden:http://{address}/");
    let error = provider
        .traces()
        .get_spans(&query(&project))
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), Error::PermissionDenied(_)),
        "{error}"
    );
    let line = format!("allow_hosts = [\"http://{address}\"]");
    assert!(error.to_string().contains(&line), "{error}");
    // Nobody knocked.
    let knock = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(knock.is_err());
    Ok(())
}

/// What is dropped into the folder must not widen its own fence.
#[tokio::test]
async fn the_default_of_a_schema_grants_nothing_off_this_machine() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let error = status_of(&provider, "http://mirror.invalid")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("allow_hosts = [\"http://mirror.invalid:80\"]"),
        "{error}"
    );
    // Set by the operator, it is granted like any other.
    let mirror = Scripted::start(&[]).await?;
    let provider = Provider::connect(
        &host,
        spec(json!({ "mirror": mirror.address() })),
        Scope::All,
    );
    assert_eq!(status_of(&provider, mirror.address()).await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_safe_to_repeat_is_repeated() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let cases: [(&[&str], u16, usize); 5] = [
        (&["", "503 Service Unavailable"], 200, 3),
        (&["429 Too Many Requests\r\nretry-after: 0"], 200, 2),
        (
            &["502 Bad Gateway", "504 Gateway Timeout", "503 No"],
            503,
            3,
        ),
        (&["429 Too Many Requests\r\nretry-after: 3600"], 429, 1),
        (&["500 Internal Server Error"], 500, 1),
    ];
    for (answers, status, requests) in cases {
        let server = Scripted::start(answers).await?;
        let config = json!({ "endpoint": server.address() });
        let provider = Provider::connect(&host, spec(config), Scope::All);
        assert_eq!(
            status_of(&provider, server.address()).await?,
            status,
            "{answers:?}"
        );
        assert_eq!(server.seen().len(), requests, "{answers:?}");
    }
    Ok(())
}
