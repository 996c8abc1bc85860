//! What a sender is told, in the words of both protocols.

use std::time::Duration;

use http::StatusCode;
use prost::Message;
use tonic::Code;

use super::wire::Refused;
use crate::export::answer::{ExportTracePartialSuccess, ExportTraceServiceResponse, RpcStatus};

/// The end of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// All but these spans were taken.
    Taken(Refused),
    /// Nothing was taken, or not all of it for good: the sender still has the spans.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    pub(super) message: String,
    /// When to try again; none where that is of no use, or of use at any time.
    pub(super) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// What was sent is no OTLP, or all of it is malformed.
    Invalid,
    /// There is no key, or it is nobody's.
    Unauthenticated,
    /// The key is another tenant's.
    Forbidden,
    /// It is larger than the configuration allows.
    TooLarge,
    /// It is encoded in a way that is not known here.
    Unsupported,
    /// There is nothing here.
    NotFound,
    /// The tenant sends more requests than it may.
    TooMany,
    /// Not now.
    Unavailable,
}

impl RefusalKind {
    /// The HTTP status.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The gRPC code. Clients retry `RESOURCE_EXHAUSTED` only where a delay is named.
    pub(super) fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::TooLarge | Self::TooMany => Code::ResourceExhausted,
            Self::Unsupported | Self::NotFound => Code::Unimplemented,
            Self::Unavailable => Code::Unavailable,
        }
    }

    /// Its name in metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::NotFound => "not_found",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, message: impl ToString) -> Self {
        Self {
            kind,
            message: message.to_string(),
            retry_after: None,
        }
    }

    pub(super) fn invalid(message: impl ToString) -> Self {
        Self::new(RefusalKind::Invalid, message)
    }

    pub(super) fn unavailable(message: impl ToString, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(RefusalKind::Unavailable, message)
        }
    }

    /// Whole seconds, as the header `retry-after` has them.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        let after = self.retry_after?;
        Some(after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }

    /// The `google.rpc.Status` message, with a `RetryInfo` where there is a delay.
    pub(super) fn rpc_status(&self) -> Vec<u8> {
        let (code, message) = (self.kind.code() as i32, self.message.clone());
        RpcStatus::new(code, message, self.retry_after).encode_to_vec()
    }

    /// The same as JSON.
    pub(super) fn rpc_status_json(&self) -> Vec<u8> {
        let code = self.kind.code() as i32;
        serde_json::json!({ "code": code, "message": self.message })
            .to_string()
            .into_bytes()
    }
}

/// The `ExportTraceServiceResponse` message: empty where every span was taken.
pub(super) fn response(refused: &Refused) -> Vec<u8> {
    let partial_success = (refused.spans > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: refused.spans.try_into().unwrap_or(i64::MAX),
        error_message: refused.why.clone(),
    });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

/// The same as JSON.
pub(super) fn response_json(refused: &Refused) -> Vec<u8> {
    if refused.spans == 0 {
        return b"{}".to_vec();
    }
    // OTLP writes numbers of 64 bits as texts.
    let partial = serde_json::json!({
        "rejectedSpans": refused.spans.to_string(),
        "errorMessage": refused.why,
    });
    serde_json::json!({ "partialSuccess": partial })
        .to_string()
        .into_bytes()
}
