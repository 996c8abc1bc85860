//! Components in a folder: loaded, refused, replaced while calls run, fenced in. The
//! provider is `echo`, which needs no server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost::config::{LimitsConfig, PluginsConfig, Secret};
use roost::contract::{AttributeValue, Capability, Error, Span, SpanRef, TimeWindow};
use roost::plugin::{ConnectionSpec, Host, ProviderStatus, Refusal};
use roost::provider::{Provider, Scope, SpanQuery};
use roost_tests::{
    PluginFolder, Scripted, core_module, echo, echo_next, eventually, other_contract, span_id,
    trace_id,
};
use serde_json::{Map, Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A host of its own for a test.
async fn host(folder: &PluginFolder, limits: LimitsConfig) -> Result<Host> {
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        ..PluginsConfig::default()
    };
    Ok(Host::start(&plugins, &limits).await?)
}

async fn with_echo() -> Result<(PluginFolder, Host)> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = host(&folder, LimitsConfig::default()).await?;
    Ok((folder, host))
}

fn spec(config: Value) -> ConnectionSpec {
    let Value::Object(provider_config) = config else {
        return spec(Value::Object(Map::new()));
    };
    ConnectionSpec {
        name: "default".to_owned(),
        provider: "echo".to_owned(),
        provider_config,
        secrets: [].into(),
        allow_hosts: Vec::new(),
    }
}

fn one_span() -> Value {
    json!({ "spans": [{ "trace_id": trace_id(), "span_id": span_id(), "name": "one" }] })
}

fn query(project: &str) -> SpanQuery {
    SpanQuery::new(project, TimeWindow::all())
}

fn status(host: &Host, name: &str) -> Result<ProviderStatus> {
    let found = host.providers().into_iter().find(|p| p.name == name);
    found.with_context(|| format!("no provider {name}"))
}

fn refusal(host: &Host, name: &str) -> Result<Refusal> {
    status(host, name)?.refusal.context("it was not refused")
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    match span.attribute(key) {
        Some(AttributeValue::Text(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

#[tokio::test]
async fn a_component_in_the_folder_serves() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let echo = status(&host, "echo")?;
    let serving = echo.generation.context("it does not serve")?;
    assert_eq!(
        (serving.number, serving.info.version.as_str()),
        (1, "1.0.0")
    );
    assert_eq!(serving.capabilities, [Capability::TraceStore].into());

    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let spans = provider.traces().get_spans(&query("any")).await?;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].name, "one");
    let again = status(&host, "echo")?.generation.unwrap();
    assert_eq!((again.calls, again.errors), (1, 0));
    Ok(())
}

#[tokio::test]
async fn an_interface_that_is_not_exported_is_unsupported() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let error = provider.projects().list_projects().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "echo: list-projects: unsupported: the provider does not export project-store"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_no_provider_is_refused_with_the_reason() -> Result<()> {
    let (folder, host) = with_echo().await?;
    folder.garbage("words")?;
    folder.truncate("half", &echo()?)?;
    folder.install_bytes("module", &core_module()?)?;
    folder.install_bytes("future", &other_contract()?)?;
    folder.install_bytes("empty", b"")?;
    folder.install_bytes("stranger", &wat::parse_str("(component)")?)?;
    host.reload().await?;

    assert!(matches!(
        refusal(&host, "words")?,
        Refusal::NotWebAssembly(_)
    ));
    assert!(matches!(refusal(&host, "half")?, Refusal::Damaged(_)));
    assert_eq!(refusal(&host, "module")?, Refusal::CoreModule);
    assert_eq!(
        refusal(&host, "future")?,
        Refusal::OtherContract("0.2.0".to_owned())
    );
    assert!(matches!(refusal(&host, "empty")?, Refusal::Damaged(_)));
    assert_eq!(
        refusal(&host, "stranger")?,
        Refusal::NotAProvider(Vec::new())
    );
    assert_eq!(
        refusal(&host, "future")?.to_string(),
        "it speaks roost:telemetry@0.2.0 and this host roost:telemetry@0.1.0. Build it against \
         the host's wit/, or take a host that speaks its version"
    );
    // None of them did harm to the one that serves.
    assert!(status(&host, "echo")?.refusal.is_none());
    Ok(())
}

#[tokio::test]
async fn a_refused_file_never_replaces_what_serves() -> Result<()> {
    let (folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    for spoil in [
        PluginFolder::garbage as fn(&PluginFolder, &str) -> Result<()>,
        |folder, name| folder.truncate(name, &echo()?),
        |folder, name| folder.install_bytes(name, &other_contract()?),
    ] {
        spoil(&folder, "echo")?;
        host.reload().await?;
        let echo = status(&host, "echo")?;
        assert!(echo.refusal.is_some());
        assert_eq!(echo.generation.unwrap().number, 1);
        assert_eq!(provider.traces().get_spans(&query("any")).await?.len(), 1);
    }
    folder.install("echo", &echo_next()?)?;
    host.reload().await?;
    let echo = status(&host, "echo")?;
    assert_eq!(echo.refusal, None);
    assert_eq!(echo.generation.unwrap().info.version, "2.0.0");
    Ok(())
}

#[tokio::test]
async fn the_folder_is_watched() -> Result<()> {
    let folder = PluginFolder::new()?;
    let host = host(&folder, LimitsConfig::default()).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let missing = provider
        .traces()
        .get_spans(&query("any"))
        .await
        .unwrap_err();
    assert!(matches!(missing.kind(), Error::Unavailable(_)), "{missing}");

    let version = |version: &'static str| {
        let provider = provider.clone();
        eventually(version, SOON, async move || {
            let spans = provider.traces().get_spans(&query("any")).await?;
            let found = text(&spans[0], "echo.version");
            ensure!(found == version, "it is {found}");
            Ok(())
        })
    };
    folder.install("echo", &echo()?)?;
    version("1.0.0").await?;
    // In place, as `cp` writes.
    std::fs::copy(echo_next()?, folder.file("echo"))?;
    version("2.0.0").await?;
    folder.remove("echo")?;
    eventually("the removal", SOON, async || {
        ensure!(host.providers().is_empty(), "it is still there");
        Ok(())
    })
    .await?;
    let gone = provider
        .traces()
        .get_spans(&query("any"))
        .await
        .unwrap_err();
    assert_eq!(
        gone.to_string(),
        "echo: get-spans: unavailable: there is no echo.wasm in the plugins folder"
    );
    Ok(())
}

#[tokio::test]
async fn touching_a_file_is_no_change() -> Result<()> {
    let (folder, host) = with_echo().await?;
    folder.install("echo", &echo()?)?;
    host.reload().await?;
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 1);
    Ok(())
}

/// The promise of hot reload: 200 reads at a time, ten swaps, no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_never_fail_while_the_provider_is_swapped() -> Result<()> {
    let (folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let stop = Arc::new(AtomicBool::new(false));
    let served = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (provider, stop, served) = (provider.clone(), Arc::clone(&stop), served.clone());
        readers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let spans = provider.traces().get_spans(&query("any")).await?;
                let next = text(&spans[0], "echo.version") == "2.0.0";
                served[usize::from(next)].fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    for swap in 0..10 {
        let component = if swap % 2 == 0 { echo_next()? } else { echo()? };
        let side = usize::from(swap % 2 == 0);
        let before = served[side].load(Ordering::Relaxed);
        folder.install("echo", &component)?;
        host.reload().await?;
        eventually("a read from the new provider", SOON, async || {
            ensure!(served[side].load(Ordering::Relaxed) > before, "none yet");
            Ok(())
        })
        .await?;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 11);
    host.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_ends_is_ended_at_its_deadline() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        call_timeout_millis: 300,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let (endless, beside) = (provider.traces(), provider.traces());
    let (loop_query, any_query) = (query("loop"), query("any"));
    let (endless, beside) =
        tokio::join!(endless.get_spans(&loop_query), beside.get_spans(&any_query));
    let error = endless.unwrap_err();
    assert!(matches!(error.kind(), Error::Timeout(_)), "{error}");
    assert!(error.to_string().contains("call_timeout_millis"), "{error}");
    assert_eq!(beside?.len(), 1);
    Ok(())
}

/// A busy guest gives way, so even a runtime of one thread goes on.
#[tokio::test(flavor = "current_thread")]
async fn a_busy_guest_does_not_hold_the_runtime() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        call_timeout_millis: 300,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let mut ticks = 0;
    let endless_query = query("loop");
    let traces = provider.traces();
    let endless = traces.get_spans(&endless_query);
    tokio::pin!(endless);
    loop {
        tokio::select! {
            biased;
            outcome = &mut endless => {
                assert!(outcome.is_err());
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(5)) => ticks += 1,
        }
    }
    assert!(ticks > 1, "the guest ran {ticks} times between timers");
    Ok(())
}

#[tokio::test]
async fn a_memory_bomb_and_a_trap_cost_one_call() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        memory_bytes: 32 << 20,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);

    let grown = provider
        .traces()
        .get_spans(&query("grow"))
        .await
        .unwrap_err();
    assert!(matches!(grown.kind(), Error::Internal(_)), "{grown}");
    assert!(grown.to_string().contains("raise memory_bytes"), "{grown}");
    let trapped = provider
        .traces()
        .get_spans(&query("trap"))
        .await
        .unwrap_err();
    assert!(matches!(trapped.kind(), Error::Internal(_)), "{trapped}");
    assert_eq!(provider.traces().get_spans(&query("any")).await?.len(), 1);
    assert_eq!(status(&host, "echo")?.generation.unwrap().errors, 2);
    Ok(())
}

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
    let provider = Provider::connect(&host, self::spec(config), Scope::All);
    let spans = provider.traces().get_spans(&query("any")).await?;
    assert!(!text(&spans[0], "echo.config").contains("sk-very-secret"));
    Ok(())
}

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
    with_secret.secrets = [("tokken".to_owned(), Secret::from("x"))].into();
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

#[tokio::test]
async fn a_missing_folder_is_an_error_that_names_it() {
    let plugins = PluginsConfig {
        folder: "/no/such/folder".into(),
        ..PluginsConfig::default()
    };
    let error = Host::start(&plugins, &LimitsConfig::default())
        .await
        .err()
        .unwrap();
    let message = error.to_string();
    assert!(
        message.starts_with("the plugins folder /no/such/folder cannot be read"),
        "{message}"
    );
    assert!(message.contains("ROOST_PLUGINS"), "{message}");
}

/// The status that the provider was answered, asking for `url`.
async fn status_of(provider: &Provider, url: &str) -> Result<u16> {
    let project = format!("forbidden:{url}");
    let error = provider
        .traces()
        .get_spans(&query(&project))
        .await
        .unwrap_err();
    match error.kind() {
        Error::Backend(failure) => Ok(failure.status),
        _ => Err(error.into()),
    }
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

/// A host whose limits a test has set.
async fn with_limits(limits: LimitsConfig) -> Result<(PluginFolder, Host, Provider)> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    Ok((folder, host, provider))
}

#[tokio::test]
async fn an_instance_is_reused_until_it_has_served_its_quota() -> Result<()> {
    let limits = LimitsConfig {
        calls_per_instance: 3,
        ..LimitsConfig::default()
    };
    let (_folder, _host, provider) = with_limits(limits).await?;
    let mut calls = Vec::new();
    for _ in 0..7 {
        let spans = provider.traces().get_spans(&query("any")).await?;
        calls.push(text(&spans[0], "echo.call").to_owned());
    }
    assert_eq!(calls, ["1", "2", "3", "1", "2", "3", "1"]);
    Ok(())
}

#[tokio::test]
async fn calls_beyond_the_instances_wait_for_one() -> Result<()> {
    let limits = LimitsConfig {
        max_instances: 1,
        call_timeout_millis: 1000,
        ..LimitsConfig::default()
    };
    let (_folder, host, provider) = with_limits(limits).await?;
    let traces = provider.traces();
    let (endless, any) = (query("loop"), query("any"));
    let mut first = Box::pin(traces.get_spans(&endless));
    // Let it take the only instance.
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut first)
            .await
            .is_err()
    );
    let mut second = Box::pin(traces.get_spans(&any));
    tokio::select! {
        biased;
        ended = &mut first => assert!(ended.is_err()),
        early = &mut second => panic!("it did not wait: {early:?}"),
    }
    assert_eq!(second.await?.len(), 1);
    let serving = status(&host, "echo")?.generation.unwrap();
    assert_eq!((serving.calls, serving.errors), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_call_that_outlasts_the_draining_is_ended() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        drain_timeout_seconds: 0,
        ..PluginsConfig::default()
    };
    let host = Host::start(&plugins, &LimitsConfig::default()).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let (traces, endless) = (provider.traces(), query("loop"));
    let mut call = Box::pin(traces.get_spans(&endless));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut call)
            .await
            .is_err()
    );
    folder.install("echo", &echo_next()?)?;
    let (call, reloaded) = tokio::join!(call, host.reload());
    reloaded?;
    let error = call.unwrap_err();
    assert!(matches!(error.kind(), Error::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("was replaced"), "{error}");
    Ok(())
}

#[tokio::test]
async fn pages_that_lead_to_themselves_have_an_end() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let error = provider
        .traces()
        .get_spans(&query("endless"))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::Internal(_)), "{error}");
    assert!(error.to_string().contains("pages have no end"), "{error}");
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
async fn compiled_code_is_kept_where_the_configuration_says() -> Result<()> {
    let (folder, cache) = (PluginFolder::new()?, tempfile::tempdir()?);
    folder.install("echo", &echo()?)?;
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        cache_folder: Some(cache.path().to_owned()),
        ..PluginsConfig::default()
    };
    Host::start(&plugins, &LimitsConfig::default()).await?;
    assert!(std::fs::read_dir(cache.path())?.next().is_some());
    Ok(())
}
