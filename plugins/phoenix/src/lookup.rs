//! Which of some ids exist in a project. Phoenix annotates and deletes by ids alone, whatever
//! project they belong to; a tenant must reach nobody else's.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use crate::phoenix::{MOST, Page, Phoenix};
use crate::{Result, projects, session_id};

/// How many trace ids go into one address: some 20 KB of it.
const TRACES_AN_ADDRESS: usize = 500;

/// A trace as REST has it.
#[derive(Deserialize)]
pub(crate) struct Trace {
    /// Phoenix's id.
    pub(crate) id: String,
    /// OpenTelemetry's id.
    pub(crate) trace_id: String,
}

/// A connection of GraphQL.
#[derive(Deserialize)]
struct Connection<T> {
    edges: Vec<Edge<T>>,
}

#[derive(Deserialize)]
struct Edge<T> {
    node: T,
}

/// Those of `ids` that are spans of the project.
pub(crate) fn spans(
    phoenix: &Phoenix,
    project: &str,
    ids: &BTreeSet<&str>,
) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "getProjectByName")]
        project: Option<Spans>,
    }
    #[derive(Deserialize)]
    struct Spans {
        spans: Connection<Span>,
    }
    #[derive(Deserialize)]
    struct Span {
        #[serde(rename = "spanId")]
        span_id: String,
    }

    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let data: Data = phoenix.graphql(
        "query ($name: String!, $filter: String!, $first: Int!) {
            getProjectByName(name: $name) {
                spans(first: $first, filterCondition: $filter) { edges { node { spanId } } }
            }
        }",
        json!({ "name": project, "filter": one_of("span_id", ids)?, "first": MOST }),
    )?;
    let found = data.project.ok_or_else(|| projects::unknown(project))?;
    let nodes = found.spans.edges.into_iter().map(|edge| edge.node.span_id);
    Ok(nodes.collect())
}

/// Those of `ids` that are traces of the project.
pub(crate) fn traces(
    phoenix: &Phoenix,
    project: &str,
    ids: &[impl AsRef<str>],
) -> Result<Vec<Trace>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(TRACES_AN_ADDRESS) {
        let ids: BTreeSet<&str> = chunk.iter().map(AsRef::as_ref).collect();
        let answer = phoenix
            .get_in_project(project, "traces")?
            .query("filter", one_of("trace_id", &ids)?)
            .query("limit", MOST)
            .send()?;
        found.extend(answer.json::<Page<Trace>>()?.data);
    }
    Ok(found)
}

/// Those of `ids` that are sessions of the project, each with the id it is stored under.
pub(crate) fn sessions<'s>(
    phoenix: &Phoenix,
    project: &str,
    ids: &BTreeSet<&'s str>,
) -> Result<BTreeMap<&'s str, String>> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "getProjectByName")]
        project: Option<Sessions>,
    }
    #[derive(Deserialize)]
    struct Sessions {
        sessions: Connection<Session>,
    }
    #[derive(Deserialize)]
    struct Session {
        #[serde(rename = "sessionId")]
        session_id: String,
    }

    let candidates: Vec<(&str, String)> = ids
        .iter()
        .flat_map(|id| session_id::candidates(project, id).map(|stored| (*id, stored)))
        .collect();
    let mut found = BTreeMap::new();
    for chunk in candidates.chunks(MOST as usize) {
        let stored: BTreeSet<&str> = chunk.iter().map(|(_, stored)| stored.as_str()).collect();
        let data: Data = phoenix.graphql(
            "query ($name: String!, $filter: String!, $first: Int!) {
                getProjectByName(name: $name) {
                    sessions(first: $first, sessionFilterCondition: $filter) {
                        edges { node { sessionId } }
                    }
                }
            }",
            json!({ "name": project, "filter": one_of("session_id", &stored)?, "first": MOST }),
        )?;
        let sessions = data.project.ok_or_else(|| projects::unknown(project))?;
        let existing: BTreeSet<String> = sessions
            .sessions
            .edges
            .into_iter()
            .map(|edge| edge.node.session_id)
            .collect();
        for (id, stored) in chunk {
            if existing.contains(stored) {
                // Roost's own comes first and stays.
                found.entry(*id).or_insert_with(|| stored.clone());
            }
        }
    }
    Ok(found)
}

/// A condition in Phoenix's language, whose texts are Python's; what JSON writes of a text,
/// Python reads alike.
fn one_of(field: &str, values: &BTreeSet<&str>) -> Result<String> {
    let list = serde_json::to_string(values)
        .map_err(|error| roost_provider::Error::Internal(error.to_string()))?;
    Ok(format!("{field} in {list}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_every_text_and_nothing_breaks_out_of_it() {
        let values = BTreeSet::from(["a'b", "c\"d\\", "ü"]);
        assert_eq!(
            one_of("session_id", &values).ok().as_deref(),
            Some(r#"session_id in ["a'b","c\"d\\","ü"]"#)
        );
    }
}
