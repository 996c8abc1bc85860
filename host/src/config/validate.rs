//! What a configuration must keep to that its types do not say.

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;

use http::HeaderName;
use minisign_verify::PublicKey;

use super::origin::{Origin, key_path};
use super::secret::MASK;
use super::suggestion::suggest;
use super::{
    CacheConfig, Config, ConfigError, ConnectionConfig, ConnectionLimits, DatabaseConfig,
    ExposeSecret, HostPattern, Place, PluginsConfig, Problem, QueueFullPolicy, RedactionAction,
    RedactionConfig, SamplingConfig, SecretSource, ServeConfig, TelemetryConfig, endpoint,
    identifier, project,
};

const HOUR_SECONDS: u64 = 3_600;
const HOUR_MILLIS: u64 = 3_600_000;
const YEAR_SECONDS: u64 = 365 * 24 * HOUR_SECONDS;
const GIB: u64 = 1 << 30;

impl Config {
    /// Finds every problem at once, each with where its value comes from. A value the
    /// application has changed after reading is named by the place it was read from.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all problems.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut findings = Findings {
            origin: &self.origin,
            problems: Vec::new(),
        };
        findings.telemetry(&self.telemetry);
        findings.plugins(&self.plugins);
        findings.limits("limits", &ConnectionLimits::from(&self.limits));
        findings.database(&self.database);
        findings.cache(&self.cache);
        findings.serve(&self.serve);
        findings.redaction(&self.redaction);
        for (name, connection) in self.connections.iter() {
            findings.connection(name, connection);
        }
        for (tenant, entry) in &self.tenants {
            if let Some(sampling) = &entry.sampling {
                let section = key_path(["tenants", tenant.as_str(), "sampling"]);
                findings.sampling(&section, sampling);
            }
            if self.connections.get(&entry.connection).is_none() {
                let known = self.connections.iter().map(|(name, _)| name);
                findings.refuse(
                    &key_path(["tenants", tenant.as_str(), "connection"]),
                    &entry.connection,
                    format!("no such connection; {}", suggest(&entry.connection, known)),
                );
            }
        }
        match findings.problems {
            problems if problems.is_empty() => Ok(()),
            problems => Err(ConfigError::invalid(problems)),
        }
    }
}

/// The problems found so far.
struct Findings<'a> {
    origin: &'a Origin,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn telemetry(&mut self, telemetry: &TelemetryConfig) {
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

    fn sampling(&mut self, section: &str, sampling: &SamplingConfig) {
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

    fn plugins(&mut self, plugins: &PluginsConfig) {
        self.text("plugins.folder", &plugins.folder.to_string_lossy());
        if let Some(folder) = &plugins.cache_folder {
            self.text("plugins.cache_folder", &folder.to_string_lossy());
        }
        if let Some(file) = &plugins.lock_file {
            self.text("plugins.lock_file", &file.to_string_lossy());
        }
        for key in &plugins.trusted_keys {
            if let Err(error) = PublicKey::from_base64(key) {
                let advice = format!("is no public key of minisign: {error}");
                self.refuse("plugins.trusted_keys", key, advice);
            }
        }
        if plugins.require_signatures && plugins.trusted_keys.is_empty() {
            let advice = "needs a key: add `trusted_keys` to `[plugins]`";
            self.refuse("plugins.require_signatures", true, advice);
        }
        self.range(
            "plugins.drain_timeout_seconds",
            plugins.drain_timeout_seconds,
            0..=HOUR_SECONDS,
        );
        self.range(
            "plugins.poll_interval_seconds",
            plugins.poll_interval_seconds,
            1..=HOUR_SECONDS,
        );
        self.range(
            "plugins.stack_bytes",
            plugins.stack_bytes,
            64 << 10..=16 << 20,
        );
        self.range(
            "plugins.quarantine_after_starts",
            plugins.quarantine_after_starts,
            1..=1_000,
        );
        self.range(
            "plugins.quarantine_after_traps",
            plugins.quarantine_after_traps,
            1..=1_000_000,
        );
        self.range(
            "plugins.quarantine_window_seconds",
            plugins.quarantine_window_seconds,
            1..=HOUR_SECONDS,
        );
        self.range(
            "plugins.rollback_after_failures",
            plugins.rollback_after_failures,
            0..=20,
        );
    }

    fn limits(&mut self, section: &str, limits: &ConnectionLimits) {
        for (key, value, range) in limits.ranges() {
            self.range(&format!("{section}.{key}"), value, range);
        }
    }

    fn database(&mut self, database: &DatabaseConfig) {
        if let Some(folder) = &database.folder {
            self.text("database.folder", &folder.to_string_lossy());
        }
        let bytes = database.max_bytes;
        self.range("database.max_bytes", bytes, 1 << 20..=1 << 50);
    }

    fn cache(&mut self, cache: &CacheConfig) {
        self.range("cache.ttl_seconds", cache.ttl_seconds, 1..=86_400);
        self.range("cache.max_bytes", cache.max_bytes, 1 << 20..=64 * GIB);
    }

    fn serve(&mut self, serve: &ServeConfig) {
        let bytes = serve.max_body_bytes;
        self.range("serve.max_body_bytes", bytes, 1 << 10..=256 << 20);
        let connections = serve.max_connections;
        self.range("serve.max_connections", connections, 1..=1_000_000);
        let requests = serve.max_concurrent_requests;
        self.range("serve.max_concurrent_requests", requests, 1..=100_000);
        for (key, millis) in [
            ("serve.request_timeout_millis", serve.request_timeout_millis),
            ("serve.header_timeout_millis", serve.header_timeout_millis),
        ] {
            self.range(key, millis, 1..=HOUR_MILLIS);
        }
        let seconds = serve.shutdown_timeout_seconds;
        self.range("serve.shutdown_timeout_seconds", seconds, 1..=HOUR_SECONDS);
        self.text("serve.tenant_attribute", &serve.tenant_attribute);
        if let Err(error) = HeaderName::try_from(&serve.tenant_header) {
            self.refuse("serve.tenant_header", &serve.tenant_header, error);
        }
        for (tenant, keys) in &serve.keys {
            let key = key_path(["serve", "keys", tenant.as_str()]);
            if keys.as_slice().is_empty() {
                self.refuse_key(&key, "has no key; remove the line");
            }
            for source in keys.as_slice() {
                if let Err(advice) = check_secret(source) {
                    self.refuse_key(&key, advice);
                }
            }
        }
        if let Some(tls) = &serve.tls {
            for (key, path) in [
                ("serve.tls.certificate", Some(&tls.certificate)),
                ("serve.tls.key", Some(&tls.key)),
                ("serve.tls.client_ca", tls.client_ca.as_ref()),
            ] {
                if let Some(path) = path {
                    self.text(key, &path.to_string_lossy());
                }
            }
        }
    }

    fn redaction(&mut self, redaction: &RedactionConfig) {
        for (number, rule) in redaction.rules.iter().enumerate() {
            let key = |name| key_path(["redaction", "rules", &number.to_string(), name]);
            if let Err(error) = rule.key_pattern() {
                self.refuse(&key("key"), &rule.key, pattern_fault(&error));
            }
            if let Some(value) = &rule.value
                && let Err(error) = rule.value_pattern()
            {
                self.refuse(&key("value"), value, pattern_fault(&error));
            }
            if rule.action == RedactionAction::Hash && redaction.hash_secret.is_none() {
                let advice = "needs a secret; add `hash_secret` to `[redaction]`";
                self.refuse(&key("action"), "hash", advice);
            }
        }
        if let Some(Err(advice)) = redaction.hash_secret.as_ref().map(check_secret) {
            self.refuse_key("redaction.hash_secret", advice);
        }
    }

    fn connection(&mut self, name: &str, connection: &ConnectionConfig) {
        let key = |rest: &[&str]| {
            key_path(
                ["connections", name]
                    .into_iter()
                    .chain(rest.iter().copied()),
            )
        };
        if let Err(fault) = identifier::check(name) {
            self.refuse_key(&key(&[]), format!("is no name for a connection: {fault}"));
        }
        if let Some(provider) = &connection.provider {
            if let Some(stem) = provider.strip_suffix(".wasm") {
                let advice = format!("must be the file's stem; write `{stem}`");
                self.refuse(&key(&["provider"]), provider, advice);
            } else if provider.is_empty() || provider.contains(['/', '\\']) {
                let advice = "must be the stem of a file in the plugins folder, such as `phoenix`";
                self.refuse(&key(&["provider"]), provider, advice);
            }
        }
        // The provider's own schema checks the rest; these two names are Roost's, since the
        // environment sets them.
        for endpoint in ["http_endpoint", "grpc_endpoint"] {
            let text = connection
                .provider_config
                .get(endpoint)
                .and_then(|value| value.as_str());
            if let Some((text, Err(error))) = text.map(|text| (text, endpoint::url(text))) {
                self.endpoint(&key(&["provider_config", endpoint]), text, error);
            }
        }
        self.range(
            &key(&["secrets_refresh_seconds"]),
            connection.secrets_refresh_seconds,
            1..=YEAR_SECONDS,
        );
        for (secret, source) in &connection.secrets {
            if let Err(advice) = check_secret(source) {
                self.refuse_key(&key(&["secrets", secret]), advice);
            }
        }
        self.limits(&key(&["limits"]), &connection.limits);
        if let Some(source) = &connection.database {
            let advice = match source {
                SecretSource::Literal(address) => check_database(address.expose_secret()),
                source => check_secret(source),
            };
            if let Err(advice) = advice {
                self.refuse_key(&key(&["database"]), advice);
            }
        }
        for host in &connection.allow_hosts {
            if let Err(error) = HostPattern::parse(host) {
                self.endpoint(&key(&["allow_hosts"]), host, error);
            }
        }
    }

    /// Whether a number is in its range; a problem if not.
    fn range<T: PartialOrd + Display + Debug>(
        &mut self,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
    ) -> bool {
        let inside = range.contains(&value);
        if !inside {
            let advice = format!("must be from {} to {}", range.start(), range.end());
            self.refuse(key, value, advice);
        }
        inside
    }

    fn text(&mut self, key: &str, value: &str) {
        if value.trim().is_empty() {
            self.refuse(
                key,
                value,
                "must not be empty; remove the line for the default",
            );
        }
    }

    fn endpoint(&mut self, key: &str, value: &str, error: endpoint::InvalidEndpoint) {
        match error {
            endpoint::InvalidEndpoint::Credentials => self.refuse_key(key, error),
            _ => self.refuse(key, value, error),
        }
    }

    fn refuse(&mut self, key: &str, value: impl Debug, advice: impl Display) {
        self.push(key, Some(format!("{value:?}")), &advice);
    }

    /// Refuses without showing the value.
    fn refuse_key(&mut self, key: &str, advice: impl Display) {
        self.push(key, None, &advice);
    }

    fn push(&mut self, key: &str, value: Option<String>, advice: &dyn Display) {
        self.problems.push(Problem {
            place: self.origin.place(key),
            key: key.to_owned(),
            value,
            advice: advice.to_string(),
        });
    }
}

/// What is wrong with an expression, in a line: the full message draws where, over several.
fn pattern_fault(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!(
        "is no regular expression: {}",
        last.trim_start_matches("error: ")
    )
}

/// Whether an address of a database begins as one; the message must not show it.
fn check_database(address: &str) -> Result<(), &'static str> {
    let begins = |scheme| {
        address
            .strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    };
    if ["sqlite:", "postgres://", "postgresql://"]
        .into_iter()
        .any(begins)
    {
        return Ok(());
    }
    Err("must be `sqlite:` and a path, or `postgres://` and a server")
}

fn check_secret(source: &SecretSource) -> Result<(), &'static str> {
    match source {
        SecretSource::Env { env } if env.is_empty() || env.contains(['=', '\0']) => {
            Err("`env` must be the name of an environment variable")
        }
        SecretSource::File { file } if file.as_os_str().is_empty() => {
            Err("`file` must be the path of a file")
        }
        SecretSource::Command { command } if command.first().is_none_or(String::is_empty) => {
            Err("`command` must be a program and its arguments, such as `[\"vault\", \"read\"]`")
        }
        SecretSource::Literal(secret) if secret.expose_secret().is_empty() => {
            Err("is empty; remove the line if there is no secret")
        }
        SecretSource::Literal(secret) if secret.expose_secret() == MASK => {
            Err("is the mask a secret is shown as; put the secret itself")
        }
        _ => Ok(()),
    }
}
