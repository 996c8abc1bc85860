//! How spans are gathered before they leave.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens to a span that finds the queue full, or its tenant's share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueFullPolicy {
    /// It is dropped, and counted.
    Drop,
    /// The thread that ends it waits for room, for up to five seconds.
    Block,
    /// It is written to disk and sent later, as are spans whose backend cannot be reached.
    Spool,
}

/// `[telemetry.batch_config]`: how spans are gathered before they leave, and what happens
/// when they come faster than they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchExportConfig {
    /// How many ended spans wait or are being sent at most, over all tenants. One tenant may
    /// hold three times as many as are free: alone, three quarters. 1 to 10,000,000; default
    /// 2,048.
    pub max_queue_size: usize,
    /// How many spans go out in one request at most. 1 to `max_queue_size`; default 512.
    pub max_export_batch_size: usize,
    /// How long one export may take, retries included. Milliseconds, 1 to 3,600,000;
    /// default 30,000.
    pub export_timeout_millis: u64,
    /// How long a span waits at most for its batch to fill. Milliseconds, 1 to 3,600,000;
    /// default 500.
    pub schedule_delay_millis: u64,
    /// What happens to a span that finds the queue full. By default as `drop_on_queue_full`
    /// says.
    pub on_queue_full: Option<QueueFullPolicy>,
    /// The same in short: true for `on_queue_full = "drop"`, false for `"block"`. Default true.
    pub drop_on_queue_full: bool,
    /// Whether dropped spans are logged. They are counted either way. Default true.
    pub log_dropped_spans: bool,
    /// How many log records about dropped spans are written in a minute at most. 1 to
    /// 6,000; default 10. `log_dropped_spans = false` is the way to have none.
    pub max_drop_log_rate_per_minute: u32,
    /// Whether each span is exported before the call that ended it returns, for tests.
    /// Default false.
    pub use_sync_export: bool,
}

impl Default for BatchExportConfig {
    fn default() -> Self {
        Self {
            max_queue_size: 2_048,
            max_export_batch_size: 512,
            export_timeout_millis: 30_000,
            schedule_delay_millis: 500,
            on_queue_full: None,
            drop_on_queue_full: true,
            log_dropped_spans: true,
            max_drop_log_rate_per_minute: 10,
            use_sync_export: false,
        }
    }
}

impl BatchExportConfig {
    /// What `on_queue_full` and `drop_on_queue_full` come to.
    #[must_use]
    pub const fn queue_full_policy(&self) -> QueueFullPolicy {
        match (self.on_queue_full, self.drop_on_queue_full) {
            (Some(policy), _) => policy,
            (None, true) => QueueFullPolicy::Drop,
            (None, false) => QueueFullPolicy::Block,
        }
    }

    /// `export_timeout_millis` as a duration.
    #[must_use]
    pub const fn export_timeout(&self) -> Duration {
        Duration::from_millis(self.export_timeout_millis)
    }

    /// `schedule_delay_millis` as a duration.
    #[must_use]
    pub const fn schedule_delay(&self) -> Duration {
        Duration::from_millis(self.schedule_delay_millis)
    }
}
