//! From a body to spans that can be forwarded: decompressed, cut, told apart by tenant,
//! redacted. All of it is work for a processor, none of it waits.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use bytes::Bytes;

use super::answer::Refusal;
use super::body::{Compression, decompress};
use super::origins::{Known, Origins, Source};
use super::redact::Redactor;
use super::session::take_from_span;
use super::tenant::{Sender, Tenants};
use super::wire::{Refused, cut, from_json};
use crate::config::TenantId;
use crate::export::{PackedSpans, SchemaUrls};

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
    pub(super) known: Arc<Known>,
    pub(super) session: Option<Arc<str>>,
    pub(super) spans: PackedSpans,
}

/// What is in a body, and what of it is refused. Spans are copied into buffers, of which it is
/// told how many it needs.
pub(super) fn prepare(
    payload: &Payload,
    sender: &Sender,
    tenants: &Tenants,
    redactor: &Redactor,
    origins: &Origins,
    limit: usize,
    buffers: impl FnOnce(usize) -> Vec<PackedSpans>,
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
    let mut buffers = buffers(cut.iter().map(|group| group.scopes.len()).sum());
    let mut batches = Vec::with_capacity(buffers.len());
    for group in cut {
        for scope in group.scopes {
            let urls = SchemaUrls {
                resource: group.schema_url.clone(),
                spans: scope.schema_url,
            };
            let source = Source {
                resource: group.resource,
                scope: scope.scope,
                schema_urls: &urls,
            };
            let known = origins.of(source, tenants, redactor);
            let tenant = match tenants.tenant(sender, &known.named) {
                Ok(tenant) => tenant,
                Err(why) => {
                    refused.add(scope.spans.len() as u64, why);
                    continue;
                }
            };
            let bytes = scope.spans.iter().map(|span| span.len()).sum();
            // Most are of the resource's session, which is none, and few of one of their own.
            let mut spans = buffers.pop().unwrap_or_default();
            spans.reserve(scope.spans.len(), bytes);
            let mut sessions = BTreeMap::<_, PackedSpans>::new();
            for span in &scope.spans {
                match take_from_span(redactor.span(span)) {
                    (span, None) => spans.push(&span),
                    (span, Some(own)) => sessions.entry(own).or_default().push(&span),
                }
            }
            let own = sessions
                .into_iter()
                .map(|(session, spans)| (Some(session), spans));
            let all = iter::once((known.session.clone(), spans)).chain(own);
            let all = all.filter(|(_, spans)| !spans.is_empty());
            batches.extend(all.map(|(session, spans)| Batch {
                tenant: tenant.clone(),
                known: Arc::clone(&known),
                session,
                spans,
            }));
        }
    }
    Ok((batches, refused))
}
