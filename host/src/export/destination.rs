//! Where a project's spans go, and who says so.
//!
//! The pipeline knows no provider. It asks a [`DestinationResolver`], which is the seam to
//! whoever does: the manager, which asks the provider of the tenant's connection and adds the
//! credentials that providers never see.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;

use super::names::Names;
use super::project::Project;
use super::sink::SpanSink;

/// The dialect of OTLP that an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP with protobuf bodies.
    HttpProtobuf,
}

/// How an exported span finds its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By a resource attribute of this key, which the pipeline adds. Spans of many projects
    /// share a request.
    ResourceAttribute(String),
    /// By the headers, which are this project's: one of them names it, or is a credential for
    /// it. One project a request.
    Headers,
}

/// What one request may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestLimits {
    /// Spans; the configuration's `max_export_batch_size` holds as well.
    pub spans: usize,
    /// Bytes of protobuf. A span that is larger by itself is sent alone to an endpoint, and
    /// rejected for a sink.
    pub bytes: usize,
    /// Whether spans of several projects may share a request, where routing allows.
    pub mixed_projects: bool,
}

impl Default for RequestLimits {
    /// As many spans as the configuration says, in 3.5 MiB: common gRPC servers refuse 4 MiB,
    /// and everything in the request is lost then.
    fn default() -> Self {
        Self {
            spans: usize::MAX,
            bytes: 3_584 * 1_024,
            mixed_projects: true,
        }
    }
}

/// Where a project's spans go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// To an endpoint, over OTLP.
    Otlp(OtlpDestination),
    /// To a backend without OTLP, as spans that are taken apart.
    Sink {
        /// Who takes them.
        sink: Arc<dyn SpanSink>,
        /// How much it takes in one call. Projects never share one, whatever is said here.
        limits: RequestLimits,
    },
}

impl From<OtlpDestination> for Destination {
    fn from(otlp: OtlpDestination) -> Self {
        Self::Otlp(otlp)
    }
}

/// An endpoint for a project's spans.
#[derive(Clone)]
pub struct OtlpDestination {
    /// The protocol.
    pub protocol: Protocol,
    /// For gRPC the scheme, host and port (`http://127.0.0.1:4317`); for HTTP the whole address
    /// (`http://127.0.0.1:6006/v1/traces`). `https` means TLS, with the system's authorities.
    pub endpoint: String,
    /// Headers on each request, credentials among them; for gRPC its metadata.
    pub headers: HeaderMap,
    /// Attributes to add to the resource; they replace the project's own of the same keys.
    pub resource_attributes: Vec<KeyValue>,
    /// Attributes to add to each span.
    pub span_attributes: Vec<KeyValue>,
    /// How the project is named.
    pub routing: Routing,
    /// What the backend takes at most.
    pub limits: RequestLimits,
    /// Who looks up the endpoint's name; `None` is the system.
    pub(crate) names: Option<Names>,
}

impl OtlpDestination {
    /// A destination without headers and attributes, within the usual limits.
    #[must_use]
    pub fn new(protocol: Protocol, endpoint: impl Into<String>, routing: Routing) -> Self {
        Self {
            protocol,
            endpoint: endpoint.into(),
            headers: HeaderMap::new(),
            resource_attributes: Vec::new(),
            span_attributes: Vec::new(),
            routing,
            limits: RequestLimits::default(),
            names: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// Shows the headers' names only: their values may be secrets.
impl fmt::Debug for OtlpDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpDestination")
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("resource_attributes", &self.resource_attributes)
            .field("span_attributes", &self.span_attributes)
            .field("routing", &self.routing)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Why the pipeline was not told where to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Not now; asked again until the export timeout is over.
    #[error("{0}")]
    Unavailable(String),
    /// Never; spans that need the answer are dropped at once.
    #[error("{0}")]
    Refused(String),
}

/// Tells the pipeline where spans go.
///
/// It is asked on the export thread, which it must not block, and its answers are kept for a
/// minute. What it does there is not traced.
pub trait DestinationResolver: Send + Sync + 'static {
    /// Where the spans of `project` go.
    ///
    /// # Errors
    /// See [`ResolveError`].
    fn destination<'a>(
        &'a self,
        project: &'a Project,
    ) -> BoxFuture<'a, Result<Destination, ResolveError>>;

    /// What a span of `project` must carry to belong to the session `session_id`. A refusal
    /// lets the span go without.
    ///
    /// # Errors
    /// See [`ResolveError`].
    fn session_attributes<'a>(
        &'a self,
        project: &'a Project,
        session_id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, ResolveError>>;

    /// Told that the backend has taken spans of `project`: what is known of the project has
    /// changed.
    fn delivered(&self, project: &Project) {
        let _ = project;
    }
}
