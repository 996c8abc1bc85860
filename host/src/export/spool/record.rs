//! What a record of the spool holds: spans, and all that is needed to send them later, by
//! another process.
//!
//! A record is its length, a checksum, and a protobuf message, so that fields can be added.

use bytes::Bytes;
use prost::Message;

/// The bytes before a message: its length and its checksum, both little-endian `u32`.
pub(super) const HEAD: usize = 8;

/// Spans of one project, session, resource and scope.
#[derive(Clone, PartialEq, Message)]
pub(in crate::export) struct Record {
    /// Its place in the order of all records.
    #[prost(uint64, tag = "1")]
    pub(in crate::export) sequence: u64,
    /// Seconds since the Unix epoch.
    #[prost(uint64, tag = "2")]
    pub(in crate::export) written_at: u64,
    #[prost(string, tag = "3")]
    pub(in crate::export) tenant: String,
    #[prost(string, tag = "4")]
    pub(in crate::export) service: String,
    /// The project's name.
    #[prost(string, tag = "5")]
    pub(in crate::export) project: String,
    #[prost(string, optional, tag = "6")]
    pub(in crate::export) session: Option<String>,
    /// An OTLP `Resource` message.
    #[prost(bytes = "bytes", tag = "7")]
    pub(in crate::export) resource: Bytes,
    /// An OTLP `InstrumentationScope` message.
    #[prost(bytes = "bytes", tag = "8")]
    pub(in crate::export) scope: Bytes,
    /// OTLP `Span` messages.
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub(in crate::export) spans: Vec<Bytes>,
    /// The `schemaUrl` of a `ResourceSpans`.
    #[prost(string, tag = "10")]
    pub(in crate::export) resource_schema_url: String,
    /// The `schemaUrl` of a `ScopeSpans`.
    #[prost(string, tag = "11")]
    pub(in crate::export) scope_schema_url: String,
}

impl Record {
    /// How long it is in the log.
    pub(super) fn len(&self) -> usize {
        HEAD + self.encoded_len()
    }

    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        let body = self.encode_to_vec();
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
    }
}

/// What lies at a place in a segment.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, on the stack"
)]
pub(super) enum Found {
    /// A record, and how long it is.
    Record(Record, usize),
    /// The segment's end.
    End,
    /// The beginning of a record that was never finished, and nothing after it.
    Torn,
    /// Bytes that were a record once, or never.
    Damage,
}

/// Reads the record at the beginning of these bytes, which reach to the segment's end.
pub(super) fn read(bytes: &Bytes) -> Found {
    if bytes.is_empty() {
        return Found::End;
    }
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let (Some(len), Some(sum)) = (number(0), number(4)) else {
        return Found::Torn;
    };
    let end = HEAD.saturating_add(len as usize);
    if end > bytes.len() {
        return Found::Torn;
    }
    let body = bytes.slice(HEAD..end);
    let is_whole = len > 0 && crc32fast::hash(&body) == sum;
    match Record::decode(body) {
        Ok(record) if is_whole => Found::Record(record, end),
        // The file system may have made the file longer before its bytes arrived.
        _ if end == bytes.len() || bytes.iter().all(|byte| *byte == 0) => Found::Torn,
        _ => Found::Damage,
    }
}
