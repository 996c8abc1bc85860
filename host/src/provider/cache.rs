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
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::AtomicUsize;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn topic(project: &str) -> Topic<'_> {
        Topic {
            generation: 1,
            project,
            operation: "get-spans",
            visibility_delay: Duration::ZERO,
        }
    }

    /// A backend that answers how often it was asked.
    #[derive(Default)]
    struct Backend(AtomicUsize);

    impl Backend {
        async fn ask(&self) -> Result<usize, Error> {
            tokio::task::yield_now().await;
            Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
        }
    }

    async fn settled(cache: &ReadCache) -> ReadCacheStats {
        cache.inner.answers.run_pending_tasks().await;
        cache.stats()
    }

    #[tokio::test]
    async fn an_equal_question_is_asked_once_and_another_one_again() {
        let cache = ReadCache::new(HOUR, 1 << 20);
        let (one, other) = (cache.space(), cache.space());
        let backend = Backend::default();
        assert_eq!(one.get(topic("p"), "q", backend.ask()).await.unwrap(), 1);
        assert_eq!(one.get(topic("p"), "q", backend.ask()).await.unwrap(), 1);
        assert_eq!(one.get(topic("p"), "r", backend.ask()).await.unwrap(), 2);
        assert_eq!(one.get(topic("o"), "q", backend.ask()).await.unwrap(), 3);
        assert_eq!(other.get(topic("p"), "q", backend.ask()).await.unwrap(), 4);
        let newer = Topic {
            generation: 2,
            ..topic("p")
        };
        assert_eq!(one.get(newer, "q", backend.ask()).await.unwrap(), 5);
        let stats = settled(&cache).await;
        assert_eq!((stats.hits, stats.misses, stats.entries), (1, 5, 5));
        assert!(stats.bytes > 5 * u64::from(ENTRY), "{stats:?}");
    }

    #[tokio::test]
    async fn equal_questions_at_once_wait_for_one_answer() {
        let cache = ReadCache::new(HOUR, 1 << 20);
        let answers = cache.space();
        let backend = Backend::default();
        let ask = || answers.get(topic("p"), "q", backend.ask());
        let all = futures_util::future::join_all((0..50).map(|_| ask())).await;
        assert!(all.into_iter().all(|answer| answer.unwrap() == 1));
        assert_eq!(cache.stats().hits, 49);
    }

    #[tokio::test]
    async fn a_write_drops_the_answers_of_its_project_alone() {
        let answers = ReadCache::new(HOUR, 1 << 20).space();
        let backend = Backend::default();
        for project in ["p", "o"] {
            let _ = answers.get(topic(project), "q", backend.ask()).await;
        }
        answers.writing("p").done();
        let ask = |project| answers.get(topic(project), "q", backend.ask());
        assert_eq!(ask("p").await.unwrap(), 3);
        assert_eq!(ask("p").await.unwrap(), 3);
        assert_eq!(ask("o").await.unwrap(), 2);
        // One that was given up may still happen.
        drop(answers.writing("p"));
        assert_eq!(ask("p").await.unwrap(), 4);
        assert_eq!(ask("p").await.unwrap(), 5);
    }

    #[tokio::test]
    async fn nothing_is_kept_while_the_backend_may_hide_a_write() {
        let answers = ReadCache::new(HOUR, 1 << 20).space();
        let backend = Backend::default();
        answers.writing("p").done();
        for expected in 1..=3 {
            let slow = Topic {
                visibility_delay: HOUR,
                ..topic("p")
            };
            let answer = answers.get(slow, "q", backend.ask()).await.unwrap();
            assert_eq!(answer, expected);
        }
    }

    #[tokio::test]
    async fn an_error_is_told_to_all_who_wait_and_not_kept() {
        let answers = ReadCache::new(HOUR, 1 << 20).space();
        let fail = async || Err::<usize, _>(Error::Timeout("late".to_owned()));
        let told = answers.get(topic("p"), "q", fail()).await;
        assert_eq!(told, Err(Error::Timeout("late".to_owned())));
        let backend = Backend::default();
        assert_eq!(
            answers.get(topic("p"), "q", backend.ask()).await.unwrap(),
            1
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_is_not_kept() {
        let cache = ReadCache::new(HOUR, 400);
        let answers = cache.space();
        let large = async || Ok("x".repeat(200));
        for _ in 0..2 {
            let answer = answers.get(topic("p"), "q", large()).await.unwrap();
            assert_eq!(answer.len(), 200);
            let stats = settled(&cache).await;
            assert_eq!((stats.entries, stats.hits), (0, 0));
        }
    }

    #[tokio::test]
    async fn questions_are_large_too() {
        let cache = ReadCache::new(HOUR, 1 << 20);
        let answers = cache.space();
        for number in 0..100 {
            let question = format!("{number}{}", "x".repeat(100_000));
            let ask = async || Ok(number);
            answers.get(topic("p"), question, ask()).await.unwrap();
        }
        let stats = settled(&cache).await;
        assert!(stats.entries <= 10, "{stats:?}");
    }

    #[tokio::test]
    async fn numbers_that_json_cannot_tell_apart_are_different_questions() {
        let answers = ReadCache::new(HOUR, 1 << 20).space();
        let backend = Backend::default();
        for (question, expected) in [(f64::INFINITY, 1), (f64::NEG_INFINITY, 2), (f64::NAN, 3)] {
            let answer = answers.get(topic("p"), question, backend.ask()).await;
            assert_eq!(answer.unwrap(), expected);
        }
    }

    #[test]
    fn a_project_that_is_forgotten_is_never_taken_for_one_that_was_not_written() {
        let mut writes = Writes::new();
        let before = writes.last(0, "p").number;
        writes.note(0, "p".to_owned(), Duration::ZERO);
        let after = writes.last(0, "p").number;
        for project in 0..MAX_PROJECTS.get() {
            writes.note(0, project.to_string(), Duration::ZERO);
        }
        let forgotten = writes.last(0, "p").number;
        assert_ne!(forgotten, before);
        assert_ne!(forgotten, after);
    }
}
