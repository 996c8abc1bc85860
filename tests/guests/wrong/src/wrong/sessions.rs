//! `session-store`.

use roost_provider::types::{PageRequest, TimeWindow};

use super::{breaks, instead_of_missing, of_any_project};
use crate::bindings::session_store::{Guest, SessionPage, SessionTracePage};
use crate::{Error, Provider, Result, Wrong};

impl Guest for Wrong {
    fn list_sessions(
        project: String,
        mut window: TimeWindow,
        page: PageRequest,
    ) -> Result<SessionPage> {
        if breaks("sessions.window") {
            window.start = 0;
        }
        let mut page = Provider::list_sessions(project, window, page)?;
        if breaks("sessions.listed") {
            page.sessions.reverse();
        }
        Ok(page)
    }

    fn get_session_traces(
        project: String,
        session: String,
        page: PageRequest,
    ) -> Result<SessionTracePage> {
        if breaks("sessions.other-project") {
            return of_any_project(|of| {
                Provider::get_session_traces(of, session.clone(), page.clone())
            });
        }
        let mut answer = Provider::get_session_traces(project, session, page);
        if breaks("sessions.unknown") {
            let nothing = SessionTracePage {
                traces: Vec::new(),
                cursor: None,
            };
            answer = instead_of_missing(answer, || Ok::<_, Error>(nothing));
        }
        let mut page = answer?;
        if breaks("sessions.traces") {
            page.traces.reverse();
        }
        Ok(page)
    }
}
