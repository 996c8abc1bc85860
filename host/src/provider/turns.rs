//! Turns at writing to one experiment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as AsyncMutex;

/// Backends that can only replace what they keep of an experiment would lose one of two writes
/// at once, so those of one experiment take turns. A clone is another handle to the same turns;
/// experiments never wait for each other.
#[derive(Clone, Default)]
pub(super) struct Turns {
    /// By project and experiment, as long as somebody writes or waits.
    taken: Arc<Mutex<HashMap<Key, Turn>>>,
}

type Key = (String, String);
type Turn = Weak<AsyncMutex<()>>;

impl Turns {
    /// What to lock to write to an experiment.
    pub(super) fn of(&self, project: &str, experiment: &str) -> Arc<AsyncMutex<()>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (project.to_owned(), experiment.to_owned());
        if let Some(turn) = taken.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        taken.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        taken.insert(key, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_writes_to_one_experiment_wait_and_nothing_is_kept_of_those_that_ended() {
        let turns = Turns::default();
        let first = turns.of("p", "first").try_lock_owned().unwrap();
        for number in 0..100 {
            let other = turns.of("p", &number.to_string());
            assert!(other.try_lock().is_ok());
        }
        assert!(turns.clone().of("p", "first").try_lock().is_err());
        assert!(turns.of("q", "first").try_lock().is_ok());
        assert!(Turns::default().of("p", "first").try_lock().is_ok());
        assert!(turns.taken.lock().unwrap().len() <= 2);
        drop(first);
        assert!(turns.of("p", "first").try_lock().is_ok());
    }
}
