//! OTLP over gRPC.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Extensions, Request, Status};

use super::answer::RpcStatus;
use super::client::{CONNECT_TIMEOUT, USER_AGENT};
use super::outcome::Outcome;
use super::route::Address;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A connection to one endpoint, made when it is first used and again when it breaks.
#[derive(Clone, Debug)]
pub(super) struct GrpcClient {
    channel: Channel,
}

impl GrpcClient {
    /// Called inside a tokio runtime, which runs the connection.
    pub(super) fn new(uri: &Uri) -> Result<Self, tonic::transport::Error> {
        let mut endpoint = Endpoint::from(uri.clone())
            .user_agent(USER_AGENT)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        if uri.scheme_str() == Some("https") {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
        })
    }

    pub(super) async fn send(&self, to: &Address, body: Bytes, timeout: Duration) -> Outcome {
        let headers: HeaderMap = to.headers.iter().cloned().collect();
        let metadata = MetadataMap::from_headers(headers);
        let mut request = Request::from_parts(metadata, Extensions::default(), body);
        request.set_timeout(timeout);
        match self.export(request).await {
            Ok(body) => Outcome::accepted(&body),
            Err(status) => judge(&status),
        }
    }

    async fn export(&self, request: Request<Bytes>) -> Result<Bytes, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|error| Status::from_error(Box::new(error)))?;
        let path = PathAndQuery::from_static(EXPORT);
        Ok(grpc.unary(request, path, Raw).await?.into_inner())
    }
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

/// Messages that are bytes already.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.reserve(item.len());
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
