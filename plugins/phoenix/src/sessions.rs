//! `session-store`: GraphQL for the sessions, which REST does not order by time, and REST for
//! their traces.

use std::collections::BTreeSet;

use roost_provider::types::{PageRequest, TimeWindow};
use roost_provider::{cursor, error, time};
use serde::Deserialize;
use serde_json::json;

use crate::bindings::session_store::{Guest, Session, SessionPage, SessionTrace, SessionTracePage};
use crate::phoenix::{Page, Phoenix, phoenix};
use crate::{Provider, Result, lookup, projects, session_id};

impl Guest for Provider {
    fn list_sessions(
        project: String,
        window: TimeWindow,
        page: PageRequest,
    ) -> Result<SessionPage> {
        let phoenix = phoenix()?;
        let after = page
            .cursor
            .as_deref()
            .map(|cursor| cursor::unmark("session", cursor))
            .transpose()?;
        let window = Window::of(&window);
        let found = overlapping(phoenix, &project, &window, page.limit, after)?;
        let mut sessions = Vec::with_capacity(found.edges.len());
        for Edge { node } in found.edges {
            if window.has_start_of(phoenix, &project, &node)? {
                sessions.push(Session {
                    id: session_id::given(&project, &node.session_id).to_owned(),
                    start_time: node.start_time,
                    end_time: node.end_time,
                    trace_count: Some(node.trace_count),
                });
            }
        }
        let info = found.page_info;
        let next = info.end_cursor.filter(|_| info.has_next_page);
        Ok(SessionPage {
            sessions,
            cursor: next.map(|next| cursor::mark("session", &next)),
        })
    }

    fn get_session_traces(
        project: String,
        session_id: String,
        page: PageRequest,
    ) -> Result<SessionTracePage> {
        let phoenix = phoenix()?;
        let after = page
            .cursor
            .as_deref()
            .map(|cursor| cursor::unmark("session-trace", cursor))
            .transpose()?;
        let answer = phoenix
            .get_in_project(&project, "traces")?
            .query_all(
                "session_identifier",
                session_id::candidates(&project, &session_id),
            )
            .query("sort", "start_time")
            .query("order", "asc")
            .query("limit", page.limit)
            .query_some("cursor", after)
            .send()?;
        let found: Page<Trace> = answer.json()?;
        if found.data.is_empty() && after.is_none() {
            // A session can outlive its last trace.
            let sessions = BTreeSet::from([session_id.as_str()]);
            if lookup::sessions(phoenix, &project, &sessions)?.is_empty() {
                return Err(error::not_found(format!(
                    "project `{project}` has no session `{session_id}`"
                )));
            }
        }
        Ok(SessionTracePage {
            traces: found.data.into_iter().map(SessionTrace::from).collect(),
            cursor: found
                .next_cursor
                .map(|next| cursor::mark("session-trace", &next)),
        })
    }
}

/// A trace as REST has it.
#[derive(Deserialize)]
struct Trace {
    trace_id: String,
    #[serde(deserialize_with = "time::deserialize")]
    start_time: u64,
    #[serde(deserialize_with = "time::deserialize")]
    end_time: u64,
}

impl From<Trace> for SessionTrace {
    fn from(trace: Trace) -> Self {
        Self {
            trace_id: trace.trace_id,
            start_time: trace.start_time,
            end_time: trace.end_time,
        }
    }
}

/// A session as GraphQL has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    session_id: String,
    #[serde(deserialize_with = "time::deserialize")]
    start_time: u64,
    #[serde(deserialize_with = "time::deserialize")]
    end_time: u64,
    #[serde(rename = "numTraces")]
    trace_count: u64,
}

#[derive(Deserialize)]
struct Edge {
    node: Node,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    edges: Vec<Edge>,
    page_info: PageInfo,
}

/// A page of the sessions that did something inside the window, latest start first.
fn overlapping(
    phoenix: &Phoenix,
    project: &str,
    window: &Window,
    limit: u32,
    after: Option<&str>,
) -> Result<Connection> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "getProjectByName")]
        project: Option<Sessions>,
    }
    #[derive(Deserialize)]
    struct Sessions {
        sessions: Connection,
    }

    let data: Data = phoenix.graphql(
        "query ($name: String!, $start: DateTime!, $end: DateTime!, $first: Int!, $after: String) {
            getProjectByName(name: $name) {
                sessions(
                    first: $first
                    after: $after
                    timeRange: { start: $start, end: $end }
                    sort: { col: startTime, dir: desc }
                ) {
                    edges { node { id sessionId startTime endTime numTraces } }
                    pageInfo { hasNextPage endCursor }
                }
            }
        }",
        json!({
            "name": project,
            "start": time::format(window.start),
            "end": time::format(window.end),
            "first": limit,
            "after": after,
        }),
    )?;
    let found = data.project.ok_or_else(|| projects::unknown(project))?;
    Ok(found.sessions)
}

/// A window in the microseconds that Phoenix keeps.
struct Window {
    start: u64,
    end: u64,
}

impl Window {
    fn of(window: &TimeWindow) -> Self {
        Self {
            start: time::ceil_to(1_000, window.start),
            end: time::ceil_to(1_000, window.end),
        }
    }

    /// Whether some trace of the session began inside. A session that began before may have
    /// done nothing inside but go on with a trace, so that one is asked for; such sessions are
    /// few, those under way at the start of the window.
    fn has_start_of(&self, phoenix: &Phoenix, project: &str, session: &Node) -> Result<bool> {
        if self.start <= session.start_time {
            return Ok(true);
        }
        let answer = phoenix
            .get_in_project(project, "traces")?
            .query("session_identifier", &session.id)
            .query("start_time", time::format(self.start))
            .query("end_time", time::format(self.end))
            .query("limit", 1)
            .send()?;
        let traces: Page<Trace> = answer.json()?;
        Ok(!traces.data.is_empty())
    }
}
