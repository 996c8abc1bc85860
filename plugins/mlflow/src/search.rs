//! Finding traces. MLflow answers a condition in its own language with descriptions of traces,
//! at most 500 at a time.

use std::collections::BTreeMap;

use roost_provider::http::Response;
use roost_provider::{Error, error, time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::mlflow::{MOST, Mlflow, answer, ask};
use crate::{Result, span};

/// How many traces are fetched whole at a time: their ids go into an address, and what they hold
/// into memory.
const AT_A_TIME: usize = 50;

/// A millisecond in nanoseconds.
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// The metadata of a trace that names its session.
pub(crate) const SESSION: &str = "mlflow.trace.session";

/// The id of a trace as MLflow writes it.
pub(crate) fn trace_id(id: &str) -> String {
    format!("tr-{id}")
}

/// The id in what MLflow writes.
pub(crate) fn id_of(trace_id: &str) -> &str {
    trace_id.strip_prefix("tr-").unwrap_or(trace_id)
}

/// What a search says of a trace.
#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    pub(crate) trace_id: String,
    /// When its first span began, in whole milliseconds.
    #[serde(deserialize_with = "time::deserialize")]
    request_time: u64,
    /// Until its last span ended: `1.5s`; none while nothing of it has ended.
    execution_duration: Option<String>,
    #[serde(default)]
    pub(crate) trace_metadata: BTreeMap<String, String>,
    trace_location: Option<Location>,
}

#[derive(Debug, Deserialize)]
struct Location {
    mlflow_experiment: Option<ExperimentLocation>,
}

#[derive(Debug, Deserialize)]
struct ExperimentLocation {
    experiment_id: String,
}

impl Info {
    /// The millisecond it began in.
    pub(crate) fn millisecond(&self) -> u64 {
        self.request_time / MILLISECOND
    }

    /// When it ended, as far as is known.
    pub(crate) fn end_time(&self) -> u64 {
        let seconds = self
            .execution_duration
            .as_deref()
            .and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok())
            .filter(|seconds| *seconds > 0.0)
            .unwrap_or_default();
        // To the millisecond, which is all there is.
        let milliseconds = (seconds * 1e3).round() as u64;
        self.request_time
            .saturating_add(milliseconds.saturating_mul(MILLISECOND))
    }

    /// When it began.
    pub(crate) fn start_time(&self) -> u64 {
        self.request_time
    }

    /// Whether it belongs to this experiment.
    pub(crate) fn is_in(&self, experiment: &str) -> bool {
        let location = self.trace_location.as_ref();
        location
            .and_then(|location| location.mlflow_experiment.as_ref())
            .is_some_and(|location| location.experiment_id == experiment)
    }

    /// Whether one of MLflow's own clients wrote it.
    pub(crate) fn is_native(&self) -> bool {
        self.trace_metadata
            .contains_key("mlflow.trace_schema.version")
    }
}

/// A part of what a search finds.
pub(crate) struct Found<T> {
    pub(crate) traces: Vec<T>,
    /// Where to go on, counted from the first; good as long as nothing moves.
    pub(crate) token: Option<String>,
}

/// In which order traces are wanted; those of one millisecond by their ids.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

/// Traces of an experiment for which all of `conditions` hold.
pub(crate) fn search<T: DeserializeOwned>(
    mlflow: &Mlflow,
    experiment: &str,
    conditions: &[String],
    order: Order,
    limit: u32,
    token: Option<&str>,
) -> Result<Found<T>> {
    #[derive(Serialize)]
    struct Question<'q> {
        locations: serde_json::Value,
        filter: String,
        max_results: u32,
        order_by: [&'q str; 2],
        page_token: Option<&'q str>,
    }
    // Without a trace, there is no list.
    #[derive(Deserialize)]
    struct Answer<T> {
        #[serde(default = "Vec::new")]
        traces: Vec<T>,
        next_page_token: Option<String>,
    }

    let question = Question {
        locations: json!([{
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": { "experiment_id": experiment },
        }]),
        filter: conditions.join(" AND "),
        max_results: limit.clamp(1, MOST),
        order_by: match order {
            Order::NewestFirst => ["timestamp_ms DESC", "request_id ASC"],
            Order::OldestFirst => ["timestamp_ms ASC", "request_id ASC"],
        },
        page_token: token,
    };
    let found: Answer<T> = ask(mlflow
        .http
        .post(&["api", "3.0", "mlflow", "traces", "search"])
        .json(&question)?
        .repeatable())?;
    Ok(Found {
        traces: found.traces,
        token: found.next_page_token.filter(|token| !token.is_empty()),
    })
}

/// All of them.
pub(crate) fn search_all<T: DeserializeOwned>(
    mlflow: &Mlflow,
    experiment: &str,
    conditions: &[String],
    order: Order,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let found = search(
            mlflow,
            experiment,
            conditions,
            order,
            MOST,
            token.as_deref(),
        )?;
        all.extend(found.traces);
        token = found.token;
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// Fetch traces whole and hand each to `take`. Those that went meanwhile are left out. Returned
/// is how many bytes came.
pub(crate) fn fetch(
    mlflow: &Mlflow,
    ids: &[String],
    mut take: impl FnMut(span::Trace<'_>) -> Result<()>,
) -> Result<usize> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        traces: Vec<span::Trace<'a>>,
    }

    let mut bytes = 0;
    for ids in ids.chunks(AT_A_TIME) {
        let response: Response = answer(
            mlflow
                .http
                .get(&["api", "3.0", "mlflow", "traces", "batchGet"])
                .query_all("trace_ids", ids),
        )?;
        bytes += response.body().len();
        for trace in response.json::<Answer<'_>>()?.traces {
            take(trace)?;
        }
    }
    Ok(bytes)
}

/// A text in a condition. The language has two quotes and no way to write them inside.
pub(crate) fn text(text: &str) -> Result<String> {
    quoted(text).ok_or_else(|| {
        error::invalid_argument(format!(
            "MLflow cannot look for `{}`: a backslash, a control character, or both kinds of quotes \
             are in it",
            text.escape_debug()
        ))
    })
}

/// A text in quotes; none for what cannot be written down.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let is_plain = !text.contains('\\') && !text.chars().any(char::is_control);
    match (is_plain, text.contains('\''), text.contains('"')) {
        (true, false, _) => Some(format!("'{text}'")),
        (true, true, false) => Some(format!("\"{text}\"")),
        _ => None,
    }
}

/// The error for a trace that is not in a project.
pub(crate) fn no_trace(project: &str, id: &str) -> Error {
    error::not_found(format!("project `{project}` has no trace `{id}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_never_leaves_its_quotes() {
        assert_eq!(quoted("plain ü").as_deref(), Some("'plain ü'"));
        assert_eq!(quoted("it's").as_deref(), Some("\"it's\""));
        assert_eq!(quoted("say \"x\"").as_deref(), Some("'say \"x\"'"));
        for text in ["' OR \"", "a\\", "a\nb"] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_trace_is_its_start_and_its_duration() {
        let info = |duration: &str| {
            serde_json::from_str::<Info>(&format!(
                r#"{{"trace_id":"tr-1","request_time":"2026-11-18T11:27:00.5Z"{duration}}}"#
            ))
            .map(|info| info.end_time() - info.start_time())
            .ok()
        };
        assert_eq!(info(""), Some(0));
        assert_eq!(
            info(r#","execution_duration":"1.001s""#),
            Some(1_001_000_000)
        );
        assert_eq!(info(r#","execution_duration":"-1795s""#), Some(0));
    }
}
