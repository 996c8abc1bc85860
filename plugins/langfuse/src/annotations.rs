//! `annotation-store`: annotations are Langfuse's scores.

mod delete;
mod read;
mod score;
mod targets;
mod write;

use roost_provider::types::PageRequest;

pub(crate) use self::delete::delete_of_sessions;
use crate::bindings::annotation_store::{AnnotationPage, Guest, NewAnnotation, Selection, Target};
use crate::langfuse::langfuse;
use crate::{Provider, Result};

impl Guest for Provider {
    fn add_annotations(project: String, annotations: Vec<NewAnnotation>) -> Result<Vec<String>> {
        write::add(langfuse()?, &project, &annotations)
    }

    fn get_annotations(
        project: String,
        targets: Vec<Target>,
        names: Option<Vec<String>>,
        page: PageRequest,
    ) -> Result<AnnotationPage> {
        read::page(langfuse()?, &project, &targets, names.as_deref(), &page)
    }

    fn delete_annotations(project: String, selection: Selection) -> Result<()> {
        delete::delete(langfuse()?, &project, selection)
    }
}
