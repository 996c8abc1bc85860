//! `annotation-store`.

use roost_provider::bindings::wasi::random::random;
use roost_provider::types::PageRequest;

use super::{breaks, instead_of_missing, of_any_project};
use crate::bindings::annotation_store::{AnnotationPage, Guest, NewAnnotation, Selection, Target};
use crate::{Error, Provider, Result, Wrong};

impl Guest for Wrong {
    fn add_annotations(
        project: String,
        mut annotations: Vec<NewAnnotation>,
    ) -> Result<Vec<String>> {
        for annotation in &mut annotations {
            if breaks("annotations.written") {
                annotation.metadata = None;
            }
            if breaks("annotations.replaced") && annotation.identifier.is_empty() {
                annotation.identifier = random::get_random_u64().to_string();
            }
        }
        let again = annotations.clone();
        let mut answer = Provider::add_annotations(project, annotations);
        if breaks("annotations.unknown") {
            answer = instead_of_missing(answer, || Ok(vec![String::new(); again.len()]));
        }
        if breaks("annotations.other-project") {
            let any = || of_any_project(|of| Provider::add_annotations(of, again.clone()));
            answer = instead_of_missing(answer, any);
        }
        if let (Err(Error::Partial(partial)), true) = (&mut answer, breaks("annotations.partial")) {
            partial.rejected.iter_mut().for_each(|item| item.index += 1);
        }
        let mut ids = answer?;
        if breaks("annotations.identifiers") {
            ids.reverse();
        }
        Ok(ids)
    }

    fn get_annotations(
        project: String,
        mut targets: Vec<Target>,
        names: Option<Vec<String>>,
        page: PageRequest,
    ) -> Result<AnnotationPage> {
        let names = names.filter(|_| !breaks("annotations.names"));
        if breaks("annotations.targets") {
            targets.retain(|target| matches!(target, Target::Span(_)));
        }
        if targets.is_empty() {
            return Ok(AnnotationPage {
                annotations: Vec::new(),
                cursor: None,
            });
        }
        let mut page = Provider::get_annotations(project, targets, names, page)?;
        if breaks("annotations.pages") {
            page.cursor = None;
        }
        Ok(page)
    }

    fn delete_annotations(project: String, mut selection: Selection) -> Result<()> {
        if let (Selection::Key(key), true) = (&mut selection, breaks("annotations.deleted")) {
            key.identifier = None;
        }
        Provider::delete_annotations(project, selection)
    }
}
