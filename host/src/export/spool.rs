//! Where spans lie on disk until their backend answers.
//!
//! One thread does all that touches files, so that nobody else waits for a disk. It takes what
//! it finds in its inbox together, writes it, waits once for the medium, and tells the export
//! thread, where spans are settled. The log itself is in [`log`]; what is in the folder, and who
//! may have it, in [`segment`].

mod health;
mod log;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use super::encode::encode_attributes;
use super::origin::SchemaUrls;
use super::parcel::{Outgoing, Parcel};
use super::route::SCOPE;
use crate::config::SpoolConfig;
pub(super) use health::SpoolHealth;
pub(super) use log::{Gone, Reading, Refusal};
use log::{Limits, Log, Moment, Spans};
pub(super) use record::Record;
use segment::RealDisk;

/// How long a record grows before another is begun.
const RECORD_BYTES: usize = 256 * 1_024;
/// How often it is looked for what is too old.
const EXPIRY: Duration = Duration::from_secs(30);

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// No folder is configured.
    #[error("`on_queue_full = \"spool\"` needs a folder: set `folder` under `[telemetry.spool]`")]
    NoFolder,
    /// Another process has it.
    #[error(
        "another process uses the spool in {}: give each process a folder of its own",
        folder.display()
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Another version of Roost has written it, in a format that this one does not know.
    #[error(
        "{} is of format {version}, and this version of roost knows {known}: let the version that \
         wrote it send what is in there, or name another folder",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
        /// The format this version writes and reads.
        known: u32,
    },
    /// It is somebody else's.
    #[error(
        "{} is no file of a spool, though it is named like one: move it away, or name another \
         folder",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("the spool cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SpoolError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// What the spool's thread is asked.
enum Job {
    /// Write these down.
    Write(Vec<Parcel>),
    /// Read the oldest of this project, so many bytes.
    Read(Arc<str>, u64),
    /// The records of this project that were read are no longer under way, and these of them
    /// are sent.
    Done(Arc<str>, Vec<u64>),
}

/// What the spool's thread answers. It comes on the export thread, in the order of the jobs.
pub(super) enum News {
    /// An earlier process left these behind.
    Recovered(Spans),
    /// These are on disk.
    Written(Vec<Parcel>),
    /// These are not, and why.
    Refused(Vec<Parcel>, Refusal),
    /// The oldest of a project.
    Read(Arc<str>, Reading),
    /// These were too old.
    Expired(Vec<(Arc<str>, Vec<Gone>)>),
}

/// The handle of the spool's thread, which ends with its last handle.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    jobs: Sender<Job>,
}

impl Spool {
    /// Takes the folder over and starts the thread.
    ///
    /// It reads the whole spool before it returns, about a second a gigabyte: whoever starts
    /// must hear at once when it cannot be used.
    pub(super) fn start(
        config: &SpoolConfig,
        news: UnboundedSender<News>,
    ) -> Result<Self, SpoolError> {
        let folder = config.folder.as_ref().ok_or(SpoolError::NoFolder)?;
        let clock = Clock(Instant::now());
        let limits = Limits {
            bytes: config.max_bytes,
            age: config.max_age_seconds,
        };
        let log = Log::open(folder, limits, RealDisk, clock.now())?;
        let (jobs, inbox) = channel();
        std::thread::Builder::new()
            .name("roost-spool".to_owned())
            .spawn(move || work(log, &inbox, &news, &clock))
            .map_err(|error| SpoolError::io(folder, error))?;
        Ok(Self { jobs })
    }

    /// Has these written down; without the thread they are let go.
    pub(super) fn write(&self, parcels: Vec<Parcel>) {
        if !parcels.is_empty() {
            self.ask(Job::Write(parcels));
        }
    }

    pub(super) fn read(&self, project: &Arc<str>, bytes: u64) {
        self.ask(Job::Read(Arc::clone(project), bytes));
    }

    pub(super) fn done(&self, project: &Arc<str>, sequences: Vec<u64>) {
        self.ask(Job::Done(Arc::clone(project), sequences));
    }

    fn ask(&self, job: Job) {
        // A job that nobody does is dropped, and that settles its parcels.
        let _ = self.jobs.send(job);
    }
}

/// Tells the time as the log wants it.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Moment {
            wall: wall.map_or(0, |wall| wall.as_secs()),
            steady: self.0.elapsed().as_secs().try_into().unwrap_or(i64::MAX),
        }
    }
}

fn work(
    mut log: Log<RealDisk>,
    inbox: &Receiver<Job>,
    news: &UnboundedSender<News>,
    clock: &Clock,
) {
    let _ = news.send(News::Recovered(log.spans()));
    let mut next_expiry = Instant::now();
    let mut under_way = HashSet::new();
    loop {
        if next_expiry <= Instant::now() {
            let _ = news.send(News::Expired(log.expire(clock.now(), &under_way)));
            next_expiry = Instant::now() + EXPIRY;
        }
        let patience = next_expiry.saturating_duration_since(Instant::now());
        let first = match inbox.recv_timeout(patience) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut parcels = Vec::new();
        for job in std::iter::once(first).chain(inbox.try_iter()) {
            match job {
                Job::Write(more) => parcels.extend(more),
                other => {
                    // In the order of the jobs.
                    write(&mut log, std::mem::take(&mut parcels), news, clock.now());
                    answer(&mut log, other, &mut under_way, news);
                }
            }
        }
        write(&mut log, parcels, news, clock.now());
    }
}

fn answer(
    log: &mut Log<RealDisk>,
    job: Job,
    under_way: &mut HashSet<Arc<str>>,
    news: &UnboundedSender<News>,
) {
    match job {
        Job::Write(_) => {}
        Job::Read(project, bytes) => {
            let reading = log.read(&project, bytes);
            if !reading.records.is_empty() {
                under_way.insert(Arc::clone(&project));
            }
            let _ = news.send(News::Read(project, reading));
        }
        Job::Done(project, sequences) => {
            under_way.remove(&project);
            log.acknowledge(&project, &sequences);
        }
    }
}

fn write(log: &mut Log<RealDisk>, parcels: Vec<Parcel>, news: &UnboundedSender<News>, now: Moment) {
    if parcels.is_empty() {
        return;
    }
    let (records, owners) = gather(parcels);
    let allowed = log.allows(&records);
    let (fitting, greedy): (Vec<_>, Vec<_>) = allowed
        .into_iter()
        .zip(records.into_iter().zip(owners))
        .partition(|(allowed, _)| *allowed);
    let (mut records, mut owners): (Vec<_>, Vec<_>) =
        fitting.into_iter().map(|(_, fitting)| fitting).unzip();
    let greedy: Vec<_> = greedy.into_iter().map(|(_, (_, owners))| owners).collect();
    let (written, refusal) = log.append(&mut records, now);
    let refused = owners.split_off(written);
    let _ = news.send(News::Written(owners.into_iter().flatten().collect()));
    let share = if log.is_nearly_full() {
        Refusal::Full
    } else {
        Refusal::Share
    };
    for (refused, refusal) in [(refused, refusal.unwrap_or(Refusal::Full)), (greedy, share)] {
        if !refused.is_empty() {
            let refused = refused.into_iter().flatten().collect();
            let _ = news.send(News::Refused(refused, refusal));
        }
    }
}

/// Parcels as records, and which are in which. Those of a record have everything but their bytes
/// in common.
fn gather(parcels: Vec<Parcel>) -> (Vec<Record>, Vec<Vec<Parcel>>) {
    let mut parcels: Vec<_> = parcels.into_iter().flat_map(in_parts).collect();
    Parcel::sort(&mut parcels);
    let mut records: Vec<Record> = Vec::new();
    let mut owners: Vec<Vec<Parcel>> = Vec::new();
    // Of the last record.
    let mut bytes = 0;
    for parcel in parcels {
        let last = owners.last().and_then(|owners| owners.last());
        let fits = last.is_some_and(|last| last.is_alike(&parcel)) && bytes < RECORD_BYTES;
        if !fits {
            records.push(empty_record(&parcel.content));
            owners.push(Vec::new());
            bytes = 0;
        }
        let spans = &parcel.content.spans;
        bytes += spans.bytes();
        if let (Some(record), Some(owners)) = (records.last_mut(), owners.last_mut()) {
            let spans = spans.iter().map(Bytes::copy_from_slice);
            record.spans.extend(spans);
            owners.push(parcel);
        }
    }
    (records, owners)
}

/// A parcel in parts of which none is larger than a record, unless a single span is.
fn in_parts(parcel: Parcel) -> impl Iterator<Item = Parcel> {
    let mut rest = Some(parcel);
    std::iter::from_fn(move || {
        let mut part = rest.take()?;
        let most = part.content.spans.within(RECORD_BYTES).max(1);
        if most < part.len() {
            rest = Some(part.split_off(most));
        }
        Some(part)
    })
}

fn empty_record(content: &Outgoing) -> Record {
    let project = &content.project;
    let attributes = project.resource();
    let own = encode_attributes(1, &attributes);
    let (resource, scope, urls) = match &content.origin {
        Some(origin) => (
            origin.resource_under(&attributes, &own),
            origin.scope().clone(),
            origin.schema_urls().clone(),
        ),
        None => (own, SCOPE.clone(), SchemaUrls::default()),
    };
    Record {
        tenant: project.tenant_id().to_owned(),
        service: project.service().to_owned(),
        project: project.name().to_owned(),
        session: content.session.as_deref().map(str::to_owned),
        resource: resource.into(),
        scope,
        resource_schema_url: urls.resource,
        scope_schema_url: urls.spans,
        ..Record::default()
    }
}

/// Takes a folder over that has these bytes in its only segment and its acknowledgements.
#[cfg(fuzzing)]
#[expect(clippy::expect_used, reason = "that is what fuzzing finds")]
pub(crate) fn fuzz_spool(folder: &Path, records: &[u8], acknowledgements: &[u8]) {
    segment::fuzz_files(folder, records, acknowledgements);
    let limits = Limits {
        bytes: 1 << 20,
        age: 1_000,
    };
    let open = || Log::open(folder, limits, RealDisk, Moment::default());
    let mut log = open().expect("its head is right");
    let count = |log: &Log<RealDisk>| log.spans().iter().map(|(_, spans)| spans).sum::<u64>();
    let before = count(&log);
    let mut record = Record {
        project: "fuzz".to_owned(),
        spans: vec![bytes::Bytes::from_static(b"span")],
        ..Record::default()
    };
    let (written, refusal) = log.append(std::slice::from_mut(&mut record), Moment::default());
    assert_eq!(written, 1, "{refusal:?}");
    drop(log);
    let log = open().expect("what it wrote it reads");
    assert_eq!(count(&log), before + 1);
}
