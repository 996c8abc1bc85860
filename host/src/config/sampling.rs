//! Which traces are recorded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[telemetry.sampling]`, and `[tenants.<id>.sampling]` for one tenant: which traces are
/// recorded. Names and meaning are OpenTelemetry's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// Who decides. Default [`Sampler::ParentBasedAlwaysOn`].
    pub sampler: Sampler,
    /// How many of the traces the ratio samplers record: 0 to 1; default 1.
    pub ratio: f64,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            sampler: Sampler::default(),
            ratio: 1.0,
        }
    }
}

/// Who decides whether a span is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Sampler {
    /// Every span is.
    AlwaysOn,
    /// No span is.
    AlwaysOff,
    /// Its trace's id: so many of the traces as `ratio` says, whatever others decided.
    TraceIdRatio,
    /// The span above it; where there is none, every span is.
    #[default]
    ParentBasedAlwaysOn,
    /// The span above it; where there is none, no span is.
    ParentBasedAlwaysOff,
    /// The span above it; where there is none, its trace's id.
    ParentBasedTraceIdRatio,
}

impl Sampler {
    /// Every sampler.
    pub const ALL: [Self; 6] = [
        Self::AlwaysOn,
        Self::AlwaysOff,
        Self::TraceIdRatio,
        Self::ParentBasedAlwaysOn,
        Self::ParentBasedAlwaysOff,
        Self::ParentBasedTraceIdRatio,
    ];

    /// Its name in `roost.toml` and in `OTEL_TRACES_SAMPLER`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlwaysOn => "always_on",
            Self::AlwaysOff => "always_off",
            Self::TraceIdRatio => "traceidratio",
            Self::ParentBasedAlwaysOn => "parentbased_always_on",
            Self::ParentBasedAlwaysOff => "parentbased_always_off",
            Self::ParentBasedTraceIdRatio => "parentbased_traceidratio",
        }
    }

    /// Whether the span above decides where there is one.
    #[must_use]
    pub const fn is_parent_based(self) -> bool {
        matches!(
            self,
            Self::ParentBasedAlwaysOn | Self::ParentBasedAlwaysOff | Self::ParentBasedTraceIdRatio
        )
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Sampler> for &'static str {
    fn from(sampler: Sampler) -> Self {
        sampler.name()
    }
}

/// A text that names no sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, \
     `parentbased_always_off` or `parentbased_traceidratio`"
)]
pub struct UnknownSampler;

impl FromStr for Sampler {
    type Err = UnknownSampler;

    /// Reads a sampler's name, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, UnknownSampler> {
        Self::ALL
            .into_iter()
            .find(|sampler| sampler.name().eq_ignore_ascii_case(text))
            .ok_or(UnknownSampler)
    }
}

impl TryFrom<String> for Sampler {
    type Error = UnknownSampler;

    fn try_from(text: String) -> Result<Self, UnknownSampler> {
        text.parse()
    }
}
