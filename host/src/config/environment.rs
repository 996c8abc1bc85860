//! The environment, which stands over the file: what every variable sets.

use super::{Config, ConfigError, Problem, Sampler, Secret, SecretSource, TelemetryLevel};

/// The provider the `PHOENIX_*` variables of a connection are for.
const PHOENIX: &str = "phoenix";

/// An environment variable and the key it sets.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The variable's name.
    pub name: &'static str,
    /// The key it sets, such as `telemetry.enabled`.
    pub key: &'static str,
    target: Target,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Flag(fn(&mut Config) -> &mut bool),
    Level(fn(&mut Config) -> &mut TelemetryLevel),
    Sampler(fn(&mut Config) -> &mut Sampler),
    Number(fn(&mut Config) -> &mut f64),
    Text(fn(&mut Config) -> &mut String),
    PluginsFolder,
    /// A key of the default connection's `provider_config`, where that is a Phoenix.
    PhoenixConfig(&'static str),
    /// A secret of the default connection, where that is a Phoenix.
    PhoenixSecret(&'static str),
}

/// Every variable that sets a key, in the order they are applied: of two that set one key
/// the later wins. `ROOST_CONFIG`, which names the file, is none of them.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "TELEMETRY_ENABLED",
        key: "telemetry.enabled",
        target: Target::Flag(|config| &mut config.telemetry.enabled),
    },
    Variable {
        name: "TELEMETRY_LEVEL",
        key: "telemetry.level",
        target: Target::Level(|config| &mut config.telemetry.level),
    },
    Variable {
        name: "TELEMETRY_SYNC_EXPORT",
        key: "telemetry.batch_config.use_sync_export",
        target: Target::Flag(|config| &mut config.telemetry.batch_config.use_sync_export),
    },
    Variable {
        name: "OTEL_TRACES_SAMPLER",
        key: "telemetry.sampling.sampler",
        target: Target::Sampler(|config| &mut config.telemetry.sampling.sampler),
    },
    Variable {
        name: "OTEL_TRACES_SAMPLER_ARG",
        key: "telemetry.sampling.ratio",
        target: Target::Number(|config| &mut config.telemetry.sampling.ratio),
    },
    Variable {
        name: "ENVIRONMENT",
        key: "telemetry.environment",
        target: Target::Text(|config| &mut config.telemetry.environment),
    },
    Variable {
        name: "SERVICE_VERSION",
        key: "telemetry.service_version",
        target: Target::Text(|config| &mut config.telemetry.service_version),
    },
    Variable {
        name: "PHOENIX_ENABLED",
        key: "telemetry.otlp_enabled",
        target: Target::Flag(|config| &mut config.telemetry.otlp_enabled),
    },
    Variable {
        name: "PHOENIX_COLLECTOR_ENDPOINT",
        key: "telemetry.otlp_endpoint",
        target: Target::Text(|config| &mut config.telemetry.otlp_endpoint),
    },
    Variable {
        name: "PHOENIX_USE_TLS",
        key: "telemetry.otlp_use_tls",
        target: Target::Flag(|config| &mut config.telemetry.otlp_use_tls),
    },
    Variable {
        name: "PHOENIX_PROJECT_NAME",
        key: "telemetry.service_name",
        target: Target::Text(|config| &mut config.telemetry.service_name),
    },
    Variable {
        name: "PHOENIX_API_ENDPOINT",
        key: "connections.default.provider_config.http_endpoint",
        target: Target::PhoenixConfig("http_endpoint"),
    },
    Variable {
        name: "PHOENIX_HTTP_ENDPOINT",
        key: "connections.default.provider_config.http_endpoint",
        target: Target::PhoenixConfig("http_endpoint"),
    },
    Variable {
        name: "PHOENIX_GRPC_ENDPOINT",
        key: "connections.default.provider_config.grpc_endpoint",
        target: Target::PhoenixConfig("grpc_endpoint"),
    },
    Variable {
        name: "PHOENIX_API_KEY",
        key: "connections.default.secrets.api_key",
        target: Target::PhoenixSecret("api_key"),
    },
    Variable {
        name: "ROOST_PLUGINS",
        key: "plugins.folder",
        target: Target::PluginsFolder,
    },
];

impl Config {
    /// Lays the environment over this configuration. `lookup` gives a variable's value; one
    /// that is empty counts as not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with each variable that has no meaning; the others are
    /// applied.
    ///
    /// ```
    /// use roost::config::{Config, TelemetryLevel};
    ///
    /// let mut config = Config::default();
    /// config.apply_env(|name| (name == "TELEMETRY_LEVEL").then(|| "verbose".to_owned()))?;
    /// assert_eq!(config.telemetry.level, TelemetryLevel::Verbose);
    /// # Ok::<(), roost::config::ConfigError>(())
    /// ```
    pub fn apply_env(
        &mut self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for variable in VARIABLES {
            let value = lookup(variable.name).unwrap_or_default();
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match variable.target.set(self, value) {
                Ok(true) => self.origin.set_by_variable(variable.key, variable.name),
                Ok(false) => {}
                Err(advice) => problems.push(Problem {
                    place: super::Place::Variable(variable.name.to_owned()),
                    key: variable.key.to_owned(),
                    value: Some(format!("{value:?}")),
                    advice,
                }),
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::invalid(problems))
        }
    }
}

impl Target {
    /// Sets the value; false where it is not for this configuration.
    fn set(self, config: &mut Config, value: &str) -> Result<bool, String> {
        let connection = &mut config.connections.default;
        let is_phoenix = connection.provider.as_deref().unwrap_or(PHOENIX) == PHOENIX;
        match self {
            Self::Flag(field) => *field(config) = flag(value)?,
            Self::Level(field) => {
                *field(config) = value.parse().map_err(|error| format!("{error}"))?;
            }
            Self::Sampler(field) => {
                *field(config) = value.parse().map_err(|error| format!("{error}"))?;
            }
            Self::Number(field) => {
                *field(config) = value.parse().map_err(|_| "must be a number".to_owned())?;
            }
            Self::Text(field) => value.clone_into(field(config)),
            Self::PluginsFolder => config.plugins.folder = value.into(),
            Self::PhoenixConfig(_) | Self::PhoenixSecret(_) if !is_phoenix => return Ok(false),
            Self::PhoenixConfig(key) => {
                connection
                    .provider_config
                    .insert(key.to_owned(), value.into());
            }
            Self::PhoenixSecret(key) => {
                let secret = SecretSource::Literal(Secret::from(value));
                connection.secrets.insert(key.to_owned(), secret);
            }
        }
        Ok(true)
    }
}

fn flag(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("must be `true`, `yes`, `on` or `1`, or `false`, `no`, `off` or `0`".to_owned()),
    }
}
