//! The same provider in each language, `examples/phoenix`: built by the commands of its README, and
//! used on a real Phoenix.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::{NewAnnotation, Target, TimeWindow};
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{Phoenix, PluginFolder, eventually, unique};

use crate::page::commands;
use crate::with_toolchains;

/// How long a server may take that has other tests to serve as well.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_provider_in_rust_serves_a_real_phoenix() -> Result<()> {
    serves_a_real_phoenix("rust").await
}

#[tokio::test]
async fn the_provider_in_python_serves_a_real_phoenix() -> Result<()> {
    serves_a_real_phoenix("python").await
}

#[tokio::test]
async fn the_provider_in_javascript_serves_a_real_phoenix() -> Result<()> {
    serves_a_real_phoenix("javascript").await
}

#[tokio::test]
async fn the_provider_in_c_serves_a_real_phoenix() -> Result<()> {
    serves_a_real_phoenix("c").await
}

/// It is built, keeps every rule about what it exports, and does what an application asks of it.
async fn serves_a_real_phoenix(language: &str) -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let folder = tempfile::tempdir()?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    std::os::unix::fs::symlink(&examples, folder.path().join("examples"))?;
    let page = std::fs::read_to_string(examples.join("phoenix/README.md"))?;
    let commands = commands(&page, language).join("\n");
    let script = format!("phoenix={}\n{commands}", phoenix.http_endpoint());
    let ran = with_toolchains(folder.path(), &script).await?;
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains(" 36 passed, 0 failed, "),
        "{}",
        ran.stdout
    );

    let name = format!("phoenix-{language}");
    let plugins = PluginFolder::new()?;
    plugins.install("phoenix", &folder.path().join(&name).join(name + ".wasm"))?;
    let config = format!(
        "[plugins]\nfolder = \"{}\"\n[connections.default]\nprovider = \"phoenix\"\n\
         provider_config = {{ http_endpoint = \"{}\" }}\n",
        plugins.path().display(),
        phoenix.http_endpoint(),
    );
    let telemetry = TelemetryManager::start(Config::from_toml(&config, "/roost.toml")?).await?;
    let tenant = unique(language);
    telemetry.span("größe", &tenant).in_scope(|_| ());
    ensure!(telemetry.force_flush(SOON).await.is_complete());

    let provider = telemetry.get_provider(&tenant, None)?;
    let project = telemetry.project_name(&tenant, None)?;
    let span = eventually("the span is there", SOON, async || {
        let query = SpanQuery::new(&project, TimeWindow::all());
        let mut spans = provider.traces().get_spans(&query).await?;
        ensure!(spans.len() == 1, "{} spans", spans.len());
        Ok(spans.remove(0))
    })
    .await?;
    assert_eq!(span.name, "größe");
    let target = Target::span(span.span_id);
    let approval = NewAnnotation::new(target.clone(), "human_approval").label("approved");
    let annotations = provider.annotations();
    annotations.add_annotation(&project, approval).await?;
    let found = annotations
        .get_annotations(&project, &[target], None)
        .await?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].label.as_deref(), Some("approved"));
    Ok(())
}
