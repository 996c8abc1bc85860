//! Providers that fail again and again: held back, quarantined, rolled back, and lifted.

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use roost::config::{ConnectionLimits, LimitsConfig, PluginsConfig};
use roost::contract::Error;
use roost::plugin::{ConnectionSpec, Host, Refusal};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, Scripted, echo, echo_next, eventually, misdeeds};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fixture::{SOON, one_span, query, spec, status};
use crate::misdeed::Misdeed;

/// A host that quarantines soon.
async fn strict(folder: &PluginFolder) -> Result<Host> {
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        quarantine_after_starts: 3,
        quarantine_after_traps: 4,
        ..PluginsConfig::default()
    };
    Ok(Host::start(&plugins, &LimitsConfig::default()).await?)
}

/// A connection of its own name to the provider in `echo.wasm`, whatever that is.
fn connection(name: &str, config: Value) -> ConnectionSpec {
    ConnectionSpec {
        name: name.to_owned(),
        ..spec(config)
    }
}

/// Call until a call ends in these words.
async fn until(provider: &Provider, words: &str) -> Result<()> {
    eventually(words, SOON, async || {
        let error = provider.traces().get_spans(&query("any")).await;
        let error = error.err().context("it went well")?.to_string();
        ensure!(error.contains(words), "{error}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn starts_that_fail_in_a_row_quarantine_their_connection_and_no_other() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = strict(&folder).await?;
    let bad = connection("bad", json!({ "misdeed": Misdeed::InitializeTraps }));
    let bad = Provider::connect(&host, bad, Scope::All);
    let good = connection("good", json!({ "misdeed": Misdeed::Snoop }));
    let good = Provider::connect(&host, good, Scope::All);

    until(
        &bad,
        "quarantined in [connections.bad]: 3 starts failed in a row",
    )
    .await?;
    assert_eq!(good.traces().get_spans(&query("any")).await?, []);
    let quarantines = status(&host, "echo")?.quarantines;
    let [quarantine] = &*quarantines else {
        panic!("{quarantines:?}")
    };
    assert_eq!(quarantine.connection, "bad");

    // By hand, it is called again, and fails again.
    assert_eq!(host.lift("echo").await?, 1);
    assert_eq!(status(&host, "echo")?.quarantines, []);
    until(&bad, "initialize trapped").await?;
    until(&bad, "or run `roost providers lift echo`").await?;

    // Another file is another chance; it would not fit what these two want.
    drop((bad, good));
    folder.install("echo", &echo()?)?;
    host.reload().await?;
    let echo = Provider::connect(&host, spec(one_span()), Scope::All);
    assert_eq!(echo.traces().get_spans(&query("any")).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn traps_within_the_window_quarantine_and_good_calls_between_do_not_help() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = strict(&folder).await?;
    let bad = spec(json!({ "misdeed": Misdeed::TrapEveryThird }));
    let bad = Provider::connect(&host, bad, Scope::All);
    let mut answers = 0;
    let error = loop {
        match bad.traces().get_spans(&query("any")).await {
            Ok(_) => answers += 1,
            Err(error) if error.to_string().contains("quarantined") => break error,
            Err(error) => assert!(matches!(error.kind(), Error::Internal(_)), "{error}"),
        }
    };
    assert_eq!(answers, 8);
    assert!(matches!(error.kind(), Error::Unavailable(_)), "{error}");
    Ok(())
}

/// One thread computes for all of them here.
#[tokio::test]
async fn guests_that_others_keep_from_computing_are_ended_and_not_blamed() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = strict(&folder).await?;
    let connect = |name: &str| {
        let limits = ConnectionLimits {
            call_timeout_millis: Some(300),
            ..ConnectionLimits::default()
        };
        let spec = ConnectionSpec {
            limits,
            ..connection(name, one_span())
        };
        Provider::connect(&host, spec, Scope::All)
    };
    let all: Vec<_> = (0..8)
        .map(|number| connect(&format!("c{number}")))
        .collect();
    for _ in 0..5 {
        let ended = all.iter().map(async |one| {
            let error = one.traces().get_spans(&query("loop")).await.err();
            matches!(
                error.map(|error| error.kind().clone()),
                Some(Error::Timeout(_))
            )
        });
        assert_eq!(join_all(ended).await, [true; 8]);
    }
    assert_eq!(status(&host, "echo")?.quarantines, []);
    // Alone, it has nobody else to blame.
    let alone = all.first().context("none")?;
    let quarantined = async || loop {
        let error = alone.traces().get_spans(&query("loop")).await.err();
        if matches!(
            error.map(|error| error.kind().clone()),
            Some(Error::Unavailable(_))
        ) {
            break;
        }
    };
    timeout(SOON, quarantined()).await?;
    assert_eq!(status(&host, "echo")?.quarantines.len(), 1);
    Ok(())
}

/// What a backend does is not the guest's fault.
#[tokio::test]
async fn a_backend_that_hangs_quarantines_nobody() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = strict(&folder).await?;
    let hangs = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", hangs.local_addr()?);
    let spec = ConnectionSpec {
        allow_hosts: vec![url.clone()],
        limits: ConnectionLimits {
            call_timeout_millis: Some(100),
            ..ConnectionLimits::default()
        },
        ..spec(json!({ "misdeed": Misdeed::ForbiddenHost, "url": url }))
    };
    let provider = Provider::connect(&host, spec, Scope::All);
    for _ in 0..6 {
        let error = provider
            .traces()
            .get_spans(&query("any"))
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), Error::Timeout(_)), "{error}");
    }
    assert_eq!(status(&host, "echo")?.quarantines, []);
    Ok(())
}

#[tokio::test]
async fn a_new_content_that_fails_its_first_calls_is_rolled_back() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = strict(&folder).await?;
    // Unless it is told otherwise, the other one traps in every third call.
    let provider = Provider::connect(&host, spec(json!({})), Scope::All);
    for _ in 0..3 {
        provider.traces().get_spans(&query("any")).await?;
    }
    folder.install("echo", &misdeeds()?)?;
    host.reload().await?;
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 2);
    // It answers now and then, until it has failed three times.
    eventually("the rollback", SOON, async || {
        let _ = provider.traces().get_spans(&query("any")).await;
        let number = status(&host, "echo")?.generation.context("gone")?.number;
        ensure!(number == 3, "generation {number} serves");
        Ok(())
    })
    .await?;
    let echo = status(&host, "echo")?;
    assert_eq!(echo.generation.unwrap().info.version, "1.0.0");
    let refusal = echo.refusal.unwrap();
    assert!(matches!(refusal, Refusal::RolledBack { .. }), "{refusal}");
    assert!(
        refusal
            .to_string()
            .starts_with("version 99.0.0 was rolled back: it failed its first")
    );
    provider.traces().get_spans(&query("any")).await?;
    // Looking again at the same file changes nothing, until somebody says so.
    host.reload().await?;
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 3);
    host.lift("echo").await?;
    let lifted = status(&host, "echo")?;
    assert_eq!(lifted.generation.unwrap().info.version, "99.0.0");
    assert_eq!(lifted.refusal, None);
    Ok(())
}

#[tokio::test]
async fn errors_of_a_backend_roll_nothing_back() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let host = strict(&folder).await?;
    // Nobody listens there.
    let gone = Scripted::start(&[]).await?.address().to_owned();
    let provider = Provider::connect(&host, spec(json!({ "endpoint": gone })), Scope::All);
    provider.traces().get_spans(&query("any")).await?;
    folder.install("echo", &echo_next()?)?;
    host.reload().await?;
    let project = format!("forbidden:{gone}");
    for _ in 0..5 {
        let error = provider.traces().get_spans(&query(&project)).await;
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), Error::Unavailable(_)), "{error}");
    }
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 2);
    Ok(())
}
