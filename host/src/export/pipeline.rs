//! The pipeline's handle: what the application's threads see of the export.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry::Context;
use tokio::sync::{mpsc as commands, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::account::{DropReason, SpanStats};
use super::delivery::Delivery;
use super::destination::{DestinationResolver, RequestLimits};
use super::drop_log::DropLog;
use super::flush::{FlushReport, Reply};
use super::ingest::{EncodedSpans, IngestError, Receipt};
use super::ledger::ProjectStats;
use super::packed::PackedSpans;
use super::queue::{Bounds, Queue};
use super::route::Routes;
use super::span::EndedSpan;
use super::spool::{Spool, SpoolError};
use super::ticket::Ticket;
use super::worker::{Command, Worker};
use crate::config::{BatchExportConfig, QueueFullPolicy, SpoolConfig};

/// How long the thread that ends a span is held up at most, in synchronous mode and where a full
/// queue makes it wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a sender whose spans found the queue full should try again, at the least.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How much later than it said the export thread may answer before it is not waited for.
const GRACE: Duration = Duration::from_secs(1);

/// Why the pipeline could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system has no thread, or nothing for a runtime, to give.
    #[error("the export thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The way out for the spans of all tenants: one queue, one thread, one client an endpoint.
///
/// The thread has a runtime of its own, so it works for threads without one and outlives the
/// application's. Clones are handles of the same pipeline. When the last is dropped without a
/// [`shutdown`](Self::shutdown), what waits is still sent, in the background.
#[derive(Clone, Debug)]
pub struct Pipeline(Arc<Handle>);

/// What clones of a handle share.
#[derive(Debug)]
struct Handle {
    queue: Arc<Queue>,
    commands: commands::UnboundedSender<Command>,
    log: Arc<DropLog>,
    sync: bool,
    wait_for_room: bool,
    retry_after: Duration,
}

impl Pipeline {
    /// Starts the export thread; and where spans are to be spooled when the queue is full, the
    /// spool, of which everything is read before this returns. Otherwise `spool` is not looked
    /// at.
    ///
    /// # Errors
    /// [`StartError`] when the system has no thread, or nothing for a runtime, to give, or when
    /// the spool cannot be used.
    pub fn start(
        config: &BatchExportConfig,
        spool: &SpoolConfig,
        resolver: Arc<dyn DestinationResolver>,
    ) -> Result<Self, StartError> {
        let policy = config.queue_full_policy();
        let (news, from_spool) = commands::unbounded_channel();
        let spool = match policy {
            QueueFullPolicy::Spool => Some(Spool::start(spool, news)?),
            QueueFullPolicy::Drop | QueueFullPolicy::Block => None,
        };
        let queue = Arc::new(Queue::new(Bounds {
            spans: config.max_queue_size.max(1),
            batch_spans: config
                .max_export_batch_size
                .clamp(1, config.max_queue_size.max(1)),
            batch_bytes: RequestLimits::default().bytes,
            spills: spool.is_some(),
        }));
        let log = Arc::new(DropLog::new(if config.log_dropped_spans {
            config.max_drop_log_rate_per_minute
        } else {
            0
        }));
        let delivery = Delivery::new(
            Routes::new(resolver),
            Arc::clone(&log),
            spool.clone(),
            config.max_export_batch_size,
        );
        let (sender, receiver) = commands::unbounded_channel();
        let worker = Worker::new(
            Arc::clone(&queue),
            delivery,
            receiver,
            spool.map(|spool| (spool, from_spool)),
            config.schedule_delay(),
            config.export_timeout(),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("roost-export".to_owned())
            .spawn(move || {
                IS_EXPORT_THREAD.set(true);
                // Exporting must not make spans that have to be exported.
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                LocalSet::new().block_on(&runtime, worker.run());
            })?;
        Ok(Self(Arc::new(Handle {
            queue,
            commands: sender,
            log,
            sync: config.use_sync_export,
            wait_for_room: policy == QueueFullPolicy::Block,
            retry_after: config.schedule_delay().clamp(RETRY_AFTER, PATIENCE),
        })))
    }

    /// Takes a copy of a span that has ended. In batch mode it returns at once, or within five seconds
    /// where the configuration prefers waiting to dropping; in synchronous mode as soon as the
    /// span is settled, at most five seconds later.
    pub fn submit(&self, span: &EndedSpan) {
        // The export thread must not wait for itself.
        let may_wait = !IS_EXPORT_THREAD.get();
        let sync = may_wait && span.project.sync_export().unwrap_or(self.0.sync);
        let patience = if may_wait && (sync || self.0.wait_for_room) {
            PATIENCE
        } else {
            Duration::ZERO
        };
        let taken = if sync {
            self.submit_and_wait(span, patience)
        } else {
            self.0.queue.push(span, None, patience)
        };
        if let Err(reason) = taken {
            self.0.log.dropped(reason, 1, span.project.name(), "");
        }
    }

    fn submit_and_wait(&self, span: &EndedSpan, patience: Duration) -> Result<(), DropReason> {
        let since = Instant::now();
        let (sender, wait) = mpsc::sync_channel(1);
        let ticket = Ticket::new(1, move |_| {
            let _ = sender.send(());
        });
        self.0.queue.push(span, Some(Arc::new(ticket)), patience)?;
        // Answered whatever became of the span.
        let _ = wait.recv_timeout(PATIENCE.saturating_sub(since.elapsed()));
        Ok(())
    }

    /// So many empty buffers for spans that are to be [taken](Self::ingest): those of spans that
    /// have left, as far as there are any.
    #[must_use]
    pub fn buffers(&self, count: usize) -> Vec<PackedSpans> {
        self.0.queue.buffers(count)
    }

    /// Takes spans that come encoded, of whatever projects, all or none of them; it never waits.
    /// The receipt tells what became of them, to whoever wants to wait for that.
    ///
    /// # Errors
    /// [`IngestError`]; the spans are not counted then.
    pub fn ingest(&self, spans: Vec<EncodedSpans>) -> Result<Receipt, IngestError> {
        let (spans, receipt) = EncodedSpans::prepare(spans);
        match self.0.queue.push_all(spans) {
            Ok(()) => Ok(receipt),
            Err((refusal, _)) => Err(refusal.into_error(self.0.retry_after)),
        }
    }

    /// [`ingest`](Self::ingest) that waits for room, at most so long. It needs tokio's timer.
    ///
    /// # Errors
    /// As [`ingest`](Self::ingest).
    pub async fn ingest_within(
        &self,
        spans: Vec<EncodedSpans>,
        patience: Duration,
    ) -> Result<Receipt, IngestError> {
        let (spans, receipt) = EncodedSpans::prepare(spans);
        let deadline = Instant::now() + patience;
        match self.0.queue.push_all_by(spans, deadline).await {
            Ok(()) => Ok(receipt),
            Err(refusal) => Err(refusal.into_error(self.0.retry_after)),
        }
    }

    /// What became of all spans so far.
    #[must_use]
    pub fn stats(&self) -> SpanStats {
        self.0.queue.account.stats()
    }

    /// Whether spans that have to go to disk may be expected to get there: false for ten seconds
    /// after the spool was full or could not be written, unless it worked again before. True
    /// where there is none.
    #[must_use]
    pub fn spool_is_good(&self) -> bool {
        self.0.queue.spool.is_good()
    }

    /// What became of the spans of each project. A project that was made anew goes on with its
    /// counters. Where there are very many, those of the ones that nobody uses and that have
    /// nothing on disk are kept together, so that all of them add up to [`stats`](Self::stats).
    #[must_use]
    pub fn project_stats(&self) -> ProjectStats {
        self.0.queue.ledger.stats()
    }

    /// Sends what waits, and waits for it. It needs no runtime of any kind, and returns by the
    /// timeout whatever the backends do.
    pub async fn force_flush(&self, timeout: Duration) -> FlushReport {
        self.ask(timeout, |deadline, reply| Command::Flush {
            deadline,
            reply,
        })
        .await
    }

    /// [`force_flush`](Self::force_flush) for threads that may block.
    #[must_use = "the report says what was lost"]
    pub fn force_flush_blocking(&self, timeout: Duration) -> FlushReport {
        self.ask_blocking(timeout, |deadline, reply| Command::Flush {
            deadline,
            reply,
        })
    }

    /// Sends what waits, gives up at the timeout what could not be sent, and ends the thread.
    /// Spans that end from now on are dropped and counted. The second call does nothing.
    pub async fn shutdown(&self, timeout: Duration) -> FlushReport {
        if !self.0.queue.close() {
            return FlushReport::default();
        }
        self.ask(timeout, |deadline, reply| Command::Shutdown {
            deadline,
            reply,
        })
        .await
    }

    /// [`shutdown`](Self::shutdown) for threads that may block.
    pub fn shutdown_blocking(&self, timeout: Duration) -> FlushReport {
        if !self.0.queue.close() {
            return FlushReport::default();
        }
        self.ask_blocking(timeout, |deadline, reply| Command::Shutdown {
            deadline,
            reply,
        })
    }

    async fn ask(
        &self,
        timeout: Duration,
        command: impl FnOnce(Instant, Reply) -> Command,
    ) -> FlushReport {
        let (sender, receiver) = oneshot::channel();
        self.order(timeout, command, move |report| {
            let _ = sender.send(report);
        });
        receiver.await.unwrap_or_else(|_| self.unanswered())
    }

    fn ask_blocking(
        &self,
        timeout: Duration,
        command: impl FnOnce(Instant, Reply) -> Command,
    ) -> FlushReport {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.order(timeout, command, move |report| {
            let _ = sender.send(report);
        });
        if IS_EXPORT_THREAD.get() {
            return self.unanswered();
        }
        receiver
            .recv_timeout(timeout.saturating_add(GRACE))
            .unwrap_or_else(|_| self.unanswered())
    }

    fn order(
        &self,
        timeout: Duration,
        command: impl FnOnce(Instant, Reply) -> Command,
        reply: impl FnOnce(FlushReport) + Send + 'static,
    ) {
        let now = Instant::now();
        // Past what the clock can say, a year is as good as for ever.
        let deadline = now
            .checked_add(timeout)
            .unwrap_or(now + Duration::from_secs(365 * 86_400));
        // Without the thread the reply is dropped, which answers too.
        let _ = self.0.commands.send(command(deadline, Box::new(reply)));
    }

    /// The report where the export thread gives none: it has ended, or is held up.
    fn unanswered(&self) -> FlushReport {
        FlushReport {
            left: self.0.queue.unsettled(),
            ..FlushReport::default()
        }
    }
}

thread_local! {
    static IS_EXPORT_THREAD: Cell<bool> = const { Cell::new(false) };
}
