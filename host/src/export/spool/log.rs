//! The log: what is appended, what is read again in order, and what is done with.
//!
//! Records go to the end of the newest segment. For each project the log remembers where its
//! records are, 40 bytes each, so that a backend that is away delays its own projects only. A
//! segment is removed when all its records are done with; when room is short, those of the
//! emptiest segment are moved to the end first. A record keeps its number then, and the numbers
//! are the order.

mod room;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SpoolError;
use super::record::Record;
use super::segment::{self, Disk};

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
    /// When it was written, by the steady clock.
    born: i64,
}

/// Why a record was not appended.
#[derive(Debug, thiserror::Error)]
pub(in crate::export) enum Refusal {
    #[error("it has its `max_bytes`")]
    Full,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl<D: Disk> Log<D> {
    /// Takes a folder over, making it where it is not there, and reads what is in it.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing in the folder is changed then.
    pub(in crate::export) fn open(
        folder: &Path,
        limits: Limits,
        disk: D,
        now: Moment,
    ) -> Result<Self, SpoolError> {
        let failed = |error| SpoolError::io(folder, error);
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(folder)?;
        let mut numbers = Vec::new();
        let mut next_segment = 0;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let Some(number) = segment::number(&path) {
                // No number is used twice: what another file of it says is about another time.
                next_segment = next_segment.max(number + 1);
                if segment::log_path(folder, number) == path {
                    numbers.push(number);
                }
            }
        }
        let mut log = Self {
            folder: folder.to_owned(),
            disk,
            limits,
            segments: BTreeMap::new(),
            newest: None,
            backlogs: HashMap::new(),
            next: 0,
            next_segment,
            _lock: lock,
        };
        let newest = numbers.iter().max().copied();
        let mut torn = None;
        for number in numbers {
            let content = segment::scan(folder, number, Some(number) == newest)?;
            torn = torn.or(content.torn_at.map(|at| (number, at)));
            log.take_over(number, content, now);
        }
        // It will not be the newest next time, and is no damage then.
        if let Some((number, at)) = torn
            && let Err(error) = segment::acknowledge(folder, number, at)
        {
            tracing::warn!("the spool cannot note where it was cut off: {error}");
        }
        for backlog in log.backlogs.values_mut() {
            backlog
                .make_contiguous()
                .sort_by_key(|entry| entry.sequence);
        }
        log.drop_moved_twice();
        log.sweep();
        Ok(log)
    }

    fn take_over(&mut self, number: u64, content: segment::Content, now: Moment) {
        if content.is_damaged {
            tracing::warn!(
                segment = %segment::log_path(&self.folder, number).display(),
                "a part of the spool cannot be read; what is before it is sent, the file is kept"
            );
        }
        let mut segment = Segment {
            bytes: content.bytes,
            live_bytes: 0,
            live: 0,
            is_damaged: content.is_damaged,
        };
        self.next = self.next.max(content.next);
        for (record, offset, len) in content.records {
            segment.live += 1;
            segment.live_bytes += u64::from(len);
            // A clock that was set back makes it young, not eternal: it ages from now on.
            let age = now.wall.saturating_sub(record.written_at);
            let entry = Entry {
                sequence: record.sequence,
                segment: number,
                offset,
                len,
                spans: record.spans.len().try_into().unwrap_or(u32::MAX),
                born: now.steady.saturating_sub_unsigned(age),
            };
            self.backlogs
                .entry(record.project.into())
                .or_default()
                .push_back(entry);
        }
        self.segments.insert(number, segment);
    }

    /// A crash between moving a record and removing its old segment leaves two of it.
    fn drop_moved_twice(&mut self) {
        for backlog in self.backlogs.values_mut() {
            let mut last = None;
            let segments = &mut self.segments;
            backlog.retain(|entry| {
                let again = last.replace(entry.sequence) == Some(entry.sequence);
                if again {
                    forget(segments, entry);
                }
                !again
            });
        }
    }

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
        let last = forget(&mut self.segments, entry);
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

/// Takes a record off its segment's count. Whether it was the last.
fn forget(segments: &mut BTreeMap<u64, Segment>, entry: &Entry) -> bool {
    segments.get_mut(&entry.segment).is_none_or(|segment| {
        segment.live -= 1;
        segment.live_bytes -= u64::from(entry.len);
        segment.live == 0
    })
}

fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| SpoolError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::Locked {
            folder: folder.to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(SpoolError::io(&path, error)),
    }
}
