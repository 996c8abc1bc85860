//! Files that change while calls run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use roost::config::{LimitsConfig, PluginsConfig};
use roost::contract::Error;
use roost::plugin::Host;
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, echo, echo_next, eventually, other_contract};

use crate::fixture::{SOON, host, one_span, query, spec, status, text, with_echo};

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
