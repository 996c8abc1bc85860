//! Files as a crash, a bad disk or another process leaves them.

use super::*;

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
