//! Which spans a command is about.

use clap::{Args, ValueEnum};
use roost::contract::{Field, Predicate, StatusCode, TimeWindow};
use roost::provider::SpanQuery;
use roost::query::Filter;

use super::exit::CommandError;
use super::time::a_day_ago;
use super::window::WindowArgs;

/// What `--help` says of filters.
pub(super) const FILTERS: &str = "\
A filter is a condition in SQL over the columns of spans: name, span_kind, status_code,
status_message, start_time, end_time, latency_ms, parent_id, context.trace_id,
context.span_id and attributes['<key>'].";

/// Spans of a project; every one where nothing is said.
#[derive(Debug, Args)]
pub(super) struct SelectionArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// Only spans for which this holds, in SQL; several must all hold
    #[arg(long, short, value_name = "EXPR")]
    filter: Vec<Filter>,
    /// Only spans without a parent
    #[arg(long)]
    roots: bool,
    /// Only spans that ended so
    #[arg(long, value_name = "STATUS", ignore_case = true)]
    status: Option<Status>,
    /// Only spans of this OpenInference kind, such as LLM, CHAIN, TOOL or RETRIEVER
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Unset,
    Ok,
    Error,
}

impl From<Status> for StatusCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Unset => Self::Unset,
            Status::Ok => Self::Ok,
            Status::Error => Self::Error,
        }
    }
}

impl SelectionArgs {
    pub(super) fn is_given(&self) -> bool {
        self.window.is_given()
            || !self.filter.is_empty()
            || self.roots
            || self.status.is_some()
            || self.kind.is_some()
    }

    /// The question for these spans, all of them.
    pub(super) fn query(&self, project: &str) -> Result<SpanQuery, CommandError> {
        Ok(self.of(project, self.window.window()?))
    }

    /// As [`query`](Self::query), from a day ago on where nobody says since when.
    pub(super) fn of_the_last_day(&self, project: &str) -> Result<SpanQuery, CommandError> {
        Ok(self.of(project, self.window.since_or(a_day_ago())?))
    }

    fn of(&self, project: &str, window: TimeWindow) -> SpanQuery {
        let mut query = SpanQuery::new(project, window).limit(usize::MAX);
        if let Some(status) = self.status {
            let status = StatusCode::from(status).as_str();
            query = query.filter(Predicate::equal(Field::Status, status));
        }
        if let Some(kind) = &self.kind {
            query = query.filter(Predicate::equal(Field::Kind, kind.to_uppercase()));
        }
        if self.roots {
            query = query.roots_only();
        }
        for filter in &self.filter {
            query = query.matching(filter);
        }
        query
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SelectionArgs,
    }

    fn read(line: &[&str]) -> Result<SelectionArgs, clap::Error> {
        let line = std::iter::once(&"x").chain(line);
        Line::try_parse_from(line).map(|line| line.args)
    }

    #[test]
    fn options_become_predicates_of_the_query() {
        let query = read(&["--kind", "llm", "--status", "ERROR", "--roots"]);
        let all = SpanQuery::new("p", TimeWindow::all()).limit(usize::MAX);
        let expected = all
            .filter(Predicate::equal(Field::Status, "ERROR"))
            .filter(Predicate::equal(Field::Kind, "LLM"))
            .roots_only();
        assert_eq!(query.unwrap().query("p").unwrap(), expected);
    }

    #[test]
    fn several_filters_must_all_hold() {
        let two = read(&["-f", "name = 'a'", "--filter", "status = 'OK'"]);
        let all = SpanQuery::new("p", TimeWindow::all()).limit(usize::MAX);
        let expected = all
            .filter(Predicate::equal(Field::Name, "a"))
            .filter(Predicate::equal(Field::Status, "OK"));
        assert_eq!(two.unwrap().query("p").unwrap(), expected);
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused_with_what_was_meant() {
        let error = read(&["--filter", "latencyms > 5"]).unwrap_err();
        assert!(error.to_string().contains("latency_ms"), "{error}");
    }
}
