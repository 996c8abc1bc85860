//! `project-store`.

use roost_provider::types::PageRequest;

use super::{breaks, instead_of_missing, of_any_project};
use crate::bindings::project_store::{Guest, Project, ProjectPage, SpanSelection};
use crate::{Error, Provider, Result, Wrong};

impl Guest for Wrong {
    fn list_projects(page: PageRequest) -> Result<ProjectPage> {
        let mut page = Provider::list_projects(page)?;
        if breaks("projects.listed") {
            page.cursor = None;
        }
        Ok(page)
    }

    fn ensure_project(name: String, description: Option<String>) -> Result<Project> {
        let mut project = Provider::ensure_project(name, description.clone())?;
        if breaks("projects.ensured") {
            project.description = description.unwrap_or_default();
        }
        Ok(project)
    }

    fn delete_project(name: String) -> Result<()> {
        let answer = Provider::delete_project(name);
        if breaks("projects.deleted") {
            return instead_of_missing(answer, || Ok(()));
        }
        answer
    }

    fn delete_spans(project: String, mut selection: SpanSelection) -> Result<()> {
        match &mut selection {
            SpanSelection::Traces(_) if breaks("projects.traces-deleted") => {
                selection = SpanSelection::OlderThan(u64::MAX);
            }
            SpanSelection::Traces(traces) if breaks("projects.other-project") => {
                // All of them, one project after the other: none is the last to answer.
                let _ = of_any_project(|of| {
                    let traces = SpanSelection::Traces(traces.clone());
                    Provider::delete_spans(of, traces)?;
                    Err::<(), _>(Error::NotFound(String::new()))
                });
            }
            SpanSelection::OlderThan(instant) if breaks("projects.old-deleted") => *instant += 1,
            _ => {}
        }
        Provider::delete_spans(project, selection)
    }
}
