//! The runs of experiments, with their metrics and evaluations.

use std::collections::HashMap;

use roost_provider::database::{Failure, Row, Sql, Transaction, parameters};
use roost_provider::types::{PageRequest, RejectedItem};
use roost_provider::{Error, error};

use crate::annotations::{annotator, annotator_name};
use crate::bindings::experiment_store::{Experiment, Metric, NewEvaluation, NewRun, Run, RunPage};
use crate::database::new_id;
use crate::datasets::{place_of, record_id, version_number};
use crate::{Result, cursor};

/// Write a run; returned are its id and those of its metrics that could not be written.
pub(crate) fn put(
    on: &Transaction,
    experiment: &Experiment,
    run: &NewRun,
) -> Result<(String, Vec<RejectedItem>), Failure> {
    let record = record(on, experiment, run)?;
    let before = match record {
        Some(place) => ended(on, &experiment.id, place, run.repetition)?,
        None => None,
    };
    let id = match before {
        Some((_, false)) => {
            return Err(Error::Conflict(format!(
                "repetition {} of this record has a run that ended well",
                run.repetition
            ))
            .into());
        }
        Some((id, true)) => {
            clear(on, &experiment.id, &id)?;
            id
        }
        None => {
            let id = new_id();
            on.run(
                "INSERT INTO runs (id, experiment, place, record, repetition, start_time, end_time)
                SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), COALESCE(MAX(place), 0) + 1,
                    CAST($3 AS BIGINT), CAST($4 AS BIGINT), 0, 0
                FROM runs WHERE experiment = $5",
                parameters![&id, &experiment.id, record, run.repetition, &experiment.id],
            )?;
            id
        }
    };
    on.run(
        "UPDATE runs SET inputs = $1, outputs = $2, error = $3, start_time = $4, end_time = $5,
            trace_id = $6, metadata = $7 WHERE id = $8",
        parameters![
            run.inputs.as_ref(),
            run.outputs.as_ref(),
            run.error.as_ref(),
            run.start_time,
            run.end_time,
            run.trace_id.as_ref(),
            run.metadata.as_ref(),
            &id,
        ],
    )?;
    let (mut written, mut rejected) = (Vec::new(), Vec::new());
    // The run itself is item 0.
    for (metric, index) in run.metrics.iter().zip(1..) {
        if is_evaluation(on, &id, &metric.name)? {
            rejected.push(RejectedItem {
                index,
                reason: format!(
                    "run {id} is written, and its metric `{}` is not: an evaluation of it bears \
                     that name",
                    metric.name
                ),
            });
        } else {
            written.push(metric);
        }
    }
    measure(on, &experiment.id, &id, written.into_iter())?;
    Ok((id, rejected))
}

/// The place of the record that was run, checked to be one of the experiment's.
fn record(on: &Transaction, experiment: &Experiment, run: &NewRun) -> Result<Option<i64>, Failure> {
    let (Some(dataset), Some(id)) = (&experiment.dataset, &run.record_id) else {
        return match (&experiment.dataset, &run.record_id) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(error::invalid_argument(
                "the experiment has no dataset: log its runs without a record",
            )
            .into()),
            _ => Err(error::invalid_argument(
                "the experiment runs over a dataset: name the record of this run",
            )
            .into()),
        };
    };
    let version = experiment.dataset_version.as_deref();
    let version = version.and_then(|it| version_number(dataset, it));
    let version = version.unwrap_or_default();
    let sql = "SELECT place FROM dataset_records WHERE dataset = $1 AND place = $2
        AND since <= $3 AND COALESCE(until, $4) > $5";
    let found = match place_of(dataset, id) {
        Some(place) => on.rows(sql, parameters![dataset, place, version, i64::MAX, version])?,
        None => Vec::new(),
    };
    let Some(mut row) = found.into_iter().next() else {
        let missing = format!("the experiment's dataset has no record `{id}`");
        return Err(error::not_found(missing).into());
    };
    if run.repetition == 0 || run.repetition > experiment.repetitions {
        return Err(error::invalid_argument(format!(
            "repetition {}: the experiment has those from 1 to {}",
            run.repetition, experiment.repetitions
        ))
        .into());
    }
    Ok(Some(row.integer()?))
}

/// The run that is there for a record and repetition, and whether it failed.
fn ended(
    on: &Transaction,
    experiment: &str,
    place: i64,
    repetition: u32,
) -> Result<Option<(String, bool)>, Failure> {
    let sql =
        "SELECT id, error FROM runs WHERE experiment = $1 AND record = $2 AND repetition = $3";
    let found = on
        .rows(sql, parameters![experiment, place, repetition])?
        .into_iter()
        .next();
    match found {
        Some(mut row) => Ok(Some((row.text()?, row.optional_text()?.is_some()))),
        None => Ok(None),
    }
}

/// What was measured on a failed run goes with it, and so does what programs said of it; what
/// people said stays.
fn clear(on: &Transaction, experiment: &str, run: &str) -> Result<(), Failure> {
    let sql = "DELETE FROM metrics WHERE experiment = $1 AND run = $2";
    on.run(sql, parameters![experiment, run])?;
    let sql = "DELETE FROM evaluations WHERE run = $1 AND annotator <> 'human'";
    on.run(sql, parameters![run])?;
    Ok(())
}

/// Refuse a run that the experiment does not have.
pub(crate) fn expect(on: &Transaction, experiment: &str, run: &str) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM runs WHERE experiment = $1 AND id = $2";
    if on.rows(sql, parameters![experiment, run])?.is_empty() {
        let missing = format!("the experiment has no run `{run}`");
        return Err(error::not_found(missing).into());
    }
    Ok(())
}

pub(crate) fn is_evaluation(on: &Transaction, run: &str, name: &str) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM evaluations WHERE run = $1 AND name = $2";
    Ok(!on.rows(sql, parameters![run, name])?.is_empty())
}

/// The error for a name that is something else's.
pub(crate) fn taken(name: &str, what: &str) -> Error {
    Error::Conflict(format!(
        "`{name}` is the name of {what} of this run: take another"
    ))
}

/// Write metrics of a run, or of the experiment where the run is empty.
pub(crate) fn measure<'m>(
    on: &Transaction,
    experiment: &str,
    run: &str,
    metrics: impl Iterator<Item = &'m Metric>,
) -> Result<(), Failure> {
    for metric in metrics {
        on.run(
            "INSERT INTO metrics (experiment, run, place, name, value, step, time)
            SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), COALESCE(MAX(place), 0) + 1,
                CAST($3 AS TEXT), CAST($4 AS DOUBLE PRECISION), CAST($5 AS BIGINT),
                CAST($6 AS BIGINT)
            FROM metrics WHERE experiment = $7 AND run = $8",
            parameters![
                experiment,
                run,
                &metric.name,
                metric.value,
                metric.step,
                metric.time,
                experiment,
                run,
            ],
        )?;
    }
    Ok(())
}

/// Write what somebody says of a run.
pub(crate) fn judge(
    on: &Transaction,
    experiment: &str,
    run: &str,
    said: &NewEvaluation,
) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM metrics WHERE experiment = $1 AND run = $2 AND name = $3";
    if !on
        .rows(sql, parameters![experiment, run, &said.name])?
        .is_empty()
    {
        return Err(taken(&said.name, "a metric").into());
    }
    on.run(
        "INSERT INTO evaluations (run, name, annotator, label, score, explanation, error, metadata)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (run, name) DO UPDATE SET annotator = excluded.annotator,
            label = excluded.label, score = excluded.score, explanation = excluded.explanation,
            error = excluded.error, metadata = excluded.metadata",
        parameters![
            run,
            &said.name,
            annotator_name(said.annotator),
            said.label.as_ref(),
            said.score,
            said.explanation.as_ref(),
            said.error.as_ref(),
            said.metadata.as_ref(),
        ],
    )?;
    Ok(())
}

/// The metrics of an experiment's runs in the order they were written, by run; with `run` of
/// that one alone.
pub(crate) fn metrics(
    on: &impl Sql,
    experiment: &str,
    run: Option<&str>,
) -> Result<HashMap<String, Vec<Metric>>> {
    let sql = "SELECT run, name, value, step, time FROM metrics
        WHERE experiment = $1 AND (CAST($2 AS TEXT) IS NULL OR run = $3) ORDER BY run, place";
    let mut found: HashMap<String, Vec<Metric>> = HashMap::new();
    for mut row in on.rows(sql, parameters![experiment, run, run])? {
        let run = row.text()?;
        found.entry(run).or_default().push(Metric {
            name: row.text()?,
            value: row.number()?,
            step: row.optional_time()?,
            time: row.optional_time()?,
        });
    }
    Ok(found)
}

/// A page of the runs of an experiment, in the order they were written.
pub(crate) fn list(on: &impl Sql, experiment: &Experiment, page: &PageRequest) -> Result<RunPage> {
    let (_, last) = cursor::read("runs", page.cursor.as_deref())?.unwrap_or_default();
    let rows = on.rows(
        "SELECT id, place, record, repetition, inputs, outputs, error, start_time, end_time,
            trace_id, metadata FROM runs
        WHERE experiment = $1 AND place > $2 ORDER BY place LIMIT $3",
        parameters![&experiment.id, last, u64::from(page.limit) + 1],
    )?;
    let dataset = experiment.dataset.as_deref().unwrap_or_default();
    let runs = rows.into_iter().map(|row| read(dataset, row));
    let mut runs: Vec<(Run, i64)> = runs.collect::<Result<_>>()?;
    let cursor = cursor::cut(&mut runs, page.limit, |(_, place)| {
        cursor::after("runs", 0, *place)
    });
    let mut metrics = metrics(on, &experiment.id, None)?;
    let mut evaluations = evaluations(on, &experiment.id)?;
    let runs = runs.into_iter().map(|(mut run, _)| {
        run.content.metrics = metrics.remove(&run.id).unwrap_or_default();
        run.evaluations = evaluations.remove(&run.id).unwrap_or_default();
        run
    });
    Ok(RunPage {
        runs: runs.collect(),
        cursor,
    })
}

fn evaluations(on: &impl Sql, experiment: &str) -> Result<HashMap<String, Vec<NewEvaluation>>> {
    let sql = "SELECT v.run, v.name, v.annotator, v.label, v.score, v.explanation, v.error,
            v.metadata
        FROM evaluations v JOIN runs r ON r.id = v.run WHERE r.experiment = $1
        ORDER BY v.run, v.name";
    let mut found: HashMap<String, Vec<NewEvaluation>> = HashMap::new();
    for mut row in on.rows(sql, parameters![experiment])? {
        let run = row.text()?;
        found.entry(run).or_default().push(NewEvaluation {
            name: row.text()?,
            annotator: annotator(&row.text()?),
            label: row.optional_text()?,
            score: row.optional_number()?,
            explanation: row.optional_text()?,
            error: row.optional_text()?,
            metadata: row.optional_text()?,
        });
    }
    Ok(found)
}

fn read(dataset: &str, mut row: Row) -> Result<(Run, i64)> {
    let id = row.text()?;
    let place = row.integer()?;
    let content = NewRun {
        record_id: row
            .optional_integer()?
            .map(|record| record_id(dataset, record)),
        repetition: u32::try_from(row.integer()?).unwrap_or(u32::MAX),
        inputs: row.optional_text()?,
        outputs: row.optional_text()?,
        error: row.optional_text()?,
        start_time: row.time()?,
        end_time: row.time()?,
        trace_id: row.optional_text()?,
        metadata: row.optional_text()?,
        metrics: Vec::new(),
    };
    let run = Run {
        id,
        content,
        evaluations: Vec::new(),
    };
    Ok((run, place))
}
