//! Why a gateway cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::redact::RedactionError;
use super::tls::TlsError;
use crate::config::{ConfigError, TenantId};

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Nothing would leave.
    #[error(
        "no spans are exported: set telemetry.enabled and telemetry.otlp_enabled to true, and telemetry.level to another than `disabled`"
    )]
    Off,
    /// With a backend away, every request would be refused before its spans are on disk, and come
    /// again although they are kept.
    #[error(
        "telemetry.batch_config.export_timeout_millis = {export}: spans reach the disk after that time, but senders are answered after serve.request_timeout_millis = {request}; set the first below the second, or serve.acknowledge = \"queued\""
    )]
    Impatient {
        /// `export_timeout_millis`.
        export: u64,
        /// `request_timeout_millis`.
        request: u64,
    },
    /// An address cannot be listened at.
    #[error("serve.{key} = {address}: {source}")]
    Bind {
        /// The key in the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The control socket cannot be listened at.
    #[error("serve.control_socket = {}: {source}", path.display())]
    Control {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An ingest key cannot be had.
    #[error("serve.keys.{tenant}: {source}")]
    Key {
        /// Whose key it is.
        tenant: TenantId,
        /// Why not.
        source: ConfigError,
    },
    /// Two tenants have the same key.
    #[error("serve.keys: tenants {one} and {other} have the same key; give each its own")]
    SharedKey {
        /// One of them.
        one: TenantId,
        /// The other.
        other: TenantId,
    },
    /// `tenant_header` is no name of a header.
    #[error("serve.tenant_header: `{0}` is no name of a header")]
    TenantHeader(String),
    /// The certificate cannot be used.
    #[error("serve.tls: {0}")]
    Tls(#[from] TlsError),
    /// The rules of redaction cannot be used.
    #[error(transparent)]
    Redaction(#[from] RedactionError),
}
