//! `session-store`. MLflow has no sessions, only traces that name one in their metadata, and only
//! within an experiment. So sessions are made of traces: all of the window are looked through for
//! each page, five hundred at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use roost_provider::types::{PageRequest, TimeWindow};
use roost_provider::{Error, cursor, error};

use crate::bindings::session_store::{Guest, Session, SessionPage, SessionTrace, SessionTracePage};
use crate::mlflow::{MOST, Mlflow, mlflow};
use crate::search::{self, Found, Info, MILLISECOND, Order, SESSION};
use crate::{Provider, Result, projects};

impl Guest for Provider {
    fn list_sessions(
        project: String,
        window: TimeWindow,
        page: PageRequest,
    ) -> Result<SessionPage> {
        let mlflow = mlflow()?;
        let experiment = projects::id(mlflow, &project)?;
        let mut places: Vec<(u64, String)> = begun_inside(mlflow, &experiment, &window)?
            .into_iter()
            .map(|(id, start)| (start, id))
            .collect();
        places.sort_by(|left, right| right.cmp(left));
        if let Some(cursor) = &page.cursor {
            let last = place(cursor)?;
            places.retain(|place| *place < last);
        }
        let is_last = places.len() <= page.limit as usize;
        places.truncate(page.limit as usize);
        let next = places.last().filter(|_| !is_last);
        let cursor = next.map(|(start, id)| cursor::mark("session", &format!("{start}:{id}")));
        let mut sessions = Vec::with_capacity(places.len());
        for (_, id) in places {
            let traces = traces(mlflow, &experiment, &id)?;
            // The last of them may have gone meanwhile.
            if let Some(first) = traces.first() {
                let end_time = traces.iter().map(Info::end_time).max();
                sessions.push(Session {
                    id,
                    start_time: first.start_time(),
                    end_time: end_time.unwrap_or_default(),
                    trace_count: Some(traces.len() as u64),
                });
            }
        }
        // Those that began before the window.
        sessions.sort_by_key(|session| Reverse(session.start_time));
        Ok(SessionPage { sessions, cursor })
    }

    fn get_session_traces(
        project: String,
        session_id: String,
        page: PageRequest,
    ) -> Result<SessionTracePage> {
        let mlflow = mlflow()?;
        let experiment = projects::id(mlflow, &project)?;
        let mut traces = traces(mlflow, &experiment, &session_id)?;
        if traces.is_empty() {
            return Err(unknown(&project, &session_id));
        }
        if let Some(cursor) = &page.cursor {
            let text = cursor::unmark("session-trace", cursor)?;
            let (start, id) = text
                .split_once(':')
                .ok_or_else(|| cursor::refusal(cursor))?;
            let start: u64 = start.parse().map_err(|_| cursor::refusal(cursor))?;
            traces.retain(|it| (it.start_time(), it.trace_id.as_str()) > (start, id));
        }
        let is_last = traces.len() <= page.limit as usize;
        traces.truncate(page.limit as usize);
        let next = traces.last().filter(|_| !is_last);
        let cursor = next.map(|it| {
            cursor::mark(
                "session-trace",
                &format!("{}:{}", it.start_time(), it.trace_id),
            )
        });
        let traces = traces
            .iter()
            .map(|it| SessionTrace {
                trace_id: search::id_of(&it.trace_id).to_owned(),
                start_time: it.start_time(),
                end_time: it.end_time(),
            })
            .collect();
        Ok(SessionTracePage { traces, cursor })
    }
}

/// The traces of a session, oldest first.
pub(crate) fn traces(mlflow: &Mlflow, experiment: &str, session: &str) -> Result<Vec<Info>> {
    let conditions = [condition(session)?];
    search::search_all(mlflow, experiment, &conditions, Order::OldestFirst)
}

/// The condition that a trace belongs to a session.
pub(crate) fn condition(session: &str) -> Result<String> {
    Ok(format!("metadata.`{SESSION}` = {}", search::text(session)?))
}

/// The error for a session that is not there.
pub(crate) fn unknown(project: &str, session: &str) -> Error {
    error::not_found(format!("project `{project}` has no session `{session}`"))
}

/// The sessions of which a trace began inside a window, each with when the first of these did.
fn begun_inside(
    mlflow: &Mlflow,
    experiment: &str,
    window: &TimeWindow,
) -> Result<BTreeMap<String, u64>> {
    // A trace is known by the millisecond it began in, and is inside if it is with both ends
    // rounded up.
    let round = |instant: u64| {
        instant
            .div_ceil(MILLISECOND)
            .min(i64::MAX as u64 / MILLISECOND)
    };
    let conditions = [
        format!("metadata.`{SESSION}` IS NOT NULL"),
        format!("timestamp_ms >= {}", round(window.start)),
        format!("timestamp_ms < {}", round(window.end)),
    ];
    let mut sessions = BTreeMap::new();
    let mut token: Option<String> = None;
    loop {
        // Newest first: a trace that comes meanwhile is seen twice, and none is missed.
        let found: Found<Info> = search::search(
            mlflow,
            experiment,
            &conditions,
            Order::NewestFirst,
            MOST,
            token.as_deref(),
        )?;
        for mut info in found.traces {
            let start = info.start_time();
            if let Some(session) = info.trace_metadata.remove(SESSION) {
                sessions.insert(session, start);
            }
        }
        token = found.token;
        if token.is_none() {
            return Ok(sessions);
        }
    }
}

/// The place that a cursor names.
fn place(text: &str) -> Result<(u64, String)> {
    let (start, id) = cursor::unmark("session", text)?
        .split_once(':')
        .ok_or_else(|| cursor::refusal(text))?;
    let start = start.parse().map_err(|_| cursor::refusal(text))?;
    Ok((start, id.to_owned()))
}
