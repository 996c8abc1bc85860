//! The files of a spool as they may be found at a start.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (&[u8], &[u8])| {
    let folder = tempfile::tempdir().unwrap();
    roost::fuzzing::spool(folder.path(), files.0, files.1);
});
