//! What a command works with: the configuration, the providers, the terminal.

use std::path::PathBuf;

use roost::{Config, Host, TelemetryManager};

use super::arguments::GlobalArgs;
use super::terminal::Terminal;

/// The surroundings of a command.
pub(super) struct Context {
    pub(super) terminal: Terminal,
    config: Option<PathBuf>,
    plugins: Option<PathBuf>,
}

impl Context {
    pub(super) fn new(global: GlobalArgs) -> Self {
        Self {
            terminal: Terminal::of_process(global.verbose == 0),
            config: global.config,
            plugins: global.plugins,
        }
    }

    /// Whether the command line names a configuration.
    pub(super) fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    /// The configuration, with the command line over it.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let mut config = self.exporting_config()?;
        // Most commands ask and make no spans of their own.
        config.telemetry.enabled = false;
        Ok(config)
    }

    /// The same, for the command that sends spans.
    pub(super) fn exporting_config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(plugins) = &self.plugins {
            config.plugins.folder.clone_from(plugins);
        }
        Ok(config)
    }

    /// The providers alone: nothing of the connections is looked at.
    pub(super) async fn host(&self) -> anyhow::Result<Host> {
        let config = self.config()?;
        let starting = Host::start(&config.plugins, &config.limits);
        Ok(self.terminal.waiting("loading providers", starting).await?)
    }

    /// The providers with the connections to their backends.
    pub(super) async fn telemetry(&self) -> anyhow::Result<TelemetryManager> {
        let starting = TelemetryManager::start(self.config()?);
        Ok(self.terminal.waiting("loading providers", starting).await?)
    }
}
