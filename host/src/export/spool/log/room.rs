//! Keeping the spool within its bytes.

use std::collections::HashMap;
use std::io;

use super::super::segment::{self, Disk};
use super::Log;

/// How many segments the spool's bytes are divided into.
const SEGMENTS: u64 = 16;
/// The bounds of a segment's length.
const SEGMENT_BYTES: (u64, u64) = (16 * 1_024, 64 * 1_024 * 1_024);
/// How much of a segment must be done with for the rest to be moved.
const WORTH_MOVING: u64 = 2;

impl<D: Disk> Log<D> {
    /// How long a segment grows.
    pub(super) fn segment_bytes(&self) -> u64 {
        (self.limits.bytes / SEGMENTS).clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1)
    }

    /// Whether so much more may be written, after moving what stands in the way of removing
    /// segments. That begins while there is still room for what is moved.
    pub(super) fn make_room(&mut self, more: u64) -> bool {
        loop {
            let used: u64 = self.segments.values().map(|segment| segment.bytes).sum();
            let free = self.limits.bytes.saturating_sub(used);
            let needed = more + segment::HEAD as u64;
            if needed + self.segment_bytes() <= free {
                return true;
            }
            let newest = self.newest.as_ref().map(|(number, _)| *number);
            let emptiest = self
                .segments
                .iter()
                .filter(|(number, _)| Some(**number) != newest)
                .min_by_key(|(_, segment)| segment.live_bytes)
                .filter(|(_, segment)| segment.live_bytes * WORTH_MOVING < segment.bytes)
                // The copy needs room while the segment is still there.
                .filter(|(_, segment)| segment.live_bytes + segment::HEAD as u64 <= free)
                .map(|(number, _)| *number);
            match emptiest.map(|number| self.move_live(number)) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!("the spool cannot be tidied: {error}");
                    return needed <= free;
                }
                None => return needed <= free,
            }
        }
    }

    /// Moves what is live of a segment to the end, and removes it.
    fn move_live(&mut self, number: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut places = HashMap::new();
        for entry in self.backlogs.values().flatten() {
            if entry.segment == number {
                let (disk, folder) = (&self.disk, &self.folder);
                let record = segment::read_at(disk, folder, number, entry.offset, entry.len)?;
                places.insert(entry.sequence, bytes.len());
                record.append_to(&mut bytes);
            }
        }
        let (segment, start) = self.write(&bytes)?;
        for entry in self.backlogs.values_mut().flatten() {
            if let Some(at) = places
                .get(&entry.sequence)
                .filter(|_| entry.segment == number)
            {
                entry.segment = segment;
                entry.offset = start.saturating_add((*at).try_into().unwrap_or(u32::MAX));
                if let Some(segment) = self.segments.get_mut(&segment) {
                    segment.live += 1;
                    segment.live_bytes += u64::from(entry.len);
                }
            }
        }
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.live = 0;
            segment.live_bytes = 0;
        }
        self.sweep();
        Ok(())
    }

    /// Removes segments of which nothing is needed.
    pub(super) fn sweep(&mut self) {
        let folder = &self.folder;
        self.segments.retain(|number, segment| {
            if segment.live > 0 {
                return true;
            }
            self.newest.take_if(|(newest, _)| newest == number);
            if let Err(error) = segment::remove(folder, *number, segment.is_damaged) {
                tracing::warn!("a file of the spool cannot be removed: {error}");
            }
            false
        });
    }
}
