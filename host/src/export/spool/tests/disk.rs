//! A disk that is full or busy, room that is made, and time that goes by.

use super::*;

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
