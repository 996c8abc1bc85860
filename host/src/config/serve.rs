//! Where the gateway listens, who may send, and how much.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SecretSource, TenantId};

/// `[serve]`: the OTLP gateway, `roost serve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeConfig {
    /// Where OTLP over gRPC is taken; port 0 takes a free one. Default `127.0.0.1:4317`.
    pub grpc_address: SocketAddr,
    /// Where OTLP over HTTP is taken, at `/v1/traces`. Default `127.0.0.1:4318`.
    pub http_address: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are. Default `127.0.0.1:9464`.
    pub admin_address: SocketAddr,
    /// Where `roost providers` reaches a gateway that runs: a socket in a folder, which only the
    /// gateway's user can open; one in a file is relative to that file. None, the default: it is
    /// not reached, and reloads at SIGHUP alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_socket: Option<PathBuf>,
    /// Where a tenant is looked for, in this order; an ingest key comes before both. Default
    /// the header, then the resource attribute.
    pub tenant_from: Vec<TenantSource>,
    /// The header or gRPC metadata that names the tenant. Default `x-roost-tenant`.
    pub tenant_header: String,
    /// The resource attribute that names the tenant. Default `tenant.id`.
    pub tenant_attribute: String,
    /// Whether spans that name no tenant are refused; else they are the default tenant's.
    /// Default false.
    pub require_tenant: bool,
    /// The ingest keys of tenants. With any, every request needs one, and it names the tenant.
    pub keys: BTreeMap<TenantId, IngestKeys>,
    /// What has to have happened to spans before they are acknowledged. None, the default:
    /// durable where full queues are spooled, else queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledge>,
    /// The largest body, before and after it is decompressed. 1 KiB to 256 MiB; default 16 MiB.
    pub max_body_bytes: usize,
    /// The most connections at once. 1 to 1,000,000; default 1,024.
    pub max_connections: usize,
    /// The most requests that are read and taken at once; others wait. 1 to 100,000; default 64.
    pub max_concurrent_requests: usize,
    /// The most requests a tenant may make in a second. None, the default: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<NonZeroU32>,
    /// How long a request may take, its body and its acknowledgement included.
    /// Milliseconds, 1 to 3,600,000; default 8,000.
    pub request_timeout_millis: u64,
    /// How long a connection may take to say what it wants: its TLS handshake, and the head of
    /// each request. Milliseconds, 1 to 3,600,000; default 30,000.
    pub header_timeout_millis: u64,
    /// How long a stop may take: requests to end, spans to leave. Seconds, 1 to 3,600; default
    /// 25.
    pub shutdown_timeout_seconds: u64,
    /// The certificate to serve OTLP with. None, the default: without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServeTlsConfig>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            grpc_address: local(4317),
            http_address: local(4318),
            admin_address: local(9464),
            control_socket: None,
            tenant_from: vec![TenantSource::Header, TenantSource::Attribute],
            tenant_header: "x-roost-tenant".to_owned(),
            tenant_attribute: "tenant.id".to_owned(),
            require_tenant: false,
            keys: BTreeMap::new(),
            acknowledge: None,
            max_body_bytes: 16 << 20,
            max_connections: 1_024,
            max_concurrent_requests: 64,
            requests_per_second: None,
            request_timeout_millis: 8_000,
            header_timeout_millis: 30_000,
            shutdown_timeout_seconds: 25,
            tls: None,
        }
    }
}

impl ServeConfig {
    /// `request_timeout_millis` as a duration.
    #[must_use]
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_millis)
    }

    /// `header_timeout_millis` as a duration.
    #[must_use]
    pub const fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_millis)
    }

    /// `shutdown_timeout_seconds` as a duration.
    #[must_use]
    pub const fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }

    /// Every path of a file, to be made relative to the configuration's folder.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls = self.tls.iter_mut();
        let certificates = tls.flat_map(|tls| {
            [&mut tls.certificate, &mut tls.key]
                .into_iter()
                .chain(tls.client_ca.as_mut())
        });
        let keys = self.keys.values_mut().flat_map(IngestKeys::iter_mut);
        let sockets = self.control_socket.iter_mut();
        certificates
            .chain(sockets)
            .chain(keys.filter_map(SecretSource::file_mut))
    }
}

/// Where a tenant's name may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantSource {
    /// In `tenant_header`.
    Header,
    /// In `tenant_attribute`.
    Attribute,
}

/// What has to have happened to spans before they are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// They are in the queue, in memory.
    Queued,
    /// The backend has them, or they are on disk.
    Durable,
}

/// The ingest keys of a tenant: one, or several while one replaces another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text, `{ env = \"NAME\" }`, `{ file = \"path\" }`, or a list of these"
)]
pub enum IngestKeys {
    /// One key.
    One(SecretSource),
    /// Any of these.
    Several(Vec<SecretSource>),
}

impl IngestKeys {
    /// Each key.
    #[must_use]
    pub fn as_slice(&self) -> &[SecretSource] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Several(keys) => keys,
        }
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut SecretSource> {
        match self {
            Self::One(key) => std::slice::from_mut(key).iter_mut(),
            Self::Several(keys) => keys.iter_mut(),
        }
    }
}

/// `[serve.tls]`: PEM files, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeTlsConfig {
    /// The certificate, followed by those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that have to have signed the certificates of clients. None, the default:
    /// clients need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}
