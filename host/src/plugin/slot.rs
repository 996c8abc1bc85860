//! The place of one provider: whatever generation serves now, and why the newest file
//! does not if it was refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use super::component::ProviderComponent;
use super::generation::Generation;
use super::refusal::Refusal;

pub(crate) struct Slot {
    pub(super) name: Arc<str>,
    current: ArcSwapOption<Generation>,
    generations: AtomicU64,
    refusal: Mutex<Option<Refusal>>,
}

impl Slot {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            current: ArcSwapOption::empty(),
            generations: AtomicU64::new(0),
            refusal: Mutex::default(),
        }
    }

    /// The generation that serves.
    pub(crate) fn current(&self) -> Option<Arc<Generation>> {
        self.current.load_full()
    }

    /// Why the newest file does not serve, if it was refused.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal_lock().clone()
    }

    /// Let `component` serve from now on. Returned is the generation it takes over from,
    /// to be drained.
    pub(super) fn swap(&self, component: ProviderComponent) -> Option<Arc<Generation>> {
        let number = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let next = Arc::new(Generation::new(number, component));
        *self.refusal_lock() = None;
        self.current.swap(Some(next))
    }

    /// Keep serving what serves, and remember why the new file does not.
    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.refusal_lock() = Some(refusal);
    }

    /// Serve nothing. Returned is the generation that did, to be drained.
    pub(super) fn clear(&self) -> Option<Arc<Generation>> {
        *self.refusal_lock() = None;
        self.current.swap(None)
    }

    fn refusal_lock(&self) -> std::sync::MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
