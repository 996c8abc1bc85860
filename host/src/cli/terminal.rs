//! Standard output and standard error: colours, width, progress, and the end of a pipe.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::timeout;

use super::text;

/// Titles.
pub(super) const TITLE: Style = Style::new().bold();
/// What matters less.
pub(super) const DIM: Style = Style::new().dimmed();
/// What went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Bars of what neither did.
pub(super) const PLAIN_BAR: Style = AnsiColor::Cyan.on_default();

/// How long nobody needs to be told that something goes on.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long a picture of progress stands.
const FRAME: Duration = Duration::from_millis(100);

/// Whoever read our output has stopped reading.
#[derive(Debug, thiserror::Error)]
#[error("the output is closed")]
pub(super) struct OutputClosed;

/// Where a command's answer goes.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Columns; `None` where the output is no terminal, and everything is shown whole.
    pub(super) width: Option<usize>,
    progress: bool,
}

impl Terminal {
    /// The terminal of this process. Progress would tear logs apart, so only one of them
    /// is shown.
    pub(super) fn of_process(progress: bool) -> Self {
        let width = io::stdout()
            .is_terminal()
            .then(|| terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into()));
        Self { width, progress }
    }

    /// Print an answer, which ends with a line end of its own.
    pub(super) fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
            Err(error) => Err(anyhow::Error::new(error).context("the output cannot be written")),
        }
    }

    /// Wait for `work`, and say what it is about if it takes a while.
    pub(super) async fn waiting<T>(
        &self,
        what: impl Into<Cow<'static, str>>,
        work: impl Future<Output = T>,
    ) -> T {
        let what = what.into();
        self.watching(|| what.to_string(), work).await
    }

    /// As [`waiting`](Self::waiting), with how far the work is: `counted` of `things`.
    pub(super) async fn counting<T>(
        &self,
        what: impl Into<Cow<'static, str>>,
        counted: &Counter,
        things: &str,
        work: impl Future<Output = T>,
    ) -> T {
        let what = what.into();
        let state = || match counted.get() {
            0 => what.to_string(),
            count => format!("{what}: {} {things}", text::thousands(count)),
        };
        self.watching(state, work).await
    }

    /// As [`waiting`](Self::waiting), with what `state` says of it at the moment.
    pub(super) async fn watching<T>(
        &self,
        state: impl Fn() -> String,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        if !self.progress {
            return work.await;
        }
        if let Ok(done) = timeout(PATIENCE, &mut work).await {
            return done;
        }
        // It shows nothing where standard error is no terminal.
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            spinner.set_style(style);
        }
        loop {
            spinner.set_message(state());
            spinner.tick();
            if let Ok(done) = timeout(FRAME, &mut work).await {
                spinner.finish_and_clear();
                return done;
            }
        }
    }
}

/// How much of some work is done. A clone counts into the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// So much more is done.
    pub(super) fn add(&self, more: usize) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So much is done in all.
    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tell a person something that is not part of the answer.
pub(super) fn note(text: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A text in a style. What is written out loses the style where it is not wanted.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A text with its styles where standard output has colours, and else without.
pub(super) fn coloured(text: &str) -> Cow<'_, str> {
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => strip_str(text).to_string().into(),
        _ => text.into(),
    }
}

/// Settle whether colours are used; `Auto` follows the terminal and `NO_COLOR`.
pub(super) fn choose_color(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}
