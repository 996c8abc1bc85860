//! Writing annotations: one request for each.

use roost_provider::types::{PartialFailure, RejectedItem};
use roost_provider::{Error, error};

use super::score::body;
use super::targets::Targets;
use crate::Result;
use crate::bindings::annotation_store::NewAnnotation;
use crate::langfuse::Langfuse;

/// The status of an answer that has others in it.
const MULTI_STATUS: u16 = 207;

/// Write annotations; returned are their ids.
pub(super) fn add(
    langfuse: &Langfuse,
    project: &str,
    annotations: &[NewAnnotation],
) -> Result<Vec<String>> {
    let mut targets = Targets::of(langfuse, project);
    let mut ids = Vec::new();
    let mut rejected = Vec::new();
    let mut first: Option<Error> = None;
    for (index, annotation) in (0..).zip(annotations) {
        let written = match &first {
            // What follows would fare no better.
            Some(error) if is_of_backend(error) => Err(error.clone()),
            _ => write(langfuse, project, &mut targets, annotation),
        };
        match written {
            Ok(id) => ids.push(id),
            Err(error) => {
                rejected.push(RejectedItem {
                    index,
                    reason: error::message(&error),
                });
                // The one that says most: whatever is not about one annotation.
                if first.is_none() || is_of_backend(&error) {
                    first = Some(error);
                }
            }
        }
    }
    match first {
        None => Ok(ids),
        Some(error) if ids.is_empty() => Err(error),
        Some(_) => Err(Error::Partial(PartialFailure {
            accepted: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            rejected,
        })),
    }
}

/// Whether an error is not about one annotation.
fn is_of_backend(error: &Error) -> bool {
    match error {
        Error::NotFound(_) | Error::InvalidArgument(_) => false,
        Error::Backend(failure) => failure.status != MULTI_STATUS,
        _ => true,
    }
}

/// Write one, over the one that is there.
fn write(
    langfuse: &Langfuse,
    project: &str,
    targets: &mut Targets<'_>,
    new: &NewAnnotation,
) -> Result<String> {
    let place = targets.place(&new.target)?;
    let id = place.id(project, &new.name, &new.identifier);
    let body = body(project, &place, &id, new)?;
    // It has an id, so making it twice makes one.
    let request = langfuse.post(&["scores"]).json(&body)?.repeatable();
    let answer = request.send()?.success()?;
    // How some versions say that they did not take it.
    if answer.status() == MULTI_STATUS {
        let said = String::from_utf8_lossy(answer.body());
        return Err(error::backend(MULTI_STATUS, &said));
    }
    Ok(id)
}
