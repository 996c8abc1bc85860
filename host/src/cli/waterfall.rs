//! A trace as lines of text: the tree, how long each span took, and a bar of when.

use std::fmt::Write as _;

use roost::contract::{Span, StatusCode};

use super::terminal::{BAD, DIM, GOOD, PLAIN_BAR, TITLE, paint};
use super::tree::{self, Detached, Row};
use super::{text, time};

/// The bar's columns where nothing limits them, and the fewest that say something.
const WIDEST_BAR: usize = 40;
const NARROWEST_BAR: usize = 10;

/// How many lines of a status message are shown; `--json` has all of it.
const MESSAGE_LINES: usize = 4;

/// The trace as text; `width` is the terminal's.
pub(super) fn render(spans: &[Span], width: Option<usize>) -> String {
    let rows = tree::rows(spans);
    let names: Vec<String> = rows.iter().map(name).collect();
    let layout = Layout::new(&rows, &names, extent(spans), width);
    let mut out = summary(spans);
    out.push('\n');
    for (row, name) in rows.iter().zip(&names) {
        layout.line(&mut out, row, name);
        messages(&mut out, row, width);
    }
    out
}

fn summary(spans: &[Span]) -> String {
    let (start, end) = extent(spans);
    let failed = spans.iter().filter(|span| span.status == StatusCode::Error);
    let mut out = text::count(spans.len(), "span");
    match failed.count() {
        0 => {}
        failed => {
            let _ = write!(out, ", {}", paint(BAD, &text::count(failed, "error")));
        }
    }
    let length = time::duration(end.saturating_sub(start));
    let _ = writeln!(out, ", {length} from {}", time::readable(start));
    out
}

/// From the first start to the last end.
fn extent(spans: &[Span]) -> (u64, u64) {
    let start = spans.iter().map(|span| span.start_time).min();
    let end = spans.iter().map(|span| span.end_time).max();
    (start.unwrap_or(0), end.unwrap_or(0))
}

fn name(row: &Row<'_>) -> String {
    format!("{}{}", row.lead, text::one_line(&row.span.name))
}

fn latency(span: &Span) -> String {
    time::duration(span.end_time.saturating_sub(span.start_time))
}

/// How wide each part of a line is.
struct Layout {
    name: usize,
    kind: usize,
    latency: usize,
    bar: usize,
    start: u64,
    end: u64,
}

impl Layout {
    fn new(
        rows: &[Row<'_>],
        names: &[String],
        (start, end): (u64, u64),
        width: Option<usize>,
    ) -> Self {
        let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0);
        let name = widest(&mut names.iter().map(|name| text::width(name)));
        let kind = widest(&mut rows.iter().map(|row| text::width(&row.span.kind)));
        let latency = widest(&mut rows.iter().map(|row| text::width(&latency(row.span))));
        let (name, bar) = match width {
            None => (name, WIDEST_BAR),
            Some(width) => {
                // A mark, the bar's two ends, a span id, and two columns between all.
                let fixed = 2 + kind + 2 + latency + 2 + 2 + 2 + 16 + 2;
                let room = width.saturating_sub(fixed);
                let name = name.min(room.saturating_sub(NARROWEST_BAR).max(NARROWEST_BAR));
                let bar = room.saturating_sub(name);
                (name, bar.clamp(NARROWEST_BAR, WIDEST_BAR))
            }
        };
        Self {
            name,
            kind,
            latency,
            bar,
            start,
            end,
        }
    }

    fn line(&self, out: &mut String, row: &Row<'_>, name: &str) {
        let span = row.span;
        let (mark, style) = match span.status {
            StatusCode::Error => ("✗", BAD),
            StatusCode::Ok => ("✓", GOOD),
            StatusCode::Unset => ("·", DIM),
        };
        let bar_style = match span.status {
            StatusCode::Error => BAD,
            _ => PLAIN_BAR,
        };
        let name = text::pad(&text::shorten(name, self.name), self.name);
        let kind = text::pad(&text::one_line(&span.kind), self.kind);
        let latency = latency(span);
        let indent = self.latency.saturating_sub(text::width(&latency));
        let _ = writeln!(
            out,
            "{} {name}  {}  {:indent$}{latency}  ▕{}▏  {}",
            paint(style, mark),
            paint(DIM, &kind),
            "",
            paint(bar_style, &self.bar(span)),
            paint(DIM, &text::one_line(&span.span_id)),
        );
    }

    /// When a span ran, in as many columns as the bar has. A span that hardly took time
    /// still has one.
    fn bar(&self, span: &Span) -> String {
        let columns = self.bar as u128;
        let total = u128::from(self.end.saturating_sub(self.start)).max(1);
        let column = |instant: u64| u128::from(instant.saturating_sub(self.start)) * columns;
        let from = (column(span.start_time) / total).min(columns.saturating_sub(1));
        let to = column(span.end_time)
            .div_ceil(total)
            .clamp(from + 1, columns.max(from + 1));
        let filled = |from: u128, to: u128| usize::try_from(to - from).unwrap_or(0);
        let (before, during) = (filled(0, from), filled(from, to));
        let bar = format!("{}{}", " ".repeat(before), "█".repeat(during));
        text::pad(&bar, self.bar)
    }
}

/// What there is to say below a span's line.
fn messages(out: &mut String, row: &Row<'_>, width: Option<usize>) {
    let below = &row.below;
    let mut say = |style, line: &str| {
        let room = width.map_or(usize::MAX, |width| {
            width.saturating_sub(text::width(below) + 4)
        });
        let line = text::one_line(line);
        let line = paint(style, &text::shorten(&line, room));
        let _ = writeln!(out, "  {below}  {line}");
    };
    match (row.detached, row.span.parent_id.as_deref()) {
        (Some(Detached::Orphan), Some(parent)) => {
            say(DIM, &format!("its parent {parent} is not in this trace"));
        }
        (Some(Detached::Circle), Some(parent)) => {
            say(DIM, &format!("its parent {parent} descends from it"));
        }
        _ => {}
    }
    if row.span.status == StatusCode::Error {
        let mut lines = row.span.status_message.lines();
        lines
            .by_ref()
            .take(MESSAGE_LINES)
            .for_each(|line| say(BAD, line));
        match lines.count() {
            0 => {}
            more => say(DIM, &format!("… {}", text::count(more, "more line"))),
        }
    }
}

/// The line above a trace: which, and of which project.
pub(super) fn title(trace_id: &str, project: &str) -> String {
    let project = text::one_line(project);
    paint(TITLE, &format!("trace {trace_id} of {project}"))
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::super::tree::tests::span;
    use super::*;

    fn trace() -> Vec<Span> {
        let mut rank = span("rank", Some("search"), 600, 400);
        rank.status = StatusCode::Error;
        rank.status_message = "rate limited\x1b[2J\nby the model".to_owned();
        let mut late = span("late", Some("00f067aa0ba902b7"), 900, 0);
        late.status = StatusCode::Unset;
        vec![
            span("search", None, 0, 1000),
            span("rewrite", Some("search"), 0, 250),
            rank,
            late,
        ]
    }

    fn rendered(width: Option<usize>) -> String {
        strip_str(&render(&trace(), width)).to_string()
    }

    #[test]
    fn a_trace_shows_who_called_whom_when_and_how_it_ended() {
        assert_eq!(
            rendered(Some(76)),
            "\
4 spans, 1 error, 1.00 s from 2026-11-18T11:06:40.000Z

✓ search      CHAIN  1.00 s  ▕███████████████████████████▏  search
✓ ├─ rewrite  CHAIN  250 ms  ▕███████                    ▏  rewrite
✗ └─ rank     CHAIN  400 ms  ▕                ███████████▏  rank
       rate limited\u{fffd}[2J
       by the model
· late        CHAIN    0 ns  ▕                        █  ▏  late
    its parent 00f067aa0ba902b7 is not in this trace
"
        );
    }

    #[test]
    fn lines_fit_the_terminal_and_are_whole_without_one() {
        for width in 60..120 {
            for line in rendered(Some(width)).lines() {
                assert!(text::width(line) <= width, "{width}: {line}");
            }
        }
        let mut spans = trace();
        let long = "a name that is longer than any terminal ".repeat(20);
        spans
            .iter_mut()
            .for_each(|span| span.name.clone_from(&long));
        assert!(render(&spans, None).contains(&long));
        assert!(!render(&spans, Some(100)).contains(&long));
    }

    #[test]
    fn clocks_that_disagree_and_empty_traces_are_no_trouble() {
        let mut backwards = span("a", None, 5, 0);
        backwards.end_time = 0;
        let spans = [backwards, span("b", Some("a"), 0, 1)];
        assert!(
            strip_str(&render(&spans, Some(80)))
                .to_string()
                .contains('█')
        );
        assert!(render(&[], Some(80)).starts_with("0 spans"));
    }
}
