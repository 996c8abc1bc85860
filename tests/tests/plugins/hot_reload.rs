//! Files that change while calls run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use roost::config::{LimitsConfig, PluginsConfig};
use roost::contract::Error;
use roost::plugin::{Host, Refusal, SwapError};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, echo, echo_next, eventually, misdeeds, other_contract};

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

/// What the calls of a provider are answered by.
async fn version(provider: &Provider) -> Result<String> {
    let spans = provider.traces().get_spans(&query("any")).await?;
    Ok(text(&spans[0], "echo.version").to_owned())
}

async fn comes_to_serve(provider: &Provider, wanted: &'static str) -> Result<()> {
    eventually(wanted, SOON, async || {
        let found = version(provider).await?;
        ensure!(found == wanted, "it is {found}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_call_that_waits_for_an_instance_goes_to_the_generation_that_replaces_it() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        max_instances: 1,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let (traces, endless) = (provider.traces(), query("loop"));
    let mut holds = Box::pin(traces.get_spans(&endless));
    let mut waits = Box::pin(version(&provider));
    for _ in 0..2 {
        // The first takes the only instance, the second waits for it.
        let pause = tokio::time::sleep(Duration::from_millis(50));
        tokio::select! {
            biased;
            ended = &mut holds => panic!("it ended: {ended:?}"),
            ended = &mut waits => panic!("it did not wait: {ended:?}"),
            () = pause => {}
        }
    }
    folder.install("echo", &echo_next()?)?;
    let changed = async {
        host.reload().await?;
        waits.await
    };
    tokio::select! {
        biased;
        ended = &mut holds => panic!("it ended: {ended:?}"),
        answered = changed => assert_eq!(answered?, "2.0.0"),
    }
    Ok(())
}

#[tokio::test]
async fn a_content_that_does_not_fit_an_open_connection_is_refused_and_what_served_serves_on()
-> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = host(&folder, LimitsConfig::default()).await?;
    let snoop = spec(serde_json::json!({ "misdeed": "snoop" }));
    let provider = Provider::connect(&host, snoop, Scope::All);
    provider.traces().get_spans(&query("any")).await?;
    folder.install("echo", &echo()?)?;
    host.reload().await?;
    let refusal = status(&host, "echo")?.refusal.unwrap();
    assert!(matches!(refusal, Refusal::Misfit(_)), "{refusal}");
    let says = "[connections.default]: provider_config: ";
    assert!(refusal.to_string().contains(says), "{refusal}");
    provider.traces().get_spans(&query("any")).await?;
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 1);
    // Nobody uses it any more, so nothing is in the way.
    drop(provider);
    host.reload().await?;
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 2);
    Ok(())
}

#[tokio::test]
async fn by_hand_what_served_before_serves_again() -> Result<()> {
    let (folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let nothing = host.rollback("echo").await.unwrap_err();
    assert!(matches!(nothing, SwapError::NothingBefore(_)), "{nothing}");
    let unknown = host.rollback("ecko").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no provider ecko; there are: echo"
    );

    folder.install("echo", &echo_next()?)?;
    host.reload().await?;
    assert_eq!(version(&provider).await?, "2.0.0");
    host.rollback("echo").await?;
    assert_eq!(version(&provider).await?, "1.0.0");
    host.reload().await?;
    assert_eq!(version(&provider).await?, "1.0.0");
    let refusal = status(&host, "echo")?.refusal.unwrap().to_string();
    assert!(
        refusal.starts_with("version 2.0.0 was rolled back: by hand"),
        "{refusal}"
    );
    host.lift("echo").await?;
    assert_eq!(version(&provider).await?, "2.0.0");

    // Each content that served is remembered, with what it did.
    let activity = host.activity();
    let generations = &activity[0].generations;
    let seen: Vec<_> = generations
        .iter()
        .map(|one| (one.number, &*one.version))
        .collect();
    assert_eq!(
        seen,
        [(1, "1.0.0"), (2, "2.0.0"), (3, "1.0.0"), (4, "2.0.0")]
    );
    assert!(generations[..3].iter().all(|one| one.until.is_some()));
    assert_eq!(generations[2].operations["get-spans"].count, 2);
    assert_eq!(generations[2].calls, 2);
    Ok(())
}

/// How a ConfigMap or Secret is mounted: the files are links through `..data`, which is
/// replaced by a rename.
#[cfg(unix)]
#[tokio::test]
async fn a_volume_of_kubernetes_is_swapped() -> Result<()> {
    use std::os::unix::fs::symlink;

    let folder = PluginFolder::new()?;
    let mount = |name: &str, component: &std::path::Path| -> Result<()> {
        let data = folder.path().join(name);
        std::fs::create_dir(&data)?;
        std::fs::copy(component, data.join("echo.wasm"))?;
        symlink(name, folder.path().join("..data_tmp"))?;
        let (from, to) = ("..data_tmp", "..data");
        Ok(std::fs::rename(
            folder.path().join(from),
            folder.path().join(to),
        )?)
    };
    mount("..2026_01", &echo()?)?;
    symlink("..data/echo.wasm", folder.file("echo"))?;
    let host = host(&folder, LimitsConfig::default()).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    assert_eq!(version(&provider).await?, "1.0.0");
    mount("..2026_02", &echo_next()?)?;
    std::fs::remove_dir_all(folder.path().join("..2026_01"))?;
    comes_to_serve(&provider, "2.0.0").await
}

/// A link to a file elsewhere sends no events, as a network file system does not.
#[cfg(unix)]
#[tokio::test]
async fn a_change_without_an_event_is_found_by_looking() -> Result<()> {
    let (folder, elsewhere) = (PluginFolder::new()?, PluginFolder::new()?);
    elsewhere.install("echo", &echo()?)?;
    std::os::unix::fs::symlink(elsewhere.file("echo"), folder.file("echo"))?;
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        poll_interval_seconds: 1,
        ..PluginsConfig::default()
    };
    let host = Host::start(&plugins, &LimitsConfig::default()).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    assert_eq!(version(&provider).await?, "1.0.0");
    elsewhere.install("echo", &echo_next()?)?;
    comes_to_serve(&provider, "2.0.0").await
}

/// As vim writes: the old file becomes a backup, the new one takes its name.
#[tokio::test]
async fn an_editor_that_renames_is_followed() -> Result<()> {
    let (folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let (file, backup) = (folder.file("echo"), folder.path().join("echo.wasm~"));
    std::fs::write(folder.path().join(".echo.wasm.swp"), "swap")?;
    std::fs::rename(&file, &backup)?;
    std::fs::copy(echo_next()?, &file)?;
    std::fs::remove_file(&backup)?;
    comes_to_serve(&provider, "2.0.0").await?;
    assert_eq!(host.providers().len(), 1);
    Ok(())
}

/// A copy that takes its time: half of it is refused at the most, and never served.
#[tokio::test]
async fn a_file_that_is_written_slowly_serves_when_it_is_whole() -> Result<()> {
    use std::io::Write as _;

    let (folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let next = std::fs::read(echo_next()?)?;
    let mut file = std::fs::File::create(folder.file("echo"))?;
    for part in next.chunks(next.len() / 8) {
        file.write_all(part)?;
        // Longer than the folder has to be quiet.
        tokio::time::sleep(Duration::from_millis(150)).await;
        version(&provider).await?;
    }
    comes_to_serve(&provider, "2.0.0").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_changes_a_second_end_with_the_last() -> Result<()> {
    let (folder, host) = with_echo().await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for change in 0..100 {
        tick.tick().await;
        let component = if change % 2 == 0 {
            echo()?
        } else {
            echo_next()?
        };
        folder.install("echo", &component)?;
        version(&provider).await?;
    }
    comes_to_serve(&provider, "2.0.0").await?;
    // A folder that is never quiet is looked at now and then, not at each change.
    let number = status(&host, "echo")?.generation.unwrap().number;
    assert!(number < 50, "{number} generations");
    Ok(())
}

#[tokio::test]
async fn a_call_that_runs_while_its_file_is_removed_ends_by_itself() -> Result<()> {
    let (folder, host) = with_echo().await?;
    let backend = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", backend.local_addr()?);
    let spec = spec(serde_json::json!({ "endpoint": url }));
    let provider = Provider::connect(&host, spec, Scope::All);
    let (traces, project) = (provider.traces(), query(&format!("forbidden:{url}")));
    let mut call = Box::pin(traces.get_spans(&project));
    let mut stream = tokio::select! {
        biased;
        ended = &mut call => panic!("it ended: {ended:?}"),
        accepted = backend.accept() => accepted?.0,
    };
    folder.remove("echo")?;
    let removed = async {
        host.reload().await?;
        anyhow::Ok(host.providers())
    };
    tokio::select! {
        biased;
        ended = &mut call => panic!("it ended: {ended:?}"),
        providers = removed => assert!(providers?.is_empty()),
    }
    let answer = b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n";
    let answered = tokio::io::AsyncWriteExt::write_all(&mut stream, answer);
    let (answered, call) = tokio::join!(answered, call);
    answered?;
    let error = call.unwrap_err();
    let Error::Backend(failure) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(failure.status, 418);
    Ok(())
}
