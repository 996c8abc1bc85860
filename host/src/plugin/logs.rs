//! What a guest writes to standard output and standard error becomes log records that
//! bear the provider's name.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use super::limits::Limits;

/// The longest record, in bytes; longer lines are cut into several.
const MAX_LINE: usize = 4 * 1024;

const SECOND: Duration = Duration::from_secs(1);

/// How many records the instances of one connection may write in a second.
pub(super) struct LogBudget {
    per_second: u64,
    /// What to do about records that are left out.
    advice: String,
    second: Mutex<Second>,
}

/// A second, from its first record on.
struct Second {
    began: Instant,
    written: u64,
    left_out: u64,
}

impl LogBudget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            per_second: limits.log_records_per_second,
            advice: limits.raise("log_records_per_second"),
            second: Mutex::new(Second {
                began: Instant::now(),
                written: 0,
                left_out: 0,
            }),
        }
    }

    /// Whether a record may be written now. With it, how many were left out in the last second
    /// that had some.
    fn take(&self) -> (bool, u64) {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if second.began.elapsed() >= SECOND {
            left_out = second.left_out;
            *second = Second {
                began: Instant::now(),
                written: 0,
                left_out: 0,
            };
        }
        let may_write = second.written < self.per_second;
        if may_write {
            second.written += 1;
        } else {
            second.left_out += 1;
        }
        (may_write, left_out)
    }
}

/// One of a guest's two output streams.
#[derive(Clone)]
pub(super) struct GuestLog {
    provider: Arc<str>,
    budget: Arc<LogBudget>,
    stream: Stream,
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Error,
}

impl GuestLog {
    pub(super) fn stdout(provider: &Arc<str>, budget: &Arc<LogBudget>) -> Self {
        Self {
            provider: Arc::clone(provider),
            budget: Arc::clone(budget),
            stream: Stream::Output,
        }
    }

    pub(super) fn stderr(provider: &Arc<str>, budget: &Arc<LogBudget>) -> Self {
        Self {
            provider: Arc::clone(provider),
            budget: Arc::clone(budget),
            stream: Stream::Error,
        }
    }

    fn record(&self, line: &[u8]) {
        let provider = &*self.provider;
        for part in line.trim_ascii_end().chunks(MAX_LINE) {
            let (may_write, left_out) = self.budget.take();
            if left_out > 0 {
                tracing::warn!(
                    target: "roost::guest",
                    provider,
                    left_out,
                    "it logs more than it may; {}",
                    self.budget.advice
                );
            }
            if !may_write {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LimitsConfig;

    #[test]
    fn records_beyond_the_budget_are_left_out_and_told_of_later() {
        let limits = LimitsConfig {
            log_records_per_second: 2,
            ..LimitsConfig::default()
        };
        let budget = LogBudget::new(&Limits::of_host(&limits));
        assert_eq!(
            [(); 4].map(|()| budget.take().0),
            [true, true, false, false]
        );
        let mut second = budget.second.lock().unwrap_or_else(PoisonError::into_inner);
        second.began = Instant::now().checked_sub(SECOND).unwrap_or(second.began);
        drop(second);
        assert_eq!(budget.take(), (true, 2));
        assert_eq!(budget.take(), (true, 0));
    }
}
