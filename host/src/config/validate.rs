//! What a configuration must keep to that its types do not say.

mod connection;
mod serve;
mod telemetry;

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;

use minisign_verify::PublicKey;

use super::origin::{Origin, key_path};
use super::suggestion::suggest;
use super::{
    CacheConfig, Config, ConfigError, ConnectionLimits, DatabaseConfig, PluginsConfig, Problem,
    endpoint,
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
