//! An OTLP receiver, gRPC or HTTP, that answers as a test tells it to and remembers what came.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Response as HttpResponse};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use roost::export::Protocol;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// All is well.
    Taken,
    /// All but so many are taken.
    Partial(i64),
    /// A gRPC status, with details.
    Grpc(Code, Vec<u8>),
    /// An HTTP status, with headers and a body.
    Http(u16, Vec<(&'static str, String)>, &'static str),
    /// Nothing, ever.
    Silence,
}

type Script = dyn Fn(&Received, usize) -> Answer + Send + Sync;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) request: ExportTraceServiceRequest,
}

impl Received {
    pub(crate) fn spans(&self) -> impl Iterator<Item = &Span> {
        let groups = self.request.resource_spans.iter();
        groups
            .flat_map(|group| &group.scope_spans)
            .flat_map(|scope| &scope.spans)
    }

    pub(crate) fn has_span(&self, name: &str) -> bool {
        self.spans().any(|span| span.name == name)
    }

    /// The names of its spans, by the value of this resource attribute.
    pub(crate) fn names_by(&self, key: &str) -> HashMap<String, Vec<String>> {
        let mut names: HashMap<String, Vec<String>> = HashMap::new();
        for group in &self.request.resource_spans {
            let resource = group.resource.as_ref().expect("a resource");
            let project = text(&resource.attributes, key).expect("the attribute");
            let spans = group.scope_spans.iter().flat_map(|scope| &scope.spans);
            names
                .entry(project)
                .or_default()
                .extend(spans.map(|span| span.name.clone()));
        }
        names
    }
}

/// The text of an attribute.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => panic!("{key} is no text: {other:?}"),
    }
}

/// A receiver, which may be away. It has threads of its own, so that a test may block its.
pub(crate) struct Receiver {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    state: State,
}

enum State {
    Runs(Running),
    /// Nobody listens, and the address is nobody else's: a test beside this one would get what
    /// is sent there.
    Away(TcpSocket),
    /// The test listens there itself.
    Played,
}

/// May be dropped inside another runtime, which must not wait for it.
struct Running(Option<Runtime>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The only one at this address, or at one that is free for port 0.
fn reserve(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    // Connections of whoever was there before may not be forgotten yet.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

impl Receiver {
    /// Answers the nth request, from 0, as the script says.
    pub(crate) fn start(
        protocol: Protocol,
        script: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::away(protocol).come(script)
    }

    /// One that takes everything.
    pub(crate) fn willing(protocol: Protocol) -> Self {
        Self::start(protocol, |_, _| Answer::Taken)
    }

    /// One that is not there: whoever connects is refused.
    pub(crate) fn away(protocol: Protocol) -> Self {
        let socket = reserve("127.0.0.1:0".parse().unwrap());
        let address = socket.local_addr().unwrap();
        Self::new(address, protocol, State::Away(socket))
    }

    /// One that the test plays at this address, until it lets go of it.
    pub(crate) fn played(address: SocketAddr, protocol: Protocol) -> Self {
        Self::new(address, protocol, State::Played)
    }

    fn new(address: SocketAddr, protocol: Protocol, state: State) -> Self {
        Self {
            protocol,
            address,
            received: Arc::default(),
            state,
        }
    }

    /// Begins to answer, as [`start`](Self::start) says.
    pub(crate) fn come(
        self,
        script: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let socket = match self.state {
            State::Away(socket) => socket,
            State::Played => reserve(self.address),
            State::Runs(_) => panic!("it is there already"),
        };
        let desk = Desk {
            received: Arc::clone(&self.received),
            script: Arc::new(script),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            socket.listen(1_024).unwrap()
        };
        match self.protocol {
            Protocol::Grpc => runtime.spawn(serve_grpc(listener, desk)),
            Protocol::HttpProtobuf => runtime.spawn(serve_http(listener, desk)),
        };
        Self {
            state: State::Runs(Running(Some(runtime))),
            ..self
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        match self.protocol {
            Protocol::Grpc => format!("http://{}", self.address),
            Protocol::HttpProtobuf => format!("http://{}/v1/traces", self.address),
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The names of all spans that came, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let received = self.received();
        let spans = received.iter().flat_map(Received::spans);
        let mut names: Vec<_> = spans.map(|span| span.name.clone()).collect();
        names.sort();
        names
    }

    /// Ends it, connections and all, and forgets what came; nobody else takes its place.
    pub(crate) fn leave(self) -> Self {
        if let State::Runs(mut running) = self.state
            && let Some(runtime) = running.0.take()
        {
            runtime.shutdown_timeout(Duration::from_secs(20));
        }
        let socket = reserve(self.address);
        Self::new(self.address, self.protocol, State::Away(socket))
    }
}

/// Where requests are noted and answers decided.
#[derive(Clone)]
struct Desk {
    received: Arc<Mutex<Vec<Received>>>,
    script: Arc<Script>,
}

impl Desk {
    async fn answer(&self, received: Received) -> Answer {
        let nth = {
            let mut all = self.received.lock().unwrap();
            all.push(received.clone());
            all.len() - 1
        };
        let answer = (self.script)(&received, nth);
        if let Answer::Silence = answer {
            std::future::pending::<()>().await;
        }
        answer
    }
}

fn partial(rejected_spans: i64) -> ExportTraceServiceResponse {
    ExportTraceServiceResponse {
        partial_success: (rejected_spans > 0).then(|| ExportTracePartialSuccess {
            rejected_spans,
            error_message: "not all of them".to_owned(),
        }),
    }
}

#[tonic::async_trait]
impl TraceService for Desk {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let received = Received {
            headers: request.metadata().clone().into_headers(),
            request: request.into_inner(),
        };
        match self.answer(received).await {
            Answer::Taken => Ok(Response::new(partial(0))),
            Answer::Partial(rejected) => Ok(Response::new(partial(rejected))),
            Answer::Grpc(code, details) => Err(Status::with_details(
                code,
                "as the test says",
                details.into(),
            )),
            other => panic!("no answer of gRPC: {other:?}"),
        }
    }
}

async fn serve_grpc(listener: TcpListener, desk: Desk) {
    let _ = Server::builder()
        .add_service(TraceServiceServer::new(desk))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await;
}

async fn serve_http(listener: TcpListener, desk: Desk) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let desk = desk.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| post(desk.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn post(
    desk: Desk,
    request: http::Request<Incoming>,
) -> Result<HttpResponse<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.uri.path(), "/v1/traces");
    assert_eq!(parts.headers["content-type"], "application/x-protobuf");
    let received = Received {
        headers: parts.headers,
        request: ExportTraceServiceRequest::decode(body).unwrap(),
    };
    let response = HttpResponse::builder();
    let response = match desk.answer(received).await {
        Answer::Taken => response.body(Full::default()),
        Answer::Partial(rejected) => response
            .header("content-type", "application/x-protobuf")
            .body(partial(rejected).encode_to_vec().into()),
        Answer::Http(status, headers, body) => headers
            .into_iter()
            .fold(response.status(status), |response, (name, value)| {
                response.header(name, value)
            })
            .body(body.into()),
        other => panic!("no answer of HTTP: {other:?}"),
    };
    Ok(response.unwrap())
}
