//! What fuzz targets call: readers of what comes from outside, without what stands around them.
//! Only there in a build for fuzzing.

/// An export request, as protobuf or as JSON: each span that the gateway lets through can be
/// decoded.
#[cfg(feature = "serve")]
pub fn otlp(body: &[u8]) {
    crate::serve::fuzz_request(body, crate::export::fuzz_span);
}

/// The files of a spool in an empty folder, as a crash, another process or a bad disk may leave them: what is there
/// is taken over or refused, and what is taken over goes on working.
pub fn spool(folder: &std::path::Path, records: &[u8], acknowledgements: &[u8]) {
    crate::export::fuzz_spool(folder, records, acknowledgements);
}
