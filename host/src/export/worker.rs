//! The export thread: it takes batches from the queue and has them delivered.

mod spooling;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::account::DropReason;
use super::delivery::Delivery;
use super::flush::{FlushReport, Reply};
use super::parcel::Parcel;
use super::queue::Queue;
use super::spool::{News, Spool};
use spooling::{Event, Spooling};

/// How many batches are taken before the first of them is delivered, or known to be slow. What
/// comes later is still in the queue then, where tenants take turns.
const BATCHES_AT_A_TIME: usize = 16;
/// How soon a batch is known to be slow, and no longer stands in the way of others.
const SLOW: Duration = Duration::from_millis(250);
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

/// Nothing is taken and nobody waits any more when the thread ends, in whatever way.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
        self.0.abandon();
        self.0.flushes.end();
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
        Self {
            queue,
            delivery: Arc::new(delivery),
            commands,
            spooling: spool.map(|(spool, news)| Spooling::new(spool, news)),
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
