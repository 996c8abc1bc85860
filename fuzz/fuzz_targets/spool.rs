//! The files of a spool as they may be found at a start: records and acknowledgements, some with
//! the checksum that makes them whole, some as a crash left them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (Vec<(bool, &[u8])>, Vec<(bool, u32)>)| {
    let (records, acknowledgements) = files;
    let mut log = Vec::new();
    for (is_whole, body) in records {
        if is_whole {
            log.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
            log.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        }
        log.extend_from_slice(body);
    }
    let mut done = Vec::new();
    for (is_whole, offset) in acknowledgements {
        let offset = offset.to_le_bytes();
        done.extend_from_slice(&offset);
        if is_whole {
            done.extend_from_slice(&crc32fast::hash(&offset).to_le_bytes());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    roost::fuzzing::spool(folder.path(), &log, &done);
});
