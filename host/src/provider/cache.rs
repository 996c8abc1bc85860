//! Answers that are kept for a while, so that equal questions cost a backend one request.
//!
//! An answer is kept under the connection, the generation of the provider, the project, the
//! question, and the last write that went through Roost to the project. So a write need not
//! look for the answers it makes wrong: nobody asks for them again, and they leave as they
//! would anyway. While a backend may still hide what was written to it, nothing is kept.

use std::any::Any;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use moka::future::Cache;
use serde::Serialize;

use crate::contract::Error;

/// Of how many projects the last write is remembered. That of one that is forgotten counts as
/// a write to every project that is not remembered, which costs answers and never makes one
/// wrong.
const MAX_PROJECTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// How long a backend may go on with a write that was given up. Nothing is kept meanwhile.
const AFTERMATH: Duration = Duration::from_secs(30);
/// What an entry costs besides its texts, in bytes.
const ENTRY: u32 = 256;

/// Keeps the answers of backends. A clone is another handle to the same cache.
///
/// Providers share one by [`Provider::with_cache`](super::Provider::with_cache); a
/// [`TelemetryManager`](crate::TelemetryManager) does so as `[cache]` says.
#[derive(Clone)]
pub struct ReadCache {
    inner: Arc<Inner>,
}

struct Inner {
    answers: Cache<Question, Answer>,
    writes: Mutex<Writes>,
    spaces: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A [`ReadCache`] in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReadCacheStats {
    /// Questions that were answered by an answer that was there, or on its way already.
    pub hits: u64,
    /// Questions that went to a backend.
    pub misses: u64,
    /// Answers that are kept.
    pub entries: u64,
    /// How large they are together with their questions, as JSON.
    pub bytes: u64,
}

/// What an answer is kept under.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    space: u64,
    generation: u64,
    project: String,
    last_write: u64,
    operation: &'static str,
    arguments: String,
}

#[derive(Clone)]
struct Answer {
    value: Arc<dyn Any + Send + Sync>,
    bytes: u32,
}

impl ReadCache {
    /// A cache for answers of at most `max_bytes` as JSON with their questions, each for `ttl`.
    #[must_use]
    pub fn new(ttl: Duration, max_bytes: u64) -> Self {
        let answers = Cache::builder()
            .time_to_live(ttl)
            .max_capacity(max_bytes)
            .weigher(|question: &Question, answer: &Answer| {
                let question = question.arguments.len() + question.project.len();
                let question = u32::try_from(question).unwrap_or(u32::MAX);
                answer.bytes.saturating_add(question).saturating_add(ENTRY)
            })
            .build();
        Self {
            inner: Arc::new(Inner {
                answers,
                writes: Mutex::new(Writes::new()),
                spaces: AtomicU64::new(0),
                hits: AtomicU64::new(0),
                misses: AtomicU64::new(0),
            }),
        }
    }

    /// The cache in numbers; `entries` and `bytes` as they were a moment ago.
    #[must_use]
    pub fn stats(&self) -> ReadCacheStats {
        let Inner {
            answers,
            hits,
            misses,
            ..
        } = &*self.inner;
        ReadCacheStats {
            hits: hits.load(Ordering::Relaxed),
            misses: misses.load(Ordering::Relaxed),
            entries: answers.entry_count(),
            bytes: answers.weighted_size(),
        }
    }

    /// A part of the cache for one connection.
    pub(super) fn space(&self) -> Answers {
        Answers {
            cache: self.clone(),
            space: self.inner.spaces.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// The answers to one connection.
#[derive(Clone)]
pub(super) struct Answers {
    cache: ReadCache,
    space: u64,
}

/// What is asked, but for its arguments.
pub(super) struct Topic<'a> {
    pub(super) generation: u64,
    pub(super) project: &'a str,
    pub(super) operation: &'static str,
    /// How long the backend may hide what was written to it.
    pub(super) visibility_delay: Duration,
}

impl Answers {
    /// The answer that is there, or on its way, or else the one that `ask` brings. An error is
    /// no answer, and is not kept.
    pub(super) async fn get<T>(
        &self,
        topic: Topic<'_>,
        question: impl Debug,
        ask: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error>
    where
        T: Clone + Serialize + Send + Sync + 'static,
    {
        let inner = &*self.cache.inner;
        let last_write = inner.writes().last(self.space, topic.project);
        if last_write.hides(topic.visibility_delay) {
            inner.misses.fetch_add(1, Ordering::Relaxed);
            return ask.await;
        }
        let question = Question {
            space: self.space,
            generation: topic.generation,
            project: topic.project.to_owned(),
            last_write: last_write.number,
            operation: topic.operation,
            // Not as JSON, which has one word for infinite and for no number.
            arguments: format!("{question:?}"),
        };
        let ask = async {
            inner.misses.fetch_add(1, Ordering::Relaxed);
            let value = ask.await?;
            let bytes = json_size(&value);
            let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
            Ok(Answer { value, bytes })
        };
        let entry = inner.answers.entry(question).or_try_insert_with(ask).await;
        let entry = entry.map_err(|error: Arc<Error>| Error::clone(&error))?;
        if !entry.is_fresh() {
            inner.hits.fetch_add(1, Ordering::Relaxed);
        }
        let answer = entry.into_value().value;
        let answer = answer.downcast_ref::<T>().cloned();
        answer.ok_or_else(|| Error::Internal("an answer of another type was kept".to_owned()))
    }

    /// Note a write to a project when the guard goes. Unless it is told that the write is
    /// [done](Writing::done), the backend may go on with it for a while.
    pub(super) fn writing(&self, project: &str) -> Writing {
        Writing {
            answers: self.clone(),
            project: project.to_owned(),
            aftermath: AFTERMATH,
        }
    }
}

/// A write that goes on.
pub(super) struct Writing {
    answers: Answers,
    project: String,
    aftermath: Duration,
}

impl Writing {
    /// The backend is done with it.
    pub(super) fn done(mut self) {
        self.aftermath = Duration::ZERO;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Answers { cache, space } = &self.answers;
        let project = std::mem::take(&mut self.project);
        cache.inner.writes().note(*space, project, self.aftermath);
    }
}

impl Inner {
    fn writes(&self) -> std::sync::MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write to a project. The number tells it from all others.
#[derive(Clone, Copy)]
struct Write {
    number: u64,
    /// When the backend was done with it, at the latest.
    at: Option<Instant>,
}

impl Write {
    /// Whether the backend may still hide it.
    fn hides(&self, delay: Duration) -> bool {
        self.at.is_some_and(|at| Instant::now() < at + delay)
    }
}

/// The last write to each project.
struct Writes {
    count: u64,
    last: LruCache<(u64, String), Write>,
    /// Stands for the projects that are not in the list.
    forgotten: Write,
}

impl Writes {
    fn new() -> Self {
        Self {
            count: 0,
            last: LruCache::new(MAX_PROJECTS),
            forgotten: Write {
                number: 0,
                at: None,
            },
        }
    }

    fn last(&mut self, space: u64, project: &str) -> Write {
        let key = (space, project.to_owned());
        self.last.get(&key).copied().unwrap_or(self.forgotten)
    }

    fn note(&mut self, space: u64, project: String, aftermath: Duration) {
        let write = self.next(aftermath);
        let forgotten = self.last.push((space, project.clone()), write);
        if forgotten.is_some_and(|(key, _)| key != (space, project)) {
            self.forgotten = self.next(AFTERMATH);
        }
    }

    fn next(&mut self, aftermath: Duration) -> Write {
        self.count += 1;
        Write {
            number: self.count,
            at: Some(Instant::now() + aftermath),
        }
    }
}

/// The length of a value as JSON, without writing it.
fn json_size(value: &impl Serialize) -> u32 {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => u32::try_from(counter.0).unwrap_or(u32::MAX),
        // Too large for any cache.
        Err(_) => u32::MAX,
    }
}

#[cfg(test)]
mod tests;
