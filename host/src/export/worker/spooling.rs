//! What the export thread does for spans on disk: it has them written, hears what the spool's
//! thread says, and sends them again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::super::account::{DropReason, Fate};
use super::super::parcel::Parcel;
use super::super::replay::{Replay, Round};
use super::super::spool::{Gone, News, Reading, Refusal, Spool};
use super::Worker;

/// How long spans from disk are tried at a time, where that is not known to be too short.
const ROUND: Duration = Duration::from_secs(10);
/// How many bytes of a project are read from disk at a time, where that is not known to be too
/// much.
const ROUND_BYTES: u64 = 1_024 * 1_024;
/// What there is where there is a spool.
pub(super) struct Spooling {
    pub(super) spool: Spool,
    news: UnboundedReceiver<News>,
    pub(super) replay: Replay,
    ended: UnboundedSender<Arc<Round>>,
    rounds: UnboundedReceiver<Arc<Round>>,
}

/// Something of the spool's.
pub(super) enum Event {
    News(News),
    Ended(Arc<Round>),
}

impl Spooling {
    pub(super) fn new(spool: Spool, news: UnboundedReceiver<News>) -> Self {
        let (ended, rounds) = unbounded_channel();
        Self {
            spool,
            news,
            replay: Replay::default(),
            ended,
            rounds,
        }
    }

    pub(super) async fn event(&mut self) -> Event {
        tokio::select! {
            Some(news) = self.news.recv() => Event::News(news),
            Some(round) = self.rounds.recv() => Event::Ended(round),
            else => std::future::pending().await,
        }
    }

    /// What is there to be heard already.
    fn said(&mut self) -> Option<Event> {
        let news = self.news.try_recv().map(Event::News);
        news.or_else(|_| self.rounds.try_recv().map(Event::Ended))
            .ok()
    }
}

/// Says that a round is over, however it ends.
struct Ending {
    round: Arc<Round>,
    ended: UnboundedSender<Arc<Round>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.ended.send(Arc::clone(&self.round));
    }
}

impl Worker {
    /// Has those written to disk of whose project older ones are there; gives back the others.
    pub(super) fn put_behind(&self, batch: Vec<Parcel>) -> Vec<Parcel> {
        let Some(Spooling { spool, replay, .. }) = &self.spooling else {
            return batch;
        };
        let (behind, batch) = batch
            .into_iter()
            .partition(|parcel| replay.is_behind(&parcel.content.project));
        spool.write(behind);
        batch
    }

    /// Begins to send from disk what it is time for.
    pub(super) fn replay(&mut self) {
        if let Some(spooling) = &mut self.spooling
            && self.stop.is_none()
        {
            while let Some(project) = spooling.replay.next(Instant::now()) {
                // A backend that was too slow for as much is sent less.
                let bytes = ROUND_BYTES >> spooling.replay.failures(&project).min(16);
                spooling.spool.read(&project, bytes);
            }
        }
    }

    pub(super) fn hear(&mut self, news: News) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        match news {
            News::Recovered(spans) => {
                for (project, spans) in spans {
                    self.queue.ledger.named(&project).recovered(spans);
                    self.queue.account.recovered(spans);
                    spooling.replay.add(&project);
                }
            }
            News::Written(parcels) => {
                if !parcels.is_empty() {
                    self.queue.spool.worked();
                }
                for parcel in parcels {
                    spooling.replay.add(parcel.content.project.name());
                    parcel.settle(Fate::Spooled);
                }
            }
            News::Refused(parcels, why) => {
                let reason = DropReason::SpoolFull;
                if !matches!(why, Refusal::Share) {
                    self.queue.spool.failed();
                }
                let log = &self.delivery.log;
                log.dropped_all(reason, &parcels, &why.to_string());
                for parcel in parcels {
                    parcel.settle(Fate::Dropped(reason));
                }
            }
            News::Read(project, reading) => {
                let why = "their record on disk is damaged";
                self.lose(&project, &reading.lost, DropReason::SpoolFull, why);
                self.send_from_disk(&project, reading);
            }
            News::Expired(expired) => {
                for (project, records) in expired {
                    self.lose(&project, &records, DropReason::Expired, "");
                }
            }
        }
    }

    /// Records on disk are lost.
    fn lose(&mut self, project: &str, records: &[Gone], reason: DropReason, why: &str) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        let spans = spooling.replay.forget(project, records);
        if spans > 0 {
            let fate = Fate::Dropped(reason);
            self.delivery.log.dropped(reason, spans, project, why);
            self.queue.ledger.named(project).unspooled(fate, spans);
            self.queue.account.unspooled(fate, spans);
        }
    }

    fn send_from_disk(&mut self, project: &Arc<str>, reading: Reading) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        let Spooling { replay, ended, .. } = spooling;
        if reading.failure.is_some() && reading.records.is_empty() {
            replay.put_off(project);
            return;
        }
        let Some((round, parcels)) = replay.begin(project, reading.records, &self.queue) else {
            return;
        };
        let ended = ended.clone();
        let ending = Ending { round, ended };
        let delivery = Arc::clone(&self.delivery);
        // And it has all the time that there is.
        let time = match replay.failures(project) {
            0 => ROUND.min(self.export_timeout),
            _ => self.export_timeout,
        };
        let deadline = Instant::now() + time;
        self.batches.spawn_local(async move {
            delivery.deliver(parcels, deadline).await;
            drop(ending);
        });
    }

    pub(super) fn end_round(&mut self, round: &Round) {
        if let Some(spooling) = &mut self.spooling {
            let (project, done) = spooling.replay.end(round);
            if !done.is_empty() {
                self.queue.spool.worked();
            }
            spooling.spool.done(&project, done);
        }
    }

    /// Hears what was said and not listened to: spans that are on disk are not lost, and what was
    /// sent from there is not sent again.
    pub(super) fn catch_up(&mut self) {
        while let Some(event) = self.spooling.as_mut().and_then(Spooling::said) {
            match event {
                Event::News(news) => self.hear(news),
                Event::Ended(round) => self.end_round(&round),
            }
        }
    }
}
