//! Who sees a secret.

use anyhow::Result;
use roost::config::Secret;
use roost::provider::{Provider, Scope};
use roost_tests::Scripted;
use serde_json::json;

use crate::fixture::{one_span, query, spec, status_of, text, with_echo};

#[tokio::test]
async fn a_guest_never_sees_a_secret() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let mut spec = spec(one_span());
    spec.secrets = [("token".to_owned(), Secret::from("sk-very-secret"))].into();
    let provider = Provider::connect(&host, spec, Scope::All);
    let spans = provider.traces().get_spans(&query("any")).await?;
    let seen = text(&spans[0], "echo.config");
    assert!(seen.contains("\"spans\"") && !seen.contains("secret") && !seen.contains("token"));

    // Written among the configuration, it is a secret all the same.
    let mut config = one_span();
    config["token"] = json!("sk-very-secret");
    let provider = Provider::connect(&host, crate::fixture::spec(config), Scope::All);
    let spans = provider.traces().get_spans(&query("any")).await?;
    assert!(!text(&spans[0], "echo.config").contains("sk-very-secret"));
    Ok(())
}

#[tokio::test]
async fn a_secret_goes_to_the_endpoints_and_nowhere_else() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let elsewhere = Scripted::start(&[]).await?;
    let endpoint =
        Scripted::start(&["200 OK", "302 Found\r\nlocation: http://127.0.0.1:9/"]).await?;
    let mut spec = spec(json!({ "endpoint": endpoint.address() }));
    spec.secrets = [("token".to_owned(), Secret::from("sk-very-secret"))].into();
    spec.allow_hosts = vec![elsewhere.address().to_owned()];
    let provider = Provider::connect(&host, spec, Scope::All);

    assert_eq!(status_of(&provider, endpoint.address()).await?, 200);
    assert_eq!(status_of(&provider, elsewhere.address()).await?, 200);
    let bearer = "authorization: bearer sk-very-secret";
    assert!(endpoint.seen()[0].contains(bearer), "{:?}", endpoint.seen());
    assert!(!elsewhere.seen()[0].contains("sk-very-secret"));
    // A redirect is the guest's to follow, past the policy.
    assert_eq!(status_of(&provider, endpoint.address()).await?, 302);
    Ok(())
}
