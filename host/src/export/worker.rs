//! The export thread: it takes batches from the queue and has them delivered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::account::DropReason;
use super::delivery::Delivery;
use super::flush::{FlushReport, Reply};
use super::queue::Queue;

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
    batches: JoinSet<()>,
    schedule_delay: Duration,
    export_timeout: Duration,
    /// When everything that waits is sent, full batch or not. None while nothing waits.
    due: Option<Instant>,
    /// When to stop, whatever is left. None while nobody asked for it.
    stop: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        queue: Arc<Queue>,
        delivery: Delivery,
        commands: UnboundedReceiver<Command>,
        schedule_delay: Duration,
        export_timeout: Duration,
    ) -> Self {
        Self {
            queue,
            delivery: Arc::new(delivery),
            commands,
            batches: JoinSet::new(),
            schedule_delay,
            export_timeout,
            due: None,
            stop: None,
        }
    }

    /// Works until it is told to stop, or until nobody is left who could tell it. Called inside
    /// a `LocalSet`: nothing that happens here has to be `Send`.
    pub(super) async fn run(mut self) {
        while !self.is_done() {
            self.dispatch();
            let deadlines = [self.due, self.queue.flushes.next_deadline(), self.stop];
            let wake = deadlines.into_iter().flatten().min();
            let alarm = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = self.commands.recv(), if !self.is_orphaned() => self.obey(command),
                Some(_) = self.batches.join_next() => {}
                () = self.queue.arrival() => {}
                () = alarm => self.queue.flushes.expire(Instant::now()),
            }
        }
        let given_up = self.queue.unsettled();
        let log = &self.delivery.log;
        log.dropped(DropReason::Shutdown, given_up, "several", "");
        self.queue.abandon();
        self.batches.shutdown().await;
    }

    /// Whether it is stopping and nobody is left to ask for anything.
    fn is_orphaned(&self) -> bool {
        self.stop.is_some() && self.commands.is_closed()
    }

    fn is_done(&self) -> bool {
        self.stop
            .is_some_and(|stop| self.queue.unsettled() == 0 || stop <= Instant::now())
    }

    /// Sends the batches that are full, or everything when it is time.
    fn dispatch(&mut self) {
        let now = Instant::now();
        let everything = self.stop.is_some() || self.due.is_some_and(|due| due <= now);
        loop {
            let batch = self.queue.take(everything);
            if batch.is_empty() {
                break;
            }
            let delivery = Arc::clone(&self.delivery);
            self.batches
                .spawn_local(async move { delivery.deliver(batch).await });
        }
        // What still waits came in since the last time everything was sent, at the earliest.
        self.due = if self.queue.is_empty() {
            None
        } else {
            self.due
                .filter(|_| !everything)
                .or(Some(now + self.schedule_delay))
        };
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
            self.stop.get_or_insert(deadline);
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
