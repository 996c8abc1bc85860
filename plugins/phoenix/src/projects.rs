//! `project-store`.

use roost_provider::{Error, cursor, error, time};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bindings::project_store::{Guest, Project, ProjectPage, SpanSelection};
use crate::phoenix::{Page, Phoenix, phoenix};
use crate::{Provider, Result, lookup};
use roost_provider::types::PageRequest;

impl Guest for Provider {
    fn list_projects(page: PageRequest) -> Result<ProjectPage> {
        let cursor = page
            .cursor
            .as_deref()
            .map(|cursor| cursor::unmark("project", cursor))
            .transpose()?;
        let answer = phoenix()?
            .http
            .get(&["v1", "projects"])
            .query("limit", page.limit)
            .query_some("cursor", cursor)
            .send()?;
        let found: Page<Record> = answer.json()?;
        Ok(ProjectPage {
            projects: found.data.into_iter().map(Project::from).collect(),
            cursor: found.next_cursor.map(|next| cursor::mark("project", &next)),
        })
    }

    fn ensure_project(name: String, description: Option<String>) -> Result<Project> {
        let phoenix = phoenix()?;
        if name.is_empty() {
            return Err(error::invalid_argument("a project's name cannot be empty"));
        }
        if let Some(project) = by_name(phoenix, &name)? {
            return Ok(project);
        }
        #[derive(Serialize)]
        struct New<'n> {
            name: &'n str,
            description: Option<&'n str>,
        }
        let new = New {
            name: &name,
            description: description.as_deref(),
        };
        // Not a conflict but a status of 500 says that somebody else was faster; so does a
        // repetition of a request whose answer was lost.
        let created = phoenix
            .http
            .post(&["v1", "projects"])
            .json(&new)?
            .repeatable()
            .send()?
            .success();
        match by_name(phoenix, &name)? {
            Some(project) => Ok(project),
            None => Err(created.err().unwrap_or_else(|| unknown(&name))),
        }
    }

    fn delete_project(name: String) -> Result<()> {
        let phoenix = phoenix()?;
        let project = phoenix.in_path(&name)?;
        phoenix
            .http
            .delete(&["v1", "projects", &project])
            .send()?
            .success()?;
        Ok(())
    }

    fn delete_spans(project: String, selection: SpanSelection) -> Result<()> {
        let phoenix = phoenix()?;
        match selection {
            SpanSelection::OlderThan(instant) => delete_older(phoenix, &project, instant),
            SpanSelection::Traces(ids) => delete_traces(phoenix, &project, &ids),
        }
    }
}

/// A project as REST has it.
#[derive(Deserialize)]
struct Record {
    id: String,
    name: String,
    description: Option<String>,
    /// Only GraphQL says.
    #[serde(
        rename = "createdAt",
        default,
        deserialize_with = "time::deserialize_option"
    )]
    created_at: Option<u64>,
}

impl From<Record> for Project {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            name: record.name,
            description: record.description.unwrap_or_default(),
            created_at: record.created_at,
        }
    }
}

/// The project of this name, whatever the name holds.
pub(crate) fn find(phoenix: &Phoenix, name: &str) -> Result<Project> {
    by_name(phoenix, name)?.ok_or_else(|| unknown(name))
}

fn by_name(phoenix: &Phoenix, name: &str) -> Result<Option<Project>> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "getProjectByName")]
        project: Option<Record>,
    }

    let data: Data = phoenix.graphql(
        "query ($name: String!) {
            getProjectByName(name: $name) { id name description createdAt }
        }",
        json!({ "name": name }),
    )?;
    Ok(data.project.map(Project::from))
}

/// The error for a project that does not exist.
pub(crate) fn unknown(name: &str) -> Error {
    error::not_found(format!("Phoenix has no project `{name}`"))
}

fn delete_older(phoenix: &Phoenix, project: &str, instant: u64) -> Result<()> {
    let end = time::ceil_to(1_000, instant);
    if end == 0 {
        // Nothing is older than the epoch, and Phoenix refuses an empty window.
        return find(phoenix, project).map(|_| ());
    }
    let name = phoenix.in_path(project)?;
    phoenix
        .http
        .delete(&["v1", "projects", &name, "traces"])
        .query("start_time", time::format(0))
        .query("end_time", time::format(end))
        .send()?
        .success()?;
    Ok(())
}

/// Delete traces by Phoenix's ids, looked up in the project: by OpenTelemetry's, which REST
/// also takes, it would delete those of any project. All of them go or none; so when one went
/// meanwhile, those that are left are tried once more.
fn delete_traces(phoenix: &Phoenix, project: &str, ids: &[String]) -> Result<()> {
    let attempt = || {
        let found = lookup::traces(phoenix, project, ids)?;
        if found.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = found.iter().map(|trace| trace.id.as_str()).collect();
        phoenix
            .graphql::<serde::de::IgnoredAny>(
                "mutation ($ids: [ID!]!) { deleteTraces(traceIds: $ids) { __typename } }",
                json!({ "ids": ids }),
            )
            .map(|_| ())
    };
    attempt().or_else(|first| match first {
        Error::Backend(_) => attempt(),
        other => Err(other),
    })
}
