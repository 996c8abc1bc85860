//! The gateway that runs, asked over its control socket.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Method, StatusCode};
use roost::serve::{ControlError, ProviderReport};

use super::super::context::Context;
use super::super::exit::CommandError;

/// Longer than the largest provider takes to compile.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A gateway that runs.
pub(super) struct Running {
    client: Client,
    socket: String,
}

impl Running {
    /// The gateway of the configuration.
    pub(super) fn of(context: &Context) -> anyhow::Result<Self> {
        let socket = context.config()?.serve.control_socket.ok_or_else(|| {
            CommandError::Usage(
                "a running gateway is reached over a socket, and the configuration names none: \
                 set serve.control_socket, and start it anew"
                    .to_owned(),
            )
        })?;
        let client = Client::builder()
            .unix_socket(socket.as_path())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            socket: socket.display().to_string(),
        })
    }

    /// What it tells of its providers.
    pub(super) async fn providers(&self) -> anyhow::Result<Vec<ProviderReport>> {
        self.ask(Method::GET, "/providers").await
    }

    /// Look at the plugins folder.
    pub(super) async fn reload(&self) -> anyhow::Result<Vec<ProviderReport>> {
        self.ask(Method::POST, "/reload").await
    }

    /// Do `what` to a provider.
    pub(super) async fn change(
        &self,
        provider: &str,
        what: &str,
    ) -> anyhow::Result<Vec<ProviderReport>> {
        if provider.contains(['/', '?', '#', '%']) {
            let error = format!("`{provider}` is no name of a provider");
            return Err(CommandError::Usage(error).into());
        }
        self.ask(Method::POST, &format!("/providers/{provider}/{what}"))
            .await
    }

    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Vec<ProviderReport>> {
        let asked = self.client.request(method, format!("http://gateway{path}"));
        let answer = asked.send().await.with_context(|| {
            format!(
                "no gateway answers at {}; is `roost serve` running with this configuration?",
                self.socket
            )
        })?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status.is_success() {
            return Ok(serde_json::from_slice(&body)?);
        }
        let ControlError { error, .. } = serde_json::from_slice(&body)
            .with_context(|| format!("the gateway answered {status}"))?;
        Err(match status {
            StatusCode::NOT_FOUND => CommandError::NotFound(error),
            _ => CommandError::Failed(error),
        }
        .into())
    }
}
