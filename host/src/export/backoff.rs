//! Waiting before a request is repeated: full jitter under a growing cap, so that many clients of
//! a backend that comes back do not all come back at once.

use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep};

/// The cap before the first repetition.
const FIRST: Duration = Duration::from_millis(200);
/// The cap never grows beyond this.
const LONGEST: Duration = Duration::from_secs(5);

/// The delays between the attempts at one thing.
#[derive(Debug)]
pub(super) struct Backoff {
    cap: Duration,
    deadline: Instant,
}

impl Backoff {
    pub(super) fn until(deadline: Instant) -> Self {
        Self {
            cap: FIRST,
            deadline,
        }
    }

    /// Waits for the next attempt, at least as long as the other side asks for. False, and at
    /// once, when that would be after the deadline.
    pub(super) async fn wait(&mut self, at_least: Option<Duration>) -> bool {
        let jitter = self.cap.mul_f64(rand::rng().random());
        self.cap = (self.cap * 2).min(LONGEST);
        let delay = jitter.saturating_add(at_least.unwrap_or_default());
        let fits = Instant::now()
            .checked_add(delay)
            .is_some_and(|next| next < self.deadline);
        if fits {
            sleep(delay).await;
        }
        fits
    }
}
