//! The export thread: it takes batches from the queue and has them delivered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::account::{DropReason, Fate};
use super::delivery::Delivery;
use super::flush::{FlushReport, Reply};
use super::parcel::Parcel;
use super::queue::Queue;
use super::replay::{Replay, Round};
use super::spool::{Gone, News, Reading, Spool};

/// How many batches are taken before the first of them is delivered, or known to be slow. What
/// comes later is still in the queue then, where tenants take turns.
const BATCHES_AT_A_TIME: usize = 16;
/// How soon a batch is known to be slow, and no longer stands in the way of others.
const SLOW: Duration = Duration::from_millis(250);
/// How long spans from disk are tried at a time, where that is not known to be too short.
const ROUND: Duration = Duration::from_secs(10);
/// How many bytes of a project are read from disk at a time, where that is not known to be too
/// much.
const ROUND_BYTES: u64 = 1_024 * 1_024;
/// How much of a shutdown's time, and how much at most, is for writing to disk what could not be
/// sent.
const TO_WRITE: (u32, Duration) = (4, Duration::from_secs(1));

/// What the pipeline's handles ask of the export thread.
pub(super) enum Command {
    /// Send what waits, and say by the deadline what became of it.
    Flush { deadline: Instant, reply: Reply },
    /// The same, and stop.
    Shutdown { deadline: Instant, reply: Reply },
}

/// The state of the export thread.
pub(super) struct Worker {
    queue: Arc<Queue>,
    delivery: Arc<Delivery>,
    commands: UnboundedReceiver<Command>,
    spooling: Option<Spooling>,
    batches: JoinSet<()>,
    turns: Arc<Semaphore>,
    schedule_delay: Duration,
    export_timeout: Duration,
    /// When everything that waits is sent, full batch or not. None while nothing waits.
    due: Option<Instant>,
    /// Whether something is due and it is nobody's turn.
    held_back: bool,
    /// When to send no more, and when to stop, whatever is left. None while nobody asked for it.
    stop: Option<(Instant, Instant)>,
}

/// What there is where there is a spool.
struct Spooling {
    spool: Spool,
    news: UnboundedReceiver<News>,
    replay: Replay,
    ended: UnboundedSender<Arc<Round>>,
    rounds: UnboundedReceiver<Arc<Round>>,
}

/// Something of the spool's.
enum Event {
    News(News),
    Ended(Arc<Round>),
}

impl Spooling {
    async fn event(&mut self) -> Event {
        tokio::select! {
            Some(news) = self.news.recv() => Event::News(news),
            Some(round) = self.rounds.recv() => Event::Ended(round),
            else => std::future::pending().await,
        }
    }

    /// What is there to be heard already.
    fn said(&mut self) -> Option<Event> {
        let news = self.news.try_recv().map(Event::News);
        news.or_else(|_| self.rounds.try_recv().map(Event::Ended))
            .ok()
    }
}

/// Nothing is taken and nobody waits any more when the thread ends, in whatever way.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
        self.0.abandon();
        self.0.flushes.end();
    }
}

/// Says that a round is over, however it ends.
struct Ending {
    round: Arc<Round>,
    ended: UnboundedSender<Arc<Round>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.ended.send(Arc::clone(&self.round));
    }
}

impl Worker {
    pub(super) fn new(
        queue: Arc<Queue>,
        delivery: Delivery,
        commands: UnboundedReceiver<Command>,
        spool: Option<(Spool, UnboundedReceiver<News>)>,
        schedule_delay: Duration,
        export_timeout: Duration,
    ) -> Self {
        let spooling = spool.map(|(spool, news)| {
            let (ended, rounds) = unbounded_channel();
            Spooling {
                spool,
                news,
                replay: Replay::default(),
                ended,
                rounds,
            }
        });
        Self {
            queue,
            delivery: Arc::new(delivery),
            commands,
            spooling,
            batches: JoinSet::new(),
            turns: Arc::new(Semaphore::new(BATCHES_AT_A_TIME)),
            schedule_delay,
            export_timeout,
            due: None,
            held_back: false,
            stop: None,
        }
    }

    /// Works until it is told to stop, or until nobody is left who could tell it. Called inside
    /// a `LocalSet`: nothing that happens here has to be `Send`.
    pub(super) async fn run(mut self) {
        let _end = End(Arc::clone(&self.queue));
        while !self.is_done() {
            self.dispatch();
            self.replay();
            let wake = self.wake();
            let alarm = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            let is_orphaned = self.is_orphaned();
            let event = async {
                match &mut self.spooling {
                    Some(spooling) => spooling.event().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = self.commands.recv(), if !is_orphaned => self.obey(command),
                Some(_) = self.batches.join_next() => {}
                event = event => match event {
                    Event::News(news) => self.hear(news),
                    Event::Ended(round) => self.end_round(&round),
                },
                () = self.queue.arrival() => {}
                () = alarm => self.on_alarm(Instant::now()),
            }
        }
        self.catch_up();
        let given_up = self.queue.unsettled();
        let log = &self.delivery.log;
        log.dropped(DropReason::Shutdown, given_up, "several", "");
        self.queue.abandon();
        self.batches.shutdown().await;
        self.catch_up();
    }

    /// Hears what was said and not listened to: spans that are on disk are not lost, and what was
    /// sent from there is not sent again.
    fn catch_up(&mut self) {
        while let Some(event) = self.spooling.as_mut().and_then(Spooling::said) {
            match event {
                Event::News(news) => self.hear(news),
                Event::Ended(round) => self.end_round(&round),
            }
        }
    }

    /// When there is something to do though nothing happens.
    fn wake(&self) -> Option<Instant> {
        let (last_call, stop) = self.stop.unzip();
        let last_call =
            last_call.filter(|_| self.spooling.is_some() && !self.delivery.is_stopped());
        let replay = self.spooling.as_ref().filter(|_| self.stop.is_none());
        let deadlines = [
            self.due.filter(|_| !self.held_back),
            self.queue.flushes.next_deadline(),
            replay.and_then(|spooling| spooling.replay.due()),
            last_call,
            stop,
        ];
        deadlines.into_iter().flatten().min()
    }

    fn on_alarm(&mut self, now: Instant) {
        self.queue.flushes.expire(now);
        if self.spooling.is_some() && self.stop.is_some_and(|(last_call, _)| last_call <= now) {
            // What is under way comes back, and is written to disk.
            self.delivery.stop();
        }
    }

    /// Whether it is stopping and nobody is left to ask for anything.
    fn is_orphaned(&self) -> bool {
        self.stop.is_some() && self.commands.is_closed()
    }

    fn is_done(&self) -> bool {
        self.stop
            .is_some_and(|(_, stop)| self.queue.unsettled() == 0 || stop <= Instant::now())
    }

    /// Sends the batches that are full, or everything when it is time, as long as turns are
    /// free.
    fn dispatch(&mut self) {
        if let Some(spooling) = &self.spooling {
            spooling.spool.write(self.queue.take_spill());
        }
        let now = Instant::now();
        let everything = self.stop.is_some() || self.due.is_some_and(|due| due <= now);
        self.held_back = false;
        loop {
            let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
                self.held_back = true;
                break;
            };
            let batch = self.queue.take(everything);
            if batch.is_empty() {
                break;
            }
            let batch = self.put_behind(batch);
            if !batch.is_empty() {
                self.deliver(batch, turn);
            }
        }
        // What still waits came in since the last time everything was sent, at the earliest.
        self.due = if self.queue.is_empty() {
            None
        } else {
            self.due
                .filter(|_| !everything || self.held_back)
                .or(Some(now + self.schedule_delay))
        };
    }

    fn deliver(&mut self, batch: Vec<Parcel>, turn: OwnedSemaphorePermit) {
        let delivery = Arc::clone(&self.delivery);
        let queue = Arc::clone(&self.queue);
        let deadline = Instant::now() + self.export_timeout;
        self.batches.spawn_local(async move {
            let mut work = Box::pin(delivery.deliver(batch, deadline));
            if timeout(SLOW, work.as_mut()).await.is_err() {
                drop(turn);
                queue.wake();
                work.await;
            }
        });
    }

    /// Has those written to disk of whose project older ones are there; gives back the others.
    fn put_behind(&self, batch: Vec<Parcel>) -> Vec<Parcel> {
        let Some(Spooling { spool, replay, .. }) = &self.spooling else {
            return batch;
        };
        let (behind, batch) = batch
            .into_iter()
            .partition(|parcel| replay.is_behind(&parcel.span.project));
        spool.write(behind);
        batch
    }

    /// Begins to send from disk what it is time for.
    fn replay(&mut self) {
        if let Some(spooling) = &mut self.spooling
            && self.stop.is_none()
        {
            while let Some(project) = spooling.replay.next(Instant::now()) {
                // A backend that was too slow for as much is sent less.
                let bytes = ROUND_BYTES >> spooling.replay.failures(&project).min(16);
                spooling.spool.read(&project, bytes);
            }
        }
    }

    fn hear(&mut self, news: News) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        match news {
            News::Recovered(spans) => {
                for (project, spans) in spans {
                    self.queue.ledger.named(&project).recovered(spans);
                    self.queue.account.recovered(spans);
                    spooling.replay.add(&project);
                }
            }
            News::Written(parcels) => {
                for parcel in parcels {
                    spooling.replay.add(parcel.span.project.name());
                    parcel.settle(Fate::Spooled);
                }
            }
            News::Refused(parcels, why) => {
                let reason = DropReason::SpoolFull;
                self.delivery.log.dropped_all(reason, &parcels, &why);
                for parcel in parcels {
                    parcel.settle(Fate::Dropped(reason));
                }
            }
            News::Read(project, reading) => {
                let why = "their record on disk is damaged";
                self.lose(&project, &reading.lost, DropReason::SpoolFull, why);
                self.send_from_disk(&project, reading);
            }
            News::Expired(expired) => {
                for (project, records) in expired {
                    self.lose(&project, &records, DropReason::Expired, "");
                }
            }
        }
    }

    /// Records on disk are lost.
    fn lose(&mut self, project: &str, records: &[Gone], reason: DropReason, why: &str) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        let spans = spooling.replay.forget(project, records);
        if spans > 0 {
            let fate = Fate::Dropped(reason);
            self.delivery.log.dropped(reason, spans, project, why);
            self.queue.ledger.named(project).unspooled(fate, spans);
            self.queue.account.unspooled(fate, spans);
        }
    }

    fn send_from_disk(&mut self, project: &Arc<str>, reading: Reading) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        let Spooling { replay, ended, .. } = spooling;
        if reading.failure.is_some() && reading.records.is_empty() {
            replay.put_off(project);
            return;
        }
        let Some((round, parcels)) = replay.begin(project, reading.records, &self.queue) else {
            return;
        };
        let ended = ended.clone();
        let ending = Ending { round, ended };
        let delivery = Arc::clone(&self.delivery);
        // And it has all the time that there is.
        let time = match replay.failures(project) {
            0 => ROUND.min(self.export_timeout),
            _ => self.export_timeout,
        };
        let deadline = Instant::now() + time;
        self.batches.spawn_local(async move {
            delivery.deliver(parcels, deadline).await;
            drop(ending);
        });
    }

    fn end_round(&mut self, round: &Round) {
        if let Some(spooling) = &mut self.spooling {
            let (project, done) = spooling.replay.end(round);
            spooling.spool.done(&project, done);
        }
    }

    fn obey(&mut self, command: Option<Command>) {
        let now = Instant::now();
        let (deadline, reply, stop) = match command {
            Some(Command::Flush { deadline, reply }) => (deadline, reply, false),
            Some(Command::Shutdown { deadline, reply }) => (deadline, reply, true),
            // The last handle is gone; what it left behind is sent all the same.
            None => {
                self.queue.close();
                let reply: Reply = Box::new(|_: FlushReport| {});
                (now + self.export_timeout, reply, true)
            }
        };
        self.due = Some(now);
        if stop {
            let time = deadline.saturating_duration_since(now);
            let (part, most) = TO_WRITE;
            let last_call = deadline - (time / part).min(most);
            self.stop.get_or_insert((last_call, deadline));
        }
        // A shutdown's own report is complete only once the rest is given up.
        let patience = if stop {
            self.export_timeout
        } else {
            Duration::ZERO
        };
        let position = self.queue.position();
        self.queue
            .flushes
            .begin(position, deadline + patience, reply);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use futures_util::future::BoxFuture;
    use opentelemetry::KeyValue;
    use tokio::task::LocalSet;

    use super::super::destination::{Destination, DestinationResolver, ResolveError};
    use super::super::drop_log::DropLog;
    use super::super::parcel::{Outgoing, SpanBytes};
    use super::super::project::Project;
    use super::super::queue::Bounds;
    use super::super::route::Routes;
    use super::*;
    use crate::config::SpoolConfig;

    /// Nobody is asked.
    #[derive(Debug)]
    struct Silence;

    impl DestinationResolver for Silence {
        fn destination<'a>(
            &'a self,
            _: &'a Project,
        ) -> BoxFuture<'a, Result<Destination, ResolveError>> {
            Box::pin(std::future::pending())
        }

        fn session_attributes<'a>(
            &'a self,
            _: &'a Project,
            _: &'a str,
        ) -> BoxFuture<'a, Result<Vec<KeyValue>, ResolveError>> {
            Box::pin(std::future::pending())
        }
    }

    /// When the time is up, what is on disk counts so though nobody had listened yet; what the
    /// spool's thread still has is given up, and whoever waits for it hears so.
    #[test]
    fn the_end_hears_what_was_said_and_answers_everybody() {
        let name = format!("roost-worker-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let config = SpoolConfig {
            folder: Some(folder.clone()),
            ..SpoolConfig::default()
        };
        let (news, from_spool) = unbounded_channel();
        let spool = Spool::start(&config, news.clone()).unwrap();
        let queue = Arc::new(Queue::new(Bounds {
            spans: 10,
            batch_spans: 1,
            batch_bytes: 1 << 20,
            spills: true,
        }));
        let project = Arc::new(Project::new("acme", "search", "acme-search"));
        for _ in 0..2 {
            let span = Outgoing {
                project: Arc::clone(&project),
                session: None,
                origin: None,
                bytes: SpanBytes::Own(vec![0; 100]),
                ticket: None,
            };
            queue.push(span, false, Duration::ZERO).unwrap();
        }
        let now = Instant::now();
        let (reply, answer) = mpsc::channel();
        let reply = Box::new(move |report| reply.send(report).unwrap());
        queue
            .flushes
            .begin(queue.position(), now + Duration::from_secs(3_600), reply);
        let (written, with_the_spool) = (queue.take(true), queue.take(true));
        let sent = news.send(News::Written(written));
        sent.ok().unwrap();

        let log = Arc::new(DropLog::new(0));
        let routes = Routes::new(Arc::new(Silence));
        let delivery = Delivery::new(routes, log, Some(spool.clone()), 10);
        let (_commands, receiver) = unbounded_channel();
        let mut worker = Worker::new(
            Arc::clone(&queue),
            delivery,
            receiver,
            Some((spool, from_spool)),
            Duration::from_secs(1),
            Duration::from_secs(1),
        );
        worker.stop = Some((now, now));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, worker.run());

        let report: FlushReport = answer.try_recv().unwrap();
        assert_eq!((report.spooled, report.dropped, report.left), (1, 1, 0));
        drop(with_the_spool);
        let stats = queue.account.stats();
        assert_eq!((stats.spooled, stats.dropped.shutdown), (1, 1));
        assert!(!queue.close(), "and nothing is taken any more");
        let _ = std::fs::remove_dir_all(folder);
    }
}
