//! What is counted of a generation: its calls by operation, and the requests it makes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::generation::Record;
use crate::contract::Error;

/// The upper bounds of the buckets of [`Durations`], in seconds.
pub const DURATION_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// How often something was done, how it failed, and how long it took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counted {
    /// How often.
    pub count: u64,
    /// How often it ended in an error, by the error's name.
    pub errors: BTreeMap<String, u64>,
    /// How long it took.
    pub durations: Durations,
}

/// How long something took, each time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Durations {
    /// The sum, in seconds.
    pub sum: f64,
    /// How many were at most as long as the bound of this place in [`DURATION_BUCKETS`], and
    /// longer than the one before.
    pub buckets: [u64; DURATION_BUCKETS.len()],
    /// How many were longer than all bounds.
    pub longer: u64,
}

impl Counted {
    fn add(&mut self, error: Option<&str>, took: Duration) {
        self.count += 1;
        if let Some(error) = error {
            match self.errors.get_mut(error) {
                Some(count) => *count += 1,
                None => drop(self.errors.insert(error.to_owned(), 1)),
            }
        }
        let seconds = took.as_secs_f64();
        self.durations.sum += seconds;
        let bucket = DURATION_BUCKETS.iter().position(|most| seconds <= *most);
        match bucket.and_then(|at| self.durations.buckets.get_mut(at)) {
            Some(count) => *count += 1,
            None => self.durations.longer += 1,
        }
    }

    /// How many ended in an error.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Counts. Each entry is held for less than a microsecond.
#[derive(Default)]
pub(crate) struct Meter {
    operations: Mutex<BTreeMap<&'static str, Counted>>,
    requests: Mutex<Counted>,
}

impl Meter {
    /// A call has ended.
    pub(super) fn call(&self, operation: &'static str, error: Option<&str>, took: Duration) {
        let mut operations = self
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        operations.entry(operation).or_default().add(error, took);
    }

    /// A request has its answer, or none.
    pub(super) fn request(&self, error: Option<&str>, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.add(error, took);
    }

    pub(super) fn operations(&self) -> BTreeMap<String, Counted> {
        let operations = self
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let named = operations
            .iter()
            .map(|(name, counted)| ((*name).to_owned(), counted.clone()));
        named.collect()
    }

    pub(super) fn requests(&self) -> Counted {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }
}

/// The name of an error as the contract spells it.
pub(crate) fn error_name(error: &Error) -> &'static str {
    match error {
        Error::InvalidArgument(_) => "invalid-argument",
        Error::NotFound(_) => "not-found",
        Error::Conflict(_) => "conflict",
        Error::Unauthenticated(_) => "unauthenticated",
        Error::PermissionDenied(_) => "permission-denied",
        Error::RateLimited(_) => "rate-limited",
        Error::Unavailable(_) => "unavailable",
        Error::Timeout(_) => "timeout",
        Error::Unsupported(_) => "unsupported",
        Error::Partial(_) => "partial",
        Error::Backend(_) => "backend",
        Error::Internal(_) => "internal",
    }
}

/// What is timed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Timed {
    /// A call of this operation.
    Call(&'static str),
    /// An HTTP request.
    Request,
}

/// Times something, which is counted also where it is given up before it ends.
pub(super) struct Stopwatch {
    record: Arc<Record>,
    timed: Timed,
    began: Instant,
    is_stopped: bool,
}

impl Stopwatch {
    pub(super) fn start(record: &Arc<Record>, timed: Timed, began: Instant) -> Self {
        Self {
            record: Arc::clone(record),
            timed,
            began,
            is_stopped: false,
        }
    }

    /// It ended, with this error if with any.
    pub(super) fn stop(mut self, error: Option<&str>) {
        self.is_stopped = true;
        self.note(error);
    }

    fn note(&self, error: Option<&str>) {
        let (meter, took) = (&self.record.meter, self.began.elapsed());
        match self.timed {
            Timed::Call(operation) => meter.call(operation, error, took),
            Timed::Request => meter.request(error, took),
        }
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        if !self.is_stopped {
            self.note(Some("given-up"));
        }
    }
}
