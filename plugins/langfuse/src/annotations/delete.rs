//! Deleting annotations of the project.

use std::collections::BTreeSet;

use roost_provider::Error;

use super::read;
use crate::bindings::annotation_store::{Selection, Target};
use crate::langfuse::Langfuse;
use crate::{Result, session_id};

/// Delete what is there of the selection.
pub(super) fn delete(langfuse: &Langfuse, project: &str, selection: Selection) -> Result<()> {
    let found = match selection {
        Selection::Ids(ids) => read::with_ids(langfuse, project, &ids)?,
        Selection::Key(key) => {
            let mut found = read::all(langfuse, project, key.target)?;
            found.retain(|it| {
                let identifier = key.identifier.as_ref();
                it.name == key.name && identifier.is_none_or(|id| *id == it.identifier)
            });
            found
        }
    };
    found.iter().try_for_each(|it| remove(langfuse, &it.id))
}

/// Delete all annotations of these sessions (as Langfuse has them) that are the project's.
pub(crate) fn delete_of_sessions(
    langfuse: &Langfuse,
    project: &str,
    sessions: &BTreeSet<String>,
) -> Result<()> {
    for id in sessions {
        if let Some(id) = session_id::given(project, id) {
            for annotation in read::all(langfuse, project, Target::Session(id))? {
                remove(langfuse, &annotation.id)?;
            }
        }
    }
    Ok(())
}

fn remove(langfuse: &Langfuse, id: &str) -> Result<()> {
    let answer = langfuse.delete(&["scores", id]).send()?;
    match answer.success() {
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
