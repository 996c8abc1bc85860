//! `[telemetry]`, its batches, its spool and its sampling.

use super::super::origin::key_path;
use super::super::{Place, QueueFullPolicy, SamplingConfig, TelemetryConfig, project};
use super::{Findings, GIB, HOUR_MILLIS, YEAR_SECONDS};

impl Findings<'_> {
    pub(super) fn telemetry(&mut self, telemetry: &TelemetryConfig) {
        self.text("telemetry.environment", &telemetry.environment);
        self.text("telemetry.service_version", &telemetry.service_version);
        if let Err(error) = project::check_service(&telemetry.service_name) {
            self.refuse(
                "telemetry.service_name",
                &telemetry.service_name,
                error.fault,
            );
        }
        if let Err(error) = telemetry.project_names() {
            let key = format!("telemetry.{}", error.key);
            self.refuse(&key, &error.template, error.fault);
        }
        self.range(
            "telemetry.max_cached_tenants",
            telemetry.max_cached_tenants,
            1..=1_000_000,
        );
        let ttl = telemetry.tenant_cache_ttl_seconds;
        self.range("telemetry.tenant_cache_ttl_seconds", ttl, 1..=YEAR_SECONDS);
        if let Err(error) = telemetry.otlp_url() {
            self.endpoint("telemetry.otlp_endpoint", &telemetry.otlp_endpoint, error);
        }
        if telemetry.extra_resource_attributes.contains_key("") {
            let advice = "an attribute must have a name";
            self.refuse_key(
                &key_path(["telemetry", "extra_resource_attributes", ""]),
                advice,
            );
        }
        self.sampling("telemetry.sampling", &telemetry.sampling);
        self.batch(telemetry);
    }

    pub(super) fn sampling(&mut self, section: &str, sampling: &SamplingConfig) {
        self.range(&format!("{section}.ratio"), sampling.ratio, 0.0..=1.0);
    }

    fn batch(&mut self, telemetry: &TelemetryConfig) {
        const QUEUE: &str = "telemetry.batch_config.max_queue_size";
        const BATCH: &str = "telemetry.batch_config.max_export_batch_size";
        let config = &telemetry.batch_config;
        let (queue, batch) = (config.max_queue_size, config.max_export_batch_size);
        if self.range(QUEUE, queue, 1..=10_000_000) && batch > queue {
            // Whichever of the two was written is the one to mend.
            if self.origin.place(BATCH) == Place::Application {
                let advice = format!("must be {batch} or more, as `max_export_batch_size` is");
                self.refuse(QUEUE, queue, advice);
            } else {
                let advice = format!("must be {queue} or less, as `max_queue_size` is");
                self.refuse(BATCH, batch, advice);
            }
        }
        if batch == 0 {
            self.refuse(BATCH, batch, "must be 1 or more");
        }
        let timeout = config.export_timeout_millis;
        self.range(
            "telemetry.batch_config.export_timeout_millis",
            timeout,
            1..=HOUR_MILLIS,
        );
        let delay = config.schedule_delay_millis;
        self.range(
            "telemetry.batch_config.schedule_delay_millis",
            delay,
            1..=HOUR_MILLIS,
        );
        let rate = config.max_drop_log_rate_per_minute;
        self.range(
            "telemetry.batch_config.max_drop_log_rate_per_minute",
            rate,
            1..=6_000,
        );
        self.queue_full(telemetry);
    }

    fn queue_full(&mut self, telemetry: &TelemetryConfig) {
        const POLICY: &str = "telemetry.batch_config.on_queue_full";
        const DROP: &str = "telemetry.batch_config.drop_on_queue_full";
        const FOLDER: &str = "telemetry.spool.folder";
        let config = &telemetry.batch_config;
        let drops = config.drop_on_queue_full;
        let agrees = match config.on_queue_full {
            None => true,
            Some(QueueFullPolicy::Drop) => drops,
            Some(QueueFullPolicy::Block) => !drops || self.is_default(DROP),
            Some(QueueFullPolicy::Spool) => drops && self.is_default(DROP),
        };
        if !agrees {
            let advice = "says something else than `on_queue_full`; remove this line";
            self.refuse(DROP, drops, advice);
        }
        let spool = &telemetry.spool;
        if config.on_queue_full == Some(QueueFullPolicy::Spool) && spool.folder.is_none() {
            let advice = "needs a folder: set `folder` under `[telemetry.spool]`";
            self.refuse_key(POLICY, format!("\"spool\" {advice}"));
        }
        if let Some(folder) = &spool.folder {
            self.text(FOLDER, &folder.to_string_lossy());
        }
        let bytes = spool.max_bytes;
        self.range("telemetry.spool.max_bytes", bytes, 1 << 20..=1_024 * GIB);
        let age = spool.max_age_seconds;
        self.range("telemetry.spool.max_age_seconds", age, 1..=YEAR_SECONDS);
    }

    /// Whether nobody has written this key.
    fn is_default(&self, key: &str) -> bool {
        self.origin.place(key) == Place::Application
    }
}
