//! `session-store`: the traces of which some span bears a session's id.

use roost_provider::database::{Sql as _, parameters};
use roost_provider::error;
use roost_provider::types::{PageRequest, TimeWindow};

use crate::bindings::session_store::{Guest, Session, SessionPage, SessionTrace, SessionTracePage};
use crate::database::{database, project};
use crate::{Provider, Result, cursor};

/// Each trace of each session of project $1, with its beginning and its end.
const TRACES: &str = "SELECT of.session, of.trace_id, MIN(s.start_time) AS start_time,
        MAX(s.end_time) AS end_time
    FROM (SELECT DISTINCT session, trace_id FROM spans
        WHERE project = $1 AND session IS NOT NULL) AS of
    JOIN spans s ON s.project = $1 AND s.trace_id = of.trace_id
    GROUP BY of.session, of.trace_id";

impl Guest for Provider {
    fn list_sessions(
        project_name: String,
        window: TimeWindow,
        page: PageRequest,
    ) -> Result<SessionPage> {
        let database = database()?;
        let project = project(database, &project_name)?;
        // Sessions have no number, so pages are counted from the latest. One that begins
        // meanwhile moves the others down: it is seen by its start, which cannot be later
        // than the cursor's.
        let (before, skip) =
            cursor::read("sessions", page.cursor.as_deref())?.unwrap_or((i64::MAX, 0));
        let sql = format!(
            "SELECT session, MIN(start_time) AS began, MAX(end_time), COUNT(*),
                MAX(CASE WHEN start_time >= $2 AND start_time < $3 THEN 1 ELSE 0 END) AS inside
            FROM ({TRACES}) AS traces GROUP BY session
            HAVING MIN(start_time) <= $4
                AND MAX(CASE WHEN start_time >= $2 AND start_time < $3 THEN 1 ELSE 0 END) = 1
            ORDER BY began DESC, session LIMIT $5 OFFSET $6"
        );
        let limit = u64::from(page.limit) + 1;
        let (start, end) = (window.start, window.end);
        let rows = database.rows(&sql, parameters![project, start, end, before, limit, skip])?;
        let sessions = rows.into_iter().map(|mut row| {
            Ok(Session {
                id: row.text()?,
                start_time: row.time()?,
                end_time: row.time()?,
                trace_count: Some(row.time()?),
            })
        });
        let mut sessions: Vec<Session> = sessions.collect::<Result<_>>()?;
        let mut more = cursor::cut(&mut sessions, page.limit, |_| String::new());
        if let (Some(cursor), Some(last)) = (&mut more, sessions.last()) {
            let same = sessions
                .iter()
                .filter(|it| it.start_time == last.start_time)
                .count();
            let start = last.start_time.cast_signed();
            let before = if start == before { skip } else { 0 };
            *cursor = cursor::after("sessions", start, before + same.cast_signed() as i64);
        }
        Ok(SessionPage {
            sessions,
            cursor: more,
        })
    }

    fn get_session_traces(
        project_name: String,
        session_id: String,
        page: PageRequest,
    ) -> Result<SessionTracePage> {
        let database = database()?;
        let project = project(database, &project_name)?;
        let (_, skip) = cursor::read("session", page.cursor.as_deref())?.unwrap_or_default();
        let sql = format!(
            "SELECT trace_id, start_time, end_time FROM ({TRACES}) AS traces WHERE session = $2
            ORDER BY start_time, trace_id LIMIT $3 OFFSET $4"
        );
        let limit = u64::from(page.limit) + 1;
        let rows = database.rows(&sql, parameters![project, &session_id, limit, skip])?;
        let traces = rows.into_iter().map(|mut row| {
            Ok(SessionTrace {
                trace_id: row.text()?,
                start_time: row.time()?,
                end_time: row.time()?,
            })
        });
        let mut traces: Vec<SessionTrace> = traces.collect::<Result<_>>()?;
        if traces.is_empty() && page.cursor.is_none() {
            let missing = format!("there is no session `{session_id}` in `{project_name}`");
            return Err(error::not_found(missing));
        }
        let cursor = cursor::cut(&mut traces, page.limit, |_| {
            cursor::after("session", 0, skip + i64::from(page.limit))
        });
        Ok(SessionTracePage { traces, cursor })
    }
}
