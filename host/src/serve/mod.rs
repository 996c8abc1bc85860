//! The gateway: OTLP in, from any OpenTelemetry SDK, and out through the same pipeline as the
//! spans that are made here.
//!
//! ```text
//! Listener -> otlp -> http or grpc -> Gate -> prepare -> TelemetryManager::forward
//!             (path)  (frame, answer)         (decompress, cut, tenant, redact, session)
//! ```
//!
//! Spans are cut out of a request's bytes and never made into structures (`wire`): checked,
//! told apart by tenant, redacted, and handed on as they are. What cannot be taken now is the
//! sender's still, and it is told so; what is malformed loses itself alone.

mod admin;
mod answer;
mod body;
#[cfg(unix)]
mod control;
mod error;
mod first_bytes;
mod gate;
mod grpc;
mod http;
mod listener;
mod metrics;
mod origins;
mod otlp;
mod prepare;
mod rate;
mod redact;
mod service;
mod session;
mod tenant;
mod tls;
mod wire;

#[cfg(unix)]
pub use control::{ControlError, GenerationReport, ProviderReport, QuarantineReport};
pub use error::ServeError;
pub use redact::RedactionError;
pub use tls::TlsError;
#[cfg(fuzzing)]
pub(crate) use wire::fuzz_request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::TelemetryManager;
use crate::export::FlushReport;
use gate::Gate;
use listener::{Listener, Surroundings};
use tls::Tls;

/// Connections to the admin port at once: of its own, so that a flood of spans does not make a
/// gateway look dead.
const ADMIN_CONNECTIONS: usize = 64;

/// A gateway that runs. See the [module](self). Dropping it ends listening, and tells nobody
/// what became of the spans; [`stop`](Self::stop) it instead.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use roost::serve::Gateway;
/// use roost::{Config, TelemetryManager};
///
/// let telemetry = TelemetryManager::start(Config::load(None)?).await?;
/// let gateway = Gateway::start(telemetry).await?;
/// println!("OTLP over gRPC at {}", gateway.addresses().grpc);
/// tokio::signal::ctrl_c().await?;
/// let report = gateway.stop().await;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
pub struct Gateway {
    gate: Arc<Gate>,
    addresses: Addresses,
    surroundings: Surroundings,
    /// One that is dropped listens no longer.
    _listening: DropGuard,
}

/// Where a gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub grpc: SocketAddr,
    /// OTLP over HTTP, at `/v1/traces`.
    pub http: SocketAddr,
    /// `/healthz`, `/readyz` and `/metrics`.
    pub admin: SocketAddr,
}

/// How a gateway ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StopReport {
    /// Requests that were not answered in time. Their senders have the spans still.
    pub requests_cut: u64,
    /// What became of the spans that were in the pipeline.
    pub spans: FlushReport,
}

impl StopReport {
    /// Whether every request was answered and no span lost: each was delivered or is on disk.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.requests_cut == 0 && self.spans.dropped == 0 && self.spans.left == 0
    }
}

impl Gateway {
    /// Starts to listen, as `[serve]` of the manager's configuration says.
    ///
    /// # Errors
    /// [`ServeError`] where an address cannot be had, or a key, certificate or rule not be used.
    pub async fn start(telemetry: TelemetryManager) -> Result<Self, ServeError> {
        if !telemetry.exports() {
            return Err(ServeError::Off);
        }
        let config = telemetry.config().serve.clone();
        let gate = Arc::new(Gate::new(telemetry).await?);
        let tls = match &config.tls {
            Some(tls) => Some(Tls::load(tls).await?),
            None => None,
        };
        let grpc = bind("grpc_address", config.grpc_address).await?;
        let http = bind("http_address", config.http_address).await?;
        let admin = bind("admin_address", config.admin_address).await?;
        #[cfg(unix)]
        let control = bind_control(config.control_socket.as_deref())?;
        let addresses = Addresses {
            grpc: grpc.address,
            http: http.address,
            admin: admin.address,
        };
        let has_clients_checked = config
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca.is_some());
        let is_open = gate.tenants.are_open() && !has_clients_checked;
        for address in [addresses.grpc, addresses.http] {
            if is_open && !address.ip().is_loopback() {
                tracing::warn!(
                    "whoever reaches {address} may send spans for any tenant: set serve.keys or \
                     serve.tls.client_ca"
                );
            }
        }

        let surroundings = Surroundings {
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
            header_timeout: config.header_timeout(),
            connections: gate.metrics.connections.clone(),
        };
        if let (Some(tls), Some(config)) = (&tls, config.tls) {
            let follow = tls.clone().follow(config);
            let stop = surroundings.stop.clone();
            surroundings
                .tasks
                .spawn(async move { stop.run_until_cancelled(follow).await });
        }
        let places = Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS));
        let places = Arc::new(places);
        for listener in [grpc, http] {
            let gate = Arc::clone(&gate);
            let service = move |request| otlp::answer(Arc::clone(&gate), request);
            listener.serve(
                surroundings.clone(),
                Arc::clone(&places),
                tls.clone(),
                service,
            );
        }
        let (asked, stop) = (Arc::clone(&gate), surroundings.stop.clone());
        let service = move |request| admin::answer(Arc::clone(&asked), stop.clone(), request);
        // Machines that ask for health have no certificates.
        admin.serve(
            surroundings.clone(),
            Arc::new(Semaphore::new(ADMIN_CONNECTIONS)),
            None,
            service,
        );
        #[cfg(unix)]
        if let Some(control) = control {
            control.serve(surroundings.clone(), gate.telemetry.clone());
        }
        Ok(Self {
            gate,
            addresses,
            _listening: surroundings.stop.clone().drop_guard(),
            surroundings,
        })
    }

    /// Where it listens; the ports are real also where the configuration says 0.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Stops in good order, within `shutdown_timeout_seconds`: takes no new connections, answers
    /// the requests that are under way, sends what waits, and shuts the manager down.
    pub async fn stop(self) -> StopReport {
        let telemetry = &self.gate.telemetry;
        let deadline = Instant::now() + telemetry.config().serve.shutdown_timeout();
        let around = &self.surroundings;
        around.stop.cancel();
        around.tasks.close();
        // Requests may wait for their spans to be delivered, so both have to go on at once; a
        // third of the time is left for what the last requests bring.
        let left = || deadline.saturating_duration_since(Instant::now());
        let requests_until = Instant::now() + left() * 2 / 3;
        let answered = timeout_at(requests_until, around.tasks.wait());
        let flushed = telemetry.force_flush(left() / 2);
        let (_, mut spans) = futures_util::future::join(answered, flushed).await;
        let requests_cut = self.gate.metrics.in_flight.get();
        around.kill.cancel();
        let late = telemetry
            .shutdown(left().max(Duration::from_millis(1)))
            .await;
        // What was left after the flush is told by the shutdown, with what came after.
        spans.left = late.left;
        spans.delivered += late.delivered;
        spans.spooled += late.spooled;
        spans.dropped += late.dropped;
        for total in spans.tenants.values_mut() {
            total.left = 0;
        }
        for (tenant, late) in late.tenants {
            let total = spans.tenants.entry(tenant).or_default();
            total.left = late.left;
            total.delivered += late.delivered;
            total.spooled += late.spooled;
            total.dropped += late.dropped;
        }
        StopReport {
            requests_cut: u64::try_from(requests_cut).unwrap_or(0),
            spans,
        }
    }
}

#[cfg(unix)]
fn bind_control(path: Option<&std::path::Path>) -> Result<Option<control::Control>, ServeError> {
    let bound = path.map(|path| {
        control::Control::bind(path).map_err(|source| ServeError::Control {
            path: path.to_owned(),
            source,
        })
    });
    bound.transpose()
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<Listener, ServeError> {
    let bound = Listener::bind(address).await;
    bound.map_err(|source| ServeError::Bind {
        key,
        address,
        source,
    })
}
