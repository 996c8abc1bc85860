//! Taking a folder over, with what an earlier process left in it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;

use super::super::SpoolError;
use super::super::segment::{self, Disk};
use super::share::Shares;
use super::{Entry, Limits, Log, Moment, Segment, forget};

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
            shares: Shares::default(),
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
                tenant: self.shares.add(&record.tenant, len.into()),
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
            let (segments, shares) = (&mut self.segments, &mut self.shares);
            backlog.retain(|entry| {
                let again = last.replace(entry.sequence) == Some(entry.sequence);
                if again {
                    forget(segments, shares, entry);
                }
                !again
            });
        }
    }
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
