//! The log against a model of it, with crashes at every byte.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use proptest::prelude::*;

use super::SpoolError;
use super::log::{Limits, Log, Moment, Reading, Refusal};
use super::record::Record;
use super::segment::{Disk, HEAD, RealDisk};

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("roost-spool-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn copy(&self) -> Self {
        let copy = Self::new();
        for file in fs::read_dir(&self.0).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.0.join(file.file_name())).unwrap();
        }
        copy
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.0).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|found| found == extension));
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ROOMY: Limits = Limits {
    bytes: 1 << 30,
    age: 1_000,
};

fn open(folder: &Folder, limits: Limits) -> Log<RealDisk> {
    Log::open(&folder.0, limits, RealDisk, Moment::default()).unwrap()
}

/// A record whose spans say which it is.
fn record(project: &str, name: u64, size: usize) -> Record {
    let mut span = name.to_le_bytes().to_vec();
    span.resize(size.max(8), 7);
    Record {
        tenant: "acme".to_owned(),
        service: "search".to_owned(),
        project: project.to_owned(),
        resource: vec![1; 40].into(),
        spans: vec![span.into(); 2],
        ..Record::default()
    }
}

fn append<D: Disk>(log: &mut Log<D>, project: &str, name: u64) -> Option<Refusal> {
    log.append(&mut [record(project, name, 100)], Moment::default())
        .1
}

fn names<D: Disk>(log: &mut Log<D>, project: &str) -> Vec<u64> {
    let Reading { records, lost, .. } = log.read(project, u64::MAX);
    assert!(lost.is_empty(), "every record is readable");
    let name = |record: &Record| u64::from_le_bytes(record.spans[0][..8].try_into().unwrap());
    records.iter().map(name).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// Records of a project, in one call, each of this size.
    Append(u8, u8, u16),
    /// So many of the oldest of a project are sent.
    Acknowledge(u8, u8),
    Restart,
    /// The process dies while it appends: a part of a record is at the end.
    Crash(u16),
    /// The acknowledgements lose their last bytes.
    LoseAcknowledgements(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3u8, 1..4u8, 8..3_000u16).prop_map(|(p, n, size)| Step::Append(p, n, size)),
        4 => (0..3u8, 1..6u8).prop_map(|(p, n)| Step::Acknowledge(p, n)),
        1 => Just(Step::Restart),
        1 => (0..400u16).prop_map(Step::Crash),
        1 => (1..20u8).prop_map(Step::LoseAcknowledgements),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever happens, what was appended and not acknowledged is there, in order, and a small
    /// spool never has more bytes than it may. What was acknowledged may come again only where
    /// the acknowledgement was lost.
    #[test]
    fn the_log_is_a_queue_for_each_project(steps in prop::collection::vec(step(), 1..60)) {
        let limits = Limits { bytes: 64 * 1_024, age: 1_000 };
        let folder = Folder::new();
        let mut log = open(&folder, limits);
        let mut model: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut next = 0;
        let mut forgiving = false;
        for step in steps {
            match step {
                Step::Append(project, count, size) => {
                    let project = format!("p{project}");
                    let mut records: Vec<_> = (0..count)
                        .map(|n| record(&project, next + u64::from(n), size.into()))
                        .collect();
                    let (taken, refusal) = log.append(&mut records, Moment::default());
                    prop_assert_eq!(refusal.is_none(), taken == records.len());
                    prop_assert!(!matches!(refusal, Some(Refusal::Io(_))));
                    model.entry(project).or_default().extend(next..next + taken as u64);
                    next += u64::from(count);
                }
                Step::Acknowledge(project, count) => {
                    let project = format!("p{project}");
                    let records = log.read(&project, u64::MAX).records;
                    let first = records.iter().take(count.into());
                    let sequences: Vec<_> = first.map(|record| record.sequence).collect();
                    let gone = log.acknowledge(&project, &sequences);
                    prop_assert_eq!(gone.len(), sequences.len());
                    if let Some(model) = model.get_mut(&project) {
                        model.drain(..sequences.len());
                    }
                }
                Step::Restart => {
                    drop(log);
                    log = open(&folder, limits);
                }
                Step::Crash(part) => {
                    drop(log);
                    if let Some(last) = folder.files("log").last() {
                        let mut torn = Vec::new();
                        record("p0", u64::MAX, 300).append_to(&mut torn);
                        torn.truncate(usize::from(part).min(torn.len() - 1));
                        OpenOptions::new().append(true).open(last).unwrap().write_all(&torn).unwrap();
                    }
                    log = open(&folder, limits);
                }
                Step::LoseAcknowledgements(bytes) => {
                    drop(log);
                    if let Some(last) = folder.files("ack").last() {
                        let file = OpenOptions::new().write(true).open(last).unwrap();
                        let len = file.metadata().unwrap().len();
                        file.set_len(len.saturating_sub(bytes.into())).unwrap();
                        forgiving = true;
                    }
                    log = open(&folder, limits);
                }
            }
            for project in ["p0", "p1", "p2"] {
                let found = names(&mut log, project);
                let expected = model.get(project).cloned().unwrap_or_default();
                if forgiving {
                    prop_assert!(found.is_sorted(), "in order, each once");
                    prop_assert!(expected.iter().all(|name| found.contains(name)));
                } else {
                    prop_assert_eq!(&found, &expected);
                }
                model.insert(project.to_owned(), found);
            }
            forgiving = false;
            let bytes: u64 = folder.files("log").iter().map(|p| p.metadata().unwrap().len()).sum();
            // A crash adds what nobody counted.
            prop_assert!(bytes <= limits.bytes + 8 * 1_024, "{bytes} bytes");
        }
    }
}

/// However much of the last segment arrived, what is found is a beginning of what was written,
/// and all of it that is whole.
#[test]
fn a_segment_cut_at_any_byte_is_a_beginning() {
    let folder = Folder::new();
    let mut log = open(&folder, ROOMY);
    let mut ends = vec![];
    for name in 0..4 {
        assert!(append(&mut log, "p", name).is_none());
        ends.push(folder.files("log")[0].metadata().unwrap().len());
    }
    for cut in 0..=ends[3] {
        let copy = folder.copy();
        let segment = copy.files("log").remove(0);
        let file = OpenOptions::new().write(true).open(segment).unwrap();
        file.set_len(cut).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        let mut log = open(&copy, ROOMY);
        assert_eq!(
            names(&mut log, "p"),
            (0..whole).collect::<Vec<_>>(),
            "at {cut}"
        );
        // And it goes on; a cut is no damage, later either.
        assert!(append(&mut log, "p", 9).is_none());
        assert_eq!(names(&mut log, "p").last(), Some(&9));
        drop(log);
        let mut log = open(&copy, ROOMY);
        assert_eq!(names(&mut log, "p").len() as u64, whole + 1);
        let records = log.read("p", u64::MAX).records;
        let sequences: Vec<_> = records.iter().map(|record| record.sequence).collect();
        log.acknowledge("p", &sequences);
        assert_eq!(copy.files("damaged"), Vec::<PathBuf>::new(), "at {cut}");
    }
}

/// A length that changed looks like a record that was never finished; but only the newest
/// segment can end in one.
#[test]
fn a_damaged_length_is_noticed_and_set_aside() {
    let folder = Folder::new();
    for name in 0..3 {
        // Each process begins a segment.
        let mut log = open(&folder, ROOMY);
        append(&mut log, "p", 2 * name);
        append(&mut log, "p", 2 * name + 1);
    }
    let segment = folder.files("log").remove(1);
    let mut bytes = fs::read(&segment).unwrap();
    let second = HEAD + (bytes.len() - HEAD) / 2;
    bytes[second + 3] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let mut log = open(&folder, ROOMY);
    assert_eq!(names(&mut log, "p"), [0, 1, 2, 4, 5]);
    let records = log.read("p", u64::MAX).records;
    log.acknowledge("p", &[records[2].sequence]);
    assert_eq!(fs::read(&folder.files("damaged")[0]).unwrap(), bytes);
    assert_eq!(names(&mut log, "p"), [0, 1, 4, 5]);
}

/// A byte that changed costs what is from there on; the file is kept for whoever wants to look.
#[test]
fn damage_is_noticed_and_set_aside() {
    let folder = Folder::new();
    let mut log = open(&folder, ROOMY);
    for name in 0..3 {
        append(&mut log, "p", name);
    }
    drop(log);
    let segment = folder.files("log").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let third = bytes.len() / 2;
    bytes[third] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let mut log = open(&folder, ROOMY);
    assert_eq!(names(&mut log, "p"), [0]);
    let records = log.read("p", u64::MAX).records;
    log.acknowledge("p", &[records[0].sequence]);
    assert_eq!(fs::read(&folder.files("damaged")[0]).unwrap(), bytes);
    assert_eq!(folder.files("log"), Vec::<PathBuf>::new());
}

/// Files of another version or of somebody else stop the start, and stay as they are.
#[test]
fn what_is_not_known_is_refused_and_kept() {
    let newer = [
        b"ROOSTSPL".as_slice(),
        &2u32.to_le_bytes(),
        &[0; 4],
        b"later",
    ]
    .concat();
    for (content, is_version) in [(newer, true), (b"Dear diary, today".to_vec(), false)] {
        for name in ["0000000000000007.log", "0000000000000000.ack"] {
            let folder = Folder::new();
            let mut log = open(&folder, ROOMY);
            append(&mut log, "p", 0);
            drop(log);
            let content = match name.strip_suffix(".ack") {
                Some(_) if is_version => [b"ROOSTACK".as_slice(), &content[8..]].concat(),
                _ => content.clone(),
            };
            fs::write(folder.0.join(name), &content).unwrap();
            let error = Log::open(&folder.0, ROOMY, RealDisk, Moment::default());
            match error.err().unwrap() {
                SpoolError::Version { path, version, .. } if is_version => {
                    assert_eq!((path, version), (folder.0.join(name), 2));
                }
                SpoolError::Foreign { path } if !is_version => {
                    assert_eq!(path, folder.0.join(name));
                }
                other => panic!("{other}"),
            }
            assert_eq!(fs::read(folder.0.join(name)).unwrap(), content);
        }
    }
    // What is not named like a spool's is nobody's business.
    let folder = Folder::new();
    fs::write(folder.0.join("notes.log"), "mine").unwrap();
    let mut log = open(&folder, ROOMY);
    append(&mut log, "p", 0);
    assert_eq!(
        fs::read_to_string(folder.0.join("notes.log")).unwrap(),
        "mine"
    );
}

/// Two logs never share a folder.
#[test]
fn a_folder_is_one_processs() {
    let folder = Folder::new();
    let log = open(&folder, ROOMY);
    let second = Log::open(&folder.0, ROOMY, RealDisk, Moment::default());
    assert!(matches!(second.err().unwrap(), SpoolError::Locked { .. }));
    drop(log);
    open(&folder, ROOMY);
}

/// A disk that takes so many more bytes, and then a part of what it is given.
#[derive(Clone)]
struct SmallDisk {
    left: Arc<AtomicUsize>,
}

impl Disk for SmallDisk {
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        let taken = bytes.len().min(left);
        file.write_all(&bytes[..taken])?;
        self.left.store(left - taken, Ordering::SeqCst);
        if taken < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// A full disk refuses, keeps what it has, and takes again when there is room; a part of a
/// record that it took is not in the way.
#[test]
fn a_full_disk_refuses_and_recovers() {
    for left in (0..700).step_by(9) {
        let folder = Folder::new();
        let disk = SmallDisk {
            left: Arc::new(AtomicUsize::new(left)),
        };
        let now = Moment::default();
        let mut log = Log::open(&folder.0, ROOMY, disk.clone(), now).unwrap();
        let taken: Vec<_> = (0..3)
            .filter(|n| append(&mut log, "p", *n).is_none())
            .collect();
        assert!(taken.len() < 3, "the disk has {left} bytes");
        disk.left.store(10_000, Ordering::SeqCst);
        assert!(append(&mut log, "p", 9).is_none(), "{left} bytes");
        let expected = [taken, vec![9]].concat();
        assert_eq!(names(&mut log, "p"), expected);
        drop(log);
        assert_eq!(names(&mut open(&folder, ROOMY), "p"), expected);
    }
}

/// A disk of which files cannot be opened now and then.
struct BusyDisk {
    is_busy: Arc<AtomicBool>,
}

impl Disk for BusyDisk {
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        RealDisk.append(file, bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        RealDisk.sync(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        if self.is_busy.load(Ordering::SeqCst) {
            return Err(io::Error::other("too many open files"));
        }
        RealDisk.open(path)
    }
}

/// What cannot be read now is there later; what is gone is given up.
#[test]
fn a_passing_failure_costs_nothing() {
    let folder = Folder::new();
    let is_busy = Arc::new(AtomicBool::new(false));
    let disk = BusyDisk {
        is_busy: Arc::clone(&is_busy),
    };
    let mut log = Log::open(&folder.0, ROOMY, disk, Moment::default()).unwrap();
    for name in 0..3 {
        append(&mut log, "p", name);
    }
    is_busy.store(true, Ordering::SeqCst);
    let reading = log.read("p", u64::MAX);
    assert!(reading.records.is_empty() && reading.lost.is_empty());
    assert!(reading.failure.is_some());
    is_busy.store(false, Ordering::SeqCst);
    assert_eq!(names(&mut log, "p"), [0, 1, 2]);

    fs::remove_file(&folder.files("log")[0]).unwrap();
    let reading = log.read("p", u64::MAX);
    assert_eq!((reading.records.len(), reading.lost.len()), (0, 3));
    assert!(reading.failure.is_none());
}

/// What one backend does not take fills the spool, and does not keep others' room: segments of
/// which little is left are moved together, in order, also over a restart.
#[test]
fn a_backlog_does_not_keep_the_room_of_what_was_sent() {
    let folder = Folder::new();
    let limits = Limits {
        bytes: 1 << 18,
        age: 1_000,
    };
    let mut log = open(&folder, limits);
    let mut stuck = vec![];
    for name in 0..2_000 {
        let project = if name % 40 == 0 { "stuck" } else { "fine" };
        let mut records = [record(project, name, 300)];
        let (taken, refusal) = log.append(&mut records, Moment::default());
        assert_eq!(taken, 1, "{refusal:?} at {name}");
        if project == "stuck" {
            stuck.push(name);
        } else {
            assert_eq!(log.acknowledge("fine", &[records[0].sequence]).len(), 1);
        }
    }
    assert_eq!(names(&mut log, "stuck"), stuck);
    drop(log);
    let mut log = open(&folder, limits);
    assert_eq!(names(&mut log, "stuck"), stuck);
    assert_eq!(names(&mut log, "fine"), Vec::<u64>::new());
}

/// Age goes by a clock that nobody sets. One that was wrong while the process was down makes
/// records too young or too old at the start, never eternal.
#[test]
fn a_clock_that_jumps_makes_nothing_eternal() {
    let at = |wall, steady| Moment { wall, steady };
    let none = HashSet::new();
    let folder = Folder::new();
    let mut log = Log::open(&folder.0, ROOMY, RealDisk, at(50_000, 0)).unwrap();
    log.append(&mut [record("p", 1, 100)], at(50_000, 0));
    // The wall clock jumps by years, there and back, and nothing happens.
    assert_eq!(log.expire(at(900_000_000, 10), &none), []);
    assert_eq!(log.expire(at(0, 1_000), &none), []);
    let busy = HashSet::from([Arc::from("p")]);
    assert_eq!(log.expire(at(50_000, 1_001), &busy), [], "it is under way");
    drop(log);
    // Set back before the record was written: it ages from the start on.
    let mut log = Log::open(&folder.0, ROOMY, RealDisk, at(10, 0)).unwrap();
    assert_eq!(log.expire(at(10, 1_000), &none), []);
    let expired = log.expire(at(10, 1_001), &none);
    assert_eq!((&*expired[0].0, expired[0].1[0].spans), ("p", 2));
    assert!(log.spans().is_empty());
}

/// The age of what an earlier process wrote goes on.
#[test]
fn age_goes_on_over_a_restart() {
    let at = |wall| Moment { wall, steady: 0 };
    let folder = Folder::new();
    let mut log = Log::open(&folder.0, ROOMY, RealDisk, at(5_000)).unwrap();
    log.append(&mut [record("p", 1, 100)], at(5_000));
    drop(log);
    let mut log = Log::open(&folder.0, ROOMY, RealDisk, at(6_001)).unwrap();
    assert_eq!(log.expire(at(6_001), &HashSet::new()).len(), 1);
    drop(log);
    assert_eq!(folder.files("log"), Vec::<&Path>::new());
}
