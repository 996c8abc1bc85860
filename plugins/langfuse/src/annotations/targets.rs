//! What is there of a project, as far as annotations ask: looked up once in a call.

use std::collections::{BTreeMap, BTreeSet};

use super::score::Place;
use crate::bindings::annotation_store::Target;
use crate::langfuse::Langfuse;
use crate::observations::{Detail, Listing, equal};
use crate::{Result, session_id, sessions, traces};

/// The targets of a project that were looked up.
pub(super) struct Targets<'t> {
    langfuse: &'t Langfuse,
    project: &'t str,
    /// Spans of traces; none of a trace that is not the project's.
    traces: BTreeMap<String, BTreeSet<String>>,
    sessions: BTreeMap<String, bool>,
}

impl<'t> Targets<'t> {
    pub(super) fn of(langfuse: &'t Langfuse, project: &'t str) -> Self {
        Self {
            langfuse,
            project,
            traces: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// Where annotations of a target are kept.
    ///
    /// # Errors
    /// `not-found` for a target that the project does not have.
    pub(super) fn place(&mut self, target: &Target) -> Result<Place> {
        let project = self.project;
        match target {
            Target::Trace(id) if self.spans(id)?.is_empty() => Err(traces::no_trace(project, id)),
            Target::Trace(id) => Ok(Place::Trace(id.clone())),
            Target::Span(span) if span.trace_id.is_empty() => self
                .trace_of(&span.span_id)?
                .map(|trace| Place::Span {
                    trace,
                    span: span.span_id.clone(),
                })
                .ok_or_else(|| traces::no_span(project, &span.span_id)),
            Target::Span(span) if self.spans(&span.trace_id)?.contains(&span.span_id) => {
                Ok(Place::Span {
                    trace: span.trace_id.clone(),
                    span: span.span_id.clone(),
                })
            }
            Target::Span(span) => Err(traces::no_span(project, &span.span_id)),
            Target::Session(id) if self.has_session(id)? => {
                session_id::stored(project, id).map(Place::Session)
            }
            Target::Session(id) => Err(sessions::unknown(project, id)),
        }
    }

    /// The spans of a trace.
    fn spans(&mut self, trace: &str) -> Result<&BTreeSet<String>> {
        if !self.traces.contains_key(trace) {
            let mut spans = BTreeSet::new();
            self.listing("traceId", trace).each_page(|found| {
                spans.extend(found.into_iter().map(|it| it.id));
                Ok(())
            })?;
            self.traces.insert(trace.to_owned(), spans);
        }
        Ok(self.traces.entry(trace.to_owned()).or_default())
    }

    fn has_session(&mut self, id: &str) -> Result<bool> {
        if let Some(is_there) = self.sessions.get(id) {
            return Ok(*is_there);
        }
        let is_there = sessions::is_there(self.langfuse, self.project, id)?;
        self.sessions.insert(id.to_owned(), is_there);
        Ok(is_there)
    }

    /// The trace in which a span is.
    pub(super) fn trace_of(&self, span: &str) -> Result<Option<String>> {
        let (found, _) = self.listing("id", span).page(1, None)?;
        Ok(found.into_iter().find_map(|it| it.trace_id))
    }

    fn listing(&self, column: &str, text: &str) -> Listing<'t> {
        Listing {
            langfuse: self.langfuse,
            project: Some(self.project),
            conditions: vec![equal(column, text)],
            detail: Detail::Bare,
        }
    }
}
