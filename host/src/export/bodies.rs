//! The buffers of requests, which are used again: megabytes that come from the system and go
//! back with each request cost it as much as the copy into them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// How many are kept. A request is as large as its target takes at most.
const MAX_KEPT: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<Vec<Vec<u8>>>);

impl Bodies {
    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        self.kept().pop().unwrap_or_default()
    }

    /// Keeps the buffer of a request that was answered, unless somebody has a part of it still.
    pub(super) fn keep(&self, body: Bytes) {
        if let Ok(mut buffer) = body.try_into_mut() {
            buffer.clear();
            let mut kept = self.kept();
            if kept.len() < MAX_KEPT {
                kept.push(buffer.into());
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_once_nobody_has_it() {
        let bodies = Bodies::default();
        let mut buffer = bodies.take();
        buffer.reserve_exact(1_000);
        buffer.extend_from_slice(b"spans");
        let (address, body) = (buffer.as_ptr(), Bytes::from(buffer));
        let under_way = body.clone();
        bodies.keep(body);
        assert_eq!(bodies.take().capacity(), 0, "it is read still");
        bodies.keep(under_way);
        let again = bodies.take();
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        assert_eq!(again.capacity(), 1_000);
    }
}
