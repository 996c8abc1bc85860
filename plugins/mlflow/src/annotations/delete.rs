//! Deleting annotations, of the project's own traces only.

use std::collections::BTreeSet;

use super::read;
use crate::bindings::annotation_store::Selection;
use crate::mlflow::{Mlflow, answer};
use crate::{Result, projects, search};

/// Delete what is there of the selection.
pub(super) fn delete(mlflow: &Mlflow, project: &str, selection: &Selection) -> Result<()> {
    let ids = match selection {
        Selection::Ids(ids) => ids.clone(),
        Selection::Key(key) => read::all(mlflow, project, std::slice::from_ref(&key.target))?
            .into_iter()
            .filter(|it| it.name == key.name)
            .filter(|it| {
                key.identifier
                    .as_ref()
                    .is_none_or(|id| *id == it.identifier)
            })
            .map(|it| it.id)
            .collect(),
    };
    let experiment = projects::id(mlflow, project)?;
    let parts: Vec<(String, &str)> = ids
        .iter()
        .filter_map(|id| id.split_once(':'))
        .map(|(trace, id)| (search::trace_id(trace), id))
        .collect();
    let traces: BTreeSet<&str> = parts.iter().map(|(trace, _)| trace.as_str()).collect();
    let own: BTreeSet<String> = read::assessed(mlflow, &experiment, traces)?
        .into_iter()
        .map(|trace| trace.trace_id)
        .collect();
    for (trace, id) in parts {
        if own.contains(&trace) {
            let path = ["api", "3.0", "mlflow", "traces", &trace, "assessments", id];
            answer(mlflow.http.delete(&path))?;
        }
    }
    Ok(())
}
