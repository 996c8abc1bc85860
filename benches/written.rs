//! Spans as the instrumentation of a chat library makes them, stored in a real Phoenix.

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost_tests::eventually;

use crate::chat::chat;
use crate::service::{Service, TENANT};

/// Phoenix stores some hundred spans a second, on a machine with nothing else to do.
const STORED_EACH: Duration = Duration::from_millis(180);

/// Write so many spans, and wait until the backend has stored them all.
pub(crate) async fn write(service: &Service, count: usize) -> Result<()> {
    let stored = STORED_EACH * u32::try_from(count)?;
    for number in 0..count {
        chat(&service.telemetry, TENANT, i64::try_from(number)?);
        if number % 1_000 == 999 {
            // The queue holds two thousand.
            let report = service.telemetry.force_flush(stored).await;
            ensure!(report.is_complete(), "{report:?}");
        }
    }
    let provider = service.provider()?;
    let last = SpanQuery::new(service.project()?, TimeWindow::all()).limit(count);
    eventually("Phoenix has stored the spans", stored, async || {
        let found = provider.traces().get_spans(&last).await?.len();
        ensure!(found == count, "{found} of {count}");
        Ok(())
    })
    .await
}
