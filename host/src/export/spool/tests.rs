//! The log against a model of it, with crashes at every byte.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod damage;
mod disk;

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
