//! The way of a request: who sends it, what is in it, into the pipeline, and the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::ServeError;
use super::answer::{Answer, Refusal, RefusalKind};
use super::metrics::{Metrics, Outcome};
use super::prepare::{Batch, Payload, Service, prepare};
use super::rate::Rate;
use super::redact::Redactor;
use super::tenant::{Sender, Tenants};
use super::wire::Refused;
use crate::TelemetryManager;
use crate::config::{Acknowledge, QueueFullPolicy};
use crate::export::{IngestError, Receipt, Settlement};
use crate::manager::ForwardError;

/// When to try again, where nothing says it better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What all requests share.
pub(super) struct Gate {
    pub(super) telemetry: TelemetryManager,
    pub(super) tenants: Tenants,
    pub(super) metrics: Metrics,
    rate: Option<Rate>,
    redactor: Redactor,
    turns: Arc<Semaphore>,
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
            turns: Arc::new(Semaphore::new(
                serve.max_concurrent_requests.min(Semaphore::MAX_PERMITS),
            )),
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
        let receipts = self.forward(batches, &mut refused)?;
        drop(turn);
        if self.acknowledge == Acknowledge::Durable {
            self.settle(receipts, deadline, &mut refused).await?;
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
            let (batches, refused) =
                prepare(&payload, &sender, &gate.tenants, &gate.redactor, limit)?;
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

    /// Hands spans to the pipeline. Where there is no room for all of them the sender is to send
    /// all again: those that were taken have the same ids then, which backends know.
    fn forward(&self, batches: Vec<Batch>, refused: &mut Refused) -> Result<Vec<Receipt>, Refusal> {
        let mut receipts = Vec::with_capacity(batches.len());
        let mut later = None;
        let mut hopeless = RefusalKind::Invalid;
        self.metrics.spans(None, Outcome::Refused, refused.spans);
        for batch in batches {
            let tenant = batch.tenant;
            let spans = batch.spans.len() as u64;
            if batch.service == Service::Unnamed {
                self.metrics.unnamed_service();
            }
            let service = batch.service.name();
            let (session, origin) = (batch.session, batch.origin);
            let forwarded = self
                .telemetry
                .forward(&tenant, service, session, origin, batch.spans);
            match forwarded {
                Ok(receipt) => {
                    self.metrics.spans(Some(&tenant), Outcome::Taken, spans);
                    receipts.push(receipt);
                }
                Err(ForwardError::Ingest(IngestError::TooLarge)) => {
                    self.metrics.spans(Some(&tenant), Outcome::Refused, spans);
                    refused.add(spans, IngestError::TooLarge);
                    hopeless = RefusalKind::TooLarge;
                }
                Err(ForwardError::Ingest(error)) => {
                    self.metrics.spans(Some(&tenant), Outcome::Later, spans);
                    let after = match error {
                        IngestError::QueueFull { retry_after } => retry_after,
                        _ => RETRY_AFTER,
                    };
                    later.get_or_insert_with(|| Refusal::unavailable(error, after));
                }
                Err(error) => {
                    self.metrics.spans(Some(&tenant), Outcome::Refused, spans);
                    refused.add(spans, error);
                }
            }
        }
        match later {
            Some(refusal) => Err(refusal),
            None if receipts.is_empty() && refused.spans > 0 => {
                Err(Refusal::new(hopeless, &refused.why))
            }
            None => Ok(receipts),
        }
    }

    /// Waits until the spans are delivered or on disk.
    async fn settle(
        &self,
        receipts: Vec<Receipt>,
        deadline: Instant,
        refused: &mut Refused,
    ) -> Result<(), Refusal> {
        let settlements: Vec<Settlement> =
            timeout_at(deadline, join_all(receipts))
                .await
                .map_err(|_| {
                    let message = "the spans are neither delivered nor on disk yet";
                    Refusal::unavailable(message, RETRY_AFTER)
                })?;
        for Settlement { dropped, .. } in settlements {
            if dropped.total() > dropped.rejected {
                let message = "the spans could not be delivered";
                return Err(Refusal::unavailable(message, RETRY_AFTER));
            }
            refused.add(dropped.rejected, "the backend rejected them");
        }
        Ok(())
    }
}
