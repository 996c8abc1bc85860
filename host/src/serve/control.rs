//! The way for `roost providers` into a gateway that runs: HTTP over a Unix socket that only
//! its user can open.
//!
//! The admin port is for machines that look, and may be open to a network; what changes
//! something is asked for here, where the file system says who may.

mod report;

pub use report::{GenerationReport, ProviderReport, QuarantineReport};

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::listener::{self, Surroundings};
use super::otlp::AnswerBody;
use crate::TelemetryManager;
use crate::plugin::{Host, SwapError};

/// Connections at once.
const MAX_CONNECTIONS: usize = 8;

/// What is answered where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ControlError {
    /// What it is.
    pub error: String,
}

/// A socket that is bound, and gone when this is.
pub(super) struct Control {
    listener: UnixListener,
    file: SocketFile,
}

struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Control {
    /// Bind the socket. One that a gateway left behind which is gone is replaced.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        // It is made in a folder that nobody else can enter and moved when only its owner can
        // open it: at no moment can anybody else.
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let folder = PathBuf::from(name);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let bound = bind_in(&folder, path);
        let _ = fs::remove_dir_all(&folder);
        Ok(Self {
            listener: bound?,
            file: SocketFile(path.to_owned()),
        })
    }

    /// Answers in the background until it is told to stop.
    pub(super) fn serve(self, surroundings: Surroundings, telemetry: TelemetryManager) {
        let tasks = surroundings.tasks.clone();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        tasks.spawn(async move {
            let Self { listener, file } = self;
            let stop = surroundings.stop.clone();
            let accepting = async {
                while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                    let Ok((stream, _)) = listener.accept().await else {
                        tokio::time::sleep(listener::ACCEPT_PAUSE).await;
                        continue;
                    };
                    let (around, telemetry) = (surroundings.clone(), telemetry.clone());
                    surroundings.tasks.spawn(async move {
                        let kill = around.kill.clone();
                        let service = move |request| answer(telemetry.clone(), request);
                        let serving = listener::http(stream, around, service);
                        // Its end is the peer's affair; there is nobody to tell.
                        let _ = kill.run_until_cancelled(serving).await;
                        drop(place);
                    });
                }
            };
            stop.run_until_cancelled(accepting).await;
            drop(file);
        });
    }
}

fn bind_in(folder: &Path, path: &Path) -> io::Result<UnixListener> {
    let socket = folder.join("s");
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    fs::rename(&socket, path)?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of that name which is no socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another gateway listens there",
        )),
    }
}

/// Answers a request.
async fn answer(telemetry: TelemetryManager, request: Request<Incoming>) -> Response<AnswerBody> {
    let Some(host) = telemetry.host() else {
        return failed(StatusCode::CONFLICT, "this gateway has no plugins folder");
    };
    let path: Vec<_> = request.uri().path().split('/').skip(1).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["providers"]) => json(StatusCode::OK, &ProviderReport::all(host)),
        (&Method::POST, ["reload"]) => done(host, host.reload().await.map_err(SwapError::from)),
        (&Method::POST, ["providers", name, "rollback"]) => done(host, host.rollback(name).await),
        (&Method::POST, ["providers", name, "lift"]) => {
            done(host, host.lift(name).await.map(|_| ()))
        }
        _ => failed(
            StatusCode::NOT_FOUND,
            "there are GET /providers, POST /reload and POST /providers/{name}/{rollback,lift}",
        ),
    }
}

fn done(host: &Host, outcome: Result<(), SwapError>) -> Response<AnswerBody> {
    match outcome {
        Ok(()) => json(StatusCode::OK, &ProviderReport::all(host)),
        Err(error) => {
            let status = match error {
                SwapError::Unknown { .. } => StatusCode::NOT_FOUND,
                SwapError::NothingBefore(_) => StatusCode::CONFLICT,
                SwapError::Host(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            failed(status, &error.to_string())
        }
    }
}

fn failed(status: StatusCode, why: &str) -> Response<AnswerBody> {
    let error = ControlError {
        error: why.to_owned(),
    };
    json(status, &error)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<AnswerBody> {
    // Texts, numbers and maps of these have JSON.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
