//! A real registry of OCI artifacts on loopback, with its own data.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::guard::Guard;
use crate::{ports, server};

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// What its log says when somebody took its port.
const LOST_A_PORT: &[&str] = &["address already in use"];

/// The line of [`Registry::PASSWORD`] in its file of passwords.
const PASSWORDS: &str = "roost:$2b$05$roostroostroostroostrejz/AGjKNI84/GASg4/OX5wa0xugyDj6\n";

/// A registry. Dropping it ends the server, and so does the end of this process, however it
/// comes.
#[derive(Debug)]
pub struct Registry {
    // Before the folder: the server goes first.
    _guard: Guard,
    folder: TempDir,
    host: String,
}

impl Registry {
    /// Whom a registry with a password lets in.
    pub const USER: &str = "roost";
    /// Their password.
    pub const PASSWORD: &str = "an-open-secret";
    /// Who has to have issued its tokens, and for whom.
    pub const ISSUER: &str = "roost-tests";

    /// Start a registry that lets everybody in.
    ///
    /// # Errors
    /// When it is not installed, or not ready after a minute; with the end of its log.
    pub async fn start() -> Result<Self> {
        server::on_free_ports(LOST_A_PORT, || Self::try_start("", "")).await
    }

    /// Start a registry that lets nobody in but [`Registry::USER`].
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub async fn start_with_password() -> Result<Self> {
        let auth = "auth: { htpasswd: { realm: roost, path: passwords } }\n";
        server::on_free_ports(LOST_A_PORT, || Self::try_start(auth, "")).await
    }

    /// Start a registry that lets in who has a token of the server at `realm`, which signs with the
    /// key of this certificate, in PEM.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub async fn start_with_tokens(realm: &str, certificate: &str) -> Result<Self> {
        let auth = format!(
            "auth: {{ token: {{ realm: \"{realm}\", service: {0}, issuer: {0}, \
             rootcertbundle: issuer.pem }} }}\n",
            Self::ISSUER
        );
        server::on_free_ports(LOST_A_PORT, || Self::try_start(&auth, certificate)).await
    }

    async fn try_start(auth: &str, certificate: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("roost-registry-")?;
        let (port, _) = ports::free_pair()?;
        let host = format!("127.0.0.1:{port}");
        let settings = format!(
            "version: 0.1\nlog: {{ level: warn }}\nhttp: {{ addr: \"{host}\" }}\n\
             storage: {{ filesystem: {{ rootdirectory: data }} }}\n{auth}"
        );
        std::fs::write(folder.path().join("config.yml"), settings)?;
        std::fs::write(folder.path().join("passwords"), PASSWORDS)?;
        std::fs::write(folder.path().join("issuer.pem"), certificate)?;
        let arguments = ["serve", "config.yml"];
        let mut guard = Guard::run(folder.path(), program()?, [], &arguments)?;
        let health = format!("http://{host}/");
        server::answers("the registry", &mut guard, folder.path(), &health, START).await?;
        Ok(Self {
            _guard: guard,
            folder,
            host,
        })
    }

    /// Its address and port, as references begin.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where it keeps the blob of this SHA-256, in hexadecimal digits.
    #[must_use]
    pub fn blob(&self, digest: &str) -> PathBuf {
        let blobs = "data/docker/registry/v2/blobs/sha256";
        let start = digest.get(..2).unwrap_or_default();
        let blobs = self.folder.path().join(blobs);
        blobs.join(start).join(digest).join("data")
    }
}

fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|it| it.join("docker-registry"));
    programs
        .find(|program| Path::exists(program))
        .context("there is no docker-registry: run `make setup`")
}
