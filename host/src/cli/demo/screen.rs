//! What the demo prints: numbered steps, lines below them, and a spinner while one waits.
//! Colours and the spinner are for terminals alone.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::table::{Cell, Column, Table};
use crate::cli::terminal::{BAD, GOOD, TITLE, Terminal, paint};

const NUMBER: Style = AnsiColor::Cyan.on_default().bold();

/// The columns that everything fits in, so that the story looks the same everywhere.
pub(super) const WIDTH: usize = 80;

/// A length of time as people say it.
pub(super) fn duration(length: Duration) -> String {
    match length.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 0.01 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

/// Where the demo is shown.
#[derive(Debug)]
pub(super) struct Screen<'a> {
    terminal: &'a Terminal,
    steps: std::cell::Cell<u32>,
}

impl<'a> Screen<'a> {
    pub(super) fn new(terminal: &'a Terminal) -> Self {
        Self {
            terminal,
            steps: std::cell::Cell::new(0),
        }
    }

    /// What all of it is about.
    pub(super) fn title(&self, title: &str) -> anyhow::Result<()> {
        self.write(&format!("\n    {}", paint(TITLE, title)))
    }

    /// Begin a step.
    pub(super) fn step(&self, title: &str) -> anyhow::Result<()> {
        let number = self.steps.get() + 1;
        self.steps.set(number);
        let number = paint(NUMBER, &format!("{number:>2}"));
        self.write(&format!("\n{number}  {}", paint(TITLE, title)))
    }

    /// Lines of a step.
    pub(super) fn say(&self, text: impl AsRef<str>) -> anyhow::Result<()> {
        text.as_ref()
            .lines()
            .try_for_each(|line| self.write(&format!("    {line}")))
    }

    /// A line that says what went well.
    pub(super) fn done(&self, text: impl AsRef<str>) -> anyhow::Result<()> {
        self.say(format!("{} {}", paint(GOOD, "✓"), text.as_ref()))
    }

    /// A line that says what was refused, as it should be; wrapped, for messages are long.
    pub(super) fn refused(&self, text: &str) -> anyhow::Result<()> {
        let mut mark = paint(BAD, "✗");
        for line in wrap(text, WIDTH - 6) {
            self.say(format!("{mark} {line}"))?;
            " ".clone_into(&mut mark);
        }
        Ok(())
    }

    fn write(&self, line: &str) -> anyhow::Result<()> {
        self.terminal.print(&format!("{}\n", line.trim_end()))
    }

    /// Turns until it is dropped.
    pub(super) fn wait(&self, what: &'static str) -> Waiting {
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("    {spinner:.cyan} {msg} {elapsed:.dim}")
        {
            spinner.set_style(style);
        }
        spinner.set_message(what);
        spinner.enable_steady_tick(Duration::from_millis(100));
        Waiting(spinner)
    }
}

/// A spinner, gone with this.
#[derive(Debug)]
pub(super) struct Waiting(ProgressBar);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Rows below titles.
pub(super) fn table<C: Into<Cell>, const N: usize>(
    columns: [Column; N],
    rows: Vec<[C; N]>,
) -> String {
    let mut table = Table::new(columns);
    for row in rows {
        table.push(row.map(Into::into));
    }
    table.render(None)
}

/// Lines of at most `width` columns; longer words stay whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines
            .last()
            .is_none_or(|line| line.chars().count() + word.chars().count() >= width);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}
