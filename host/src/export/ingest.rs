//! Spans that come encoded: from the gateway, which has cut them out of somebody's request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;

use super::account::{Dropped, SpanStats};
use super::origin::Origin;
use super::packed::PackedSpans;
use super::parcel::Outgoing;
use super::project::Project;
use super::queue::IngestRefusal;
use super::ticket::Ticket;

/// Spans of one project, one origin and one session.
#[derive(Clone, Debug)]
pub struct EncodedSpans {
    /// Whose they are.
    pub project: Arc<Project>,
    /// Who sent them.
    pub origin: Arc<Origin>,
    /// The session they belong to, as the sender calls it. The destination says what they carry
    /// for it, so they should not have an attribute `session.id` as well.
    pub session: Option<Arc<str>>,
    /// OTLP `Span` messages: valid protobuf, with ids.
    pub spans: PackedSpans,
}

/// Why spans were not taken. Those of the call are not counted then: the sender has them still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// Not now.
    #[error("the queue is full; try again in {} s", retry_after.as_secs_f32())]
    QueueFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The pipeline was shut down.
    #[error("the pipeline was shut down")]
    Closed,
    /// They would not fit into an empty queue: send fewer at a time.
    #[error(
        "so many spans do not fit into the queue; send fewer at a time, or raise `max_queue_size`"
    )]
    TooLarge,
}

/// What became of the spans of one [`ingest`](super::Pipeline::ingest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settlement {
    /// The backend has them.
    pub delivered: u64,
    /// They are on disk, and will be sent when their backend answers.
    pub spooled: u64,
    /// They are lost.
    pub dropped: Dropped,
}

/// A future that resolves when each span of an [`ingest`](super::Pipeline::ingest) is delivered,
/// dropped or on disk.
///
/// It needs no runtime. It resolves within the export timeout and a little more, since nothing
/// stays in the pipeline for longer. Dropping it changes nothing for the spans.
#[derive(Debug)]
#[must_use = "without waiting, nobody hears what became of the spans"]
pub struct Receipt(oneshot::Receiver<SpanStats>);

impl Future for Receipt {
    type Output = Settlement;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        // The ticket reports before it is gone, so there is always an answer.
        let stats = ready!(Pin::new(&mut self.0).poll(context)).unwrap_or_default();
        Poll::Ready(Settlement {
            delivered: stats.delivered,
            spooled: stats.spooled,
            dropped: stats.dropped,
        })
    }
}

impl EncodedSpans {
    /// All of these as the queue takes them, and the receipt for them.
    pub(super) fn prepare(all: Vec<Self>) -> (Vec<Outgoing>, Receipt) {
        let (sender, receiver) = oneshot::channel();
        let count: usize = all.iter().map(|encoded| encoded.spans.len()).sum();
        let ticket = Arc::new(Ticket::new(count as u64, move |stats| {
            let _ = sender.send(stats);
        }));
        let spans = all.into_iter().filter(|encoded| !encoded.spans.is_empty());
        let spans = spans.map(|encoded| Outgoing {
            project: encoded.project,
            session: encoded.session,
            origin: Some(encoded.origin),
            spans: encoded.spans,
            ticket: Some(Arc::clone(&ticket)),
            epoch: 0,
        });
        (spans.collect(), Receipt(receiver))
    }
}

impl IngestRefusal {
    pub(super) fn into_error(self, retry_after: Duration) -> IngestError {
        match self {
            Self::Full => IngestError::QueueFull { retry_after },
            Self::Closed => IngestError::Closed,
            Self::TooLarge => IngestError::TooLarge,
        }
    }
}
