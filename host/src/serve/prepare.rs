//! From a body to spans that can be forwarded: decompressed, cut, told apart by tenant,
//! redacted. All of it is work for a processor, none of it waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::answer::Refusal;
use super::body::{Compression, decompress};
use super::redact::Redactor;
use super::service::service_of;
use super::session::{take_from_resource, take_from_span};
use super::tenant::{Sender, Tenants};
use super::wire::{Refused, cut, from_json};
use crate::config::TenantId;
use crate::export::{Origin, PackedSpans, SchemaUrls};

/// A body as it came.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) body: Bytes,
    pub(super) compression: Option<Compression>,
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// Bodies of up to so many bytes are looked at where they were read: it takes less than handing
/// them to another thread.
const SMALL: usize = 256 << 10;

impl Payload {
    /// Whether it takes long enough to keep an async thread from its other work.
    pub(super) fn is_heavy(&self) -> bool {
        self.compression.is_some() || self.body.len() > SMALL
    }
}

/// Spans of one tenant's service, resource, scope and session.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) tenant: TenantId,
    pub(super) service: Service,
    pub(super) origin: Arc<Origin>,
    pub(super) session: Option<Arc<str>>,
    pub(super) spans: PackedSpans,
}

/// The service a resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// This one.
    Named(String),
    /// None, or one that no name can be made of: it is the configured one's.
    Unnamed,
}

impl Service {
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Unnamed => None,
        }
    }
}

/// What is in a body, and what of it is refused.
pub(super) fn prepare(
    payload: &Payload,
    sender: &Sender,
    tenants: &Tenants,
    redactor: &Redactor,
    limit: usize,
) -> Result<(Vec<Batch>, Refused), Refusal> {
    let mut refused = Refused::default();
    let plain = match payload.compression {
        Some(compression) => decompress(compression, &payload.body, limit)?,
        None => payload.body.clone(),
    };
    let request = match payload.format {
        Format::Protobuf => plain,
        Format::Json => from_json(&plain, &mut refused)
            .map_err(Refusal::invalid)?
            .into(),
    };
    let cut = cut(&request, &mut refused)
        .map_err(|fault| Refusal::invalid(format!("the body is no export request: {fault}")))?;
    let mut batches = Vec::with_capacity(cut.len());
    for group in cut {
        let tenant = match tenants.tenant(sender, group.resource) {
            Ok(tenant) => tenant,
            Err(why) => {
                let spans: usize = group.scopes.iter().map(|scope| scope.spans.len()).sum();
                refused.add(spans as u64, why);
                continue;
            }
        };
        let (resource, session) = take_from_resource(redactor.resource(group.resource));
        // A copy: a slice would keep the whole body for as long as a span waits.
        let resource = Bytes::copy_from_slice(&resource);
        // Of what the rules leave: the project's name is told to the backend.
        let service = service_of(&resource);
        for scope in group.scopes {
            let name = Bytes::copy_from_slice(&redactor.scope(scope.scope));
            let urls = SchemaUrls {
                resource: group.schema_url.clone(),
                spans: scope.schema_url,
            };
            let origin = Origin::with_schema_urls(resource.clone(), name, urls);
            let origin = Arc::new(origin);
            let bytes = scope.spans.iter().map(|span| span.len()).sum();
            let room = || PackedSpans::with_capacity(scope.spans.len(), bytes);
            let mut sessions = BTreeMap::<_, PackedSpans>::new();
            for span in &scope.spans {
                let (span, own) = take_from_span(redactor.span(span));
                let session = own.or_else(|| session.clone());
                let spans = sessions.entry(session).or_insert_with(room);
                spans.push(&span);
            }
            batches.extend(sessions.into_iter().map(|(session, spans)| Batch {
                tenant: tenant.clone(),
                service: service.clone(),
                origin: Arc::clone(&origin),
                session,
                spans,
            }));
        }
    }
    Ok((batches, refused))
}
