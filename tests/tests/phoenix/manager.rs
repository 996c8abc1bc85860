//! The manager as a whole: one for the process, projects of their own, nothing at all.

use anyhow::Result;
use roost::contract::Error;
use roost::manager::ProjectOverrides;
use roost::{Config, TelemetryManager};
use roost_tests::{Phoenix, PluginFolder, unique};
use serde_json::json;

use crate::{SOON, Service, Settings, spans_of};

/// One test, since the process has one.
#[tokio::test]
async fn the_process_has_one_manager_until_it_is_reset() -> Result<()> {
    let tenant = unique("acme");
    let nothing = roost::global();
    assert!(!nothing.span("early", &tenant).start().is_recording());

    let folder = PluginFolder::new()?;
    let config = |environment: &str| {
        let mut config = Config::default();
        config.plugins.folder = folder.path().to_owned();
        config.telemetry.environment = environment.to_owned();
        config
    };
    roost::init(config("first")).await?;
    // Configured once: the second one is the first.
    roost::init(config("second")).await?;
    assert_eq!(roost::global().get_stats().config.environment, "first");
    assert!(roost::global().span("now", &tenant).start().is_recording());

    roost::reset().await;
    assert!(!roost::global().span("late", &tenant).start().is_recording());
    roost::init(config("third")).await?;
    assert_eq!(roost::global().get_stats().config.environment, "third");
    roost::reset().await;
    Ok(())
}

#[tokio::test]
async fn a_registered_project_has_endpoints_and_a_mode_of_its_own() -> Result<()> {
    let service = Service::shared().await?;
    let telemetry = &service.telemetry;
    let tenant = unique("acme").replace('-', "_");
    // Another server, which shows by wanting a key.
    let other = Phoenix::shared_with_auth().await?;
    let overrides = ProjectOverrides {
        otlp_endpoint: Some(other.grpc_endpoint().to_owned()),
        http_endpoint: Some(other.http_endpoint().to_owned()),
        use_sync_export: Some(true),
    };
    telemetry.register_project(&tenant, "elsewhere", overrides)?;
    let span = telemetry.span("work", &tenant).service("elsewhere");
    span.in_scope(|_| ());
    let stats = telemetry.get_stats().spans;
    assert_eq!((stats.created, stats.dropped.rejected), (1, 1));
    let provider = telemetry.get_provider(&tenant, Some("elsewhere"))?;
    let error = provider.projects().list_projects().await.unwrap_err();
    assert!(matches!(error.kind(), Error::Unauthenticated(_)), "{error}");

    // The tenant's other services go on as configured.
    telemetry
        .span("work", &tenant)
        .service("here")
        .in_scope(|_| ());
    assert_eq!(telemetry.force_flush(SOON).await.delivered, 1);
    let provider = telemetry.get_provider(&tenant, Some("here"))?;
    let project = telemetry.project_name(&tenant, Some("here"))?;
    assert_eq!(spans_of(&provider, &project, 1).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn switched_off_the_work_runs_and_nothing_is_made() -> Result<()> {
    let folder = PluginFolder::new()?;
    for off in [
        "enabled = false",
        "otlp_enabled = false",
        "level = \"disabled\"",
    ] {
        let toml = format!(
            "[telemetry]\n{off}\n[plugins]\nfolder = \"{}\"\n",
            folder.path().display()
        );
        let config = Config::from_toml(&toml, "/roost.toml")?;
        let telemetry = TelemetryManager::start(config).await?;
        let outcome: Result<u8, &str> = telemetry
            .session_span("work", "acme", "session")
            .try_instrument(|span| async move {
                assert!(!span.is_recording() && span.trace_id().is_none());
                Err("no matter")
            })
            .await;
        assert_eq!(outcome, Err("no matter"));
        assert_eq!(telemetry.get_stats().spans.created, 0);
        assert!(telemetry.shutdown(SOON).await.is_complete());
    }
    Ok(())
}

/// Without a provider spans go to the configured endpoint all the same.
#[tokio::test]
async fn spans_need_no_provider() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let tenant = unique("acme");
    let mut config = Config::default();
    phoenix
        .grpc_endpoint()
        .clone_into(&mut config.telemetry.otlp_endpoint);
    let telemetry = TelemetryManager::export_only(config)?;
    telemetry
        .session_span("plain", &tenant, "chat-1")
        .in_scope(|_| ());
    assert!(telemetry.force_flush(SOON).await.is_complete());
    let reader = Service::shared().await?;
    assert_eq!(reader.spans(&tenant, 1).await?[0].name, "plain");
    // Its session is its project's alone, as with a provider.
    let project = reader.project(&tenant)?;
    let seen = phoenix
        .python("list_spans.py", &json!({ "project": project }))
        .await?;
    let session = &seen[0]["attributes"]["session.id"];
    assert_eq!(session, &json!(format!("{project}:chat-1")));
    assert!(telemetry.get_provider(&tenant, None).is_err());
    Ok(())
}

/// The common endpoint is the default connection's; another one has its own, and its key
/// must not go to the common one.
#[tokio::test]
async fn the_common_endpoint_is_not_for_connections_with_their_own() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let (here, elsewhere) = (unique("here"), unique("elsewhere"));
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await?
        .local_addr()?;
    let own = format!(
        "[connections.own]\nprovider = \"phoenix\"\n\
         provider_config = {{ http_endpoint = \"{}\" }}\n\
         [tenants.{elsewhere}]\nconnection = \"own\"",
        phoenix.http_endpoint()
    );
    let settings = Settings {
        telemetry: &format!("otlp_endpoint = \"{nobody}\""),
        batch: "export_timeout_millis = 500",
        connection: &own,
        ..Settings::default()
    };
    let service = Service::start(phoenix, settings).await?;
    for tenant in [&here, &elsewhere] {
        service.telemetry.span("work", tenant).in_scope(|_| ());
    }
    let report = service.telemetry.force_flush(SOON).await;
    assert_eq!((report.delivered, report.dropped), (1, 1));
    assert_eq!(service.spans(&elsewhere, 1).await?.len(), 1);
    Ok(())
}
