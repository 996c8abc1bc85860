//! Sending again what lies on disk.
//!
//! A project of which spans are on disk has a *backlog*: newer spans of it queue up behind, on
//! disk too, so that they are sent in order and a backend that is away costs no memory. One
//! round of a project is under way at a time: its oldest records are read, sent, and
//! acknowledged when each of their spans is settled. After a round that sent nothing the project
//! waits, longer each time, and others go first.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::origin::{Origin, SchemaUrls};
use super::parcel::{Outgoing, Parcel, Seat};
use super::project::Project;
use super::queue::Queue;
use super::spool::{Gone, Record};

/// How many projects are sent from disk at a time.
const ROUNDS_AT_A_TIME: usize = 4;
/// The pause after the first round in vain, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What is known of the spans on disk.
#[derive(Debug, Default)]
pub(super) struct Replay {
    backlogs: HashMap<Arc<str>, Backlog>,
    rounds: usize,
}

#[derive(Debug)]
struct Backlog {
    is_under_way: bool,
    failures: u32,
    due: Instant,
    /// As which its spans are sent.
    project: Option<Arc<Project>>,
    /// Of records of which some spans are settled, which.
    settled: HashMap<u64, HashSet<usize>>,
}

/// Records on their way.
#[derive(Debug)]
pub(super) struct Round {
    project: Arc<str>,
    /// Of each record its number, how many spans it has, and which of them are settled.
    records: Mutex<Vec<(u64, usize, HashSet<usize>)>>,
}

impl Round {
    pub(super) fn settled(&self, record: usize, spans: Range<usize>) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, settled)) = records.get_mut(record) {
            settled.extend(spans);
        }
    }
}

impl Replay {
    /// Spans of this project are on disk.
    pub(super) fn add(&mut self, project: &str) {
        if !self.backlogs.contains_key(project) {
            let backlog = Backlog {
                is_under_way: false,
                failures: 0,
                due: Instant::now(),
                project: None,
                settled: HashMap::new(),
            };
            self.backlogs.insert(project.into(), backlog);
        }
    }

    /// Whether spans of this project have to go behind others on disk.
    pub(super) fn is_behind(&self, project: &Project) -> bool {
        !self.backlogs.is_empty() && self.backlogs.contains_key(project.name())
    }

    /// The next project to send from, if it is time for one; and it is under way from now on.
    /// Those that are not known to fail go first.
    pub(super) fn next(&mut self, now: Instant) -> Option<Arc<str>> {
        if self.rounds >= ROUNDS_AT_A_TIME {
            return None;
        }
        let (name, backlog) = self
            .backlogs
            .iter_mut()
            .filter(|(_, backlog)| !backlog.is_under_way && backlog.due <= now)
            .min_by_key(|(_, backlog)| (backlog.failures, backlog.due))?;
        backlog.is_under_way = true;
        self.rounds += 1;
        Some(Arc::clone(name))
    }

    /// How many rounds of a project were in vain since the last that was not.
    pub(super) fn failures(&self, project: &str) -> u32 {
        self.backlogs
            .get(project)
            .map_or(0, |backlog| backlog.failures)
    }

    /// When there will be a next one.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.rounds >= ROUNDS_AT_A_TIME {
            return None;
        }
        let idle = self
            .backlogs
            .values()
            .filter(|backlog| !backlog.is_under_way);
        idle.map(|backlog| backlog.due).min()
    }

    /// The records of a project as parcels, without the spans that are settled already. None when
    /// there are no records left: the project has no backlog any more.
    pub(super) fn begin(
        &mut self,
        name: &Arc<str>,
        records: Vec<Record>,
        queue: &Arc<Queue>,
    ) -> Option<(Arc<Round>, Vec<Parcel>)> {
        if records.is_empty() {
            self.backlogs.remove(name);
            self.rounds = self.rounds.saturating_sub(1);
            return None;
        }
        let backlog = self.backlogs.get_mut(name)?;
        let round = Arc::new(Round {
            project: Arc::clone(name),
            records: Mutex::new(
                records
                    .iter()
                    .map(|record| {
                        let settled = backlog.settled.get(&record.sequence);
                        let settled = settled.cloned().unwrap_or_default();
                        (record.sequence, record.spans.len(), settled)
                    })
                    .collect(),
            ),
        });
        let mut parcels = Vec::new();
        let mut origins: Vec<Arc<Origin>> = Vec::new();
        for (place, record) in records.into_iter().enumerate() {
            let project = backlog.project_of(&record, queue);
            // Equal ones are one, so that their spans share a group in the request.
            let urls = SchemaUrls {
                resource: record.resource_schema_url,
                spans: record.scope_schema_url,
            };
            let origin = Origin::with_schema_urls(record.resource, record.scope, urls);
            let origin = match origins.iter().find(|known| ***known == origin) {
                Some(known) => Arc::clone(known),
                None => {
                    origins.push(Arc::new(origin));
                    origins.last().map(Arc::clone)?
                }
            };
            let session: Option<Arc<str>> = record.session.map(Into::into);
            let settled = backlog.settled.get(&record.sequence);
            let is_settled = |index: &usize| settled.is_some_and(|of| of.contains(index));
            let spans: Vec<_> = record.spans.into_iter().enumerate().collect();
            for spans in spans.chunk_by(|(a, _), (b, _)| is_settled(a) == is_settled(b)) {
                let Some((first, _)) = spans.first().filter(|(index, _)| !is_settled(index)) else {
                    continue;
                };
                let content = Outgoing {
                    project: Arc::clone(&project),
                    session: session.clone(),
                    origin: Some(Arc::clone(&origin)),
                    spans: spans.iter().map(|(_, span)| span).collect(),
                    ticket: None,
                    epoch: 0,
                };
                let seat = Seat::Disk(Arc::clone(&round), place, *first);
                parcels.push(Parcel::new(content, seat, queue));
            }
        }
        Some((round, parcels))
    }

    /// The records of a project could not be read: they are tried again later.
    pub(super) fn put_off(&mut self, project: &str) {
        self.rounds = self.rounds.saturating_sub(1);
        if let Some(backlog) = self.backlogs.get_mut(project) {
            backlog.rest(false);
        }
    }

    /// These records of a project are gone. How many spans that costs: those that are settled
    /// already are not lost.
    pub(super) fn forget(&mut self, project: &str, records: &[Gone]) -> u64 {
        let mut backlog = self.backlogs.get_mut(project);
        let spans = records.iter().map(|gone| {
            let settled = backlog
                .as_mut()
                .and_then(|b| b.settled.remove(&gone.sequence));
            gone.spans
                .saturating_sub(settled.map_or(0, |settled| settled.len() as u64))
        });
        spans.sum()
    }

    /// A round is over: which records of which project are done with.
    pub(super) fn end(&mut self, round: &Round) -> (Arc<str>, Vec<u64>) {
        self.rounds = self.rounds.saturating_sub(1);
        let mut done = Vec::new();
        let Some(backlog) = self.backlogs.get_mut(&round.project) else {
            return (Arc::clone(&round.project), done);
        };
        let mut records = round.records.lock().unwrap_or_else(PoisonError::into_inner);
        let total = records.len();
        for (sequence, spans, settled) in records.drain(..) {
            if settled.len() == spans {
                backlog.settled.remove(&sequence);
                done.push(sequence);
            } else if !settled.is_empty() {
                backlog.settled.insert(sequence, settled);
            }
        }
        backlog.rest(done.len() == total);
        (Arc::clone(&round.project), done)
    }
}

impl Backlog {
    /// A round is over; after one in vain it is a while until the next.
    fn rest(&mut self, is_sent: bool) {
        self.is_under_way = false;
        self.due = Instant::now();
        if is_sent {
            self.failures = 0;
        } else {
            let longest = PAUSES
                .0
                .saturating_mul(1 << self.failures.min(16))
                .min(PAUSES.1);
            self.failures += 1;
            self.due += longest.mul_f64(rand::rng().random_range(0.5..1.0));
        }
    }

    fn project_of(&mut self, record: &Record, queue: &Arc<Queue>) -> Arc<Project> {
        if let Some(project) = &self.project
            && (project.tenant_id(), project.service()) == (&record.tenant, &record.service)
        {
            return Arc::clone(project);
        }
        let (tenant, service) = (record.tenant.as_str(), record.service.as_str());
        let project = Arc::new(Project::new(tenant, service, record.project.as_str()));
        queue.ledger.account(&project);
        Arc::clone(self.project.insert(project))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What could not be read now has its turn again, later, and newer spans stay behind it.
    #[test]
    fn a_backlog_that_cannot_be_read_is_put_off() {
        let project = Project::new("acme", "search", "acme-search");
        let mut replay = Replay::default();
        replay.add(project.name());
        for failures in 0..8 {
            assert_eq!(replay.failures(project.name()), failures);
            let due = replay.due().unwrap();
            let name = replay.next(due).unwrap();
            assert!(replay.next(due).is_none(), "one round at a time");
            let before = Instant::now();
            replay.put_off(&name);
            assert!(replay.due().unwrap() >= before + PAUSES.0 / 2);
            assert!(replay.is_behind(&project));
        }
    }
}
