//! OTLP over gRPC.

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::stream::iter;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use prost::Message;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use super::answer::RpcStatus;
use super::client::{CONNECT_TIMEOUT, USER_AGENT};
use super::names::Names;
use super::outcome::Outcome;
use super::route::Address;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Stands before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// As much of an answer as is read.
const MAX_ANSWER_BYTES: usize = 64 * 1_024;

/// A connection to one endpoint, made when it is first used and again when it breaks.
#[derive(Clone, Debug)]
pub(super) struct GrpcClient {
    channel: Channel,
}

impl GrpcClient {
    /// Called inside a tokio runtime, which runs the connection.
    pub(super) fn new(uri: &Uri, names: Option<&Names>) -> Result<Self, tonic::transport::Error> {
        let mut endpoint = Endpoint::from(uri.clone())
            .user_agent(USER_AGENT)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        if uri.scheme_str() == Some("https") {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
        }
        Ok(Self {
            channel: match names {
                Some(names) => endpoint.connect_with_connector_lazy(names.connector()),
                None => endpoint.connect_lazy(),
            },
        })
    }

    pub(super) async fn send(&self, to: &Address, message: Bytes, timeout: Duration) -> Outcome {
        match self.export(to, message, timeout).await {
            Ok(answer) => Outcome::accepted(&answer),
            Err(status) => judge(&status),
        }
    }

    /// The call, written as HTTP/2 has it: a codec would copy the message once more.
    async fn export(
        &self,
        to: &Address,
        message: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, Status> {
        let len = u32::try_from(message.len())
            .map_err(|_| Status::invalid_argument("the request is larger than 4 GiB"))?;
        // Not compressed, and so long.
        let prefix: Vec<u8> = [0].into_iter().chain(len.to_be_bytes()).collect();
        let frames = [prefix.into(), message].map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
        let mut request = Request::new(Body::new(StreamBody::new(iter(frames))));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_static(EXPORT);
        let headers = request.headers_mut();
        for (name, value) in &to.headers {
            headers.append(name.clone(), value.clone());
        }
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let patience = timeout.as_millis().min(99_999_999);
        if let Ok(patience) = HeaderValue::try_from(format!("{patience}m")) {
            headers.insert("grpc-timeout", patience);
        }
        let mut channel = self.channel.clone();
        let broken = |error| Status::from_error(Box::new(error));
        poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context))
            .await
            .map_err(broken)?;
        read(channel.call(request).await.map_err(broken)?).await
    }
}

/// The message of an answer, or the status that it has instead.
async fn read(answer: Response<Body>) -> Result<Bytes, Status> {
    let (head, body) = answer.into_parts();
    // An answer without a message has its status in the head.
    if let Some(status) = Status::from_header_map(&head.headers) {
        return ok(status).map(|()| Bytes::new());
    }
    if head.status != StatusCode::OK {
        return Err(not_grpc(head.status));
    }
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(Status::from_error)?;
    let status = body.trailers().and_then(Status::from_header_map);
    ok(status.unwrap_or_else(|| Status::unknown("the answer ends without a status")))?;
    let mut message = body.to_bytes();
    message.advance(PREFIX.min(message.len()));
    Ok(message)
}

fn ok(status: Status) -> Result<(), Status> {
    match status.code() {
        Code::Ok => Ok(()),
        _ => Err(status),
    }
}

/// What gRPC takes an HTTP status for, that something in between has answered with.
fn not_grpc(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("{status}, which is no answer of gRPC"))
}

/// What a status means, by the OTLP specification.
fn judge(status: &Status) -> Outcome {
    use std::error::Error;

    let why = match status.message() {
        "" => status.code().description().to_owned(),
        message => format!("{:?}: {message}", status.code()),
    };
    let details = RpcStatus::decode(status.details()).ok();
    let after = details.and_then(|details| details.retry_after());
    let retry = |reconnect| Outcome::Retry {
        why: why.clone(),
        after,
        reconnect,
    };
    // A status that the server sent has no source; one of our own connection's has.
    if status.source().is_some() {
        return retry(true);
    }
    match status.code() {
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => retry(false),
        Code::ResourceExhausted if after.is_some() => retry(false),
        // Servers answer with the last two when one span makes them stumble.
        Code::ResourceExhausted | Code::InvalidArgument | Code::Internal | Code::Unknown => {
            Outcome::Unfit(why)
        }
        _ => Outcome::Rejected(why),
    }
}
