//! Which requests leave, and how.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use futures_util::future::{BoxFuture, FutureExt};
use roost::config::{ConnectionLimits, LimitsConfig, PluginsConfig};
use roost::contract::{Error, ProviderError};
use roost::plugin::{ConnectionSpec, Host, Lookup};
use roost::provider::{Provider, Scope};
use roost::{Config, TelemetryManager};
use roost_tests::{PluginFolder, Scripted, echo, shell};
use serde_json::json;
use tokio::net::TcpListener;

use crate::fixture::{SOON, one_span, query, spec, status_of, with_echo};

/// What asking for something ended in; `how` is told in the guest's `requests.rs`.
async fn asked(provider: &Provider, how: &str, url: &str) -> ProviderError {
    let project = format!("{how}:{url}");
    provider
        .traces()
        .get_spans(&query(&project))
        .await
        .unwrap_err()
}

/// What the operator reads when a request is refused.
async fn refused(provider: &Provider, how: &str, url: &str) -> String {
    let error = asked(provider, how, url).await;
    match error.kind() {
        Error::PermissionDenied(why) => why.clone(),
        other => panic!("{url}: {other:?}"),
    }
}

async fn nobody_knocked(listener: &TcpListener) {
    let knock = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(knock.is_err());
}

#[tokio::test]
async fn a_host_that_was_not_granted_is_not_reached_and_the_refusal_says_how_to_grant_it()
-> Result<()> {
    let (_folder, host) = with_echo().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let why = refused(&provider, "forbidden", &format!("http://{address}/")).await;
    let line = format!("allow_hosts = [\"http://{address}\"]");
    assert!(why.contains(&line), "{why}");
    nobody_knocked(&listener).await;
    Ok(())
}

/// A grant of one is none of the others, however they are written.
#[tokio::test]
async fn a_grant_is_for_one_scheme_host_and_port_in_every_spelling() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let granted = Scripted::start(&[]).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let other = listener.local_addr()?.port();
    let port = granted.port();
    let mut spec = spec(one_span());
    spec.allow_hosts = vec![granted.address().to_owned()];
    let provider = Provider::connect(&host, spec, Scope::All);

    for spelling in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
    ] {
        let url = format!("http://{spelling}:{port}/");
        assert_eq!(status_of(&provider, &url).await?, 200, "{url}");
    }
    let seen = granted.seen().len();
    for url in [
        format!("http://127.0.0.1:{other}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
    ] {
        let why = refused(&provider, "forbidden", &url).await;
        assert!(why.contains("allow_hosts = [\""), "{url}: {why}");
    }
    assert_eq!(granted.seen().len(), seen);
    nobody_knocked(&listener).await;
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_asked_for_anew_and_refused_like_any_other() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let elsewhere = listener.local_addr()?;
    let location = format!("302 Found\r\nlocation: http://{elsewhere}/");
    let answers: &'static [&'static str] = vec![&*location.leak()].leak();
    let endpoint = Scripted::start(answers).await?;
    let config = json!({ "endpoint": endpoint.address() });
    let provider = Provider::connect(&host, spec(config), Scope::All);
    let why = refused(&provider, "follow", endpoint.address()).await;
    let line = format!("allow_hosts = [\"http://{elsewhere}\"]");
    assert!(why.contains(&line), "{why}");
    assert_eq!(endpoint.seen().len(), 1);
    nobody_knocked(&listener).await;
    Ok(())
}

/// Names that resolve to what a test says, one answer after the other and then the last.
#[derive(Clone)]
struct Names(Arc<Mutex<VecDeque<Vec<IpAddr>>>>);

impl Names {
    fn answering(answers: &[&[&str]]) -> Self {
        let names = Self(Arc::default());
        answers.iter().for_each(|answer| names.will_answer(answer));
        names
    }

    fn will_answer(&self, addresses: &[&str]) {
        let answer = addresses.iter().map(|a| a.parse().unwrap()).collect();
        self.0.lock().unwrap().push_back(answer);
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Lookup for Names {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let answer = self.0.lock().unwrap().pop_front();
        async { answer.ok_or_else(|| io::Error::other("no more answers")) }.boxed()
    }
}

async fn host_with_names(names: &Names) -> Result<(PluginFolder, Host)> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        ..PluginsConfig::default()
    };
    let limits = LimitsConfig::default();
    let host = Host::start_with_lookup(&plugins, &limits, names.clone()).await?;
    Ok((folder, host))
}

async fn with_names(names: &Names, allow_hosts: &[String]) -> Result<(PluginFolder, Provider)> {
    let (folder, host) = host_with_names(names).await?;
    let mut spec = spec(one_span());
    spec.allow_hosts = allow_hosts.to_vec();
    Ok((folder, Provider::connect(&host, spec, Scope::All)))
}

#[tokio::test]
async fn a_granted_name_does_not_lead_to_this_machine_or_to_a_metadata_service() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://backend.example:{}", listener.local_addr()?.port());
    for (address, what) in [
        ("127.0.0.1", "this machine"),
        ("127.8.8.8", "this machine"),
        ("::1", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("64:ff9b::7f00:1", "this machine"),
        ("2002:7f00:1::", "this machine"),
        ("2001:0:808:808::80ff:fffe", "this machine"),
        ("0.0.0.0", "no host's"),
        ("::", "no host's"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
    ] {
        let names = Names::answering(&[&[address]]);
        let (_folder, provider) = with_names(&names, std::slice::from_ref(&url)).await?;
        let why = refused(&provider, "forbidden", &url).await;
        let expected = "[connections.default]: backend.example resolves to ";
        assert!(why.starts_with(expected) && why.contains(what), "{why}");
        assert!(why.contains("in place of the name"), "{why}");
    }
    nobody_knocked(&listener).await;
    Ok(())
}

#[tokio::test]
async fn a_pattern_reaches_public_addresses_alone() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    for address in ["10.0.0.1", "192.168.1.1", "fd12::1", "127.0.0.1"] {
        let names = Names::answering(&[&[address], &["127.0.0.1"]]);
        let grant = format!("http://*.cluster.example:{port}");
        let (_folder, provider) = with_names(&names, &[grant]).await?;
        let url = format!("http://a.cluster.example:{port}/");
        let why = refused(&provider, "forbidden", &url).await;
        assert!(why.contains(&format!("resolves to {address}")), "{why}");
        // The pattern is for names below it.
        let url = format!("http://cluster.example:{port}/");
        let why = refused(&provider, "forbidden", &url).await;
        assert!(why.contains("allow_hosts = [\""), "{why}");
        // Not granted, it was not looked up.
        assert_eq!(names.left(), 1);
    }
    nobody_knocked(&listener).await;
    Ok(())
}

/// A name is looked up once for each connection that is opened, and what was looked up is
/// what is connected to.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() -> Result<()> {
    let server = Scripted::start(&[]).await?;
    let url = format!("http://localhost:{}", server.port());
    let names = Names::answering(&[
        &["169.254.169.254", "127.0.0.1"],
        &["169.254.169.254"],
        &["127.0.0.1"],
    ]);
    let (_folder, provider) = with_names(&names, std::slice::from_ref(&url)).await?;
    assert_eq!(status_of(&provider, &url).await?, 200);
    assert_eq!(names.left(), 2);
    let why = refused(&provider, "forbidden", &url).await;
    assert!(
        why.contains("localhost resolves to 169.254.169.254"),
        "{why}"
    );
    assert_eq!(names.left(), 1);
    assert_eq!(status_of(&provider, &url).await?, 200);
    assert_eq!((names.left(), server.seen().len()), (0, 2));
    Ok(())
}

/// Spans leave by the host's own pipeline, to where a provider says.
#[tokio::test]
async fn spans_are_sent_to_no_address_that_a_name_may_not_lead_to() -> Result<()> {
    for path in ["", "/v1/traces"] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let names = Names::answering(&[&["169.254.169.254"]]);
        let (folder, host) = host_with_names(&names).await?;
        let config = format!(
            "telemetry.batch_config.export_timeout_millis = 300\n\
             [connections.default]\nprovider = \"echo\"\n\
             provider_config.endpoint = \"http://localhost:{port}{path}\"\n"
        );
        let config = Config::from_toml(&config, folder.path().join("roost.toml"))?;
        let telemetry = TelemetryManager::with_host(config, host)?;
        telemetry.span("work", "acme").in_scope(|_| ());
        let report = telemetry.force_flush(SOON).await;
        assert_eq!((report.delivered, report.dropped), (0, 1));
        assert_eq!(names.left(), 0, "it was looked up");
        nobody_knocked(&listener).await;

        names.will_answer(&["127.0.0.1"]);
        telemetry.span("work", "acme").in_scope(|_| ());
        let (flushed, knock) = tokio::join!(telemetry.force_flush(SOON), listener.accept());
        assert_eq!((knock.is_ok(), flushed.delivered), (true, 0));
    }
    Ok(())
}

/// A proxy looks names up, so only what is asked of it can be looked at; that is.
#[tokio::test]
async fn behind_a_proxy_what_was_not_granted_is_not_asked_for() -> Result<()> {
    let proxy = Scripted::start(&[]).await?;
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    for (granted, asked) in [
        ("backend.team.example", 1),
        ("*.team.example", 2),
        ("other.example", 2),
    ] {
        // The name of a project is what the guest is to do.
        let config = format!(
            "plugins.folder = \".\"\n\
             telemetry.tenant_service_template = \"read:http://backend.team.example/{{tenant_id}}/{{service}}\"\n\
             [connections.default]\nprovider = \"echo\"\n\
             provider_config.endpoint = \"http://localhost\"\n\
             allow_hosts = [\"http://{granted}\"]\n"
        );
        std::fs::write(folder.path().join("roost.toml"), config)?;
        let script = format!(
            "unset NO_PROXY no_proxy; HTTP_PROXY={0} http_proxy={0} roost spans --tenant acme",
            proxy.address()
        );
        let ran = shell(folder.path(), &script).await?;
        assert_eq!(proxy.seen().len(), asked, "{granted}: {}", ran.stderr);
        let told = ran
            .stderr
            .contains("allow_hosts = [\"http://backend.team.example:80\"]");
        assert_eq!(told, granted == "other.example", "{}", ran.stderr);
    }
    let whole = "get http://backend.team.example/acme/";
    assert!(
        proxy.seen().iter().all(|head| head.starts_with(whole)),
        "{:?}",
        proxy.seen()
    );
    Ok(())
}

/// What is dropped into the folder must not widen its own fence.
#[tokio::test]
async fn the_default_of_a_schema_grants_nothing_off_this_machine() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let why = refused(&provider, "forbidden", "http://mirror.invalid").await;
    let line = "allow_hosts = [\"http://mirror.invalid:80\"]";
    assert!(why.contains(line), "{why}");
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

async fn with_limits(limits: LimitsConfig) -> Result<(PluginFolder, Host)> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = crate::fixture::host(&folder, limits).await?;
    Ok((folder, host))
}

#[tokio::test]
async fn a_connection_makes_so_many_requests_a_minute() -> Result<()> {
    let limits = LimitsConfig {
        requests_per_minute: 3,
        ..LimitsConfig::default()
    };
    let (_folder, host) = with_limits(limits).await?;
    let server = Scripted::start(&["200 OK", "503 No", "200 OK"]).await?;
    let url = server.address();
    let spec = spec(json!({ "endpoint": url }));
    let provider = Provider::connect(&host, spec.clone(), Scope::All);
    assert_eq!(status_of(&provider, url).await?, 200);
    // Sent twice, since it is safe to repeat.
    assert_eq!(status_of(&provider, url).await?, 200);
    let error = asked(&provider, "forbidden", url).await;
    let Error::RateLimited(limit) = error.kind() else {
        panic!("{error}");
    };
    let says = "raise requests_per_minute under [limits] or [connections.default.limits]";
    assert!(limit.message.contains(says), "{error}");
    assert!(limit.retry_after_ms.is_some_and(|millis| millis <= 20_000));
    assert_eq!(server.seen().len(), 3);
    // Another connection has its own.
    let beside = Provider::connect(&host, spec, Scope::All);
    assert_eq!(status_of(&beside, url).await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_connection_moves_so_many_bytes_a_minute() -> Result<()> {
    let (_folder, host) = with_limits(LimitsConfig::default()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = Router::new().route("/", get(|| async { "x".repeat(20_000) }));
    let serving = tokio::spawn(async { axum::serve(listener, app).await });
    let spec = ConnectionSpec {
        limits: ConnectionLimits {
            bytes_per_minute: Some(10_000),
            ..ConnectionLimits::default()
        },
        ..spec(json!({ "endpoint": url }))
    };
    let provider = Provider::connect(&host, spec, Scope::All);
    // What has begun is not cut.
    let error = asked(&provider, "read", &url).await;
    let Error::Backend(answer) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!((answer.status, answer.excerpt.len()), (200, 20_000));
    let error = asked(&provider, "read", &url).await;
    let Error::RateLimited(limit) = error.kind() else {
        panic!("{error}");
    };
    let says = "raise bytes_per_minute under [connections.default.limits]";
    assert!(limit.message.contains(says), "{error}");
    serving.abort();
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
