//! How much is traced.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much is traced; a level includes those below it.
///
/// | level | components |
/// |---|---|
/// | `disabled` | none |
/// | `basic` | `search_service` |
/// | `detailed` | also `backend` and `encoder` |
/// | `verbose` | every component, whatever its name |
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum TelemetryLevel {
    /// Nothing.
    Disabled,
    /// Searches only.
    Basic,
    /// Searches, encoders and backends.
    #[default]
    Detailed,
    /// Everything, internal operations included.
    Verbose,
}

impl TelemetryLevel {
    /// Every level, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Disabled, Self::Basic, Self::Detailed, Self::Verbose];

    /// The level's name in `roost.toml` and in `TELEMETRY_LEVEL`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Basic => "basic",
            Self::Detailed => "detailed",
            Self::Verbose => "verbose",
        }
    }

    /// Whether a component is traced at this level. A component the table does not name
    /// is traced at `verbose` alone.
    #[must_use]
    pub fn instruments(self, component: &str) -> bool {
        let least = match component {
            "search_service" => Self::Basic,
            "backend" | "encoder" => Self::Detailed,
            _ => Self::Verbose,
        };
        self >= least
    }
}

impl fmt::Display for TelemetryLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `disabled`, `basic`, `detailed` or `verbose`")]
pub struct UnknownLevel;

impl FromStr for TelemetryLevel {
    type Err = UnknownLevel;

    /// Reads a level's name, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or(UnknownLevel)
    }
}

impl TryFrom<String> for TelemetryLevel {
    type Error = UnknownLevel;

    fn try_from(text: String) -> Result<Self, UnknownLevel> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::TelemetryLevel::{self, Basic, Detailed, Disabled, Verbose};

    #[test]
    fn a_level_instruments_exactly_the_components_of_the_table() {
        let table: [(&str, &[TelemetryLevel]); 6] = [
            ("search_service", &[Basic, Detailed, Verbose]),
            ("backend", &[Detailed, Verbose]),
            ("encoder", &[Detailed, Verbose]),
            ("pipeline", &[Verbose]),
            ("agents", &[Verbose]),
            ("anything_else", &[Verbose]),
        ];
        for (component, levels) in table {
            for level in [Disabled, Basic, Detailed, Verbose] {
                let expected = levels.contains(&level);
                assert_eq!(
                    level.instruments(component),
                    expected,
                    "{component} at {level}"
                );
            }
        }
    }

    #[test]
    fn a_name_is_read_back_as_its_level_in_either_case() {
        for level in TelemetryLevel::ALL {
            assert_eq!(level.name().parse(), Ok(level));
            assert_eq!(level.name().to_uppercase().parse(), Ok(level));
        }
        assert!("loud".parse::<TelemetryLevel>().is_err());
    }
}
