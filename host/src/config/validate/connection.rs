//! `[connections]`: what Roost itself knows of each. The provider's own schema knows the rest.

use super::super::origin::key_path;
use super::super::secret::MASK;
use super::super::{
    ConnectionConfig, ConnectionLimits, ExposeSecret, HostPattern, SecretSource, endpoint,
    identifier,
};
use super::{Findings, YEAR_SECONDS};

impl Findings<'_> {
    pub(super) fn connection(&mut self, name: &str, connection: &ConnectionConfig) {
        let key = |rest: &[&str]| {
            key_path(
                ["connections", name]
                    .into_iter()
                    .chain(rest.iter().copied()),
            )
        };
        if let Err(fault) = identifier::check(name) {
            self.refuse_key(&key(&[]), format!("is no name for a connection: {fault}"));
        }
        if let Some(provider) = &connection.provider {
            if let Some(stem) = provider.strip_suffix(".wasm") {
                let advice = format!("must be the file's stem; write `{stem}`");
                self.refuse(&key(&["provider"]), provider, advice);
            } else if provider.is_empty() || provider.contains(['/', '\\']) {
                let advice = "must be the stem of a file in the plugins folder, such as `phoenix`";
                self.refuse(&key(&["provider"]), provider, advice);
            }
        }
        // The provider's own schema checks the rest; these two names are Roost's, since the
        // environment sets them.
        for endpoint in ["http_endpoint", "grpc_endpoint"] {
            let text = connection
                .provider_config
                .get(endpoint)
                .and_then(|value| value.as_str());
            if let Some((text, Err(error))) = text.map(|text| (text, endpoint::url(text))) {
                self.endpoint(&key(&["provider_config", endpoint]), text, error);
            }
        }
        self.range(
            &key(&["secrets_refresh_seconds"]),
            connection.secrets_refresh_seconds,
            1..=YEAR_SECONDS,
        );
        for (secret, source) in &connection.secrets {
            if let Err(advice) = check_secret(source) {
                self.refuse_key(&key(&["secrets", secret]), advice);
            }
        }
        self.limits(&key(&["limits"]), &connection.limits);
        if let Some(source) = &connection.database {
            let advice = match source {
                SecretSource::Literal(address) => check_database(address.expose_secret()),
                source => check_secret(source),
            };
            if let Err(advice) = advice {
                self.refuse_key(&key(&["database"]), advice);
            }
        }
        for host in &connection.allow_hosts {
            if let Err(error) = HostPattern::parse(host) {
                self.endpoint(&key(&["allow_hosts"]), host, error);
            }
        }
    }

    pub(super) fn limits(&mut self, section: &str, limits: &ConnectionLimits) {
        for (key, value, range) in limits.ranges() {
            self.range(&format!("{section}.{key}"), value, range);
        }
    }
}

/// Whether an address of a database begins as one; the message must not show it.
fn check_database(address: &str) -> Result<(), &'static str> {
    let begins = |scheme| {
        address
            .strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    };
    if ["sqlite:", "postgres://", "postgresql://"]
        .into_iter()
        .any(begins)
    {
        return Ok(());
    }
    Err("must be `sqlite:` and a path, or `postgres://` and a server")
}

pub(super) fn check_secret(source: &SecretSource) -> Result<(), &'static str> {
    match source {
        SecretSource::Env { env } if env.is_empty() || env.contains(['=', '\0']) => {
            Err("`env` must be the name of an environment variable")
        }
        SecretSource::File { file } if file.as_os_str().is_empty() => {
            Err("`file` must be the path of a file")
        }
        SecretSource::Command { command } if command.first().is_none_or(String::is_empty) => {
            Err("`command` must be a program and its arguments, such as `[\"vault\", \"read\"]`")
        }
        SecretSource::Literal(secret) if secret.expose_secret().is_empty() => {
            Err("is empty; remove the line if there is no secret")
        }
        SecretSource::Literal(secret) if secret.expose_secret() == MASK => {
            Err("is the mask a secret is shown as; put the secret itself")
        }
        _ => Ok(()),
    }
}
