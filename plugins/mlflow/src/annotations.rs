//! `annotation-store`: annotations are MLflow's assessments, which belong to a trace. One of a
//! session is on the session's first trace, and says so in its metadata, as MLflow's own do.

mod assessment;
mod delete;
mod read;
mod write;

use roost_provider::types::PageRequest;

use crate::bindings::annotation_store::{AnnotationPage, Guest, NewAnnotation, Selection, Target};
use crate::mlflow::mlflow;
use crate::{Provider, Result};

impl Guest for Provider {
    fn add_annotations(project: String, annotations: Vec<NewAnnotation>) -> Result<Vec<String>> {
        write::add(mlflow()?, &project, &annotations)
    }

    fn get_annotations(
        project: String,
        targets: Vec<Target>,
        names: Option<Vec<String>>,
        page: PageRequest,
    ) -> Result<AnnotationPage> {
        read::page(mlflow()?, &project, &targets, names.as_deref(), &page)
    }

    fn delete_annotations(project: String, selection: Selection) -> Result<()> {
        delete::delete(mlflow()?, &project, &selection)
    }
}
