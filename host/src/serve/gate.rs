//! The way of a request: who sends it, what is in it, into the pipeline, and the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::ServeError;
use super::answer::{Answer, Refusal, RefusalKind};
use super::metrics::{Metrics, Outcome};
use super::origins::Origins;
use super::prepare::{Batch, Payload, prepare};
use super::rate::Rate;
use super::redact::Redactor;
use super::service::Service;
use super::tenant::{Sender, Tenants};
use super::wire::Refused;
use crate::TelemetryManager;
use crate::config::{Acknowledge, QueueFullPolicy};
use crate::export::{EncodedSpans, IngestError, Receipt, Settlement};
use crate::manager::ForwardError;

/// When to try again, where nothing says it better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a request waits for room in the queue.
const ROOM: Duration = Duration::from_secs(1);

/// What all requests share.
pub(super) struct Gate {
    pub(super) telemetry: TelemetryManager,
    pub(super) tenants: Tenants,
    pub(super) metrics: Metrics,
    rate: Option<Rate>,
    redactor: Redactor,
    origins: Origins,
    turns: Arc<Semaphore>,
    /// For those that wait for room: they keep their turn, and others need some too.
    waiting: Semaphore,
    acknowledge: Acknowledge,
    pub(super) max_body_bytes: usize,
    timeout: Duration,
}

impl Gate {
    pub(super) async fn new(telemetry: TelemetryManager) -> Result<Self, ServeError> {
        let config = telemetry.config();
        let serve = &config.serve;
        let batch = &config.telemetry.batch_config;
        let spools = batch.queue_full_policy() == QueueFullPolicy::Spool;
        let acknowledge = serve.acknowledge.unwrap_or(if spools {
            Acknowledge::Durable
        } else {
            Acknowledge::Queued
        });
        if spools
            && acknowledge == Acknowledge::Durable
            && batch.export_timeout_millis >= serve.request_timeout_millis
        {
            return Err(ServeError::Impatient {
                export: batch.export_timeout_millis,
                request: serve.request_timeout_millis,
            });
        }
        Ok(Self {
            tenants: Tenants::new(config).await?,
            metrics: Metrics::new(telemetry.clone()),
            rate: serve.requests_per_second.map(Rate::new),
            redactor: Redactor::new(&config.redaction).await?,
            origins: Origins::new(),
            turns: Arc::new(Semaphore::new(
                serve.max_concurrent_requests.min(Semaphore::MAX_PERMITS),
            )),
            waiting: Semaphore::new(
                (serve.max_concurrent_requests / 2).min(Semaphore::MAX_PERMITS),
            ),
            acknowledge,
            max_body_bytes: serve.max_body_bytes,
            timeout: serve.request_timeout(),
            telemetry,
        })
    }

    /// Takes a request in. The sender may name a shorter time than the configuration.
    pub(super) async fn take(
        self: &Arc<Self>,
        headers: &HeaderMap,
        patience: Option<Duration>,
        payload: impl Future<Output = Result<Payload, Refusal>>,
    ) -> Answer {
        let timeout = patience.map_or(self.timeout, |patience| patience.min(self.timeout));
        let deadline = Instant::now() + timeout;
        match self.try_take(headers, deadline, payload).await {
            Ok(refused) => Answer::Taken(refused),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    async fn try_take(
        self: &Arc<Self>,
        headers: &HeaderMap,
        deadline: Instant,
        payload: impl Future<Output = Result<Payload, Refusal>>,
    ) -> Result<Refused, Refusal> {
        let sender = self.tenants.sender(headers)?;
        // Before the body is read, where that can be.
        if let (Some(rate), Some(tenant)) = (&self.rate, self.tenants.known(&sender)) {
            rate.charge(&BTreeSet::from([tenant]))?;
        }
        let turn = timeout_at(deadline, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refusal::unavailable(
                "too many requests at once",
                RETRY_AFTER,
            ));
        };
        // Not the status for slow requests: the time may have gone by waiting for a turn, and
        // senders do not try again after that one.
        let payload = timeout_at(deadline, payload)
            .await
            .map_err(|_| Refusal::unavailable("the body did not come in time", RETRY_AFTER))??;
        self.metrics.received(payload.body.len());
        let (batches, mut refused, turn) = self.prepare(payload, sender, turn).await?;
        let receipt = self.forward(batches, deadline, &mut refused).await?;
        drop(turn);
        if self.acknowledge == Acknowledge::Durable {
            self.settle(receipt, deadline, &mut refused).await?;
        }
        Ok(refused)
    }

    /// Holds the turn for as long as there is work, also where the sender has hung up meanwhile.
    async fn prepare(
        self: &Arc<Self>,
        payload: Payload,
        sender: Sender,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Vec<Batch>, Refused, OwnedSemaphorePermit), Refusal> {
        let gate = Arc::clone(self);
        let heavy = payload.is_heavy();
        let work = move || {
            let limit = gate.max_body_bytes;
            let (batches, refused) = prepare(
                &payload,
                &sender,
                &gate.tenants,
                &gate.redactor,
                &gate.origins,
                limit,
                |count| gate.telemetry.buffers(count),
            )?;
            if let (Some(rate), None) = (&gate.rate, gate.tenants.known(&sender)) {
                rate.charge(&batches.iter().map(|batch| &batch.tenant).collect())?;
            }
            Ok((batches, refused, turn))
        };
        if !heavy {
            return work();
        }
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
            let message = "the body could not be looked at";
            Err(Refusal::unavailable(message, RETRY_AFTER))
        })
    }

    /// Hands spans to the pipeline, those of all tenants or none: what was taken in part would
    /// come again with the rest. Waits a moment where there is no room for them.
    async fn forward(
        &self,
        batches: Vec<Batch>,
        deadline: Instant,
        refused: &mut Refused,
    ) -> Result<Receipt, Refusal> {
        self.metrics.spans(None, Outcome::Refused, refused.spans);
        let mut encoded = Vec::with_capacity(batches.len());
        let mut tenants = Vec::with_capacity(batches.len());
        for batch in batches {
            let Batch {
                tenant,
                known,
                session,
                spans,
            } = batch;
            if known.service == Service::Unnamed {
                self.metrics.unnamed_service();
            }
            match self.telemetry.project(&tenant, known.service.name()) {
                Ok(project) => {
                    tenants.push((tenant, spans.len() as u64));
                    encoded.push(EncodedSpans {
                        project,
                        origin: Arc::clone(&known.origin),
                        session,
                        spans,
                    });
                }
                Err(error) => {
                    let spans = spans.len() as u64;
                    self.metrics.spans(Some(&tenant), Outcome::Refused, spans);
                    refused.add(spans, error);
                }
            }
        }
        if encoded.is_empty() && refused.spans > 0 {
            return Err(Refusal::new(RefusalKind::Invalid, &refused.why));
        }
        let may_wait = self.waiting.try_acquire();
        let patience = match &may_wait {
            Ok(_) => ROOM.min(deadline.saturating_duration_since(Instant::now())),
            Err(_) => Duration::ZERO,
        };
        let forwarded = self.telemetry.forward(encoded, patience).await;
        drop(may_wait);
        let outcome = match &forwarded {
            Ok(_) => Outcome::Taken,
            Err(ForwardError::Ingest(IngestError::QueueFull { .. } | IngestError::Closed)) => {
                Outcome::Later
            }
            Err(_) => Outcome::Refused,
        };
        for (tenant, spans) in &tenants {
            self.metrics.spans(Some(tenant), outcome, *spans);
        }
        forwarded.map_err(|error| match error {
            ForwardError::Ingest(IngestError::QueueFull { retry_after }) => {
                Refusal::unavailable(error, retry_after)
            }
            ForwardError::Ingest(IngestError::Closed) => Refusal::unavailable(error, RETRY_AFTER),
            ForwardError::Ingest(IngestError::TooLarge) => {
                Refusal::new(RefusalKind::TooLarge, error)
            }
            ForwardError::Off => Refusal::new(RefusalKind::Invalid, error),
        })
    }

    /// Waits until the spans are delivered or on disk.
    async fn settle(
        &self,
        receipt: Receipt,
        deadline: Instant,
        refused: &mut Refused,
    ) -> Result<(), Refusal> {
        let settled = timeout_at(deadline, receipt).await.map_err(|_| {
            let message = "the spans are neither delivered nor on disk yet";
            Refusal::unavailable(message, RETRY_AFTER)
        });
        let Settlement { dropped, .. } = settled?;
        if dropped.total() > dropped.rejected {
            let message = "the spans could not be delivered";
            return Err(Refusal::unavailable(message, RETRY_AFTER));
        }
        refused.add(dropped.rejected, "the backend rejected them");
        Ok(())
    }
}
