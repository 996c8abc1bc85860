//! The limits of one connection, and the words that tell an operator how to raise one.

use std::ops::Deref;
use std::time::Duration;

use super::quota::Quota;
use super::runtime::size;
use crate::config::{ConnectionLimits, LimitsConfig};

/// What kind of call it is, which decides how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Read,
    Write,
    Health,
}

impl Class {
    /// The setting of its deadline.
    pub(super) fn setting(self) -> &'static str {
        match self {
            Self::Read => "call_timeout_millis",
            Self::Write => "write_timeout_millis",
            Self::Health => "health_timeout_millis",
        }
    }
}

/// The limits that hold in one connection.
#[derive(Debug)]
pub(crate) struct Limits {
    config: LimitsConfig,
    /// The connection's name, and what it sets itself.
    connection: Option<(String, ConnectionLimits)>,
    /// What is left of what a minute allows. Of all generations: a swap gives nothing anew.
    pub(super) quota: Quota,
}

impl Limits {
    /// `[limits]` itself, for what belongs to no connection.
    pub(super) fn of_host(config: &LimitsConfig) -> Self {
        Self {
            quota: Quota::new(config),
            config: config.clone(),
            connection: None,
        }
    }

    /// What holds in the connection `name`, which sets some differently.
    pub(super) fn of_connection(name: &str, own: &ConnectionLimits, all: &LimitsConfig) -> Self {
        let config = own.over(all);
        Self {
            quota: Quota::new(&config),
            config,
            connection: Some((name.to_owned(), own.clone())),
        }
    }

    /// How to have more of something, for the end of a sentence.
    pub(super) fn raise(&self, setting: &str) -> String {
        let section = match &self.connection {
            None => "[limits]".to_owned(),
            // What it sets itself is not changed by what all have.
            Some((name, own)) if own.sets(setting) => format!("[connections.{name}.limits]"),
            Some((name, _)) => format!("[limits] or [connections.{name}.limits]"),
        };
        format!("raise {setting} under {section} in roost.toml")
    }

    /// How long a call may take.
    pub(super) fn timeout(&self, class: Class) -> Duration {
        match class {
            Class::Read => self.config.call_timeout(),
            Class::Write => self.config.write_timeout(),
            Class::Health => self.config.health_timeout(),
        }
    }

    pub(super) fn memory(&self) -> usize {
        size(self.config.memory_bytes)
    }

    pub(super) fn elements(&self) -> usize {
        size(self.config.table_elements)
    }
}

impl Deref for Limits {
    type Target = LimitsConfig;

    fn deref(&self) -> &LimitsConfig {
        &self.config
    }
}
