//! Deleting what is old: asked for, or because the operator set how long and how much is kept.

use std::cell::Cell;

use roost_provider::database::{Row, Sql as _, parameters};
use roost_provider::time;

use crate::Result;
use crate::database::{database, project};
use crate::projects::delete_traces;
use crate::provider::{Config, config};

/// How many traces are deleted in one transaction, so that writers need not wait long.
const PORTION: u32 = 500;

/// How often an instance that stores spans looks at what is old, in nanoseconds.
const INTERVAL: u64 = 60_000_000_000;

/// How many portions it deletes then: the spans that are being stored have a deadline.
const PORTIONS: usize = 4;

/// How many of the newest spans say how large spans are.
const SAMPLE: u32 = 1_000;

/// What a span takes beside its content, in bytes: its row, and its places in indexes. SQLite's
/// are a little smaller.
const BESIDE: f64 = 600.0;

const DAY: u64 = 86_400_000_000_000;

thread_local! {
    static LOOKED: Cell<u64> = const { Cell::new(0) };
}

/// Keep a project to what the operator set, if that was not looked at for a while.
pub(crate) fn now_and_then(name: &str) -> Result<()> {
    let config = config();
    let Config {
        retain_days,
        retain_spans,
        retain_bytes,
    } = config;
    if retain_days.is_none() && retain_spans.is_none() && retain_bytes.is_none() {
        return Ok(());
    }
    let now = time::now();
    if now.saturating_sub(LOOKED.get()) < INTERVAL {
        return Ok(());
    }
    LOOKED.set(now);
    let database = database()?;
    let project = project(database, name)?;
    if let Some(days) = retain_days {
        let oldest = now.saturating_sub(days.saturating_mul(DAY));
        delete_before(project, i64::try_from(oldest).unwrap_or(i64::MAX), PORTIONS)?;
    }
    let by_size = match retain_bytes {
        Some(bytes) => Some(spans_in(bytes, project)?),
        None => None,
    };
    if let Some(most) = retain_spans.into_iter().chain(by_size).min() {
        // The newest span that has to go.
        let sql = "SELECT start_time FROM spans WHERE project = $1
            ORDER BY start_time DESC, id DESC LIMIT 1 OFFSET $2";
        let found = database.rows(sql, parameters![project, most])?;
        if let Some(mut row) = found.into_iter().next() {
            delete_before(project, row.integer()?.saturating_add(1), PORTIONS)?;
        }
    }
    Ok(())
}

/// How many spans of the project fit into so many bytes, if all are like its newest. The sizes
/// of tables would say it exactly, and PostgreSQL's do not shrink when rows are deleted.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an estimate, and above zero"
)]
fn spans_in(bytes: u64, project: i64) -> Result<u64> {
    let sql = "SELECT CAST(AVG(length) AS DOUBLE PRECISION) FROM (
        SELECT OCTET_LENGTH(c.content) AS length FROM spans s JOIN contents c ON c.span = s.id
        WHERE s.project = $1 ORDER BY s.start_time DESC, s.id DESC LIMIT $2) AS newest";
    let mut found = database()?.rows(sql, parameters![project, SAMPLE])?;
    let mean = found.first_mut().map(Row::optional_number).transpose()?;
    Ok((bytes as f64 / (mean.flatten().unwrap_or_default() + BESIDE)) as u64)
}

/// Delete the traces of which some span began before `time`, so many portions at the most.
pub(crate) fn delete_before(project: i64, time: i64, portions: usize) -> Result<()> {
    let sql = "SELECT DISTINCT trace_id FROM (SELECT trace_id FROM spans
        WHERE project = $1 AND start_time < $2 ORDER BY start_time, id LIMIT $3) AS oldest";
    for _ in 0..portions {
        let found = database()?.rows(sql, parameters![project, time, PORTION])?;
        let traces = found.into_iter().map(|mut row| row.text());
        let traces: Vec<String> = traces.collect::<Result<_>>()?;
        if traces.is_empty() {
            break;
        }
        delete_traces(project, &traces)?;
    }
    Ok(())
}
