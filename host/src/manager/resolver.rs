//! Tells the export pipeline where a project's spans go: the provider of the tenant's
//! connection knows, and where there is none, the configured OTLP endpoint.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{KeyValue, Value};
use url::Url;

use super::connections::ConnectionError;
use super::inner::Inner;
use super::sink;
use crate::config::{DEFAULT_CONNECTION, TenantId};
use crate::contract::{
    Attribute, AttributeValue, Error, ExportOptions, Header, OtlpExport, OtlpProtocol,
    ProjectRouting, ProviderError, SpanExport,
};
use crate::export::{
    Destination, DestinationResolver, Names, OtlpDestination, Project, Protocol, RequestLimits,
    ResolveError, Routing,
};
use crate::provider::Provider;

/// The resource attribute that Phoenix and other OpenInference backends file spans by.
const PROJECT_ATTRIBUTE: &str = "openinference.project.name";
/// The attribute that OpenInference backends group spans into sessions by.
const SESSION_ATTRIBUTE: &str = "session.id";

/// Weak, since the manager owns the pipeline that owns this.
pub(super) struct ManagerResolver(pub(super) Weak<Inner>);

impl DestinationResolver for ManagerResolver {
    fn destination<'a>(
        &'a self,
        project: &'a Project,
    ) -> BoxFuture<'a, Result<Destination, ResolveError>> {
        async {
            let manager = self.manager()?;
            let named = manager.otlp_endpoint(project)?;
            let Some(provider) = manager.export_provider(project)? else {
                let default = manager.default_otlp_endpoint()?;
                return Ok(plain_otlp(&default, named).into());
            };
            let batch = manager.exports_in_batches(project)?;
            let destination =
                provider_destination(provider, project, named.as_ref(), batch).await?;
            if let (Destination::Sink { sink, .. }, Some(named)) = (&destination, &named) {
                manager.tell_of_unused_endpoint(sink.name(), named);
            }
            Ok(destination)
        }
        .boxed()
    }

    fn session_attributes<'a>(
        &'a self,
        project: &'a Project,
        session_id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, ResolveError>> {
        async move {
            let Some(provider) = self.manager()?.export_provider(project)? else {
                // Backends have one name space of sessions for all projects (ADR 2).
                let session = format!("{}:{session_id}", project.name());
                return Ok(vec![KeyValue::new(SESSION_ATTRIBUTE, session)]);
            };
            session_attributes(&provider, project, session_id).await
        }
        .boxed()
    }

    fn delivered(&self, project: &Project) {
        // Whoever has no provider has no answers either.
        if let Ok(manager) = self.manager()
            && manager.connections.host().is_some()
            && let Ok(Some(provider)) = manager.export_provider(project)
        {
            provider.written(project.name());
        }
    }
}

impl ManagerResolver {
    fn manager(&self) -> Result<Arc<Inner>, ResolveError> {
        let gone = || ResolveError::Refused("the telemetry manager is gone".to_owned());
        self.0.upgrade().ok_or_else(gone)
    }
}

impl Inner {
    /// The endpoint for spans that the operator named: for this project, or for those of
    /// the default connection. A connection of another name has its own, and its credential
    /// must not be sent to the common one.
    fn otlp_endpoint(&self, project: &Project) -> Result<Option<Url>, ResolveError> {
        let tenant = tenant(project)?;
        let overrides = self.overrides(&tenant, project.service());
        if let Some(endpoint) = overrides.and_then(|overrides| overrides.otlp_endpoint) {
            return self.otlp_url(&endpoint).map(Some);
        }
        let is_default = self.config.connection_name_for(&tenant) == DEFAULT_CONNECTION;
        if is_default && self.config.names_otlp_endpoint() {
            return self.default_otlp_endpoint().map(Some);
        }
        Ok(None)
    }

    /// Say once that a provider which takes spans itself has no use for an endpoint.
    fn tell_of_unused_endpoint(&self, sink: &str, named: &Url) {
        if !self.told_of_endpoint.swap(true, Ordering::Relaxed) {
            let endpoint = named.host_str().unwrap_or_default();
            tracing::warn!(
                endpoint,
                "spans do not go to the configured OTLP endpoint: provider {sink} takes them itself; \
                 leave `otlp_endpoint` out, or give the connection another provider"
            );
        }
    }

    /// Whether the project's spans leave in batches.
    fn exports_in_batches(&self, project: &Project) -> Result<bool, ResolveError> {
        let overrides = self.overrides(&tenant(project)?, project.service());
        let sync = overrides.and_then(|overrides| overrides.use_sync_export);
        Ok(!sync.unwrap_or(self.config.telemetry.batch_config.use_sync_export))
    }

    pub(super) fn default_otlp_endpoint(&self) -> Result<Url, ResolveError> {
        self.otlp_url(&self.config.telemetry.otlp_endpoint)
    }

    fn otlp_url(&self, endpoint: &str) -> Result<Url, ResolveError> {
        let telemetry = &self.config.telemetry;
        crate::config::otlp_url(endpoint, telemetry.otlp_use_tls)
            .map_err(|error| ResolveError::Refused(error.to_string()))
    }

    /// The provider that says where the project's spans go; `None` where none does.
    fn export_provider(&self, project: &Project) -> Result<Option<Provider>, ResolveError> {
        let tenant = tenant(project)?;
        if !self.connections.has_provider(&self.config, &tenant) {
            return Ok(None);
        }
        let provider = self.provider(&tenant, Some(project.service()));
        provider.map(Some).map_err(|error| match error {
            // The file may be on its way.
            ConnectionError::NoProvider { .. } => ResolveError::Unavailable(error.to_string()),
            _ => ResolveError::Refused(error.to_string()),
        })
    }
}

fn tenant(project: &Project) -> Result<TenantId, ResolveError> {
    TenantId::new(project.tenant_id()).map_err(|error| ResolveError::Refused(error.to_string()))
}

/// Where a provider says that the spans of a project go; `named` is what the operator named for
/// them.
pub(super) async fn provider_destination(
    provider: Provider,
    project: &Project,
    named: Option<&Url>,
    batch: bool,
) -> Result<Destination, ResolveError> {
    let options = ExportOptions {
        endpoint: named.map(address),
        batch,
    };
    let export = provider
        .configure_span_export(project.name(), &options)
        .await
        .map_err(resolve_error)?;
    match export {
        SpanExport::Otlp(export) => Ok(destination(&provider, export, named).await?.into()),
        SpanExport::Sink => sink::destination(provider, project),
    }
}

/// What a provider says that spans of a session carry.
pub(super) async fn session_attributes(
    provider: &Provider,
    project: &Project,
    session_id: &str,
) -> Result<Vec<KeyValue>, ResolveError> {
    let attributes = provider
        .session_attributes(project.name(), session_id)
        .await
        .map_err(resolve_error)?;
    Ok(attributes.into_iter().map(key_value).collect())
}

/// A destination without a provider: OTLP over gRPC, or over HTTP where the endpoint has a
/// path, to a backend that takes the project from the resource.
fn plain_otlp(default: &Url, named: Option<Url>) -> OtlpDestination {
    let endpoint = named.as_ref().unwrap_or(default);
    let protocol = if endpoint.path() == "/" {
        Protocol::Grpc
    } else {
        Protocol::HttpProtobuf
    };
    let routing = Routing::ResourceAttribute(PROJECT_ATTRIBUTE.to_owned());
    OtlpDestination::new(protocol, address(endpoint), routing)
}

/// What a provider answered, with the credentials that it does not have.
async fn destination(
    provider: &Provider,
    export: OtlpExport,
    named: Option<&Url>,
) -> Result<OtlpDestination, ResolveError> {
    let refused = |why: String| {
        ResolveError::Refused(format!(
            "provider {}, configure-span-export: {why}",
            provider.name()
        ))
    };
    let endpoint = Url::parse(&export.endpoint)
        .map_err(|error| refused(format!("`{}` is no address: {error}", export.endpoint)))?;
    let mut headers = HeaderMap::new();
    let (routing, named_by) = match export.routing {
        ProjectRouting::ResourceAttribute(key) => (Routing::ResourceAttribute(key), None),
        ProjectRouting::Header(header) => (Routing::Headers, Some(header)),
        ProjectRouting::Credential => (Routing::Headers, None),
    };
    for Header { name, value } in export.headers.into_iter().chain(named_by) {
        let wrong = || refused(format!("`{name}` with this value is no header"));
        let value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        headers.insert(HeaderName::try_from(&name).map_err(|_| wrong())?, value);
    }
    let access = provider.span_access(&endpoint, named).await;
    let access = access.map_err(resolve_error)?;
    headers.extend(access.headers);
    Ok(OtlpDestination {
        protocol: match export.protocol {
            OtlpProtocol::Grpc => Protocol::Grpc,
            OtlpProtocol::HttpProtobuf => Protocol::HttpProtobuf,
        },
        endpoint: export.endpoint,
        headers,
        resource_attributes: export
            .resource_attributes
            .into_iter()
            .map(key_value)
            .collect(),
        span_attributes: export.span_attributes.into_iter().map(key_value).collect(),
        routing,
        limits: RequestLimits {
            // What bounds calls of the provider is no matter here.
            spans: usize::MAX,
            ..limits(provider)?
        },
        names: access.names.map(Names),
    })
}

/// What the provider says that its backend takes at once.
pub(super) fn limits(provider: &Provider) -> Result<RequestLimits, ResolveError> {
    let limits = provider.describe().map_err(resolve_error)?.limits;
    let standard = RequestLimits::default();
    Ok(RequestLimits {
        spans: usize::try_from(limits.max_batch_items).unwrap_or(usize::MAX),
        bytes: usize::try_from(limits.max_batch_bytes)
            .unwrap_or(usize::MAX)
            .min(standard.bytes),
        mixed_projects: limits.mixed_projects,
    })
}

/// An address as OTLP endpoints are written: without the slash of an empty path.
fn address(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn resolve_error(error: ProviderError) -> ResolveError {
    let text = error.to_string();
    match error.kind() {
        Error::RateLimited(_) | Error::Unavailable(_) | Error::Timeout(_) => {
            ResolveError::Unavailable(text)
        }
        _ => ResolveError::Refused(text),
    }
}

fn key_value(attribute: Attribute) -> KeyValue {
    let value = match attribute.value {
        AttributeValue::Text(text) | AttributeValue::Json(text) => Value::from(text),
        AttributeValue::Boolean(value) => Value::from(value),
        AttributeValue::Integer(value) => Value::from(value),
        AttributeValue::Number(value) => Value::from(value),
    };
    KeyValue::new(attribute.key, value)
}
