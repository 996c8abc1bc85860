//! What a provider may use.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR_MILLIS: u64 = 3_600_000;

/// Writes `[limits]`, and what a connection sets differently, from one list.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr, $range:expr;)*) => {
        /// `[limits]`: what a provider may use. Each is a fence around one instance, one call or
        /// one request, so that no provider hurts its neighbours.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LimitsConfig {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Default for LimitsConfig {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// `[connections.<name>.limits]`: what is different for one connection. What is `None`
        /// is as `[limits]` says.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct ConnectionLimits {
            $($(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $name: Option<u64>,)*
        }

        impl ConnectionLimits {
            /// These limits, and `limits` where there is none.
            #[must_use]
            pub fn over(&self, limits: &LimitsConfig) -> LimitsConfig {
                LimitsConfig { $($name: self.$name.unwrap_or(limits.$name),)* }
            }

            /// Whether the limit of this key is set.
            pub(crate) fn sets(&self, key: &str) -> bool {
                self.ranges().any(|(set, ..)| set == key)
            }

            /// Each limit that is set: its key, its value, and what it may be.
            pub(super) fn ranges(
                &self,
            ) -> impl Iterator<Item = (&'static str, u64, RangeInclusive<u64>)> {
                [$((stringify!($name), self.$name, $range),)*]
                    .into_iter()
                    .filter_map(|(key, value, range)| Some((key, value?, range)))
            }
        }

        impl From<&LimitsConfig> for ConnectionLimits {
            fn from(limits: &LimitsConfig) -> Self {
                Self { $($name: Some(limits.$name),)* }
            }
        }
    };
}

limits! {
    /// The memory of one instance. Bytes, 1 MiB to 4 GiB; default 256 MiB.
    memory_bytes = 256 * MIB, MIB..=4 * GIB;
    /// The elements of all tables of one instance. 1,000 to 1,000,000; default 200,000.
    table_elements = 200_000, 1_000..=1_000_000;
    /// By how much the memory of an instance may have grown since it was initialised for it to
    /// serve another call; beyond, a fresh one takes its place. Bytes, 64 KiB to 4 GiB; default
    /// 32 MiB.
    growth_bytes = 32 * MIB, 64 << 10..=4 * GIB;
    /// How long a call that reads may take, its HTTP requests included. Milliseconds, 1 to
    /// 3,600,000; default 30,000.
    call_timeout_millis = 30_000, 1..=HOUR_MILLIS;
    /// The same for a call that writes. Milliseconds, 1 to 3,600,000; default 30,000.
    write_timeout_millis = 30_000, 1..=HOUR_MILLIS;
    /// The same for the question how a backend is. Milliseconds, 1 to 3,600,000; default 10,000.
    health_timeout_millis = 10_000, 1..=HOUR_MILLIS;
    /// How long a provider may take to describe itself, and an instance to initialise itself,
    /// which is also a part of the call it is started for. Milliseconds, 1 to 3,600,000; default
    /// 30,000.
    start_timeout_millis = 30_000, 1..=HOUR_MILLIS;
    /// How many calls run at once in a connection; each has an instance of its own. 1 to
    /// 1,024; default 8.
    max_instances = 8, 1..=1_024;
    /// After how many calls an instance is replaced by a fresh one, so that a guest's
    /// leaks end. 1 to 1,000,000,000; default 10,000.
    calls_per_instance = 10_000, 1..=1_000_000_000;
    /// How long an instance waits for its next call before it is dropped. Seconds, 1 to 86,400;
    /// default 60.
    idle_timeout_seconds = 60, 1..=86_400;
    /// What a guest may hand to the host at once, such as a page of spans. Bytes as they are in
    /// memory, 64 KiB to 4 GiB; default 128 MiB.
    result_bytes = 128 * MIB, 64 << 10..=4 * GIB;
    /// The body of one HTTP answer. Bytes, 1 KiB to 4 GiB; default 64 MiB.
    response_bytes = 64 * MIB, 1 << 10..=4 * GIB;
    /// The body of one HTTP request. Bytes, 1 KiB to 4 GiB; default 16 MiB.
    request_bytes = 16 * MIB, 1 << 10..=4 * GIB;
    /// How many log records a provider may write in a second, of 4 KiB at the most each; the
    /// others are counted. 1 to 100,000; default 100.
    log_records_per_second = 100, 1..=100_000;
    /// How many HTTP requests a connection may make in a minute, repetitions included; a
    /// minute's worth may come at once. 1 to 1,000,000,000; default 120,000.
    requests_per_minute = 120_000, 1..=1_000_000_000;
    /// How many bytes of bodies, asked and answered, a connection may move in a minute. What
    /// is under way when they are used up goes on to its end. Bytes, 1 KiB to 1 TiB; default
    /// 8 GiB.
    bytes_per_minute = 8 * GIB, 1 << 10..=1_024 * GIB;
}

impl LimitsConfig {
    /// `call_timeout_millis` as a duration.
    #[must_use]
    pub const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_millis)
    }

    /// `write_timeout_millis` as a duration.
    #[must_use]
    pub const fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_millis)
    }

    /// `health_timeout_millis` as a duration.
    #[must_use]
    pub const fn health_timeout(&self) -> Duration {
        Duration::from_millis(self.health_timeout_millis)
    }

    /// `start_timeout_millis` as a duration.
    #[must_use]
    pub const fn start_timeout(&self) -> Duration {
        Duration::from_millis(self.start_timeout_millis)
    }

    /// `idle_timeout_seconds` as a duration.
    #[must_use]
    pub const fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }
}
