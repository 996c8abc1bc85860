//! The files of the spool: segments of records, and beside each the offsets of those records
//! that are done with.
//!
//! Both begin with a head of 16 bytes: eight that name the kind, the format's version, and a
//! checksum. A file that begins otherwise is not touched.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::SpoolError;
use super::record::{Found, Record, read};

/// The version of what this file and `record.rs` describe.
const VERSION: u32 = 1;
/// The length of a file's head.
pub(super) const HEAD: usize = 16;
const RECORDS: &[u8; 8] = b"ROOSTSPL";
const ACKS: &[u8; 8] = b"ROOSTACK";
/// The length of an acknowledgement: an offset, and its checksum.
const ACK: usize = 8;

/// How bytes get to the disk and back; tests put in a disk that is full, or one that fails.
pub(in crate::export) trait Disk: Send {
    /// Appends all of these bytes.
    ///
    /// # Errors
    /// As of the file; part of the bytes may be written then.
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()>;

    /// Waits until what was appended is on the medium.
    ///
    /// # Errors
    /// As of the file.
    fn sync(&mut self, file: &File) -> io::Result<()>;

    /// Opens a file to read from.
    ///
    /// # Errors
    /// As of the file system.
    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }
}

/// The real disk.
#[derive(Debug)]
pub(in crate::export) struct RealDisk;

impl Disk for RealDisk {
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(file, bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

fn head(kind: &[u8; 8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let (name, rest) = head.split_at_mut(8);
    let (version, sum) = rest.split_at_mut(4);
    name.copy_from_slice(kind);
    version.copy_from_slice(&VERSION.to_le_bytes());
    sum.copy_from_slice(&crc32fast::hash(&[name, version].concat()).to_le_bytes());
    head
}

/// What comes after the head; none where the file was never finished being made.
fn body(path: &Path, kind: &[u8; 8], bytes: Bytes) -> Result<Option<Bytes>, SpoolError> {
    let head = head(kind);
    if bytes.starts_with(&head) {
        return Ok(Some(bytes.slice(HEAD..)));
    }
    let unfinished = head.starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0);
    if bytes.len() <= HEAD && unfinished {
        return Ok(None);
    }
    let path = path.to_owned();
    let version = bytes
        .strip_prefix(kind)
        .and_then(|rest| Some(u32::from_le_bytes(rest.get(..4)?.try_into().ok()?)));
    Err(match version {
        Some(version) if version != VERSION => SpoolError::Version {
            path,
            version,
            known: VERSION,
        },
        _ => SpoolError::Foreign { path },
    })
}

/// The number of the segment that a file belongs to, from the file's name.
pub(super) fn number(path: &Path) -> Option<u64> {
    let is_ours = ["log", "ack", "damaged"]
        .map(Some)
        .contains(&path.extension()?.to_str());
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.len() == 16 && stem.bytes().all(|byte| byte.is_ascii_digit());
    (is_ours && digits).then(|| stem.parse().ok())?
}

pub(super) fn log_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.log"))
}

pub(super) fn ack_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.ack"))
}

/// A segment as it was found.
pub(super) struct Content {
    /// The records that are not done with, and where each is and how long.
    pub(super) records: Vec<(Record, u32, u32)>,
    /// How many bytes it has.
    pub(super) bytes: u64,
    /// Whether something in it cannot be read that was not simply never finished.
    pub(super) is_damaged: bool,
    /// A number that none of its records has, nor had one that is done with: should its
    /// acknowledgement be lost, it must not pass for another.
    pub(super) next: u64,
    /// Where a record begins that was never finished.
    pub(super) torn_at: Option<u32>,
}

/// Reads a segment and its acknowledgements. Only the newest may end in a record that was never
/// finished, or one that is acknowledged: it was the newest when the process before ended.
pub(super) fn scan(folder: &Path, number: u64, is_newest: bool) -> Result<Content, SpoolError> {
    let path = log_path(folder, number);
    let bytes = Bytes::from(fs::read(&path).map_err(|error| SpoolError::io(&path, error))?);
    let mut content = Content {
        records: Vec::new(),
        bytes: bytes.len() as u64,
        is_damaged: false,
        next: 0,
        torn_at: None,
    };
    let Some(mut rest) = body(&path, RECORDS, bytes)? else {
        return Ok(content);
    };
    let done = acknowledged(&ack_path(folder, number))?;
    let mut offset = HEAD;
    loop {
        match read(&rest) {
            Found::Record(record, len) => {
                content.next = content.next.max(record.sequence.saturating_add(1));
                if let (Ok(at), Ok(long)) = (u32::try_from(offset), u32::try_from(len))
                    && !done.contains(&at)
                {
                    content.records.push((record, at, long));
                }
                offset += len;
                rest = rest.slice(len..);
            }
            Found::End => return Ok(content),
            found => {
                let at = u32::try_from(offset).ok();
                let is_known = at.is_some_and(|at| done.contains(&at));
                if is_newest && matches!(found, Found::Torn) {
                    content.torn_at = at;
                } else {
                    content.is_damaged = !is_known;
                }
                return Ok(content);
            }
        }
    }
}

fn acknowledged(path: &Path) -> Result<HashSet<u32>, SpoolError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(SpoolError::io(path, error)),
    };
    let Some(body) = body(path, ACKS, bytes)? else {
        return Ok(HashSet::new());
    };
    let (entries, _) = body.as_chunks::<ACK>();
    let entries = entries.iter().filter_map(|entry| {
        let (offset, sum) = entry.split_at(4);
        let is_whole = crc32fast::hash(offset).to_le_bytes() == *sum;
        is_whole.then(|| offset.try_into().ok().map(u32::from_le_bytes))?
    });
    Ok(entries.collect())
}

/// Begins a segment, and makes its name durable.
pub(super) fn create(folder: &Path, number: u64, disk: &mut dyn Disk) -> io::Result<File> {
    let path = log_path(folder, number);
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(&path)?;
    let made = disk
        .append(&mut file, &head(RECORDS))
        .and_then(|()| disk.sync(&file))
        .and_then(|()| sync_folder(folder));
    if let Err(error) = made {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(file)
}

/// Notes that the record at this offset is done with. It is not waited for: what is lost of it
/// is sent again.
pub(super) fn acknowledge(folder: &Path, number: u64, offset: u32) -> io::Result<()> {
    let path = ack_path(folder, number);
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let mut bytes = Vec::with_capacity(HEAD + ACK);
    let len = file.metadata()?.len();
    if len < HEAD as u64 {
        file.set_len(0)?;
        bytes.extend_from_slice(&head(ACKS));
    } else if !(len - HEAD as u64).is_multiple_of(ACK as u64) {
        // A crash, or a full disk, cut an entry; the next must begin where one begins.
        file.set_len(len - (len - HEAD as u64) % ACK as u64)?;
    }
    let offset = offset.to_le_bytes();
    bytes.extend_from_slice(&offset);
    bytes.extend_from_slice(&crc32fast::hash(&offset).to_le_bytes());
    io::Write::write_all(&mut file, &bytes)
}

/// The record at this place.
pub(super) fn read_at(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    offset: u32,
    len: u32,
) -> io::Result<Record> {
    let mut file = disk.open(&log_path(folder, number))?;
    file.seek(SeekFrom::Start(u64::from(offset)))?;
    let mut bytes = vec![0; len as usize];
    file.read_exact(&mut bytes)?;
    match read(&bytes.into()) {
        Found::Record(record, _) => Ok(record),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum is wrong",
        )),
    }
}

/// Ends a segment of which nothing is needed. One that is damaged is set aside: its bytes may
/// still tell somebody something.
pub(super) fn remove(folder: &Path, number: u64, is_damaged: bool) -> io::Result<()> {
    let path = log_path(folder, number);
    if is_damaged {
        fs::rename(&path, path.with_extension("damaged"))?;
    } else {
        fs::remove_file(&path)?;
    }
    match fs::remove_file(ack_path(folder, number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(fuzzing)]
#[expect(clippy::unwrap_used, reason = "that is what fuzzing finds")]
pub(super) fn fuzz_files(folder: &Path, records: &[u8], acknowledgements: &[u8]) {
    fs::write(log_path(folder, 0), [&head(RECORDS), records].concat()).unwrap();
    fs::write(
        ack_path(folder, 0),
        [&head(ACKS), acknowledgements].concat(),
    )
    .unwrap();
}
