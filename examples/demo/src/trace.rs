//! A trace as a tree, with a bar for when each span ran.

use std::time::Duration;

use roost::contract::{Span, StatusCode};

use crate::screen::{BAD, BAR, DIM, duration, paint};
use crate::table::pad;

/// The columns of a bar.
const COLUMNS: usize = 30;

/// Lines of a whole trace: what begins with no parent, and what is below it.
pub(crate) fn draw(spans: &[Span]) -> Vec<String> {
    let start = spans.iter().map(|span| span.start_time).min();
    let end = spans.iter().map(|span| span.end_time).max();
    let mut drawing = Drawing {
        spans,
        start: start.unwrap_or(0),
        length: end.unwrap_or(0).saturating_sub(start.unwrap_or(0)).max(1),
        lines: Vec::new(),
    };
    drawing.below(None, "");
    drawing.lines
}

struct Drawing<'a> {
    spans: &'a [Span],
    start: u64,
    length: u64,
    lines: Vec<String>,
}

impl Drawing<'_> {
    /// The children of a span, oldest first as they come, each with its own below it.
    fn below(&mut self, parent: Option<&str>, indent: &str) {
        let spans = self.spans;
        let children = || {
            spans
                .iter()
                .filter(|span| span.parent_id.as_deref() == parent)
        };
        let last = children().count();
        for (place, span) in children().enumerate() {
            let (corner, line) = match parent {
                None => ("", ""),
                Some(_) if place + 1 == last => ("└─ ", "   "),
                Some(_) => ("├─ ", "│  "),
            };
            self.line(span, &format!("{indent}{corner}"));
            let indent = format!("{indent}{line}");
            if span.status == StatusCode::Error {
                let message = paint(BAD, &span.status_message);
                let goes_on = spans.iter().any(|child| is_child(child, span));
                let line = if goes_on { "│  " } else { "" };
                self.lines.push(format!("{indent}{line}{message}"));
            }
            self.below(Some(&span.span_id), &indent);
        }
    }

    fn line(&mut self, span: &Span, lead: &str) {
        let style = match span.status {
            StatusCode::Error => BAD,
            _ => BAR,
        };
        let name = pad(&format!("{lead}{}", span.name), 17);
        let kind = paint(DIM, pad(&span.kind, 9));
        let took = Duration::from_nanos(span.end_time.saturating_sub(span.start_time));
        let bar = paint(style, self.bar(span));
        self.lines
            .push(format!("{name} {kind} {:>7}  ▕{bar}▏", duration(took)));
    }

    /// A span that hardly took time still has a column.
    fn bar(&self, span: &Span) -> String {
        let column = |instant: u64| {
            let after = u128::from(instant.saturating_sub(self.start));
            let column = after * COLUMNS as u128 / u128::from(self.length);
            usize::try_from(column).unwrap_or(COLUMNS).min(COLUMNS)
        };
        let from = column(span.start_time).min(COLUMNS - 1);
        let to = column(span.end_time).max(from + 1);
        pad(
            &format!("{}{}", " ".repeat(from), "█".repeat(to - from)),
            COLUMNS,
        )
    }
}

fn is_child(child: &Span, span: &Span) -> bool {
    child.parent_id.as_ref() == Some(&span.span_id)
}
