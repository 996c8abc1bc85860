//! Which guests compute now.
//!
//! A guest that computes for longer than a tick is interrupted, and goes on when it has a turn;
//! where the guests of a connection have lately held a thread for long, they have one for each
//! step, from the first. There is one turn fewer than the runtime has threads, so that a thread
//! is left for what is short, however many guests compute: calls of other providers, and the
//! application's own work.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Guests that hold a thread for longer than this, on average, have turns for all they do. Most
/// calls are done in a tenth of it.
const SHORT: Duration = Duration::from_micros(100);

/// How much one step counts in the average, as a part of it: one in so many. A thread that the
/// system took away for some milliseconds makes no short guest a long one.
const WEIGHT: u64 = 32;

/// How many tasks a thread runs until it looks for one that came from outside of the runtime.
const LOOK_OUTSIDE_EVERY: u32 = 2;

/// The tokio runtime to run guests on, multi-threaded and with all its drivers, to be built.
///
/// It is tokio's own but for one setting. While a thread has tasks of its own, tokio has it look
/// for those that were spawned by other threads only every 200 µs or so. Calls of a provider that
/// take microseconds and come without a pause keep all threads at that, and whatever the
/// application asks for from outside waits as long; here for two tasks.
///
/// ```
/// let runtime = roost::plugin::runtime_builder().build()?;
/// runtime.block_on(async { /* TelemetryManager::start */ });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn runtime_builder() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder
        .enable_all()
        .global_queue_interval(LOOK_OUTSIDE_EVERY);
    builder
}

/// The turns of one host.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    /// One fewer than the threads of the runtime that this is called in, and one at least.
    pub(super) fn of_runtime() -> Self {
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        Self(Arc::new(Semaphore::new(threads.saturating_sub(1).max(1))))
    }

    /// A connection's share of them.
    pub(super) fn share(&self) -> Share {
        Share {
            own: Arc::new(Semaphore::new(self.0.available_permits().max(1))),
            all: Arc::clone(&self.0),
            step: AtomicU64::new(0),
        }
    }
}

/// What the guests of one connection have of the turns. They queue among themselves before they
/// queue with those of others: many calls of one connection get no more than few of another.
pub(super) struct Share {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
    /// How long a guest held a thread at a time, lately: nanoseconds.
    step: AtomicU64,
}

/// How the time of one guest goes.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Whether it has more to compute, and waits for its turn.
    wants_turn: AtomicBool,
    /// How long its call has computed: nanoseconds.
    computed: AtomicU64,
}

impl Clock {
    /// A call begins.
    pub(super) fn reset(&self) {
        self.computed.store(0, Ordering::Relaxed);
    }

    /// The guest was interrupted while it computed.
    pub(super) fn interrupted(&self) {
        self.wants_turn.store(true, Ordering::Relaxed);
    }

    pub(super) fn wants_turn(&self) -> bool {
        self.wants_turn.load(Ordering::Relaxed)
    }

    /// How long the call has computed, without the step that runs.
    pub(super) fn computed(&self) -> Duration {
        Duration::from_nanos(self.computed.load(Ordering::Relaxed))
    }
}

impl Share {
    /// Run a guest to its end, by the `clock` that tells when it was interrupted.
    pub(super) async fn run<T>(&self, clock: &Clock, guest: impl Future<Output = T>) -> T {
        let mut guest = pin!(guest);
        loop {
            if self.are_long() {
                clock.wants_turn.store(true, Ordering::Relaxed);
            }
            let turn = match clock.wants_turn() {
                true => self.turn().await,
                false => None,
            };
            clock.wants_turn.store(false, Ordering::Relaxed);
            let began = Instant::now();
            let polled = poll_fn(|context| Poll::Ready(guest.as_mut().poll(context))).await;
            self.took(began.elapsed(), clock);
            drop(turn);
            if let Poll::Ready(outcome) = polled {
                return outcome;
            }
            woken().await;
        }
    }

    /// Do at a turn what may take long and cannot be interrupted.
    pub(super) async fn step(&self, work: impl FnOnce()) {
        let _turn = self.turn().await;
        let began = Instant::now();
        work();
        self.took(began.elapsed(), &Clock::default());
    }

    async fn turn(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = Arc::clone(&self.own).acquire_owned().await.ok()?;
        let turn = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some([turn, own])
    }

    /// Whether steps are long, lately.
    fn are_long(&self) -> bool {
        u128::from(self.step.load(Ordering::Relaxed)) > SHORT.as_nanos()
    }

    /// A guest held a thread for so long. Of steps that end at once, one may go uncounted.
    fn took(&self, time: Duration, clock: &Clock) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / WEIGHT);
        clock.computed.fetch_add(time, Ordering::Relaxed);
        let step = self.step.load(Ordering::Relaxed);
        let step = step - step / WEIGHT + time / WEIGHT;
        self.step.store(step, Ordering::Relaxed);
    }
}

/// Waits for whoever was given this task's waker.
async fn woken() {
    let mut waited = false;
    poll_fn(|_| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A guest that is interrupted so many times, and counts how many are in its place at once.
    async fn interrupted(turns: &Share, ticks: usize, at_once: &AtomicUsize, most: &AtomicUsize) {
        let clock = Clock::default();
        let mut left = ticks;
        let guest = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            if left < ticks {
                let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                at_once.fetch_sub(1, Ordering::SeqCst);
            }
            left -= 1;
            clock.interrupted();
            context.waker().wake_by_ref();
            Poll::Pending
        });
        turns.run(&clock, guest).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn one_thread_is_left_to_others_and_every_guest_comes_to_its_end() {
        let turns = Turns::of_runtime();
        let (at_once, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let guests = (0..8).map(|_| {
            let (turns, at_once, most) = (turns.share(), at_once.clone(), most.clone());
            tokio::spawn(async move { interrupted(&turns, 1_000, &at_once, &most).await })
        });
        for guest in guests.collect::<Vec<_>>() {
            assert!(guest.await.is_ok());
        }
        assert_eq!(turns.0.available_permits(), 2);
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }

    /// However busy its threads keep themselves, what comes from outside is run after few tasks.
    #[test]
    fn what_comes_from_outside_is_run_beside_tasks_without_end() {
        const CALLS: usize = 50;
        let runtime = runtime_builder().worker_threads(1).build().unwrap();
        let ran = Arc::<AtomicUsize>::default();
        for _ in 0..8 {
            let ran = ran.clone();
            runtime.spawn(poll_fn(move |context| {
                ran.fetch_add(1, Ordering::SeqCst);
                context.waker().wake_by_ref();
                Poll::<()>::Pending
            }));
        }
        while ran.load(Ordering::SeqCst) < 1_000 {
            std::thread::yield_now();
        }
        // The thread is held up until all calls are there.
        let (go, wait) = std::sync::mpsc::channel();
        runtime.spawn(async move { wait.recv() });
        let (answer, answers) = std::sync::mpsc::channel();
        for _ in 0..CALLS {
            let (answer, ran) = (answer.clone(), ran.clone());
            runtime.spawn(async move { answer.send(ran.load(Ordering::SeqCst)) });
        }
        go.send(()).unwrap();
        let times: Vec<_> = answers.iter().take(CALLS).collect();
        let between = times.windows(2).map(|two| two[1] - two[0]);
        // A task that wakes itself runs several times in a row.
        let most = between.max().unwrap();
        assert!(most <= 8 * LOOK_OUTSIDE_EVERY as usize, "{most}");
        runtime.shutdown_background();
    }

    #[tokio::test]
    async fn guests_that_hold_threads_for_long_have_turns_from_the_first_step() {
        let turns = Turns::of_runtime();
        let (long, short) = (turns.share(), turns.share());
        for _ in 0..WEIGHT {
            long.took(4 * SHORT, &Clock::default());
            short.took(SHORT / 10, &Clock::default());
        }
        // What the system did to one step is forgiven.
        short.took(20 * SHORT, &Clock::default());
        let _turn = turns.0.acquire().await;
        let clock = Clock::default();
        assert_eq!(short.run(&clock, async { 1 }).await, 1);
        let waiting = tokio::time::timeout(SHORT, long.run(&clock, async { 1 }));
        assert!(waiting.await.is_err());
        assert!(clock.wants_turn());
    }

    #[tokio::test]
    async fn a_connection_with_many_calls_has_no_more_turns_than_one_with_a_single_call() {
        let turns = Turns::of_runtime();
        let (many, single) = (Arc::new(turns.share()), turns.share());
        let order = Arc::<std::sync::Mutex<Vec<&str>>>::default();
        let turn = turns.0.acquire().await;
        for _ in 0..8 {
            let (many, order) = (many.clone(), order.clone());
            tokio::spawn(async move {
                many.step(|| order.lock().unwrap().push("many")).await;
            });
        }
        tokio::task::yield_now().await;
        drop(turn);
        single.step(|| order.lock().unwrap().push("single")).await;
        let order = order.lock().unwrap();
        assert_eq!(order.get(1), Some(&"single"), "{order:?}");
    }
}
