//! Deleting annotations.
//!
//! REST deletes by name in a whole project; single annotations are GraphQL's, which asks only
//! for Phoenix's ids and takes them from any project. So what is to be deleted is looked for
//! among its target's annotations in the project, and what is not there is no error.

use std::collections::BTreeMap;

use roost_provider::{Error, error};
use serde::de::IgnoredAny;
use serde_json::json;

use super::parts;
use super::read::{self, Record};
use crate::annotation_id::{AnnotationId, Kind};
use crate::bindings::annotation_store::{AnnotationKey, Selection};
use crate::phoenix::{MOST, Phoenix};
use crate::{Result, projects};

/// The name under which Phoenix keeps notes, which have mutations of their own.
const NOTE: &str = "note";

/// Delete what `selection` names.
pub(super) fn delete(phoenix: &Phoenix, project: &str, selection: &Selection) -> Result<()> {
    match selection {
        Selection::Ids(ids) => delete_ids(phoenix, project, ids),
        Selection::Key(key) => delete_key(phoenix, project, key),
    }
}

fn delete_ids(phoenix: &Phoenix, project: &str, ids: &[String]) -> Result<()> {
    let mut by_target: BTreeMap<(Kind, &str), Vec<&str>> = BTreeMap::new();
    for id in ids {
        let id = AnnotationId::parse(id)
            .ok_or_else(|| error::invalid_argument(format!("`{id}` is no id of an annotation")))?;
        by_target
            .entry((id.kind, id.target))
            .or_default()
            .push(id.phoenix);
    }
    if by_target.is_empty() {
        return projects::find(phoenix, project).map(|_| ());
    }
    for ((kind, target), ids) in by_target {
        delete_of(phoenix, project, kind, target, None, |record| {
            ids.contains(&record.id.as_str())
        })?;
    }
    Ok(())
}

fn delete_key(phoenix: &Phoenix, project: &str, key: &AnnotationKey) -> Result<()> {
    let (kind, target) = parts(&key.target);
    delete_of(phoenix, project, kind, target, Some(&key.name), |record| {
        key.identifier
            .as_ref()
            .is_none_or(|identifier| *identifier == record.identifier)
    })
}

/// Delete those annotations of a target that `doomed` picks. Phoenix deletes all of the ids it
/// is given or none; when one went meanwhile, those that are left are tried once more.
fn delete_of(
    phoenix: &Phoenix,
    project: &str,
    kind: Kind,
    target: &str,
    name: Option<&String>,
    doomed: impl Fn(&Record) -> bool,
) -> Result<()> {
    let attempt = || {
        let records = all(phoenix, project, kind, target, name)?;
        let doomed = records.iter().filter(|record| doomed(record));
        let (notes, others): (Vec<&Record>, Vec<&Record>) =
            doomed.partition(|record| record.name == NOTE);
        delete_records(phoenix, kind, &others, false)?;
        delete_records(phoenix, kind, &notes, true)
    };
    attempt().or_else(|first| match first {
        Error::Backend(_) => attempt(),
        other => Err(other),
    })
}

/// All annotations of a target, or those of a name.
fn all(
    phoenix: &Phoenix,
    project: &str,
    kind: Kind,
    target: &str,
    name: Option<&String>,
) -> Result<Vec<Record>> {
    let ids = read::stored(project, kind, target);
    let names = name.map(std::slice::from_ref);
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let page = read::list(phoenix, project, kind, &ids, names, MOST, after.as_deref())?;
        records.extend(page.data);
        after = page.next_cursor;
        if after.is_none() {
            return Ok(records);
        }
    }
}

fn delete_records(phoenix: &Phoenix, kind: Kind, records: &[&Record], notes: bool) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let many = |document: &str| {
        let variables = json!({ "ids": ids });
        phoenix
            .graphql::<IgnoredAny>(document, variables)
            .map(|_| ())
    };
    match (kind, notes) {
        (Kind::Span, false) => many(
            "mutation ($ids: [ID!]!) {
                deleteSpanAnnotations(input: { annotationIds: $ids }) { __typename }
            }",
        ),
        (Kind::Span, true) => many(
            "mutation ($ids: [ID!]!) {
                deleteSpanNotes(input: { annotationIds: $ids }) { __typename }
            }",
        ),
        (Kind::Trace, false) => many(
            "mutation ($ids: [ID!]!) {
                deleteTraceAnnotations(input: { annotationIds: $ids }) { __typename }
            }",
        ),
        (Kind::Trace, true) => many(
            "mutation ($ids: [ID!]!) {
                deleteTraceNotes(input: { annotationIds: $ids }) { __typename }
            }",
        ),
        (Kind::Session, true) => many(
            "mutation ($ids: [ID!]!) {
                deleteProjectSessionNotes(input: { annotationIds: $ids }) { __typename }
            }",
        ),
        // The only one that takes one at a time.
        (Kind::Session, false) => ids.iter().try_for_each(|id| {
            phoenix
                .graphql::<IgnoredAny>(
                    "mutation ($id: ID!) { deleteProjectSessionAnnotation(id: $id) { __typename } }",
                    json!({ "id": id }),
                )
                .map(|_| ())
        }),
    }
}
