//! What a guest writes to standard output and standard error becomes log records that
//! bear the provider's name.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// The longest record, in bytes; longer lines are cut into several.
const MAX_LINE: usize = 4 * 1024;

/// One of a guest's two output streams.
#[derive(Clone)]
pub(super) struct GuestLog {
    provider: Arc<str>,
    stream: Stream,
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Error,
}

impl GuestLog {
    pub(super) fn stdout(provider: &Arc<str>) -> Self {
        Self {
            provider: Arc::clone(provider),
            stream: Stream::Output,
        }
    }

    pub(super) fn stderr(provider: &Arc<str>) -> Self {
        Self {
            provider: Arc::clone(provider),
            stream: Stream::Error,
        }
    }

    fn record(&self, line: &[u8]) {
        let provider = &*self.provider;
        for part in line.trim_ascii_end().chunks(MAX_LINE) {
            let part = String::from_utf8_lossy(part);
            match self.stream {
                Stream::Output => tracing::info!(target: "roost::guest", provider, "{part}"),
                Stream::Error => tracing::warn!(target: "roost::guest", provider, "{part}"),
            }
        }
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines {
            log: self.clone(),
            pending: Vec::new(),
        })
    }
}

/// Collects what is written until a line is whole.
struct Lines {
    log: GuestLog,
    pending: Vec<u8>,
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            if part.ends_with(b"\n") || self.pending.len() >= MAX_LINE {
                let line = std::mem::take(&mut self.pending);
                self.log.record(&line);
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.log.record(&self.pending);
    }
}
