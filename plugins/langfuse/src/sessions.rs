//! `session-store`. Langfuse's list of sessions is deprecated, so sessions are made of observations:
//! all of the window that bear one are looked through for each page. A trace is in a session as far
//! as its spans bear it, and its times are those of these spans.

use std::collections::BTreeMap;

use roost_provider::types::{PageRequest, TimeWindow};
use roost_provider::{Error, cursor, error};

use crate::bindings::session_store::{Guest, Session, SessionPage, SessionTrace, SessionTracePage};
use crate::langfuse::{Langfuse, langfuse};
use crate::observations::{Detail, Listing, begun_inside, equal, present};
use crate::{Provider, Result, session_id};

/// The column of observations that names their session.
const COLUMN: &str = "sessionId";

impl Guest for Provider {
    fn list_sessions(
        project: String,
        window: TimeWindow,
        page: PageRequest,
    ) -> Result<SessionPage> {
        let langfuse = langfuse()?;
        let mut places = seen_inside(langfuse, &project, &window)?;
        places.sort_by(|left, right| right.cmp(left));
        if let Some(cursor) = &page.cursor {
            let (start, id) = place("session", cursor)?;
            places.retain(|it| (it.0, it.1.as_str()) < (start, id));
        }
        let is_last = places.len() <= page.limit as usize;
        places.truncate(page.limit as usize);
        let next = places.last().filter(|_| !is_last);
        let cursor = next.map(|(start, id)| cursor::mark("session", &format!("{start}:{id}")));
        let mut sessions = Vec::with_capacity(places.len());
        for (_, id) in places {
            let traces = traces(langfuse, &project, &id)?;
            // Its spans in the window may be of traces that began before.
            let is_inside = |it: &SessionTrace| (window.start..window.end).contains(&it.start_time);
            if let Some(first) = traces.first().filter(|_| traces.iter().any(is_inside)) {
                sessions.push(Session {
                    id,
                    start_time: first.start_time,
                    end_time: traces
                        .iter()
                        .map(|it| it.end_time)
                        .max()
                        .unwrap_or_default(),
                    trace_count: Some(traces.len() as u64),
                });
            }
        }
        // Those that began before the window.
        sessions.sort_by_key(|session| std::cmp::Reverse(session.start_time));
        Ok(SessionPage { sessions, cursor })
    }

    fn get_session_traces(
        project: String,
        session_id: String,
        page: PageRequest,
    ) -> Result<SessionTracePage> {
        let mut traces = traces(langfuse()?, &project, &session_id)?;
        if traces.is_empty() {
            return Err(unknown(&project, &session_id));
        }
        if let Some(cursor) = &page.cursor {
            let last = place("session-trace", cursor)?;
            traces.retain(|it| (it.start_time, it.trace_id.as_str()) > last);
        }
        let is_last = traces.len() <= page.limit as usize;
        traces.truncate(page.limit as usize);
        let next = traces.last().filter(|_| !is_last);
        let cursor = next.map(|it| {
            let place = format!("{}:{}", it.start_time, it.trace_id);
            cursor::mark("session-trace", &place)
        });
        Ok(SessionTracePage { traces, cursor })
    }
}

/// The error for a session that is not there.
pub(crate) fn unknown(project: &str, session: &str) -> Error {
    error::not_found(format!("project `{project}` has no session `{session}`"))
}

/// Whether the project has the session.
pub(crate) fn is_there(langfuse: &Langfuse, project: &str, session: &str) -> Result<bool> {
    match listing(langfuse, project, session) {
        Ok(listing) => listing.is_there(),
        Err(Error::InvalidArgument(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn listing<'l>(langfuse: &'l Langfuse, project: &'l str, session: &str) -> Result<Listing<'l>> {
    Ok(Listing {
        langfuse,
        project: Some(project),
        conditions: vec![equal(COLUMN, &session_id::stored(project, session)?)],
        detail: Detail::Bare,
    })
}

/// The traces of a session, oldest first.
fn traces(langfuse: &Langfuse, project: &str, session: &str) -> Result<Vec<SessionTrace>> {
    let mut times: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let listing = match listing(langfuse, project, session) {
        Err(Error::InvalidArgument(_)) => return Ok(Vec::new()),
        listing => listing?,
    };
    listing.each_page(|found| {
        for it in found {
            let (start, end) = (it.start_time, it.ended());
            if let Some(trace) = it.trace_id {
                let time = times.entry(trace).or_insert((start, end));
                *time = (time.0.min(start), time.1.max(end));
            }
        }
        Ok(())
    })?;
    let mut traces: Vec<SessionTrace> = times
        .into_iter()
        .map(|(trace_id, (start_time, end_time))| SessionTrace {
            trace_id,
            start_time,
            end_time,
        })
        .collect();
    traces.sort_by(|left, right| {
        (left.start_time, &left.trace_id).cmp(&(right.start_time, &right.trace_id))
    });
    Ok(traces)
}

/// The sessions of which a span began inside a window, each with when the first of these did.
fn seen_inside(
    langfuse: &Langfuse,
    project: &str,
    window: &TimeWindow,
) -> Result<Vec<(u64, String)>> {
    let mut conditions = begun_inside(window);
    conditions.push(present(COLUMN));
    let listing = Listing {
        langfuse,
        project: Some(project),
        conditions,
        detail: Detail::Bare,
    };
    let mut firsts: BTreeMap<String, u64> = BTreeMap::new();
    listing.each_page(|found| {
        for it in found {
            let given = it.session_id.and_then(|id| session_id::given(project, &id));
            if let Some(id) = given {
                let first = firsts.entry(id).or_insert(it.start_time);
                *first = it.start_time.min(*first);
            }
        }
        Ok(())
    })?;
    Ok(firsts.into_iter().map(|(id, start)| (start, id)).collect())
}

/// The place that a cursor names.
fn place<'c>(mark: &str, text: &'c str) -> Result<(u64, &'c str)> {
    let (start, id) = cursor::unmark(mark, text)?
        .split_once(':')
        .ok_or_else(|| cursor::refusal(text))?;
    let start = start.parse().map_err(|_| cursor::refusal(text))?;
    Ok((start, id))
}
