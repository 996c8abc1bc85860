//! Sessions and their traces.

use std::collections::{BTreeMap, BTreeSet};

use super::corpus::{MILLI, SECOND_SESSION, SHARED_SESSION};
use super::expect::{ensure, expect_missing, expect_no_project, same, skip, wrong};
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{PageRequest, Session, Span, TimeWindow};

pub(super) async fn listed(trial: &Trial<'_>) -> Outcome {
    for limit in [1, trial.whole_page()] {
        let found = trial
            .sessions(&trial.project(), TimeWindow::all(), limit)
            .await?;
        let ids: Vec<&str> = found.iter().map(|it| it.id.as_str()).collect();
        same(
            &format!("the sessions by pages of {limit}, latest start first"),
            ids,
            vec![SECOND_SESSION, SHARED_SESSION],
        )?;
        for session in &found {
            if let Some(count) = session.trace_count {
                let expected = if session.id == SHARED_SESSION { 2 } else { 1 };
                same(&format!("the traces of `{}`", session.id), count, expected)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn window(trial: &Trial<'_>) -> Outcome {
    let start = trial
        .corpus()
        .first
        .first()
        .map_or(0, |span| span.start_time);
    let ids = async |window: TimeWindow| -> Outcome<Vec<String>> {
        let found: Vec<Session> = trial
            .sessions(&trial.project(), window, trial.whole_page())
            .await?;
        Ok(found.into_iter().map(|it| it.id).collect())
    };
    // The first trace of the one begins at the start, its second one a second later.
    let second = start + 500 * MILLI;
    for (window, expected) in [
        (TimeWindow::new(start, start + MILLI), vec![SHARED_SESSION]),
        (
            TimeWindow::new(second, second + 1_000 * MILLI),
            vec![SHARED_SESSION],
        ),
        (
            TimeWindow::new(start + 1_500 * MILLI, start + 2_500 * MILLI),
            vec![SECOND_SESSION],
        ),
        (TimeWindow::new(start - 1_000 * MILLI, start), vec![]),
    ] {
        same(
            &format!("the sessions of {window:?}"),
            ids(window).await?,
            expected,
        )?;
    }
    Ok(())
}

pub(super) async fn traces(trial: &Trial<'_>) -> Outcome {
    let expected = roots(&trial.corpus().first, SHARED_SESSION);
    for limit in [1, trial.whole_page()] {
        let found = trial
            .session_traces(&trial.project(), SHARED_SESSION, limit)
            .await?;
        let ids: Vec<&str> = found.iter().map(|it| it.trace_id.as_str()).collect();
        same(
            &format!("the traces by pages of {limit}, oldest first"),
            &ids,
            &expected,
        )?;
        ensure!(
            found.iter().all(|it| it.start_time <= it.end_time),
            "a trace of a session ends before it begins"
        );
    }
    Ok(())
}

/// The traces with a span in the session, oldest first.
fn roots<'a>(spans: &'a [Span], session: &str) -> Vec<&'a str> {
    let of_session = spans.iter().filter(|span| {
        matches!(
            span.attribute("session.id"),
            Some(crate::contract::AttributeValue::Text(id)) if id == session
        )
    });
    let mut begins = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for span in of_session {
        if seen.insert(span.trace_id.as_str()) {
            begins.insert(span.start_time, span.trace_id.as_str());
        }
    }
    begins.into_values().collect()
}

pub(super) async fn unknown(trial: &Trial<'_>) -> Outcome {
    let page = PageRequest {
        limit: trial.whole_page(),
        cursor: None,
    };
    let unknown = trial.unknown_project();
    let listed = trial
        .list_sessions(&unknown, TimeWindow::all(), &page)
        .await;
    expect_no_project(
        trial,
        "list-sessions of an unknown project",
        listed.map(|it| it.sessions.len()),
    )
    .await?;
    let traces = trial
        .get_session_traces(&unknown, SHARED_SESSION, &page)
        .await;
    expect_missing(
        "get-session-traces of an unknown project",
        traces.map(|it| it.traces.len()),
    )?;
    let traces = trial
        .get_session_traces(&trial.project(), "no such session", &page)
        .await;
    expect_missing(
        "get-session-traces of an unknown session",
        traces.map(|it| it.traces.len()),
    )
}

pub(super) async fn other_project(trial: &Trial<'_>) -> Outcome {
    let limit = trial.whole_page();
    let other = trial.other_project();
    let found = trial.sessions(&other, TimeWindow::all(), limit).await?;
    let ids: Vec<&str> = found.iter().map(|it| it.id.as_str()).collect();
    same(
        "the sessions of the second project",
        ids,
        vec![SHARED_SESSION],
    )?;
    let expected = trial
        .corpus()
        .second
        .first()
        .map(|span| span.trace_id.as_str());
    let expected = expected.ok_or_else(|| skip("there are no spans"))?;
    let traces = trial.session_traces(&other, SHARED_SESSION, limit).await?;
    let [only] = traces.as_slice() else {
        return Err(wrong(format!(
            "a session id that two projects have has {} traces in the second one",
            traces.len()
        )));
    };
    same(
        "its trace in the second project",
        only.trace_id.as_str(),
        expected,
    )
}
