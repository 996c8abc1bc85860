//! What the operator keeps: by age, by number and by size. `local` alone deletes by itself.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{PluginFolder, local_provider};

use crate::SOON;

const HOUR: Duration = Duration::from_secs(3_600);

/// A service on the database in `folder`, whose instances have not looked at what is old yet.
async fn service(folder: &PluginFolder, keeps: &str) -> Result<TelemetryManager> {
    let toml = format!(
        "plugins.folder = \"{folder}\"\ndatabase.folder = \"{folder}\"\n\
         telemetry.batch_config.max_queue_size = 8192\n\
         connections.default.provider_config = {{ {keeps} }}\n",
        folder = folder.path().display()
    );
    Ok(TelemetryManager::start(Config::from_toml(&toml, "/roost.toml")?).await?)
}

/// Spans of a trace each, a second apart, the last one so long ago.
async fn send(telemetry: &TelemetryManager, count: u32, ago: Duration) -> Result<()> {
    let tracer = telemetry.tracer("acme");
    for place in 0..count {
        let start = SystemTime::now() - ago - Duration::from_secs((count - place).into());
        let mut span = tracer
            .span_builder("work")
            .with_start_time(start)
            .with_attributes([KeyValue::new("input.value", "owl ".repeat(150))])
            .start(&tracer);
        span.end_with_timestamp(start);
    }
    let report = telemetry.force_flush(SOON).await;
    ensure!(report.is_complete(), "{report:?}");
    Ok(())
}

async fn count(telemetry: &TelemetryManager) -> Result<usize> {
    let project = telemetry.project_name("acme", None)?;
    let query = SpanQuery::new(project, TimeWindow::all()).limit(usize::MAX);
    let provider = telemetry.get_provider("acme", None)?;
    Ok(provider.traces().get_spans(&query).await?.len())
}

#[tokio::test]
async fn what_is_too_old_or_too_much_goes_when_more_comes() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("local", &local_provider()?)?;
    let telemetry = service(&folder, "").await?;
    send(&telemetry, 700, 50 * HOUR).await?;
    send(&telemetry, 1_300, HOUR).await?;
    assert_eq!(count(&telemetry).await?, 2_000);
    drop(telemetry);

    let telemetry = service(&folder, "retain_days = 2").await?;
    send(&telemetry, 1, Duration::ZERO).await?;
    assert_eq!(count(&telemetry).await?, 1_301);
    drop(telemetry);

    let telemetry = service(&folder, "retain_spans = 1000").await?;
    send(&telemetry, 1, Duration::ZERO).await?;
    assert_eq!(count(&telemetry).await?, 1_000);
    drop(telemetry);

    // Spans of this size take some 1,400 bytes each.
    let telemetry = service(&folder, "retain_bytes = 1048576").await?;
    send(&telemetry, 1, Duration::ZERO).await?;
    let kept = count(&telemetry).await?;
    assert!((600..900).contains(&kept), "{kept}");
    Ok(())
}
