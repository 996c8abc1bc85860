//! `annotation-store`. Spans, traces and sessions have the same three endpoints each under
//! other names, see [`Kind`]; deleting single annotations is GraphQL's.

mod delete;
mod read;
mod write;

use roost_provider::types::PageRequest;

use crate::annotation_id::Kind;
use crate::bindings::annotation_store::{AnnotationPage, Guest, NewAnnotation, Selection, Target};
use crate::phoenix::phoenix;
use crate::{Provider, Result};

impl Guest for Provider {
    fn add_annotations(project: String, annotations: Vec<NewAnnotation>) -> Result<Vec<String>> {
        write::add(phoenix()?, &project, &annotations)
    }

    fn get_annotations(
        project: String,
        targets: Vec<Target>,
        names: Option<Vec<String>>,
        page: PageRequest,
    ) -> Result<AnnotationPage> {
        read::page(phoenix()?, &project, &targets, names.as_deref(), &page)
    }

    fn delete_annotations(project: String, selection: Selection) -> Result<()> {
        delete::delete(phoenix()?, &project, &selection)
    }
}

/// A target's kind, and its id as the contract has it.
fn parts(target: &Target) -> (Kind, &str) {
    match target {
        Target::Span(span) => (Kind::Span, &span.span_id),
        Target::Trace(trace) => (Kind::Trace, trace),
        Target::Session(session) => (Kind::Session, session),
    }
}
