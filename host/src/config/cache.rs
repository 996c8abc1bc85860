//! How long the answers of backends are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[cache]`: how long the answers of backends are kept, and how many of them. What is
/// written through Roost drops the answers about its project at once; what others write is
/// seen when the time to live is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Whether answers are kept at all. Default true.
    pub enabled: bool,
    /// How long an answer is kept. Seconds, 1 to 86,400; default 5.
    pub ttl_seconds: u64,
    /// How large all answers together may be with their questions, as JSON. Bytes, 1 MiB to
    /// 64 GiB; default 64 MiB.
    pub max_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl_seconds: 5,
            max_bytes: 64 << 20,
        }
    }
}

impl CacheConfig {
    /// `ttl_seconds` as a duration.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_seconds)
    }
}
