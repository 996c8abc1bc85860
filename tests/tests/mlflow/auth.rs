//! An MLflow that wants a user and a password, which stay in the host.

use std::future::IntoFuture;

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use roost::contract::{Error, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{Mlflow, unique};
use tokio::net::TcpListener;

use crate::{SOON, Service, names};

#[tokio::test]
async fn with_a_password_everything_works_and_without_everybody_is_told() -> Result<()> {
    let mlflow = Mlflow::start_with_auth().await?;
    let tenant = unique("acme");
    let secret = format!("secrets.basic_auth = \"{}\"", mlflow.admin().unwrap());
    let service = Service::start(&mlflow, &secret).await?;
    service.telemetry.span("work", &tenant).in_scope(|_| ());
    service.delivered().await?;
    assert_eq!(names(&service.spans(&tenant).await?), ["work"]);
    let health = service.provider(&tenant)?.check_health().await?;
    assert!(health.authenticated);
    assert!(health.backend_version.starts_with("3."), "{health:?}");

    for secret in ["", "secrets.basic_auth = \"admin:wrong-word\""] {
        let service = Service::start(&mlflow, secret).await?;
        service.telemetry.span("work", &tenant).in_scope(|_| ());
        let report = service.telemetry.force_flush(SOON).await;
        assert_eq!((report.delivered, report.dropped, report.left), (0, 1, 0));
        let provider = service.provider(&tenant)?;
        assert!(!provider.check_health().await?.authenticated);
        let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
        let error = provider.traces().get_spans(&query).await.unwrap_err();
        assert!(matches!(error.kind(), Error::Unauthenticated(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong-word"));
    }
    Ok(())
}

/// MLflow answers under the names it knows itself by, and under others with 403 and a sentence.
#[tokio::test]
async fn a_host_name_that_mlflow_does_not_know_is_explained() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let proxy = renaming_proxy(mlflow.http_endpoint().to_owned()).await?;
    let service = Service::start_at(&proxy, "").await?;
    let provider = service.provider(&unique("acme"))?;
    for error in [
        provider.projects().list_projects().await.unwrap_err(),
        provider.check_health().await.unwrap_err(),
    ] {
        assert!(
            matches!(error.kind(), Error::PermissionDenied(_)),
            "{error}"
        );
        assert!(error.to_string().contains("--allowed-hosts"), "{error}");
    }
    Ok(())
}

/// A proxy that asks for another host than it was asked for.
async fn renaming_proxy(upstream: String) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let forward = move |request: Request| {
        let (client, upstream) = (client.clone(), upstream.clone());
        async move {
            let url = format!("{upstream}{}", request.uri());
            let answer = client
                .request(request.method().clone(), url)
                .header("host", "mlflow.example")
                .send()
                .await
                .unwrap();
            (answer.status(), answer.text().await.unwrap())
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, Router::new().fallback(forward)).into_future());
    Ok(address)
}
