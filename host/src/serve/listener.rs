//! A port: accepting connections, serving each, and letting them go in good order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::first_bytes::FirstBytes;
use super::otlp::AnswerBody;
use super::tls::Tls;

/// How long to wait after the system had no connection to give.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a silent HTTP/2 connection is asked whether it is there, and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests at once in one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
/// The most bytes of a request's head.
const MAX_HEAD: u32 = 64 << 10;
/// What a sender may send before it is told to go on: without it, a request of a few hundred
/// kilobytes would stop and go.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// What the listeners of a gateway share.
#[derive(Clone)]
pub(super) struct Surroundings {
    /// Ends accepting, and connections as soon as their requests are answered.
    pub(super) stop: CancellationToken,
    /// Ends connections at once.
    pub(super) kill: CancellationToken,
    /// What is still running.
    pub(super) tasks: TaskTracker,
    pub(super) header_timeout: Duration,
    pub(super) connections: Gauge,
}

/// A port that is bound.
pub(super) struct Listener {
    socket: TcpListener,
    pub(super) address: SocketAddr,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Serves connections in the background until it is told to stop; `places` bounds how many.
    pub(super) fn serve<S, F>(
        self,
        surroundings: Surroundings,
        places: Arc<Semaphore>,
        tls: Option<Tls>,
        service: S,
    ) where
        S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<AnswerBody>> + Send + 'static,
    {
        let tasks = surroundings.tasks.clone();
        tasks.spawn(async move {
            let stop = surroundings.stop.clone();
            let accepting = async {
                loop {
                    let stream = match self.socket.accept().await {
                        Ok((stream, _)) => stream,
                        Err(error) => {
                            tracing::warn!(address = %self.address, "no connection can be accepted: {error}");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                            continue;
                        }
                    };
                    // Not before somebody came: a port that nobody uses would keep a place from
                    // the others. One beyond the bound waits here, more in the system's queue.
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                        return;
                    };
                    let (around, tls, service) = (surroundings.clone(), tls.clone(), service.clone());
                    surroundings.tasks.spawn(async move {
                        let kill = around.kill.clone();
                        around.connections.inc();
                        let gauge = around.connections.clone();
                        // Its end is the peer's affair; there is nobody to tell.
                        let _ = kill.run_until_cancelled(connection(stream, around, tls, service)).await;
                        gauge.dec();
                        drop(place);
                    });
                }
            };
            stop.run_until_cancelled(accepting).await;
        });
    }
}

async fn connection<S, F>(
    stream: TcpStream,
    around: Surroundings,
    tls: Option<Tls>,
    service: S,
) -> io::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    // Otherwise an answer waits for 40 ms for more to send along.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return http(stream, around, service).await;
    };
    let handshake = around.stop.run_until_cancelled(tls.accept(stream));
    match timeout(around.header_timeout, handshake).await {
        Ok(Some(stream)) => http(stream?, around, service).await,
        // It took too long, or it is too late.
        _ => Ok(()),
    }
}

pub(super) async fn http<S, F>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    around: Surroundings,
    service: S,
) -> io::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(around.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = FirstBytes::new(stream, around.header_timeout);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stopped = tokio::select! {
        _ = connection.as_mut() => false,
        () = around.stop.cancelled() => true,
    };
    if stopped {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    Ok(())
}
