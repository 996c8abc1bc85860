//! `roost providers top`: what the providers of a gateway do, now.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use roost::plugin::{Counted, DURATION_BUCKETS};
use roost::serve::ProviderReport;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::record;
use super::super::table::{Column, Table};
use super::running::Running;

/// Home, and clear what is below.
const CLEAR: &str = "\x1b[H\x1b[2J";

const AFTER_HELP: &str = "\
A row is an operation of a generation, or its HTTP requests. Rates are of the time since the table
before; the first one, and --once, show the time since the generation began to serve.

Examples:
  roost providers top
  roost providers top --once --json | jq -r 'select(.p95_seconds > 1) | .operation'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct TopArgs {
    /// How often to look, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Show it once
    #[arg(long)]
    once: bool,
    /// Print JSON: one object a line and row
    #[arg(long)]
    json: bool,
}

/// What tells rows apart.
type Key = (String, u64, String);

/// An operation of a generation.
#[derive(Debug, Serialize)]
struct Row {
    provider: String,
    generation: u64,
    operation: String,
    calls: u64,
    errors: u64,
    calls_per_second: f64,
    mean_seconds: Option<f64>,
    p95_seconds: Option<f64>,
}

pub(in super::super) async fn run(context: &Context, args: &TopArgs) -> anyhow::Result<Exit> {
    let running = Running::of(context)?;
    let mut ticks = interval(Duration::from_secs(args.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<(Instant, HashMap<Key, Counted>)> = None;
    loop {
        ticks.tick().await;
        let providers = running.providers().await?;
        let now = Instant::now();
        let (rows, seen) = match &before {
            None => rows(&providers, &HashMap::new(), None),
            Some((then, counts)) => rows(&providers, counts, Some(now - *then)),
        };
        let text = if args.json {
            record::lines(&rows)?
        } else {
            render(&rows, context.terminal.width)
        };
        let is_live = !args.once && !args.json && context.terminal.width.is_some();
        let clear = if is_live { CLEAR } else { "" };
        context.terminal.print(&format!("{clear}{text}"))?;
        if args.once {
            return Ok(Exit::Fine);
        }
        before = Some((now, seen));
    }
}

/// The rows of the generations that serve, and all counts for the next time. `passed` is the
/// time since `before`.
fn rows(
    providers: &[ProviderReport],
    before: &HashMap<Key, Counted>,
    passed: Option<Duration>,
) -> (Vec<Row>, HashMap<Key, Counted>) {
    let mut rows = Vec::new();
    let mut seen = HashMap::new();
    for provider in providers {
        let Some(generation) = provider.serving() else {
            continue;
        };
        let requests = [("(requests)", &generation.requests)];
        let operations = generation.operations.iter();
        let named = operations.map(|(name, counted)| (name.as_str(), counted));
        for (operation, counted) in named.chain(requests) {
            let key = (
                provider.name.clone(),
                generation.number,
                operation.to_owned(),
            );
            let since = passed.unwrap_or_else(|| age(&generation.since));
            let change = Change::between(before.get(&key), counted);
            rows.push(Row {
                provider: provider.name.clone(),
                generation: generation.number,
                operation: operation.to_owned(),
                calls: counted.count,
                errors: counted.failed(),
                calls_per_second: change.count as f64 / since.as_secs_f64().max(1e-9),
                mean_seconds: (change.count > 0).then(|| change.sum / change.count as f64),
                p95_seconds: change.quantile(0.95),
            });
            seen.insert(key, counted.clone());
        }
    }
    (rows, seen)
}

/// How long ago that is.
fn age(since: &str) -> Duration {
    let since: Option<jiff::Timestamp> = since.parse().ok();
    let age = since.map(|since| jiff::Timestamp::now().duration_since(since));
    age.and_then(|age| age.try_into().ok()).unwrap_or_default()
}

/// What came to a count.
struct Change {
    count: u64,
    sum: f64,
    buckets: Vec<u64>,
}

impl Change {
    fn between(before: Option<&Counted>, now: &Counted) -> Self {
        let nothing = Counted::default();
        let before = before.unwrap_or(&nothing);
        let buckets = now.durations.buckets.iter().zip(&before.durations.buckets);
        Self {
            count: now.count.saturating_sub(before.count),
            sum: (now.durations.sum - before.durations.sum).max(0.0),
            buckets: buckets
                .map(|(now, before)| now.saturating_sub(*before))
                .collect(),
        }
    }

    /// The bound of the bucket that the quantile lies in; none where it lies beyond them all, or
    /// there was nothing.
    fn quantile(&self, quantile: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = quantile * self.count as f64;
        let mut below = 0;
        DURATION_BUCKETS
            .into_iter()
            .zip(&self.buckets)
            .find_map(|(bound, count)| {
                below += count;
                (below as f64 >= rank).then_some(bound)
            })
    }
}

fn render(rows: &[Row], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("PROVIDER"),
        Column::whole("GENERATION").right(),
        Column::cut("OPERATION"),
        Column::whole("PER SECOND").right(),
        Column::whole("MEAN").right(),
        Column::whole("P95").right(),
        Column::whole("CALLS").right(),
        Column::whole("ERRORS").right(),
    ]);
    let millis = |seconds: Option<f64>, most: &str| {
        seconds.map_or("-".to_owned(), |seconds| {
            format!("{most}{:.1} ms", seconds * 1e3)
        })
    };
    for row in rows {
        table.push([
            row.provider.as_str().into(),
            row.generation.to_string().into(),
            row.operation.as_str().into(),
            format!("{:.1}", row.calls_per_second).into(),
            millis(row.mean_seconds, "").into(),
            millis(row.p95_seconds, "<= ").into(),
            row.calls.to_string().into(),
            row.errors.to_string().into(),
        ]);
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_since_the_table_before_is_shown() {
        let mut before = Counted::default();
        before.count = 10;
        before.durations.sum = 1.0;
        before.durations.buckets[0] = 10;
        let mut now = before.clone();
        now.count = 30;
        now.durations.sum = 3.0;
        now.durations.buckets[6] = 20;
        let change = Change::between(Some(&before), &now);
        assert_eq!((change.count, change.sum), (20, 2.0));
        assert_eq!(change.quantile(0.95), Some(DURATION_BUCKETS[6]));
        assert_eq!(Change::between(Some(&now), &now).quantile(0.95), None);
    }
}
