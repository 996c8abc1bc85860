//! Reading records and versions.

use roost_provider::types::PageRequest;
use roost_provider::{cursor, time};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::find::{check_version, own, visible};
use crate::bindings::dataset_store::{DatasetRecord, DatasetRef, RecordPage, Version, VersionPage};
use crate::phoenix::{Page, Phoenix};
use crate::{Result, global_id};

const VERSION: &str = "DatasetVersion";

/// A page of records. REST would hand out all of them for each.
pub(super) fn records(
    phoenix: &Phoenix,
    project: &str,
    dataset: &DatasetRef,
    version: Option<&str>,
    page: &PageRequest,
) -> Result<RecordPage> {
    let found = visible(phoenix, project, dataset)?;
    let (version, offset) = match &page.cursor {
        Some(cursor) => place(cursor)?,
        None => match version {
            Some(version) => {
                check_version(phoenix, &found.id, version)?;
                (version.to_owned(), 0)
            }
            None => match newest(phoenix, &found.id)? {
                Some(version) => (version, 0),
                // Made in Phoenix's pages, and never filled.
                None => {
                    return Ok(RecordPage {
                        dataset: found.at(project, None),
                        records: Vec::new(),
                        cursor: None,
                    });
                }
            },
        },
    };
    let data: Data = phoenix.graphql(
        "query ($dataset: ID!, $version: ID!, $first: Int!, $after: String) {
            node(id: $dataset) {
                ... on Dataset {
                    exampleCount(datasetVersionId: $version)
                    examples(datasetVersionId: $version, first: $first, after: $after) {
                        edges {
                            node {
                                id
                                externalId
                                datasetSplits { name }
                                revision { input output metadata }
                            }
                        }
                    }
                }
            }
        }",
        json!({
            "dataset": found.id,
            "version": version,
            "first": page.limit,
            "after": after(offset),
        }),
    )?;
    let records: Vec<DatasetRecord> = data
        .node
        .examples
        .edges
        .into_iter()
        .map(|edge| edge.node.into())
        .collect();
    let end = offset + records.len() as u64;
    let cursor = (!records.is_empty() && end < data.node.count).then(|| {
        let row = global_id::row(VERSION, &version).unwrap_or_default();
        cursor::mark("record", &format!("{row}:{end}"))
    });
    Ok(RecordPage {
        dataset: found.at(project, Some((version, Some(data.node.count)))),
        records,
        cursor,
    })
}

/// The version and the offset in a cursor of ours.
fn place(cursor: &str) -> Result<(String, u64)> {
    let own = cursor::unmark("record", cursor)?;
    let parsed = own.split_once(':').and_then(|(version, offset)| {
        let version: u64 = version.parse().ok()?;
        let offset: u32 = offset.parse().ok()?;
        Some((global_id::format(VERSION, version), u64::from(offset)))
    });
    parsed.ok_or_else(|| cursor::refusal(cursor))
}

/// GraphQL's cursor of the record before the one at `offset`.
fn after(offset: u64) -> Option<String> {
    let before = offset.checked_sub(1)?;
    Some(global_id::format("connection", before))
}

/// The versions of a dataset.
pub(super) fn versions(
    phoenix: &Phoenix,
    project: &str,
    dataset: &DatasetRef,
    page: &PageRequest,
) -> Result<VersionPage> {
    const LISTING: &str = "version";

    let after = page
        .cursor
        .as_deref()
        .map(|cursor| own(LISTING, VERSION, cursor))
        .transpose()?;
    let found = visible(phoenix, project, dataset)?;
    let listed = listed(phoenix, &found.id, page.limit, after)?;
    Ok(VersionPage {
        versions: listed
            .data
            .into_iter()
            .map(|it| Version {
                id: it.version_id,
                created_at: Some(it.created_at),
            })
            .collect(),
        cursor: listed.next_cursor.map(|next| cursor::mark(LISTING, &next)),
    })
}

/// The newest version; none of a dataset that was never filled.
pub(super) fn newest(phoenix: &Phoenix, dataset: &str) -> Result<Option<String>> {
    let listed = listed(phoenix, dataset, 1, None)?;
    Ok(listed.data.into_iter().next().map(|it| it.version_id))
}

fn listed(
    phoenix: &Phoenix,
    dataset: &str,
    limit: u32,
    after: Option<&str>,
) -> Result<Page<VersionRecord>> {
    let answer = phoenix
        .http
        .get(&["v1", "datasets", dataset, "versions"])
        .query("limit", limit)
        .query_some("cursor", after)
        .send()?;
    answer.json()
}

/// How many records a version has.
pub(super) fn count(phoenix: &Phoenix, dataset: &str, version: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Data {
        node: Counted,
    }
    #[derive(Deserialize)]
    struct Counted {
        #[serde(rename = "exampleCount")]
        count: u64,
    }

    let data: Data = phoenix.graphql(
        "query ($dataset: ID!, $version: ID!) {
            node(id: $dataset) {
                ... on Dataset { exampleCount(datasetVersionId: $version) }
            }
        }",
        json!({ "dataset": dataset, "version": version }),
    )?;
    Ok(data.node.count)
}

#[derive(Deserialize)]
struct VersionRecord {
    version_id: String,
    #[serde(deserialize_with = "time::deserialize")]
    created_at: u64,
}

#[derive(Deserialize)]
struct Data {
    node: Examples,
}

#[derive(Deserialize)]
struct Examples {
    #[serde(rename = "exampleCount")]
    count: u64,
    examples: Edges,
}

#[derive(Deserialize)]
struct Edges {
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    node: Example,
}

/// A record as GraphQL has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Example {
    id: String,
    external_id: Option<String>,
    dataset_splits: Vec<Split>,
    revision: Revision,
}

#[derive(Deserialize)]
struct Split {
    name: String,
}

#[derive(Deserialize)]
struct Revision {
    input: Box<RawValue>,
    output: Box<RawValue>,
    metadata: Box<RawValue>,
}

impl From<Example> for DatasetRecord {
    fn from(example: Example) -> Self {
        // Phoenix keeps an empty object where there was none.
        let some = |json: Box<RawValue>| Some(text(json)).filter(|json| json != "{}");
        Self {
            id: example.id,
            key: example.external_id,
            input: text(example.revision.input),
            output: some(example.revision.output),
            metadata: some(example.revision.metadata),
            // Phoenix's pages put a record into several.
            split: example.dataset_splits.into_iter().map(|it| it.name).min(),
        }
    }
}

fn text(json: Box<RawValue>) -> String {
    Box::<str>::from(json).into_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_names_a_version_and_a_place_in_it() {
        let (version, offset) = place("record:12:1000").unwrap();
        assert_eq!(global_id::row(VERSION, &version), Some(12));
        assert_eq!(after(offset).unwrap(), "Y29ubmVjdGlvbjo5OTk=");
        assert_eq!(after(0), None);
        for bad in [
            "",
            "record:",
            "record:1",
            "record:1:-1",
            "version:1:1",
            "record:x:1",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
