//! `project-store`: projects are marks that spans bear, so there is nothing to make, and nothing
//! that could be listed.

use std::collections::BTreeSet;

use roost_provider::Error;
use roost_provider::types::{PageRequest, TimeWindow};
use serde_json::json;

use crate::bindings::project_store::{Guest, Project, ProjectPage, SpanSelection};
use crate::langfuse::{Langfuse, ask, langfuse};
use crate::observations::{Detail, Listing, any_of, begun_inside};
use crate::{Provider, Result, annotations, datasets, mark};

/// How many traces are looked at, and deleted, at a time: their ids go into an address.
const AT_A_TIME: usize = 50;

impl Guest for Provider {
    fn list_projects(_page: PageRequest) -> Result<ProjectPage> {
        Err(Error::Unsupported(
            "Langfuse cannot list the projects that spans are marked with".to_owned(),
        ))
    }

    fn ensure_project(name: String, _description: Option<String>) -> Result<Project> {
        mark::check(&name)?;
        Ok(Project {
            id: name.clone(),
            name,
            description: String::new(),
            created_at: None,
        })
    }

    fn delete_project(name: String) -> Result<()> {
        let langfuse = langfuse()?;
        if let Some(dataset) = datasets::any(langfuse, &name)? {
            return Err(Error::Unsupported(format!(
                "project `{name}` has the dataset `{dataset}`, and Langfuse's API deletes none: \
                 delete the project's datasets in Langfuse's pages first"
            )));
        }
        let (traces, sessions) = held(
            langfuse,
            &name,
            &TimeWindow {
                start: 0,
                end: u64::MAX,
            },
        )?;
        // Those of spans and traces go with them.
        annotations::delete_of_sessions(langfuse, &name, &sessions)?;
        delete_traces(langfuse, &name, &traces)
    }

    fn delete_spans(project: String, selection: SpanSelection) -> Result<()> {
        let langfuse = langfuse()?;
        let traces = match selection {
            SpanSelection::OlderThan(instant) => {
                let window = TimeWindow {
                    start: 0,
                    end: instant,
                };
                held(langfuse, &project, &window)?.0
            }
            SpanSelection::Traces(ids) => ids.into_iter().collect(),
        };
        delete_traces(langfuse, &project, &traces)
    }
}

/// The traces and the sessions (as Langfuse has them) of which a span of the project began inside
/// a window.
fn held(
    langfuse: &Langfuse,
    project: &str,
    window: &TimeWindow,
) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let listing = Listing {
        langfuse,
        project: Some(project),
        conditions: begun_inside(window),
        detail: Detail::Bare,
    };
    let (mut traces, mut sessions) = (BTreeSet::new(), BTreeSet::new());
    listing.each_page(|found| {
        for it in found {
            traces.extend(it.trace_id);
            sessions.extend(it.session_id);
        }
        Ok(())
    })?;
    Ok((traces, sessions))
}

/// Delete the traces that are the project's. Langfuse deletes whole traces, so one that has spans
/// of another project stays, and is an error when the others are gone.
fn delete_traces(langfuse: &Langfuse, project: &str, traces: &BTreeSet<String>) -> Result<()> {
    let traces: Vec<&String> = traces.iter().collect();
    let mut kept = BTreeSet::new();
    for traces in traces.chunks(AT_A_TIME) {
        let listing = Listing {
            langfuse,
            project: None,
            conditions: vec![any_of("traceId", traces)],
            detail: Detail::Bare,
        };
        let (mut own, mut shared) = (BTreeSet::new(), BTreeSet::new());
        listing.each_page(|found| {
            for it in found {
                let is_own = it.is_of(project);
                let traces = if is_own { &mut own } else { &mut shared };
                traces.extend(it.trace_id);
            }
            Ok(())
        })?;
        let whole: Vec<&String> = own.difference(&shared).collect();
        if !whole.is_empty() {
            let request = langfuse.delete(&["traces"]);
            ask::<serde_json::Value>(request.json(&json!({ "traceIds": whole }))?)?;
        }
        kept.extend(own.intersection(&shared).cloned());
    }
    match kept.first() {
        None => Ok(()),
        Some(trace) => Err(Error::Conflict(format!(
            "{} traces of project `{project}`, `{trace}` among them, also have spans of others, \
             and Langfuse deletes whole traces only: they are still there",
            kept.len()
        ))),
    }
}
