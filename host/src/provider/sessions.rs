//! Sessions and their traces.

use super::paging::Paging;
use super::{MAX_ITEMS, Provider};
use crate::contract::{ProviderError, Session, SessionTrace, TimeWindow};

const LIST: &str = "list-sessions";
const TRACES: &str = "get-session-traces";

/// Sessions of a [`Provider`].
pub struct SessionStore<'a> {
    provider: &'a Provider,
}

impl<'a> SessionStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// The sessions of which some trace began inside `window`, latest first; at most
    /// `limit` of them.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a project that does not
    /// exist.
    pub async fn list_sessions(
        &self,
        project: &str,
        window: TimeWindow,
        limit: usize,
    ) -> Result<Vec<Session>, ProviderError> {
        let provider = self.provider;
        provider.admit(LIST, project)?;
        window.check().map_err(|why| provider.invalid(LIST, why))?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut sessions = Vec::new();
        let mut paging = Paging::begin(provider, LIST, limit)?;
        loop {
            let question = (window, paging.request());
            let answer = provider
                .read(LIST, project, question, async |store, guests| {
                    guests
                        .sessions()?
                        .call_list_sessions(store, project, window, paging.request())
                        .await
                })
                .await?;
            sessions.extend(answer.sessions);
            if sessions.len() >= limit || !paging.advance(answer.cursor)? {
                break;
            }
        }
        sessions.truncate(limit);
        Ok(sessions)
    }

    /// The traces of a session, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a project or a session
    /// that does not exist;
    /// [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for more than
    /// 100,000 traces.
    pub async fn get_session_traces(
        &self,
        project: &str,
        session_id: &str,
    ) -> Result<Vec<SessionTrace>, ProviderError> {
        let provider = self.provider;
        provider.admit(TRACES, project)?;
        let mut traces = Vec::new();
        let mut paging = Paging::begin(provider, TRACES, MAX_ITEMS)?;
        loop {
            let question = (session_id, paging.request());
            let answer = provider
                .read(TRACES, project, question, async |store, guests| {
                    guests
                        .sessions()?
                        .call_get_session_traces(store, project, session_id, paging.request())
                        .await
                })
                .await?;
            traces.extend(answer.traces);
            if traces.len() > MAX_ITEMS {
                return Err(provider.too_many(TRACES, "traces in this session"));
            }
            if !paging.advance(answer.cursor)? {
                break;
            }
        }
        Ok(traces)
    }
}
