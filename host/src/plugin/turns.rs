//! Which guests compute now.
//!
//! A guest that computes for longer than a tick is interrupted, and goes on when it has a turn.
//! There is one turn fewer than the runtime has threads, so that a thread is left for what is
//! short, however many guests compute: calls of other providers, and the application's own work.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::ready;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// The turns of one host.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    /// One fewer than the threads of the runtime that this is called in, and one at least.
    pub(super) fn of_runtime() -> Self {
        let threads = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        Self(Arc::new(Semaphore::new(threads.saturating_sub(1).max(1))))
    }

    /// Run a guest to its end. It says in `interrupted` that it was, and has a turn for each
    /// tick from then on.
    pub(super) async fn run<T>(
        &self,
        interrupted: &AtomicBool,
        guest: impl Future<Output = T>,
    ) -> T {
        let mut guest = pin!(guest);
        let mut turns = None;
        poll_fn(|context| {
            let _turn = if interrupted.load(Ordering::Relaxed) {
                let turns = turns.get_or_insert_with(|| PollSemaphore::new(Arc::clone(&self.0)));
                let turn = ready!(turns.poll_acquire(context));
                interrupted.store(false, Ordering::Relaxed);
                turn
            } else {
                None
            };
            guest.as_mut().poll(context)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Poll;

    use super::*;

    /// A guest that is interrupted so many times, and counts how many are in its place at once.
    async fn interrupted(turns: &Turns, ticks: usize, at_once: &AtomicUsize, most: &AtomicUsize) {
        let interrupted = AtomicBool::new(false);
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
            interrupted.store(true, Ordering::Relaxed);
            context.waker().wake_by_ref();
            Poll::Pending
        });
        turns.run(&interrupted, guest).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn one_thread_is_left_to_others_and_every_guest_comes_to_its_end() {
        let turns = Arc::new(Turns::of_runtime());
        let (at_once, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let guests = (0..8).map(|_| {
            let (turns, at_once, most) = (turns.clone(), at_once.clone(), most.clone());
            tokio::spawn(async move { interrupted(&turns, 1_000, &at_once, &most).await })
        });
        for guest in guests.collect::<Vec<_>>() {
            assert!(guest.await.is_ok());
        }
        assert_eq!(turns.0.available_permits(), 2);
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }
}
