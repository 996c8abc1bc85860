//! What is done with a batch: find out where its spans go, put them into requests, see each
//! request through.
//!
//! Batches run beside each other, and so do the requests of a batch, so an endpoint that does
//! not answer delays only the spans that go there. What bounds it all is the queue, which all share:
//! while an endpoint is away, its spans take room from the others'.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::account::{DropReason, Fate};
use super::backoff::Backoff;
use super::bodies::Bodies;
use super::client::Clients;
use super::destination::ResolveError;
use super::drop_log::{DropLog, owner};
use super::outcome::{Outcome, Rejected};
use super::parcel::{Outgoing, Parcel};
use super::request::{Addressed, Chunk, chunks, encode};
use super::route::{Lane, Routes, Target, Way};
use super::sink::{Sinks, SpanBatch};
use super::spool::Spool;

/// How long spans whose way is known wait for the others of the batch, to share requests.
const GATHERING: Duration = Duration::from_millis(100);
/// How often a request and its parts are cut in two. It finds several bad spans among hundreds,
/// and spares a backend that refuses everything.
const MAX_SPLITS: usize = 64;

/// Delivers batches.
pub(super) struct Delivery {
    routes: Routes,
    clients: Clients,
    bodies: Bodies,
    sinks: Sinks,
    pub(super) log: Arc<DropLog>,
    spool: Option<Spool>,
    max_spans: usize,
    /// Set when nothing is to be sent any more.
    stop: CancellationToken,
}

/// What became of a request after all attempts.
enum End {
    Delivered { rejected: Rejected, message: String },
    Unfit(String),
    Rejected(String),
    Failed(String),
}

impl Delivery {
    pub(super) fn new(
        routes: Routes,
        log: Arc<DropLog>,
        spool: Option<Spool>,
        max_spans: usize,
    ) -> Self {
        Self {
            routes,
            clients: Clients::new(),
            bodies: Bodies::default(),
            sinks: Sinks::new(),
            log,
            spool,
            max_spans,
            stop: CancellationToken::new(),
        }
    }

    /// Sends no more: what is under way has failed.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Sees a batch through, until the deadline.
    pub(super) async fn deliver(&self, mut batch: Vec<Parcel>, deadline: Instant) {
        Parcel::sort(&mut batch);
        let now = Instant::now();
        let alike = batch.chunk_by(Parcel::is_alike);
        let ways: Vec<_> = alike
            .map(|alike| {
                let first = alike.first().map(|first| &first.content);
                let way =
                    first.and_then(|of| self.routes.known(&of.project, of.session.as_ref(), now));
                (alike.len(), way)
            })
            .collect();
        let mut gathered = Vec::with_capacity(batch.len());
        let mut addressing = FuturesUnordered::new();
        let mut batch = batch.into_iter();
        for (count, way) in ways {
            let alike = batch.by_ref().take(count);
            match way {
                Some(way) => gathered.extend(addressed(alike, &way)),
                None => addressing.push(self.address(alike.collect(), deadline)),
            }
        }
        let gather = async {
            while let Some(group) = addressing.next().await {
                gathered.extend(group);
            }
        };
        // Those that are not ready by then follow by themselves.
        let _ = timeout_at(now + GATHERING, gather).await;
        let late = addressing.for_each_concurrent(None, |group| self.send(group, deadline));
        join(self.send(gathered, deadline), late).await;
    }

    /// Finds out where spans of one project, session and origin go, or drops them.
    async fn address(&self, spans: Vec<Parcel>, deadline: Instant) -> Vec<Addressed> {
        let Some(Outgoing {
            project, session, ..
        }) = spans.first().map(|first| &first.content)
        else {
            return Vec::new();
        };
        let (project, session) = (Arc::clone(project), session.clone());
        let mut backoff = Backoff::until(deadline);
        let way = async {
            loop {
                let answer = async {
                    let route = self.routes.route(&project).await?;
                    let session = match &session {
                        Some(session) => Some(self.routes.session(&project, session).await?),
                        None => None,
                    };
                    Ok((route, session))
                };
                match answer.await {
                    Ok(way) => return Ok(way),
                    Err(ResolveError::Unavailable(_)) if backoff.wait(None).await => {}
                    Err(error) => return Err(error),
                }
            }
        };
        let late = || ResolveError::Unavailable("nobody said in time where they go".to_owned());
        let way = self.within(deadline, way).await;
        match way.unwrap_or_else(|| Err(late())) {
            Ok(way) => addressed(spans.into_iter(), &way).collect(),
            Err(ResolveError::Unavailable(why)) => {
                self.give_up(spans, &why);
                Vec::new()
            }
            Err(ResolveError::Refused(why)) => {
                self.drop_all(spans, DropReason::ExportFailed, &why);
                Vec::new()
            }
        }
    }

    /// What the future says, unless the time is up before.
    async fn within<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            said = timeout_at(deadline, future) => said.ok(),
            () = self.stop.cancelled() => None,
        }
    }

    /// Spans could not be sent in time: they are written to disk where they are not there
    /// already, or dropped where there is no spool.
    fn give_up(&self, spans: Vec<Parcel>, why: &str) {
        let Some(spool) = &self.spool else {
            self.drop_all(spans, DropReason::ExportFailed, why);
            return;
        };
        let (on_disk, others): (Vec<_>, Vec<_>) = spans.into_iter().partition(Parcel::is_on_disk);
        tracing::debug!(spans = Parcel::count(&others), why, "spans are spooled");
        drop(on_disk);
        spool.write(others);
    }

    fn drop_all(&self, spans: Vec<Parcel>, reason: DropReason, why: &str) {
        self.log.dropped_all(reason, &spans, why);
        for parcel in spans {
            parcel.settle(Fate::Dropped(reason));
        }
    }

    /// Sends spans, together where they may travel together.
    async fn send(&self, mut spans: Vec<Addressed>, deadline: Instant) {
        spans.sort_by(|one, other| {
            let by_lane = one.lane_address().cmp(&other.lane_address());
            by_lane.then_with(|| one.cmp_place(other))
        });
        let mut requests = Vec::new();
        let mut spans = spans.into_iter().peekable();
        while let Some(first) = spans.peek() {
            let lane = Arc::clone(&first.route.lane);
            let alike =
                std::iter::from_fn(|| spans.next_if(|next| Arc::ptr_eq(&next.route.lane, &lane)));
            for chunk in chunks(&lane, self.max_spans, alike) {
                requests.push(self.ship(Arc::clone(&lane), chunk, deadline));
            }
        }
        join_all(requests).await;
    }

    /// Sees a request through, in parts if need be: what the backend does not like loses itself
    /// alone.
    async fn ship(&self, lane: Arc<Lane>, chunk: Chunk, deadline: Instant) {
        let mut parts = vec![chunk];
        let mut splits = 0;
        while let Some(mut part) = parts.pop() {
            let end = match &lane.target {
                Target::Otlp(to) => {
                    let body = encode(&part, self.bodies.take());
                    let send = async || self.clients.send(to, body.clone(), deadline).await;
                    let end = self.insist(&lane, deadline, send).await;
                    self.bodies.keep(body);
                    end
                }
                Target::Sink(sink) => {
                    let batch = Arc::new(SpanBatch::of(&part, lane.limits.bytes));
                    let send = async || self.sinks.send(sink, &batch, deadline).await;
                    self.insist(&lane, deadline, send).await
                }
            };
            if matches!(end, End::Unfit(_)) && part.len() > 1 && splits < MAX_SPLITS {
                splits += 1;
                let rest = part.split();
                parts.extend([rest, part]);
            } else {
                self.settle(&lane, part, end);
            }
        }
    }

    /// Sends a request until there is an answer, or no time left.
    async fn insist(&self, lane: &Lane, deadline: Instant, send: impl AsyncFn() -> Outcome) -> End {
        let mut backoff = Backoff::until(deadline);
        let target = &lane.target;
        loop {
            let Some(outcome) = self.within(deadline, send()).await else {
                return End::Failed("the time was up before there was an answer".to_owned());
            };
            match outcome {
                Outcome::Delivered { rejected, message } => {
                    if rejected.count() == 0 && !message.is_empty() {
                        tracing::debug!(endpoint = %target, message, "spans were taken with a remark");
                    }
                    return End::Delivered { rejected, message };
                }
                Outcome::Unfit(why) => return End::Unfit(why),
                Outcome::Rejected(why) => return End::Rejected(why),
                Outcome::Retry { why, after, .. } => {
                    tracing::debug!(endpoint = %target, why, "spans wait to be sent again");
                    let wait = backoff.wait(after);
                    if self.within(deadline, wait).await != Some(true) {
                        return End::Failed(why);
                    }
                }
            }
        }
    }

    fn settle(&self, lane: &Lane, spans: Chunk, end: End) {
        let target = &lane.target;
        let total = spans.len();
        let (rejected, why) = match end {
            End::Delivered { rejected, message } => (rejected, message),
            End::Unfit(why) | End::Rejected(why) => (Rejected::Some(total as u64), why),
            End::Failed(why) => {
                self.give_up(spans.parcels().collect(), &format!("{target}: {why}"));
                return;
            }
        };
        let reason = DropReason::Rejected;
        let lost = rejected.count().min(total as u64);
        let projects = || spans.0.iter().map(|group| &group.parcel.content.project);
        if lost > 0
            && let (Some(first), Some(last)) = (projects().next(), projects().next_back())
        {
            let why = format!("{target}: {why}");
            self.log.dropped(reason, lost, owner(first, last), &why);
        }
        if lost < total as u64 {
            let mut told = None;
            for project in projects() {
                if told.replace(project.id()) != Some(project.id()) {
                    self.routes.delivered(project);
                }
            }
        }
        if lost == 0 {
            Parcel::settle_all(spans.parcels().collect(), Fate::Delivered);
            return;
        }
        let mut place = 0;
        for parcel in spans.parcels() {
            let first = place;
            place += parcel.len();
            parcel.settle_each(|at| match rejected.has(first + at, total) {
                true => Fate::Dropped(reason),
                false => Fate::Delivered,
            });
        }
    }
}

/// Spans of one project, session and origin, with the way they go.
fn addressed(
    spans: impl Iterator<Item = Parcel>,
    (route, session): &Way,
) -> impl Iterator<Item = Addressed> {
    let mut spans = spans.peekable();
    let first = spans.peek();
    let origin = first.and_then(|first| first.content.origin.as_ref());
    let foreign_head = origin.map(|origin| route.head_of(origin));
    spans.map(move |parcel| Addressed {
        parcel,
        route: Arc::clone(route),
        foreign_head: foreign_head.clone(),
        session: session.clone(),
    })
}
