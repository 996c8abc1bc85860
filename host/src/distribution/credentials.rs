//! The credential of a registry, where Docker's tools keep it.

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential};
use oci_client::secrets::RegistryAuth;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ANSWER_TIMEOUT;
use super::error::DistributionError;

/// As Docker files the credential of its own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// What the programs that keep credentials say where they have none.
const NONE_KEPT: &str = "credentials not found";

/// The credential for a registry: that of `docker login`, from `$DOCKER_CONFIG/config.json` or the
/// program it names; anonymous where there is none.
pub(super) async fn of_registry(registry: &str) -> Result<RegistryAuth, DistributionError> {
    let server = match registry {
        "docker.io" | "index.docker.io" => DOCKER_HUB,
        other => other,
    }
    .to_owned();
    let denied = |reason: String| DistributionError::Denied {
        place: registry.to_owned(),
        reason,
    };
    // A file, and perhaps a program.
    let asked = timeout(
        ANSWER_TIMEOUT,
        spawn_blocking(move || get_credential(&server)),
    )
    .await;
    match asked {
        Ok(Ok(Ok(DockerCredential::UsernamePassword(user, password)))) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(Ok(Ok(DockerCredential::IdentityToken(_)))) => Err(denied(
            "what is kept for it is an identity token, which cannot be used here; log in with a \
             name and an access token"
                .to_owned(),
        )),
        Ok(Ok(Err(
            CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError,
        ))) => Ok(RegistryAuth::Anonymous),
        Ok(Ok(Err(CredentialRetrievalError::HelperFailure { stdout, .. })))
            if stdout.contains(NONE_KEPT) =>
        {
            Ok(RegistryAuth::Anonymous)
        }
        // What such a program prints may be what nobody should read.
        Ok(Ok(Err(CredentialRetrievalError::HelperFailure { helper, .. }))) => Err(denied(
            format!("{helper}, which keeps its credential, failed"),
        )),
        Ok(Ok(Err(error))) => Err(denied(error.to_string())),
        Ok(Err(_)) => Err(denied("reading its credential failed".to_owned())),
        Err(_) => Err(denied(
            "the program that keeps its credential does not answer".to_owned(),
        )),
    }
}
