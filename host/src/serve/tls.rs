//! TLS: the certificate, and its successors.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::config::ServeTlsConfig;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The certificate and the key do not go together, or cannot be used.
    #[error(transparent)]
    Use(#[from] rustls::Error),
    /// The authorities of clients cannot be used.
    #[error("client_ca: {0}")]
    ClientCa(#[from] VerifierBuilderError),
}

/// Makes TLS of connections. A clone is another handle to the same certificate.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    pub(super) async fn load(config: &ServeTlsConfig) -> Result<Self, TlsError> {
        let config = config.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&config)).await;
        let loaded = loaded.unwrap_or_else(|_| {
            Err(rustls::Error::General("it could not be loaded".to_owned()).into())
        })?;
        Ok(Self {
            acceptor: Arc::new(ArcSwap::from_pointee(loaded)),
        })
    }

    /// Looks at the files now and then, and takes what has changed in them. Connections that are
    /// open keep the certificate they began with. A change that cannot be used changes nothing.
    pub(super) async fn follow(self, config: ServeTlsConfig) {
        let mut seen = changed(&config).await;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = changed(&config).await;
            if now == seen {
                continue;
            }
            match Self::load(&config).await {
                Ok(fresh) => {
                    self.acceptor.store(fresh.acceptor.load_full());
                    tracing::info!("the certificate was loaded anew");
                    seen = now;
                }
                // It may be half written: the next look tries again.
                Err(error) => tracing::warn!("the new certificate cannot be used: {error}"),
            }
        }
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.acceptor.load_full())
            .accept(stream)
            .await
    }
}

/// When each file was changed.
async fn changed(config: &ServeTlsConfig) -> Vec<Option<SystemTime>> {
    let mut times = Vec::new();
    for path in [&config.certificate, &config.key]
        .into_iter()
        .chain(&config.client_ca)
    {
        let metadata = tokio::fs::metadata(path).await;
        times.push(metadata.and_then(|metadata| metadata.modified()).ok());
    }
    times
}

fn load(config: &ServeTlsConfig) -> Result<ServerConfig, TlsError> {
    let file = |path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::File { path, source }
    };
    let certificates = |path: &PathBuf| {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(file(path))
    };
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(file(&config.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(certificates(&config.certificate)?, key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(server)
}
