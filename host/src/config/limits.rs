//! What a provider may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[limits]`: what a provider may use. Each is a fence around one instance, one call or
/// one request, so that no provider hurts its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The memory of one instance. Bytes, 1 MiB to 4 GiB; default 256 MiB.
    pub memory_bytes: u64,
    /// How long one call may take, its HTTP requests included. Milliseconds, 1 to
    /// 3,600,000; default 30,000.
    pub call_timeout_millis: u64,
    /// How many calls run at once in a connection; each has an instance of its own. 1 to
    /// 1,024; default 8.
    pub max_instances: usize,
    /// After how many calls an instance is replaced by a fresh one, so that a guest's
    /// leaks end. 1 to 1,000,000,000; default 10,000.
    pub calls_per_instance: u64,
    /// The body of one HTTP answer. Bytes, 1 KiB to 4 GiB; default 64 MiB.
    pub response_bytes: u64,
    /// The body of one HTTP request. Bytes, 1 KiB to 4 GiB; default 16 MiB.
    pub request_bytes: u64,
    /// How many HTTP requests a connection may make in a minute, repetitions included; a
    /// minute's worth may come at once. 1 to 1,000,000,000; default 120,000.
    pub requests_per_minute: u64,
    /// How many bytes of bodies, asked and answered, a connection may move in a minute. What
    /// is under way when they are used up goes on to its end. Bytes, 1 KiB to 1 TiB; default
    /// 8 GiB.
    pub bytes_per_minute: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            call_timeout_millis: 30_000,
            max_instances: 8,
            calls_per_instance: 10_000,
            response_bytes: 64 << 20,
            request_bytes: 16 << 20,
            requests_per_minute: 120_000,
            bytes_per_minute: 8 << 30,
        }
    }
}

impl LimitsConfig {
    /// `call_timeout_millis` as a duration.
    #[must_use]
    pub const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_millis)
    }
}
