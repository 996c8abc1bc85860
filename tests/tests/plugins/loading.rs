//! What is loaded from the folder, and what is refused.

use anyhow::{Context, Result};
use roost::config::{LimitsConfig, PluginsConfig};
use roost::contract::Capability;
use roost::plugin::{Host, Refusal};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, core_module, echo, misdeeds, other_contract};

use crate::fixture::{host, one_span, query, refusal, spec, status, with_echo};
use crate::misdeed::{DESCRIBES, Describes};

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

/// The provider of misdeeds, which does this when it is asked to describe itself.
fn that_describes(describes: Describes) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(misdeeds()?)?;
    let length = DESCRIBES.len();
    let marks = bytes.windows(length).enumerate();
    let marks: Vec<_> = marks.filter(|(_, words)| words == DESCRIBES).collect();
    let [(mark, _)] = *marks else {
        panic!("{} marks", marks.len());
    };
    bytes[mark + length] = describes as u8;
    Ok(bytes)
}

/// A description is asked for within the limits of any call, beside what serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_describe_itself_is_refused_and_what_served_serves_on() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let limits = LimitsConfig {
        memory_bytes: 32 << 20,
        start_timeout_millis: 1_000,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let provider = Provider::connect(&host, spec(one_span()), Scope::All);
    for (describes, why) in [
        (
            Describes::Hangs,
            "describe was ended at its deadline; if the backend needs longer, raise \
             start_timeout_millis under [limits]",
        ),
        (Describes::Traps, "describe trapped: "),
        (Describes::TakesMemory, "raise memory_bytes under [limits]"),
    ] {
        folder.install_bytes("echo", &that_describes(describes)?)?;
        let reload = host.reload();
        tokio::pin!(reload);
        let mut answered = 0;
        loop {
            tokio::select! {
                biased;
                done = &mut reload => break done?,
                spans = async { provider.traces().get_spans(&query("any")).await } => {
                    answered += spans?.len();
                }
            }
        }
        assert!(answered > 0, "{describes:?}");
        let refusal = refusal(&host, "echo")?;
        assert!(matches!(refusal, Refusal::Failed(_)), "{refusal}");
        assert!(refusal.to_string().contains(why), "{refusal}");
        assert_eq!(status(&host, "echo")?.generation.unwrap().number, 1);
    }
    // Told truly, it would serve.
    folder.install_bytes("echo", &that_describes(Describes::Lies)?)?;
    host.reload().await?;
    assert_eq!(status(&host, "echo")?.generation.unwrap().number, 2);
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
