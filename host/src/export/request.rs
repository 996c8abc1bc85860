//! Spans put together as OTLP `ExportTraceServiceRequest` messages.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;

use super::encode::{delimited_len, put_delimiter, put_string, string_len};
use super::packed::PackedSpans;
use super::parcel::Parcel;
use super::route::{Head, Lane, Route, Target};

/// The most that stands before and after a span, or a group of them, besides what is in it.
const DELIMITERS: usize = 64;

/// Spans that know their way.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) parcel: Parcel,
    pub(super) route: Arc<Route>,
    /// What stands above them, and above others of their project and origin, where that is not
    /// the route's own.
    pub(super) foreign_head: Option<Arc<Head>>,
    /// Attributes of their session, to append to the bytes of each.
    pub(super) session: Option<Arc<[u8]>>,
}

impl Addressed {
    /// What stands above them, and above others of their project and origin.
    pub(super) fn head(&self) -> &Head {
        self.foreign_head.as_ref().unwrap_or(&self.route.head)
    }

    /// Whether it is known that the same stands above both. What stands above spans that were
    /// made here is their route's, and need not be compared.
    fn has_head_of(&self, other: &Self) -> bool {
        std::ptr::eq(self.head(), other.head())
            || (self.foreign_head.is_some() && self.head() == other.head())
    }

    /// Spans that may share a request have the same.
    pub(super) fn lane_address(&self) -> usize {
        Arc::as_ptr(&self.route.lane).addr()
    }

    /// Whether they come before others in a request: those with equal heads lie together.
    pub(super) fn cmp_place(&self, other: &Self) -> Ordering {
        let project = |spans: &Self| spans.parcel.content.project.id();
        let by_project = project(self).cmp(&project(other));
        by_project.then_with(|| match std::ptr::eq(self.head(), other.head()) {
            true => Ordering::Equal,
            false => self.head().cmp(other.head()),
        })
    }

    /// How many bytes are appended to each of its spans.
    fn appended(&self) -> usize {
        let session = self.session.as_deref().unwrap_or_default();
        self.route.span_attributes.len() + session.len()
    }

    /// How many bytes its spans take in a `ScopeSpans` message.
    fn fields_len(&self) -> usize {
        if self.appended() == 0 {
            return self.parcel.content.spans.bytes();
        }
        let lengths = self.spans().map(|span| span_len(&span));
        lengths.map(PackedSpans::bytes_of).sum()
    }

    /// Each of its spans, in the parts of its `Span` message. Protobuf lets a repeated field be
    /// appended.
    pub(super) fn spans(&self) -> impl Iterator<Item = [&[u8]; 3]> {
        let attributes = self.route.span_attributes.as_slice();
        let session = self.session.as_deref().unwrap_or_default();
        let spans = self.parcel.content.spans.iter();
        spans.map(move |span| [span, attributes, session])
    }

    /// What a span adds to a request at most if it is the first of its project, and so brings
    /// resource and scope.
    pub(super) fn cost(&self, span: &[&[u8]; 3]) -> usize {
        self.head_cost() + span_len(span) + DELIMITERS
    }

    fn head_cost(&self) -> usize {
        let Head {
            resource,
            scope,
            schema_urls: urls,
        } = self.head();
        resource.len() + scope.len() + urls.resource.len() + urls.spans.len() + DELIMITERS
    }

    /// The spans from this one on, which are no longer here then.
    fn split_off(&mut self, at: usize) -> Self {
        Self {
            parcel: self.parcel.split_off(at),
            route: Arc::clone(&self.route),
            foreign_head: self.foreign_head.clone(),
            session: self.session.clone(),
        }
    }
}

fn span_len(span: &[&[u8]; 3]) -> usize {
    span.iter().map(|part| part.len()).sum()
}

/// Spans for one request. Those with equal heads lie together.
#[derive(Debug, Default)]
pub(super) struct Chunk(pub(super) Vec<Addressed>);

impl Chunk {
    /// How many spans there are.
    pub(super) fn len(&self) -> usize {
        Parcel::count(self.0.iter().map(|group| &group.parcel))
    }

    /// The second half of its spans, which are no longer here then.
    pub(super) fn split(&mut self) -> Self {
        let mut first = self.len() / 2;
        let mut rest = Vec::new();
        for mut group in std::mem::take(&mut self.0) {
            let len = group.parcel.len();
            if first == 0 {
                rest.push(group);
                continue;
            }
            if len > first {
                rest.push(group.split_off(first));
            }
            first -= len.min(first);
            self.0.push(group);
        }
        Self(rest)
    }

    pub(super) fn parcels(self) -> impl Iterator<Item = Parcel> {
        self.0.into_iter().map(|group| group.parcel)
    }
}

/// Cuts spans of one lane into chunks that keep its limits.
pub(super) fn chunks(
    lane: &Lane,
    max_spans: usize,
    groups: impl IntoIterator<Item = Addressed>,
) -> Vec<Chunk> {
    let max_spans = max_spans.min(lane.limits.spans).max(1);
    // A sink is told of one resource a call.
    let mixed = matches!(lane.target, Target::Otlp(_));
    let mut chunks = Vec::new();
    let mut chunk = Chunk::default();
    let (mut spans, mut bytes) = (0, 0);
    for mut group in groups {
        let same = |last: &Addressed| {
            let (last, next) = (last.head(), group.head());
            std::ptr::eq(last, next) || last.resource == next.resource
        };
        if !mixed && !chunk.0.last().is_none_or(same) {
            chunks.push(std::mem::take(&mut chunk));
            (spans, bytes) = (0, 0);
        }
        loop {
            let count = group.parcel.len();
            let delimiters = count * (group.appended() + DELIMITERS);
            let with = bytes + group.head_cost() + group.parcel.content.spans.bytes() + delimiters;
            if count <= max_spans - spans && with <= lane.limits.bytes {
                // As nearly always.
                (spans, bytes) = (spans + count, with);
                chunk.0.push(group);
                break;
            }
            let mut with = bytes + group.head_cost();
            let mut fitting = 0;
            for span in group.spans().take(max_spans - spans) {
                with += span_len(&span) + DELIMITERS;
                if with > lane.limits.bytes && spans + fitting > 0 {
                    break;
                }
                bytes = with;
                fitting += 1;
            }
            spans += fitting;
            let rest = (fitting < group.parcel.len()).then(|| group.split_off(fitting));
            if fitting > 0 {
                chunk.0.push(group);
            }
            let Some(rest) = rest else { break };
            chunks.push(std::mem::take(&mut chunk));
            (spans, bytes) = (0, 0);
            group = rest;
        }
    }
    if !chunk.0.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

/// The request that carries a chunk: a `ResourceSpans` for each head.
pub(super) fn encode(chunk: &Chunk, buffer: Vec<u8>) -> Bytes {
    let parts = chunk.0.chunk_by(Addressed::has_head_of);
    let parts: Vec<_> = parts.filter_map(Part::of).collect();
    let total = parts
        .iter()
        .map(|part| delimited_len(1, part.resource_spans));
    let total = total.sum();
    let mut bytes = buffer;
    if bytes.capacity() < total {
        // To grow it would copy what was in it.
        bytes = Vec::with_capacity(total);
    }
    for part in &parts {
        part.append_to(&mut bytes);
    }
    bytes.into()
}

/// A `ResourceSpans`, with the lengths that protobuf wants ahead.
struct Part<'a> {
    groups: &'a [Addressed],
    head: &'a Head,
    scope_spans: usize,
    resource_spans: usize,
}

impl<'a> Part<'a> {
    fn of(groups: &'a [Addressed]) -> Option<Self> {
        let head = groups.first()?.head();
        let spans: usize = groups.iter().map(Addressed::fields_len).sum();
        let scope_spans =
            delimited_len(1, head.scope.len()) + spans + string_len(3, &head.schema_urls.spans);
        let resource_spans = delimited_len(1, head.resource.len())
            + delimited_len(2, scope_spans)
            + string_len(3, &head.schema_urls.resource);
        Some(Self {
            groups,
            head,
            scope_spans,
            resource_spans,
        })
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        let Head {
            resource,
            scope,
            schema_urls,
        } = self.head;
        put_delimiter(1, self.resource_spans, bytes);
        put_delimiter(1, resource.len(), bytes);
        bytes.extend_from_slice(resource);
        put_delimiter(2, self.scope_spans, bytes);
        put_delimiter(1, scope.len(), bytes);
        bytes.extend_from_slice(scope);
        for group in self.groups {
            if group.appended() == 0 {
                bytes.extend_from_slice(group.parcel.content.spans.fields());
                continue;
            }
            for span in group.spans() {
                put_delimiter(2, span_len(&span), bytes);
                for part in span {
                    bytes.extend_from_slice(part);
                }
            }
        }
        put_string(3, &schema_urls.spans, bytes);
        put_string(3, &schema_urls.resource, bytes);
    }
}
