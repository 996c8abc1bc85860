//! The receiver: OTLP over gRPC and HTTP, of which it counts the spans and keeps nothing.

use std::convert::Infallible;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use prost::encoding::{WireType, decode_key, decode_varint};
use tokio::net::TcpListener;

use crate::process::Process;

#[derive(Default)]
struct Counts {
    spans: AtomicU64,
    requests: AtomicU64,
    connections: AtomicU64,
}

/// Says its port, and at each line what it has counted since the last one.
pub(crate) fn run() -> Result<()> {
    let counts = Arc::new(Counts::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    println!("{}", listener.local_addr()?.port());
    runtime.spawn(listen(listener, Arc::clone(&counts)));
    for _ in std::io::stdin().lock().lines() {
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        println!(
            "{} {} {}",
            take(&counts.spans),
            take(&counts.requests),
            take(&counts.connections)
        );
    }
    Ok(())
}

async fn listen(listener: TcpListener, counts: Arc<Counts>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            let service = service_fn(|request| take(Arc::clone(&counts), request));
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Body =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn take(counts: Arc<Counts>, request: Request<Incoming>) -> Result<Response<Body>> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let is_grpc = kind
        .as_ref()
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let is_packed = request.headers().contains_key("grpc-encoding")
        && request.headers()["grpc-encoding"] == "gzip"
        || request.headers().contains_key("content-encoding");
    let mut body = request.into_body().collect().await?.to_bytes();
    if is_grpc {
        body.advance(5);
    }
    if is_packed {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*body), &mut plain)?;
        body = plain.into();
    }
    counts.spans.fetch_add(spans(body), Ordering::SeqCst);
    counts.requests.fetch_add(1, Ordering::SeqCst);
    let mut frames = Vec::new();
    if is_grpc {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse()?);
        frames.push(Ok(Frame::data(Bytes::from_static(&[0; 5]))));
        frames.push(Ok(Frame::trailers(trailers)));
    }
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(response)
}

/// How many spans are in an export request: `resourceSpans.scopeSpans.spans`.
fn spans(request: Bytes) -> u64 {
    messages(request, 1)
        .flat_map(|resource| messages(resource, 2))
        .map(|scope| messages(scope, 2).count() as u64)
        .sum()
}

/// The messages in the field with this tag.
fn messages(mut message: Bytes, tag: u32) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        while message.has_remaining() {
            let (field, wire_type) = decode_key(&mut message).ok()?;
            match wire_type {
                WireType::Varint => drop(decode_varint(&mut message).ok()?),
                WireType::SixtyFourBit => message.advance(8),
                WireType::ThirtyTwoBit => message.advance(4),
                _ => {
                    let len = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
                    let content = message.split_to(len);
                    if field == tag {
                        return Some(content);
                    }
                }
            }
        }
        None
    })
}

/// The receiver, from outside.
pub(crate) struct Receiver {
    process: Process,
    port: String,
}

/// What arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) spans: u64,
    pub(crate) requests: u64,
    pub(crate) connections: u64,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let mut process = Process::role("receiver", &[])?;
        let port = process.read()?;
        Ok(Self { process, port })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What arrived since the last look.
    pub(crate) fn arrived(&mut self) -> Result<Arrived> {
        let line = self.process.ask("")?;
        let counts: Vec<u64> = line.split(' ').flat_map(str::parse).collect();
        let [spans, requests, connections] = counts[..] else {
            anyhow::bail!("the receiver said {line}");
        };
        Ok(Arrived {
            spans,
            requests,
            connections,
        })
    }
}
