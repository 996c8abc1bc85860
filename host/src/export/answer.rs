//! The messages of an answer to an export request, which the pipeline reads and the gateway writes.

use std::time::Duration;

use prost::Message;

const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// OTLP's answer where the request was taken.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportTraceServiceResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) partial_success: Option<ExportTracePartialSuccess>,
}

/// What of it was not taken.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportTracePartialSuccess {
    #[prost(int64, tag = "1")]
    pub(crate) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(crate) error_message: String,
}

/// `google.rpc.Status`: why it was not.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl RpcStatus {
    /// A status; with a delay, it asks to be left alone for so long.
    #[cfg(feature = "serve")]
    pub(crate) fn new(code: i32, message: String, retry_after: Option<Duration>) -> Self {
        let details = retry_after.map(|delay| Any {
            type_url: format!("type.googleapis.com/{RETRY_INFO}"),
            value: RetryInfo {
                retry_delay: Some(ProtoDuration {
                    seconds: delay.as_secs().try_into().unwrap_or(i64::MAX),
                    nanos: delay.subsec_nanos().try_into().unwrap_or(0),
                }),
            }
            .encode_to_vec(),
        });
        Self {
            code,
            message,
            details: details.into_iter().collect(),
        }
    }

    /// How long it asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let is_retry_info = |detail: &&Any| detail.type_url.rsplit('/').next() == Some(RETRY_INFO);
        let info = self.details.iter().find(is_retry_info)?;
        let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
        Some(Duration::new(
            delay.seconds.try_into().unwrap_or(0),
            delay.nanos.try_into().unwrap_or(0),
        ))
    }
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}
