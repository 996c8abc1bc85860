//! The place of one provider: whatever generation serves now, the one before it, and why the
//! newest file does not serve if it was refused.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;

use super::component::ProviderComponent;
use super::connection::Settings;
use super::generation::{Generation, Record};
use super::refusal::Refusal;

/// How many generations are remembered, the one that serves included.
const REMEMBERED: usize = 8;

pub(crate) struct Slot {
    pub(super) name: Arc<str>,
    current: ArcSwapOption<Generation>,
    past: Mutex<Past>,
    /// Whoever holds a connection to this provider.
    connections: Mutex<HashMap<u64, Weak<Settings>>>,
}

#[derive(Default)]
struct Past {
    /// How many there were.
    generations: u64,
    /// What served before, to go back to.
    previous: Option<Arc<Generation>>,
    /// The newest is the last.
    records: VecDeque<Arc<Record>>,
    refusal: Option<Refusal>,
}

impl Slot {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            current: ArcSwapOption::empty(),
            past: Mutex::default(),
            connections: Mutex::default(),
        }
    }

    /// The generation that serves.
    pub(crate) fn current(&self) -> Option<Arc<Generation>> {
        self.current.load_full()
    }

    /// Why the newest file does not serve, if it was refused.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.past().refusal.clone()
    }

    /// What is remembered of the generations, the oldest first.
    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        self.past().records.iter().cloned().collect()
    }

    /// Let `component` serve from now on. Returned is the generation it takes over from,
    /// to be drained.
    pub(super) fn swap(&self, component: ProviderComponent) -> Option<Arc<Generation>> {
        let mut past = self.past();
        past.refusal = None;
        let before = self.serve(&mut past, Arc::new(component));
        past.previous.clone_from(&before);
        before
    }

    /// Let what served before serve again, and refuse the newest file. Returned is the
    /// generation that goes, to be drained; `None` where nothing served before.
    pub(super) fn roll_back(&self, why: &str) -> Option<Arc<Generation>> {
        let mut past = self.past();
        let previous = past.previous.take()?;
        let before = self.serve(&mut past, Arc::clone(&previous.component))?;
        past.refusal = Some(Refusal::RolledBack {
            version: before.component.info.version.clone(),
            reason: why.to_owned(),
        });
        Some(before)
    }

    /// Whether what serves fails its first calls where what served before did not.
    pub(super) fn is_worse(&self) -> bool {
        let Some(current) = self.current().filter(|current| current.is_unsound()) else {
            return false;
        };
        let Some(previous) = self.past().previous.clone() else {
            return false;
        };
        let (ended, faults) = current.faults();
        let (ended_before, faults_before) = previous.faults();
        let share = |faults: u64, ended: u64| u128::from(faults) * u128::from(ended);
        share(faults_before, ended) < share(faults, ended_before)
    }

    fn serve(&self, past: &mut Past, component: Arc<ProviderComponent>) -> Option<Arc<Generation>> {
        past.generations += 1;
        let next = Generation::new(past.generations, component);
        past.records.push_back(Arc::clone(&next.record));
        if past.records.len() > REMEMBERED {
            past.records.pop_front();
        }
        self.current.swap(Some(Arc::new(next)))
    }

    /// Keep serving what serves, and remember why the new file does not.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.past().refusal = Some(refusal);
    }

    /// Serve nothing. Returned is the generation that did, to be drained.
    pub(super) fn clear(&self) -> Option<Arc<Generation>> {
        let mut past = self.past();
        past.refusal = None;
        past.previous = None;
        self.current.swap(None)
    }

    pub(super) fn join(&self, key: u64, settings: &Arc<Settings>) {
        self.connections().insert(key, Arc::downgrade(settings));
    }

    pub(super) fn leave(&self, key: u64) {
        self.connections().remove(&key);
        if let Some(generation) = self.current() {
            generation.forget(key);
        }
    }

    /// Why an open connection that works now would not with `component`.
    pub(super) async fn misfit(&self, component: &ProviderComponent) -> Option<String> {
        let current = self.current()?;
        let open: Vec<_> = self
            .connections()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for settings in open {
            // Without its secrets it does not work now either.
            let Ok(held) = settings.secrets.current().await else {
                continue;
            };
            if let Err(why) = settings.resolve(component, &held)
                && settings.resolve(&current.component, &held).is_ok()
            {
                return Some(why);
            }
        }
        None
    }

    fn past(&self) -> std::sync::MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Settings>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
