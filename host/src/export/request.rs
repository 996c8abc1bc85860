//! Spans put together as OTLP `ExportTraceServiceRequest` messages.

use std::sync::Arc;

use bytes::Bytes;

use super::encode::{delimited_len, put_delimiter, put_string, string_len};
use super::parcel::Parcel;
use super::route::{Head, Lane, Route, Target};

/// A span that knows its way.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) parcel: Parcel,
    pub(super) route: Arc<Route>,
    /// What stands above it, and above the others of its project and origin.
    pub(super) head: Arc<Head>,
    /// Attributes of its session, to append to its bytes.
    pub(super) session: Option<Arc<[u8]>>,
}

impl Addressed {
    /// The parts of its `Span` message. Protobuf lets a repeated field be appended.
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        [
            &self.parcel.span.bytes,
            &self.route.span_attributes,
            self.session.as_deref().unwrap_or_default(),
        ]
    }

    fn len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// What it adds to a request at most: its head, and the resource's and scope's in case it
    /// is the first of its project.
    pub(super) fn cost(&self) -> usize {
        const DELIMITERS: usize = 64;
        let Head {
            resource,
            scope,
            schema_urls: urls,
        } = &*self.head;
        let head = resource.len() + scope.len() + urls.resource.len() + urls.spans.len();
        self.len() + head + DELIMITERS
    }
}

/// Spans for one request. Those with equal heads lie together.
pub(super) type Chunk = Vec<Addressed>;

/// Cuts spans of one lane into chunks that keep its limits.
pub(super) fn chunks(lane: &Lane, max_spans: usize, spans: Vec<Addressed>) -> Vec<Chunk> {
    let max_spans = max_spans.min(lane.limits.spans).max(1);
    // A sink is told of one resource a call.
    let mixed = matches!(lane.target, Target::Otlp(_));
    let fits = |chunk: &Chunk, span: &Addressed| {
        let same = |last: &Addressed| {
            Arc::ptr_eq(&last.head, &span.head) || last.head.resource == span.head.resource
        };
        chunk.len() < max_spans && (mixed || chunk.last().is_none_or(same))
    };
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    for span in spans {
        let cost = span.cost();
        match chunks.last_mut() {
            Some(chunk) if bytes + cost <= lane.limits.bytes && fits(chunk, &span) => {
                bytes += cost;
                chunk.push(span);
            }
            _ => {
                bytes = cost;
                chunks.push(vec![span]);
            }
        }
    }
    chunks
}

/// The request that carries a chunk: a `ResourceSpans` for each head.
pub(super) fn encode(chunk: &[Addressed]) -> Bytes {
    let groups = || chunk.chunk_by(|a, b| Arc::ptr_eq(&a.head, &b.head) || a.head == b.head);
    let total = groups()
        .map(|spans| delimited_len(1, Layout::of(spans).resource_spans))
        .sum();
    let mut bytes = Vec::with_capacity(total);
    for spans in groups() {
        let Some(first) = spans.first() else { continue };
        let layout = Layout::of(spans);
        put_delimiter(1, layout.resource_spans, &mut bytes);
        let Head {
            resource,
            scope,
            schema_urls,
        } = &*first.head;
        put_delimiter(1, resource.len(), &mut bytes);
        bytes.extend_from_slice(resource);
        put_delimiter(2, layout.scope_spans, &mut bytes);
        put_delimiter(1, scope.len(), &mut bytes);
        bytes.extend_from_slice(scope);
        for span in spans {
            put_delimiter(2, span.len(), &mut bytes);
            for part in span.parts() {
                bytes.extend_from_slice(part);
            }
        }
        put_string(3, &schema_urls.spans, &mut bytes);
        put_string(3, &schema_urls.resource, &mut bytes);
    }
    bytes.into()
}

/// The lengths that protobuf wants ahead.
struct Layout {
    scope_spans: usize,
    resource_spans: usize,
}

impl Layout {
    fn of(spans: &[Addressed]) -> Self {
        let Some(Head {
            resource,
            scope,
            schema_urls,
        }) = spans.first().map(|span| &*span.head)
        else {
            return Self {
                scope_spans: 0,
                resource_spans: 0,
            };
        };
        let scope_spans = delimited_len(1, scope.len())
            + spans
                .iter()
                .map(|span| delimited_len(2, span.len()))
                .sum::<usize>()
            + string_len(3, &schema_urls.spans);
        Self {
            scope_spans,
            resource_spans: delimited_len(1, resource.len())
                + delimited_len(2, scope_spans)
                + string_len(3, &schema_urls.resource),
        }
    }
}
