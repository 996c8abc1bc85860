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
