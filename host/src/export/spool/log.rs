//! The log: what is appended, what is read again in order, and what is done with.
//!
//! Records go to the end of the newest segment. For each project the log remembers where its
//! records are, some 56 bytes each, so that a backend that is away delays its own projects only. A
//! segment is removed when all its records are done with; when room is short, those of the
//! emptiest segment are moved to the end first. A record keeps its number then, and the numbers
//! are the order.

mod open;
mod room;
mod share;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::record::Record;
use super::segment::{self, Disk};
use share::Shares;

/// What the log keeps to.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Limits {
    /// The most bytes of all files.
    pub(in crate::export) bytes: u64,
    /// How old a record grows, in seconds.
    pub(in crate::export) age: u64,
}

/// A moment, twice: a clock that may be set, and one that only goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::export) struct Moment {
    /// Seconds since the Unix epoch.
    pub(in crate::export) wall: u64,
    /// Seconds since some moment of this process.
    pub(in crate::export) steady: i64,
}

/// The spans of a project that are in the log, or were.
pub(in crate::export) type Spans = Vec<(Arc<str>, u64)>;

/// A record that is no longer in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) struct Gone {
    pub(in crate::export) sequence: u64,
    pub(in crate::export) spans: u64,
}

/// What was read of a project.
#[derive(Debug, Default)]
pub(in crate::export) struct Reading {
    /// The oldest records. None, and no failure, when there is nothing more.
    pub(in crate::export) records: Vec<Record>,
    /// Those that are damaged or not there, and done with so.
    pub(in crate::export) lost: Vec<Gone>,
    /// Why there are not more, where that may pass: the others are there still.
    pub(in crate::export) failure: Option<io::Error>,
}

/// Records on disk. One process at a time has it.
pub(in crate::export) struct Log<D> {
    folder: PathBuf,
    disk: D,
    limits: Limits,
    segments: BTreeMap<u64, Segment>,
    shares: Shares,
    /// The newest segment, while it can be appended to.
    newest: Option<(u64, File)>,
    backlogs: HashMap<Arc<str>, VecDeque<Entry>>,
    next: u64,
    next_segment: u64,
    /// Held for as long as the log is.
    _lock: File,
}

struct Segment {
    bytes: u64,
    live_bytes: u64,
    live: usize,
    is_damaged: bool,
}

struct Entry {
    sequence: u64,
    segment: u64,
    offset: u32,
    len: u32,
    spans: u32,
    tenant: Arc<str>,
    /// When it was written, by the steady clock.
    born: i64,
}

/// Why a record was not appended.
#[derive(Debug, thiserror::Error)]
pub(in crate::export) enum Refusal {
    #[error("it has its `max_bytes`; raise it, or mend the backend")]
    Full,
    #[error("the tenant has its share of `max_bytes`; raise it, or mend the backend")]
    Share,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl<D: Disk> Log<D> {
    /// How many spans there are of each project.
    pub(in crate::export) fn spans(&self) -> Spans {
        let backlogs = self.backlogs.iter();
        backlogs
            .map(|(project, backlog)| {
                let spans = backlog.iter().map(|entry| u64::from(entry.spans)).sum();
                (Arc::clone(project), spans)
            })
            .collect()
    }

    /// Appends records, as many of them from the first on as there is room for, and waits until
    /// they are on the medium. How many that are, and why not more.
    pub(in crate::export) fn append(
        &mut self,
        records: &mut [Record],
        now: Moment,
    ) -> (usize, Option<Refusal>) {
        let mut bytes = Vec::new();
        let mut entries = Vec::new();
        let mut refusal = None;
        for record in &mut *records {
            record.sequence = self.next + entries.len() as u64;
            record.written_at = now.wall;
            let len = record.len();
            if !self.make_room((bytes.len() + len) as u64) {
                refusal = Some(Refusal::Full);
                break;
            }
            let at = bytes.len();
            record.append_to(&mut bytes);
            entries.push((at, len, record.spans.len()));
        }
        if entries.is_empty() {
            return (0, refusal);
        }
        match self.write(&bytes) {
            Ok((segment, start)) => {
                let count = entries.len();
                for (record, (at, len, spans)) in records.iter().zip(entries) {
                    let entry = Entry {
                        sequence: record.sequence,
                        segment,
                        offset: start.saturating_add(at.try_into().unwrap_or(u32::MAX)),
                        len: len.try_into().unwrap_or(u32::MAX),
                        spans: spans.try_into().unwrap_or(u32::MAX),
                        tenant: self.shares.add(&record.tenant, len as u64),
                        born: now.steady,
                    };
                    self.remember(&record.project, entry);
                }
                (count, refusal)
            }
            Err(error) => (0, Some(error.into())),
        }
    }

    fn remember(&mut self, project: &str, entry: Entry) {
        if let Some(segment) = self.segments.get_mut(&entry.segment) {
            segment.live += 1;
            segment.live_bytes += u64::from(entry.len);
        }
        self.next = self.next.max(entry.sequence + 1);
        match self.backlogs.get_mut(project) {
            Some(backlog) => backlog.push_back(entry),
            None => {
                self.backlogs.insert(project.into(), [entry].into());
            }
        }
    }

    /// Puts bytes at the end, durably. Where they are: the segment, and the offset in it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<(u64, u32)> {
        let (number, mut file) = match self.newest.take() {
            Some(newest) if self.len(newest.0) < self.segment_bytes() => newest,
            _ => {
                let number = self.next_segment;
                self.next_segment += 1;
                let file = segment::create(&self.folder, number, &mut self.disk)?;
                let segment = Segment {
                    bytes: segment::HEAD as u64,
                    live_bytes: 0,
                    live: 0,
                    is_damaged: false,
                };
                self.segments.insert(number, segment);
                (number, file)
            }
        };
        let start = self.len(number);
        let written = self
            .disk
            .append(&mut file, bytes)
            .and_then(|()| self.disk.sync(&file));
        match written {
            Ok(()) => {
                if let Some(segment) = self.segments.get_mut(&number) {
                    segment.bytes += bytes.len() as u64;
                }
                self.newest = Some((number, file));
                Ok((number, start.try_into().unwrap_or(u32::MAX)))
            }
            // Nobody knows what the medium has of them: they are cut off as far as that works,
            // and nothing is appended after them.
            Err(error) => {
                let _ = file.set_len(start).and_then(|()| file.sync_data());
                drop(file);
                self.sweep();
                Err(error)
            }
        }
    }

    fn len(&self, segment: u64) -> u64 {
        self.segments
            .get(&segment)
            .map_or(0, |segment| segment.bytes)
    }

    /// The oldest records of a project, of so many bytes together, or the first whatever its
    /// length.
    pub(in crate::export) fn read(&mut self, project: &str, most: u64) -> Reading {
        let mut reading = Reading::default();
        let mut unreadable = Vec::new();
        let mut bytes = 0;
        for entry in self.backlogs.get(project).into_iter().flatten() {
            bytes += u64::from(entry.len);
            if !reading.records.is_empty() && bytes > most {
                break;
            }
            let (disk, folder) = (&self.disk, &self.folder);
            match segment::read_at(disk, folder, entry.segment, entry.offset, entry.len) {
                Ok(record) => reading.records.push(record),
                Err(error) if is_loss(&error) => {
                    tracing::error!(project, "a record of the spool cannot be read: {error}");
                    unreadable.push(entry.sequence);
                }
                Err(error) => {
                    tracing::warn!(project, "the spool cannot be read now: {error}");
                    reading.failure = Some(error);
                    break;
                }
            }
        }
        reading.lost = self.acknowledge(project, &unreadable);
        reading
    }

    /// These records of a project are done with.
    pub(in crate::export) fn acknowledge(&mut self, project: &str, sequences: &[u64]) -> Vec<Gone> {
        let mut gone = Vec::new();
        for sequence in sequences {
            let Some(backlog) = self.backlogs.get_mut(project) else {
                break;
            };
            let place = backlog.binary_search_by_key(sequence, |entry| entry.sequence);
            if let Some(entry) = place.ok().and_then(|place| backlog.remove(place)) {
                gone.push(Gone {
                    sequence: entry.sequence,
                    spans: entry.spans.into(),
                });
                self.done(&entry);
            }
        }
        if self.backlogs.get(project).is_some_and(VecDeque::is_empty) {
            self.backlogs.remove(project);
        }
        self.sweep();
        gone
    }

    /// Gives up what is too old, but of projects whose records are under way.
    pub(in crate::export) fn expire(
        &mut self,
        now: Moment,
        under_way: &HashSet<Arc<str>>,
    ) -> Vec<(Arc<str>, Vec<Gone>)> {
        let oldest = now.steady.saturating_sub_unsigned(self.limits.age);
        let mut expired = Vec::new();
        let idle = self.backlogs.iter();
        for (project, backlog) in idle.filter(|(project, _)| !under_way.contains(*project)) {
            let old = backlog.iter().take_while(|entry| entry.born < oldest);
            let sequences: Vec<_> = old.map(|entry| entry.sequence).collect();
            if !sequences.is_empty() {
                expired.push((Arc::clone(project), sequences));
            }
        }
        expired
            .into_iter()
            .map(|(project, sequences)| {
                let gone = self.acknowledge(&project, &sequences);
                (project, gone)
            })
            .collect()
    }

    fn done(&mut self, entry: &Entry) {
        let last = forget(&mut self.segments, &mut self.shares, entry);
        // The segment goes with its last record, so that one need not be noted.
        if !last && let Err(error) = segment::acknowledge(&self.folder, entry.segment, entry.offset)
        {
            tracing::warn!("the spool cannot note what was sent; it may be sent again: {error}");
        }
    }
}

/// Whether what could not be read is gone, and not only out of reach, as when the process has too
/// many open files.
fn is_loss(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
}

/// Takes a record off its segment's count, and its tenant's. Whether it was the segment's last.
fn forget(segments: &mut BTreeMap<u64, Segment>, shares: &mut Shares, entry: &Entry) -> bool {
    shares.remove(&entry.tenant, entry.len.into());
    segments.get_mut(&entry.segment).is_none_or(|segment| {
        segment.live -= 1;
        segment.live_bytes -= u64::from(entry.len);
        segment.live == 0
    })
}
