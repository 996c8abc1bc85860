//! What the demo prints: numbered steps, lines below them, and a spinner while one waits.
//! Colours and the spinner are for terminals alone.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const BAR: Style = AnsiColor::Cyan.on_default();
const NUMBER: Style = AnsiColor::Cyan.on_default().bold();

/// The columns that everything fits in, so that no terminal need be asked.
pub(crate) const WIDTH: usize = 80;

/// A text in a style. What is written out loses the style where it is not wanted.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A length of time as people say it.
pub(crate) fn duration(length: Duration) -> String {
    match length.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 0.01 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

/// Where the demo is shown.
#[derive(Debug)]
pub(crate) struct Screen {
    steps: Cell<u32>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            steps: Cell::new(0),
        }
    }

    /// What all of it is about.
    pub(crate) fn title(&self, title: &str) -> io::Result<()> {
        write(&format!("\n    {}", paint(BOLD, title)))
    }

    /// Begin a step.
    pub(crate) fn step(&self, title: &str) -> io::Result<()> {
        let number = self.steps.get() + 1;
        self.steps.set(number);
        let number = paint(NUMBER, format_args!("{number:>2}"));
        write(&format!("\n{number}  {}", paint(BOLD, title)))
    }

    /// Lines of a step.
    pub(crate) fn say(&self, text: impl AsRef<str>) -> io::Result<()> {
        text.as_ref()
            .lines()
            .try_for_each(|line| write(&format!("    {line}")))
    }

    /// A line that says what went well.
    pub(crate) fn done(&self, text: impl AsRef<str>) -> io::Result<()> {
        self.say(format!("{} {}", paint(GOOD, "✓"), text.as_ref()))
    }

    /// A line that says what was refused, as it should be; wrapped, for messages are long.
    pub(crate) fn refused(&self, text: &str) -> io::Result<()> {
        let mut mark = paint(BAD, "✗");
        for line in wrap(text, WIDTH - 6) {
            self.say(format!("{mark} {line}"))?;
            " ".clone_into(&mut mark);
        }
        Ok(())
    }

    /// Turns until it is dropped.
    pub(crate) fn wait(&self, what: &'static str) -> Waiting {
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("    {spinner:.cyan} {msg} {elapsed:.dim}")
        {
            spinner.set_style(style);
        }
        spinner.set_message(what);
        spinner.enable_steady_tick(Duration::from_millis(100));
        Waiting(spinner)
    }

    /// What ended the demo before its end.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        let _ = writeln!(
            anstream::stderr(),
            "\n{} {error:#}",
            paint(BAD.bold(), "error:")
        );
    }

    /// Ctrl-C was pressed.
    pub(crate) fn interrupted(&self) {
        let _ = writeln!(
            anstream::stderr(),
            "\n    {} what was started is stopped, and its folder is removed",
            paint(BAD, "Ctrl-C:")
        );
    }
}

/// A spinner, gone with this.
#[derive(Debug)]
pub(crate) struct Waiting(ProgressBar);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn write(line: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{}", line.trim_end())
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
