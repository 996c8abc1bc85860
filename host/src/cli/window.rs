//! `--since` and `--until`.

use clap::Args;
use jiff::Timestamp;
use roost::contract::TimeWindow;

use super::exit::CommandError;
use super::time::{self, Moment};

/// What `--help` says of instants.
pub(super) const INSTANTS: &str = "\
Instants are how long ago (30m, 1h30m, 2d, 1w) or when (2026-11-20, 2026-11-20T10:00:00Z);
without an offset they are in UTC.";

/// A stretch of time; everything where nothing is said.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct WindowArgs {
    /// Only spans that began at this instant or later
    #[arg(long, value_name = "INSTANT")]
    since: Option<Moment>,
    /// Only spans that began before this instant
    #[arg(long, value_name = "INSTANT")]
    until: Option<Moment>,
}

impl WindowArgs {
    pub(super) fn is_given(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// The window, as it is now.
    pub(super) fn window(&self) -> Result<TimeWindow, CommandError> {
        self.window_at(Timestamp::now())
    }

    /// As [`window`](Self::window), or up to this instant where no end is given.
    pub(super) fn until_now(&self) -> Result<TimeWindow, CommandError> {
        let mut window = self.window()?;
        if self.until.is_none() {
            let now = Timestamp::now().as_nanosecond();
            window.end = u64::try_from(now).unwrap_or(0).max(window.start);
        }
        Ok(window)
    }

    /// As [`window`](Self::window), from `default` on where no beginning is given.
    pub(super) fn since_or(&self, default: Moment) -> Result<TimeWindow, CommandError> {
        let since = self.since.or(Some(default));
        let window = Self { since, ..*self };
        window.window()
    }

    fn window_at(&self, now: Timestamp) -> Result<TimeWindow, CommandError> {
        // Open towards the future: the clocks of those who write spans may be ahead.
        let mut window = TimeWindow::all();
        if let Some(since) = self.since {
            window.start = since.nanoseconds(now)?;
        }
        if let Some(until) = self.until {
            window.end = until.nanoseconds(now)?;
        }
        if window.start > window.end {
            return Err(CommandError::Usage(format!(
                "--since ({}) is after --until ({})",
                time::readable(window.start),
                time::readable(window.end)
            )));
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: WindowArgs,
    }

    fn args(line: &str) -> WindowArgs {
        Line::try_parse_from(line.split(' ')).unwrap().args
    }

    #[test]
    fn the_window_ends_after_it_begins() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let hour = 3_600_000_000_000;
        let window = args("x --since 2h --until 1h").window_at(now).unwrap();
        assert_eq!(window.end - window.start, hour);
        assert_eq!(args("x").window_at(now).unwrap(), TimeWindow::all());
        let error = args("x --since 1h --until 2h").window_at(now).unwrap_err();
        assert!(error.to_string().contains("is after --until"));
    }
}
