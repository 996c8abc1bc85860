//! A trace's spans in the order of their tree, each with the lines that lead to it.
//!
//! What a backend has is not always a tree: parents are lost, or were never sent, and
//! nothing stops a sender from making spans each other's parents. Every span is shown
//! exactly once all the same.

use std::collections::{HashMap, HashSet};

use roost::contract::Span;

/// How deep lines lead; spans below are shown at this depth. Each line costs columns, and
/// a chain of a hundred thousand spans must not cost gigabytes.
const DEEPEST: usize = 32;

/// A span at its place in the tree.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) span: &'a Span,
    /// What stands before its name, such as `│  ├─ `.
    pub(super) lead: String,
    /// What stands before lines below its own, so that the tree goes on there.
    pub(super) below: String,
    /// Why it stands at the left although it has a parent.
    pub(super) detached: Option<Detached>,
}

/// Why a span with a parent is shown as a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detached {
    /// The parent is not among the trace's spans.
    Orphan,
    /// Following its parents leads back to itself.
    Circle,
}

/// The spans as rows, children below their parents, in the order they began.
pub(super) fn rows(spans: &[Span]) -> Vec<Row<'_>> {
    let mut ordered: Vec<&Span> = spans.iter().collect();
    ordered.sort_by_key(|span| (span.start_time, span.end_time));
    let ids: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let mut walk = Walk::default();
    let mut roots = Vec::new();
    for (place, span) in ordered.iter().enumerate() {
        match span.parent_id.as_deref() {
            Some(parent) if ids.contains(parent) => {
                walk.children.entry(parent).or_default().push((place, span));
            }
            Some(_) => roots.push((place, *span, Some(Detached::Orphan))),
            None => roots.push((place, *span, None)),
        }
    }
    for (place, span, detached) in roots {
        walk.descend(place, span, detached);
    }
    // What no root leads to is, or hangs below, a circle.
    for (place, span) in ordered.into_iter().enumerate() {
        walk.descend(place, span, Some(Detached::Circle));
    }
    walk.rows
}

#[derive(Default)]
struct Walk<'a> {
    children: HashMap<&'a str, Vec<(usize, &'a Span)>>,
    seen: HashSet<usize>,
    rows: Vec<Row<'a>>,
}

impl<'a> Walk<'a> {
    /// Add a span that was not added yet, and all below it. Without recursion, for a trace
    /// may be as deep as it is long.
    fn descend(&mut self, place: usize, span: &'a Span, detached: Option<Detached>) {
        if !self.seen.insert(place) {
            return;
        }
        let mut waiting = vec![(
            0,
            Row {
                span,
                lead: String::new(),
                below: String::new(),
                detached,
            },
        )];
        while let Some((depth, row)) = waiting.pop() {
            let children = self.children.remove(row.span.span_id.as_str());
            let mut children = children.unwrap_or_default();
            // Added once, even where two spans share an id.
            children.retain(|(place, _)| self.seen.insert(*place));
            let base = match depth {
                ..DEEPEST => row.below.as_str(),
                _ => one_step_up(&row.below),
            };
            let children = children.into_iter().rev().enumerate();
            for (from_last, (_, span)) in children {
                let (corner, line) = if from_last == 0 {
                    ("└─ ", "   ")
                } else {
                    ("├─ ", "│  ")
                };
                let child = Row {
                    span,
                    lead: format!("{base}{corner}"),
                    below: format!("{base}{line}"),
                    detached: None,
                };
                waiting.push((depth + 1, child));
            }
            self.rows.push(row);
        }
    }
}

/// The lines that lead to a span, without those of the last step: three characters.
fn one_step_up(below: &str) -> &str {
    let last = below.char_indices().rev().nth(2);
    last.and_then(|(start, _)| below.get(..start))
        .unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use roost::contract::StatusCode;

    use super::*;

    /// A span of so many milliseconds, `start` milliseconds after a fixed instant.
    pub(in super::super) fn span(id: &str, parent: Option<&str>, start: u64, length: u64) -> Span {
        const MILLISECOND: u64 = 1_000_000;
        let start_time = 1_795_000_000_000_000_000 + start * MILLISECOND;
        Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: id.to_owned(),
            parent_id: parent.map(str::to_owned),
            name: id.to_owned(),
            kind: "CHAIN".to_owned(),
            status: StatusCode::Ok,
            status_message: String::new(),
            start_time,
            end_time: start_time + length * MILLISECOND,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        }
    }

    fn drawn(spans: &[Span]) -> Vec<String> {
        let rows = rows(spans);
        let line = |row: &Row<'_>| format!("{}{}", row.lead, row.span.span_id);
        rows.iter().map(line).collect()
    }

    #[test]
    fn children_stand_below_their_parent_in_the_order_they_began() {
        let spans = [
            span("c", Some("a"), 50, 10),
            span("d", Some("b"), 20, 5),
            span("b", Some("a"), 10, 20),
            span("a", None, 0, 100),
            span("e", Some("b"), 30, 5),
        ];
        assert_eq!(drawn(&spans), ["a", "├─ b", "│  ├─ d", "│  └─ e", "└─ c"]);
        assert_eq!(
            rows(&spans).get(1).map(|row| row.below.as_str()),
            Some("│  ")
        );
    }

    #[test]
    fn a_span_whose_parent_is_missing_is_a_root() {
        let spans = [span("a", None, 0, 9), span("b", Some("gone"), 1, 2)];
        assert_eq!(drawn(&spans), ["a", "b"]);
        let detached: Vec<_> = rows(&spans).iter().map(|row| row.detached).collect();
        assert_eq!(detached, [None, Some(Detached::Orphan)]);
    }

    #[test]
    fn circles_and_repeated_ids_show_every_span_once() {
        let spans = [
            span("a", Some("b"), 0, 9),
            span("b", Some("a"), 1, 2),
            span("self", Some("self"), 2, 2),
            span("twin", None, 3, 1),
            span("twin", None, 4, 1),
            span("child", Some("twin"), 5, 1),
        ];
        assert_eq!(
            drawn(&spans),
            ["twin", "└─ child", "twin", "a", "└─ b", "self"]
        );
    }

    #[test]
    fn a_trace_as_deep_as_it_is_long_is_drawn() {
        // Two children each, so that lines go on beside every step.
        let mut spans = Vec::new();
        let mut parent = None;
        for n in 0..10_000 {
            let id = n.to_string();
            spans.push(span(&id, parent.as_deref(), n, 1));
            spans.push(span(&format!("{id}-last"), parent.as_deref(), n + 1, 1));
            parent = Some(id);
        }
        let rows = rows(&spans);
        assert_eq!(rows.len(), spans.len());
        for (depth, id) in (0..100).map(|n| (n, n.to_string())) {
            let row = rows.iter().find(|row| row.span.span_id == id).unwrap();
            assert_eq!(row.lead.chars().count(), 3 * depth.min(DEEPEST), "{id}");
        }
    }
}
