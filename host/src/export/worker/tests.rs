//! The end of the export thread.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc;

use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use super::super::destination::{Destination, DestinationResolver, ResolveError};
use super::super::drop_log::DropLog;
use super::super::project::Project;
use super::super::queue::Bounds;
use super::super::route::Routes;
use super::super::span::EndedSpan;
use super::*;
use crate::config::SpoolConfig;

/// Nobody is asked.
#[derive(Debug)]
struct Silence;

impl DestinationResolver for Silence {
    fn destination<'a>(
        &'a self,
        _: &'a Project,
    ) -> BoxFuture<'a, Result<Destination, ResolveError>> {
        Box::pin(std::future::pending())
    }

    fn session_attributes<'a>(
        &'a self,
        _: &'a Project,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, ResolveError>> {
        Box::pin(std::future::pending())
    }
}

/// When the time is up, what is on disk counts so though nobody had listened yet; what the
/// spool's thread still has is given up, and whoever waits for it hears so.
#[test]
fn the_end_hears_what_was_said_and_answers_everybody() {
    let name = format!("roost-worker-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let config = SpoolConfig {
        folder: Some(folder.clone()),
        ..SpoolConfig::default()
    };
    let (news, from_spool) = unbounded_channel();
    let spool = Spool::start(&config, news.clone()).unwrap();
    let queue = Arc::new(Queue::new(Bounds {
        spans: 10,
        batch_spans: 1,
        batch_bytes: 1 << 20,
        spills: true,
    }));
    let project = Arc::new(Project::new("acme", "search", "acme-search"));
    for _ in 0..2 {
        let span = EndedSpan {
            project: Arc::clone(&project),
            session: None,
            bytes: vec![0; 100],
        };
        queue.push(&span, None, Duration::ZERO).unwrap();
    }
    let now = Instant::now();
    let (reply, answer) = mpsc::channel();
    let reply = Box::new(move |report| reply.send(report).unwrap());
    queue
        .flushes
        .begin(queue.position(), now + Duration::from_secs(3_600), reply);
    let (written, with_the_spool) = (queue.take(true), queue.take(true));
    let sent = news.send(News::Written(written));
    sent.ok().unwrap();

    let log = Arc::new(DropLog::new(0));
    let routes = Routes::new(Arc::new(Silence));
    let delivery = Delivery::new(routes, log, Some(spool.clone()), 10);
    let (_commands, receiver) = unbounded_channel();
    let mut worker = Worker::new(
        Arc::clone(&queue),
        delivery,
        receiver,
        Some((spool, from_spool)),
        Duration::from_secs(1),
        Duration::from_secs(1),
    );
    worker.stop = Some((now, now));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, worker.run());

    let report: FlushReport = answer.try_recv().unwrap();
    assert_eq!((report.spooled, report.dropped, report.left), (1, 1, 0));
    drop(with_the_spool);
    let stats = queue.account.stats();
    assert_eq!((stats.spooled, stats.dropped.shutdown), (1, 1));
    assert!(!queue.close(), "and nothing is taken any more");
    let _ = std::fs::remove_dir_all(folder);
}
